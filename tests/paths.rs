//! Spellings of paths: none that a server might take for a priced one is free.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use serde_json::json;
use x402_edge::prices::{Decision, PriceTable};

fn table(routes: &serde_json::Value) -> PriceTable {
    let document = json!({
        "payTo": "0x5CbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB", "network": "base-sepolia",
        "facilitators": ["https://facilitator.example"], "routes": routes,
    });
    PriceTable::parse(&document.to_string()).unwrap()
}

/// `free`, `ambiguous`, or the price in atomic units.
fn decide(table: &PriceTable, method: &str, path: &str) -> String {
    match common::decide(table, method, path) {
        Decision::Unpriced => "free".to_owned(),
        Decision::Ambiguous(_) => "ambiguous".to_owned(),
        Decision::Priced(quote) => quote.accepts()[0].amount().to_string(),
        other => panic!("{other:?}"),
    }
}

/// Spellings that nginx, Apache, Tomcat, IIS, Express or a URL library reads as `/premium/report`.
const SPELLINGS: &[&str] = &[
    "/premium/report",
    "/premium/report/",
    "/PREMIUM/Report",
    "/%70remium/report",
    "/premium%2freport",
    "/premium%2Freport",
    "/%2570remium/report",
    "/%25%37%30remium/report",
    "/premium%252freport",
    "//premium/report",
    "///premium///report",
    "/premium//report",
    "/./premium/./report",
    "/x/../premium/report",
    "/x/%2e%2e/premium/report",
    "/x/.%2E/premium/report",
    "/x/%252e%252e/premium/report",
    "/..;/premium/report",
    "/x/..;a=b/premium/report",
    "/premium;a=b/report;c",
    "/;/premium/report",
    "/premium/;x/report",
    "/premium\\report",
    "\\premium\\report",
    "/x\\..\\premium\\report",
    "/premium%5creport",
    "/%5cpremium%5creport",
    "/premium%5c%2e%2e%5cpremium%5creport",
    "/%c0%afpremium%c0%afreport",
    "/premium%c1%9creport",
    "/%e0%80%afpremium/report",
    "/premium%ef%bc%8freport",
    "/%u0070remium%u002freport",
    "/premium/report%00",
    "/premium/report%00.css",
    "/premium/report%23x",
    "/premium/report%3fx",
    "/premium/report#x",
    "/premium/report.",
    "/premium/report%20",
    "/premium/report%20%20.",
    "/premium./report",
    "/premium/report::$DATA",
    "/premium%/report",
    "/%premium/report",
    "/pre%09mium/report",
    "/premium/re%0d%0aport",
    "//host/premium/report",
    "//host:80/premium/report",
    "/\\host/premium/report",
    "/%2f%2fpremium/report",
    "/premium/%2e/report",
    "/premium/x/../report",
    "/premium/x%2f..%2freport",
    "/%u2215premium/report",
    "/premium/\u{ff52}eport",
    "/PREM\u{131}UM/../premium/report",
    "///host/premium/report",
    "/////host/premium/report",
    "/premium/report/index.html",
    "/premium/report/Default.aspx",
    "/index.php/premium/report",
    "/x/index.php/premium/report",
    "/(S(abc))/premium/report",
    "/premium/(A(x)F(y))/report",
    "/%U0070remium/report",
    "/premium:$I30:$INDEX_ALLOCATION/report",
    "/premium/report:$DATA",
];

#[test]
fn no_spelling_of_a_priced_path_is_free_however_it_is_priced() {
    for routes in [
        json!({"/premium/report": {"price": "$0.01"}}),
        json!({"/premium/*": {"price": "$0.01"}}),
        json!({"/premium/:name": {"price": "$0.01"}}),
        json!({"GET /*/report": {"price": "$0.01"}}),
        json!({"/premium/rep*": {"price": "$0.01"}}),
    ] {
        let table = table(&routes);
        for path in SPELLINGS {
            if path.starts_with('/') {
                assert_ne!(decide(&table, "GET", path), "free", "{path} with {routes}");
            }
        }
    }
}

#[test]
fn a_spelling_that_could_mean_two_prices_is_refused() {
    let table =
        table(&json!({"/cheap/*": {"price": "$0.01"}, "/cheap/x/dear": {"price": "$9"}, "/dear": {"price": "$9.99"}}));
    for path in ["/cheap/x%2fdear", "/cheap/..%2fdear", "/cheap/%2e%2e%2fdear", "/cheap//host/../../dear"] {
        assert_eq!(decide(&table, "GET", path), "ambiguous", "{path}");
    }
    assert_eq!(decide(&table, "GET", "/cheap/x/dear"), "9000000");
    assert_eq!(decide(&table, "GET", "/cheap/x"), "10000");
}

