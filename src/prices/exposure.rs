//! What a route lets leave before it is paid: the key `maxExposure`.

use crate::money::Amount;

use super::{Diagnosis, each_token::InEachToken, json::Node, terms::Terms, token::Tokens};

const KEYS: [&str; 2] = ["payer", "route"];

/// How much may be owed at any time, in each of the route's tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaxExposure {
    payer: InEachToken,
    route: InEachToken,
}

/// The same in one token, in its atomic units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// By one payer.
    pub payer: Amount,
    /// By all payers together.
    pub route: Amount,
}

impl MaxExposure {
    /// The limits in a token with so many decimals. Nothing where it cannot express them.
    pub fn in_token(&self, decimals: u8) -> Option<Limits> {
        Some(Limits { payer: self.payer.units(decimals)?, route: self.route.units(decimals)? })
    }

    pub(super) fn read(node: &Node<'_>, problems: &mut Vec<Diagnosis>) -> Option<Self> {
        let members = node.members(&KEYS, problems)?;
        for key in KEYS.into_iter().filter(|key| !members.has(key)) {
            problems.push(node.problem(format!(
                "{key} is missing: write how much may be owed, such as {{\"payer\": \"$0.10\", \"route\": \"$5\"}}"
            )));
        }
        let payer = members.read("payer", read_limit, problems);
        let route = members.read("route", read_limit, problems);
        Some(Self { payer: payer?, route: route? })
    }

    /// Holds the limits against what is asked: what could never leave unpaid is a mistake.
    pub(super) fn check(&self, node: &Node<'_>, terms: &Terms, tokens: &Tokens, problems: &mut Vec<Diagnosis>) {
        for offer in terms.accepts() {
            let Some(known) = tokens.by_address(offer.network(), &offer.asset()) else {
                problems.push(
                    node.problem("a token of this route is not built in: declare it under tokens, with its decimals"),
                );
                continue;
            };
            let Some(Limits { payer, route }) = self.in_token(known.decimals) else {
                problems.push(node.problem(format!("{} has {} decimals only", known.ticker, known.decimals)));
                continue;
            };
            if payer < offer.amount() {
                let price = offer.amount().to_decimal(known.decimals);
                problems.push(node.problem(format!(
                    "payer is less than the price, {price} {}: nothing would ever leave before it is paid",
                    known.ticker
                )));
            }
            if route < payer {
                problems.push(node.problem("route is for all payers together: it cannot be less than payer"));
            }
        }
    }
}

fn read_limit(node: &Node<'_>) -> Result<InEachToken, Diagnosis> {
    InEachToken::read(
        node,
        "an amount is a text or a number",
        "the limit holds in each of the route's tokens: leave the ticker out",
    )
}
