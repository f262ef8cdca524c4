//! The ledger's clerk: what happens to a settlement when answers get lost, clients leave and objects restart.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{FakeRequest, World, decoded, reply, vectors};
use serde_json::{Value, json};
use x402_edge::{evm::keccak256, gate::Answer, ports::NoAnswer, prices::Snapshot, transports::http};

const URL: &str = "https://api.example.com/premium-data";
const PAYER: &str = "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a";
const LOST: Result<x402_edge::ports::Reply, NoAnswer> = Err(NoAnswer::Connection);

/// A payment that its payer signed for ever, so that only the ledger's rules end it.
fn payment() -> FakeRequest {
    let file = vectors("exact-eip3009");
    let vector =
        file["vectors"].as_array().unwrap().iter().find(|vector| vector["id"] == "valid-max-validBefore").unwrap();
    let header = vector["header"].clone();
    FakeRequest::get(URL).with("PAYMENT-SIGNATURE", header.as_str().unwrap())
}

/// A world with these keys in its price document.
fn with(keys: &str) -> World {
    let mut world = World::new();
    world.prices = Snapshot::unread().after_reading(Some(&common::PRICES.replacen('{', &format!("{{{keys},"), 1)));
    assert_eq!(world.prices.problems(), []);
    world
}

fn two_facilitators() -> World {
    let mut world = World::new();
    let document =
        common::PRICES.replace(r#""https://facilitator.example/""#, r#""https://one.example", "https://two.example""#);
    let document = document.replacen('{', r#"{"rpc": {"eip155:84532": ["https://rpc.example"]},"#, 1);
    world.prices = Snapshot::unread().after_reading(Some(&document));
    assert_eq!(world.prices.problems(), []);
    world
}

fn settled() -> Result<x402_edge::ports::Reply, NoAnswer> {
    reply(200, &json!({"success": true, "transaction": "0xabc", "network": "eip155:84532"}))
}

#[track_caller]
fn status(world: &World) -> u16 {
    match world.serve(&payment()) {
        Answer::Ours(answer) => answer.status,
        Answer::Origins { answer, .. } => answer.status,
        Answer::Kept(answer) => answer.status,
    }
}

/// The transaction in the receipt of an answer.
#[track_caller]
fn transaction(world: &World) -> String {
    let (_, edits) = world.origins(&payment());
    let (_, receipt) = edits.set.iter().find(|(name, _)| *name == "PAYMENT-RESPONSE").unwrap();
    let receipt: Value = serde_json::from_slice(&http::decode_header("x", receipt).unwrap()).unwrap();
    receipt["transaction"].as_str().unwrap().to_owned()
}

fn word(digits: &str) -> String {
    format!("0x{digits:0>64}")
}

fn topic(signature: &str) -> String {
    format!("0x{}", hex::encode(keccak256(signature.as_bytes())))
}

/// A chain on which the authorization is used (or cancelled) in transaction 0xfeed.
fn chain_with(question: &Value, event: &str, paid_us: bool) -> Value {
    match question["method"].as_str().unwrap() {
        "eth_call" => json!(word("1")),
        "eth_blockNumber" => json!("0x10"),
        "eth_getLogs" if question["params"][0]["topics"][0].is_array() => {
            json!([{"topics": [topic(event), word(&PAYER[2..])], "transactionHash": "0xfeed", "blockNumber": "0xf"}])
        }
        "eth_getLogs" if paid_us => {
            let amount = word("2710");
            assert_eq!(question["params"][0]["fromBlock"], "0xf");
            json!([{"topics": [], "transactionHash": "0xfeed", "blockNumber": "0xf", "data": amount}])
        }
        "eth_getLogs" => json!([]),
        other => panic!("{other}"),
    }
}

fn used(question: &Value) -> Value {
    chain_with(question, "AuthorizationUsed(address,bytes32)", true)
}

fn used_elsewhere(question: &Value) -> Value {
    chain_with(question, "AuthorizationUsed(address,bytes32)", false)
}

fn canceled(question: &Value) -> Value {
    chain_with(question, "AuthorizationCanceled(address,bytes32)", false)
}

fn unused(_: &Value) -> Value {
    json!(word("0"))
}

const RPC: &str = r#""rpc": {"eip155:84532": ["https://rpc.example"]}"#;

#[test]
fn the_chain_decides_at_once_where_it_can_be_asked() {
    let world = with(RPC);
    world.settle.replace(vec![LOST]);
    world.chain.replace(Some(used));
    assert_eq!(transaction(&world), "0xfeed");
    let settles = world.calls().iter().filter(|call| call.ends_with("/settle")).count();
    assert_eq!(settles, 1, "nobody was asked to settle again");
}

#[test]
fn a_nonce_that_its_payer_cancelled_or_spent_elsewhere_pays_nothing() {
    for chain in [canceled as fn(&Value) -> Value, used_elsewhere] {
        let world = with(RPC);
        world.settle.replace(vec![LOST]);
        world.chain.replace(Some(chain));
        let answer = world.ours(&payment());
        assert_eq!(answer.status, 402);
        assert_eq!(decoded(&answer, "PAYMENT-RESPONSE")["success"], false);
    }
}

#[test]
fn a_used_nonce_counts_for_the_payer_where_the_chain_cannot_be_asked() {
    let world = World::new();
    let used = json!({"success": false, "errorReason": "invalid_exact_evm_nonce_already_used", "transaction": "", "network": "eip155:84532"});
    world.settle.replace(vec![LOST, reply(200, &used)]);
    assert_eq!(transaction(&world), "");
}

#[test]
fn a_refusal_after_a_lost_answer_counts_only_when_nothing_can_be_under_way() {
    let world = World::new();
    let refused = json!({"success": false, "errorReason": "invalid_exact_evm_insufficient_balance", "transaction": "", "network": "eip155:84532"});
    world.settle.replace(vec![LOST, reply(200, &refused)]);
    assert_eq!(status(&world), 504);
    world.later(30);
    assert_eq!(status(&world), 504, "a transaction of the first attempt may still be mined");
    world.later(200);
    assert_eq!(status(&world), 402);
}

#[test]
fn what_is_unknown_is_resolved_by_the_alarm_without_the_client() {
    let world = World::new();
    world.settle.replace(vec![LOST, LOST, LOST, LOST, settled()]);
    assert_eq!(status(&world), 502);
    world.later(3);
    world.alarm();
    let calls = world.calls().len();
    assert_eq!(transaction(&world), "0xabc");
    assert_eq!(world.calls()[calls..], ["origin /premium-data"], "settled already: only the content was owed");
}

#[test]
fn a_settlement_that_a_restart_cut_off_is_resolved_by_the_next_who_presents_it() {
    let world = World::new();
    world.settle.replace(vec![LOST, LOST, LOST, LOST, settled()]);
    assert_eq!(status(&world), 502);
    world.restart();
    assert_eq!(transaction(&world), "0xabc");
}

#[test]
fn settling_moves_to_another_facilitator_only_when_the_chain_knows_of_nothing_and_nothing_is_under_way() {
    let world = two_facilitators();
    world.chain.replace(Some(unused));
    world.settle.replace(vec![LOST]);
    assert_eq!(status(&world), 502);
    world.later(20);
    assert_eq!(status(&world), 502);
    let asked = |world: &World, name: &str| {
        world.calls().iter().filter(|call| call.contains(name) && call.ends_with("/settle")).count()
    };
    assert!(asked(&world, "one.example") > 1);
    assert_eq!(asked(&world, "two.example"), 0);
    // The last attempt is out of sight for ever: the other one may be asked.
    world.later(190);
    world.settle.replace(vec![settled()]);
    assert_eq!(transaction(&world), "0xabc");
    assert_eq!(asked(&world, "two.example"), 1);
}

#[test]
fn settling_begins_elsewhere_when_the_one_that_verified_has_failed_again_and_again_meanwhile() {
    let mut world = two_facilitators();
    let roster = world.roster.clone();
    // It verifies; while the origin works, other payments' settlements with it fail.
    world.during_origin = Some(Box::new(move |now| (0..3).for_each(|_| roster.failed("https://one.example", now))));
    assert_eq!(status(&world), 200);
    assert_eq!(
        world.calls(),
        ["https://one.example/verify", "origin /premium-data", "https://two.example/settle"],
        "nothing was sent to the first"
    );
}

#[test]
fn verifying_moves_to_the_next_at_once_and_asks_the_broken_one_last() {
    let world = two_facilitators();
    world.verify.replace(vec![LOST, reply(200, &json!({"isValid": true}))]);
    assert_eq!(status(&world), 200);
    assert_eq!(world.calls()[..2], ["https://one.example/verify", "https://two.example/verify"]);
    assert_eq!(world.calls().last().unwrap(), "https://two.example/settle", "who verified settles");
}

#[test]
fn one_that_does_not_know_the_network_leaves_it_to_the_next() {
    let world = two_facilitators();
    let not_mine = json!({"isValid": false, "invalidReason": "invalid_network"});
    world.verify.replace(vec![reply(200, &not_mine), reply(200, &json!({"isValid": true}))]);
    assert_eq!(status(&world), 200);
    assert_eq!(world.calls().last().unwrap(), "https://two.example/settle");
}

#[test]
fn while_the_ledger_cannot_say_whether_it_settles_nobody_knows() {
    let mut world = World::new();
    world.origin_takes = 1;
    world.ledger_fails_at_settling.set(true);
    let answer = world.ours(&payment());
    assert_eq!(answer.status, 502);
    assert!(answer.body.contains("do not sign again"));
}
