//! `docs/prices.schema.json` against the parser, in both directions: an editor must not warn of what the Worker takes,
//! and must know the keys and forms that it takes.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{cell::Cell, collections::BTreeSet, fs};

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};
use x402_edge::prices::PriceTable;

const PAY_TO: &str = "0x5CbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB";

struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
    json: Value,
}

impl Schema {
    fn read() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/prices.schema.json");
        let json: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V7);
        compiler.add_resource("prices.schema.json", json.clone()).unwrap();
        let mut schemas = Schemas::new();
        let index = compiler.compile("prices.schema.json", &mut schemas).unwrap();
        Self { schemas, index, json }
    }

    fn accepts(&self, document: &Value) -> bool {
        self.schemas.validate(document, self.index).is_ok()
    }

    #[track_caller]
    fn must_accept(&self, document: &Value) {
        if let Err(error) = self.schemas.validate(document, self.index) {
            panic!("{error}\n{document:#}");
        }
    }
}

fn parser_accepts(document: &Value) -> bool {
    PriceTable::parse(&document.to_string()).is_ok()
}

/// A good document in which every key stands somewhere.
fn every_key() -> Value {
    serde_json::from_str(include_str!("../examples/every-key.json")).unwrap()
}

#[test]
fn good_documents_are_good_to_both() {
    let schema = Schema::read();
    let pasted = json!({"facilitators": ["https://f.example"], "routes": {"accepts": {"scheme": "exact", "price": "$1", "network": "base", "payTo": PAY_TO}}});
    let mut documents = vec![pasted, json!({"routes": {}}), json!({"hosts": {}})];
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            documents.push(serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap());
        }
    }
    for document in documents {
        if let Err(problems) = PriceTable::parse(&document.to_string()) {
            panic!("{problems:?}\n{document:#}");
        }
        schema.must_accept(&document);
    }
}

/// The document with another value at a pointer; nothing instead of the value removes it.
fn with(mut document: Value, pointer: &str, value: Option<Value>) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/").replace("~0", "~");
    match (document.pointer_mut(parent).unwrap(), value) {
        (Value::Object(object), Some(value)) => drop(object.insert(key, value)),
        (Value::Object(object), None) => drop(object.remove(&key)),
        (Value::Array(array), Some(value)) => array[key.parse::<usize>().unwrap()] = value,
        _ => unreachable!("no parent at {parent}"),
    }
    document
}

