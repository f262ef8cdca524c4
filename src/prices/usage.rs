//! How much of an `upto` or `batch-settlement` price was used: the key `usage`.

use crate::{
    metering::{Meter, Rate},
    money::Amount,
    schemes::{batch_settlement, exact, upto},
};

use super::{
    Diagnosis,
    diagnosis::keep,
    each_token::InEachToken,
    json::{Members, Node},
    terms::Terms,
    token::Tokens,
};

const KEYS: [&str; 5] = ["header", "price", "bytes", "tokens", "per"];

/// Larger numbers are a mistake.
const MAX_PER: u64 = 1_000_000_000;

/// Prices of bytes and tokens are for so many where the document does not say.
const PER_MILLION: u64 = 1_000_000;

/// What is counted, and what it costs; amounts as texts, in each of the route's tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsagePrice {
    what: Counted,
    per: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Counted {
    Header { name: String, price: InEachToken },
    Bytes(InEachToken),
    Tokens { input: InEachToken, output: InEachToken },
}

impl UsagePrice {
    /// Whether it is known only when the answer has ended.
    pub const fn reads_body(&self) -> bool {
        matches!(self.what, Counted::Bytes(_) | Counted::Tokens { .. })
    }

    /// The header in which the origin says how many units were used.
    pub fn header(&self) -> Option<&str> {
        match &self.what {
            Counted::Header { name, .. } => Some(name),
            Counted::Bytes(_) | Counted::Tokens { .. } => None,
        }
    }

    /// What so many units of the header cost, in a token with so many decimals.
    pub fn units(&self, count: u64, decimals: u8) -> Option<Amount> {
        match &self.what {
            Counted::Header { price, .. } => price.units(decimals)?.times(count)?.divided_up(self.per),
            Counted::Bytes(_) | Counted::Tokens { .. } => None,
        }
    }

    /// A meter for an answer, in a token with so many decimals.
    pub fn meter(&self, decimals: u8, is_event_stream: bool) -> Option<Meter> {
        let rate = |price: &InEachToken| Some(Rate { price: price.units(decimals)?, per: self.per });
        match &self.what {
            Counted::Bytes(price) => Some(Meter::bytes(rate(price)?)),
            Counted::Tokens { input, output } => Some(Meter::tokens(rate(input)?, rate(output)?, is_event_stream)),
            Counted::Header { .. } => None,
        }
    }

    pub(super) fn read(node: &Node<'_>, problems: &mut Vec<Diagnosis>) -> Option<Self> {
        let members = node.members(&KEYS, problems)?;
        let kinds: Vec<&str> = ["header", "bytes", "tokens"].into_iter().filter(|key| members.has(key)).collect();
        let [kind] = kinds[..] else {
            problems.push(node.problem(
                "usage counts one thing: {\"header\": \"X-Units\", \"price\": \"$0.01\"}, {\"bytes\": \"$0.10\"} for a million, or {\"tokens\": {\"input\": \"$3\", \"output\": \"$15\"}} for a million",
            ));
            return None;
        };
        if let Some(price) = members.get("price").filter(|_| kind != "header") {
            problems.push(price.problem(format!("price is for header; {kind} says its own")));
        }
        let per = match members.get("per") {
            Some(node) => keep(read_per(node), problems)?,
            None => {
                if kind == "header" {
                    1
                } else {
                    PER_MILLION
                }
            }
        };
        let what = match kind {
            "header" => {
                let name = members.read("header", read_header, problems);
                let Some(price) = members.get("price") else {
                    problems
                        .push(node.problem("price is missing: what one unit of the header costs, such as \"$0.01\""));
                    return None;
                };
                Counted::Header { price: keep(read_price(price), problems)?, name: name? }
            }
            "bytes" => Counted::Bytes(members.read("bytes", read_price, problems)?),
            _ => read_tokens(members.get("tokens")?, problems)?,
        };
        Some(Self { what, per })
    }

    /// Every token of the route must be able to express the prices, and something must be paid by usage.
    pub(super) fn check<'t>(
        &self,
        node: &Node<'_>,
        terms: impl Iterator<Item = &'t Terms>,
        tokens: &Tokens,
        problems: &mut Vec<Diagnosis>,
    ) {
        let offers = terms.flat_map(Terms::accepts).filter(|offer| offer.scheme() != exact::SCHEME);
        let mut any = false;
        for offer in offers {
            any = true;
            let known = tokens.by_address(offer.network(), &offer.asset());
            if known.is_none_or(|known| self.prices().any(|price| price.units(known.decimals).is_none())) {
                problems.push(node.problem("a token of this route cannot express these prices: its decimals are not known, or too few; use a larger per"));
            }
        }
        if !any {
            problems.push(node.problem(format!(
                "usage is for \"scheme\": \"{}\" or \"{}\": an exact price is fixed",
                upto::SCHEME,
                batch_settlement::SCHEME
            )));
        }
    }

    fn prices(&self) -> impl Iterator<Item = &InEachToken> {
        let (first, second) = match &self.what {
            Counted::Header { price, .. } | Counted::Bytes(price) => (price, None),
            Counted::Tokens { input, output } => (input, Some(output)),
        };
        std::iter::once(first).chain(second)
    }
}

fn read_tokens(node: &Node<'_>, problems: &mut Vec<Diagnosis>) -> Option<Counted> {
    let members: Members<'_> = node.members(&["input", "output"], problems)?;
    for key in ["input", "output"].into_iter().filter(|key| !members.has(key)) {
        problems.push(node.problem(format!("{key} is missing: what a million of these tokens cost, such as \"$3\"")));
    }
    let input = members.read("input", read_price, problems);
    let output = members.read("output", read_price, problems);
    Some(Counted::Tokens { input: input?, output: output? })
}

fn read_price(node: &Node<'_>) -> Result<InEachToken, Diagnosis> {
    InEachToken::read(
        node,
        "a price of units is a text or a number",
        "the price holds in each of the route's tokens: leave the ticker out",
    )
}

fn read_per(node: &Node<'_>) -> Result<u64, Diagnosis> {
    let per = node.number().and_then(|text| text.parse().ok()).filter(|per| (1..=MAX_PER).contains(per));
    per.ok_or_else(|| node.problem(format!("per how many: expected a whole number, 1 to {MAX_PER}")))
}

fn read_header(node: &Node<'_>) -> Result<String, Diagnosis> {
    let name = node.string()?;
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(is_token) {
        return Err(node.problem("not the name of a header"));
    }
    Ok(name)
}
