//! The story, row by row: what comes in, how the outside behaves, what goes out, and who was asked in which order.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{FakeAnswer, FakeRequest, World, decoded, header, reply, vectors};
use serde_json::{Value, json};
use x402_edge::{ports::NoAnswer, prices::Snapshot, transports::http};

const URL: &str = "https://api.example.com/premium-data";
const VERIFY: &str = "https://facilitator.example/verify";
const SETTLE: &str = "https://facilitator.example/settle";
const ORIGIN: &str = "origin /premium-data";

fn v2(id: &str) -> FakeRequest {
    let file = vectors("exact-eip3009");
    let vector = file["vectors"].as_array().unwrap().iter().find(|vector| vector["id"] == id).unwrap();
    FakeRequest::get(URL).with("PAYMENT-SIGNATURE", vector["header"].as_str().unwrap())
}

fn v1(id: &str) -> FakeRequest {
    let file = vectors("exact-v1");
    let vector = file["vectors"].as_array().unwrap().iter().find(|vector| vector["id"] == id).unwrap();
    FakeRequest::get(URL).with("X-PAYMENT", vector["header"]["value"].as_str().unwrap())
}

#[track_caller]
fn error_of(world: &World, request: &FakeRequest) -> String {
    let answer = world.ours(request);
    assert_eq!(answer.status, 402, "{answer:?}");
    decoded(&answer, "PAYMENT-REQUIRED")["error"].as_str().unwrap().to_owned()
}

#[test]
fn a_paid_request_is_verified_served_and_settled_in_this_order() {
    let world = World::new();
    let (answer, edits) = world.origins(&v2("valid-baseSepolia"));
    assert_eq!(answer.status, 200);
    assert_eq!(world.calls(), [VERIFY, ORIGIN, SETTLE]);
    let (_, receipt) = edits.set.iter().find(|(name, _)| *name == "PAYMENT-RESPONSE").unwrap();
    let receipt: Value = serde_json::from_slice(&http::decode_header("x", receipt).unwrap()).unwrap();
    assert_eq!(
        receipt,
        json!({"success": true, "transaction": "0xabc", "network": "eip155:84532", "payer": "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"})
    );
    assert!(edits.set.contains(&("Cache-Control", "private".to_owned())));
}

#[test]
fn the_origin_learns_who_paid_and_nothing_of_the_payment() {
    let world = World::new();
    let request = v2("valid-baseSepolia")
        .with("X-402-Payer", "0xforged")
        .with("X_402_Amount", "1")
        .with("If-None-Match", "x")
        .with("Cookie", "a=b");
    world.origins(&request);
    let forward = world.forwarded.borrow().clone().unwrap();
    let removed = |name: &str| forward.edits.remove.iter().any(|gone| gone == name);
    assert!(
        removed("payment-signature") && removed("x-402-payer") && removed("x_402_amount") && removed("if-none-match")
    );
    assert!(!removed("cookie"));
    assert_eq!(
        forward.edits.set,
        [
            ("X-402-Payer", "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A".to_owned()),
            ("X-402-Asset", "0x036CbD53842c5426634e7929541eC2318f3dCF7e".to_owned()),
            ("X-402-Amount", "10000".to_owned()),
            ("X-402-Network", "eip155:84532".to_owned()),
            ("Idempotency-Key", "8b2e0ccd624980dc6d3619ceb87c7fdd85755815596a28b4b3a411f85bf2df09".to_owned()),
        ]
    );
}

#[test]
fn the_facilitator_gets_our_offer_and_the_checked_payload() {
    let world = World::new();
    world.origins(&v2("valid-accepted-extra-superset"));
    let sent = world.sent.borrow();
    assert_eq!(sent[0], sent[1]);
    assert_eq!(sent[0]["x402Version"], 2);
    assert_eq!(sent[0]["paymentRequirements"]["extra"], json!({"name": "USDC", "version": "2"}));
    assert_eq!(sent[0]["paymentPayload"]["payload"]["authorization"].as_object().unwrap().len(), 6);
}

#[test]
fn nothing_that_we_did_not_read_reaches_the_facilitator() {
    let mut payload = vectors("exact-eip3009")["vectors"][0]["paymentPayload"].clone();
    payload["Payload"] = json!({"permit2Authorization": {}});
    payload["junk"] = json!(1);
    payload["resource"]["url"] = json!("https://evil.example/");
    payload["accepted"]["extra"]["paymentFlow"] = json!("upfront");
    payload["payload"]["authorization"]["more"] = json!(1);
    payload["extensions"] = json!({"bazaar": {"info": {}}});
    let world = World::new();
    world.origins(&FakeRequest::get(URL).with("PAYMENT-SIGNATURE", &http::encode_header(&payload)));
    let sent = &world.sent.borrow()[0]["paymentPayload"];
    let keys: Vec<_> = sent.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["accepted", "extensions", "payload", "resource", "x402Version"]);
    assert_eq!(sent["accepted"]["extra"], json!({"name": "USDC", "version": "2"}));
    assert_eq!(sent["resource"]["url"], URL);
    assert_eq!(sent["payload"]["authorization"].as_object().unwrap().len(), 6);
}

