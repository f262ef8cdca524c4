//! Which route a request falls to: the compiled tree says what the plain rule says, for every document and path.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::decide;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use x402_edge::prices::{Ambiguity, Decision, Method, Methods, Pattern, PriceTable, readings};

fn document(routes: &Value) -> String {
    json!({
        "payTo": "0x5CbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB", "network": "base-sepolia",
        "facilitators": ["https://facilitator.example"], "routes": routes,
    })
    .to_string()
}

/// The table of these keys, without those that tie; and the keys that are left.
fn table_of(keys: Vec<String>) -> (PriceTable, Vec<String>) {
    let mut keys = keys;
    loop {
        let routes: Map<String, Value> = keys.iter().map(|key| (key.clone(), json!({"price": "$0.01"}))).collect();
        match PriceTable::parse(&document(&Value::Object(routes))) {
            Ok(table) => return (table, keys),
            Err(problems) => {
                let bad = |key: &String| {
                    let pointer = format!("/routes/{}", key.replace('~', "~0").replace('/', "~1"));
                    problems.iter().any(|problem| problem.pointer == pointer)
                };
                let before = keys.len();
                keys.retain(|key| !bad(key));
                assert!(keys.len() < before, "{problems:?}");
            }
        }
    }
}

/// The plain rule, without any index: in each reading of the path and for each method it may be, of all routes
/// that cover it the most specific, then the one that names the method; and one route in all of them.
fn plainly<'k>(keys: &'k [String], method: &str, path: &str) -> Result<Option<&'k str>, ()> {
    let routes: Vec<(&str, Option<&str>, Pattern)> = keys
        .iter()
        .map(|key| match key.split_once(' ') {
            Some((method, path)) => (key.as_str(), Some(method), Pattern::parse(path, true).unwrap()),
            None => (key.as_str(), None, Pattern::parse(key, true).unwrap()),
        })
        .collect();
    let Methods::These(methods) = Method::parse(method).unwrap().readings() else { panic!("no override here") };
    let Ok(readings) = readings(path, true) else { return Err(()) };
    let mut found: Vec<&str> = Vec::new();
    for (reading, method) in readings.iter().flat_map(|reading| methods.iter().map(move |method| (reading, method))) {
        let covering = routes.iter().filter(|(_, named, pattern)| {
            named.is_none_or(|named| named == method.as_str()) && pattern.matches(reading)
        });
        let best = covering.max_by(|(_, a_named, a), (_, b_named, b)| {
            a.specificity(b).then(a_named.is_some().cmp(&b_named.is_some()))
        });
        found.extend(best.map(|(key, ..)| key));
    }
    found.sort_unstable();
    found.dedup();
    if found.len() > 1 { Err(()) } else { Ok(found.pop()) }
}

fn by_the_table<'t>(table: &'t PriceTable, method: &str, path: &str) -> Result<Option<&'t str>, ()> {
    match decide(table, method, path) {
        Decision::Unpriced => Ok(None),
        Decision::Priced(quote) => Ok(Some(quote.route.key())),
        Decision::Ambiguous(Ambiguity::Routes | Ambiguity::TooManyReadings) => Err(()),
        other => panic!("{other:?}"),
    }
}

fn key() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec![
        "a", "b", "c", "ab", ":x", "[y]", "*", "a*", "*b", "a:x", ":x-b", "*.c", "a*b", "*a*", "é",
    ]);
    let path = prop::collection::vec(segment, 0..5).prop_map(|segments| format!("/{}", segments.join("/")));
    (prop::sample::select(vec!["", "", "GET ", "POST "]), path).prop_map(|(method, path)| format!("{method}{path}"))
}

