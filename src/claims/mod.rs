//! Claiming: what channels owe is credited on chain, many at once, and then paid out.
//!
//! A facilitator brings the transactions; the receiver's key signs them, or the facilitator's where the owner has none.
//! Claims are cumulative: one that is sent twice moves nothing twice.

mod bring;
mod inquiry;
mod store;
mod teller;

pub use store::TillStore;
pub use teller::{Keys, Teller};
