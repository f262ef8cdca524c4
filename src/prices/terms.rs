//! What a request is answered with: the terms of a route, or of one of its rules.

use std::rc::Rc;

use crate::x402::PaymentRequirements;

use super::{
    Diagnosis,
    json::{Members, Node},
    offer::{self, Draft},
    scope::Scope,
    token::Tokens,
};

/// The keys that say the terms, beside those of an offer.
pub(super) const KEYS: [&str; 3] = ["accepts", "free", "deny"];

/// Offers that one route or rule may make: a 402 has to fit into a header.
const MAX_OFFERS: usize = 16;

/// What is asked of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Terms {
    /// Nothing.
    Free,
    /// One of these offers is to be paid; there is at least one.
    Offers(Rc<[PaymentRequirements]>),
    /// It is refused: 403.
    Denied,
}

impl Terms {
    /// The v2 offers, in the owner's order; none where nothing can be paid.
    pub fn accepts(&self) -> &[PaymentRequirements] {
        match self {
            Self::Offers(offers) => offers,
            Self::Free | Self::Denied => &[],
        }
    }

    /// Reads `free`, `deny`, `accepts`, or an offer in short form, among the members of `node`.
    pub(super) fn read(
        node: &Node<'_>,
        members: &Members<'_>,
        scope: &Scope,
        tokens: &Tokens,
        problems: &mut Vec<Diagnosis>,
    ) -> Option<Self> {
        let before = problems.len();
        for (key, terms) in [("free", Self::Free), ("deny", Self::Denied)] {
            let Some(said) = members.get(key) else { continue };
            members.read(key, Node::only_true, problems);
            let others: Vec<&str> = members
                .iter()
                .map(|(key, _)| key.as_str())
                .filter(|other| says_terms(other) && *other != key)
                .collect();
            if !others.is_empty() {
                let message = format!("{key} stands alone: leave {} out", others.join(", "));
                problems.push(Diagnosis::new(&said.pointer, message));
            }
            return (problems.len() == before).then_some(terms);
        }
        let short = members.only(&offer::KEYS);
        let Some(accepts) = members.get("accepts") else {
            return read_short(node, &short, scope, tokens, problems).map(Self::Offers);
        };
        for (key, node) in short.iter() {
            problems.push(Diagnosis::new(
                &node.pointer,
                format!("{key} belongs into the entries of accepts, where there are any"),
            ));
        }
        let offers = read_accepts(accepts, scope, tokens, problems);
        (problems.len() == before).then_some(Self::Offers(offers.into()))
    }
}

fn says_terms(key: &str) -> bool {
    KEYS.contains(&key) || offer::KEYS.contains(&key)
}

/// One offer; written in the same words before, it is the same one.
fn read_short(
    node: &Node<'_>,
    short: &Members<'_>,
    scope: &Scope,
    tokens: &Tokens,
    problems: &mut Vec<Diagnosis>,
) -> Option<Rc<[PaymentRequirements]>> {
    let words: Vec<&str> = short.iter().flat_map(|(key, node)| [key.as_str(), node.text()]).collect();
    let words = words.join("\n");
    if let Some(known) = scope.offers.borrow().get(&words) {
        return Some(Rc::clone(known));
    }
    let offer = Draft { pointer: &node.pointer, members: short, tokens }.resolve(&scope.defaults, problems)?;
    let offers: Rc<[PaymentRequirements]> = [offer].into();
    scope.offers.borrow_mut().insert(words, Rc::clone(&offers));
    Some(offers)
}

fn read_accepts(
    accepts: &Node<'_>,
    scope: &Scope,
    tokens: &Tokens,
    problems: &mut Vec<Diagnosis>,
) -> Vec<PaymentRequirements> {
    let entries = accepts.one_or_many();
    if entries.is_empty() {
        problems.push(accepts.problem("accepts is empty; leave the route out of the document to make it free"));
    }
    if entries.len() > MAX_OFFERS {
        problems.push(accepts.problem(format!("at most {MAX_OFFERS} offers")));
        return Vec::new();
    }
    let mut offers: Vec<PaymentRequirements> = Vec::new();
    for entry in entries {
        let Some(members) = entry.members(&offer::KEYS, problems) else { continue };
        let draft = Draft { pointer: &entry.pointer, members: &members, tokens };
        if let Some(offer) = draft.resolve(&scope.defaults, problems) {
            if offers.contains(&offer) {
                problems.push(Diagnosis::new(&entry.pointer, "this offer stands here twice"));
            }
            offers.push(offer);
        }
    }
    offers
}
