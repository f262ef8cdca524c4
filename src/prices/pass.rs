//! `pass`: what is paid for can be opened again, for a while.

use std::collections::{BTreeMap, HashMap};

use crate::{evm::Address, money::Amount, network::Network};

use super::{
    Diagnosis, Route, Terms,
    diagnosis::{keep, meant},
    json::Node,
};

const KEYS: [&str; 4] = ["ttl", "uses", "for", "scope"];

/// Shorter ones would be over before the client has read the answer.
const MIN_TTL_SECONDS: u64 = 60;
/// A year.
const MAX_TTL_SECONDS: u64 = 365 * 24 * 60 * 60;
const MAX_USES: u64 = 1_000_000;
const MAX_SCOPE: usize = 100;
/// The route's key stands in the pass, and the pass in a cookie.
const MAX_KEY_BYTES: usize = 512;

/// What a route sells beside its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassTerms {
    /// How long a pass is good, in seconds from the settlement.
    pub ttl_seconds: u64,
    /// How often, beside the answer it was sold with; none: as often as its holder likes.
    pub uses: Option<u64>,
    /// Whether it opens only the path that it was sold with, and not all that its route covers.
    pub only_its_path: bool,
    /// Keys of other routes of the same host that it opens.
    pub scope: Vec<String>,
}

impl PassTerms {
    /// Reads the `pass` of the route `key`.
    pub(super) fn read(key: &str, node: &Node<'_>, problems: &mut Vec<Diagnosis>) -> Option<Self> {
        let members = node.members(&KEYS, problems)?;
        if !members.has("ttl") {
            problems.push(Diagnosis::new(
                &node.pointer,
                "ttl is missing: for how many seconds a pass is good, such as {\"ttl\": 86400} for a day",
            ));
        }
        if key.len() > MAX_KEY_BYTES {
            let message = format!("a route that sells passes has a key of at most {MAX_KEY_BYTES} bytes");
            problems.push(Diagnosis::new(&node.pointer, message));
        }
        let ttl = members.read("ttl", |node| read_count(node, MIN_TTL_SECONDS, MAX_TTL_SECONDS, "seconds"), problems);
        let uses = match members.get("uses") {
            Some(node) => Some(keep(read_count(node, 1, MAX_USES, "uses"), problems)?),
            None => None,
        };
        let only_its_path = members.read("for", |node| node.word(&["route", "path"]), problems) == Some("path");
        if let Some(node) = members.get("scope").filter(|_| only_its_path) {
            problems
                .push(Diagnosis::new(&node.pointer, "a pass for one path opens nothing else; leave scope or for out"));
        }
        let scope = members.get("scope").map_or_else(Vec::new, |node| read_scope(key, node, problems));
        Some(Self { ttl_seconds: ttl?, uses, only_its_path, scope })
    }
}

fn read_count(node: &Node<'_>, min: u64, max: u64, of_what: &str) -> Result<u64, Diagnosis> {
    let count = node.number().and_then(|text| text.parse().ok()).filter(|count| (min..=max).contains(count));
    count.ok_or_else(|| node.problem(format!("expected a whole number of {of_what}, {min} to {max}")))
}

fn read_scope(key: &str, node: &Node<'_>, problems: &mut Vec<Diagnosis>) -> Vec<String> {
    let items = keep(node.array(), problems).unwrap_or_default();
    if items.len() > MAX_SCOPE {
        problems.push(node.problem(format!("at most {MAX_SCOPE} other routes")));
        return Vec::new();
    }
    let mut scope = Vec::new();
    for item in items {
        let Some(other) = keep(item.string(), problems) else { continue };
        if other == key {
            problems.push(item.problem("a pass opens its own route anyway; leave it out"));
        } else if scope.contains(&other) {
            problems.push(item.problem("this route stands here twice"));
        }
        scope.push(other);
    }
    scope
}

/// Finds out which passes open which of a host's routes. A pass must not open what is dearer: a route in its scope
/// has to cost, in every token that its own route takes and by every rule, no more than that route's cheapest price.
pub(super) fn link_scopes(routes: &mut [Route], problems: &mut Vec<Diagnosis>) {
    let numbers: HashMap<&str, usize> = routes.iter().enumerate().map(|(n, route)| (route.key(), n)).collect();
    let mut opened = Vec::new();
    for route in routes.iter() {
        let Some(pass) = route.pass() else { continue };
        let cheapest = floor(route);
        for (index, key) in pass.scope.iter().enumerate() {
            let pointer = format!("{}/pass/scope/{index}", route.pointer());
            let Some(number) = numbers.get(key.as_str()) else {
                let keys: Vec<&str> = numbers.keys().copied().collect();
                let hint = meant(key, &keys).map_or_else(
                    || "write a key of routes of the same host, letter by letter".to_owned(),
                    |near| format!("did you mean {near}?"),
                );
                problems.push(Diagnosis::new(pointer, format!("there is no such route; {hint}")).found(key));
                continue;
            };
            if let Some(problem) = dearer(&cheapest, &routes[*number]) {
                problems.push(Diagnosis::new(pointer, problem).found(key));
            }
            opened.push((*number, route.key().to_owned()));
        }
    }
    for (number, by) in opened {
        routes[number].opened_by.push(by);
    }
}

type Prices = BTreeMap<(Network, Address), Amount>;

/// All that a route may charge: its own terms, and those of its rules.
fn priced(route: &Route) -> impl Iterator<Item = &Terms> {
    let all = [route.terms()].into_iter().chain(route.rules().iter().map(super::Rule::terms));
    all.filter(|terms| matches!(terms, Terms::Offers(_)))
}

/// The cheapest way to pay in each token.
fn cheapest<'a>(terms: impl Iterator<Item = &'a Terms>) -> Prices {
    let mut prices = Prices::new();
    for offer in terms.flat_map(Terms::accepts) {
        let price = prices.entry((offer.network(), offer.asset())).or_insert(offer.amount());
        *price = (*price).min(offer.amount());
    }
    prices
}

/// The least that a pass of this route can have cost, in each token that buys one.
fn floor(route: &Route) -> Prices {
    cheapest(priced(route))
}

/// What makes another route dearer than that, if anything does.
fn dearer(paid: &Prices, other: &Route) -> Option<String> {
    for terms in priced(other) {
        let asked = cheapest([terms].into_iter());
        for ((network, asset), least) in paid {
            match asked.get(&(*network, *asset)) {
                None => {
                    return Some(format!(
                        "that route cannot be paid in every token that buys this pass ({asset} on {network} is missing), \
                         so it cannot be said whether it is dearer"
                    ));
                }
                Some(price) if price > least => {
                    return Some(format!(
                        "a pass must not open what is dearer: that route costs up to {price} atomic units of {asset} on \
                         {network}, this pass as little as {least}"
                    ));
                }
                Some(_) => {}
            }
        }
    }
    None
}
