//! Passes at the gate: what they open, and every way to make one open more.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use common::{
    FakeAnswer, FakeRequest, NOW, World,
    shop::{ARTICLE, bought, cookie_in, document, get, paid, pass_in, put, status, world},
};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use x402_edge::{
    client::Client,
    gate::Answer,
    ledger::{Pass, PassCommand},
    passes::{BadKeys, Keys},
    ports::NoAnswer,
};

const ROUTE: &str = "/routes/GET ~1articles~1:slug";
const VERIFY: &str = "https://facilitator.example/verify";
const SETTLE: &str = "https://facilitator.example/settle";

fn from(country: &str, request: FakeRequest) -> FakeRequest {
    FakeRequest { client: Client { country: Some(country.to_owned()), ..Client::default() }, ..request }
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// A token with any header and claims, signed with any key.
fn forged(header: &Value, claims: &Value, key: &[u8]) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let mac = Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(&signed).finalize().into_bytes();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac))
}

fn new_key() -> Vec<u8> {
    (0..32).collect()
}

#[test]
fn a_settled_answer_brings_a_pass_that_says_what_was_paid() {
    let world = world();
    let (_, edits) = world.origins(&paid(&world, from("DE", FakeRequest::get(ARTICLE)), 0x11, 1));
    let token = pass_in(&edits).unwrap();
    let id = world
        .forwarded
        .borrow()
        .as_ref()
        .unwrap()
        .edits
        .set
        .iter()
        .find(|(name, _)| *name == "Idempotency-Key")
        .unwrap()
        .1[..32]
        .to_owned();
    assert_eq!(
        claims(&token),
        json!({
            "jti": id, "aud": "shop.example", "sub": "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A",
            "route": "GET /articles/:slug", "path": null, "rule": 0, "network": "eip155:84532",
            "asset": "0x036CbD53842c5426634e7929541eC2318f3dCF7e", "amount": "40000",
            "iat": NOW, "exp": NOW + 3600, "uses": null, "epoch": 0,
        })
    );
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    assert_eq!(String::from_utf8(header).unwrap(), r#"{"alg":"HS256","kid":"new","typ":"x402-pass"}"#);
    let cookie = format!("__Host-x402-pass={token}; Path=/; Max-Age=3600; Secure; HttpOnly; SameSite=Lax");
    assert_eq!(edits.append, [("Set-Cookie", cookie)]);
}

#[test]
fn a_pass_opens_its_route_and_its_scope_again_and_nobody_is_asked_but_the_origin() {
    let world = world();
    let pass = bought(&world, FakeRequest::get(ARTICLE));
    let before = world.pass_calls.borrow().len();
    for url in [ARTICLE, "https://shop.example/articles/2?x", "https://SHOP.example:8443/archive/1999/1"] {
        assert_eq!(status(&world, &get(url, &pass)), 200, "{url}");
        let cookie = format!("a=1; __Host-x402-pass={pass}");
        assert_eq!(status(&world, &FakeRequest::get(url).with("Cookie", &cookie)), 200, "{url}");
    }
    assert_eq!(status(&world, &FakeRequest::new("HEAD", ARTICLE).with("X-402-Pass", &pass)), 200);
    assert!(world.calls().iter().all(|call| call.starts_with("origin ")), "{:?}", world.calls());
    assert_eq!(world.pass_calls.borrow().len(), before, "the ledger is not asked");
    let (_, edits) = world.origins(&get(ARTICLE, &pass));
    assert!(edits.set.contains(&("Cache-Control", "private".to_owned())));
    assert_eq!((pass_in(&edits), edits.append.len()), (None, 0), "the client has it already");
}

#[test]
fn the_origin_never_sees_a_pass() {
    let world = world();
    let pass = bought(&world, FakeRequest::get(ARTICLE));
    let sent = |request: &FakeRequest| {
        let _ = world.serve(request);
        let edits = world.forwarded.borrow().as_ref().unwrap().edits.clone();
        let mut headers = request.headers.clone();
        headers.retain(|(name, _)| !edits.remove.iter().any(|gone| gone.eq_ignore_ascii_case(name)));
        for (name, value) in edits.set {
            headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            headers.push((name.to_owned(), value));
        }
        headers
    };
    let cookie = format!("a=1; __Host-x402-pass={pass}; b=\"2, 3\"");
    // Priced, free, and with a payment.
    for url in [ARTICLE, "https://shop.example/free", "https://shop.example/plain"] {
        let request = FakeRequest::get(url).with("Cookie", &cookie).with("X-402-Pass", &pass).with("x_402_pass", &pass);
        let request = if url.ends_with("plain") { paid(&world, request, 0x11, 9) } else { request };
        let headers = sent(&request);
        assert!(!headers.iter().any(|(_, value)| value.contains(&pass[..40])), "{headers:?}");
        assert!(headers.contains(&("Cookie".to_owned(), "a=1; b=\"2, 3\"".to_owned())));
    }
    let headers = sent(&FakeRequest::get(ARTICLE).with("Cookie", &format!("__Host-x402-pass={pass}")));
    assert!(!headers.iter().any(|(name, _)| name == "Cookie"));
    assert!(headers.contains(&("X-402-Payer".to_owned(), "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A".to_owned())));
    assert!(headers.contains(&("X-402-Pass-Id".to_owned(), claims(&pass)["jti"].as_str().unwrap().to_owned())));
    assert!(world.forwarded.borrow().as_ref().unwrap().paid, "no cache answers it or keeps the answer");
}

#[test]
fn a_pass_opens_no_other_route_host_or_time() {
    let world = world();
    let pass = bought(&world, FakeRequest::get(ARTICLE));
    for url in [
        "https://shop.example/tickets",
        "https://shop.example/dear",
        "https://shop.example/plain",
        "https://other.example/articles/1",
        "https://www.shop.example/articles/1",
        "https://shop.example.evil.example/articles/1",
    ] {
        assert_eq!(status(&world, &get(url, &pass)), 402, "{url}");
    }
    assert_eq!(world.calls(), [""; 0]);
    world.later(3599);
    assert_eq!(status(&world, &get(ARTICLE, &pass)), 200);
    world.later(1);
    assert_eq!(status(&world, &get(ARTICLE, &pass)), 402);
}

#[test]
fn a_cheap_pass_opens_nothing_dearer() {
    let world = world();
    let cheap = bought(&world, from("DE", FakeRequest::get(ARTICLE)));
    let usual = bought(&world, FakeRequest::get(ARTICLE));
    let dear = bought(&world, from("FR", FakeRequest::get(ARTICLE)));
    for (country, opened) in
        [("DE", [200, 200, 200]), ("US", [402, 200, 200]), ("FR", [402, 402, 200]), ("KP", [403; 3])]
    {
        let found = [&cheap, &usual, &dear].map(|pass| status(&world, &from(country, get(ARTICLE, pass))));
        assert_eq!(found, opened, "{country}");
    }
    // The archive costs as little as the cheapest article.
    assert_eq!(
        [&cheap, &usual, &dear].map(|pass| status(&world, &get("https://shop.example/archive/1", pass))),
        [200; 3]
    );
}

#[test]
fn after_an_edit_a_pass_opens_what_it_would_still_pay_for() {
    let edited = |change: &dyn Fn(&mut Value)| {
        let world = world();
        let pass = bought(&world, FakeRequest::get(ARTICLE));
        let mut document = document();
        change(&mut document);
        let world = put(world, &document);
        (status(&world, &get(ARTICLE, &pass)), status(&world, &get("https://shop.example/archive/1", &pass)))
    };
    let at = |document: &mut Value, key: &str, value: Value| document.pointer_mut(ROUTE).unwrap()[key] = value;
    assert_eq!(edited(&|_| {}), (200, 200));
    assert_eq!(edited(&|document| at(document, "price", json!("$0.06"))), (402, 200), "dearer");
    assert_eq!(edited(&|document| at(document, "price", json!("$0.04"))), (200, 200), "cheaper");
    assert_eq!(
        edited(&|document| document["network"] = json!("base")),
        (402, 402),
        "another token: who knows what it is worth"
    );
    assert_eq!(edited(&|document| at(document, "pass", json!({"ttl": 60}))), (200, 402), "no scope any more");
    assert_eq!(
        edited(&|document| drop(document.pointer_mut(ROUTE).unwrap().as_object_mut().unwrap().remove("pass"))),
        (402, 402),
        "no passes any more"
    );
    assert_eq!(edited(&|document| document["routes"]["/archive/*"] = json!({"deny": true})), (200, 403));
    assert_eq!(
        edited(&|document| {
            let routes = document["routes"].as_object_mut().unwrap();
            let route = routes.remove("GET /articles/:slug").unwrap();
            routes.insert("/articles/:slug".to_owned(), route);
        }),
        (402, 402),
        "another route"
    );
}

#[test]
fn revoked_passes_open_nothing() {
    let world = world();
    let pass = bought(&world, FakeRequest::get(ARTICLE));
    let id = claims(&pass)["jti"].as_str().unwrap().to_owned();
    let payer = "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a";
    let revoked = |world: World, passes: Value| {
        let mut document = document();
        document["passes"] = passes;
        let world = put(world, &document);
        (status(&world, &get(ARTICLE, &pass)), world)
    };
    let (found, world) = revoked(world, json!({"revoked": [id]}));
    assert_eq!(found, 402);
    let (found, world) = revoked(world, json!({"revoked": [format!("{}{}", id.to_uppercase(), "0".repeat(32))]}));
    assert_eq!(found, 402, "by the payment's id");
    let (found, world) = revoked(world, json!({"revoked": [payer]}));
    assert_eq!(found, 402);
    let (found, world) = revoked(world, json!({"revoked": ["0".repeat(32)], "epoch": 0}));
    assert_eq!(found, 200);
    let (found, world) = revoked(world, json!({"epoch": 1}));
    assert_eq!(found, 402);
    let next = bought(&world, FakeRequest::get(ARTICLE));
    assert_eq!(status(&world, &get(ARTICLE, &next)), 200, "sold in this epoch");
    // A place that has not heard of the new epoch yet.
    let (found, world) = revoked(world, json!({}));
    assert_eq!((found, status(&world, &get(ARTICLE, &next))), (200, 200));
}

#[test]
fn a_token_that_we_did_not_sign_to_the_byte_is_none() {
    let world = world();
    let pass = bought(&world, FakeRequest::get(ARTICLE));
    let says = claims(&pass);
    let parts: Vec<&str> = pass.split('.').collect();
    let [header, body, mac] = parts[..] else { panic!("{pass}") };
    let ours = json!({"alg": "HS256", "kid": "new", "typ": "x402-pass"});
    assert_eq!(status(&world, &get(ARTICLE, &forged(&ours, &says, &new_key()))), 200, "the forger works");
    let more = |key: &str, value: Value| {
        let mut says = says.clone();
        says[key] = value;
        URL_SAFE_NO_PAD.encode(says.to_string())
    };
    let text = |header: &str| URL_SAFE_NO_PAD.encode(header);
    let mut tokens = vec![
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        pass[..pass.len() - 1].to_owned(),
        format!("{pass}A"),
        format!("{pass}="),
        format!("{pass}.x"),
        format!("{header}.{body}"),
        format!("{header}.{body}."),
        format!("{header}.{body}.{}", &mac[..22]),
        format!("{header}.{}.{mac}", more("exp", json!(NOW * 2))),
        format!("{header}.{}.{mac}", more("sub", json!("0x70997970C51812dc3A010C7d01b50e0d17dc79C8"))),
        format!("{header}.{}.{mac}", more("route", json!("/dear"))),
        format!("{header}.{}.{mac}", more("amount", json!("9000000"))),
        format!("{}.{body}.", text(r#"{"alg":"none"}"#)),
        format!("{}.{body}.{mac}", text(r#"{"alg":"none","kid":"new","typ":"x402-pass"}"#)),
        format!("{}.{body}.{mac}", text(r#"{"alg":"HS256", "kid":"new","typ":"x402-pass"}"#)),
    ];
    // With another key; with our key, but not as we write it.
    tokens.push(forged(&ours, &says, &[7; 32]));
    tokens.push(forged(&ours, &says, b""));
    tokens.push(forged(&ours, &says, b"new"));
    for header in [
        json!({"alg": "none", "kid": "new", "typ": "x402-pass"}),
        json!({"alg": "HS384", "kid": "new", "typ": "x402-pass"}),
        json!({"alg": "RS256", "kid": "new", "typ": "x402-pass"}),
        json!({"alg": "hs256", "kid": "new", "typ": "x402-pass"}),
        json!({"alg": "HS256", "kid": "old", "typ": "x402-pass"}),
        json!({"alg": "HS256", "kid": "other", "typ": "x402-pass"}),
        json!({"alg": "HS256", "kid": ["new"], "typ": "x402-pass"}),
        json!({"alg": "HS256", "kid": "../new", "typ": "x402-pass"}),
        json!({"alg": "HS256", "typ": "x402-pass"}),
        json!({"alg": "HS256", "kid": "new", "typ": "JWT"}),
        json!({"alg": "HS256", "jwk": {"kty": "oct", "k": "AA"}, "kid": "new", "typ": "x402-pass"}),
        json!({"alg": "HS256", "crit": ["x"], "kid": "new", "typ": "x402-pass"}),
    ] {
        tokens.push(forged(&header, &says, &new_key()));
    }
    for (key, value) in
        [("aud", json!(["shop.example"])), ("exp", json!("never")), ("amount", json!(null)), ("exp", json!(-1))]
    {
        let mut says = says.clone();
        says[key] = value;
        tokens.push(forged(&ours, &says, &new_key()));
    }
    let swapped = |at: usize| {
        let mut bytes = pass.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    tokens.extend((0..pass.len()).map(swapped));
    for token in &tokens {
        assert_eq!(status(&world, &get(ARTICLE, token)), 402, "{token}");
    }
    assert_eq!(status(&world, &get(ARTICLE, &format!("{}, {pass}", tokens[10]))), 200, "a good one beside it");
}

#[test]
fn every_key_verifies_and_the_first_signs() {
    let world = world();
    let pass = bought(&world, FakeRequest::get(ARTICLE));
    let old: Vec<u8> = (32..64).collect();
    let older = forged(&json!({"alg": "HS256", "kid": "old", "typ": "x402-pass"}), &claims(&pass), &old);
    assert_eq!(status(&world, &get(ARTICLE, &older)), 200);
    // Turned over: the old key signs nothing any more, and then is gone.
    let only_new = Keys::parse(r#"{"newer": "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8"}"#);
    let world = World { pass_keys: only_new, ..world };
    assert_eq!([&pass, &older].map(|pass| status(&world, &get(ARTICLE, pass))), [402; 2]);
}

#[test]
fn without_keys_nothing_is_sold_or_opened_and_requests_pay() {
    let pass = bought(&world(), FakeRequest::get(ARTICLE));
    for problem in [BadKeys::Missing, BadKeys::Key] {
        let world = World { pass_keys: Err(problem), ..world() };
        assert_eq!(status(&world, &get(ARTICLE, &pass)), 402);
        let (answer, edits) = world.origins(&paid(&world, FakeRequest::get(ARTICLE), 0x11, 1));
        assert_eq!((answer.status, pass_in(&edits), edits.append.len()), (200, None, 0));
        assert_eq!(world.calls(), [VERIFY, "origin /articles/1", SETTLE]);
        let answer = world.ours(&FakeRequest::get("https://shop.example/.x402/status"));
        let told: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(told["passes"], format!("none are sold or accepted: {problem}"));
    }
    let answer = world().ours(&FakeRequest::get("https://shop.example/.x402/status"));
    assert_eq!(serde_json::from_str::<Value>(&answer.body).unwrap()["passes"], "ready");
}

#[test]
fn what_was_not_settled_brings_no_pass() {
    let failed = |world: World| match world.serve(&paid(&world, FakeRequest::get(ARTICLE), 0x11, 1)) {
        Answer::Ours(answer) => {
            assert!(common::header(&answer, "X-402-Pass").is_none() && common::header(&answer, "Set-Cookie").is_none());
        }
        Answer::Origins { edits, .. } => assert_eq!((pass_in(&edits), edits.append.len()), (None, 0)),
        Answer::Kept(_) => panic!("kept"),
    };
    for status in [304, 400, 404, 500] {
        failed(World { origin: Ok(FakeAnswer { status, headers: vec![] }), ..world() });
    }
    failed(World { origin: Err(NoAnswer::Deadline), ..world() });
    for (operation, reply) in [
        ("verify", json!({"isValid": false, "invalidReason": "insufficient_funds"})),
        (
            "settle",
            json!({"success": false, "errorReason": "insufficient_funds", "transaction": "", "network": "eip155:84532"}),
        ),
        (
            "settle",
            json!({"success": false, "errorReason": "settlement_pending", "transaction": "0x1", "network": "eip155:84532"}),
        ),
    ] {
        let world = world();
        let queue = if operation == "verify" { &world.verify } else { &world.settle };
        queue.replace(vec![common::reply(200, &reply)]);
        failed(world);
    }
    let world = world();
    let (_, edits) = world.origins(&paid(&world, FakeRequest::get("https://shop.example/plain"), 0x11, 1));
    assert_eq!((pass_in(&edits), edits.append.len()), (None, 0), "this route sells none");
}

#[test]
fn a_price_from_before_an_edit_buys_the_answer_and_no_pass_for_the_dearer_route() {
    let world = world();
    let request = paid(&world, FakeRequest::get(ARTICLE), 0x11, 1);
    let mut document = document();
    document["routes"]["GET /articles/:slug"]["price"] = json!("$5");
    let world = put(world, &document);
    let (answer, edits) = world.origins(&request);
    assert_eq!((answer.status, pass_in(&edits)), (200, None));
}

#[test]
fn an_answer_that_is_given_again_brings_the_same_pass() {
    let world = world();
    let request = paid(&world, FakeRequest::get("https://shop.example/tickets"), 0x11, 1);
    // The client never took the answer.
    let Answer::Origins { edits, .. } = world.serve(&request) else { panic!("not served") };
    let first = pass_in(&edits).unwrap();
    world.later(120);
    let (_, edits) = world.origins(&request);
    assert_eq!(world.calls().iter().filter(|call| *call == SETTLE).count(), 1);
    assert_eq!(pass_in(&edits), Some(first), "the same uses, and not a second longer");
}

#[test]
fn three_uses_are_three_uses() {
    let world = world();
    let url = "https://shop.example/tickets";
    let pass = bought(&world, FakeRequest::get(url));
    assert_eq!(claims(&pass)["uses"], 3);
    assert_eq!(
        status(&world, &FakeRequest::new("HEAD", url).with("X-402-Pass", &pass)),
        402,
        "no use is spent on HEAD"
    );
    let found: Vec<u16> = (0..50).map(|_| status(&world, &get(url, &pass))).collect();
    assert_eq!(found.iter().filter(|status| **status == 200).count(), 3);
    assert_eq!(found.iter().filter(|status| **status == 402).count(), 47);
    assert_eq!(world.calls().len(), 3);
    // Twice in one request, it is used once.
    let world = self::world();
    let pass = bought(&world, FakeRequest::get(url));
    let twice = format!("__Host-x402-pass={pass}; __Host-x402-pass={pass}");
    for expected in [200, 200, 200, 402] {
        assert_eq!(status(&world, &get(url, &pass).with("Cookie", &twice)), expected);
    }
}

#[test]
fn a_use_for_which_the_origin_failed_was_none() {
    let url = "https://shop.example/tickets";
    for origin in [
        Err(NoAnswer::Connection),
        Ok(FakeAnswer { status: 503, headers: vec![] }),
        Ok(FakeAnswer { status: 304, headers: vec![] }),
        Ok(FakeAnswer { status: 302, headers: vec![("Location", "/dear")] }),
    ] {
        let world = world();
        let pass = bought(&world, FakeRequest::get(url));
        let world = World { origin, ..world };
        for _ in 0..5 {
            assert_ne!(status(&world, &get(url, &pass)), 402);
        }
        let world = World { origin: Ok(FakeAnswer { status: 200, headers: vec![] }), ..world };
        let found: Vec<u16> = (0..4).map(|_| status(&world, &get(url, &pass))).collect();
        assert_eq!(found, [200, 200, 200, 402]);
    }
}

#[test]
fn uses_that_cannot_be_counted_are_not_given_away() {
    let url = "https://shop.example/tickets";
    let world = world();
    let pass = bought(&world, FakeRequest::get(url));
    world.ledger_down.set(true);
    assert_eq!(status(&world, &get(url, &pass)), 503, "our fault, and no reason to pay again");
    let world = World { with_ledger: false, ..world };
    assert_eq!(status(&world, &get(url, &pass)), 402);
    assert_eq!(world.calls(), [""; 0]);
}

#[test]
fn a_pass_comes_before_a_payment() {
    let world = world();
    let pass = bought(&world, FakeRequest::get(ARTICLE));
    let both = paid(&world, FakeRequest::get(ARTICLE), 0x11, 7).with("X-402-Pass", &pass);
    assert_eq!(status(&world, &both), 200);
    assert_eq!(world.calls(), ["origin /articles/1"], "nobody pays for what they have");
    let useless = paid(&world, FakeRequest::get("https://shop.example/plain"), 0x11, 8).with("X-402-Pass", &pass);
    assert_eq!(status(&world, &useless), 200);
    assert_eq!(world.calls()[1..], ["origin /plain", SETTLE], "a payer who has settled before is not verified");
}

#[test]
fn a_cookie_keeps_the_passes_that_were_there() {
    let world = world();
    let (_, edits) = world.origins(&paid(&world, FakeRequest::get(ARTICLE), 0x11, 1));
    let first = cookie_in(&edits).unwrap();
    let request =
        FakeRequest::get("https://shop.example/dear").with("Cookie", &format!("a=1; {first}; __Host-x402-pass=x.y.z"));
    let (_, edits) = world.origins(&paid(&world, request, 0x11, 2));
    let both = cookie_in(&edits).unwrap();
    for url in [ARTICLE, "https://shop.example/dear"] {
        assert_eq!(status(&world, &FakeRequest::get(url).with("Cookie", &both)), 200, "{url}");
    }
    assert_eq!(both.matches('~').count(), 1, "only what is ours is kept: {both}");
    // What has expired is dropped.
    world.later(4000);
    let (_, edits) = world.origins(&paid(&world, FakeRequest::get(ARTICLE).with("Cookie", &both), 0x11, 3));
    assert!(!cookie_in(&edits).unwrap().contains('~'));
}

#[test]
fn huge_and_hostile_cookies_cost_little_and_open_nothing() {
    let world = world();
    let pass = bought(&world, FakeRequest::get(ARTICLE));
    for cookie in [
        format!("__Host-x402-pass={}", "A".repeat(100_000)),
        format!("__Host-x402-pass={}", ".".repeat(100_000)),
        format!("__Host-x402-pass={}", "~".repeat(100_000)),
        "__Host-x402-pass=".repeat(10_000),
        ";".repeat(100_000),
        format!("{}{pass}", "__Host-x402-pass=a.b.c; ".repeat(100)),
        "__Host-x402-pass=\u{e9}\u{1f600}\0; \u{7f}".to_owned(),
    ] {
        assert_eq!(status(&world, &FakeRequest::get(ARTICLE).with("Cookie", &cookie)), 402);
    }
}

/// Whoever reads a pass in the ledger's object finds it as it was sold.
#[test]
fn a_sold_pass_is_remembered_for_its_payer() {
    let world = world();
    let pass = bought(&world, FakeRequest::get(ARTICLE));
    let sold: Pass = serde_json::from_value(claims(&pass)).unwrap();
    assert_eq!(*world.pass_calls.borrow(), [PassCommand::Sold(Box::new(sold))]);
    assert_eq!(
        world.pass_objects.borrow().keys().collect::<Vec<_>>(),
        ["passes:v1:shop.example:0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"]
    );
}

#[test]
fn a_pass_for_a_path_opens_that_path_to_the_letter() {
    let mut document = document();
    document.pointer_mut(ROUTE).unwrap()["pass"] = json!({"ttl": 3600, "for": "path"});
    let world = put(World::new(), &document);
    let one = bought(&world, FakeRequest::get("https://shop.example/articles/1?a"));
    assert_eq!(claims(&one)["path"], "/articles/1");
    for (path, expected) in [
        ("/articles/1", 200),
        ("/articles/1?b", 200),
        ("/articles/2", 402),
        ("/articles/1/", 402),
        ("/articles/%31", 402),
        ("/Articles/1", 402),
        ("/articles/1;x", 402),
        ("/archive/1", 402),
    ] {
        assert_eq!(status(&world, &get(&format!("https://shop.example{path}"), &one)), expected, "{path}");
    }
    // A reader's cookie holds those of several articles.
    let mut cookie = String::new();
    for article in 2..5 {
        let request = FakeRequest::get(&format!("https://shop.example/articles/{article}")).with("Cookie", &cookie);
        let (_, edits) = world.origins(&paid(&world, request, 0x11, article));
        cookie = cookie_in(&edits).unwrap();
    }
    let found: Vec<u16> = (2..6)
        .map(|article| {
            let url = format!("https://shop.example/articles/{article}");
            status(&world, &FakeRequest::get(&url).with("Cookie", &cookie))
        })
        .collect();
    assert_eq!(found, [200, 200, 200, 402]);
    // The owner's word of today is for those who buy today.
    let world = put(world, &self::document());
    assert_eq!(status(&world, &get("https://shop.example/articles/2", &one)), 402);
}

/// Commands in any order, as many Workers at once would send them: a use that was not taken is never given, and one that
/// was given back can be taken again.
#[test]
fn however_commands_are_mixed_no_use_is_taken_twice() {
    use x402_edge::{
        ledger::{PassReply, apply_to_passes},
        time::UnixTime,
    };
    const USES: u64 = 3;
    let world = world();
    let pass = bought(&world, FakeRequest::get("https://shop.example/tickets"));
    let sold: Pass = serde_json::from_value(claims(&pass)).unwrap();
    let run = |choices: &[u8]| {
        let object = common::PassObject::default();
        let (mut taken, mut now) = (0, NOW);
        for choice in choices {
            let command = match choice % 8 {
                0 => PassCommand::Sold(Box::new(sold.clone())),
                1 => PassCommand::GiveBack { id: sold.id.clone() },
                _ => PassCommand::Use { id: sold.id.clone(), uses: USES, expires_at: sold.expires_at },
            };
            let reply = apply_to_passes(&object, command.clone(), UnixTime(now)).unwrap();
            match command {
                PassCommand::Use { .. } => {
                    let expected = taken < USES && now < sold.expires_at;
                    assert_eq!(reply == PassReply::Done, expected, "{choices:?}");
                    taken += u64::from(expected);
                }
                PassCommand::GiveBack { .. } => taken = taken.saturating_sub(1),
                _ => assert_eq!(reply, PassReply::Done),
            }
            now += u64::from(*choice) * 4;
        }
    };
    let mut runner = proptest::test_runner::TestRunner::new(proptest::test_runner::Config {
        failure_persistence: None,
        ..proptest::test_runner::Config::default()
    });
    runner
        .run(&proptest::collection::vec(0..=u8::MAX, 0..60), |choices| {
            run(&choices);
            Ok(())
        })
        .unwrap();
}

#[test]
fn who_has_a_pass_of_this_host_may_have_free_requests_elsewhere() {
    let mut shop = document();
    shop["routes"]["/extras"] = json!({"price": "$1", "quota": {"requests": 2, "per": "payer"}});
    let world = put(world(), &shop);
    let token = bought(&world, FakeRequest::get(ARTICLE));
    let asks = |token: &str| status(&world, &get("https://shop.example/extras", token));
    assert_eq!([asks(&token), asks(&token), asks(&token)], [200, 200, 402]);
    assert_eq!(status(&world, &FakeRequest::get("https://shop.example/extras")), 402, "nobody without one");
    let mut tampered = token.clone();
    tampered.replace_range(token.len() - 2.., "AA");
    assert_eq!(asks(&tampered), 402);
    // On the next day they are there again, if the pass still is.
    world.later(3599);
    assert_eq!(asks(&token), if (NOW + 3599) / 86_400 > NOW / 86_400 { 200 } else { 402 });
    world.later(1);
    assert_eq!(asks(&token), 402);
}
