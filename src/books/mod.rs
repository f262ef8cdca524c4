//! The owner's books: one row for each payment, and what the chain says about them.
//!
//! Written from the ledger's entries, at least once and without duplicates; `docs/ledger.md` describes the tables.

mod channels;
mod entries;
mod observed;
mod reconcile;
mod schema;

pub use channels::write_channels;
pub use entries::write;
pub use observed::Observed;
pub use reconcile::{Report, reconcile};
pub use schema::migrate;
