//! Outcomes as HTTP: the only file with status codes.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::{Channels, Ticket, terms};
use crate::{
    channels::{ChannelState, VoucherState},
    extensions::payment_identifier::{self, PAYMENT_IDENTIFIER},
    facilitator::Roster,
    ledger::KeptAnswer,
    page,
    passes::BadKeys,
    ports::{HeaderEdits, NoAnswer, OriginAnswer, Request},
    prices::{Inquiry, Quote, Snapshot, Target},
    schemes::{Refusal, batch_settlement::ChannelFlaw},
    time::UnixTime,
    transports::{http, http_v1},
    x402::{PaymentPayload, PaymentRequired, PaymentRequirements, ResourceInfo, SettlementResponse, X402Version, v1},
};

/// What goes back to the client.
#[derive(Debug)]
pub enum Answer<A> {
    /// Said by us.
    Ours(OurAnswer),
    /// The origin's answer with some headers changed; its body untouched.
    Origins {
        /// As it came.
        answer: A,
        /// Changes to its headers.
        edits: HeaderEdits,
        /// The hold of a paid answer: the ledger is told when its way to the client has ended.
        delivery: Option<Ticket>,
    },
    /// The answer that the same payment got under the same identifier.
    Kept(Box<KeptAnswer>),
}

/// An answer made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OurAnswer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// Body; empty for HEAD and 204.
    pub body: String,
}

impl OurAnswer {
    /// Whether it says that the payment is no good.
    pub const fn is_the_payers_fault(&self) -> bool {
        matches!(self.status, PAYMENT_REQUIRED | PRECONDITION_FAILED)
    }
}

impl<A> From<OurAnswer> for Answer<A> {
    fn from(answer: OurAnswer) -> Self {
        Self::Ours(answer)
    }
}

/// The status that asks for a payment.
pub const PAYMENT_REQUIRED: u16 = 402;
/// The payer has something to do before the payment can be settled.
const PRECONDITION_FAILED: u16 = 412;

/// What browsers' scripts may read of our answers.
const EXPOSED: &str = "PAYMENT-REQUIRED, PAYMENT-RESPONSE, X-PAYMENT-RESPONSE, X-402-Pass";
const ALLOW_ORIGIN: &str = "Access-Control-Allow-Origin";
const EXPOSE_HEADERS: &str = "Access-Control-Expose-Headers";

