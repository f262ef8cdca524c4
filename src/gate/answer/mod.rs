//! Outcomes as HTTP: the only room with status codes.

mod challenge;
mod problem;

use serde_json::{Value, json};

use super::{Channels, Ticket};
use crate::{
    ledger::KeptAnswer,
    passes::BadKeys,
    ports::{HeaderEdits, OriginAnswer, Request},
    prices::{PriceTable, Snapshot},
    transports::{http, http_v1},
    x402::{SettlementResponse, X402Version},
};

pub use challenge::Challenge;
pub(super) use challenge::unpaid_answer;
pub use problem::*;

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
    let sells_passes = prices.table().is_some_and(PriceTable::sells_passes);
    let passes = match passes {
        Ok(()) => "ready".to_owned(),
        Err(error) if sells_passes => format!("none are sold or accepted: {error}"),
        Err(_) => "none".to_owned(),
    };
    let body = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "prices": prices.version(),
        "routes": prices.table().map(PriceTable::len),
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
