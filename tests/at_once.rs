//! What is said at once is what would be said after all: every answer of `at_once` against `Gate::serve`.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{FakeAnswer, FakeRequest, World, header};
use x402_edge::{
    gate::{Answer, AtOnce, Prepared, at_once, free_edits},
    prices::Snapshot,
};

const PRICES: &str = r#"{
    "payTo": "0x5CbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB", "network": "eip155:8453",
    "facilitators": ["https://facilitator.example"],
    "routes": {
        "/paid/*": {"price": "$0.01", "description": "A \"thing\" \\u0001url\\u0001 <b>"},
        "/marked": {"price": "$0.01", "description": "\u0001url\u0001"},
        "/named": {"price": "$0.02", "resource": "https://named.example/it"},
        "GET /read/:id": {"price": "$0.03", "rules": [{"when": {"header": {"name": "X-Plan", "equals": "gold"}}, "free": true}, {"when": {"country": "DE"}, "price": "$0.04"}]},
        "/open": {"free": true},
        "/quota": {"price": "$0.01", "quota": {"requests": 1, "per": "ip"}},
        "/asked": {"price": "$0.01", "challenge": "401"},
        "/pass/*": {"price": "$0.01", "pass": {"ttl": 3600}},
        "/watched": {"price": "$0.01", "mode": "observe"}
    }
}"#;

const PATHS: [&str; 20] = [
    "/",
    "/free?x=1&y=%22",
    "/free/\"quoted\"",
    "/paid/1",
    "/paid/2?a=\"b\"",
    "/%70aid/1",
    "/paid//1",
    "/free/../paid/1",
    "/free\\x",
    "//evil.example/paid",
    "/marked",
    "/named?q",
    "/read/1",
    "/read/2",
    "/open",
    "/quota",
    "/asked",
    "/pass/1",
    "/watched",
    "/.x402/status",
];

const HEADERS: [&[(&str, &str)]; 14] = [
    &[],
    &[("Accept", "text/html"), ("User-Agent", "Mozilla/5.0")],
    &[("X-Plan", "gold")],
    &[("X_Plan", "gold")],
    &[("PAYMENT-SIGNATURE", "e30=")],
    &[("X-PAYMENT", "e30=")],
    &[("X-402-Payer", "0x1"), ("X_402_Pass", "forged"), ("Settlement-Overrides", "{}")],
    &[("X-402-Pass", "forged")],
    &[("SIGN-IN-WITH-X", "e30=")],
    &[("Cookie", "a=b; __Host-x402-pass=forged; c=d")],
    &[("Cookie", "__Host-x402-pass=forged")],
    &[("X-HTTP-Method-Override", "DELETE"), ("Cookie", "a=b")],
    &[("Content-Length", "3")],
    &[("Access-Control-Request-Method", "POST"), ("Origin", "https://a.example")],
];

/// Says at once and after all, and tells which of both was the case: forwarded, answered, nothing.
#[track_caller]
fn compared(world: &World, request: &FakeRequest, prepared: &Prepared) -> usize {
    let said = at_once(&world.prices, request, world.with_ledger, prepared);
    world.forwarded.take();
    let (what, served) = (format!("{} {} {:?}", request.method, request.url, request.headers), world.serve(request));
    match said {
        Some(AtOnce::Forward(forward)) => {
            assert_eq!(world.forwarded.borrow().as_ref(), Some(&forward), "{what}");
            assert!(forward.edits.set.is_empty() && !forward.paid, "{what}");
            let Answer::Origins { answer, edits, delivery: None } = served else { panic!("{what}: {served:?}") };
            assert_eq!(free_edits(&world.prices, &request.url, &answer, world.origin_url), edits, "{what}");
            0
        }
        Some(AtOnce::Answer(answer)) => {
            let Answer::Ours(ours) = served else { panic!("{what}: {served:?}") };
            assert_eq!(answer, ours, "{what}");
            1
        }
        None => 2,
    }
}

fn worlds() -> [World; 3] {
    let plain = World { prices: Snapshot::unread().after_reading(Some(PRICES)), ..World::new() };
    assert_eq!(plain.prices.problems().iter().map(ToString::to_string).collect::<Vec<_>>(), [""; 0]);
    let redirecting = FakeAnswer {
        status: 302,
        headers: vec![("Location", "https://origin.example/elsewhere"), ("X-402-Prices", "forged")],
    };
    [
        plain,
        World {
            prices: Snapshot::unread().after_reading(Some(PRICES)),
            origin: Ok(redirecting),
            origin_url: Some("https://origin.example"),
            with_ledger: false,
            ..World::new()
        },
        World { prices: Snapshot::unread(), ..World::new() },
    ]
}

#[test]
fn what_is_said_at_once_is_what_would_be_said_after_all() {
    let mut seen = [0; 3];
    for world in worlds() {
        let prepared = Prepared::default();
        // Twice: the second time prepared answers are used.
        for _ in 0..2 {
            for method in ["GET", "HEAD", "POST", "OPTIONS", "PROPFIND", "get"] {
                for path in PATHS {
                    for headers in HEADERS {
                        let url = format!("https://shop.example{path}");
                        let mut request = FakeRequest::new(method, &url);
                        request.headers =
                            headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
                        seen[compared(&world, &request, &prepared)] += 1;
                    }
                }
            }
        }
    }
    assert!(seen.iter().all(|count| *count > 300), "{seen:?}");
}

#[test]
fn whatever_may_open_or_needs_more_goes_the_long_way() {
    let [world, ..] = worlds();
    let prepared = Prepared::default();
    let says = |request: &FakeRequest| at_once(&world.prices, request, true, &prepared).is_some();
    let get = |path: &str| FakeRequest::get(&format!("https://shop.example{path}"));
    assert!(says(&get("/paid/1")) && says(&get("/free")) && says(&get("/named")));
    for (name, value) in [
        ("PAYMENT-SIGNATURE", "x"),
        ("X-PAYMENT", "x"),
        ("X-402-Pass", "x"),
        ("SIGN-IN-WITH-X", "x"),
        ("Cookie", "__Host-x402-pass=x"),
        ("Content-Length", "1"),
        ("Transfer-Encoding", "chunked"),
    ] {
        assert!(!says(&get("/paid/1").with(name, value)), "{name}");
    }
    for path in ["/open", "/quota", "/asked", "/pass/1", "/watched", "/.x402/status"] {
        assert!(!says(&get(path)), "{path}");
    }
    assert!(!says(&FakeRequest::new("POST", "https://shop.example/paid/1")));
}

#[test]
fn an_edit_of_the_document_is_seen_in_the_next_answer() {
    let prepared = Prepared::default();
    let request = FakeRequest::get("https://shop.example/paid/1");
    let answer = |prices: &Snapshot| match at_once(prices, &request, true, &prepared) {
        Some(AtOnce::Answer(answer)) => answer,
        other => panic!("{other:?}"),
    };
    let before = Snapshot::unread().after_reading(Some(PRICES));
    let after = before.after_reading(Some(&PRICES.replace("$0.01", "$0.07")));
    let [first, second, third] = [&before, &after, &before].map(answer);
    assert_eq!(first, third);
    assert!(
        first.body.contains("\"maxAmountRequired\":\"10000\"")
            && second.body.contains("\"maxAmountRequired\":\"70000\"")
    );
    assert_ne!(header(&first, "PAYMENT-REQUIRED"), header(&second, "PAYMENT-REQUIRED"));
}
