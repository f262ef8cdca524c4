//! What requests would have earned under a document: exact, in atomic units of each token.

use std::collections::BTreeMap;

use x402_edge::{
    gate::methods_of,
    prices::{Decision, Inquiry, Method, PriceTable, Target},
    x402::PaymentRequirements,
};

use super::{
    sums::{Sums, Token},
    traffic::Visit,
};
use crate::failure::Failure;

/// Requests and money of one route.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Earned {
    pub(crate) requests: u64,
    pub(crate) amounts: Sums,
}

/// The same for all routes; requests that no route is paid for have a name in brackets.
#[derive(Debug, Default)]
pub(crate) struct Revenue {
    pub(crate) routes: BTreeMap<String, Earned>,
    pub(crate) total: Sums,
}

impl Revenue {
    /// A request is judged as the Worker would, and everybody pays with the first offer. Free requests of quotas
    /// are not counted off.
    pub(crate) fn add(&mut self, table: &PriceTable, visit: &Visit) -> Result<(), Failure> {
        let asked = &visit.asked;
        let target = Target::parse(&asked.url).ok().filter(Target::survives_forwarding);
        let (name, offer) = match target.zip(Method::parse(&asked.method)) {
            None => ("(refused: 400)".to_owned(), None),
            Some((target, method)) => {
                let methods = methods_of(asked, &target, &method);
                let decision = table.decide(&Inquiry {
                    methods: &methods,
                    authority: target.authority,
                    path: target.path,
                    query: target.query,
                    headers: &asked.headers,
                    client: &&asked.client,
                });
                outcome(decision, &method, visit.delivered)
            }
        };
        let earned = self.routes.entry(name).or_default();
        earned.requests += u64::from(visit.count);
        if let Some(offer) = offer {
            let token = Token::new(table, offer.network(), offer.asset());
            let (amount, times) = (offer.amount().to_string(), u64::from(visit.count));
            earned.amounts.add(token.clone(), &amount, times)?;
            self.total.add(token, &amount, times)?;
        }
        Ok(())
    }
}

/// The name to count a request under, and what is paid for it.
fn outcome<'a>(decision: Decision<'a>, method: &Method, delivered: bool) -> (String, Option<&'a PaymentRequirements>) {
    let at = |quote: x402_edge::prices::Quote<'_>| {
        quote
            .route
            .host()
            .map_or_else(|| quote.route.key().to_owned(), |host| format!("{} at {host}", quote.route.key()))
    };
    match decision {
        // HEAD is answered with the 402 and never sold.
        Decision::Priced(quote) if delivered && method.as_str() != "HEAD" => (at(quote), quote.accepts().first()),
        Decision::Priced(quote) => (at(quote), None),
        Decision::Denied(_) => ("(denied: 403)".to_owned(), None),
        Decision::Ambiguous(_) => ("(refused: 400)".to_owned(), None),
        Decision::Observed(_) | Decision::OutsideRollout(_) => {
            ("(free: observed, or outside the rollout)".to_owned(), None)
        }
        Decision::Free(_) | Decision::Unpriced => ("(free)".to_owned(), None),
    }
}
