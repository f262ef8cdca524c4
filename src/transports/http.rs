//! HTTP transport v2: `PAYMENT-REQUIRED`, `PAYMENT-SIGNATURE`, `PAYMENT-RESPONSE`, each base64 of JSON.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::Serialize;

use crate::x402::{MalformedPayload, PaymentPayload, X402Version};

use super::http_v1;

/// Server to client: the challenge.
pub const PAYMENT_REQUIRED: &str = "PAYMENT-REQUIRED";
/// Client to server: the payment.
pub const PAYMENT_SIGNATURE: &str = "PAYMENT-SIGNATURE";
/// Server to client: the receipt.
pub const PAYMENT_RESPONSE: &str = "PAYMENT-RESPONSE";
/// Client to server: a signed message in place of a payment (extension `sign-in-with-x`).
pub const SIGN_IN_WITH_X: &str = "SIGN-IN-WITH-X";

/// Longer payment headers are refused. Official payloads take about 1,000 bytes, the largest known
/// (with a signed approval for gas sponsoring) under 3,000.
pub const MAX_PAYMENT_HEADER_BYTES: usize = 16 * 1024;

/// Padding is written; missing padding and leftover bits are forgiven, as `atob` does.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A payment header that holds no payment. Not the same as a payment that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPaymentHeader {
    /// Over [`MAX_PAYMENT_HEADER_BYTES`].
    #[error("the header {0} is longer than 16384 bytes")]
    TooLong(&'static str),
    /// Not the standard alphabet of base64.
    #[error("the header {0} is not base64 (standard alphabet)")]
    Base64(&'static str),
    /// Decodes to something else than a payload.
    #[error("the header {0} does not decode to a payment: {1}")]
    Payload(&'static str, MalformedPayload),
    /// A v2 payload in `X-PAYMENT` or a v1 payload in `PAYMENT-SIGNATURE`.
    #[error("the header {0} carries x402Version {1}; version 2 travels in PAYMENT-SIGNATURE, version 1 in X-PAYMENT")]
    Version(&'static str, u8),
}

/// The payment a request carries, if any. With both headers, v2's counts.
pub fn read_payment<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Result<Option<PaymentPayload>, BadPaymentHeader> {
    for (name, version) in [(PAYMENT_SIGNATURE, X402Version::V2), (http_v1::X_PAYMENT, X402Version::V1)] {
        let Some(text) = header(name) else { continue };
        let payload = decode(name, text)?;
        return if payload.version() == version {
            Ok(Some(payload))
        } else {
            Err(BadPaymentHeader::Version(name, payload.version().number()))
        };
    }
    Ok(None)
}

/// Whether there is a payment header, good or bad.
pub fn carries_payment<'a>(header: impl Fn(&str) -> Option<&'a str>) -> bool {
    [PAYMENT_SIGNATURE, http_v1::X_PAYMENT].into_iter().any(|name| header(name).is_some())
}

fn decode(name: &'static str, text: &str) -> Result<PaymentPayload, BadPaymentHeader> {
    let json = decode_header(name, text)?;
    PaymentPayload::from_json(&json).map_err(|error| BadPaymentHeader::Payload(name, error))
}

/// The bytes behind a base64 header; `name` is for the error text.
pub fn decode_header(name: &'static str, text: &str) -> Result<Vec<u8>, BadPaymentHeader> {
    if text.len() > MAX_PAYMENT_HEADER_BYTES {
        return Err(BadPaymentHeader::TooLong(name));
    }
    BASE64.decode(text).map_err(|_| BadPaymentHeader::Base64(name))
}

/// Any message as the value of a header.
pub fn encode_header(message: &impl Serialize) -> String {
    // Our messages have text keys only, so writing them as JSON cannot fail.
    encode_text(&serde_json::to_string(message).unwrap_or_default())
}

/// The same for a message that is JSON already.
pub fn encode_text(json: &str) -> String {
    BASE64.encode(json)
}