#[test]
fn odd_spellings_of_free_paths_stay_free() {
    let table = table(&json!({"/premium/*": {"price": "$0.01"}}));
    for path in [
        "/",
        "/free",
        "/a%20b",
        "/caf%C3%A9",
        "/a//b",
        "/a;b",
        "/100%",
        "/%zz",
        "/a%2fb",
        "/premiumx",
        "/x.premium",
        "/a/b/../c",
    ] {
        assert_eq!(decide(&table, "GET", path), "free", "{path}");
    }
}

#[test]
fn a_name_with_letters_beyond_ascii_is_priced_as_clients_write_it() {
    let table = table(&json!({"/Café/Straße": {"price": "$0.01"}}));
    for path in ["/Caf%C3%A9/Stra%C3%9Fe", "/caf%c3%a9/stra%c3%9fe", "/CAF%C3%89/STRASSE", "/café/straße"] {
        assert_eq!(decide(&table, "GET", path), "10000", "{path}");
    }
}

#[test]
fn other_ways_to_write_a_name_are_known() {
    let table =
        table(&json!({"/café": {"price": "$0.01"}, "/ΟΔΟΣ*": {"price": "$0.02"}, "/report.php": {"price": "$0.03"}}));
    for (path, price) in [
        ("/caf%E9", "10000"),
        ("/CAF%C9", "10000"),
        ("/ΟΔΟΣΑ", "20000"),
        ("/οδος", "20000"),
        ("/report.php/x/y", "30000"),
    ] {
        assert_eq!(decide(&table, "GET", path), price, "{path}");
    }
}

#[test]
fn a_path_made_to_have_very_many_readings_is_refused_quickly() {
    let table = table(&json!({"/premium/*": {"price": "$0.01"}}));
    let path = format!("/{}", "%2525252541;\\..%2f".repeat(900));
    assert_eq!(decide(&table, "GET", &path), "ambiguous");
}

#[test]
fn the_most_specific_route_wins_whatever_the_order() {
    let routes = [("/a/*", "1"), ("/a/:x", "2"), ("/a/b", "3"), ("GET /a/b", "4"), ("POST /a/*", "5"), ("*", "6")];
    for turn in 0..routes.len() {
        let mut turned = routes;
        turned.rotate_left(turn);
        // As text: a JSON map would sort the keys.
        let members: Vec<String> =
            turned.iter().map(|(key, price)| format!("{key:?}: {{\"price\": {price:?}}}")).collect();
        let document = format!(
            r#"{{"payTo": "0x5CbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB", "network": "base-sepolia", "facilitators": ["https://f.example"], "routes": {{{}}}}}"#,
            members.join(", ")
        );
        let table = PriceTable::parse(&document).unwrap();
        for (method, path, price) in [
            ("GET", "/a/b", "4"),
            ("HEAD", "/a/b", "4"),
            ("PUT", "/a/b", "3"),
            ("GET", "/a/c", "2"),
            ("POST", "/a/c", "2"),
            ("GET", "/a/b/c", "1"),
            ("POST", "/a/b/c", "5"),
            ("GET", "/a", "1"),
            ("GET", "/", "6"),
            ("GET", "/zzz", "6"),
        ] {
            assert_eq!(decide(&table, method, path), format!("{price}000000"), "{method} {path}, turned {turn}");
        }
    }
}

#[test]
fn a_route_for_one_method_is_not_escaped_with_another_verb() {
    let table = table(&json!({"GET /premium": {"price": "$0.01"}}));
    for method in ["GET", "get", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "QUERY", "X"] {
        assert_eq!(decide(&table, method, "/premium"), "10000", "{method}");
    }
    assert_eq!(decide(&table, "POST", "/premium"), "free");
}

#[test]
fn case_counts_only_where_the_owner_says_so() {
    let document = r#"{"payTo": "0x5CbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB", "network": "base-sepolia",
        "facilitators": ["https://f.example"], "caseSensitive": true, "routes": {"/Premium": {"price": 1}}}"#;
    let table = PriceTable::parse(document).unwrap();
    assert_eq!(decide(&table, "GET", "/Premium"), "1000000");
    assert_eq!(decide(&table, "GET", "/premium"), "free");
}
