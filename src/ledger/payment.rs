//! What the ledger keeps of one payment.

use serde::{Deserialize, Serialize};

use crate::x402::{SettleAttempt, SettlementResponse};

use super::Exposure;

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Being verified, and then the origin is asked. Nothing can have been charged.
    Held,
    /// The origin is at work already. Nothing can have been charged.
    Serving,
    /// Written before the facilitator is asked to settle: from here on money may have moved.
    Settling,
    /// Nobody knows whether money moved. Leaves only by evidence.
    Unknown,
    /// Paid; the content is owed until it is delivered.
    Settled,
    /// Paid and delivered.
    Delivered,
    /// Nothing was charged, for sure: the payment may be presented anew.
    Released,
}

/// A payment. Its key, the nonce, stands beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Where it stands.
    pub state: State,
    /// The EIP-712 hash that was signed: the same hash is the same payment, whatever its spelling.
    pub digest: String,
    /// The request it was first presented for: a hash of method, host, path, query, `Range`, and the body's type and length.
    pub request: String,
    /// What is bought, for the owner's books.
    pub sale: Sale,
    /// Version of the price document that quoted what was paid; empty where that was one of before, or none.
    #[serde(default)]
    pub quoted: String,
    /// The newest hold. Commands of older ones change nothing, but for evidence of settlement.
    pub hold: u32,
    /// Until then the holder acts and copies wait; Unix seconds.
    pub lease_until: u64,
    /// When the alarm asks for an unknown settlement; Unix seconds.
    pub ask_at: u64,
    /// How to ask again for the settlement.
    pub attempt: Option<Box<SettleAttempt>>,
    /// How often an unknown settlement was asked for.
    pub asked: u32,
    /// The settlement.
    pub receipt: Option<SettlementResponse>,
    /// The facilitator that was asked to settle; none before one was.
    pub facilitator: Option<String>,
    /// Whether the origin was asked before anybody had verified the payment.
    pub unverified: bool,
    /// What its answer may take of a route's budget, where it may leave before it is paid.
    pub exposure: Option<Exposure>,
    /// Whether that is set aside: then the answer may.
    #[serde(default)]
    pub set_aside: bool,
    /// Its answer left before it was settled.
    pub ahead: Option<Ahead>,
    /// How often its content was given again.
    #[serde(default)]
    pub given_again: u32,
    /// When its state changed last; Unix seconds.
    pub changed_at: u64,
    /// When it may be forgotten; Unix seconds.
    pub keep_until: u64,
}

/// An answer that left ahead of its settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ahead {
    /// It may still be on its way.
    Leaving,
    /// The client has all of it.
    Whole,
    /// The client has not.
    CutOff,
}

/// What a payment buys, in the words of the owner's books.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sale {
    /// Names the payment, in the books and to the origin: [`super::payment_id`].
    pub id: String,
    /// Host and port that the client asked.
    pub host: String,
    /// The route's key in the price document.
    pub route: String,
    /// HTTP method.
    pub method: String,
    /// Who pays (EIP-55).
    pub payer: String,
    /// Who is paid (EIP-55).
    pub pay_to: String,
    /// CAIP-2 id.
    pub network: String,
    /// Token contract (EIP-55).
    pub asset: String,
    /// Atomic units.
    pub amount: String,
    /// Version of the price document.
    pub prices: String,
}
