//! Messages of the facilitator interface: `/verify`, `/settle` (x402 v2 §7).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::money::{Amount, TransferMethod};

use super::{PaymentPayload, PaymentRequirements};

/// The body of `/verify` and of `/settle`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FacilitatorRequest<'a> {
    x402_version: u8,
    payment_payload: &'a Map<String, Value>,
    payment_requirements: &'a Value,
}

impl<'a> FacilitatorRequest<'a> {
    /// The client's payload with our own offer, never the client's copy of it.
    pub fn new(payload: &'a PaymentPayload, requirements: &'a PaymentRequirements) -> Self {
        Self {
            x402_version: payload.version().number(),
            payment_payload: payload.wire(),
            payment_requirements: requirements.wire(),
        }
    }
}

/// The answer of `/verify`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyResponse {
    /// Whether the payment would settle now.
    pub is_valid: bool,
    /// Why not.
    #[serde(default)]
    pub invalid_reason: Option<String>,
    /// Who would pay.
    #[serde(default)]
    pub payer: Option<String>,
}

/// The answer of `/settle`, and the content of `PAYMENT-RESPONSE` (x402 v2 §5.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SettlementResponse {
    /// Whether the money moved.
    pub success: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_reason: Option<String>,
    /// Transaction hash; empty where there is none.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub transaction: String,
    /// CAIP-2 id, in v1 the name.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub network: String,
    /// Who paid. A facilitator's word for it is not used: the payer is the one that was checked.
    #[serde(default, deserialize_with = "text_or_nothing", skip_serializing_if = "Option::is_none")]
    pub payer: Option<String>,
    /// What was charged, in atomic units, where it need not be what was signed. Never a facilitator's word.
    #[serde(default, deserialize_with = "text_or_nothing", skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// What else the scheme, or the way of settling, tells: `{"settlement": "queued"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra: Option<Value>,
}

impl SettlementResponse {
    /// What was charged for the request, in atomic units, where that need not be the price; by channel
    /// `extra.chargedAmount`, since `amount` is a deposit there. A text that is no amount is nothing charged.
    pub fn charged(&self) -> Option<Amount> {
        let by_channel = self.extra.as_ref().and_then(|extra| extra.get(CHARGED_AMOUNT)).map(|text| text.as_str());
        let charged = by_channel.or_else(|| self.amount.as_deref().map(Some))?;
        Some(charged.and_then(|text| text.parse().ok()).unwrap_or(Amount::ZERO))
    }
}

/// In `extra` of a payment by channel (batch-settlement).
const CHARGED_AMOUNT: &str = "chargedAmount";

/// The answer of `/supported` (x402 v2 §7.3). v1 facilitators send `kinds` alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct SupportedResponse {
    /// What it settles. A kind that cannot be read is none.
    pub kinds: Vec<Value>,
    /// Names of the extensions it knows; what is no list of texts names none.
    #[serde(default)]
    pub extensions: Value,
    /// Its own addresses, by network or pattern (`eip155:*`).
    #[serde(default)]
    pub signers: Value,
}

/// One thing that a facilitator settles.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SupportedKind {
    /// 1 or 2.
    pub x402_version: u8,
    /// Such as `exact`.
    pub scheme: String,
    /// CAIP-2 id, in v1 the name; in v2 perhaps a pattern such as `eip155:*`.
    pub network: String,
}

impl SupportedKind {
    /// The kind of an offer.
    pub fn of(requirements: &PaymentRequirements) -> Self {
        let network = requirements.wire()["network"].as_str().unwrap_or_default().to_owned();
        Self { x402_version: requirements.version().number(), scheme: requirements.scheme().to_owned(), network }
    }

    /// Whether this kind, as a facilitator names it, includes `wanted`.
    pub fn includes(&self, wanted: &Self) -> bool {
        is_network(&self.network, &wanted.network)
            && self.x402_version == wanted.x402_version
            && self.scheme == wanted.scheme
    }
}

/// Whether a network, or a pattern such as `eip155:*`, names `wanted`.
pub(crate) fn is_network(pattern: &str, wanted: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == wanted, |prefix| wanted.starts_with(prefix))
}

/// All that is needed to ask for a settlement again, by anybody, later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettleAttempt {
    /// Base URL of the facilitator that is asked.
    pub facilitator: String,
    /// Base URLs of others that could settle it, in the owner's order.
    pub others: Vec<String>,
    /// The body it was asked with; asked again, it is identical.
    pub body: String,
    /// The network in the words of the payment's version.
    pub network: String,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The token.
    pub asset: String,
    /// Who pays.
    pub payer: String,
    /// Who is paid.
    pub pay_to: String,
    /// How much, in atomic units: what is charged, not more than what was signed.
    pub amount: String,
    /// What was signed, where less may be charged (`upto`).
    #[serde(default)]
    pub ceiling: Option<String>,
    /// How the money is moved.
    #[serde(default)]
    pub transfer: TransferMethod,
    /// The nonce, `0x` and 64 digits.
    pub nonce: String,
    /// From this second on the authorization cannot be settled any more.
    pub expires_at: u64,
    /// When it was begun.
    pub begun_at: u64,
    /// RPC URLs of the chain, where the owner has given any.
    pub rpc: Vec<String>,
}

/// Some facilitators write `null` where the specification has a text.
fn null_as_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::<String>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// What is no text is as good as absent.
fn text_or_nothing<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Value::deserialize(deserializer).map(|value| value.as_str().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_means_absent() {
        let answer: SettlementResponse = serde_json::from_str(
            r#"{"success":false,"errorReason":null,"transaction":null,"network":"base","payer":null,"more":1}"#,
        )
        .unwrap();
        assert_eq!(serde_json::to_string(&answer).unwrap(), r#"{"success":false,"transaction":"","network":"base"}"#);
    }
}
