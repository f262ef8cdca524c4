//! The story: one request, from the door to the answer.
//!
//! Nothing priced is served before it is settled, and nothing is settled before the origin has said yes.
//! The types keep the order of money: `settle` takes a `VerifiedPayment`, which only `verify` makes, from a
//! `CheckedPayment`, which only the edge check makes.

mod accepted;
pub mod answer;
mod at_once;
mod buy;
mod channel;
mod channel_look;
mod channel_money;
mod channels;
mod charge;
mod charged;
mod crossing;
mod deliver;
mod free;
mod metering;
mod naming;
mod passes;
mod prepared;
mod purchase;
mod relay;
mod release;
mod runs;
mod settle;
mod terms;
mod ticket;
mod usual;
mod visit;
mod witness;

use std::{cell::LazyCell, time::Duration};

use crate::{
    extensions::{payment_identifier, sign_in_with_x::SIGN_IN_WITH_X},
    facilitator::{Facilitators, Roster},
    origin::{PRICES_HEADER, relayed_answer_edits},
    ports::{Clock, Counter, Fetch, HeaderEdits, Journal, Ledger, Origin, Request},
    prices::{Ambiguity, BadTarget, Decision, Inquiry, Method, Methods, PriceTable, Quote, Snapshot, Target},
    schemes::{CheckedPayment, Permit2Flaw, Refusal, upto},
    transports::http,
    x402::SupportedKind,
};

pub use accepted::{candidates, judge, judge_channel};
use answer::Challenge;
pub use answer::{Answer, OurAnswer};
pub use at_once::{AtHand, AtOnce, Said, at_once, free_edits, pass_edits, unanswered};
pub use channels::Channels;
pub use charged::ChargedChannels;
pub use metering::{Ended, Metering};
pub use passes::Passes;
pub use prepared::Prepared;
pub use runs::UnprovenRuns;
pub use ticket::Ticket;
pub use usual::{UsualEdits, usual_pass_edits};
pub use visit::methods_of;
use visit::{RequestHeaders, Visit};
pub use witness::MARKS;

/// The paywall, for one request.
#[derive(Debug)]
pub struct Gate<'a, F, H, L, N> {
    /// The prices as they are known now.
    pub prices: &'a Snapshot,
    /// Way to the facilitators.
    pub fetch: &'a F,
    /// Their standing.
    pub roster: &'a Roster,
    /// How often the origin works for unknown payers.
    pub runs: &'a UnprovenRuns,
    /// For which channels it may work at once.
    pub charged: &'a ChargedChannels,
    /// The time, and where faults are told.
    pub host: &'a H,
    /// What is remembered of payments, where there is a ledger.
    pub ledger: Option<&'a L>,
    /// Where requests are counted that are not charged, where there is a place.
    pub counter: Option<&'a N>,
    /// What passes need.
    pub passes: Passes<'a>,
    /// What selling by channel needs.
    pub channels: Channels<'a>,
    /// Scheme and host of the origin, where it has its own.
    pub origin_url: Option<&'a str>,
}

/// Where the operator looks first.
pub const STATUS_PATH: &str = "/.x402/status";

/// A paid origin that has not begun to answer by then is given up: while it runs, copies of the payment have to wait.
const PAID_ORIGIN_WITHIN: Duration = Duration::from_mins(1);

