//! Representation: how x402 messages travel over HTTP.
//!
//! Specification: `specs/transports-v2/http.md`, `specs/transports-v1/http.md`.

pub mod http;
pub mod http_v1;
