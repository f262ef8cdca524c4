//! The words of the protocol: x402 v2 messages, and v1's where they differ.
//!
//! Specification: x402 v2 §5, v1 §5. What is ours is typed; what a client sent is kept verbatim
//! beside its typed reading, since the protocol compares texts.

mod error_reason;
mod extensions;
mod facilitator;
mod payment_payload;
mod payment_required;
mod payment_requirements;
pub mod v1;

pub use error_reason::ErrorReason;
pub(crate) use extensions::is_subset;
pub use extensions::{MismatchedExtension, check_echo};
pub(crate) use facilitator::is_network;
pub use facilitator::{
    FacilitatorRequest, SettleAttempt, SettlementResponse, SupportedKind, SupportedResponse, VerifyResponse,
};
pub use payment_payload::{MalformedPayload, PaymentPayload};
pub use payment_required::{PaymentRequired, ResourceInfo};
pub use payment_requirements::{InvalidRequirements, PaymentRequirements};

/// The two versions of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum X402Version {
    /// `x402Version: 1`: offers in the body, `X-PAYMENT`.
    V1,
    /// `x402Version: 2`: offers in `PAYMENT-REQUIRED`, `PAYMENT-SIGNATURE`.
    V2,
}

impl X402Version {
    /// The number on the wire.
    pub const fn number(self) -> u8 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }
}
