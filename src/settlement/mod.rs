//! Settles what the ledger has written down, with or without the client: the work that is done in the ledger's
//! object, since only there it is known who is at it.

mod ahead;
mod calls;
mod clerk;
mod store;

pub use clerk::Clerk;
pub use store::PaymentStore;
