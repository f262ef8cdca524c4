//! Extensions of the protocol: one page of the specification, one file.
//!
//! Specification: `specs/extensions/`. Others are passed on as the owner wrote them (`x402/extensions.rs`).

mod iso8601;
pub mod payment_identifier;
pub mod sign_in_with_x;