#[test]
fn mistakes_of_form_are_mistakes_to_both() {
    let schema = Schema::read();
    let article = "/routes/GET ~1articles~1:slug";
    let at = |rest: &str| format!("{article}{rest}");
    let archive = "/routes/GET ~1archive~1:slug";
    let chat = "/routes/POST ~1v1~1chat";
    let feed = "/routes/GET ~1feed~1:item";
    for (pointer, value) in [
        ("/payTo".to_owned(), json!("0x12")),
        ("/payTo".to_owned(), json!(null)),
        ("/network".to_owned(), json!("eip155:01")),
        ("/network".to_owned(), json!("Solana!")),
        ("/asset".to_owned(), json!("0x12")),
        ("/maxTimeoutSeconds".to_owned(), json!(9)),
        ("/maxTimeoutSeconds".to_owned(), json!("60")),
        ("/mode".to_owned(), json!("watch")),
        ("/rollout".to_owned(), json!(1.5)),
        ("/rollout".to_owned(), json!("0.5")),
        ("/facilitators".to_owned(), json!([])),
        ("/facilitators".to_owned(), json!("https://f.example")),
        ("/facilitators/0".to_owned(), json!("https://f.example/?x")),
        ("/facilitators/0".to_owned(), json!("f.example")),
        ("/facilitatorTimeoutSeconds".to_owned(), json!(7)),
        ("/smartWallets".to_owned(), json!(true)),
        ("/publicUrl".to_owned(), json!("https://shop.example/shop")),
        ("/rpc".to_owned(), json!({"base": ["https://x.example"]})),
        ("/networks/eip155:2366/name".to_owned(), json!("Kite AI")),
        ("/networks/eip155:2366/chain".to_owned(), json!(1)),
        ("/tokens/kite-ai/KUSD/decimals".to_owned(), json!(37)),
        ("/tokens/kite-ai/KUSD/decimals".to_owned(), json!("18")),
        ("/tokens/kite-ai/KUSD/name".to_owned(), json!("")),
        ("/caseSensitive".to_owned(), json!("no")),
        ("/grace".to_owned(), json!(601)),
        ("/grace".to_owned(), json!(-1)),
        ("/hosts".to_owned(), json!([])),
        ("/hosts/https:~1~1x.example".to_owned(), json!({"routes": {}})),
        ("/hosts/x.example".to_owned(), json!({})),
        ("/hosts/x.example".to_owned(), json!({"routes": {}, "facilitators": ["https://f.example"]})),
        ("/routes".to_owned(), json!([])),
        ("/routes/x".to_owned(), json!({"price": 1})),
        ("/routes/~1x?y".to_owned(), json!({"price": 1})),
        ("/routes/~1x".to_owned(), json!("$1")),
        ("/routes/~1x".to_owned(), json!({})),
        ("/routes/~1x".to_owned(), json!({"free": true, "deny": true})),
        ("/routes/~1x".to_owned(), json!({"free": true, "price": 1})),
        ("/routes/~1x".to_owned(), json!({"accepts": [{"price": 1}], "price": 1})),
        ("/routes/~1x".to_owned(), json!({"accepts": []})),
        ("/routes/~1x".to_owned(), json!({"accepts": [{}]})),
        ("/routes/~1x".to_owned(), json!({"accepts": [{"price": 1, "description": "x"}]})),
        ("/routes/~1x".to_owned(), json!({"free": false})),
        (at("/scheme"), json!("barter")),
        (at("/price"), json!("free")),
        (at("/price"), json!("$0.00")),
        (at("/price"), json!("$-1")),
        (at("/price"), json!("1,5")),
        (at("/price"), json!(0)),
        (at("/price"), json!(-1)),
        (at("/price"), json!(true)),
        (at("/price"), json!({"asset": "USDC"})),
        (at("/price"), json!({"asset": "USDC", "amount": 5})),
        (at("/price"), json!({"asset": "USDC", "amount": "0"})),
        (at("/price"), json!({"asset": "USDC", "amount": "5", "more": 1})),
        (at("/extra"), json!([])),
        (at("/description"), json!("x".repeat(501))),
        (at("/tags"), json!(["a", "b", "c", "d", "e", "f"])),
        (at("/tags"), json!("news")),
        (at("/serviceName"), json!("Café")),
        (at("/resource"), json!("/articles")),
        (at("/challenge"), json!(401)),
        (at("/verify"), json!("maybe")),
        (at("/settle"), json!("later")),
        (at("/settle"), json!("background")),
        (at("/maxExposure"), json!({"payer": 1, "route": 2})),
        (format!("{feed}/maxExposure"), json!({"payer": 1})),
        (format!("{feed}/maxExposure"), json!("$1")),
        (format!("{feed}/maxExposure/route"), json!(0)),
        (format!("{feed}/maxExposure/route"), json!("5 USDC")),
        (format!("{feed}/settle"), json!("upfront")),
        (at("/usage"), json!("tokens")),
        (at("/usage"), json!({})),
        (at("/usage"), json!({"header": "X Units", "price": 1})),
        (at("/usage"), json!({"header": "X-Units"})),
        (at("/usage"), json!({"bytes": "$1"})),
        (format!("{chat}/usage"), json!({"tokens": {"input": "$1", "output": "$1"}, "bytes": "$1"})),
        (format!("{chat}/usage/price"), json!("$1")),
        (format!("{chat}/usage/per"), json!(0)),
        (format!("{chat}/usage/tokens"), json!({"input": "$1"})),
        (format!("{chat}/usage/tokens/input"), json!(0)),
        (at("/extensions"), json!(null)),
        (at("/quota/requests"), json!(0)),
        (at("/quota/per"), json!("user")),
        (at("/quota"), json!({"per": "ip"})),
        (format!("{archive}/pass"), json!(true)),
        (format!("{archive}/pass"), json!({"uses": 3})),
        (format!("{archive}/pass/ttl"), json!(59)),
        (format!("{archive}/pass/ttl"), json!("1d")),
        (format!("{archive}/pass/ttl"), json!(31_536_001)),
        (format!("{archive}/pass/uses"), json!(0)),
        (format!("{archive}/pass/for"), json!("host")),
        (format!("{archive}/pass/scope"), json!("/archive/*")),
        (format!("{archive}/pass/scope"), json!(["GET /old/:slug", "GET /old/:slug"])),
        ("/passes".to_owned(), json!([])),
        ("/passes/epoch".to_owned(), json!(-1)),
        ("/passes/revoked".to_owned(), json!(["0x12"])),
        ("/passes/revoked".to_owned(), json!(["8b2e0ccd"])),
        ("/claims/every".to_owned(), json!(9)),
        ("/claims/threshold".to_owned(), json!(true)),
        ("/claims/often".to_owned(), json!(1)),
        ("/routes/GET ~1quotes~1:symbol/withdrawDelay".to_owned(), json!(899)),
        ("/routes/GET ~1quotes~1:symbol/minDeposit".to_owned(), json!({"amount": 1})),
        (at("/rules"), json!({})),
        (at("/rules/0"), json!({"free": true})),
        (at("/rules/0"), json!({"when": {"country": "DE"}})),
        (at("/rules/0"), json!({"when": {"country": "DE"}, "free": true, "quota": {"requests": 1}})),
        (at("/rules/0/when/country"), json!("de")),
        (at("/rules/0/when/country"), json!([])),
        (at("/rules/0/when/continent"), json!("Europe")),
        (at("/rules/0/when/asn"), json!("AS13335")),
        (at("/rules/0/when/ip"), json!("localhost")),
        (at("/rules/0/when/city"), json!("Berlin")),
        (at("/rules/1/when/botScore"), json!(100)),
        (at("/rules/1/when/botScore"), json!({})),
        (at("/rules/1/when/verifiedBot"), json!("yes")),
        (at("/rules/2/when/userAgent"), json!("")),
        (at("/rules/3/when/header"), json!({})),
        (at("/rules/3/when/header"), json!({"X Plan": true})),
        (at("/rules/3/when/query"), json!({"format": false})),
        (at("/rules/3/when/query"), json!({"format": 1})),
    ] {
        let document = with(every_key(), &pointer, Some(value.clone()));
        assert!(!parser_accepts(&document), "the parser takes {value} at {pointer}");
        assert!(!schema.accepts(&document), "the schema takes {value} at {pointer}");
    }
    for pointer in ["/routes", "/facilitators", "/tokens/kite-ai/KUSD/version"] {
        let mut document = with(every_key(), pointer, None);
        if pointer == "/routes" {
            document = with(document, "/hosts", None);
        }
        assert!(!parser_accepts(&document) && !schema.accepts(&document), "{pointer} may be left out");
    }
}

