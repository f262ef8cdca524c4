//! What is different between two documents.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use x402_edge::prices::PriceTable;

use super::{cost, listing};
use crate::terminal::{Ink, harmless, paint};

/// One route that is there, gone or different.
#[derive(Debug)]
pub(crate) struct Change {
    host: Option<String>,
    key: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Added {
        price: String,
    },
    Removed {
        price: String,
    },
    /// What differs, each as it was and as it will be.
    Changed {
        parts: Vec<(String, String, String)>,
    },
}

/// The differences in routes, then in the rest.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) routes: Vec<Change>,
    document: Vec<(String, String, String)>,
}

/// A route with everything that can differ, by name.
type Parts = Vec<(String, String)>;

impl Changes {
    /// From one document to another; from nothing where there was none.
    pub(crate) fn between(old: &PriceTable, new: &PriceTable) -> Self {
        let mut changes = Self::default();
        let (before, after) = (parts_by_route(old), parts_by_route(new));
        for ((host, key), parts) in &before {
            let kind = match after.get(&(host.clone(), key.clone())) {
                None => Kind::Removed { price: price_of(parts) },
                Some(others) => Kind::Changed { parts: differing(parts, others) },
            };
            if !matches!(&kind, Kind::Changed { parts } if parts.is_empty()) {
                changes.routes.push(Change { host: host.clone(), key: key.clone(), kind });
            }
        }
        for ((host, key), parts) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
            let kind = Kind::Added { price: price_of(parts) };
            changes.routes.push(Change { host: host.clone(), key: key.clone(), kind });
        }
        // Against nothing everything would differ.
        if !(old.is_empty() && old.facilitators().is_empty()) {
            changes.document = differing(&document_parts(old), &document_parts(new));
        }
        changes
    }

    /// Whether nothing differs in what requests are asked.
    pub(crate) fn is_empty(&self) -> bool {
        self.routes.is_empty() && self.document.is_empty()
    }

    /// For people: `+` added, `-` removed, `~` changed.
    pub(crate) fn to_text(&self) -> String {
        if self.is_empty() {
            return "no price changes\n".to_owned();
        }
        let mut out = Vec::new();
        for change in &self.routes {
            let host = change.host.as_ref().map_or_else(String::new, |host| format!(" at {host}"));
            let name = harmless(&format!("{}{host}", change.key));
            match &change.kind {
                Kind::Added { price } => out.push(paint(Ink::Green, &format!("+ {name}: {}", harmless(price)))),
                Kind::Removed { price } => {
                    out.push(paint(Ink::Red, &format!("- {name}: {}, now free", harmless(price))));
                }
                Kind::Changed { parts } => {
                    out.push(paint(Ink::Yellow, &format!("~ {name}")));
                    out.extend(parts.iter().map(line));
                }
            }
        }
        if !self.document.is_empty() {
            out.push(paint(Ink::Yellow, "~ the whole document"));
            out.extend(self.document.iter().map(line));
        }
        out.join("\n") + "\n"
    }

    /// For programs.
    pub(crate) fn to_json(&self) -> Value {
        let parts = |parts: &[(String, String, String)]| -> Value {
            let entries = parts.iter().map(|(name, old, new)| (name.clone(), json!({ "before": old, "after": new })));
            Value::Object(entries.collect::<Map<_, _>>())
        };
        let routes = self.routes.iter().map(|change| {
            let mut json = json!({ "route": change.key, "host": change.host });
            match &change.kind {
                Kind::Added { price } => json["added"] = json!(price),
                Kind::Removed { price } => json["removed"] = json!(price),
                Kind::Changed { parts: changed } => json["changed"] = parts(changed),
            }
            json
        });
        json!({ "routes": routes.collect::<Vec<_>>(), "document": parts(&self.document) })
    }
}

fn line((name, old, new): &(String, String, String)) -> String {
    format!("    {name}: {} → {}", harmless(old), harmless(new))
}

fn parts_by_route(table: &PriceTable) -> BTreeMap<(Option<String>, String), Parts> {
    let entry = |route: &x402_edge::prices::Route| {
        let name = (route.host().map(str::to_ascii_lowercase), route.key().to_owned());
        let mut parts = vec![("price".to_owned(), cost::terms(table, route.terms()))];
        for (index, rule) in route.rules().iter().enumerate() {
            let when = listing::one_line(rule.when().text());
            parts.push((format!("rule {index}"), format!("when {when} {}", cost::terms(table, rule.terms()))));
        }
        // Offers differ in more than the price: who is paid, on which chain, how long.
        if let Value::Object(json) = listing::route_json(table, route) {
            let whole =
                |terms: &Value| terms["accepts"].as_array().map_or_else(|| terms.to_string(), |offers| brief(offers));
            parts.push(("paid in".to_owned(), whole(&json["terms"])));
            let rest = ["mode", "rollout", "quota", "pass", "challenge", "resource", "extensions"];
            for key in rest.iter().filter(|key| json.contains_key(**key)) {
                parts.push((
                    (*key).to_owned(),
                    json[*key].as_str().map_or_else(|| json[*key].to_string(), str::to_owned),
                ));
            }
            for (index, rule) in json.get("rules").and_then(Value::as_array).into_iter().flatten().enumerate() {
                parts.push((format!("rule {index} paid in"), whole(&rule["terms"])));
            }
        }
        (name, parts)
    };
    table.routes().map(entry).collect()
}

/// In what and to whom each offer is paid; how much is the price.
fn brief(offers: &[Value]) -> String {
    let text = |offer: &Value, key: &str| offer[key].as_str().unwrap_or_default().to_owned();
    let one = |offer: &Value| {
        let [asset, network, pay_to] = ["asset", "network", "payTo"].map(|key| text(offer, key));
        format!("{asset} on {network} to {pay_to} within {} s", offer["maxTimeoutSeconds"])
    };
    offers.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn price_of(parts: &Parts) -> String {
    parts.first().map(|(_, price)| price.clone()).unwrap_or_default()
}

/// The parts that differ; what one side does not have is `–`.
fn differing(old: &Parts, new: &Parts) -> Vec<(String, String, String)> {
    let get = |parts: &Parts, name: &str| parts.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let mut seen = BTreeSet::new();
    let names = old.iter().chain(new).map(|(name, _)| name).filter(|name| seen.insert(*name));
    let none = || "–".to_owned();
    names
        .map(|name| (name.clone(), get(old, name).unwrap_or_else(none), get(new, name).unwrap_or_else(none)))
        .filter(|(_, old, new)| old != new)
        .collect()
}

fn document_parts(table: &PriceTable) -> Parts {
    let mut parts = vec![
        ("facilitators".to_owned(), table.facilitators().join(", ")),
        ("grace".to_owned(), format!("{} s", table.grace_seconds())),
        ("smartWallets".to_owned(), format!("{:?}", table.smart_wallets()).to_lowercase()),
        ("passes epoch".to_owned(), table.revoked().epoch().to_string()),
    ];
    if table.offers_channels() {
        parts.push(("claims".to_owned(), table.claims().to_string()));
    }
    let revoked = table.revoked().names().join(", ");
    if !revoked.is_empty() {
        parts.push(("passes revoked".to_owned(), revoked));
    }
    for site in table.sites() {
        let host = site.host().map_or_else(String::new, |host| format!(" of {host}"));
        parts.push((format!("publicUrl{host}"), site.public_url().unwrap_or("–").to_owned()));
    }
    parts
}
