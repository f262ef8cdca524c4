//! A line of the owner's books: what became of one payment.

use serde::{Deserialize, Serialize};

use crate::evm::keccak256;

use super::{Payment, Sale, State};

/// One payment as the owner accounts for it. A later entry of the same payment replaces the earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Of two entries of a payment the greater counts.
    pub rank: u8,
    /// `settled`, `delivered`, `released` (nothing was charged), `unknown`; of an answer that left before it was
    /// paid, `queued`, and `lost` where nobody will pay.
    pub state: String,
    /// When that came about; Unix seconds.
    pub time: u64,
    /// What was bought.
    pub sale: Sale,
    /// EIP-3009 nonce, 64 digits.
    pub nonce: String,
    /// Transaction hash; empty where it is not known.
    pub transaction: String,
    /// The facilitator that was asked to settle.
    pub facilitator: String,
}

/// Names a payment, outside the ledger too: to the origin as `Idempotency-Key`, in the books as key.
pub fn payment_id(object: &str, nonce: &str) -> String {
    hex::encode(keccak256(format!("{object}:{nonce}").as_bytes()))
}

/// The entry of a payment, once a facilitator was asked to settle it: before that no money can have moved.
/// While one is being asked there is none yet, unless the answer has left.
pub fn entry(nonce: &str, payment: &Payment) -> Option<Entry> {
    let facilitator = payment.facilitator.clone()?;
    let (rank, state) = match payment.state {
        State::Settling if payment.ahead.is_some() => (0, "queued"),
        State::Held | State::Serving | State::Settling => return None,
        State::Unknown => (0, "unknown"),
        State::Released if payment.ahead.is_some() => (1, "lost"),
        State::Released => (1, "released"),
        State::Settled => (2, "settled"),
        State::Delivered => (3, "delivered"),
    };
    Some(Entry {
        rank,
        state: state.to_owned(),
        time: payment.changed_at,
        sale: payment.sale.clone(),
        nonce: nonce.to_owned(),
        transaction: payment.receipt.as_ref().map(|receipt| receipt.transaction.clone()).unwrap_or_default(),
        facilitator,
    })
}
