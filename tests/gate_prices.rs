//! What prices do at the gate: rules, quotas, challenges, observing, and what holds after an edit.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{FakeAnswer, FakeRequest, NOW, PRICES, World, decoded, header, vectors};
use serde_json::{Value, json};
use x402_edge::{
    client::Client,
    prices::{Snapshot, version_of},
    time::UnixTime,
};

const URL: &str = "https://api.example.com/premium-data";
const VERIFY: &str = "https://facilitator.example/verify";
const SETTLE: &str = "https://facilitator.example/settle";
const ORIGIN: &str = "origin /premium-data";
const PAY_TO: &str = "0x5CbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB";
const OTHER: &str = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC";

/// One cent, as the vectors pay it, with more said of the route.
fn one_cent(more: &Value) -> Value {
    let mut route =
        json!({"price": "$0.01", "description": "Access to premium market data", "mimeType": "application/json"});
    route.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({
        "payTo": PAY_TO, "network": "eip155:84532", "maxTimeoutSeconds": 60,
        "facilitators": ["https://facilitator.example/"], "routes": {"/premium-data": route},
    })
}

fn world(document: &Value) -> World {
    let prices = Snapshot::unread().after_reading(Some(&document.to_string()));
    assert_eq!(prices.problems(), []);
    World { prices, ..World::new() }
}

fn paid() -> FakeRequest {
    let file = vectors("exact-eip3009");
    let vector = file["vectors"].as_array().unwrap().iter().find(|vector| vector["id"] == "valid-baseSepolia").unwrap();
    FakeRequest::get(URL).with("PAYMENT-SIGNATURE", vector["header"].as_str().unwrap())
}

fn paid_v1() -> FakeRequest {
    let file = vectors("exact-v1");
    let vector =
        file["vectors"].as_array().unwrap().iter().find(|vector| vector["id"] == "valid-base-sepolia").unwrap();
    FakeRequest::get(URL).with("X-PAYMENT", vector["header"]["value"].as_str().unwrap())
}

fn client(ip: &str) -> Client {
    Client { ip: Some(ip.parse().unwrap()), ..Client::default() }
}

fn get_from(ip: &str) -> FakeRequest {
    FakeRequest { client: client(ip), ..FakeRequest::get(URL) }
}

/// Whether the origin answers, and whether the request is charged.
fn status(world: &World, request: &FakeRequest) -> u16 {
    match world.serve(request) {
        x402_edge::gate::Answer::Ours(answer) => answer.status,
        x402_edge::gate::Answer::Origins { answer, .. } => answer.status,
        x402_edge::gate::Answer::Kept(answer) => answer.status,
    }
}

#[test]
fn every_answer_of_a_priced_path_names_the_price_document() {
    let version = version_of(PRICES);
    let world =
        World { origin: Ok(FakeAnswer { status: 200, headers: vec![("X-402-Prices", "forged")] }), ..World::new() };
    assert_eq!(header(&world.ours(&FakeRequest::get(URL)), "X-402-Prices"), Some(version.as_str()));
    let (_, edits) = world.origins(&paid());
    assert!(edits.set.contains(&("X-402-Prices", version)));
    let (_, edits) = world.origins(&FakeRequest::get("https://api.example.com/free"));
    assert!(edits.set.is_empty() && edits.remove.iter().any(|gone| gone == "X-402-Prices"));

    let denied = self::world(&one_cent(&json!({"rules": [{"when": {"ip": "203.0.113.0/24"}, "deny": true}]})));
    let answer = denied.ours(&FakeRequest { client: client("203.0.113.7"), ..paid() });
    assert_eq!((answer.status, header(&answer, "Content-Type")), (403, Some("application/problem+json")));
    assert_eq!(header(&answer, "X-402-Prices"), denied.prices.version());
    assert_eq!(denied.calls(), [""; 0], "nobody is asked, and nothing is charged");
}

