//! Payments by Permit2: `exact` and `upto`, through the gate.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{FakeAnswer, FakeRequest, World, decoded, reply, vectors};
use serde_json::{Value, json};
use x402_edge::{evm::keccak256, gate::Answer, ports::NoAnswer, prices::Snapshot, transports::http};

const URL: &str = "https://api.example.com/premium-data";
const SUPPORTED: &str = "https://facilitator.example/supported";
const VERIFY: &str = "https://facilitator.example/verify";
const SETTLE: &str = "https://facilitator.example/settle";
const ORIGIN: &str = "origin /premium-data";
const PAYER: &str = "19e7e376e7c213b7e7e7e46cc70a5dd086daff2a";
/// The vectors' facilitator.
const FACILITATOR: &str = "0x7564105E977516C53bE337314c7E53838967bDaC";

fn vector(scheme: &str, id: &str) -> Value {
    let file = vectors(scheme);
    file["vectors"].as_array().unwrap().iter().find(|vector| vector["id"] == id).unwrap().clone()
}

fn paid(vector: &Value) -> FakeRequest {
    FakeRequest::get(URL).with("PAYMENT-SIGNATURE", vector["header"].as_str().unwrap())
}

/// A world whose one route makes this offer, with these keys in its price document.
fn world(offer: &Value, keys: &str) -> World {
    let mut world = World::new();
    let document = json!({
        "payTo": "0x5CbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB", "network": "eip155:84532",
        "facilitators": ["https://facilitator.example"], "routes": {"/premium-data": offer},
    });
    world.prices = Snapshot::unread().after_reading(Some(&document.to_string().replacen('{', &format!("{{{keys}"), 1)));
    assert_eq!(world.prices.problems(), []);
    world
}

fn exact() -> World {
    exact_with("")
}

fn exact_with(keys: &str) -> World {
    world(&json!({"price": "$0.01", "maxTimeoutSeconds": 60, "extra": {"assetTransferMethod": "permit2"}}), keys)
}

fn upto() -> World {
    let world = world(&json!({"scheme": "upto", "price": "$5"}), "");
    *world.supported.borrow_mut() = supported(FACILITATOR);
    world
}

fn supported(address: &str) -> Result<x402_edge::ports::Reply, NoAnswer> {
    let kind = |scheme: &str, extra: Value| json!({"x402Version": 2, "scheme": scheme, "network": "eip155:84532", "extra": extra});
    let kinds = [kind("exact", json!({})), kind("upto", json!({"facilitatorAddress": address}))];
    reply(200, &json!({"kinds": kinds, "extensions": ["eip2612GasSponsoring", "bazaar"], "signers": {}}))
}

/// What the origin answers.
fn says(world: &mut World, headers: Vec<(&'static str, &'static str)>) {
    world.origin = Ok(FakeAnswer { status: 200, headers });
}

fn receipt(edits: &x402_edge::ports::HeaderEdits) -> Value {
    let (_, receipt) = edits.set.iter().find(|(name, _)| *name == "PAYMENT-RESPONSE").unwrap();
    serde_json::from_slice(&http::decode_header("x", receipt).unwrap()).unwrap()
}

#[track_caller]
fn error(world: &World, request: &FakeRequest) -> (u16, String) {
    let answer = world.ours(request);
    (answer.status, decoded(&answer, "PAYMENT-REQUIRED")["error"].as_str().unwrap().to_owned())
}

#[test]
fn a_payment_by_permit2_is_verified_served_and_settled() {
    let (world, vector) = (exact(), vector("exact-permit2", "valid"));
    let (_, edits) = world.origins(&paid(&vector));
    assert_eq!(world.calls(), [VERIFY, ORIGIN, SETTLE]);
    assert_eq!(receipt(&edits)["transaction"], "0xabc");
    assert_eq!(receipt(&edits).get("amount"), None);
    let sent = world.sent.borrow();
    assert_eq!(sent[0]["paymentPayload"]["payload"], vector["paymentPayload"]["payload"]);
    assert_eq!(sent[0], sent[1]);
    drop(sent);
    // Once and only once.
    assert_eq!(error(&world, &paid(&vector)).0, 402);
    assert_eq!(world.calls().len(), 3);
}