/// Headers that paying clients send; a preflight must allow them.
const ALLOWED_HEADERS: &str =
    "payment-signature, x-payment, x-402-pass, sign-in-with-x, access-control-expose-headers, content-type";

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
    pub(super) fn new(
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
    pub(super) fn offers_nothing(&self) -> bool {
        self.v2_offers.is_empty()
    }

    /// The same, as the client wants to read it.
    pub(super) fn asked_by(self, request: &impl Request) -> Self {
        Self {
            head_only: request.method().eq_ignore_ascii_case("HEAD"),
            html: page::is_wanted(|name, text| request.mentions(name, text)),
            ..self
        }
    }

    /// The challenge for this resource, in JSON; its offers as the owner wrote them, without a facilitator's word.
    pub(super) fn of(quote: Quote<'a>, resource: ResourceInfo, identifiers: bool) -> Self {
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
    pub(super) fn offers_for(&self, payload: &PaymentPayload) -> Cow<'_, [PaymentRequirements]> {
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
    pub(super) fn corrected(
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
        answer.headers.extend(receipt.map(|receipt| self::receipt(receipt, version)));
        answer
    }

    /// The facilitator would not settle: nothing was charged, the origin's answer is withheld.
    pub fn settlement_refused(&self, receipt: &SettlementResponse, version: X402Version) -> OurAnswer {
        let reason = receipt.error_reason.as_deref().unwrap_or_default();
        let mut answer = self.answer(reason, reason, receipt.payer.as_deref());
        answer.headers.push(self::receipt(receipt, version));
        answer
    }

    /// How many offers v1 can express.
    pub(super) const fn v1_offers_count(&self) -> usize {
        self.v1_offers.len()
    }

    /// The v2 message and the v1 body where nobody has paid yet, as JSON.
    pub(super) fn unpaid_texts(&self) -> (String, String) {
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
pub(super) fn unpaid_answer(required: &str, body: String) -> OurAnswer {
    let mut headers = required_headers(http::encode_text(required));
    headers.push(("Content-Type", "application/json".to_owned()));
    OurAnswer { status: PAYMENT_REQUIRED, headers, body }
}

/// The settlement's receipt, in the header of the client's version.
pub fn receipt(receipt: &SettlementResponse, version: X402Version) -> (&'static str, String) {
    let name = match version {
        X402Version::V1 => http_v1::X_PAYMENT_RESPONSE,
        X402Version::V2 => http::PAYMENT_RESPONSE,
    };
    (name, http::encode_header(receipt))
}

/// A paid answer that the origin does not share with scripts is shared by us: they have paid for it.
pub fn exposed_to_browsers(answer: &impl OriginAnswer) -> Vec<(&'static str, String)> {
    let exposed = match answer.header(EXPOSE_HEADERS) {
        Some(theirs) if !theirs.trim().is_empty() => format!("{theirs}, {EXPOSED}"),
        _ => EXPOSED.to_owned(),
    };
    let mut headers = vec![(EXPOSE_HEADERS, exposed)];
    if answer.header(ALLOW_ORIGIN).is_none() {
        headers.push((ALLOW_ORIGIN, "*".to_owned()));
    }
    headers
}

/// A browser asks whether its script may pay.
pub fn preflight(request: &impl Request) -> OurAnswer {
    // Only names of methods and headers are echoed, and only in that alphabet.
    let asked = |name: &str| {
        request.header(name).filter(|value| value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_, ".contains(&b)))
    };
    let method = asked("Access-Control-Request-Method").unwrap_or_default();
    let headers = asked("Access-Control-Request-Headers").map_or_else(String::new, |names| format!(", {names}"));
    OurAnswer {
        status: 204,
        headers: vec![
            (ALLOW_ORIGIN, "*".to_owned()),
            ("Access-Control-Allow-Methods", format!("GET, HEAD, POST, PUT, PATCH, DELETE, {method}")),
            ("Access-Control-Allow-Headers", format!("{ALLOWED_HEADERS}{headers}")),
            ("Access-Control-Max-Age", "600".to_owned()),
            ("Cache-Control", "no-store".to_owned()),
            ("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers".to_owned()),
        ],
        body: String::new(),
    }
}

/// `/.x402/status`: what is deployed and whether its prices and the keys of passes are in order. Quotes nothing from
/// the document.
pub fn status(prices: &Snapshot, passes: Result<(), BadKeys>, channels: Channels<'_>) -> OurAnswer {
    let problems: Vec<Value> = prices
        .problems()
        .iter()
        .map(|problem| json!({ "pointer": problem.pointer, "problem": problem.message }))
        .collect();
    let sells_passes = prices.table().is_some_and(crate::prices::PriceTable::sells_passes);
    let passes = match passes {
        Ok(()) => "ready".to_owned(),
        Err(error) if sells_passes => format!("none are sold or accepted: {error}"),
        Err(_) => "none".to_owned(),
    };
    let body = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "prices": prices.version(),
        "routes": prices.table().map(crate::prices::PriceTable::len),
        "passes": passes,
        "channels": channels.status(prices.table()),
        "problems": problems,
    });
    OurAnswer {
        status: 200,
        headers: vec![("Content-Type", "application/json".to_owned()), ("Cache-Control", "no-store".to_owned())],
        body: body.to_string(),
    }
}

/// Money went back out of a channel.
pub(super) fn refund_acknowledged(channel_id: &str, receipt: &SettlementResponse) -> OurAnswer {
    let body = json!({ "message": "Refund acknowledged", "channelId": channel_id });
    let headers = vec![
        ("Content-Type", "application/json".to_owned()),
        ("Cache-Control", "no-store".to_owned()),
        (ALLOW_ORIGIN, "*".to_owned()),
        (EXPOSE_HEADERS, EXPOSED.to_owned()),
        self::receipt(receipt, X402Version::V2),
    ];
    OurAnswer { status: 200, headers, body: body.to_string() }
}

/// A copy of a payment that is being worked on.
pub fn in_progress(retry_after_seconds: u32) -> OurAnswer {
    let detail = "This payment is being processed. Retry with the same payment; do not sign again.";
    problem(409, "Payment in progress", detail, Some(retry_after_seconds))
}

/// Its answer could not wait for the money, and more has left unpaid than the owner allows.
pub fn too_much_owed() -> OurAnswer {
    let detail = "Too many answers of this route wait for their settlement. Nothing was charged. Retry with the same \
                  payment; do not sign again.";
    problem(503, "Too much is owed", detail, Some(10))
}

/// A payment that was settled for another request and is still owed there.
pub fn bound_elsewhere() -> OurAnswer {
    problem(
        409,
        "Payment for another request",
        "This payment was settled for another request: repeat that one with it.",
        None,
    )
}

/// A payment identifier that belongs to another payment or another request.
pub fn identifier_taken() -> OurAnswer {
    let detail = "This payment identifier was used with another payment or for another request; nothing was charged. \
                  Repeat the first payment with it, or choose a new identifier.";
    problem(409, "Payment identifier conflict", detail, None)
}

/// A payment that was settled and delivered under its identifier, by an answer that was too long to keep.
pub fn answer_not_kept(receipt: Option<&SettlementResponse>, version: X402Version) -> OurAnswer {
    let detail = "This payment was settled and its answer delivered; it was too long to be kept. Do not sign again \
                  for the same purchase.";
    let mut answer = problem(409, "Answer not kept", detail, None);
    answer.headers.extend(receipt.map(|receipt| self::receipt(receipt, version)));
    answer
}

/// Without the ledger nothing may be begun.
pub fn ledger_down() -> OurAnswer {
    problem(503, "Ledger unavailable", "Nothing was charged. Retry with the same payment; do not sign again.", Some(5))
}

/// The client's request makes no sense.
pub fn bad_request(detail: &str) -> OurAnswer {
    problem(400, "Bad Request", detail, None)
}

/// The owner does not want this request.
pub fn denied() -> OurAnswer {
    problem(403, "Forbidden", "This site does not serve such requests, paid or not.", None)
}

/// The document prices this path under other names of the site.
pub fn misdirected() -> OurAnswer {
    problem(421, "Misdirected Request", "This path has a price under another name of this site; ask there.", None)
}

/// The bindings do not say where the origin is.
pub fn misconfigured() -> OurAnswer {
    problem(
        503,
        "Not configured",
        "This site is not set up yet; its operator finds the reason in the Worker's log.",
        None,
    )
}

/// No good price document was ever seen: serving anything could give away what is priced.
pub fn prices_unavailable() -> OurAnswer {
    problem(
        503,
        "Prices unavailable",
        "The prices of this site cannot be read right now; nothing was charged. See /.x402/status.",
        Some(10),
    )
}

/// No facilitator has said yet from which address it settles.
pub fn terms_unknown() -> OurAnswer {
    problem(
        503,
        "Payment terms not known yet",
        "The payment service has not said yet how this is paid; nothing was charged. Retry in a moment, with the same \
         payment where you have signed one.",
        Some(2),
    )
}

/// No facilitator answered `/verify`.
pub fn facilitator_unreachable() -> OurAnswer {
    problem(
        503,
        "Payment service unavailable",
        "Nothing was charged. Retry with the same payment; do not sign again.",
        Some(5),
    )
}

/// A facilitator answered `/verify` with what is no answer.
pub fn facilitator_nonsense() -> OurAnswer {
    problem(
        502,
        "Payment service failed",
        "Nothing was charged. Retry with the same payment; do not sign again.",
        Some(5),
    )
}

/// Nobody knows whether the money moved.
pub fn settlement_unknown(deadline: bool) -> OurAnswer {
    let status = if deadline { 504 } else { 502 };
    problem(
        status,
        "Settlement outcome unknown",
        "The payment may have been settled. Retry with the same payment; do not sign again.",
        Some(5),
    )
}

/// The origin gave no answer.
pub fn origin_failed(error: NoAnswer) -> OurAnswer {
    match error {
        NoAnswer::Deadline => {
            problem(504, "Origin timed out", "The site did not answer in time; nothing was charged.", None)
        }
        NoAnswer::Connection => {
            problem(502, "Origin unreachable", "The site did not answer; nothing was charged.", None)
        }
    }
}

/// The origin gave no answer to a request that was paid for before.
pub fn owed(error: NoAnswer) -> OurAnswer {
    let detail =
        "The site did not answer; the payment was settled before. Retry with the same payment; do not sign again.";
    match error {
        NoAnswer::Deadline => problem(504, "Origin timed out", detail, Some(5)),
        NoAnswer::Connection => problem(502, "Origin unreachable", detail, Some(5)),
    }
}

/// The origin's answer is none that can be passed on. If it was paid for, the receipt is.
pub fn origin_unreadable(edits: &HeaderEdits) -> OurAnswer {
    let mut answer = problem(502, "Origin unreadable", "The site's answer cannot be passed on.", None);
    let receipts = [http::PAYMENT_RESPONSE, http_v1::X_PAYMENT_RESPONSE];
    answer.headers.extend(edits.set.iter().filter(|(name, _)| receipts.contains(name)).cloned());
    answer
}

/// RFC 9457 problem details.
fn problem(status: u16, title: &str, detail: &str, retry_after_seconds: Option<u32>) -> OurAnswer {
    let body = json!({ "title": title, "status": status, "detail": detail });
    let mut headers = vec![
        ("Content-Type", "application/problem+json".to_owned()),
        ("Cache-Control", "no-store".to_owned()),
        (ALLOW_ORIGIN, "*".to_owned()),
        (EXPOSE_HEADERS, EXPOSED.to_owned()),
    ];
    headers.extend(retry_after_seconds.map(|seconds| ("Retry-After", seconds.to_string())));
    OurAnswer { status, headers, body: body.to_string() }
}