#[test]
fn a_payment_is_judged_by_the_rule_of_its_request() {
    let world = world(&one_cent(&json!({"price": "$9", "rules": [{"when": {"country": "DE"}, "price": "$0.01"}]})));
    let from = |country: &str| FakeRequest {
        client: Client { country: Some(country.to_owned()), ..Client::default() },
        ..paid()
    };
    assert_eq!(status(&world, &from("FR")), 402);
    assert_eq!(world.calls(), [""; 0]);
    assert_eq!(status(&world, &from("DE")), 200);
    assert_eq!(world.calls(), [VERIFY, ORIGIN, SETTLE]);
}

#[test]
fn free_requests_are_counted_and_then_to_be_paid() {
    let world = world(&one_cent(&json!({"quota": {"requests": 2}})));
    for expected in [200, 200, 402, 402] {
        assert_eq!(status(&world, &get_from("203.0.113.7")), expected);
    }
    // Somebody else, and the same again on the next day.
    assert_eq!(status(&world, &get_from("203.0.113.8")), 200);
    world.time.set(NOW + 86_400);
    assert_eq!(status(&world, &get_from("203.0.113.7")), 200);
    let (_, edits) = world.origins(&get_from("203.0.113.7"));
    assert!(edits.set.contains(&("Cache-Control", "private".to_owned())), "a cache must not give it to the next");
    // Within one /64 there is one client.
    let ipv6: Vec<u16> = (1..=3).map(|n| status(&world, &get_from(&format!("2001:db8::{n}")))).collect();
    assert_eq!(ipv6, [200, 200, 402]);
}

#[test]
fn who_pays_is_not_counted_as_free() {
    let world = world(&one_cent(&json!({"quota": {"requests": 1}})));
    assert_eq!(status(&world, &FakeRequest { client: client("203.0.113.7"), ..paid() }), 200);
    assert_eq!(world.calls(), [VERIFY, ORIGIN, SETTLE]);
    assert!(world.taken.borrow().is_empty());
    assert_eq!(status(&world, &get_from("203.0.113.7").with("PAYMENT-SIGNATURE", "nonsense")), 400);
    assert!(world.taken.borrow().is_empty());
}

#[test]
fn whatever_is_not_known_has_no_free_requests() {
    let bots = world(&one_cent(&json!({"quota": {"requests": 9, "per": "verifiedBot"}})));
    let bot = |verified_bot| FakeRequest {
        client: Client { verified_bot, ..client("203.0.113.7") },
        ..FakeRequest::get(URL)
    };
    assert_eq!([None, Some(false), Some(true)].map(|verified| status(&bots, &bot(verified))), [402, 402, 200]);

    let world = world(&one_cent(&json!({"quota": {"requests": 9, "total": 9}})));
    assert_eq!(status(&world, &FakeRequest::get(URL)), 402, "no address");
    world.counter_down.set(true);
    assert_eq!(status(&world, &get_from("203.0.113.7")), 402);
    assert!(world.faults.borrow()[0].contains("quota"));
    world.counter_down.set(false);
    let served = (0..12).filter(|n| status(&world, &get_from(&format!("203.0.113.{n}"))) == 200).count();
    assert_eq!(served, 9, "all clients together");
}

#[test]
fn with_a_challenge_the_origin_says_what_costs() {
    let world = world(&one_cent(&json!({"challenge": "401"})));
    assert_eq!(status(&world, &FakeRequest::get(URL)), 200, "the origin serves it free");
    assert_eq!(world.calls(), [ORIGIN]);
    let world = World { origin: Ok(FakeAnswer { status: 404, headers: vec![] }), ..world };
    assert_eq!(status(&world, &FakeRequest::get(URL)), 404);

    let world = World { origin: Ok(FakeAnswer { status: 401, headers: vec![("WWW-Authenticate", "Basic")] }), ..world };
    world.calls.borrow_mut().clear();
    for method in ["GET", "HEAD", "get"] {
        let answer = world.ours(&FakeRequest::new(method, URL));
        assert_eq!(answer.status, 402);
        assert_eq!(decoded(&answer, "PAYMENT-REQUIRED")["accepts"][0]["amount"], "10000");
        assert_eq!(header(&answer, "WWW-Authenticate"), None);
    }
    assert_eq!(world.calls(), [ORIGIN; 3]);
    // Nothing but reading reaches the origin unpaid.
    world.calls.borrow_mut().clear();
    for request in [
        FakeRequest::new("POST", URL),
        FakeRequest::new("DELETE", URL),
        FakeRequest::new("PROPFIND", URL),
        FakeRequest::get(URL).with("X-HTTP-Method-Override", "DELETE"),
        FakeRequest::get(&format!("{URL}?_method=DELETE")),
    ] {
        assert_eq!(status(&world, &request), 402, "{}", request.method);
    }
    assert_eq!(world.calls(), [""; 0]);
    // A paid request that the origin still refuses is not charged.
    assert_eq!(status(&world, &paid()), 401);
    assert_eq!(world.calls(), [VERIFY, ORIGIN]);
}