#[test]
fn what_no_schema_can_say_is_left_to_the_parser() {
    let schema = Schema::read();
    for (pointer, value) in [
        ("/payTo", json!("0x5cbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB")),
        ("/payTo", json!("0x0000000000000000000000000000000000000000")),
        ("/routes/~1x", json!({"price": "$0.0000001"})),
        ("/routes/~1x", json!({"price": "1 DOGE"})),
        ("/routes/~1OPEN~1*", json!({"free": true})),
        ("/routes/GETT ~1x", json!({"price": 1})),
        ("/routes/~1a~1..~1b", json!({"price": 1})),
        ("/routes/~1x", json!({"free": true, "quota": {"requests": 1}})),
        ("/networks/eip155:8453", json!({"name": "peaq"})),
        ("/routes/~1x", json!({"free": true, "pass": {"ttl": 60}})),
        ("/routes/~1x", json!({"price": "$1", "pass": {"ttl": 60, "scope": ["/nothing"]}})),
        ("/routes/~1x", json!({"price": "$0.01", "pass": {"ttl": 60, "scope": ["GET /archive/:slug"]}})),
    ] {
        let document = with(every_key(), pointer, Some(value.clone()));
        assert!(!parser_accepts(&document), "the parser takes {value} at {pointer}");
        schema.must_accept(&document);
    }
}

/// The keys that the parser allows in an object, as it tells them itself.
fn keys_of_the_parser(pointer: &str) -> BTreeSet<String> {
    let document = with(every_key(), &format!("{pointer}/nothing like it"), Some(json!(1)));
    let told: Vec<String> =
        PriceTable::parse(&document.to_string()).unwrap_err().iter().map(ToString::to_string).collect();
    let list = told.iter().find_map(|told| told.split_once("unknown key; allowed are ")).map(|(_, list)| list);
    list.unwrap_or_else(|| panic!("{told:?}")).split(", ").map(str::to_owned).collect()
}

#[test]
fn schema_and_parser_know_the_same_keys() {
    let schema = Schema::read();
    let route = "/routes/GET ~1articles~1:slug";
    for (definition, pointer) in [
        ("", String::new()),
        ("/definitions/host", "/hosts/api.shop.example".to_owned()),
        ("/definitions/route", route.to_owned()),
        ("/definitions/rule", format!("{route}/rules/0")),
        ("/definitions/when", format!("{route}/rules/0/when")),
        ("/definitions/quota", format!("{route}/quota")),
        ("/definitions/pass", "/routes/GET ~1archive~1:slug/pass".to_owned()),
        ("/definitions/passes", "/passes".to_owned()),
        ("/definitions/offer", "/routes/~1chat/accepts/1".to_owned()),
        ("/definitions/networkEntry", "/networks/eip155:2366".to_owned()),
        ("/definitions/token", "/tokens/kite-ai/KUSD".to_owned()),
    ] {
        let properties = schema.json.pointer(&format!("{definition}/properties")).unwrap();
        let known: BTreeSet<String> = properties.as_object().unwrap().keys().cloned().collect();
        assert_eq!(known, keys_of_the_parser(&pointer), "{definition}");
        for (key, property) in properties.as_object().unwrap() {
            let told = property["description"].is_string()
                || property
                    .pointer("/$ref")
                    .and_then(Value::as_str)
                    .is_some_and(|name| schema.json.pointer(&format!("{}/description", &name[1..])).is_some());
            assert!(told, "{definition}/{key} has no description");
        }
    }
}

