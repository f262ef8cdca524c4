//! Requests that need no waiting and no ledger: those that nobody prices, those that bring no payment, and those that a
//! pass without counted uses opens.
//!
//! The same answers as [`Gate::serve`](super::Gate::serve), which knows all cases; here are the three that come most, so
//! that the outside can deal with them in one step. Nothing here decides otherwise: what is in doubt goes the long way.

use std::cell::LazyCell;

use crate::{
    origin::{OUR_PREFIX, PRICES_HEADER, pass_forward},
    page,
    passes::{Keys, PASS_HEADER, PASS_MARK},
    ports::{Forward, HeaderEdits, NoAnswer, OriginAnswer, Request},
    prices::{Decision, Method, Snapshot, Target, begins_as},
    time::UnixTime,
    transports::http,
};

use super::{
    OurAnswer, Prepared, RequestHeaders, STATUS_PATH, Visit,
    answer::{self, Challenge},
    passes::{opened_edits, passes_brought},
    relay::relayed_edits,
    terms::is_plain,
    witness::{Seen, Witness},
};

/// What is known without asking anybody.
#[derive(Debug, Clone, Copy)]
pub struct AtHand<'a> {
    /// The prices as they are known now.
    pub prices: &'a Snapshot,
    /// Whether a client may name its payment.
    pub identifiers: bool,
    /// Answers of before.
    pub prepared: &'a Prepared,
    /// The keys of passes, where they are known and good.
    pub keys: Option<&'a Keys>,
    /// The time.
    pub now: UnixTime,
}

/// What can be said at once.
#[derive(Debug, PartialEq, Eq)]
pub enum AtOnce {
    /// Nobody prices it: the origin's answer to this is the answer, with [`free_edits`]. Headers are removed, none is set.
    Forward(Forward),
    /// A pass opens it: the origin's answer to this is the answer, with [`pass_edits`].
    Opened {
        /// What the origin is asked.
        forward: Forward,
        /// The price document that the answer goes by.
        version: Option<String>,
        /// When the pass ends.
        until: UnixTime,
    },
    /// Said by us.
    Answer(OurAnswer),
}

/// What is said at once, and to whom else it would be.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    /// What is said.
    pub what: AtOnce,
    /// Whether, by the same prices, it would be said to every request that is like this one, until its pass ends: with the
    /// same method, URL, names of headers, value of [`PASS_HEADER`], and `Cookie` where [`PASS_MARK`] is in it. To have an
    /// answer, `Accept` must not have [`page::HTML`] in it.
    pub again: bool,
}

/// What can be said to a request without waiting; nothing where [`Gate::serve`](super::Gate::serve) has to be asked.
pub fn at_once(request: &impl Request, at_hand: &AtHand<'_>) -> Option<Said> {
    let witness = Witness::of(request);
    let what = decide(&witness, at_hand)?;
    let again = match what {
        AtOnce::Forward(_) | AtOnce::Opened { .. } => witness.seen() == Seen::Alike,
        AtOnce::Answer(_) => witness.seen() <= Seen::NoPage,
    };
    Some(Said { what, again })
}

