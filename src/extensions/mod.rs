//! Extensions of the protocol: one page of the specification, one file.
//!
//! Specification: `specs/extensions/`. Others are passed on as the owner wrote them (`x402/extensions.rs`).

pub mod payment_identifier;