#[test]
fn every_key_of_the_schema_is_shown_in_the_examples() {
    fn keys_of(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(object) => object.iter().for_each(|(key, value)| {
                found.insert(key.clone());
                keys_of(value, found);
            }),
            Value::Array(array) => array.iter().for_each(|value| keys_of(value, found)),
            _ => {}
        }
    }
    let mut shown = BTreeSet::new();
    keys_of(&every_key(), &mut shown);
    let schema = Schema::read().json;
    let mut objects: Vec<&Value> = schema["definitions"].as_object().unwrap().values().collect();
    objects.push(&schema);
    let mut checked = 0;
    for key in objects.iter().filter_map(|object| object["properties"].as_object()).flat_map(|keys| keys.keys()) {
        assert!(shown.contains(key), "{key} is in no example");
        checked += 1;
    }
    assert!(checked > 60, "only {checked} keys were found");
}

/// Pointers to everything in a document.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    if !at.is_empty() {
        found.push(at.to_owned());
    }
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                pointers(value, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(array) => {
            for (index, value) in array.iter().enumerate() {
                pointers(value, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn what_the_parser_takes_the_schema_takes() {
    let schema = Schema::read();
    let document = every_key();
    let mut places = Vec::new();
    pointers(&document, "", &mut places);
    places.retain(|place| !place.rsplit('/').next().unwrap().bytes().all(|b| b.is_ascii_digit()));
    let values = vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(10),
        json!(0.25),
        json!(-1),
        json!(401),
        json!(""),
        json!("x"),
        json!("*"),
        json!("401"),
        json!("free"),
        json!("$1"),
        json!("0.01 USDC"),
        json!("base"),
        json!("eip155:84532"),
        json!("DE"),
        json!("EU"),
        json!("ip"),
        json!("observe"),
        json!("203.0.113.7"),
        json!("https://x.example"),
        json!(PAY_TO),
        json!("0x12"),
        json!([]),
        json!(["x"]),
        json!(["https://x.example"]),
        json!({}),
        json!({"price": 1}),
        json!({"free": true}),
        json!({"deny": true}),
        json!({"x": true}),
        json!({"requests": 1}),
        json!({"min": 3}),
        json!({"routes": {}}),
        json!([{"when": {}, "free": true}]),
        json!({"asset": "USDC", "amount": "1"}),
        json!({"/x": {"price": 1}}),
        json!([{"price": "$1"}]),
    ];
    let change =
        (0..places.len(), proptest::option::weighted(0.8, 0..values.len()), "[a-zA-Z/*:. -]{0,6}", any::<bool>());
    let changes = proptest::collection::vec(change, 1..4);
    let (good, bad, seen_through) = (Cell::new(0_u32), Cell::new(0_u32), Cell::new(0_u32));
    let config = ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&changes, |changes| {
            let mut mutated = document.clone();
            for (place, value, name, rename) in changes {
                let place = &places[place];
                let (parent, _) = place.rsplit_once('/').unwrap();
                if !mutated.pointer(parent).is_some_and(Value::is_object) {
                    continue;
                }
                let place = if rename { format!("{parent}/{}", name.replace('/', "~1")) } else { place.clone() };
                mutated = with(mutated, &place, value.map(|value| values[value].clone()));
            }
            if parser_accepts(&mutated) {
                good.set(good.get() + 1);
                prop_assert!(schema.accepts(&mutated), "the schema refuses {mutated:#}");
            } else {
                bad.set(bad.get() + 1);
                seen_through.set(seen_through.get() + u32::from(!schema.accepts(&mutated)));
            }
            Ok(())
        })
        .unwrap();
    let (good, bad, seen_through) = (good.get(), bad.get(), seen_through.get());
    // The schema is of use: it sees most of what is wrong, and the test has seen both.
    assert!(good > 100 && bad > 1000, "{good} good, {bad} bad");
    assert!(seen_through * 10 > bad * 8, "the schema sees {seen_through} of {bad} bad documents");
}
