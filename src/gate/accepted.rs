//! Which of our offers a payload pays (x402 v2 §5.2.2 `accepted`; v1: scheme and network).

use serde_json::{Map, Value};

use crate::x402::{PaymentPayload, PaymentRequirements, X402Version, is_subset};

/// The offers that the payload can mean: in v2 those equal to its `accepted`, in v1 those of its network.
pub fn candidates<'a>(
    offers: &'a [PaymentRequirements],
    payload: &'a PaymentPayload,
) -> impl Iterator<Item = &'a PaymentRequirements> {
    offers.iter().filter(|offer| offer.version() == payload.version() && is_meant(offer, payload))
}

fn is_meant(offer: &PaymentRequirements, payload: &PaymentPayload) -> bool {
    match (payload.version(), offer.wire(), payload.get("accepted")) {
        (X402Version::V1, ours, _) => ["scheme", "network"].iter().all(|key| payload.get(key) == ours.get(key)),
        (X402Version::V2, Value::Object(ours), Some(Value::Object(theirs))) => accepts(ours, theirs),
        (X402Version::V2, ..) => false,
    }
}

/// Every member but `extra` is equal, as text where it is text; `extra` contains ours and may hold more.
fn accepts(ours: &Map<String, Value>, theirs: &Map<String, Value>) -> bool {
    let core = |wire: &Map<String, Value>| {
        let mut wire = wire.clone();
        wire.remove("extra");
        wire
    };
    let extra = match (ours.get("extra"), theirs.get("extra")) {
        (Some(Value::Object(ours)), _) if ours.is_empty() => true,
        (Some(ours), Some(theirs)) => is_subset(ours, theirs),
        (Some(_), None) => false,
        (None, _) => true,
    };
    extra && core(ours) == core(theirs)
}