fn path() -> impl Strategy<Value = String> {
    let segment =
        prop::sample::select(vec!["a", "b", "c", "ab", "aab", "a-b", "x.c", "A", "xyz", "%C3%A9", "", "%61", ".c"]);
    let end = prop::sample::select(vec!["", "", "/", "//", ";x"]);
    (prop::collection::vec(segment, 0..6), end).prop_map(|(segments, end)| format!("/{}{end}", segments.join("/")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_tree_says_what_the_plain_rule_says(
        keys in prop::collection::btree_set(key(), 0..14),
        paths in prop::collection::vec((path(), prop::sample::select(vec!["GET", "POST", "HEAD", "DELETE", "PROPFIND"])), 24),
    ) {
        let (table, keys) = table_of(keys.into_iter().collect());
        for (path, method) in paths {
            let told = by_the_table(&table, method, &path);
            prop_assert_eq!(told, plainly(&keys, method, &path), "{} {} of {:?}", method, path, keys);
            prop_assert_eq!(
                table.is_priced("example.com", &path),
                readings(&path, true).unwrap().iter().any(|reading| {
                    keys.iter().any(|key| Pattern::parse(key.split(' ').next_back().unwrap(), true).unwrap().matches(reading))
                }),
                "{}", path
            );
        }
    }

    #[test]
    fn where_no_tie_is_told_none_is_met(
        keys in prop::collection::btree_set(key(), 2..14),
        paths in prop::collection::vec(path(), 24),
    ) {
        let (_, keys) = table_of(keys.into_iter().collect());
        for path in paths {
            let path = path.to_lowercase();
            for (index, a) in keys.iter().enumerate() {
                for b in &keys[index + 1..] {
                    let parts = |key: &str| key.split_once(' ').map_or((String::new(), key.to_owned()), |(m, p)| (m.to_owned(), p.to_owned()));
                    let ((a_method, a_path), (b_method, b_path)) = (parts(a), parts(b));
                    let [a_path, b_path] = [a_path, b_path].map(|path| Pattern::parse(&path, true).unwrap());
                    let both = a_path.matches(&path) && b_path.matches(&path) && a_method == b_method;
                    prop_assert!(!both || a_path.specificity(&b_path).is_ne(), "{} and {} cover {}", a, b, path);
                }
            }
        }
    }

    #[test]
    fn two_spellings_of_one_path_never_have_two_prices(
        keys in prop::collection::btree_set(key(), 1..10),
        path in "(/[abc]{1,3}){1,4}",
        hows in prop::collection::vec(0_u8..5, 20),
    ) {
        let (table, _) = table_of(keys.into_iter().collect());
        let spelled: String = path
            .chars()
            .zip(hows.iter().cycle())
            .map(|(c, how)| match (c, how) {
                ('/', 1) => "//".to_owned(),
                ('/', 2) => "/./".to_owned(),
                ('/', _) => "/".to_owned(),
                (c, 1) => format!("%{:02x}", u32::from(c)),
                (c, 2) => c.to_ascii_uppercase().to_string(),
                (c, 3) => format!("%25{:02X}", u32::from(c)),
                (c, _) => c.to_string(),
            })
            .collect();
        let plain = by_the_table(&table, "GET", &path);
        let odd = by_the_table(&table, "GET", &spelled);
        // An odd spelling has the price of the plain one, or is refused. It is never cheaper.
        match plain {
            Ok(Some(_)) => prop_assert!(odd == plain || odd.is_err(), "{} as {}: {:?}", path, spelled, odd),
            Ok(None) => {}
            Err(()) => prop_assert!(odd.is_err(), "{} as {}", path, spelled),
        }
    }

    #[test]
    fn readings_of_readings_are_readings(
        bits in prop::collection::vec(prop::sample::select(vec![
            "/", "//", "%2f", "%25", "%", "\\", ";", "a", "B", ".", "..", "%2e", " ", "%00", "?", "index.html", ".php/",
            "%c3%a9", "%e9", "%u002f", "%c0%af", ":$DATA", "%C3%9F", "%ef%bc%8f", "(S(x))",
        ]), 0..6),
    ) {
        let path = format!("/{}", bits.concat());
        // Not folded: a folded one is for comparing, `%BA` and `%ba` are other texts.
        let all = readings(&path, false).unwrap();
        for reading in &all {
            prop_assert!(readings(reading, false).unwrap().is_subset(&all), "{} of {}", reading, path);
        }
    }
}

#[test]
fn ties_are_told_with_both_places() {
    let problems = PriceTable::parse(&document(&json!({
        "/files/*b": {"price": "1"}, "/files/a*": {"price": "2"}, "GET /files/b*": {"price": "3"},
    })))
    .unwrap_err();
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "/routes/~1files~1a*: ties with /routes/~1files~1*b: some paths are covered by both, and neither is more specific; change one"
        ]
    );
}

#[test]
fn ten_thousand_routes_with_wildcards_inside_are_read_or_refused_soon() {
    let routes = |text: fn(usize) -> String| -> Value {
        Value::Object((0..10_000).map(|n| (text(n), json!({"price": "$0.01"}))).collect())
    };
    // Each in its own folder, or with its own ending: nothing ties.
    assert!(PriceTable::parse(&document(&routes(|n| format!("/p{n}/*.pdf")))).is_ok());
    assert!(PriceTable::parse(&document(&routes(|n| format!("/files/*-{n:05}.pdf")))).is_ok());
    assert!(PriceTable::parse(&document(&routes(|n| format!("/item-{n:05}-*")))).is_ok());
    // All alike: some ties are told, or that there are too many to look at.
    let problems = PriceTable::parse(&document(&routes(|n| format!("/*{n:05}*")))).unwrap_err();
    assert!(problems[0].message.starts_with("too many routes"), "{}", problems[0]);
}

#[test]
fn a_deep_or_long_pattern_is_refused() {
    for key in [format!("/{}", "a/".repeat(100)), format!("/{}", "a".repeat(3000))] {
        let problems = PriceTable::parse(&document(&json!({ key: {"price": "1"} }))).unwrap_err();
        assert_eq!(problems[0].message, "a path pattern has at most 2048 bytes in 64 segments");
    }
}
