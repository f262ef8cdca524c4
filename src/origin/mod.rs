//! The site behind the paywall: what is stripped, kept and added on the way there and back.

mod forward;
mod location;
mod usage;

pub use forward::{
    OUR_PREFIX, PRICES_HEADER, Paid, free_forward, paid_answer_edits, paid_forward, pass_forward, relayed_answer_edits,
};
pub use location::{Destination, destination};
pub use usage::{Usage, usage};