#[test]
fn a_v1_payment_is_answered_in_v1_words() {
    let world = World::new();
    let (_, edits) = world.origins(&v1("valid-base-sepolia"));
    assert_eq!(world.sent.borrow()[0]["x402Version"], 1);
    assert_eq!(world.sent.borrow()[0]["paymentRequirements"]["network"], "base-sepolia");
    assert!(!edits.set.iter().any(|(name, _)| *name == "PAYMENT-RESPONSE"));
    let (_, receipt) = edits.set.iter().find(|(name, _)| *name == "X-PAYMENT-RESPONSE").unwrap();
    let receipt: Value = serde_json::from_slice(&http::decode_header("x", receipt).unwrap()).unwrap();
    assert_eq!(receipt["network"], "base-sepolia");
}

#[test]
fn an_unpaid_request_gets_both_versions_of_the_offer_and_disturbs_nobody() {
    let world = World::new();
    let answer = world.ours(&FakeRequest::get(&format!("{URL}?q=1")));
    assert_eq!(answer.status, 402);
    let required = decoded(&answer, "PAYMENT-REQUIRED");
    assert_eq!(required["x402Version"], 2);
    assert_eq!(required["resource"]["url"], format!("{URL}?q=1"));
    assert_eq!(required["accepts"][0]["amount"], "10000");
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["x402Version"], 1);
    assert_eq!(body["accepts"][0]["network"], "base-sepolia");
    assert_eq!(body["accepts"][0]["maxAmountRequired"], "10000");
    assert_eq!(header(&answer, "Cache-Control"), Some("no-store"));
    assert!(header(&answer, "Access-Control-Expose-Headers").unwrap().contains("PAYMENT-REQUIRED"));
    assert_eq!(world.calls(), [""; 0]);
}

#[test]
fn offers_that_v1_cannot_say_leave_its_body_empty() {
    let mut world = World::new();
    let document = common::PRICES.replace("eip155:84532", "eip155:143");
    world.prices = Snapshot::unread().after_reading(Some(&document));
    assert_eq!(world.ours(&FakeRequest::get(URL)).body, "{}");
}

#[test]
fn head_gets_the_head_of_the_402_even_with_a_payment() {
    let world = World::new();
    let mut request = v2("valid-baseSepolia");
    request.method = "HEAD".to_owned();
    let answer = world.ours(&request);
    assert_eq!((answer.status, answer.body.as_str()), (402, ""));
    assert!(header(&answer, "PAYMENT-REQUIRED").is_some());
    assert_eq!(world.calls(), [""; 0]);
}

#[test]
fn a_person_gets_a_page_with_the_price() {
    let world = World::new();
    let answer = world.ours(
        &FakeRequest::get(&format!("{URL}?<script>{{{{error}}}}"))
            .with("Accept", "text/html,*/*")
            .with("User-Agent", "Mozilla/5.0"),
    );
    assert_eq!(answer.status, 402);
    assert!(answer.body.contains("0.01 USDC") && answer.body.contains("base-sepolia"));
    assert!(!answer.body.contains("<script") && !answer.body.contains("{{"));
    assert!(header(&answer, "PAYMENT-REQUIRED").is_some());
}

#[test]
fn a_provably_wrong_payment_costs_no_call() {
    for (id, error) in [
        ("sig-wrong-signer", "invalid_exact_evm_signature"),
        ("sig-high-s", "invalid_exact_evm_signature"),
        ("value-low", "invalid_exact_evm_payload_authorization_value_mismatch"),
        ("to-wrong", "invalid_exact_evm_recipient_mismatch"),
        ("time-expired", "invalid_exact_evm_payload_authorization_valid_before"),
        ("accepted-wrong-amount", "No matching payment requirements"),
        ("malformed-nonce-31", "invalid_payload"),
    ] {
        let world = World::new();
        assert_eq!(error_of(&world, &v2(id)), error, "{id}");
        assert_eq!(world.calls(), [""; 0], "{id}");
    }
}

#[test]
fn a_payment_for_another_price_does_not_pay_this_one() {
    let world = World::new();
    let mut request = v2("valid-baseSepolia");
    request.url = "https://api.example.com/dear/thing".to_owned();
    assert_eq!(error_of(&world, &request), "No matching payment requirements");
}

