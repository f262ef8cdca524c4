//! What things cost: the owner's price document, the table made from it, and what a request matches.
//!
//! A document is used whole or not at all. Every way a server could read a request's path is judged,
//! so that no spelling of a priced path is free.

mod diagnosis;
mod document;
mod json;
mod method;
mod offer;
mod pattern;
mod readings;
mod snapshot;
mod table;
mod target;

pub use diagnosis::Diagnosis;
pub use method::{Method, Methods};
pub use pattern::{Pattern, PatternError};
pub use readings::{Readings, TooManyReadings, readings, resolve_dot_segments};
pub use snapshot::Snapshot;
pub use table::{Decision, PriceTable, Route};
pub use target::{BadTarget, Target};
