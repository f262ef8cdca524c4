//! Both ends of the ledger's wire: what it is told, and what it says.

use serde::{Deserialize, Serialize};

use crate::x402::{SettleAttempt, SettlementResponse};

use super::{Exposure, Plan, Sale, Wish};

/// A payment as it comes in, checked at the edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presentation {
    /// As in [`super::Payment`].
    pub digest: String,
    /// As in [`super::Payment`].
    pub request: String,
    /// As in [`super::Payment`].
    pub sale: Sale,
    /// As in [`super::Payment`].
    #[serde(default)]
    pub quoted: String,
    /// Whether the prices of now ask for more than was signed. They may where it is owed, if a price has changed since;
    /// but not by the document that quoted it.
    #[serde(default)]
    pub is_dearer: bool,
    /// Last second at which the authorization can be settled.
    pub valid_until: u64,
    /// What may come first: `/verify` or the origin.
    pub wish: Wish,
    /// Runs of the origin that the payer may cause before anybody has verified them and they have settled.
    pub max_unsettled: u32,
    /// What the answer may take of a budget, where the route lets it leave before it is paid.
    pub exposure: Option<Exposure>,
    /// How long verifying may take; copies wait meanwhile.
    pub verify_seconds: u64,
    /// Only a payment the ledger knows counts: its own terms have changed or its time is over.
    pub known_only: bool,
}

/// What the ledger is told. Each is applied whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Here is a payment: what is to be done with it? One whose outcome is unknown is resolved first.
    Present(Box<Presentation>),
    /// The origin is asked at once, before anybody has verified the payment.
    Serve {
        /// Who says so.
        hold: u32,
    },
    /// The origin said yes: settle. It is written before the facilitator is asked.
    Settle {
        /// Who says so.
        hold: u32,
        /// What to ask for.
        attempt: Box<SettleAttempt>,
    },
    /// The same, and the answer does not wait for it. Only where the ledger said that it may.
    Queue {
        /// Who says so.
        hold: u32,
        /// What to ask for.
        attempt: Box<SettleAttempt>,
        /// Whether the answer has ended already: what it used is known then. It is not given again.
        ended: bool,
    },
    /// The origin failed for a payment that was verified, broke off an answer that was leaving, or was not asked at all:
    /// nothing was charged, and the run does not count.
    Forgive {
        /// Who says so.
        hold: u32,
    },
    /// Work with the facilitator has ended.
    Close {
        /// Who says so.
        hold: u32,
        /// How.
        outcome: Box<Outcome>,
    },
    /// The answer is still on its way to the client.
    Delivering {
        /// Who says so.
        hold: u32,
    },
    /// The answer's way to the client has ended.
    Delivered {
        /// Who says so.
        hold: u32,
        /// Whether the client got all of it.
        whole: bool,
    },
}

/// How settling ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The money moved.
    Settled(SettlementResponse),
    /// It did not and will not by our doing.
    Released,
    /// Nobody knows.
    Unknown,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Verify, ask the origin, settle.
    Held {
        /// The presenter's hold.
        hold: u32,
        /// What comes first. Where it is not `/verify`, the payment is `Serving` already.
        plan: Plan,
        /// Whether the answer may leave before the money comes: what it may cost is set aside.
        ahead: bool,
    },
    /// Settled just now: let the answer out.
    Settled {
        /// The settlement.
        receipt: SettlementResponse,
    },
    /// The facilitator would not settle, for sure: nothing was charged.
    Refused {
        /// Its answer.
        receipt: SettlementResponse,
    },
    /// Nobody knows yet; the ledger goes on asking.
    Unknown {
        /// Whether the time ran out, or the answer was lost or unreadable.
        deadline: bool,
    },
    /// Paid and not delivered: ask the origin again, charge nothing.
    Owed {
        /// The presenter's hold.
        hold: u32,
        /// The settlement.
        receipt: SettlementResponse,
        /// When it was settled, Unix seconds; nothing where its answer had left before the money came.
        since: Option<u64>,
    },
    /// Find out what became of this attempt. The ledger's clerk does; it is never told to the gate.
    Resolve {
        /// The clerk's hold.
        hold: u32,
        /// The attempt.
        attempt: Box<SettleAttempt>,
    },
    /// Its answer could not wait for the money, and more is owed already than the owner allows.
    Exhausted,
    /// Somebody else is at it: an honest client waits and sends the same again.
    Busy {
        /// Seconds until it is worth it.
        retry_after: u32,
    },
    /// Paid and delivered: this payment buys nothing more.
    Spent {
        /// The settlement.
        receipt: Option<SettlementResponse>,
    },
    /// Paid for another request, which still waits for it.
    Elsewhere,
    /// Asked for a known payment only, and there is none.
    NotKnown,
    /// Written.
    Done,
    /// A newer hold has taken over.
    Stale,
}
