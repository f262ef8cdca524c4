//! What is no answer of the origin's and no 402, as problem details (RFC 9457).

use serde_json::json;

use super::{ALLOW_ORIGIN, EXPOSE_HEADERS, EXPOSED, OurAnswer};
use crate::{
    ports::{HeaderEdits, NoAnswer},
    transports::{http, http_v1},
    x402::{SettlementResponse, X402Version},
};

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
    answer.headers.extend(receipt.map(|receipt| super::receipt(receipt, version)));
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
