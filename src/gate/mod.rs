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
mod release;
mod runs;
mod settle;
mod terms;
mod ticket;
mod usual;
mod witness;

use std::{borrow::Cow, cell::LazyCell, ops::Deref, time::Duration};

use crate::{
    client::Client,
    evm::keccak256,
    extensions::{payment_identifier, sign_in_with_x::SIGN_IN_WITH_X},
    facilitator::{Facilitators, Roster},
    origin::{Destination, PRICES_HEADER, destination, free_forward, relayed_answer_edits},
    passes::{PASS_MARK, without_passes},
    ports::{Clock, Counter, Fetch, Forward, HeaderEdits, Journal, Ledger, Origin, OriginAnswer, Request},
    prices::{
        Ambiguity, BadTarget, Decision, Headers, Inquiry, Method, Methods, PriceTable, Quote, Route, Snapshot, Target,
        host_of, reads_as,
    },
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

/// A request that is well formed, and the prices that hold for it.
struct Visit<'a, R> {
    request: &'a R,
    target: Target<'a>,
    table: &'a PriceTable,
}

/// Where the operator looks first.
pub const STATUS_PATH: &str = "/.x402/status";

/// An origin that has not begun to answer by then is given up; Cloudflare itself waits 100 s.
const ORIGIN_WITHIN: Duration = Duration::from_secs(100);

/// The same for a paid request: while it runs, copies of the payment have to wait.
const PAID_ORIGIN_WITHIN: Duration = Duration::from_mins(1);

/// Headers by which some frameworks let a client change the method.
const METHOD_OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

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

    /// A free request goes through: nothing is asked of it, its answer is the origin's.
    async fn relay<R: Request, O: Origin>(
        &self,
        visit: &Visit<'_, R>,
        edits: HeaderEdits,
        origin: &O,
    ) -> Answer<O::Answer> {
        match self.ask_origin(visit, origin).await {
            Ok(answer) => self.relayed(answer, visit, edits),
            Err(answer) => answer.into(),
        }
    }

    /// The origin's answer to a request that nobody pays for.
    async fn ask_origin<R: Request, O: Origin>(
        &self,
        visit: &Visit<'_, R>,
        origin: &O,
    ) -> Result<O::Answer, OurAnswer> {
        origin.send(visit.forward(), ORIGIN_WITHIN).await.map_err(|error| {
            self.host.fault(&format!("origin: {error}"));
            answer::origin_failed(error)
        })
    }

    /// Passes an answer on that nobody is charged for.
    fn relayed<R: Request, A: OriginAnswer>(&self, answer: A, visit: &Visit<'_, R>, edits: HeaderEdits) -> Answer<A> {
        let edits = relayed_edits(&answer, &visit.target, self.origin_url, visit.public_url(), edits);
        Answer::Origins { answer, edits, delivery: None }
    }

    /// A redirect that names the origin's own host is turned into one that clients can follow.
    fn hide_origin<R: Request>(
        &self,
        answer: &impl OriginAnswer,
        visit: &Visit<'_, R>,
        edits: HeaderEdits,
    ) -> HeaderEdits {
        hiding_origin(self.redirect(answer, visit), edits)
    }

    /// Where the answer redirects to, if it does.
    fn redirect<R: Request>(&self, answer: &impl OriginAnswer, visit: &Visit<'_, R>) -> Option<Destination> {
        redirect(answer, &visit.target, self.origin_url, visit.public_url())
    }
}

/// What changes in an answer that nobody is charged for: only we speak of prices, and redirects lead to us.
fn relayed_edits(
    answer: &impl OriginAnswer,
    target: &Target<'_>,
    origin_url: Option<&str>,
    public_url: Option<&str>,
    mut edits: HeaderEdits,
) -> HeaderEdits {
    if answer.header(PRICES_HEADER).is_some() {
        edits.remove.push(PRICES_HEADER.into());
    }
    hiding_origin(redirect(answer, target, origin_url, public_url), edits)
}

fn hiding_origin(redirect: Option<Destination>, mut edits: HeaderEdits) -> HeaderEdits {
    if let Some(Destination::Here { rewritten: Some(location), .. }) = redirect {
        edits.set.push(("Location", location));
    }
    edits
}

fn redirect(
    answer: &impl OriginAnswer,
    target: &Target<'_>,
    origin_url: Option<&str>,
    public_url: Option<&str>,
) -> Option<Destination> {
    let location = (300..400).contains(&answer.status()).then(|| answer.header("Location")).flatten()?;
    Some(destination(&location, target, origin_url, public_url))
}

