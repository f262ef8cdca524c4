//! The 402 of one request.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::{ALLOW_ORIGIN, EXPOSE_HEADERS, EXPOSED, OurAnswer, PAYMENT_REQUIRED, PRECONDITION_FAILED, terms_unknown};
use crate::{
    channels::{ChannelState, VoucherState},
    extensions::payment_identifier::{self, PAYMENT_IDENTIFIER},
    facilitator::Roster,
    gate::{Channels, terms},
    page,
    ports::Request,
    prices::{Inquiry, Quote, Snapshot, Target},
    schemes::{Refusal, batch_settlement::ChannelFlaw},
    time::UnixTime,
    transports::http,
    x402::{PaymentPayload, PaymentRequired, PaymentRequirements, ResourceInfo, SettlementResponse, X402Version, v1},
};

/// The facilitators' word for it.
const ALREADY_USED: &str = "invalid_exact_evm_nonce_already_used";

/// Not the payment is wrong: before it can be settled, the payer has to let Permit2 move the token.
const ALLOWANCE_REQUIRED: &str = "permit2_allowance_required";

/// Why there was no payment, in the words of the official servers.
const V2_UNPAID: &str = "Payment required";
const V1_UNPAID: &str = "X-PAYMENT header is required";

/// The 402 of one request: what is sold, the offers of both versions, and who asks.
#[derive(Debug)]
pub struct Challenge<'a> {
    quote: Quote<'a>,
    resource: ResourceInfo,
    /// As they are announced.
    v2_offers: Cow<'a, [PaymentRequirements]>,
    extensions: Cow<'a, Map<String, Value>>,
    v1_offers: Vec<PaymentRequirements>,
    head_only: bool,
    html: bool,
}

impl<'a> Challenge<'a> {
    /// The challenge of `quote` for this request. `identifiers`: whether a client may name its payment; `roster` and
    /// `facilitators` say what can be paid and how.
    pub(in crate::gate) fn new(
        quote: Quote<'a>,
        target: &Target<'_>,
        public_url: Option<&str>,
        identifiers: bool,
        request: &impl Request,
        (roster, facilitators, now, channels): (&Roster, &[String], UnixTime, Channels<'_>),
    ) -> Self {
        let v2_offers = terms::announced(quote.accepts(), facilitators, roster, now, channels);
        let mut challenge = Self::of(quote, quote.route.resource(target, public_url), identifiers).asked_by(request);
        for (name, declaration) in terms::gas_sponsoring(&v2_offers, facilitators, roster, now) {
            challenge.extensions.to_mut().entry(name).or_insert(declaration);
        }
        Self { v2_offers, ..challenge }
    }

    /// Whether nothing can be announced: every offer takes a word that no facilitator has given yet.
    pub(in crate::gate) fn offers_nothing(&self) -> bool {
        self.v2_offers.is_empty()
    }

    /// The same, as the client wants to read it.
    pub(in crate::gate) fn asked_by(self, request: &impl Request) -> Self {
        Self {
            head_only: request.method().eq_ignore_ascii_case("HEAD"),
            html: page::is_wanted(|name, text| request.mentions(name, text)),
            ..self
        }
    }

    /// The challenge for this resource, in JSON; its offers as the owner wrote them, without a facilitator's word.
    pub(in crate::gate) fn of(quote: Quote<'a>, resource: ResourceInfo, identifiers: bool) -> Self {
        let mut extensions = Cow::Borrowed(quote.route.extensions());
        if identifiers && !extensions.contains_key(PAYMENT_IDENTIFIER) {
            extensions.to_mut().insert(PAYMENT_IDENTIFIER.to_owned(), payment_identifier::declaration());
        }
        let v1_offers = quote.accepts_v1(&resource);
        Self {
            v2_offers: Cow::Borrowed(quote.accepts()),
            extensions,
            v1_offers,
            quote,
            resource,
            head_only: false,
            html: false,
        }
    }

    /// Our offers in the shape of a version.
    pub fn offers(&self, version: X402Version) -> &[PaymentRequirements] {
        match version {
            X402Version::V1 => &self.v1_offers,
            X402Version::V2 => &self.v2_offers,
        }
    }

    /// The offers to hold a payment against.
    pub(in crate::gate) fn offers_for(&self, payload: &PaymentPayload) -> Cow<'_, [PaymentRequirements]> {
        match payload.version() {
            X402Version::V2 if self.quote.accepts().iter().any(terms::is_open) => {
                Cow::Owned(terms::as_accepted(self.quote.accepts().to_vec(), payload))
            }
            version => Cow::Borrowed(self.offers(version)),
        }
    }

    /// Offers from before an edit that are still honoured, in the shape of the payment's version.
    pub fn honoured(
        &self,
        prices: &Snapshot,
        inquiry: &Inquiry<'_>,
        payload: &PaymentPayload,
        now: UnixTime,
    ) -> Vec<PaymentRequirements> {
        let offers = prices.honoured(inquiry, now);
        match payload.version() {
            X402Version::V1 => offers.iter().filter_map(|offer| v1::requirements(offer, &self.resource)).collect(),
            X402Version::V2 => terms::as_accepted(offers, payload),
        }
    }

    /// The same, with one more extension, unless the owner says something else under its name.
    #[must_use]
    pub fn with_extension(mut self, key: &str, extension: Option<Value>) -> Self {
        if let Some(extension) = extension.filter(|_| !self.extensions.contains_key(key)) {
            self.extensions.to_mut().insert(key.to_owned(), extension);
        }
        self
    }

