//! The site behind the paywall: what is stripped, kept and added on the way there and back.

mod forward;
mod location;

pub use forward::{Forward, HeaderEdits, paid_answer_edits, relayed_answer_edits};
pub use location::{Destination, destination};