#[test]
fn a_nonce_in_hexadecimal_is_the_same_payment() {
    let world = exact();
    let mut vector = vector("exact-permit2", "lenient-hex-nonce");
    world.origins(&paid(&vector));
    let text = world.sent.borrow()[0]["paymentPayload"]["payload"]["permit2Authorization"]["nonce"].clone();
    assert!(text.as_str().unwrap().bytes().all(|digit| digit.is_ascii_digit()), "{text}");
    vector["paymentPayload"]["payload"]["permit2Authorization"]["nonce"] = text;
    let again = FakeRequest::get(URL).with("PAYMENT-SIGNATURE", &http::encode_header(&vector["paymentPayload"]));
    assert_eq!(world.ours(&again).status, 402);
    assert_eq!(world.calls(), [VERIFY, ORIGIN, SETTLE]);
}

#[test]
fn a_missing_allowance_is_a_failed_precondition() {
    let world = exact();
    world.verify.replace(vec![reply(200, &json!({"isValid": false, "invalidReason": "permit2_allowance_required"}))]);
    let request = paid(&vector("exact-permit2", "valid"));
    assert_eq!(error(&world, &request), (412, "permit2_allowance_required".to_owned()));
    // Then it is good, with the same signature.
    world.verify.replace(vec![reply(200, &json!({"isValid": true}))]);
    assert_eq!(world.origins(&request).0.status, 200);
}

#[test]
fn an_eip_3009_payload_does_not_pay_an_offer_by_permit2() {
    let world = exact();
    let mut payload = vector("exact-permit2", "valid")["paymentPayload"].clone();
    payload["payload"] = vectors("exact-eip3009")["vectors"][0]["paymentPayload"]["payload"].clone();
    let request = FakeRequest::get(URL).with("PAYMENT-SIGNATURE", &http::encode_header(&payload));
    assert_eq!(error(&world, &request), (402, "unsupported_payload_type".to_owned()));
    payload["payload"]["permit2Authorization"] =
        vector("exact-permit2", "valid")["paymentPayload"]["payload"]["permit2Authorization"].clone();
    let request = FakeRequest::get(URL).with("PAYMENT-SIGNATURE", &http::encode_header(&payload));
    assert_eq!(error(&world, &request), (402, "unsupported_payload_type".to_owned()));
    assert!(world.calls().is_empty());
}

