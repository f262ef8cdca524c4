//! What an answer's body says was used: counted while it passes, in a few kilobytes of memory however long it is.

mod events;
mod json;
mod meter;
mod rate;
mod tokens;

pub use meter::Meter;
pub use rate::Rate;
pub use tokens::Tokens;
