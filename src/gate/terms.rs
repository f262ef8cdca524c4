//! Offers as they can be paid: what only facilitators can say is filled in.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::{
    evm::Address,
    facilitator::Roster,
    schemes::{batch_settlement, exact, upto},
    time::UnixTime,
    x402::{PaymentPayload, PaymentRequirements, SupportedKind},
};

use super::Channels;

/// Extensions by which a facilitator pays the gas for the payer's approval of Permit2
/// (`specs/extensions/eip2612_gas_sponsoring.md`, `erc20_gas_sponsoring.md`), and what clients add to them.
const GAS_SPONSORING: [(&str, &str, &[&str]); 2] = [
    (
        "eip2612GasSponsoring",
        "The facilitator submits an EIP-2612 permit for Permit2.",
        &["from", "asset", "spender", "amount", "nonce", "deadline", "signature", "version"],
    ),
    (
        "erc20ApprovalGasSponsoring",
        "The facilitator submits a signed approval of Permit2.",
        &["from", "asset", "spender", "amount", "signedTransaction", "version"],
    ),
];

/// What an offer has to name in `extra` that the owner leaves to others: the facilitator of `upto`, the receiver's key of
/// a channel.
fn open_key(offer: &PaymentRequirements) -> Option<&'static str> {
    let key = match offer.scheme() {
        upto::SCHEME => upto::FACILITATOR_ADDRESS,
        batch_settlement::SCHEME => batch_settlement::RECEIVER_AUTHORIZER,
        _ => return None,
    };
    offer.extra(key).is_none().then_some(key)
}

/// An offer that the owner has not written whole.
pub(super) fn is_open(offer: &PaymentRequirements) -> bool {
    open_key(offer).is_some()
}

/// An offer that is paid by channel.
pub(super) fn is_by_channel(offer: &PaymentRequirements) -> bool {
    offer.scheme() == batch_settlement::SCHEME
}

/// An offer that needs no facilitator's word: `exact` by EIP-3009.
pub(super) fn is_plain(offer: &PaymentRequirements) -> bool {
    offer.scheme() == exact::SCHEME
        && offer.extra(exact::ASSET_TRANSFER_METHOD).is_none_or(|method| method == "eip3009")
}

/// The offers for a 402: an open one names the facilitator, or whose key claims, and is left out while nobody has said
/// who that is. Without a place to keep channels none is offered.
pub(super) fn announced<'a>(
    offers: &'a [PaymentRequirements],
    facilitators: &[String],
    roster: &Roster,
    now: UnixTime,
    channels: Channels<'_>,
) -> Cow<'a, [PaymentRequirements]> {
    if !offers.iter().any(|offer| is_open(offer) || is_by_channel(offer)) {
        return Cow::Borrowed(offers);
    }
    let announce = |offer: &PaymentRequirements| {
        if is_by_channel(offer) && !channels.are_open() {
            return None;
        }
        let Some(key) = open_key(offer) else { return Some(offer.clone()) };
        let kind = SupportedKind::of(offer);
        let address = if is_by_channel(offer) {
            channels.authorizer().or_else(|| roster.receiver_authorizer(facilitators, &kind, now))
        } else {
            roster.facilitator_address(facilitators, &kind, now)
        };
        Some(offer.with_extra(key, &address?.to_string()))
    };
    Cow::Owned(offers.iter().filter_map(announce).collect())
}

/// The offers to hold a payment against: an open one names whom the payment names, which is looked into afterwards.
pub(super) fn as_accepted(offers: Vec<PaymentRequirements>, payload: &PaymentPayload) -> Vec<PaymentRequirements> {
    let extra = || payload.get("accepted")?.get("extra");
    let named = |key: &str| extra()?.get(key)?.as_str().filter(|named| named.parse::<Address>().is_ok());
    let filled = |offer: PaymentRequirements| match open_key(&offer).and_then(|key| Some((key, named(key)?))) {
        Some((key, named)) => offer.with_extra(key, named),
        None => offer,
    };
    offers.into_iter().map(filled).collect()
}

/// The gas-sponsoring extensions for these offers: only where one is paid by Permit2, and only those that the
/// facilitator has.
pub(super) fn gas_sponsoring(
    offers: &[PaymentRequirements],
    facilitators: &[String],
    roster: &Roster,
    now: UnixTime,
) -> Vec<(&'static str, Value)> {
    let by_permit2: Vec<SupportedKind> = offers
        .iter()
        .filter(|offer| offer.extra(exact::ASSET_TRANSFER_METHOD) == Some("permit2"))
        .map(SupportedKind::of)
        .collect();
    let known = |name: &str| by_permit2.iter().any(|kind| roster.knows_extension(facilitators, kind, name, now));
    GAS_SPONSORING
        .into_iter()
        .filter(|(name, ..)| known(name))
        .map(|(name, description, members)| (name, declaration(description, members)))
        .collect()
}

fn declaration(description: &str, members: &[&str]) -> Value {
    let properties: Map<String, Value> =
        members.iter().map(|name| ((*name).to_owned(), json!({ "type": "string" }))).collect();
    json!({
        "info": { "description": description, "version": "1" },
        "schema": { "type": "object", "properties": properties, "required": members },
    })
}
