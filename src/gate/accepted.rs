//! Which of our offers a payload pays (x402 v2 §5.2.2 `accepted`; v1: scheme and network).

use serde_json::{Map, Value};

use crate::{
    schemes::{
        self, CheckedPayment, Refusal, SmartWallets,
        batch_settlement::{self, Channel, Judgement},
    },
    time::UnixTime,
    x402::{PaymentPayload, PaymentRequirements, X402Version, check_echo, is_subset},
};

/// Is the payment right in everything that can be seen from here? Which offer, the echo of our extensions,
/// then the scheme's own checks. No network.
pub fn judge(
    payload: &PaymentPayload,
    offers: &[PaymentRequirements],
    extensions: &Map<String, Value>,
    now: UnixTime,
    smart_wallets: SmartWallets,
) -> Result<CheckedPayment, Refusal> {
    let mut refusal = Refusal::NoMatchingRequirements;
    // v2 names its offer. v1 names only the network, where several tokens may be offered.
    for requirements in candidates(offers, payload) {
        check_echo(extensions, payload.get("extensions")).map_err(|_| Refusal::ExtensionEcho)?;
        match schemes::check(payload, requirements, now, smart_wallets) {
            Ok(payment) => return Ok(payment),
            Err(reason) => refusal = reason,
        }
    }
    Err(refusal)
}

/// The same for a payment by channel, by what is known of the channel.
pub fn judge_channel(
    payload: &PaymentPayload,
    offers: &[PaymentRequirements],
    known: Option<&Channel>,
    now: UnixTime,
    smart_wallets: SmartWallets,
) -> Result<Judgement, Refusal> {
    let offer = candidates(offers, payload).next().ok_or(Refusal::NoMatchingRequirements)?;
    batch_settlement::check(payload, offer, known, now, smart_wallets)
}

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
    let extra = match (ours.get("extra"), theirs.get("extra")) {
        (Some(Value::Object(ours)), _) if ours.is_empty() => true,
        (Some(ours), Some(theirs)) => is_subset(ours, theirs),
        (Some(_), None) => false,
        (None, _) => true,
    };
    let is_core = |(key, _): &(&String, &Value)| *key != "extra";
    extra && ours.iter().filter(is_core).eq(theirs.iter().filter(is_core))
}