    /// What is asked, and who says so.
    pub const fn quote(&self) -> &Quote<'a> {
        &self.quote
    }

    /// The route's key in the price document.
    pub fn route_key(&self) -> &str {
        self.quote.route.key()
    }

    /// What is sold.
    pub const fn resource(&self) -> &ResourceInfo {
        &self.resource
    }

    /// The extensions we advertise.
    pub fn extensions(&self) -> &Map<String, Value> {
        &self.extensions
    }

    /// Nobody has paid yet.
    pub fn unpaid(&self) -> OurAnswer {
        self.answer(V2_UNPAID, V1_UNPAID, None)
    }

    /// The payment is wrong; the client can mend it.
    pub fn refused(&self, refusal: &Refusal, version: X402Version) -> OurAnswer {
        let reason = refusal.reason(version);
        // The official servers' text for this case; all others are codes.
        let text = if *refusal == Refusal::NoMatchingRequirements {
            "No matching payment requirements"
        } else {
            reason.as_str()
        };
        self.answer(text, text, None)
    }

    /// A payment by channel is wrong. A client that has lost sight of its channel is told what it has to know: the
    /// offers of that channel say it (`channelState`, `voucherState`).
    pub(in crate::gate) fn corrected(
        &self,
        flaw: ChannelFlaw,
        offer: &PaymentRequirements,
        (state, voucher): &(ChannelState, Option<VoucherState>),
    ) -> OurAnswer {
        let is_same = |other: &PaymentRequirements| {
            terms::is_by_channel(other)
                && (other.network(), other.asset(), other.pay_to()) == (offer.network(), offer.asset(), offer.pay_to())
        };
        let told = |other: &PaymentRequirements| {
            if !is_same(other) {
                return other.clone();
            }
            let told = other.with_extra_value("channelState", json!(state));
            voucher.iter().fold(told, |told, voucher| told.with_extra_value("voucherState", json!(voucher)))
        };
        let offers: Vec<PaymentRequirements> = self.v2_offers.iter().map(told).collect();
        let code = Refusal::Channel(flaw).reason(X402Version::V2);
        self.answer_with(&offers, code.as_str(), code.as_str(), None)
    }

    /// The payment was settled and delivered: it buys nothing more. The first receipt goes along.
    pub fn already_used(&self, receipt: Option<&SettlementResponse>, version: X402Version) -> OurAnswer {
        let mut answer = self.answer(ALREADY_USED, ALREADY_USED, None);
        answer.headers.extend(receipt.map(|receipt| super::receipt(receipt, version)));
        answer
    }

    /// The facilitator would not settle: nothing was charged, the origin's answer is withheld.
    pub fn settlement_refused(&self, receipt: &SettlementResponse, version: X402Version) -> OurAnswer {
        let reason = receipt.error_reason.as_deref().unwrap_or_default();
        let mut answer = self.answer(reason, reason, receipt.payer.as_deref());
        answer.headers.push(super::receipt(receipt, version));
        answer
    }

    /// How many offers v1 can express.
    pub(in crate::gate) const fn v1_offers_count(&self) -> usize {
        self.v1_offers.len()
    }

    /// The v2 message and the v1 body where nobody has paid yet, as JSON.
    pub(in crate::gate) fn unpaid_texts(&self) -> (String, String) {
        let required = PaymentRequired::new(V2_UNPAID, &self.resource, &self.v2_offers, &self.extensions);
        let body = v1::body(V1_UNPAID, &self.v1_offers, None).to_string();
        (serde_json::to_string(&required).unwrap_or_default(), body)
    }

    fn answer(&self, v2_error: &str, v1_error: &str, payer: Option<&str>) -> OurAnswer {
        self.answer_with(&self.v2_offers, v2_error, v1_error, payer)
    }

    fn answer_with(
        &self,
        offers: &[PaymentRequirements],
        v2_error: &str,
        v1_error: &str,
        payer: Option<&str>,
    ) -> OurAnswer {
        if offers.is_empty() {
            return terms_unknown();
        }
        let required = PaymentRequired::new(v2_error, &self.resource, offers, &self.extensions);
        let mut headers = required_headers(http::encode_header(&required));
        let body = if self.html {
            headers.push(("Content-Type", "text/html; charset=utf-8".to_owned()));
            headers.push(("Content-Security-Policy", page::CONTENT_SECURITY_POLICY.to_owned()));
            page::paywall(&self.resource, &self.v2_offers, v2_error)
        } else {
            headers.push(("Content-Type", "application/json".to_owned()));
            v1::body(v1_error, &self.v1_offers, payer).to_string()
        };
        let status = if v2_error == ALLOWANCE_REQUIRED { PRECONDITION_FAILED } else { PAYMENT_REQUIRED };
        OurAnswer { status, headers, body: if self.head_only { String::new() } else { body } }
    }
}

fn required_headers(required: String) -> Vec<(&'static str, String)> {
    vec![
        (http::PAYMENT_REQUIRED, required),
        ("Cache-Control", "no-store".to_owned()),
        (ALLOW_ORIGIN, "*".to_owned()),
        (EXPOSE_HEADERS, EXPOSED.to_owned()),
    ]
}

/// The 402 of a prepared message (JSON) and body (JSON).
pub(in crate::gate) fn unpaid_answer(required: &str, body: String) -> OurAnswer {
    let mut headers = required_headers(http::encode_text(required));
    headers.push(("Content-Type", "application/json".to_owned()));
    OurAnswer { status: PAYMENT_REQUIRED, headers, body }
}
