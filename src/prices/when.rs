//! The conditions of a rule: what a request must be for the rule to hold.

use crate::client::IpNet;

use super::{
    Diagnosis, Headers,
    diagnosis::keep,
    headers::readings_of,
    inquiry::Inquiry,
    json::Node,
    query::{Parameter, parameter},
    wildcard::Wildcard,
};

const KEYS: [&str; 9] =
    ["country", "continent", "asn", "ip", "botScore", "verifiedBot", "userAgent", "header", "query"];
const CONTINENTS: [&str; 7] = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"];

/// Values that one property may list.
const MAX_VALUES: usize = 1_000;

/// Whether a rule's conditions are met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holds {
    /// However the request is read.
    No,
    /// Servers read the request differently: in one reading yes, in another no.
    Perhaps,
    /// However the request is read.
    Yes,
}

/// The conditions of one rule. All must be met; of several values of a property one is enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    text: String,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Country(Vec<String>),
    Continent(Vec<String>),
    Asn(Vec<u32>),
    Ip(Vec<IpNet>),
    BotScore(Vec<(u8, u8)>),
    VerifiedBot(bool),
    UserAgent(Vec<Wildcard>),
    Header(String, Values),
    Query(String, Values),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Values {
    /// Whatever it says.
    Present,
    OneOf(Vec<Wildcard>),
}

impl When {
    pub(super) fn read(node: &Node<'_>, problems: &mut Vec<Diagnosis>) -> Option<Self> {
        let before = problems.len();
        let mut conditions = Vec::new();
        for (key, node) in node.members(&KEYS, problems)?.iter() {
            match key.as_str() {
                "country" => conditions.push(Condition::Country(many(node, read_country, problems))),
                "continent" => {
                    let read = |node: &Node<'_>| node.word(&CONTINENTS).map(str::to_owned);
                    conditions.push(Condition::Continent(many(node, read, problems)));
                }
                "asn" => conditions.push(Condition::Asn(many(node, read_asn, problems))),
                "ip" => conditions.push(Condition::Ip(many(node, read_ip, problems))),
                "botScore" => conditions.push(Condition::BotScore(many(node, read_scores, problems))),
                "verifiedBot" => conditions.extend(keep(node.boolean(), problems).map(Condition::VerifiedBot)),
                "userAgent" => conditions.push(Condition::UserAgent(many(node, read_text, problems))),
                "header" => conditions.extend(
                    named(node, is_header_name, "a header's name has letters, digits and hyphens", problems)
                        .into_iter()
                        .map(|(name, values)| Condition::Header(name.to_ascii_lowercase(), values)),
                ),
                "query" => conditions.extend(
                    named(node, |name| !name.is_empty(), "a parameter has a name", problems)
                        .into_iter()
                        .map(|(name, values)| Condition::Query(name, values)),
                ),
                _ => {}
            }
        }
        (problems.len() == before).then(|| Self { text: node.text().to_owned(), conditions })
    }

    /// Whether nothing is asked.
    pub(super) const fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Whether both hold for the same requests, as far as one look can tell.
    pub(super) fn asks_the_same(&self, other: &Self) -> bool {
        let all_in = |a: &Self, b: &Self| a.conditions.iter().all(|condition| b.conditions.contains(condition));
        all_in(self, other) && all_in(other, self)
    }

    /// The conditions as the owner wrote them, JSON.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn holds(&self, inquiry: &Inquiry<'_>) -> Holds {
        self.conditions.iter().map(|condition| condition.holds(inquiry)).min().unwrap_or(Holds::Yes)
    }
}

impl Condition {
    fn holds(&self, inquiry: &Inquiry<'_>) -> Holds {
        let Inquiry { client, .. } = inquiry;
        let met = match self {
            Self::Country(any) => client.country.as_ref().is_some_and(|country| any.contains(country)),
            Self::Continent(any) => client.continent.as_ref().is_some_and(|continent| any.contains(continent)),
            Self::Asn(any) => client.asn.is_some_and(|asn| any.contains(&asn)),
            Self::Ip(any) => client.ip.is_some_and(|ip| any.iter().any(|net| net.contains(ip))),
            Self::BotScore(any) => {
                client.bot_score.is_some_and(|score| any.iter().any(|(least, most)| (*least..=*most).contains(&score)))
            }
            Self::VerifiedBot(wanted) => client.verified_bot == Some(*wanted),
            Self::UserAgent(any) => {
                let agent = inquiry.headers.get("User-Agent");
                agent.is_some_and(|agent| any.iter().any(|wildcard| wildcard.covers_in_any_case(&agent)))
            }
            Self::Header(name, values) => return values.in_header(inquiry.headers, name),
            Self::Query(name, values) => return values.in_query(&parameter(inquiry.query, name)),
        };
        if met { Holds::Yes } else { Holds::No }
    }
}

impl Values {
    fn in_header(&self, headers: &dyn Headers, name: &str) -> Holds {
        let (readings, is_there) = readings_of(headers, name);
        let holds = self.in_readings(&readings);
        // Under another name only careless servers see it.
        if is_there { holds } else { holds.min(Holds::Perhaps) }
    }