fn decide(request: &impl Request, at_hand: &AtHand<'_>) -> Option<AtOnce> {
    let AtHand { prices, identifiers, prepared, .. } = *at_hand;
    let url = request.url();
    let target = Target::parse(url).ok()?;
    let table = prices.table()?;
    if target.path == STATUS_PATH || !target.survives_forwarding() {
        return None;
    }
    let method = Method::parse(request.method())?;
    let visit = Visit { request, target, table };
    if !visit.is_priced(target.path) {
        let forward = visit.forward();
        return forward.edits.set.is_empty().then_some(AtOnce::Forward(forward));
    }
    // A body under way has to be read first, whatever the answer is.
    let has_body = ["Content-Length", "Transfer-Encoding"].iter().any(|name| request.header(name).is_some());
    let only_reads = ["GET", "HEAD"].contains(&method.as_str());
    if !only_reads || has_body || may_pay(request) {
        return None;
    }
    let (methods, client, headers) =
        (visit.methods(&method), LazyCell::new(|| request.client()), RequestHeaders(request));
    let Decision::Priced(quote) = table.decide(&visit.inquiry(&methods, &headers, &client)) else { return None };
    if quote.route.quota().is_some() || quote.route.challenges_401() {
        return None;
    }
    if brings_pass(request) {
        let passes = passes_brought(at_hand.keys?, &quote, &visit, at_hand.now);
        // One with counted uses is for the ledger.
        let pass = passes.into_iter().find(|pass| pass.uses.is_none())?;
        let forward = pass_forward(visit.forward(), &pass.payer, &pass.id);
        let version = prices.version().map(str::to_owned);
        return Some(AtOnce::Opened { forward, version, until: UnixTime(pass.expires_at) });
    }
    // A sign-in has a nonce of its own in each answer.
    if quote.route.openers().next().is_some() {
        return None;
    }
    // What only facilitators can say of an offer is filled in by the long way.
    if !quote.accepts().iter().all(is_plain) {
        return None;
    }
    let public_url = visit.public_url();
    let wants_page = page::is_wanted(|name, text| request.mentions(name, text));
    let version = prices.version().filter(|_| !wants_page);
    let head_only = method.as_str() == "HEAD";
    let prepared =
        version.and_then(|version| prepared.unpaid(version, &quote, &target, public_url, identifiers, head_only));
    Some(AtOnce::Answer(prepared.unwrap_or_else(|| {
        let challenge = Challenge::of(quote, quote.route.resource(&target, public_url), identifiers);
        by_document(challenge.asked_by(request).unpaid(), prices.version())
    })))
}

pub(super) fn by_document(mut answer: OurAnswer, version: Option<&str>) -> OurAnswer {
    answer.headers.extend(version.map(|version| (PRICES_HEADER, version.to_owned())));
    answer
}

/// Whether the client brings something else than a pass that may open a priced path. A name that only looks like ours
/// goes the long way too.
fn may_pay(request: &impl Request) -> bool {
    let is_ours = |name: &str| {
        begins_as(name, OUR_PREFIX) && !name.eq_ignore_ascii_case(PASS_HEADER)
            || name.eq_ignore_ascii_case(http::SIGN_IN_WITH_X)
    };
    http::carries_payment(|name| request.header(name)) || request.header_names().any(is_ours)
}

/// Whether there is a pass, or what looks like one.
fn brings_pass(request: &impl Request) -> bool {
    request.header(PASS_HEADER).is_some() || request.mentions("Cookie", PASS_MARK)
}

/// What changes in the origin's answer to a [`AtOnce::Forward`]; `url` is the request's, `origin_url` the origin's own
/// scheme and host, where it has its own.
pub fn free_edits(prices: &Snapshot, url: &str, answer: &impl OriginAnswer, origin_url: Option<&str>) -> HeaderEdits {
    let public_url = |target: &Target<'_>| prices.table()?.site(target.authority)?.public_url();
    Target::parse(url).map_or_else(
        |_| HeaderEdits::default(),
        |target| relayed_edits(answer, &target, origin_url, public_url(&target), HeaderEdits::default()),
    )
}

/// The same for one that a pass opened, by the price document of this version.
pub fn pass_edits(
    prices: &Snapshot,
    url: &str,
    answer: &impl OriginAnswer,
    origin_url: Option<&str>,
    version: Option<&str>,
) -> HeaderEdits {
    let public_url = |target: &Target<'_>| prices.table()?.site(target.authority)?.public_url();
    let mut edits = Target::parse(url).map_or_else(
        // It was one when the request went on.
        |_| HeaderEdits::default(),
        |target| opened_edits(answer, &target, origin_url, public_url(&target)),
    );
    edits.set.extend(version.map(|version| (PRICES_HEADER, version.to_owned())));
    edits
}

/// The answer where the origin gave none; `version` where a pass opened the request.
pub fn unanswered(error: NoAnswer, version: Option<&str>) -> OurAnswer {
    by_document(answer::origin_failed(error), version)
}
