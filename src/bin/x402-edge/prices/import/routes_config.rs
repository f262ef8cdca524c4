//! The official SDK's RoutesConfig, v2 or v1, as routes.

use serde_json::{Map, Value, json};
use x402_edge::network::Network;

use super::Imported;
use crate::failure::Failure;

/// What an offer and a route may have in a price document.
const OFFER_KEYS: [&str; 7] = ["scheme", "price", "network", "payTo", "asset", "maxTimeoutSeconds", "extra"];
const ROUTE_KEYS: [&str; 8] =
    ["accepts", "resource", "description", "mimeType", "serviceName", "tags", "iconUrl", "extensions"];

/// All routes, without what has no place in a price document.
pub(super) fn import(config: Value) -> Result<Imported, Failure> {
    let Value::Object(config) = config else {
        return Err(Failure::usage("a RoutesConfig is an object: {\"GET /path\": {\"accepts\": …}}"));
    };
    let mut imported = Imported::default();
    // One entry alone is for every path.
    let config = if config.contains_key("accepts") || config.contains_key("price") {
        Map::from_iter([("*".to_owned(), Value::Object(config))])
    } else {
        config
    };
    for (key, entry) in config {
        if let Some(route) = route(&key, entry, &mut imported) {
            imported.routes.insert(key, route);
        }
    }
    Ok(imported)
}

fn route(key: &str, entry: Value, imported: &mut Imported) -> Option<Value> {
    let mut entry = match entry {
        Value::Object(entry) => entry,
        // v1: a price alone.
        price => return Some(json!({ "price": price })),
    };
    // v1 keeps its descriptions in `config`.
    if let Some(Value::Object(config)) = entry.remove("config") {
        for (name, value) in config {
            entry.entry(name).or_insert(value);
        }
    }
    let mut route = Map::new();
    for (name, value) in entry {
        if name == "accepts" {
            route.insert(name, accepts(key, value, imported)?);
        } else if ROUTE_KEYS.contains(&name.as_str()) || OFFER_KEYS.contains(&name.as_str()) {
            route.insert(name, value);
        } else {
            imported.leave_out(format!("{name}, which has no place in a price document"));
        }
    }
    Some(Value::Object(route))
}

fn accepts(key: &str, value: Value, imported: &mut Imported) -> Option<Value> {
    let options = match value {
        Value::Array(options) => options,
        one => vec![one],
    };
    let mut kept = Vec::new();
    for option in options {
        let network = option["network"].as_str().unwrap_or_default();
        let known =
            network.is_empty() || network.parse::<Network>().is_ok() || Network::from_v1_name(network).is_some();
        if !known {
            imported.leave_out(format!("the offer of {key} on {network}, which is no EVM network"));
            continue;
        }
        let Value::Object(option) = option else {
            kept.push(option);
            continue;
        };
        let mut offer = Map::new();
        for (name, value) in option {
            if OFFER_KEYS.contains(&name.as_str()) {
                offer.insert(name, value);
            } else {
                imported.leave_out(format!("{name}, which has no place in an offer"));
            }
        }
        kept.push(Value::Object(offer));
    }
    if kept.is_empty() {
        imported.leave_out(format!("{key}, which has no offer left; it stays free"));
        return None;
    }
    Some(Value::Array(kept))
}

/// Whether the document needs no `payTo` at its top.
pub(super) fn every_offer_names_its_payee(routes: &Value) -> bool {
    let names = |offer: &Value| offer["payTo"].is_string();
    routes.as_object().is_some_and(|routes| {
        routes.values().all(|route| match &route["accepts"] {
            Value::Array(offers) => offers.iter().all(names),
            _ => names(route),
        })
    })
}
