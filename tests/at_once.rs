//! What is said at once is what would be said after all: every answer of `at_once` against `Gate::serve`.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{
    FakeAnswer, FakeRequest, NOW, World, header,
    shop::{self, ARTICLE, bought, get},
};
use x402_edge::{
    gate::{AtOnce, Prepared},
    passes::BadKeys,
    ports::NoAnswer,
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

/// Says at once and after all, and tells which of both was the case: forwarded, answered, nothing, opened by a pass.
#[track_caller]
fn compared(world: &World, request: &FakeRequest, prepared: &Prepared) -> usize {
    let said = world.at_once(request, prepared);
    let case = match said.as_ref().map(|said| &said.what) {
        Some(AtOnce::Forward(_)) => 0,
        Some(AtOnce::Answer(_)) => 1,
        None => 2,
        Some(AtOnce::Opened { .. }) => 3,
    };
    let served = world.serve(request);
    world.hold(request, said, &served);
    case
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
    let mut seen = [0; 4];
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
    assert!(seen[..3].iter().all(|count| *count > 300), "{seen:?}");
}

#[test]
fn whatever_may_open_or_needs_more_goes_the_long_way() {
    let [world, ..] = worlds();
    let prepared = Prepared::default();
    let says = |request: &FakeRequest| world.at_once(request, &prepared).is_some();
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

/// The runtime opens a WebSocket with GET, whatever the method was.
#[test]
fn whoever_asks_for_a_websocket_may_be_getting() {
    let [world, ..] = worlds();
    for method in ["GET", "POST", "PUT", "DELETE", "PROPFIND"] {
        for name in ["Upgrade", "upgrade", "UPGRADE"] {
            let request = FakeRequest::new(method, "https://shop.example/read/1").with(name, "websocket");
            assert_eq!(world.ours(&request).status, 402, "{method} {name}");
            world.origins(&FakeRequest::new(method, "https://shop.example/free").with(name, "websocket"));
        }
    }
    world.origins(&FakeRequest::new("POST", "https://shop.example/read/1"));
}

/// What the pass of a shop's article opens in one step; `World::serve` holds each against the long way.
#[test]
fn a_pass_without_counted_uses_opens_at_once_and_whatever_is_in_doubt_goes_the_long_way() {
    let world = shop::world();
    let prepared = Prepared::default();
    let pass = bought(&world, FakeRequest::get(ARTICLE));
    let counted = bought(&world, FakeRequest::get("https://shop.example/tickets"));
    let cookie = |value: &str| FakeRequest::get(ARTICLE).with("Cookie", value);
    for request in [
        get(ARTICLE, &pass),
        get("https://shop.example/archive/1?x", &pass),
        FakeRequest::new("HEAD", ARTICLE).with("X-402-Pass", &pass),
        get(ARTICLE, &format!("forged, {pass}")),
        cookie(&format!("__Host-x402-pass={pass}")),
        cookie(&format!("a=1; __Host-x402-pass=a.b.c~{pass}; b=2")),
        cookie(&format!("__Host-x402-pass={counted}~{pass}")),
    ] {
        assert_eq!(compared(&world, &request, &prepared), 3, "{:?}", request.headers);
        let said = world.at_once(&request, &prepared).unwrap();
        let AtOnce::Opened { until, .. } = said.what else { panic!() };
        // The price of an article depends on the country.
        assert_eq!((said.again, until.0), (request.url.contains("/archive/"), NOW + 3600), "{:?}", request.headers);
    }
    for request in [
        get("https://shop.example/tickets", &counted),
        get(ARTICLE, &pass).with("PAYMENT-SIGNATURE", "e30="),
        get(ARTICLE, &pass).with("X-PAYMENT", "e30="),
        get(ARTICLE, &pass).with("SIGN-IN-WITH-X", "e30="),
        get(ARTICLE, &pass).with("x-402-payer", "0x1"),
        get(ARTICLE, &pass).with("Content-Length", "1"),
        get(ARTICLE, &pass).with("Transfer-Encoding", "chunked"),
        FakeRequest::new("POST", ARTICLE).with("X-402-Pass", &pass),
        FakeRequest::new("OPTIONS", ARTICLE).with("X-402-Pass", &pass),
        get("https://shop.example/dear", &pass),
        get(ARTICLE, &pass[..pass.len() - 1]),
        get(ARTICLE, "forged"),
        cookie("__Host-x402-pass=forged"),
    ] {
        assert_eq!(compared(&world, &request, &prepared), 2, "{} {:?}", request.url, request.headers);
    }
    let without_keys = World { pass_keys: Err(BadKeys::Missing), ..world };
    assert_eq!(compared(&without_keys, &get(ARTICLE, &pass), &prepared), 2);
}

#[test]
fn what_the_origin_says_to_a_pass_is_changed_as_on_the_long_way() {
    let prepared = Prepared::default();
    let answers: [(u16, Vec<(&'static str, &'static str)>); 5] = [
        (200, vec![("Cache-Control", "public, max-age=60, s-maxage=600"), ("X-402-Prices", "forged")]),
        (302, vec![("Location", "https://origin.example/elsewhere")]),
        (302, vec![("Location", "https://elsewhere.example/")]),
        (404, vec![("Access-Control-Allow-Origin", "https://a.example"), ("Access-Control-Expose-Headers", "X-A")]),
        (503, vec![]),
    ];
    for (status, headers) in answers {
        let world = World { origin_url: Some("https://origin.example"), ..shop::world() };
        let pass = bought(&world, FakeRequest::get(ARTICLE));
        let world = World { origin: Ok(FakeAnswer { status, headers }), ..world };
        assert_eq!(compared(&world, &get(ARTICLE, &pass), &prepared), 3);
    }
    for error in [NoAnswer::Deadline, NoAnswer::Connection] {
        let world = shop::world();
        let pass = bought(&world, FakeRequest::get(ARTICLE));
        assert_eq!(compared(&World { origin: Err(error), ..world }, &get(ARTICLE, &pass), &prepared), 3);
    }
}

#[test]
fn what_is_decided_by_names_alone_may_be_said_again() {
    let [world, ..] = worlds();
    let again = |method: &str, path: &str, headers: &[(&str, &str)]| {
        let mut request = FakeRequest::new(method, &format!("https://shop.example{path}"));
        request.headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let said = world.at_once(&request, &Prepared::default());
        world.serve(&request);
        said.unwrap().again
    };
    let browser = &[("Accept", "text/html,*/*"), ("User-Agent", "Mozilla/5.0"), ("Cookie", "a=b")];
    let agent = &[("Accept", "*/*"), ("User-Agent", "agent/1"), ("Cookie", "a=b")];
    for headers in [&[][..], browser, agent] {
        assert!(again("GET", "/free?x=1", headers) && again("POST", "/", headers), "{headers:?}");
    }
    assert!(again("GET", "/paid/1", &[]) && again("GET", "/paid/1", agent) && again("HEAD", "/named", agent));
    // A page, and prices by who it is, by what a header says, and what a pass may change.
    assert!(!again("GET", "/paid/1", browser) && !again("GET", "/read/1", &[]));
    assert!(!again("GET", "/read/1", &[("X-Plan", "silver")]));
    assert!(
        again("GET", "/", &[("Cookie", "x402-theme=dark")]),
        "where there may be a pass, that cookie has to be the same"
    );
}

#[test]
fn an_edit_of_the_document_is_seen_in_the_next_answer() {
    let prepared = Prepared::default();
    let request = FakeRequest::get("https://shop.example/paid/1");
    let answer = |prices: &Snapshot| {
        let world = World { prices: prices.clone(), ..World::new() };
        match world.at_once(&request, &prepared).map(|said| said.what) {
            Some(AtOnce::Answer(answer)) => answer,
            other => panic!("{other:?}"),
        }
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
