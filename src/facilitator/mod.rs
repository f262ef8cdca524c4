//! Facilitators: the services that know the chain. They verify and settle what the edge has checked.
//!
//! Specification: x402 v2 §7. A facilitator's word is read from the body, whatever the status says.

mod auth;
mod channel;
mod client;
mod roster;
mod settle;
mod verify;

pub use auth::{BadCredentials, CdpKey, Credential, Credentials, SigningKey};
pub use channel::{ChannelSeen, ChannelSettlement, ChannelVerification, server_payload, server_terms};
pub use client::Facilitators;
pub use roster::Roster;
pub use settle::{Inquiry, Settlement};
pub use verify::{Verification, VerifiedPayment};