#[test]
fn contract_wallets_go_to_the_facilitator_only_where_the_owner_says_so() {
    let mut world = World::new();
    assert_eq!(error_of(&world, &v2("1271-long-signature")), "invalid_exact_evm_signature");
    let document = common::PRICES.replacen('{', r#"{"smartWallets": "defer","#, 1);
    world.prices = Snapshot::unread().after_reading(Some(&document));
    world.verify.replace(vec![reply(200, &json!({"isValid": false, "invalidReason": "invalid_exact_evm_signature"}))]);
    assert_eq!(error_of(&world, &v2("1271-long-signature")), "invalid_exact_evm_signature");
    assert_eq!(world.calls(), [VERIFY]);
}

#[test]
fn a_payload_with_a_second_transfer_beside_the_checked_one_is_refused() {
    let file = vectors("exact-eip3009");
    let mut payload = file["vectors"][0]["paymentPayload"].clone();
    payload["payload"]["permit2Authorization"] = json!({});
    let request = FakeRequest::get(URL).with("PAYMENT-SIGNATURE", &http::encode_header(&payload));
    assert_eq!(error_of(&World::new(), &request), "unsupported_payload_type");
}

#[test]
fn undecodable_payment_headers_are_bad_requests() {
    for (name, value) in [
        ("PAYMENT-SIGNATURE", "not base64!".to_owned()),
        ("PAYMENT-SIGNATURE", String::new()),
        ("PAYMENT-SIGNATURE", "bnVsbA==".to_owned()),
        ("PAYMENT-SIGNATURE", http::encode_header(&json!({"x402Version": 3}))),
        ("X-PAYMENT", http::encode_header(&json!({"x402Version": 2}))),
        ("X-PAYMENT", "A".repeat(16 * 1024 + 1)),
    ] {
        let world = World::new();
        assert_eq!(world.ours(&FakeRequest::get(URL).with(name, &value)).status, 400, "{name}");
        assert_eq!(world.calls(), [""; 0]);
    }
}

#[test]
fn nobody_is_charged_when_the_origin_fails() {
    for status in [304, 400, 401, 402, 404, 429, 500, 503, 999] {
        let mut world = World::new();
        world.origin = Ok(FakeAnswer { status, headers: vec![("PAYMENT-RESPONSE", "forged")] });
        let (answer, edits) = world.origins(&v2("valid-baseSepolia"));
        assert_eq!(answer.status, status);
        assert_eq!(world.calls(), [VERIFY, ORIGIN]);
        assert!(edits.remove.iter().any(|gone| gone == "PAYMENT-RESPONSE") && edits.set.len() == 1);
    }
    for (error, status) in [(NoAnswer::Connection, 502), (NoAnswer::Deadline, 504)] {
        let mut world = World::new();
        world.origin = Err(error);
        assert_eq!(world.ours(&v2("valid-baseSepolia")).status, status);
        assert_eq!(world.calls(), [VERIFY, ORIGIN]);
        assert_eq!(world.faults.borrow().len(), 1);
    }
}

#[test]
fn a_redirect_to_a_priced_page_is_free_and_any_other_is_not() {
    for (location, charged) in [
        ("/dear/x", false),
        ("https://api.example.com/dear/x", false),
        ("http://origin.internal:8080/dear/x", false),
        ("/free/../dear/x", false),
        ("/dear%2fx", false),
        ("https://www.api.example.com/dear/x", false),
        ("http://api.example.com:80/dear/x", false),
        ("///api.example.com/dear/x", false),
        ("/free", true),
        ("https://elsewhere.example/dear/x", true),
    ] {
        let mut world = World::new();
        world.origin_url = Some("http://origin.internal:8080");
        world.origin = Ok(FakeAnswer { status: 302, headers: vec![("Location", location)] });
        let (_, edits) = world.origins(&v2("valid-baseSepolia"));
        assert_eq!(world.calls().contains(&SETTLE.to_owned()), charged, "{location}");
        let shown = edits.set.iter().find(|(name, _)| *name == "Location");
        assert_eq!(shown.is_some(), location.contains("internal"), "{location}");
    }
}

#[test]
fn the_facilitators_no_is_the_payers_to_mend() {
    for status in [200, 400, 500] {
        let world = World::new();
        world.verify.replace(vec![reply(
            status,
            &json!({"isValid": false, "invalidReason": "insufficient_funds", "payer": null}),
        )]);
        assert_eq!(error_of(&world, &v2("valid-baseSepolia")), "insufficient_funds");
        assert_eq!(world.calls(), [VERIFY, ORIGIN], "asked beside, for a request that only reads");
        world.calls.borrow_mut().clear();
        let write = FakeRequest { method: "POST".to_owned(), ..v2("valid-zero-nonce") };
        assert_eq!(error_of(&world, &write), "insufficient_funds");
        assert_eq!(world.calls(), [VERIFY]);
    }
}

#[test]
fn a_facilitators_failure_to_verify_is_never_a_402() {
    for (verify, status) in [
        (Err(NoAnswer::Connection), 503),
        (Err(NoAnswer::Deadline), 503),
        (reply(500, &json!({"error": "boom"})), 502),
        (reply(200, &json!("ok")), 502),
        (reply(200, &json!({"isValid": "true"})), 502),
        (reply(200, &json!({"isValid": false, "invalidReason": "unexpected_verify_error"})), 502),
        (reply(200, &json!({"isValid": true, "payer": "0x1563915e194D8CfBA1943570603F7606A3115508"})), 502),
    ] {
        let world = World::new();
        world.verify.replace(vec![verify]);
        let answer = world.ours(&v2("valid-baseSepolia"));
        assert_eq!(answer.status, status);
        assert!(header(&answer, "Retry-After").is_some());
        assert_eq!(world.calls(), [VERIFY, ORIGIN]);
    }
}

#[test]
fn a_second_facilitator_is_asked_to_verify_and_the_same_one_settles() {
    let mut world = World::new();
    let document = common::PRICES
        .replace(r#"["https://facilitator.example/"]"#, r#"["https://down.example", "https://facilitator.example"]"#);
    world.prices = Snapshot::unread().after_reading(Some(&document));
    world.verify.replace(vec![Err(NoAnswer::Connection), reply(200, &json!({"isValid": true}))]);
    world.origins(&v2("valid-baseSepolia"));
    assert_eq!(world.calls(), ["https://down.example/verify", VERIFY, ORIGIN, SETTLE]);
}

#[test]
fn a_refused_settlement_withholds_the_answer_and_says_why() {
    let world = World::new();
    let refused =
        json!({"success": false, "errorReason": "insufficient_funds", "transaction": "", "network": "eip155:84532"});
    world.settle.replace(vec![reply(200, &refused)]);
    let answer = world.ours(&v2("valid-baseSepolia"));
    assert_eq!(answer.status, 402);
    assert_eq!(decoded(&answer, "PAYMENT-RESPONSE")["errorReason"], "insufficient_funds");
    assert_eq!(decoded(&answer, "PAYMENT-REQUIRED")["error"], "insufficient_funds");
}

#[test]
fn an_unknown_settlement_is_never_a_402_and_tells_the_client_not_to_sign_again() {
    let pending = reply(
        200,
        &json!({"success": false, "errorReason": "settlement_pending", "transaction": "0xabc", "network": "eip155:84532"}),
    );
    for (settle, status) in [
        (vec![Err(NoAnswer::Deadline)], 504),
        (vec![Err(NoAnswer::Connection)], 502),
        (vec![reply(500, &json!({"error": "boom"}))], 502),
        (vec![reply(200, &json!({"success": true, "transaction": "0xabc", "network": "eip155:1"}))], 502),
        (vec![reply(200, &json!({"success": true, "transaction": "", "network": "eip155:84532"}))], 504),
        (vec![reply(503, &json!({"success": false}))], 504),
        (
            vec![reply(
                500,
                &json!({"success": false, "errorReason": "settle_exact_node_failure", "transaction": "0xabc"}),
            )],
            504,
        ),
        (
            vec![reply(
                200,
                &json!({"success": false, "errorReason": "invalid_exact_evm_transaction_failed", "transaction": "0xabc"}),
            )],
            504,
        ),
        (
            vec![reply(
                200,
                &json!({"success": false, "errorReason": "transaction_confirmation_timed_out", "transaction": ""}),
            )],
            504,
        ),
        (
            vec![reply(200, &json!({"success": false, "errorReason": "Timed out while waiting", "transaction": ""}))],
            504,
        ),
        (vec![reply(200, &json!({"success": false, "errorReason": "unexpected_settle_error"}))], 504),
        (vec![reply(200, &json!({"success": "yes"}))], 502),
        (vec![pending.clone(), pending.clone()], 504),
        (vec![pending, Err(NoAnswer::Connection)], 502),
    ] {
        let world = World::new();
        world.settle.replace(settle);
        let answer = world.ours(&v2("valid-baseSepolia"));
        assert_eq!(answer.status, status);
        assert_eq!(header(&answer, "Content-Type"), Some("application/problem+json"));
        assert!(answer.body.contains("do not sign again") && header(&answer, "Retry-After").is_some());
        assert!(header(&answer, "PAYMENT-REQUIRED").is_none());
        assert!(world.faults.borrow().last().unwrap().contains("outcome unknown"));
    }
}

#[test]
fn a_pending_settlement_is_asked_for_once_more_with_the_same_payload() {
    let world = World::new();
    let pending = reply(
        500,
        &json!({"success": false, "errorReason": "settlement_pending", "transaction": "0xabc", "network": "eip155:84532"}),
    );
    let settled = reply(200, &json!({"success": true, "transaction": "0xabc", "network": "eip155:84532"}));
    world.settle.replace(vec![pending, settled]);
    world.origins(&v2("valid-baseSepolia"));
    assert_eq!(world.calls(), [VERIFY, ORIGIN, SETTLE, SETTLE]);
    assert_eq!(world.sent.borrow()[1], world.sent.borrow()[2]);
}

#[test]
fn a_payment_that_expired_while_the_origin_worked_is_not_settled() {
    let mut world = World::new();
    world.origin_takes = 57;
    assert_eq!(error_of(&world, &v2("valid-baseSepolia")), "invalid_exact_evm_payload_authorization_valid_before");
    assert_eq!(world.calls(), [VERIFY, ORIGIN]);
}

#[test]
fn free_paths_go_through_byte_for_byte() {
    for target in ["/", "/a//b;c=d/%41%2f%zz?x=%zz&y=../..", "/caf%C3%A9", "//evil.example/x"] {
        let world = World::new();
        let (_, edits) = world.origins(&FakeRequest::get(&format!("https://api.example.com{target}")));
        assert!(edits.is_empty());
        assert_eq!(world.calls(), [format!("origin {target}")]);
        assert_eq!(world.forwarded.borrow().as_ref().unwrap().public_origin, "https://api.example.com");
    }
}

#[test]
fn a_path_that_would_change_on_the_way_is_refused() {
    for target in ["/a/../b", "/%2e%2e/b", "/a\\b", "/a#b"] {
        let world = World::new();
        assert_eq!(world.ours(&FakeRequest::get(&format!("https://api.example.com{target}"))).status, 400, "{target}");
    }
}

#[test]
fn method_overrides_do_not_escape_a_price() {
    let post = |url: &str| FakeRequest::new("POST", url);
    let dear = "https://api.example.com/dear/x";
    for name in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X_HTTP_METHOD_OVERRIDE"] {
        for value in ["get", "GET, x", "GET\u{e9}", ""] {
            assert_eq!(World::new().ours(&post(dear).with(name, value)).status, 402, "{name}: {value}");
        }
    }
    assert_eq!(World::new().ours(&post(&format!("{dear}?_method=GET"))).status, 402);
    assert_eq!(World::new().origins(&post(dear)).0.status, 200);
    assert_eq!(World::new().ours(&FakeRequest::new("PROPFIND", dear)).status, 402);
}

#[test]
fn only_a_preflight_is_answered_without_payment() {
    let options = FakeRequest::new("OPTIONS", URL);
    assert_eq!(World::new().ours(&options).status, 402);
    let preflight = options
        .with("Access-Control-Request-Method", "GET")
        .with("Access-Control-Request-Headers", "payment-signature, x-mine");
    let world = World::new();
    let answer = world.ours(&preflight);
    assert_eq!(answer.status, 204);
    let allowed = header(&answer, "Access-Control-Allow-Headers").unwrap();
    for name in
        ["payment-signature", "x-payment", "access-control-expose-headers", "sign-in-with-x", "content-type", "x-mine"]
    {
        assert!(allowed.contains(name), "{name}");
    }
    assert_eq!(world.calls(), [""; 0]);
    let free = FakeRequest::new("OPTIONS", "https://api.example.com/free").with("Access-Control-Request-Method", "GET");
    assert_eq!(World::new().origins(&free).0.status, 200);
}

#[test]
fn without_a_good_price_document_nothing_is_served() {
    let mut world = World::new();
    world.prices = Snapshot::unread().after_reading(Some("{"));
    for path in ["/", "/premium-data"] {
        assert_eq!(world.ours(&FakeRequest::get(&format!("https://api.example.com{path}"))).status, 503);
    }
    assert_eq!(world.ours(&FakeRequest::get("https://api.example.com/.x402/status")).status, 200);
    world.prices = world.prices.after_failure();
    assert_eq!(world.ours(&FakeRequest::get(URL)).status, 503);
}

#[test]
fn without_any_price_document_everything_is_free_and_the_status_says_so() {
    let mut world = World::new();
    world.prices = Snapshot::unread().after_reading(None);
    assert_eq!(world.origins(&FakeRequest::get(URL)).0.status, 200);
    let status: Value =
        serde_json::from_str(&world.ours(&FakeRequest::get("https://api.example.com/.x402/status")).body).unwrap();
    assert_eq!(status["routes"], 0);
    assert!(status["problems"][0]["problem"].as_str().unwrap().contains("nothing is priced"));
}

#[test]
fn the_status_tells_problems_without_quoting_the_document() {
    let mut world = World::new();
    let secret = common::PRICES.replace("https://facilitator.example/", "ftp://user:s3cret@facilitator.example/");
    world.prices = world.prices.after_reading(Some(&secret));
    let answer = world.ours(&FakeRequest::get("https://api.example.com/.x402/status"));
    assert!(!answer.body.contains("s3cret"));
    let status: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(status["routes"], 2);
    assert_eq!(status["problems"][0]["pointer"], "/facilitators/0");
}

#[test]
fn the_public_url_and_the_resource_name_what_is_sold() {
    let mut world = World::new();
    let document = common::PRICES.replacen('{', r#"{"publicUrl": "https://www.example.com/","#, 1);
    world.prices = Snapshot::unread().after_reading(Some(&document));
    let request = FakeRequest::get(URL).with("X-Forwarded-Host", "evil.example").with("Host", "evil.example");
    let required = decoded(&world.ours(&request), "PAYMENT-REQUIRED");
    assert_eq!(required["resource"]["url"], "https://www.example.com/premium-data");
}

#[test]
fn a_long_url_does_not_make_the_402_too_long_for_clients() {
    let url = |request: &str| {
        decoded(&World::new().ours(&FakeRequest::get(request)), "PAYMENT-REQUIRED")["resource"]["url"].clone()
    };
    assert_eq!(url(&format!("{URL}?{}", "q".repeat(12_000))), URL);
    assert_eq!(url(&format!("https://api.example.com/dear/{}", "x".repeat(12_000))), "https://api.example.com/");
}

#[test]
fn an_offer_that_does_not_match_is_told_before_a_changed_extension() {
    let mut world = World::new();
    let document = common::PRICES
        .replace(r#"{"price": "$0.01","#, r#"{"price": "$0.02", "extensions": {"a": {"info": {"x": 1}}},"#);
    world.prices = Snapshot::unread().after_reading(Some(&document));
    let mut payload = vectors("exact-eip3009")["vectors"][0]["paymentPayload"].clone();
    payload["extensions"] = json!({"a": {"info": {"x": 2}}});
    let request = FakeRequest::get(URL).with("PAYMENT-SIGNATURE", &http::encode_header(&payload));
    assert_eq!(error_of(&world, &request), "No matching payment requirements");
}

#[test]
fn extensions_are_advertised_and_their_echo_is_checked() {
    let mut world = World::new();
    let document = common::PRICES.replace(
        r#"{"price": "$0.01","#,
        r#"{"price": "$0.01", "extensions": {"bazaar": {"info": {"input": {"type": "http"}}}},"#,
    );
    world.prices = Snapshot::unread().after_reading(Some(&document));
    let required = decoded(&world.ours(&FakeRequest::get(URL)), "PAYMENT-REQUIRED");
    assert_eq!(required["extensions"]["bazaar"]["info"]["input"]["type"], "http");
    let mut payload = vectors("exact-eip3009")["vectors"][0]["paymentPayload"].clone();
    payload["extensions"] = json!({"bazaar": {"info": {"input": {"type": "mcp"}}}});
    let paid = FakeRequest::get(URL).with("PAYMENT-SIGNATURE", &http::encode_header(&payload));
    assert_eq!(error_of(&world, &paid), "extension_echo_mismatch");
}

#[test]
fn the_time_is_the_clocks() {
    let world = World::new();
    world.later(55);
    assert_eq!(error_of(&world, &v2("valid-baseSepolia")), "invalid_exact_evm_payload_authorization_valid_before");
}

#[test]
fn a_lost_settlement_is_resolved_by_the_same_payment_and_the_content_given() {
    let world = World::new();
    // Asked once, and again in three rounds while the client waits.
    world.settle.replace(vec![
        Err(NoAnswer::Connection),
        Err(NoAnswer::Connection),
        Err(NoAnswer::Connection),
        Err(NoAnswer::Connection),
        reply(200, &json!({"success": false, "errorReason": "invalid_exact_evm_nonce_already_used", "transaction": "", "network": "eip155:84532"})),
    ]);
    let payment = v2("valid-baseSepolia");
    assert_eq!(world.ours(&payment).status, 502);
    world.calls.borrow_mut().clear();
    let (answer, edits) = world.origins(&payment);
    assert_eq!(answer.status, 200);
    // Asked the facilitator with the identical payload, verified nothing, and ran the origin again.
    assert_eq!(world.calls(), [SETTLE, ORIGIN]);
    assert!(world.sent.borrow()[1..].windows(2).all(|sent| sent[0] == sent[1]));
    assert!(edits.set.iter().any(|(name, _)| *name == "PAYMENT-RESPONSE"));
    let key = |forward: &x402_edge::ports::Forward| {
        forward.edits.set.iter().find(|(name, _)| *name == "Idempotency-Key").unwrap().1.clone()
    };
    assert_eq!(key(world.forwarded.borrow().as_ref().unwrap()).len(), 64);
    // Delivered: it buys nothing more.
    let used = world.ours(&payment);
    assert_eq!(used.status, 402);
    assert_eq!(decoded(&used, "PAYMENT-RESPONSE")["success"], true);
}

#[test]
fn an_owed_payment_is_served_after_its_time_and_at_another_price() {
    let mut world = World::new();
    world.settle.replace(vec![
        Err(NoAnswer::Connection),
        Err(NoAnswer::Connection),
        Err(NoAnswer::Connection),
        Err(NoAnswer::Connection),
        reply(200, &json!({"success": true, "transaction": "0xabc", "network": "eip155:84532"})),
    ]);
    let payment = v2("valid-baseSepolia");
    assert_eq!(world.ours(&payment).status, 502);
    world.later(1000);
    world.prices = world.prices.after_reading(Some(&common::PRICES.replace("$0.01", "$0.05")));
    let (answer, _) = world.origins(&payment);
    assert_eq!(answer.status, 200);
    let forward = world.forwarded.borrow().clone().unwrap();
    assert!(forward.edits.set.contains(&("X-402-Amount", "10000".to_owned())));
    // A stranger's copy of an expired payment, changed by a digit, opens nothing.
    assert_eq!(world.ours(&v2("sig-wrong-signer")).status, 402);
}

#[test]
fn a_payment_is_owed_to_the_request_it_was_presented_for() {
    let world = World::new();
    let payment = v2("valid-baseSepolia");
    let x402_edge::gate::Answer::Origins { delivery: Some(ticket), .. } = world.serve(&payment) else {
        panic!("not served")
    };
    assert_eq!(world.ours(&payment).status, 409);
    let cut = |hold| x402_edge::ledger::Command::Delivered { hold, whole: false };
    common::now(ticket.tell(&world, cut)).unwrap();
    let mut elsewhere = v2("valid-baseSepolia");
    elsewhere.url += "?other";
    assert_eq!(world.ours(&elsewhere).status, 409);
    let mut other_host = v2("valid-baseSepolia");
    other_host.url = other_host.url.replace("api.example.com", "dear.example.com");
    assert_eq!(world.ours(&other_host).status, 409);
    assert_eq!(world.ours(&v2("valid-baseSepolia").with("Range", "bytes=0-0")).status, 409);
    world.calls.borrow_mut().clear();
    assert_eq!(world.origins(&payment).0.status, 200);
    assert_eq!(world.calls(), [ORIGIN]);
}

#[test]
fn an_origin_that_fails_when_the_content_is_owed_leaves_it_owed() {
    let mut world = World::new();
    let payment = v2("valid-baseSepolia");
    let x402_edge::gate::Answer::Origins { delivery: Some(ticket), .. } = world.serve(&payment) else {
        panic!("not served")
    };
    common::now(ticket.tell(&world, |hold| x402_edge::ledger::Command::Delivered { hold, whole: false })).unwrap();
    for origin in [Ok(FakeAnswer { status: 500, headers: vec![] }), Err(NoAnswer::Deadline)] {
        world.origin = origin;
        let status = match world.serve(&payment) {
            x402_edge::gate::Answer::Ours(answer) => answer.status,
            x402_edge::gate::Answer::Origins { answer, .. } => answer.status,
            x402_edge::gate::Answer::Kept(answer) => answer.status,
        };
        assert!([500, 504].contains(&status));
    }
    world.origin = Ok(FakeAnswer { status: 200, headers: vec![] });
    assert_eq!(world.origins(&payment).0.status, 200);
    assert_eq!(world.calls().iter().filter(|call| *call == SETTLE).count(), 1);
}

#[test]
fn without_the_ledger_nothing_is_begun() {
    let world = World::new();
    world.ledger_down.set(true);
    let answer = world.ours(&v2("valid-baseSepolia"));
    assert_eq!(answer.status, 503);
    assert!(header(&answer, "Retry-After").is_some());
    assert_eq!(world.calls(), [""; 0]);
}

#[test]
fn what_was_not_charged_may_be_presented_again() {
    let mut world = World::new();
    world.origin = Ok(FakeAnswer { status: 500, headers: vec![] });
    let payment = v2("valid-baseSepolia");
    assert_eq!(world.origins(&payment).0.status, 500);
    world.verify.replace(vec![Err(NoAnswer::Connection), reply(200, &json!({"isValid": true}))]);
    assert_eq!(world.ours(&payment).status, 503);
    world.origin = Ok(FakeAnswer { status: 200, headers: vec![] });
    assert_eq!(world.origins(&payment).0.status, 200);
}

#[test]
fn a_site_without_the_binding_still_sells() {
    let mut world = World::new();
    world.with_ledger = false;
    assert_eq!(world.origins(&v2("valid-baseSepolia")).0.status, 200);
    assert_eq!(world.calls(), [VERIFY, ORIGIN, SETTLE]);
}

/// The payment of the vectors, named.
fn named(id: &Value, required: bool) -> FakeRequest {
    let mut payload = vectors("exact-eip3009")["vectors"][0]["paymentPayload"].clone();
    payload["extensions"] = json!({"payment-identifier": {"info": {"required": required, "id": id}}});
    FakeRequest::get(URL).with("PAYMENT-SIGNATURE", &http::encode_header(&payload))
}

fn pay_1() -> Value {
    json!("pay_0123456789abcdef")
}

#[test]
fn payment_identifiers_are_advertised_where_there_is_a_ledger() {
    let mut world = World::new();
    let advertised = |world: &World| {
        decoded(&world.ours(&FakeRequest::get(URL)), "PAYMENT-REQUIRED")["extensions"]["payment-identifier"].clone()
    };
    assert_eq!(advertised(&world)["info"], json!({"required": false}));
    world.with_ledger = false;
    assert_eq!(advertised(&world), Value::Null);
}

#[test]
fn the_same_identifier_with_the_same_payment_gets_the_same_answer() {
    let world = World::new();
    assert_eq!(world.origins(&named(&pay_1(), false)).0.status, 200);
    let calls = world.calls();
    let kept = world.kept(&named(&pay_1(), false));
    assert_eq!((kept.status, kept.body.as_str()), (200, "b2s="));
    // Also when the payment has expired since.
    world.later(100);
    world.kept(&named(&pay_1(), false));
    assert_eq!(world.calls(), calls, "nobody was asked");
}

#[test]
fn an_identifier_with_another_payment_or_for_another_request_is_a_conflict() {
    let world = World::new();
    world.origins(&named(&pay_1(), false));
    let mut elsewhere = named(&pay_1(), false);
    elsewhere.url += "?other";
    assert_eq!(world.ours(&elsewhere).status, 409);
    let mut other = vectors("exact-eip3009")["vectors"]
        .as_array()
        .unwrap()
        .iter()
        .find(|vector| vector["id"] == "valid-zero-nonce")
        .unwrap()["paymentPayload"]
        .clone();
    other["extensions"] = json!({"payment-identifier": {"info": {"required": false, "id": pay_1()}}});
    let calls = world.calls().len();
    let answer = world.ours(&FakeRequest::get(URL).with("PAYMENT-SIGNATURE", &http::encode_header(&other)));
    assert_eq!(answer.status, 409);
    assert!(answer.body.contains("nothing was charged"));
    assert_eq!(world.calls().len(), calls);
}

#[test]
fn an_identifier_whose_payment_cost_nothing_takes_another_payment() {
    let mut world = World::new();
    world.origin = Ok(FakeAnswer { status: 500, headers: vec![] });
    assert_eq!(world.origins(&named(&pay_1(), false)).0.status, 500);
    assert!(world.identified.borrow().is_empty());
}

#[test]
fn a_payment_whose_long_answer_was_not_kept_is_told_so_and_not_asked_to_sign_again() {
    let world = World::new();
    let x402_edge::gate::Answer::Origins { delivery: Some(ticket), .. } = world.serve(&named(&pay_1(), false)) else {
        panic!("not served")
    };
    common::now(ticket.tell(&world, |hold| x402_edge::ledger::Command::Delivered { hold, whole: true })).unwrap();
    let answer = world.ours(&named(&pay_1(), false));
    assert_eq!(answer.status, 409);
    assert_eq!(decoded(&answer, "PAYMENT-RESPONSE")["success"], true);
}

#[test]
fn a_missing_or_malformed_identifier_is_a_malformed_request() {
    let mut world = World::new();
    assert_eq!(world.ours(&named(&json!("short"), false)).status, 400);
    let required = r#"{"price": "$0.01", "extensions": {"payment-identifier": {"info": {"required": true}}},"#;
    let document = common::PRICES.replace(r#"{"price": "$0.01","#, required);
    world.prices = Snapshot::unread().after_reading(Some(&document));
    let missing = world.ours(&v2("valid-baseSepolia"));
    assert_eq!(missing.status, 400);
    assert!(missing.body.contains("requires a payment identifier"));
    assert_eq!(world.calls(), [""; 0]);
    assert_eq!(world.origins(&named(&pay_1(), true)).0.status, 200);
}
