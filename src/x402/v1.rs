//! x402 version 1: its 402 body and its offers, made from ours (x402 v1 §5.1).

use serde_json::{Value, json};

use super::{PaymentRequirements, ResourceInfo};

/// The offer in v1 words, or nothing where v1 has none: another scheme than `exact`, a network that
/// `x402-fetch` 1.2 does not know, another way of transfer than EIP-3009.
///
/// The v1 client parses every entry strictly and throws on the first it does not like, so this refuses early.
pub fn requirements(offer: &PaymentRequirements, resource: &ResourceInfo) -> Option<PaymentRequirements> {
    let network = offer.network().v1_name()?;
    let eip3009 = offer.extra("assetTransferMethod").is_none_or(|method| method == "eip3009");
    if offer.scheme() != "exact" || !eip3009 {
        return None;
    }
    let wire = json!({
        "scheme": "exact",
        "network": network,
        "maxAmountRequired": offer.amount().to_string(),
        "resource": resource.url,
        "description": resource.description.as_deref().unwrap_or_default(),
        "mimeType": resource.mime_type.as_deref().unwrap_or_default(),
        "payTo": offer.wire()["payTo"],
        "maxTimeoutSeconds": offer.max_timeout_seconds(),
        "asset": offer.wire()["asset"],
        "extra": { "name": offer.extra("name")?, "version": offer.extra("version")? },
    });
    PaymentRequirements::from_v1(wire).ok()
}

/// The JSON body of a 402 that a v1 client can read; `{}` where no offer can be said in v1.
pub fn body(error: &str, offers: &[PaymentRequirements], payer: Option<&str>) -> Value {
    if offers.is_empty() {
        return json!({});
    }
    let accepts: Vec<_> = offers.iter().map(PaymentRequirements::wire).collect();
    let mut body = json!({ "x402Version": 1, "error": error, "accepts": accepts });
    if let Some(payer) = payer {
        body["payer"] = json!(payer);
    }
    body
}