impl<'a, R: Request> Visit<'a, R> {
    /// The request as far as prices depend on it.
    fn inquiry<'i>(
        &'i self,
        methods: &'i Methods,
        headers: &'i dyn Headers,
        client: &'i dyn Deref<Target = Client>,
    ) -> Inquiry<'i> {
        let Target { authority, path, query, .. } = self.target;
        Inquiry { methods, authority, path, query, headers, client }
    }

    /// Whether a path of the same site has a route.
    fn is_priced(&self, path: &str) -> bool {
        self.table.is_priced(self.target.authority, path)
    }

    /// Scheme and host that clients of this site use, where the owner has said it.
    fn public_url(&self) -> Option<&'a str> {
        self.table.site(self.target.authority)?.public_url()
    }

    /// The host as passes name it.
    fn host(&self) -> String {
        host_of(self.target.authority)
    }

    /// The cookies, where one of ours may be among them.
    fn cookies_with_passes(&self) -> Option<&str> {
        self.request.mentions("Cookie", PASS_MARK).then(|| self.request.header("Cookie")).flatten()
    }

    /// Whether asking the origin changes nothing there. A framework that obeys an override would do more than read.
    fn only_reads(&self) -> bool {
        Method::parse(self.request.method())
            .is_some_and(|method| ["GET", "HEAD"].contains(&method.as_str()) && self.methods(&method) != Methods::Any)
    }

    /// Names the request for the ledger: a payment is owed to the one it was first presented for. Of a body, which is
    /// never read here, length and type; of other headers, those by which the route's price may be another.
    fn name(&self, route: &Route) -> String {
        let Target { path, query, .. } = self.target;
        let mut text = format!("{} {}{path}{query}", self.request.method(), self.host());
        for name in ["Range", "Content-Type", "Content-Length"] {
            text.push('\n');
            text.push_str(self.request.header(name).unwrap_or_default());
        }
        let asked = route.asked_in(&RequestHeaders(self.request));
        if !asked.is_empty() {
            text.extend(["\n", &asked]);
        }
        hex::encode(keccak256(text.as_bytes()))
    }

    /// The request on its way to the origin: exactly the path and query that were judged.
    fn forward(&self) -> Forward {
        let path_and_query = [self.target.path, self.target.query].concat();
        let mut forward = free_forward(self.target.origin(), path_and_query, self.request.header_names());
        // Whatever it opens, a pass is nothing to the origin. Its cookie goes along with every request of the site.
        match self.cookies_with_passes().map(without_passes) {
            None | Some(Cow::Borrowed(_)) => {}
            Some(Cow::Owned(rest)) if rest.is_empty() => forward.edits.remove.push("Cookie".into()),
            Some(Cow::Owned(rest)) => forward.edits.set.push(("Cookie", rest)),
        }
        forward
    }

    fn methods(&self, method: &Method) -> Methods {
        methods_of(self.request, &self.target, method)
    }
}

/// What the origin may take the method for. What an override says is not read: frameworks differ in that too.
pub fn methods_of(request: &impl Request, target: &Target<'_>, method: &Method) -> Methods {
    let overrides = |name: &str| METHOD_OVERRIDES.iter().any(|known| reads_as(name, known));
    if target.overrides_method() || request.header_names().any(overrides) {
        return Methods::Any;
    }
    // workerd opens a WebSocket with GET, whatever the method was; the origin may answer it as any other GET.
    let upgrades = request.header_names().any(|name| reads_as(name, "Upgrade"));
    if upgrades { method.readings().or_get() } else { method.readings() }
}

/// The request's headers, as prices see them.
struct RequestHeaders<'a, R>(&'a R);

impl<R: Request> Headers for RequestHeaders<'_, R> {
    fn get(&self, name: &str) -> Option<String> {
        self.0.header(name).map(str::to_owned)
    }

    fn names(&self) -> Vec<String> {
        self.0.header_names().map(str::to_owned).collect()
    }
}

fn is_preflight(method: &Method, request: &impl Request) -> bool {
    method.as_str() == "OPTIONS" && request.header("Access-Control-Request-Method").is_some()
}

const MANGLED_PATH: &str =
    "a path with backslashes, fragments or dot segments cannot be forwarded as it is; spell it plainly";
const AMBIGUOUS: &str =
    "the path, the method, a header or a parameter can be read in several ways that differ in price; spell it plainly";
