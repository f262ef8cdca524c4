//! What requests would have earned under a document: exact, in atomic units of each token.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use x402_edge::{
    gate::methods_of,
    prices::{Decision, Inquiry, Method, PriceTable, Target},
    x402::PaymentRequirements,
};

use super::{cost, traffic::Visit};
use crate::failure::Failure;

/// A token, in which sums are made.
type Token = (String, String);

/// Requests and money of one route.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Earned {
    pub(crate) requests: u64,
    pub(crate) amounts: BTreeMap<Token, u128>,
}

/// The same for all routes; requests that no route is paid for have a name in brackets.
#[derive(Debug, Default)]
pub(crate) struct Revenue {
    pub(crate) routes: BTreeMap<String, Earned>,
    pub(crate) total: BTreeMap<Token, u128>,
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
                    client: &asked.client,
                });
                outcome(decision, &method, visit.delivered)
            }
        };
        let earned = self.routes.entry(name).or_default();
        earned.requests += u64::from(visit.count);
        if let Some(offer) = offer {
            add(&mut earned.amounts, table, offer, visit.count)?;
            add(&mut self.total, table, offer, visit.count)?;
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

fn add(
    amounts: &mut BTreeMap<Token, u128>,
    table: &PriceTable,
    offer: &PaymentRequirements,
    count: u32,
) -> Result<(), Failure> {
    let too_much = || Failure::usage("the sum does not fit in 128 bits");
    let amount: u128 = offer.amount().to_string().parse().map_err(|_| too_much())?;
    let token = table
        .ticker_and_decimals(offer.network(), offer.asset())
        .map_or_else(|| offer.asset().to_string(), |(ticker, _)| ticker.to_owned());
    let sum = amounts.entry((format!("{token} on {}", offer.network()), decimals(table, offer))).or_default();
    *sum = amount.checked_mul(count.into()).and_then(|amount| sum.checked_add(amount)).ok_or_else(too_much)?;
    Ok(())
}

/// As text, since a token whose decimals are not known has none.
fn decimals(table: &PriceTable, offer: &PaymentRequirements) -> String {
    table
        .ticker_and_decimals(offer.network(), offer.asset())
        .map_or_else(String::new, |(_, decimals)| decimals.to_string())
}

/// `1.5 USDC on eip155:8453`, all tokens.
pub(crate) fn text(amounts: &BTreeMap<Token, u128>) -> String {
    let one = |((name, decimals), units): (&Token, &u128)| match decimals.parse() {
        Ok(decimals) => format!("{} {name}", cost::decimal(*units, decimals)),
        Err(_) => format!("{units} units of {name}"),
    };
    let all: Vec<String> = amounts.iter().map(one).collect();
    if all.is_empty() { "0".to_owned() } else { all.join(" + ") }
}

/// Atomic units by token, as decimal strings.
pub(crate) fn to_json(amounts: &BTreeMap<Token, u128>) -> Value {
    let entries = amounts.iter().map(|((name, decimals), units)| {
        json!({ "token": name, "decimals": decimals.parse::<u8>().ok(), "amount": units.to_string() })
    });
    entries.collect()
}
