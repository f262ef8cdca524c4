//! Requests that need no waiting and no ledger: those that nobody prices, and those that bring no payment.
//!
//! The same answers as [`Gate::serve`](super::Gate::serve), which knows all cases; here are the two that come most, so
//! that the outside can deal with them in one step. Nothing here decides otherwise: what is in doubt goes the long way.

use crate::{
    origin::PRICES_HEADER,
    page,
    ports::{Forward, HeaderEdits, OriginAnswer, Request},
    prices::{Decision, Method, Snapshot, Target},
    transports::http,
};

use super::{
    OurAnswer, Prepared, RequestHeaders, STATUS_PATH, Visit, answer::Challenge, relayed_edits, terms::is_plain,
};

/// What can be said at once.
#[derive(Debug, PartialEq, Eq)]
pub enum AtOnce {
    /// Nobody prices it: the origin's answer to this is the answer, with [`free_edits`]. Headers are removed, none is set.
    Forward(Forward),
    /// Said by us.
    Answer(OurAnswer),
}

/// What can be said to a request without waiting; nothing where [`Gate::serve`](super::Gate::serve) has to be asked.
/// `identifiers`: whether a client may name its payment; `prepared`: answers of before.
pub fn at_once(prices: &Snapshot, request: &impl Request, identifiers: bool, prepared: &Prepared) -> Option<AtOnce> {
    let url = request.url();
    let target = Target::parse(&url).ok()?;
    let table = prices.table()?;
    if target.path == STATUS_PATH || !target.survives_forwarding() {
        return None;
    }
    let method = Method::parse(&request.method())?;
    let visit = Visit { request, target, table };
    if !visit.is_priced(target.path) {
        let forward = visit.forward();
        return forward.edits.set.is_empty().then_some(AtOnce::Forward(forward));
    }
    // A body under way has to be read first, whatever the answer is.
    let has_body = ["Content-Length", "Transfer-Encoding"].iter().any(|name| request.header(name).is_some());
    let only_reads = ["GET", "HEAD"].contains(&method.as_str());
    if !only_reads || has_body || speaks_to_us(request) {
        return None;
    }
    let (methods, client, headers) = (visit.methods(&method), request.client(), RequestHeaders(request));
    let Decision::Priced(quote) = table.decide(&visit.inquiry(&methods, &headers, &client)) else { return None };
    // A sign-in has a nonce of its own in each answer.
    if quote.route.quota().is_some() || quote.route.challenges_401() || quote.route.openers().next().is_some() {
        return None;
    }
    // What only facilitators can say of an offer is filled in by the long way.
    if !quote.accepts().iter().all(is_plain) {
        return None;
    }
    let public_url = visit.public_url();
    let wants_page = page::is_wanted(request.header("Accept").as_deref(), request.header("User-Agent").as_deref());
    let version = prices.version().filter(|_| !wants_page);
    let head_only = method.as_str() == "HEAD";
    let mut answer = version
        .and_then(|version| prepared.unpaid(version, &quote, &target, public_url, identifiers, head_only))
        .unwrap_or_else(|| {
            Challenge::of(quote, quote.route.resource(&target, public_url), identifiers).asked_by(request).unpaid()
        });
    answer.headers.extend(prices.version().map(|version| (PRICES_HEADER, version.to_owned())));
    Some(AtOnce::Answer(answer))
}

/// Whether the client brings something that may open a priced path. A name or cookie that only looks like ours goes the
/// long way too.
fn speaks_to_us(request: &impl Request) -> bool {
    let is_ours = |name: &String| name.starts_with("x-402-") || name.eq_ignore_ascii_case(http::SIGN_IN_WITH_X);
    http::carries_payment(|name| request.header(name))
        || request.header_names().iter().any(is_ours)
        || request.header("Cookie").is_some_and(|cookies| cookies.contains("x402-"))
}

/// What changes in the origin's answer to a [`Forward`] from here; `url` is the request's, `origin_url` the origin's own
/// scheme and host, where it has its own.
pub fn free_edits(prices: &Snapshot, url: &str, answer: &impl OriginAnswer, origin_url: Option<&str>) -> HeaderEdits {
    let public_url = |target: &Target<'_>| prices.table()?.site(target.authority)?.public_url();
    Target::parse(url).map_or_else(
        |_| HeaderEdits::default(),
        |target| relayed_edits(answer, &target, origin_url, public_url(&target), HeaderEdits::default()),
    )
}