#[test]
fn observing_serves_free_and_counts() {
    let world = world(&one_cent(&json!({"mode": "observe", "rules": [
        {"when": {"country": "DE"}, "deny": true}, {"when": {"country": "FR"}, "price": "$0.5"},
    ]})));
    for country in ["DE", "FR", "US"] {
        let client = Client { country: Some(country.to_owned()), ..Client::default() };
        let (answer, edits) = world.origins(&FakeRequest { client, ..paid() });
        assert_eq!(answer.status, 200);
        assert!(!edits.set.iter().any(|(name, _)| *name == "PAYMENT-RESPONSE"));
    }
    assert_eq!(world.calls(), [ORIGIN; 3], "a payment is never verified or settled");
    assert!(world.forwarded.borrow().as_ref().unwrap().edits.remove.iter().any(|gone| gone == "payment-signature"));
    let observed: Vec<(Option<usize>, Option<String>)> = world
        .observed
        .borrow()
        .iter()
        .map(|seen| {
            assert_eq!((seen.route.as_str(), seen.reason), ("/premium-data", "observe"));
            assert_eq!(Some(seen.version.as_str()), world.prices.version());
            (seen.rule, seen.offer.as_ref().map(|(.., amount)| amount.clone()))
        })
        .collect();
    assert_eq!(observed, [(Some(0), None), (Some(1), Some("500000".to_owned())), (None, Some("10000".to_owned()))]);
}

#[test]
fn a_browser_that_asks_before_a_free_request_asks_the_site() {
    let ask = FakeRequest::new("OPTIONS", URL)
        .with("Access-Control-Request-Method", "GET")
        .with("Origin", "https://app.example");
    for more in [
        json!({"mode": "observe"}),
        json!({"rules": [{"when": {"header": {"Origin": "https://app.example"}}, "free": true}]}),
    ] {
        let world = world(&one_cent(&more));
        assert_eq!(status(&world, &ask), 200, "{more}");
        assert_eq!(world.calls(), [ORIGIN]);
        assert!(world.observed.borrow().is_empty(), "nothing is sold to it");
    }
    let world = world(&one_cent(&json!({})));
    assert_eq!(status(&world, &ask), 204);
    assert_eq!(world.calls(), [""; 0]);
}

#[test]
fn a_share_of_clients_is_charged() {
    let world = world(&one_cent(&json!({"rollout": 0.5})));
    let (mut charged, mut free) = (0, 0);
    for n in 0..100 {
        match status(&world, &get_from(&format!("203.0.113.{n}"))) {
            402 => charged += 1,
            200 => free += 1,
            other => panic!("{other}"),
        }
    }
    assert!(charged > 30 && free > 30, "{charged} {free}");
    assert_eq!(world.observed.borrow().len(), free);
    assert!(world.observed.borrow().iter().all(|seen| seen.reason == "rollout"));
    assert_eq!(status(&world, &FakeRequest::get(URL)), 402, "without an address there is no share");
    let outside = (0..100)
        .map(|n| client(&format!("203.0.113.{n}")))
        .find(|client| status(&world, &FakeRequest { client: client.clone(), ..FakeRequest::get(URL) }) == 200);
    world.calls.borrow_mut().clear();
    assert_eq!(status(&world, &FakeRequest { client: outside.unwrap(), ..paid() }), 200);
    assert_eq!(world.calls(), [ORIGIN], "a payment from outside the share is ignored");
}

