//! Passes: signed proof of a payment, which opens what was paid for again.
//!
//! A pass is a bearer token: a compact JWS (RFC 7515) with HS256. Checking one takes no call to anybody; only one with
//! counted uses asks the ledger.

mod carry;
mod keys;
mod scope;
mod seen;
mod token;

pub use carry::{PASS_COOKIE, PASS_HEADER, PASS_MARK, cookie_value, presented, set_cookie, without_passes};
pub use keys::{BadKeys, Keys};
pub use scope::{is_enough, is_live, opens};