#[test]
fn gas_sponsoring_is_announced_where_the_facilitator_has_it_and_passed_on_as_it_came() {
    let world = exact();
    let extensions = |world: &World| {
        let required = decoded(&world.ours(&FakeRequest::get(URL)), "PAYMENT-REQUIRED");
        required["extensions"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(extensions(&world), ["payment-identifier"]);
    let said = serde_json::from_str(&supported(FACILITATOR).unwrap().body).unwrap();
    world.roster.learn("https://facilitator.example", said, x402_edge::time::UnixTime(common::NOW));
    assert_eq!(extensions(&world), ["eip2612GasSponsoring", "payment-identifier"]);
    let mut payload = vector("exact-permit2", "valid")["paymentPayload"].clone();
    let declared = decoded(&world.ours(&FakeRequest::get(URL)), "PAYMENT-REQUIRED")["extensions"].clone();
    payload["extensions"] = declared;
    payload["extensions"]["eip2612GasSponsoring"]["info"]["signature"] = json!("0x1234");
    payload["extensions"]["theirs"] = json!({"any": ["thing"]});
    world.origins(&FakeRequest::get(URL).with("PAYMENT-SIGNATURE", &http::encode_header(&payload)));
    for sent in world.sent.borrow().iter() {
        assert_eq!(sent["paymentPayload"]["extensions"], payload["extensions"]);
    }
    // Without an offer by Permit2 nobody can use it.
    let eip3009 = World::new();
    let said = serde_json::from_str(&supported(FACILITATOR).unwrap().body).unwrap();
    eip3009.roster.learn("https://facilitator.example/", said, x402_edge::time::UnixTime(common::NOW));
    assert_eq!(extensions(&eip3009), ["payment-identifier"]);
}

#[test]
fn tokens_that_only_permit2_moves_can_be_sold_for() {
    let world = world(&json!({"price": "0.01", "network": "eip155:4326"}), "");
    let required = decoded(&world.ours(&FakeRequest::get(URL)), "PAYMENT-REQUIRED");
    assert_eq!(required["accepts"][0]["amount"], "10000000000000000");
    assert_eq!(required["accepts"][0]["extra"]["assetTransferMethod"], "permit2");
    assert_eq!(world.ours(&FakeRequest::get(URL)).body, "{}", "nothing of it for v1 clients");
}

#[test]
fn an_upto_offer_is_left_out_until_the_facilitator_is_known_and_waited_for_only_where_it_is_all_there_is() {
    let world = world(&json!({"accepts": [{"scheme": "upto", "price": "$5"}, {"price": "$1"}]}), "");
    let schemes = || {
        let required = decoded(&world.ours(&FakeRequest::get(URL)), "PAYMENT-REQUIRED");
        required["accepts"].as_array().unwrap().iter().map(|offer| offer["scheme"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(schemes(), ["exact"]);
    assert!(world.calls().is_empty());
    let only = upto();
    *only.supported.borrow_mut() = Err(NoAnswer::Deadline);
    for _ in 0..2 {
        let answer = only.ours(&FakeRequest::get(URL));
        assert_eq!(answer.status, 503);
        assert!(answer.headers.iter().any(|(name, value)| *name == "Retry-After" && value == "2"));
    }
    assert_eq!(only.calls(), [SUPPORTED], "whoever comes in the same moment does not wait");
    only.later(2);
    *only.supported.borrow_mut() = supported(FACILITATOR);
    let required = decoded(&only.ours(&FakeRequest::get(URL)), "PAYMENT-REQUIRED");
    assert_eq!(required["accepts"][0]["extra"]["facilitatorAddress"], FACILITATOR);
    assert_eq!(only.ours(&FakeRequest::get(URL)).status, 402);
    assert_eq!(only.calls(), [SUPPORTED, SUPPORTED], "from then on it is known");
    let said = serde_json::from_str(&supported(FACILITATOR).unwrap().body).unwrap();
    world.roster.learn("https://facilitator.example", said, x402_edge::time::UnixTime(common::NOW));
    assert_eq!(schemes(), ["upto", "exact"]);
    let required = decoded(&world.ours(&FakeRequest::get(URL)), "PAYMENT-REQUIRED");
    assert_eq!(required["accepts"][0]["extra"]["facilitatorAddress"], FACILITATOR);
    assert_eq!(required["accepts"][0]["extra"]["assetTransferMethod"], "permit2");
}

#[test]
fn upto_charges_what_the_origin_says() {
    for (headers, amount) in [
        (vec![], "5000000"),
        (vec![("Settlement-Overrides", r#"{"amount":"2350000"}"#)], "2350000"),
        (vec![("Settlement-Overrides", r#"{"amount":"37.5%"}"#)], "1875000"),
        (vec![("Settlement-Overrides", r#"{"amount":"$0.05"}"#)], "50000"),
        (vec![("PAYMENT-SETTLEMENT", r#"{"amount":"7"}"#)], "7"),
    ] {
        let mut world = upto();
        says(&mut world, headers);
        let (_, edits) = world.origins(&paid(&vector("upto-permit2", "valid-partial-settle")));
        assert_eq!(world.calls(), [SUPPORTED, VERIFY, ORIGIN, SETTLE]);
        let sent = world.sent.borrow();
        assert_eq!(sent[0]["paymentRequirements"]["amount"], "5000000", "verified for the maximum");
        assert_eq!(sent[1]["paymentRequirements"]["amount"], amount);
        assert_eq!(sent[1]["paymentPayload"], sent[0]["paymentPayload"]);
        assert_eq!(sent[1]["paymentPayload"]["accepted"]["amount"], "5000000");
        assert_eq!(receipt(&edits)["amount"], amount);
        for name in ["Settlement-Overrides", "PAYMENT-SETTLEMENT"] {
            assert!(edits.remove.iter().any(|gone| gone == name), "{name} is not the client's");
        }
        assert_eq!(world.faults.borrow().as_slice(), [] as [String; 0]);
    }
}

#[test]
fn more_than_the_maximum_is_never_asked_for_and_odd_words_are_told() {
    for (headers, amount, told) in [
        (vec![("Settlement-Overrides", r#"{"amount":"5000001"}"#)], "5000000", "more than was signed"),
        (vec![("Settlement-Overrides", "lots")], "5000000", "cannot be read"),
        (
            vec![("Settlement-Overrides", r#"{"amount":"9"}"#), ("PAYMENT-SETTLEMENT", "8")],
            "8",
            "say different amounts",
        ),
    ] {
        let mut world = upto();
        says(&mut world, headers);
        world.origins(&paid(&vector("upto-permit2", "valid-partial-settle")));
        assert_eq!(world.sent.borrow()[1]["paymentRequirements"]["amount"], amount);
        let faults = world.faults.borrow().join("\n");
        assert!(faults.contains(told), "{faults}");
    }
}

#[test]
fn a_client_cannot_say_what_was_used_and_an_exact_price_is_what_it_is() {
    let world = upto();
    let request = paid(&vector("upto-permit2", "valid-full-settle")).with("Settlement-Overrides", r#"{"amount":"0"}"#);
    world.origins(&request);
    assert_eq!(world.sent.borrow()[1]["paymentRequirements"]["amount"], "5000000");
    let removed = world.forwarded.borrow().clone().unwrap().edits.remove;
    assert!(removed.iter().any(|name| name == "settlement-overrides"), "{removed:?}");
    let mut world = exact();
    says(&mut world, vec![("Settlement-Overrides", r#"{"amount":"1"}"#)]);
    world.origins(&paid(&vector("exact-permit2", "valid")));
    assert_eq!(world.sent.borrow()[1]["paymentRequirements"]["amount"], "10000");
}

#[test]
fn upto_is_settled_afterwards_also_where_other_offers_are_paid_first() {
    let offers = json!([{"scheme": "upto", "price": "$5"}, {"price": "$1"}]);
    let mut world = world(&json!({"accepts": offers, "settle": "upfront"}), "");
    *world.supported.borrow_mut() = supported(FACILITATOR);
    says(&mut world, vec![("Settlement-Overrides", r#"{"amount":"3"}"#)]);
    world.origins(&paid(&vector("upto-permit2", "valid-full-settle")));
    assert_eq!(world.calls(), [SUPPORTED, VERIFY, ORIGIN, SETTLE]);
    assert_eq!(world.sent.borrow()[1]["paymentRequirements"]["amount"], "3");
    let required = decoded(&world.ours(&FakeRequest::get(URL)), "PAYMENT-REQUIRED");
    let flows: Vec<_> =
        required["accepts"].as_array().unwrap().iter().map(|o| o["extra"]["paymentFlow"].clone()).collect();
    assert_eq!(flows, [json!(null), json!("upfront")]);
}

#[test]
fn a_payer_who_is_trusted_and_has_not_approved_permit2_is_told_so() {
    let world = world(
        &json!({"price": "$0.01", "maxTimeoutSeconds": 60, "verify": "never", "extra": {"assetTransferMethod": "permit2"}}),
        "",
    );
    world.settle.replace(vec![reply(200, &json!({"success": false, "errorReason": "permit2_allowance_required"}))]);
    let request = paid(&vector("exact-permit2", "valid"));
    assert_eq!(error(&world, &request), (412, "permit2_allowance_required".to_owned()));
    assert_eq!(world.calls(), [ORIGIN, SETTLE]);
}

#[test]
fn nothing_used_costs_nothing_and_spends_the_authorization() {
    let mut world = upto();
    says(&mut world, vec![("Settlement-Overrides", r#"{"amount":"0"}"#)]);
    let request = paid(&vector("upto-permit2", "valid-zero-settle"));
    let (_, edits) = world.origins(&request);
    assert_eq!(world.calls(), [SUPPORTED, VERIFY, ORIGIN], "there is nothing to settle");
    let receipt = receipt(&edits);
    assert_eq!(
        (&receipt["success"], &receipt["transaction"], &receipt["amount"]),
        (&json!(true), &json!(""), &json!("0"))
    );
    assert_eq!(world.ours(&request).status, 402);
    assert_eq!(world.calls(), [SUPPORTED, VERIFY, ORIGIN]);
}

#[test]
fn an_origin_that_fails_is_not_paid_whatever_it_says() {
    let mut world = upto();
    world.origin = Ok(FakeAnswer { status: 500, headers: vec![("Settlement-Overrides", r#"{"amount":"9"}"#)] });
    let request = paid(&vector("upto-permit2", "valid-full-settle"));
    assert_eq!(world.origins(&request).0.status, 500);
    assert_eq!(world.calls(), [SUPPORTED, VERIFY, ORIGIN]);
    says(&mut world, vec![]);
    assert_eq!(world.origins(&request).0.status, 200, "the same authorization is good again");
}

#[test]
fn only_our_facilitators_may_be_named() {
    let world = upto();
    *world.supported.borrow_mut() = supported("0x1563915e194D8CfBA1943570603F7606A3115508");
    let request = paid(&vector("upto-permit2", "valid-full-settle"));
    assert_eq!(error(&world, &request), (402, "upto_facilitator_mismatch".to_owned()));
    assert_eq!(world.calls(), [SUPPORTED]);
    // Nobody knows: the payment may be good, so nothing invites to sign another.
    let world = upto();
    *world.supported.borrow_mut() = Err(NoAnswer::Deadline);
    assert_eq!(world.ours(&request).status, 503);
    // A forged one asks nobody anything.
    let world = upto();
    let forged = paid(&vector("upto-permit2", "wrong-signer"));
    assert_eq!(error(&world, &forged).0, 402);
    assert_eq!(world.calls(), [SUPPORTED], "for the terms, not for the payment");
}

/// Permit2's word for the vector's nonce, and one transfer to us in a transaction that calls the proxy with it.
fn chain(vector: &Value, spent: bool, paid_us: bool, revoked: bool) -> impl Fn(&Value) -> Value + use<> {
    let topic = |text: &str| format!("0x{}", hex::encode(keccak256(text.as_bytes())));
    let word = |text: &str| format!("{:0>64}", text.trim_start_matches("0x").to_lowercase());
    let authorization = vector["paymentPayload"]["payload"]["permit2Authorization"].clone();
    let nonce: x402_edge::evm::Uint256 = authorization["nonce"].as_str().unwrap().parse().unwrap();
    let nonce = nonce.to_be_bytes();
    let mut mask = [0; 32];
    mask[31 - usize::from(nonce[31] / 8)] = 1 << (nonce[31] % 8);
    let place = format!("00{}", hex::encode(&nonce[..31]));
    let call = format!("{}{place}", word(PAYER));
    let input = format!(
        "0x12345678{}{:064x}{}{:064x}{}",
        word("0x036CbD53842c5426634e7929541eC2318f3dCF7e"),
        10_000,
        hex::encode(nonce),
        1_790_000_060,
        word(PAYER),
    );
    let transfer = topic("Transfer(address,address,uint256)");
    move |body: &Value| match body["method"].as_str().unwrap() {
        "eth_call" => {
            let data = body["params"][0]["data"].as_str().unwrap();
            assert_eq!(body["params"][0]["to"], "0x000000000022D473030F116dDEE9F6B43aC78BA3");
            assert!(data.ends_with(&call), "{data}");
            // All other nonces of the word are spent, too.
            let unspent: Vec<u8> = mask.iter().map(|byte| !byte).collect();
            json!(format!("0x{}", if spent { hex::encode(mask) } else { hex::encode(unspent) }))
        }
        "eth_blockNumber" => json!("0x100"),
        "eth_getLogs" if body["params"][0]["topics"][0] == json!(transfer) => {
            if paid_us {
                json!([{"transactionHash": "0xfound", "data": format!("0x{:064x}", 10_000)}])
            } else {
                json!([])
            }
        }
        "eth_getLogs" => {
            if revoked {
                json!([{"data": format!("0x{place}{}", hex::encode(mask))}])
            } else {
                json!([])
            }
        }
        "eth_getTransactionByHash" => json!({"to": "0x402085c248eea27d92e8b30b2c58ed07f9e20001", "input": input}),
        "eth_getBlockByNumber" => json!({"timestamp": "0x1"}),
        other => panic!("{other}"),
    }
}

const RPC: &str = r#""rpc": {"eip155:84532": ["https://rpc.example"]},"#;

#[test]
fn a_refused_settlement_by_permit2_is_held_against_the_chain() {
    let vector = vector("exact-permit2", "valid");
    let refused = || vec![reply(200, &json!({"success": false, "errorReason": "permit2_simulation_failed"}))];
    // Somebody else has brought it to the chain: we were paid.
    let world = exact_with(RPC);
    world.settle.replace(refused());
    world.answer_chain(chain(&vector, true, true, false));
    let (_, edits) = world.origins(&paid(&vector));
    assert_eq!(receipt(&edits)["transaction"], "0xfound");
    // Not spent, revoked, or spent on something else: we were not.
    for (spent, revoked) in [(false, false), (true, true), (true, false)] {
        let world = exact_with(RPC);
        world.settle.replace(refused());
        world.answer_chain(chain(&vector, spent, false, revoked));
        assert_eq!(error(&world, &paid(&vector)), (402, "permit2_simulation_failed".to_owned()));
    }
}

#[test]
fn a_lost_settlement_by_permit2_is_found_on_chain() {
    let vector = vector("exact-permit2", "valid");
    let world = exact_with(RPC);
    world.settle.replace(vec![Err(NoAnswer::Connection)]);
    world.answer_chain(chain(&vector, true, true, false));
    let answer = world.serve(&paid(&vector));
    let Answer::Origins { edits, .. } = answer else { panic!("{answer:?}") };
    assert_eq!(receipt(&edits)["transaction"], "0xfound");
    assert_eq!(world.calls(), [VERIFY, ORIGIN, SETTLE], "the facilitator is not asked twice");
}

#[test]
fn without_a_chain_to_ask_a_second_refusal_by_permit2_proves_nothing() {
    let vector = vector("exact-permit2", "valid");
    let world = exact();
    let refused = reply(200, &json!({"success": false, "errorReason": "permit2_simulation_failed"}));
    world.settle.replace(vec![Err(NoAnswer::Connection), refused]);
    assert_eq!(world.ours(&paid(&vector)).status, 504);
    world.later(300);
    world.alarm();
    assert_eq!(world.ours(&paid(&vector)).status, 504, "money may have moved: never a 402");
}
