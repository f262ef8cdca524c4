//! The story: one request, from the door to the answer.
//!
//! Nothing priced is served before it is settled, and nothing is settled before the origin has said yes.
//! The types keep the order: an answer needs a `Settlement`, which needs a `VerifiedPayment`, which needs
//! a `CheckedPayment`.

mod accepted;
pub mod answer;
mod charge;

use std::time::Duration;

use crate::{
    origin::{Destination, Forward, HeaderEdits, destination},
    ports::{Clock, Fetch, Journal, Origin, OriginAnswer, Request},
    prices::{BadTarget, Decision, Method, PriceTable, Snapshot, Target},
    schemes::{self, CheckedPayment, Refusal},
    transports::http,
    x402::{PaymentPayload, check_echo},
};

pub use accepted::candidates;
pub use answer::{Answer, OurAnswer};
use answer::Challenge;

/// The paywall, for one request.
#[derive(Debug)]
pub struct Gate<'a, F, C, J> {
    /// The prices as they are known now.
    pub prices: &'a Snapshot,
    /// Way to the facilitators.
    pub fetch: &'a F,
    /// The time.
    pub clock: &'a C,
    /// Where faults are told.
    pub journal: &'a J,
    /// Scheme and host of the origin, where it has its own.
    pub origin_url: Option<&'a str>,
}

/// Where the operator looks first.
pub const STATUS_PATH: &str = "/.x402/status";

/// An origin that has not begun to answer by then is given up; Cloudflare itself waits 100 s.
const ORIGIN_WITHIN: Duration = Duration::from_secs(100);

/// Headers by which some frameworks let a client change the method.
const METHOD_OVERRIDES: [&str; 3] = ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"];
/// The same as a query parameter.
const METHOD_OVERRIDE_PARAMETER: &str = "_method";

impl<F: Fetch, C: Clock, J: Journal> Gate<'_, F, C, J> {
    /// Answers a request.
    pub async fn serve<R: Request, O: Origin>(&self, request: &R, origin: &O) -> Answer<O::Answer> {
        let url = request.url();
        let Ok(target) = Target::parse(&url) else {
            return answer::bad_request(&BadTarget.to_string()).into();
        };
        if target.path == STATUS_PATH {
            return answer::status(self.prices).into();
        }
        let Some(table) = self.prices.table() else {
            return answer::prices_unavailable().into();
        };
        let Some(method) = Method::parse(&request.method()) else {
            return answer::bad_request("the method is not an HTTP token").into();
        };
        let preflight = method.as_str() == "OPTIONS" && request.header("Access-Control-Request-Method").is_some();
        if preflight && table.is_priced(target.path) {
            return answer::preflight(request).into();
        }
        let route = match table.decide(target.path, &method.readings(overrides(request, &target))) {
            Decision::Free => return self.relay(request, &target, table, origin).await,
            Decision::Ambiguous => return answer::bad_request("the path or method can be read in several ways; spell it plainly").into(),
            Decision::Priced(route) => route,
        };

        let challenge = Challenge::new(route, &target, table.public_url(), request);
        let payload = match http::read_payment(|name| request.header(name)) {
            _ if method.as_str() == "HEAD" => return challenge.unpaid().into(),
            Ok(Some(payload)) => payload,
            Ok(None) => return challenge.unpaid().into(),
            Err(error) => return answer::bad_request(&error.to_string()).into(),
        };
        let version = payload.version();
        match self.check(payload, &challenge, table) {
            Ok(payment) => self.charge(payment, &challenge, request, &target, table, origin).await,
            Err(refusal) => challenge.refused(&refusal, version).into(),
        }
    }

    /// Is the payment right in everything that can be seen from here? No network.
    fn check(
        &self,
        payload: PaymentPayload,
        challenge: &Challenge<'_>,
        table: &PriceTable,
    ) -> Result<CheckedPayment, Refusal> {
        check_echo(challenge.extensions(), payload.get("extensions")).map_err(|_| Refusal::ExtensionEcho)?;
        let offers = challenge.offers(payload.version());
        let now = self.clock.now();
        let mut refusal = Refusal::NoMatchingRequirements;
        // v2 names its offer. v1 names only the network, where several tokens may be offered.
        for requirements in candidates(offers, &payload) {
            match schemes::check(payload.clone(), requirements, now, table.smart_wallets()) {
                Ok(payment) => return Ok(payment),
                Err(reason) => refusal = reason,
            }
        }
        Err(refusal)
    }

    /// A free request goes through: nothing is asked of it, its answer is the origin's.
    async fn relay<R: Request, O: Origin>(
        &self,
        request: &R,
        target: &Target<'_>,
        table: &PriceTable,
        origin: &O,
    ) -> Answer<O::Answer> {
        match origin.send(self.forward(request, target), ORIGIN_WITHIN).await {
            Ok(answer) => {
                let edits = self.hide_origin(&answer, target, table, HeaderEdits::default());
                Answer::Origins { answer, edits }
            }
            Err(error) => {
                self.journal.fault(&format!("origin: {error}"));
                answer::origin_failed(error).into()
            }
        }
    }

    fn forward<R: Request>(&self, request: &R, target: &Target<'_>) -> Forward {
        Forward::free(target.origin(), format!("{}{}", target.path, target.query), &request.header_names())
    }

    /// A redirect that names the origin's own host is turned into one that clients can follow.
    fn hide_origin<A: OriginAnswer>(
        &self,
        answer: &A,
        target: &Target<'_>,
        table: &PriceTable,
        mut edits: HeaderEdits,
    ) -> HeaderEdits {
        if let Some(Destination::Here { rewritten: Some(location), .. }) = self.redirect(answer, target, table) {
            edits.set.push(("Location", location));
        }
        edits
    }

    /// Where the answer redirects to, if it does.
    fn redirect<A: OriginAnswer>(&self, answer: &A, target: &Target<'_>, table: &PriceTable) -> Option<Destination> {
        let location = (300..400).contains(&answer.status()).then(|| answer.header("Location")).flatten()?;
        Some(destination(&location, target, self.origin_url, table.public_url()))
    }
}

fn overrides<R: Request>(request: &R, target: &Target<'_>) -> Vec<Method> {
    let headers = METHOD_OVERRIDES.iter().filter_map(|name| request.header(name));
    let parameters = target.query_values(METHOD_OVERRIDE_PARAMETER).map(str::to_owned);
    headers.chain(parameters).filter_map(|name| Method::parse(name.trim())).collect()
}