/// A world whose owner has edited the document so many seconds ago.
fn edited(before: &Value, after: &Value, seconds_ago: u64) -> World {
    let prices = Snapshot::unread().after_reading(Some(&before.to_string()));
    let prices = prices.after_edit(&after.to_string(), UnixTime(NOW - seconds_ago));
    assert_eq!(prices.problems(), []);
    World { prices, ..World::new() }
}

fn dearer(more: &Value) -> Value {
    let mut document = one_cent(&json!({"price": "$0.02"}));
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    document
}

#[test]
fn a_price_quoted_before_an_edit_is_honoured_for_its_time() {
    let cheap = one_cent(&json!({}));
    for (seconds_ago, request, expected) in
        [(0, paid(), 200), (59, paid(), 200), (59, paid_v1(), 200), (60, paid(), 402), (60, paid_v1(), 402)]
    {
        let world = edited(&cheap, &dearer(&json!({})), seconds_ago);
        assert_eq!(status(&world, &request), expected, "{seconds_ago} s after the edit");
        let unpaid = world.ours(&FakeRequest::get(URL));
        assert_eq!(decoded(&unpaid, "PAYMENT-REQUIRED")["accepts"][0]["amount"], "20000");
    }
    let world = edited(&cheap, &dearer(&json!({})), 10);
    world.origins(&paid());
    assert_eq!(world.calls(), [VERIFY, ORIGIN, SETTLE]);
    assert_eq!(world.sent.borrow()[1]["paymentRequirements"]["amount"], "10000", "what was signed is settled");
}

#[test]
fn grace_ends_after_ten_minutes_or_when_the_owner_says() {
    // The vectors' offer says 60 seconds, so a longer one is asked of the core itself.
    let long = json!({"maxTimeoutSeconds": 3600});
    let with = |mut document: Value| {
        document.as_object_mut().unwrap().extend(long.as_object().unwrap().clone());
        document
    };
    let honoured = |after: &Value, seconds_ago| {
        let world = edited(&with(one_cent(&json!({}))), after, seconds_ago);
        let table = world.prices.table().unwrap();
        let methods = x402_edge::prices::Method::parse("GET").unwrap().readings();
        let headers: Vec<(String, String)> = Vec::new();
        assert!(!table.is_empty());
        let inquiry = x402_edge::prices::Inquiry {
            methods: &methods,
            authority: "api.example.com",
            path: "/premium-data",
            query: "",
            headers: &headers,
            client: &&Client::default(),
        };
        world.prices.honoured(&inquiry, UnixTime(NOW)).len()
    };
    let after = with(dearer(&json!({})));
    assert_eq!([599, 600].map(|ago| honoured(&after, ago)), [1, 0]);
    let short = with(dearer(&json!({"grace": 30})));
    assert_eq!([29, 30].map(|ago| honoured(&short, ago)), [1, 0]);
    assert_eq!(honoured(&with(dearer(&json!({"grace": 0}))), 0), 0);
}

#[test]
fn what_an_edit_takes_away_is_not_honoured() {
    let cheap = one_cent(&json!({}));
    let other_payee = dearer(&json!({"payTo": OTHER}));
    let denied = one_cent(&json!({"price": "$0.02", "rules": [{"when": {}, "deny": true}]}));
    let removed = json!({"payTo": PAY_TO, "network": "eip155:84532", "facilitators": ["https://f.example"], "routes": {"/*": {"price": "$0.02"}}});
    let free = json!({"routes": {}});
    for (after, expected) in [(&other_payee, 402), (&denied, 403), (&removed, 402), (&free, 200)] {
        let world = edited(&cheap, after, 1);
        assert_eq!(status(&world, &paid()), expected, "{after}");
        assert!(!world.calls().contains(&SETTLE.to_owned()));
    }
    // A cheaper price now: the dearer one that was quoted is taken as well, the client signed it.
    let world = edited(&cheap, &one_cent(&json!({"price": "$0.001"})), 1);
    assert_eq!(status(&world, &paid()), 200);
    // Broken edits change nothing, and two edits honour only the last.
    let world = edited(&cheap, &dearer(&json!({})), 1);
    let prices = world.prices.after_edit("{", UnixTime(NOW));
    assert_eq!(prices.version(), world.prices.version());
    let prices = prices.after_edit(&dearer(&json!({"grace": 599})).to_string(), UnixTime(NOW));
    let world = World { prices, ..World::new() };
    assert_eq!(status(&world, &paid()), 402);
}