impl<F: Fetch, H: Clock + Journal, L: Ledger, N: Counter> Gate<'_, F, H, L, N> {
    /// Answers a request.
    pub async fn serve<R: Request, O: Origin>(&self, request: &R, origin: &O) -> Answer<O::Answer> {
        let url = request.url();
        let Ok(target) = Target::parse(url) else {
            return answer::bad_request(&BadTarget.to_string()).into();
        };
        if target.path == STATUS_PATH {
            return answer::status(self.prices, self.passes.keys.map(drop), self.channels).into();
        }
        if !target.survives_forwarding() {
            return answer::bad_request(MANGLED_PATH).into();
        }
        let Some(table) = self.prices.table() else {
            return answer::prices_unavailable().into();
        };
        let Some(method) = Method::parse(request.method()) else {
            return answer::bad_request("the method is not an HTTP token").into();
        };
        let visit = Visit { request, target, table };

        let (methods, client, headers) =
            (visit.methods(&method), LazyCell::new(|| request.client()), RequestHeaders(request));
        if is_preflight(&method, request) && visit.is_priced(target.path) {
            // For the request that follows. Where that one is free, the site speaks for itself.
            return match table.decide(&visit.inquiry(&Methods::Any, &headers, &client)) {
                Decision::Unpriced | Decision::Free(_) | Decision::Observed(_) | Decision::OutsideRollout(_) => {
                    self.relay(&visit, relayed_answer_edits(), origin).await
                }
                Decision::Priced(_) | Decision::Denied(_) | Decision::Ambiguous(_) => answer::preflight(request).into(),
            };
        }
        let inquiry = visit.inquiry(&methods, &headers, &client);
        match table.decide(&inquiry) {
            Decision::Unpriced => self.relay(&visit, HeaderEdits::default(), origin).await,
            decision => self.with_version(self.follow_price(decision, &inquiry, &visit, origin).await),
        }
    }

    /// Does what a price says.
    async fn follow_price<R: Request, O: Origin>(
        &self,
        decision: Decision<'_>,
        inquiry: &Inquiry<'_>,
        visit: &Visit<'_, R>,
        origin: &O,
    ) -> Answer<O::Answer> {
        match decision {
            Decision::Unpriced | Decision::Free(_) => self.relay(visit, relayed_answer_edits(), origin).await,
            Decision::Observed(quote) => self.observe(&quote, free::OBSERVE, visit, origin).await,
            Decision::OutsideRollout(quote) => self.observe(&quote, free::ROLLOUT, visit, origin).await,
            Decision::Denied(_) => answer::denied().into(),
            Decision::Ambiguous(Ambiguity::Host) => answer::misdirected().into(),
            Decision::Ambiguous(_) => answer::bad_request(AMBIGUOUS).into(),
            Decision::Priced(quote) => self.sell(quote, inquiry, visit, origin).await,
        }
    }

    /// Asks for the price, or takes the payment.
    async fn sell<R: Request, O: Origin>(
        &self,
        quote: Quote<'_>,
        inquiry: &Inquiry<'_>,
        visit: &Visit<'_, R>,
        origin: &O,
    ) -> Answer<O::Answer> {
        if let Some(answer) = self.open_by_pass(&quote, visit, origin).await {
            return answer;
        }
        let (request, table) = (visit.request, visit.table);
        let announce = || {
            let standing = (self.roster, table.facilitators(), self.host.now(), self.channels);
            Challenge::new(quote, &visit.target, visit.public_url(), self.ledger.is_some(), request, standing)
                .with_extension(SIGN_IN_WITH_X, self.sign_in_offer(&quote, visit))
        };
        let mut challenge = announce();
        if challenge.offers_nothing() {
            // A new isolate, and every offer takes a facilitator's word: better late than not at all.
            Facilitators::new(self.fetch, self.host, self.roster).learn_now(table.facilitators()).await;
            challenge = announce();
        }
        let payload = match http::read_payment(|name| request.header(name)) {
            // Who pays for HEAD would pay for nothing.
            Ok(Some(_)) | Err(_) if request.method().eq_ignore_ascii_case("HEAD") => return challenge.unpaid().into(),
            Ok(Some(payload)) => payload,
            Ok(None) => return self.without_payment(&quote, challenge, inquiry, visit, origin).await,
            Err(error) => return answer::bad_request(&error.to_string()).into(),
        };
        if let Err(error) = payment_identifier::read(payload.get("extensions"), challenge.extensions()) {
            return answer::bad_request(&error.to_string()).into();
        }
        let (offers, now) = (challenge.offers_for(&payload), self.host.now());
        if let Some(answer) = self.sell_by_channel(&payload, &offers, inquiry, &challenge, visit, origin).await {
            return answer;
        }
        let judged = judge(&payload, &offers, challenge.extensions(), now, table.smart_wallets()).or_else(|refusal| {
            // The client may have been quoted the price before an edit.
            let before = challenge.honoured(self.prices, inquiry, &payload, now);
            judge(&payload, &before, challenge.extensions(), now, table.smart_wallets()).map_err(|_| refusal)
        });
        let judged = match judged {
            Ok(payment) if payment.is_metered() => match self.is_settled_by_ours(&payment, table).await {
                Some(true) => Ok(payment),
                Some(false) => Err(Refusal::Permit2(Permit2Flaw::Facilitator)),
                None => return answer::terms_unknown().into(),
            },
            judged => judged,
        };
        match judged {
            Ok(payment) => self.charge(payment.for_resource(challenge.resource()), &challenge, visit, origin).await,
            Err(refusal) => match self.recall(&payload, &refusal, &challenge, visit, origin).await {
                Some(answer) => answer,
                None => challenge.refused(&refusal, payload.version()).into(),
            },
        }
    }

    /// Whether the facilitator that an `upto` payment names is one of the owner's. Where none has said yet from where
    /// it settles it is asked now; nothing where it does not answer.
    async fn is_settled_by_ours(&self, payment: &CheckedPayment, table: &PriceTable) -> Option<bool> {
        let (urls, kind) = (table.facilitators(), SupportedKind::of(payment.requirements()));
        let address = payment.requirements().extra(upto::FACILITATOR_ADDRESS)?.parse().ok()?;
        if let Some(known @ true) = self.roster.knows_address(urls, &kind, address) {
            return Some(known);
        }
        Facilitators::new(self.fetch, self.host, self.roster).learn_now(urls).await;
        self.roster.knows_address(urls, &kind, address)
    }

    /// Says which price document the answer goes by.
    fn with_version<A>(&self, mut answer: Answer<A>) -> Answer<A> {
        let Some(version) = self.prices.version() else { return answer };
        let header = (PRICES_HEADER, version.to_owned());
        match &mut answer {
            Answer::Ours(ours) => ours.headers.push(header),
            Answer::Origins { edits, .. } => edits.set.push(header),
            // As it was given, with the document of that time.
            Answer::Kept(_) => {}
        }
        answer
    }
}

fn is_preflight(method: &Method, request: &impl Request) -> bool {
    method.as_str() == "OPTIONS" && request.header("Access-Control-Request-Method").is_some()
}

const MANGLED_PATH: &str =
    "a path with backslashes, fragments or dot segments cannot be forwarded as it is; spell it plainly";
const AMBIGUOUS: &str =
    "the path, the method, a header or a parameter can be read in several ways that differ in price; spell it plainly";
