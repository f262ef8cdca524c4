//! Every route of a document, as a table and as JSON.

use serde_json::{Map, Value, json};
use x402_edge::prices::{Mode, PassTerms, PriceTable, Quota, Route};

use super::cost;
use crate::terminal;

/// Routes with their prices, one line each and one for each rule.
pub(crate) fn text(table: &PriceTable) -> String {
    if table.is_empty() {
        return "nothing is priced: every path is free\n".to_owned();
    }
    let mut rows = Vec::new();
    for route in table.routes() {
        let host = route.host().unwrap_or("").to_owned();
        for (index, rule) in route.rules().iter().enumerate() {
            let name = if index == 0 { route.key() } else { "" };
            let when = format!("when {}", one_line(rule.when().text()));
            rows.push(vec![name.to_owned(), host.clone(), cost::terms(table, rule.terms()), when]);
        }
        let name = if route.rules().is_empty() { route.key() } else { "" };
        rows.push(vec![name.to_owned(), host, cost::terms(table, route.terms()), remarks(route)]);
    }
    if rows.iter().all(|row| row[1].is_empty()) {
        for row in &mut rows {
            row.remove(1);
        }
        return terminal::table(&["route", "price", ""], &rows);
    }
    terminal::table(&["route", "host", "price", ""], &rows)
}

/// What a route has beside its price.
fn remarks(route: &Route) -> String {
    let mut remarks = Vec::new();
    if !route.rules().is_empty() {
        remarks.push("else".to_owned());
    }
    if route.mode() == Mode::Observe {
        remarks.push("observed only, charged to nobody".to_owned());
    }
    if !route.rollout().is_everybody() {
        remarks.push(format!("charged to a share of {}", route.rollout()));
    }
    remarks.extend(route.quota().map(quota));
    remarks.extend(route.pass().map(pass));
    if route.challenges_401() {
        remarks.push("where the origin answers 401".to_owned());
    }
    remarks.join("; ")
}

/// A quota in words.
pub(crate) fn quota(quota: &Quota) -> String {
    let total = quota.total.map_or_else(String::new, |total| format!(", {total} in all"));
    format!("{} a day free per {}{total}", quota.requests, quota.per.as_str())
}

/// A pass in words.
pub(crate) fn pass(pass: &PassTerms) -> String {
    let uses = pass.uses.map_or_else(String::new, |uses| format!(", {}", terminal::number(uses, "use")));
    let scope = if pass.scope.is_empty() { String::new() } else { format!(", also for {}", pass.scope.join(", ")) };
    let place = if pass.only_its_path { " for the same path" } else { "" };
    format!("with a pass{place} for {} s{uses}{scope}", pass.ttl_seconds)
}

/// A pass for programs.
pub(crate) fn pass_json(pass: &PassTerms) -> Value {
    let place = if pass.only_its_path { "path" } else { "route" };
    json!({ "ttl": pass.ttl_seconds, "uses": pass.uses, "for": place, "scope": pass.scope })
}

/// JSON on one line, as the owner wrote it.
pub(crate) fn one_line(json: &str) -> String {
    serde_json::from_str::<Value>(json).map_or_else(|_| json.to_owned(), |value| value.to_string())
}

/// The document as it is understood: defaults filled in, prices in atomic units.
pub(crate) fn json(table: &PriceTable) -> Value {
    json!({
        "facilitators": table.facilitators(),
        "graceSeconds": table.grace_seconds(),
        "passes": { "epoch": table.revoked().epoch(), "revoked": table.revoked().names() },
        "routes": table.routes().map(|route| route_json(table, route)).collect::<Vec<_>>(),
    })
}

/// One route for programs. What it does not have is left out.
pub(crate) fn route_json(table: &PriceTable, route: &Route) -> Value {
    let mut json = Map::new();
    let mut set = |key: &str, value: Value| json.insert(key.to_owned(), value);
    set("route", json!(route.key()));
    set("pointer", json!(route.pointer()));
    set("terms", cost::terms_json(table, route.terms()));
    if let Some(host) = route.host() {
        set("host", json!(host));
    }
    if !route.rules().is_empty() {
        let rules = route.rules().iter().map(|rule| {
            let when: Value = serde_json::from_str(rule.when().text()).unwrap_or_default();
            json!({ "when": when, "terms": cost::terms_json(table, rule.terms()) })
        });
        set("rules", rules.collect());
    }
    if route.mode() == Mode::Observe {
        set("mode", json!("observe"));
    }
    if !route.rollout().is_everybody() {
        set("rollout", json!(route.rollout().to_string()));
    }
    if let Some(quota) = route.quota() {
        let (requests, per, total) = (quota.requests, quota.per.as_str(), quota.total);
        set("quota", json!({ "requests": requests, "per": per, "total": total }));
    }
    if let Some(pass) = route.pass() {
        set("pass", pass_json(pass));
    }
    if route.challenges_401() {
        set("challenge", json!("401"));
    }
    let sold = serde_json::to_value(route.description()).unwrap_or_default();
    if sold.as_object().is_some_and(|sold| !sold.is_empty()) {
        set("resource", sold);
    }
    if !route.extensions().is_empty() {
        set("extensions", Value::Object(route.extensions().clone()));
    }
    Value::Object(json)
}
