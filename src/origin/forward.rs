//! Headers on the way to the origin and back. Bodies are never touched.

use std::borrow::Cow;

use crate::{
    evm::Address,
    money::Amount,
    network::Network,
    ports::{Forward, HeaderEdits},
    prices::{begins_as, reads_as},
    transports::{http, http_v1},
};

use super::usage::{PAYMENT_SETTLEMENT, SETTLEMENT_OVERRIDES};

/// Headers of the protocol, in either direction, and the origin's word to us. A client's end here.
const PROTOCOL_HEADERS: [&str; 8] = [
    http::PAYMENT_SIGNATURE,
    http::PAYMENT_REQUIRED,
    http::PAYMENT_RESPONSE,
    http::SIGN_IN_WITH_X,
    http_v1::X_PAYMENT,
    http_v1::X_PAYMENT_RESPONSE,
    SETTLEMENT_OVERRIDES,
    PAYMENT_SETTLEMENT,
];

/// Headers that make some servers serve another path than the one that was judged (IIS, Symfony, gunicorn, …).
const PATH_OVERRIDES: [&str; 12] = [
    "x-original-url",
    "x-original-uri",
    "x-original-path",
    "x-rewrite-url",
    "x-forwarded-path",
    "x-forwarded-uri",
    "x-forwarded-prefix",
    "x-envoy-original-path",
    "x-script-name",
    "script-name",
    "path-info",
    "request-uri",
];

/// Everything that begins so is ours to say.
pub const OUR_PREFIX: &str = "x-402-";

/// With these the origin may answer "you have it already", which nobody should pay for.
const CONDITIONS: [&str; 2] = ["if-none-match", "if-modified-since"];

/// A request as it came, without what only we may say.
pub fn free_forward<'a>(
    public_origin: String,
    path_and_query: String,
    header_names: impl Iterator<Item = &'a str>,
) -> Forward {
    let remove = header_names.filter(|name| ends_here(name)).map(|name| name.to_owned().into()).collect();
    Forward { public_origin, path_and_query, edits: HeaderEdits { remove, ..HeaderEdits::default() }, paid: false }
}

/// Who paid what: told to the origin.
#[derive(Debug, Clone)]
pub struct Paid {
    /// Who.
    pub payer: Address,
    /// In which token.
    pub asset: Address,
    /// How much.
    pub amount: Amount,
    /// Where.
    pub network: Network,
    /// Names the payment: the same each time the origin is asked for it.
    pub idempotency_key: String,
}

/// The same for a paid request, which tells the origin who paid what.
#[must_use]
pub fn paid_forward(mut forward: Forward, paid: &Paid) -> Forward {
    forward.edits.remove.extend(CONDITIONS.map(Cow::Borrowed));
    forward.edits.set.extend([
        ("X-402-Payer", paid.payer.to_string()),
        ("X-402-Asset", paid.asset.to_string()),
        ("X-402-Amount", paid.amount.to_string()),
        ("X-402-Network", paid.network.to_string()),
        ("Idempotency-Key", paid.idempotency_key.clone()),
    ]);
    forward.paid = true;
    forward
}

/// The same for a request that a pass opens: who paid for it once, and by which pass it comes.
#[must_use]
pub fn pass_forward(mut forward: Forward, payer: &str, pass: &str) -> Forward {
    forward.edits.set.extend([("X-402-Payer", payer.to_owned()), ("X-402-Pass-Id", pass.to_owned())]);
    forward.paid = true;
    forward
}

/// CGI and its heirs read `X_402_Payer`, `X.402.Payer` and `X-402-Payer` as the same variable.
fn ends_here(name: &str) -> bool {
    begins_as(name, OUR_PREFIX) || PATH_OVERRIDES.iter().chain(&PROTOCOL_HEADERS).any(|header| reads_as(name, header))
}

/// Says in every answer of a priced path which price document it goes by. Never the origin's.
pub const PRICES_HEADER: &str = "X-402-Prices";

/// Headers of an answer in which only we may speak, and those of the origin's word to us.
const ANSWER_HEADERS: [&str; 7] = [
    PRICES_HEADER,
    "X-402-Pass",
    http::PAYMENT_REQUIRED,
    http::PAYMENT_RESPONSE,
    http_v1::X_PAYMENT_RESPONSE,
    SETTLEMENT_OVERRIDES,
    PAYMENT_SETTLEMENT,
];

/// Shared caches must not keep what was paid for.
const SHARED_CACHE_HEADERS: [&str; 3] = ["CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Surrogate-Control"];

/// What changes in an answer on a priced path that nobody is charged for.
pub fn relayed_answer_edits() -> HeaderEdits {
    HeaderEdits { remove: ANSWER_HEADERS.map(Cow::Borrowed).to_vec(), ..HeaderEdits::default() }
}

/// What changes in an answer that one client gets and the next may not: no shared cache keeps it.
pub fn paid_answer_edits(cache_control: Option<&str>) -> HeaderEdits {
    let mut edits = relayed_answer_edits();
    edits.remove.extend(SHARED_CACHE_HEADERS.map(Cow::Borrowed));
    edits.set.push(("Cache-Control", private(cache_control.unwrap_or_default())));
    edits
}

/// The origin's directives without those for shared caches, and `private`.
fn private(cache_control: &str) -> String {
    let shared = |directive: &&str| {
        let name = directive.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
        !["", "public", "private", "s-maxage", "proxy-revalidate"].contains(&name.as_str())
    };
    let mut directives: Vec<&str> = cache_control.split(',').map(str::trim).filter(shared).collect();
    directives.push("private");
    directives.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_say_in_our_name_ends_here() {
        for name in [
            "X-402-Payer",
            "x_402_payer",
            "X-402-Anything",
            "PAYMENT-SIGNATURE",
            "x-payment",
            "X_PAYMENT",
            "sign-in-with-x",
            "X-Original-URL",
            "Settlement-Overrides",
            "X.402.Payer",
            "X~402~Payer",
            "SCRIPT_NAME",
            "PAYMENT-RESPONSE",
        ] {
            assert!(ends_here(name), "{name}");
        }
        for name in ["Authorization", "Cookie", "X-4020", "Payment", "X-Payment-Id"] {
            assert!(!ends_here(name), "{name}");
        }
    }

    #[test]
    fn paid_answers_are_private() {
        for (before, after) in [
            ("", "private"),
            ("max-age=60", "max-age=60, private"),
            ("public, max-age=60, s-maxage=600", "max-age=60, private"),
            ("Public,S-MaxAge=1, no-store", "no-store, private"),
            ("private", "private"),
            ("private=\"x\", max-age=1", "max-age=1, private"),
        ] {
            assert_eq!(private(before), after, "{before}");
        }
    }
}
