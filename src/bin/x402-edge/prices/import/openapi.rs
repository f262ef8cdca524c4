//! Operations of an OpenAPI 3 description as routes.

use serde_json::{Map, Value, json};

use super::Imported;
use crate::failure::Failure;

const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "trace", "query"];

/// Longer descriptions are refused by facilitators.
const MAX_DESCRIPTION_CHARS: usize = 500;

/// The priced operations: what their `x-payment-info` says, else `price`, else free.
pub(super) fn import(document: &Value, price: Option<&str>) -> Result<Imported, Failure> {
    let version = document["openapi"].as_str().unwrap_or_default();
    let Some(paths) = document["paths"].as_object().filter(|_| version.starts_with("3.")) else {
        return Err(Failure::usage("this is no OpenAPI 3 description: it needs openapi (\"3.…\") and paths"));
    };
    let mut imported = Imported::default();
    let base = base_path(document, &mut imported);
    for (path, item) in paths {
        let route_path = route_path(&format!("{base}{path}"));
        for (method, operation) in METHODS.iter().filter_map(|method| Some((*method, item.get(method)?))) {
            let name = format!("{} {path}", method.to_ascii_uppercase());
            let cost = match stated_price(operation) {
                Ok(stated) => stated.or_else(|| price.map(str::to_owned)),
                Err(mode) => {
                    imported.leave_out(format!("the price of {name}, whose mode is {mode}"));
                    price.map(str::to_owned)
                }
            };
            match cost {
                Some(cost) => {
                    let key = format!("{} {route_path}", method.to_ascii_uppercase());
                    imported.routes.insert(key, route(operation, item, &cost));
                }
                None => imported.leave_out(format!("{name}, which has no price; it stays free")),
            }
        }
    }
    Ok(imported)
}

/// The path of the first server's URL, which stands before every path. Variables in it are not known here.
fn base_path(document: &Value, imported: &mut Imported) -> String {
    let Some(url) = document["servers"][0]["url"].as_str() else { return String::new() };
    if document["servers"].as_array().is_some_and(|servers| servers.len() > 1) {
        imported.leave_out(format!("all servers but the first, {url}"));
    }
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = if url.contains("://") { rest.find('/').map_or("", |at| &rest[at..]) } else { rest };
    path.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/').to_owned()
}

/// `{id}` is `:id`; names have letters, digits and `_` only.
fn route_path(path: &str) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        out.push_str(before);
        out.push(':');
        out.extend(name.chars().map(plain));
        rest = after;
        // `{a}b` would read as one name.
        if rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            out.truncate(out.rfind(':').unwrap_or(out.len()));
            out.push('*');
        }
    }
    out + rest
}

/// What `x-payment-info` says in US dollars, if it is there; the mode where that is no fixed price.
fn stated_price(operation: &Value) -> Result<Option<String>, String> {
    let price = &operation["x-payment-info"]["price"];
    let amount = match &price["amount"] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    };
    let text = |key: &str, default: &str| price[key].as_str().unwrap_or(default).to_owned();
    match (text("mode", "fixed").as_str(), text("currency", "USD").as_str()) {
        _ if price.is_null() => Ok(None),
        ("fixed", "USD") if !amount.is_empty() => Ok(Some(format!("${}", amount.trim_start_matches('$')))),
        ("fixed", currency) => Err(format!("fixed, in {currency}")),
        (mode, _) => Err(mode.to_owned()),
    }
}

fn route(operation: &Value, item: &Value, price: &str) -> Value {
    let mut route = Map::from_iter([("price".to_owned(), json!(price))]);
    let texts = [&operation["summary"], &operation["description"], &item["summary"]];
    if let Some(text) = texts.iter().find_map(|text| text.as_str()).filter(|text| !text.is_empty()) {
        route.insert("description".to_owned(), json!(text.chars().take(MAX_DESCRIPTION_CHARS).collect::<String>()));
    }
    let success = operation["responses"].as_object().and_then(|responses| {
        responses.iter().find(|(status, _)| status.starts_with('2')).map(|(_, response)| response)
    });
    let media = success.and_then(|response| response["content"].as_object()).and_then(|content| content.keys().next());
    if let Some(media) = media {
        route.insert("mimeType".to_owned(), json!(media));
    }
    Value::Object(route)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_parameters_are_written_as_routes() {
        for (path, route) in [
            ("/a/{id}", "/a/:id"),
            ("/a/{user-id}/b", "/a/:user_id/b"),
            ("/{a}.{b}", "/:a.:b"),
            ("/{a}b", "/*b"),
            ("/a/{", "/a/{"),
            ("/", "/"),
        ] {
            assert_eq!(route_path(path), route);
        }
    }

    #[test]
    fn the_first_servers_path_stands_before_every_path() {
        for (url, base) in [
            ("https://a.example/v1/", "/v1"),
            ("https://a.example", ""),
            ("/v2", "/v2"),
            ("/", ""),
            ("https://a.example/v3?x", "/v3"),
        ] {
            assert_eq!(base_path(&json!({"servers": [{"url": url}]}), &mut Imported::default()), base);
        }
    }

    #[test]
    fn a_price_that_is_not_fixed_in_dollars_is_not_guessed() {
        let operation = |price: Value| json!({"x-payment-info": {"price": price}});
        let stated = |price: Value| stated_price(&operation(price));
        assert_eq!(stated(json!({"mode": "fixed", "currency": "USD", "amount": "0.10"})), Ok(Some("$0.10".to_owned())));
        assert_eq!(stated(json!({"amount": "$1"})), Ok(Some("$1".to_owned())));
        assert_eq!(stated(json!({"mode": "dynamic", "min": "1"})), Err("dynamic".to_owned()));
        assert_eq!(stated(json!({"amount": "1", "currency": "EUR"})), Err("fixed, in EUR".to_owned()));
        assert_eq!(stated_price(&json!({})), Ok(None));
    }
}