#[test]
fn a_path_that_is_priced_under_another_name_is_misdirected() {
    let world = world(&json!({
        "payTo": PAY_TO, "network": "eip155:84532", "facilitators": ["https://f.example"],
        "hosts": {"api.example.com": {"routes": {"/premium-data": {"price": "$0.01"}}}},
    }));
    assert_eq!(status(&world, &FakeRequest::get(URL)), 402);
    assert_eq!(status(&world, &FakeRequest::get("https://API.example.com.:443/premium-data")), 402);
    assert_eq!(status(&world, &FakeRequest::get("https://x.workers.dev/premium-data")), 421);
    assert_eq!(status(&world, &FakeRequest::get("https://x.workers.dev/free")), 200);
}

/// Pays one cent and breaks the answer off: the content is owed.
fn broken_off(world: &World, request: &FakeRequest) {
    let x402_edge::gate::Answer::Origins { delivery: Some(ticket), .. } = world.serve(request) else {
        panic!("not served")
    };
    common::now(ticket.delivered(world, false)).unwrap();
}

#[test]
fn what_is_owed_at_one_price_opens_nothing_dearer_of_the_same_document() {
    let tiers = json!({"rules": [
        {"when": {"header": {"X-Tier": "premium"}}, "price": "$0.05"},
        {"when": {"header": {"X-Tier": "token"}}, "accepts": [
            {"price": {"asset": OTHER, "amount": "10000"}, "extra": {"name": "T", "version": "1"}},
        ]},
        {"when": {"country": "US"}, "price": "$0.05"},
        {"when": {"header": {"X-Tier": "cheap"}}, "price": "$0.005"},
    ]});
    let world = world(&one_cent(&tiers));
    broken_off(&world, &paid());
    for tier in ["premium", "token"] {
        assert_eq!(status(&world, &paid().with("X-Tier", tier)), 409, "{tier}");
    }
    let american = Client { country: Some("US".to_owned()), ..Client::default() };
    assert_eq!(status(&world, &FakeRequest { client: american, ..paid() }), 409);
    // At the same price, or a lower one, it is owed however it is asked for.
    for (name, value) in [("X-Tier", "basic"), ("User-Agent", "Another/2"), ("X-Tier", "cheap")] {
        broken_off(&world, &paid().with(name, value));
    }
    assert_eq!(status(&world, &paid()), 200);
}

#[test]
fn what_is_owed_stays_owed_when_the_document_changes() {
    for more in [
        json!({"price": "$0.05"}),
        json!({"rules": [{"when": {"userAgent": "*Robot*"}, "price": "$0.05"}]}),
        json!({"price": "$0.05", "rules": [{"when": {"header": {"X-Tier": "premium"}}, "price": "$1"}]}),
    ] {
        let mut world = world(&one_cent(&json!({})));
        broken_off(&world, &paid());
        world.later(1000);
        world.prices = world.prices.after_reading(Some(&one_cent(&more).to_string()));
        assert_eq!(world.prices.problems(), []);
        assert_eq!(status(&world, &paid()), 200, "{more}");
    }
}

#[test]
fn what_was_paid_at_a_price_from_before_an_edit_is_owed_too() {
    let mut world = world(&one_cent(&json!({})));
    world.prices = world.prices.after_edit(&one_cent(&json!({"price": "$0.05"})).to_string(), UnixTime(NOW - 10));
    broken_off(&world, &paid());
    // It is not honoured any more, and the document is the one under which it was paid.
    world.later(1000);
    assert_eq!(status(&world, &paid()), 200);
}
