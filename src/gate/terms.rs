//! Offers as they can be paid: what only facilitators can say is filled in.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::{
    evm::Address,
    facilitator::Roster,
    schemes::{exact, upto},
    time::UnixTime,
    x402::{PaymentPayload, PaymentRequirements, SupportedKind},
};

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

/// An `upto` offer whose facilitator the owner leaves to `/supported`.
pub(super) fn is_open(offer: &PaymentRequirements) -> bool {
    offer.scheme() == upto::SCHEME && offer.extra(upto::FACILITATOR_ADDRESS).is_none()
}

/// An offer that needs no facilitator's word: `exact` by EIP-3009.
pub(super) fn is_plain(offer: &PaymentRequirements) -> bool {
    offer.scheme() == exact::SCHEME
        && offer.extra(exact::ASSET_TRANSFER_METHOD).is_none_or(|method| method == "eip3009")
}

/// The offers for a 402: an open one names the facilitator, and is left out while none has said who it is.
pub(super) fn announced<'a>(
    offers: &'a [PaymentRequirements],
    facilitators: &[String],
    roster: &Roster,
    now: UnixTime,
) -> Cow<'a, [PaymentRequirements]> {
    if !offers.iter().any(is_open) {
        return Cow::Borrowed(offers);
    }
    let announce = |offer: &PaymentRequirements| {
        if !is_open(offer) {
            return Some(offer.clone());
        }
        let address = roster.facilitator_address(facilitators, &SupportedKind::of(offer), now)?;
        Some(offer.with_extra(upto::FACILITATOR_ADDRESS, &address.to_string()))
    };
    Cow::Owned(offers.iter().filter_map(announce).collect())
}

/// The offers to hold a payment against: an open one names whom the payment names, which is looked into afterwards.
pub(super) fn as_accepted(offers: Vec<PaymentRequirements>, payload: &PaymentPayload) -> Vec<PaymentRequirements> {
    let named = || payload.get("accepted")?.get("extra")?.get(upto::FACILITATOR_ADDRESS)?.as_str();
    match named().filter(|named| named.parse::<Address>().is_ok()) {
        Some(named) => offers
            .into_iter()
            .map(|offer| if is_open(&offer) { offer.with_extra(upto::FACILITATOR_ADDRESS, named) } else { offer })
            .collect(),
        None => offers,
    }
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