    fn in_query(&self, parameter: &Parameter) -> Holds {
        if parameter.endless {
            return Holds::Perhaps;
        }
        let holds = self.in_readings(&parameter.values);
        if parameter.plain { holds } else { holds.min(Holds::Perhaps) }
    }

    /// Yes where every reading is covered, no where none is.
    fn in_readings(&self, readings: &[String]) -> Holds {
        let each = readings.iter().map(|reading| match self {
            Self::Present => Holds::Yes,
            Self::OneOf(any) if any.iter().any(|wildcard| wildcard.covers(reading)) => Holds::Yes,
            // A server may not care for case.
            Self::OneOf(any) if any.iter().any(|wildcard| wildcard.covers_in_any_case(reading)) => Holds::Perhaps,
            Self::OneOf(_) => Holds::No,
        });
        let (least, most) =
            each.fold((Holds::Yes, Holds::No), |(least, most), holds| (least.min(holds), most.max(holds)));
        if readings.is_empty() || most == Holds::No {
            Holds::No
        } else if least == Holds::Yes {
            Holds::Yes
        } else {
            Holds::Perhaps
        }
    }
}

/// One value or a list of them.
fn many<T>(node: &Node<'_>, read: impl Fn(&Node<'_>) -> Result<T, Diagnosis>, problems: &mut Vec<Diagnosis>) -> Vec<T> {
    let items = node.one_or_many();
    if items.is_empty() || items.len() > MAX_VALUES {
        problems.push(node.problem(format!("expected one value, or a list of 1 to {MAX_VALUES}")));
    }
    items.iter().filter_map(|item| keep(read(item), problems)).collect()
}

/// Names, each with `true` or the values it may have.
fn named(
    node: &Node<'_>,
    legal: impl Fn(&str) -> bool,
    otherwise: &str,
    problems: &mut Vec<Diagnosis>,
) -> Vec<(String, Values)> {
    let Some(members) = node.object(problems) else { return Vec::new() };
    if members.is_empty() {
        problems.push(node.problem("expected at least one name, such as {\"format\": \"pdf\"}"));
    }
    let mut conditions = Vec::new();
    for (name, node) in members.iter() {
        if !legal(name) {
            problems.push(Diagnosis::new(&node.pointer, otherwise));
        }
        let values = if node.text() == "true" {
            Values::Present
        } else if node.text() == "false" {
            problems.push(node.problem(
                "an absent value never matches; write the rule for those that have it, with true or with values",
            ));
            continue;
        } else {
            Values::OneOf(many(node, read_text, problems))
        };
        conditions.push((name.clone(), values));
    }
    conditions
}

fn is_header_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn read_text(node: &Node<'_>) -> Result<Wildcard, Diagnosis> {
    let text = node.string().map_err(|_| node.problem("expected a text; * in it stands for anything"))?;
    if text.is_empty() {
        return Err(node.problem("an empty text matches nothing that is sent; write true for any value"));
    }
    Ok(Wildcard::new(text))
}

fn read_country(node: &Node<'_>) -> Result<String, Diagnosis> {
    let text = node.string()?;
    let two = text.len() == 2 && text.starts_with(|c: char| c.is_ascii_alphabetic());
    match text.to_ascii_uppercase() {
        upper if two && upper == text && text.bytes().all(|b| b.is_ascii_alphanumeric()) => Ok(text),
        upper if two && text.is_ascii() => {
            Err(node.problem(format!("countries are written in capitals; did you mean \"{upper}\"?")))
        }
        _ => Err(node.problem("expected an ISO 3166-1 code such as \"DE\"; T1 is Tor")),
    }
}

fn read_asn(node: &Node<'_>) -> Result<u32, Diagnosis> {
    let asn = node.number().and_then(|text| text.parse().ok()).filter(|asn| *asn > 0);
    asn.ok_or_else(|| node.problem("expected the number of an autonomous system, such as 13335"))
}

fn read_ip(node: &Node<'_>) -> Result<IpNet, Diagnosis> {
    node.string()?.parse().map_err(|error| node.problem(format!("{error}")))
}

/// A score, or `{min, max}` of which one may be left out.
fn read_scores(node: &Node<'_>) -> Result<(u8, u8), Diagnosis> {
    const FORM: &str =
        "expected a score, 1 (a bot) to 99 (a person), or {\"min\": 1, \"max\": 29} of which one may be left out";
    let score = |node: &Node<'_>| {
        let score = node.number().and_then(|text| text.parse().ok()).filter(|score| (1..=99).contains(score));
        score.ok_or_else(|| node.problem(FORM))
    };
    if !node.is_object() {
        return score(node).map(|score| (score, score));
    }
    let mut problems = Vec::new();
    let members = node.members(&["min", "max"], &mut problems).unwrap_or_default();
    let least = members.read("min", score, &mut problems);
    let most = members.read("max", score, &mut problems);
    if let Some(problem) = problems.pop() {
        return Err(problem);
    }
    match (least, most) {
        (None, None) => Err(node.problem(FORM)),
        (least, most) if least.unwrap_or(1) <= most.unwrap_or(99) => Ok((least.unwrap_or(1), most.unwrap_or(99))),
        _ => Err(node.problem("min is greater than max: nothing matches")),
    }
}
