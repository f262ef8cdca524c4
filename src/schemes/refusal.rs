//! Every way in which a payment can be wrong, and the code that says so.

use crate::x402::{ErrorReason, X402Version};

use super::{batch_settlement::ChannelFlaw, permit2::Permit2Flaw};

/// The payer's fault: answered with 402 and the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// `accepted` (v1: scheme and network) is none of our offers.
    NoMatchingRequirements,
    /// An extension of ours came back changed.
    ExtensionEcho,
    /// The scheme's payload is malformed.
    InvalidPayload,
    /// The payload is of a kind this offer does not take (Permit2 for EIP-3009, or the reverse).
    PayloadType,
    /// The offer is of a scheme we do not check.
    Scheme,
    /// The offer lacks the token's EIP-712 name or version.
    MissingDomain,
    /// The signature is not the payer's.
    Signature,
    /// Pays somebody else.
    Recipient,
    /// Expired, or about to.
    ValidBefore,
    /// Not valid yet.
    ValidAfter,
    /// Another amount, less or more.
    Value,
    /// A Permit2 payment is wrong.
    Permit2(Permit2Flaw),
    /// A payment by channel is wrong.
    Channel(ChannelFlaw),
    /// The facilitator said no, in its own words.
    Facilitator(ErrorReason),
}

impl Refusal {
    /// Whether a payment that was good once may be refused so: its price has changed since, or its time is over.
    pub const fn may_come_with_time(&self) -> bool {
        matches!(self, Self::NoMatchingRequirements | Self::ValidBefore | Self::Permit2(Permit2Flaw::DeadlineExpired))
    }

    /// The code for the client. v1 has its own word for a wrong value.
    pub fn reason(&self, version: X402Version) -> ErrorReason {
        ErrorReason::ours(match (self, version) {
            (Self::NoMatchingRequirements, _) => "no_matching_requirements",
            (Self::ExtensionEcho, _) => "extension_echo_mismatch",
            (Self::InvalidPayload, _) => "invalid_payload",
            (Self::PayloadType, _) => "unsupported_payload_type",
            (Self::Scheme, _) => "invalid_exact_evm_scheme",
            (Self::MissingDomain, _) => "invalid_exact_evm_missing_eip712_domain",
            (Self::Signature, _) => "invalid_exact_evm_signature",
            (Self::Recipient, _) => "invalid_exact_evm_recipient_mismatch",
            (Self::ValidBefore, _) => "invalid_exact_evm_payload_authorization_valid_before",
            (Self::ValidAfter, _) => "invalid_exact_evm_payload_authorization_valid_after",
            (Self::Value, X402Version::V1) => "invalid_exact_evm_authorization_value",
            (Self::Value, X402Version::V2) => "invalid_exact_evm_payload_authorization_value_mismatch",
            (Self::Permit2(flaw), _) => flaw.code(),
            (Self::Channel(flaw), _) => flaw.code(),
            (Self::Facilitator(reason), _) => return reason.clone(),
        })
    }
}
