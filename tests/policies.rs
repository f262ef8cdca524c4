//! Which comes first: `/verify`, the origin, or the money.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{FakeAnswer, FakeRequest, World, decoded, reply, wallet::Wallet};
use serde_json::json;
use x402_edge::{gate::Answer, prices::Snapshot, settlement::PaymentStore, x402::SettlementResponse};

const URL: &str = "https://api.example.com/premium-data";
const VERIFY: &str = "https://facilitator.example/verify";
const SETTLE: &str = "https://facilitator.example/settle";
const ORIGIN: &str = "origin /premium-data";

/// A world whose route has these keys.
fn with(keys: &str) -> World {
    let mut world = World::new();
    let document = common::PRICES.replace(r#"{"price": "$0.01","#, &format!(r#"{{"price": "$0.01", {keys}"#));
    world.prices = Snapshot::unread().after_reading(Some(&document));
    assert_eq!(world.prices.problems(), []);
    world
}

/// A payment of a wallet of its own.
fn paid(world: &World, method: &str, wallet: u8, nonce: u8) -> FakeRequest {
    let payment = Wallet::new(wallet).pays(&world.ours(&FakeRequest::new(method, URL)), nonce, common::NOW + 60);
    FakeRequest::new(method, URL).with("PAYMENT-SIGNATURE", &payment)
}

/// Who was asked, in order, until the answer.
fn calls(world: &World, request: &FakeRequest) -> (u16, Vec<String>) {
    world.calls.borrow_mut().clear();
    let status = match world.serve(request) {
        Answer::Ours(answer) => answer.status,
        Answer::Origins { answer, delivery, .. } => {
            if let Some(ticket) = delivery {
                let whole = |hold| x402_edge::ledger::Command::Delivered { hold, whole: true };
                common::now(ticket.tell(world, whole)).unwrap();
            }
            answer.status
        }
        Answer::Kept(answer) => answer.status,
    };
    (status, world.calls())
}

fn is(status: u16, calls: &[&str]) -> (u16, Vec<String>) {
    (status, calls.iter().map(|call| (*call).to_owned()).collect())
}

fn no_money() -> Result<x402_edge::ports::Reply, x402_edge::ports::NoAnswer> {
    reply(200, &json!({"isValid": false, "invalidReason": "insufficient_funds"}))
}

fn refused() -> Result<x402_edge::ports::Reply, x402_edge::ports::NoAnswer> {
    let reason = "invalid_exact_evm_insufficient_balance";
    reply(200, &json!({"success": false, "errorReason": reason, "transaction": "", "network": "eip155:84532"}))
}

#[test]
fn a_known_payer_costs_one_call_and_an_unknown_one_is_verified_first_or_beside() {
    let world = World::new();
    assert_eq!(calls(&world, &paid(&world, "POST", 1, 1)), is(200, &[VERIFY, ORIGIN, SETTLE]));
    assert_eq!(calls(&world, &paid(&world, "POST", 1, 2)), is(200, &[ORIGIN, SETTLE]));
    assert_eq!(calls(&world, &paid(&world, "GET", 1, 3)), is(200, &[ORIGIN, SETTLE]));
    // Beside the origin: the answer is held back until both agree.
    assert_eq!(calls(&world, &paid(&world, "GET", 2, 1)), is(200, &[VERIFY, ORIGIN, SETTLE]));
    world.verify.replace(vec![no_money()]);
    assert_eq!(calls(&world, &paid(&world, "GET", 3, 1)), is(402, &[VERIFY, ORIGIN]));
    assert_eq!(calls(&world, &paid(&world, "POST", 4, 1)), is(402, &[VERIFY]));
}

#[test]
fn a_wallet_without_money_makes_the_origin_work_twice_at_most() {
    for keys in [r#""verify": "auto","#, r#""verify": "never","#] {
        let world = with(keys);
        world.verify.replace(vec![no_money()]);
        world.settle.replace(vec![refused()]);
        let runs =
            (1..=6).filter(|nonce| calls(&world, &paid(&world, "GET", 1, *nonce)).1.contains(&ORIGIN.to_owned()));
        assert_eq!(runs.count(), 2, "{keys}");
        // Nor do wallets that settled once, and are empty now.
        world.verify.replace(vec![reply(200, &json!({"isValid": true}))]);
        let settled = json!({"success": true, "transaction": "0xabc", "network": "eip155:84532"});
        world.settle.replace(vec![reply(200, &settled), refused()]);
        assert_eq!(calls(&world, &paid(&world, "GET", 2, 1)).0, 200);
        world.verify.replace(vec![no_money()]);
        let runs =
            (2..=8).filter(|nonce| calls(&world, &paid(&world, "GET", 2, *nonce)).1.contains(&ORIGIN.to_owned()));
        assert_eq!(runs.count(), 2, "{keys}");
    }
}

#[test]
fn the_owner_says_how_often_the_origin_may_work_for_nothing() {
    for (payer, route) in [(0, 5), (1, 5), (4, 5), (4, 3), (4, 0)] {
        let world = with(&format!(r#""maxUnsettled": {{"payer": {payer}, "route": {route}}},"#));
        world.verify.replace(vec![no_money()]);
        let ran = |wallet, nonce| calls(&world, &paid(&world, "GET", wallet, nonce)).1.contains(&ORIGIN.to_owned());
        let runs = (1..=8).filter(|nonce| ran(1, *nonce)).count();
        assert_eq!(runs, payer.min(route), "one payer: {payer}, {route}");
        let runs = runs + (2..=9).filter(|wallet| ran(*wallet, 1)).count();
        assert_eq!(runs, if payer == 0 { 0 } else { route }, "all: {payer}, {route}");
    }
}

#[test]
fn many_wallets_without_money_share_twenty_runs_of_a_route() {
    let world = World::new();
    world.verify.replace(vec![no_money()]);
    let runs = (1..=60).filter(|wallet| calls(&world, &paid(&world, "GET", *wallet, 1)).1.contains(&ORIGIN.to_owned()));
    assert_eq!(runs.count(), 20);
    // Also where the owner wants none of them verified.
    let world = with(r#""verify": "never","#);
    world.verify.replace(vec![no_money()]);
    world.settle.replace(vec![refused()]);
    let runs = (1..=60).filter(|wallet| calls(&world, &paid(&world, "GET", *wallet, 1)).1.contains(&ORIGIN.to_owned()));
    assert_eq!(runs.count(), 20);
}

#[test]
fn unknown_payers_whose_payments_settle_are_never_too_many() {
    let world = with(r#""verify": "never","#);
    for wallet in 1..=30 {
        assert_eq!(calls(&world, &paid(&world, "GET", wallet, 1)), is(200, &[ORIGIN, SETTLE]));
    }
}

#[test]
fn a_run_that_there_was_none_of_is_not_counted() {
    let world = with(r#""maxUnsettled": {"payer": 2, "route": 0},"#);
    world.verify.replace(vec![reply(500, &json!({}))]);
    for nonce in 1..4 {
        assert_eq!(calls(&world, &paid(&world, "GET", 1, nonce)).1, [VERIFY]);
    }
    let unsettled = || world.clerks.borrow().values().next().map(|clerk| clerk.store().standing().unwrap().unsettled);
    assert_eq!(unsettled(), Some(0));
}

#[test]
fn while_no_facilitator_answers_the_origin_works_no_more_often_for_whom_nobody_knows() {
    let world = World::new();
    world.verify.replace(vec![reply(429, &json!({}))]);
    let runs = (1..=9).filter(|nonce| calls(&world, &paid(&world, "GET", 1, *nonce)).1.contains(&ORIGIN.to_owned()));
    assert_eq!(runs.count(), 2);
    let runs = (2..=60).filter(|wallet| calls(&world, &paid(&world, "GET", *wallet, 1)).1.contains(&ORIGIN.to_owned()));
    assert_eq!(runs.count(), 18);
}

#[test]
fn the_first_failed_settlement_ends_good_standing() {
    let world = World::new();
    assert_eq!(calls(&world, &paid(&world, "POST", 1, 1)).0, 200);
    world.settle.replace(vec![refused()]);
    assert_eq!(calls(&world, &paid(&world, "POST", 1, 2)), is(402, &[ORIGIN, SETTLE]));
    assert_eq!(calls(&world, &paid(&world, "POST", 1, 3)).1[0], VERIFY);
}

#[test]
fn an_origin_that_fails_counts_until_the_payer_is_verified_and_is_not_held_against_whom_it_was() {
    let mut world = World::new();
    assert_eq!(calls(&world, &paid(&world, "POST", 1, 1)).0, 200);
    world.origin = Ok(FakeAnswer { status: 500, headers: vec![] });
    // A wallet that is empty by now could ask for nothing but errors.
    for nonce in 2..4 {
        assert_eq!(calls(&world, &paid(&world, "POST", 1, nonce)), is(500, &[ORIGIN]));
    }
    for nonce in 4..9 {
        assert_eq!(calls(&world, &paid(&world, "POST", 1, nonce)), is(500, &[VERIFY, ORIGIN]));
    }
    world.origin = Ok(FakeAnswer { status: 200, headers: vec![] });
    assert_eq!(calls(&world, &paid(&world, "POST", 1, 9)), is(200, &[VERIFY, ORIGIN, SETTLE]));
    assert_eq!(calls(&world, &paid(&world, "POST", 1, 10)), is(200, &[ORIGIN, SETTLE]));
    // An unknown payer who turns out good.
    world.origin = Ok(FakeAnswer { status: 500, headers: vec![] });
    for nonce in 1..6 {
        assert_eq!(calls(&world, &paid(&world, "GET", 2, nonce)), is(500, &[VERIFY, ORIGIN]));
    }
}

#[test]
fn owners_may_want_every_payment_verified() {
    let world = with(r#""verify": "always","#);
    world.verify.replace(vec![no_money()]);
    assert_eq!(calls(&world, &paid(&world, "GET", 1, 1)), is(402, &[VERIFY]));
    world.verify.replace(vec![reply(200, &json!({"isValid": true}))]);
    for nonce in 2..4 {
        assert_eq!(calls(&world, &paid(&world, "GET", 1, nonce)), is(200, &[VERIFY, ORIGIN, SETTLE]));
    }
}

#[test]
fn owners_may_want_their_money_upfront() {
    let mut world = with(r#""settle": "upfront","#);
    let required = decoded(&world.ours(&FakeRequest::get(URL)), "PAYMENT-REQUIRED");
    assert_eq!(required["accepts"][0]["extra"]["paymentFlow"], "upfront");
    assert_eq!(calls(&world, &paid(&world, "GET", 1, 1)), is(200, &[SETTLE, ORIGIN]));
    // What the origin fails to give stays owed, and is not charged again.
    world.origin = Ok(FakeAnswer { status: 500, headers: vec![] });
    let payment = paid(&world, "GET", 1, 2);
    let Answer::Origins { edits, .. } = world.serve(&payment) else { panic!("no answer of the origin") };
    assert!(edits.set.iter().any(|(name, _)| *name == "PAYMENT-RESPONSE"), "it is paid for all the same");
    world.origin = Ok(FakeAnswer { status: 200, headers: vec![] });
    assert_eq!(calls(&world, &payment), is(200, &[ORIGIN]));
    world.settle.replace(vec![refused()]);
    assert_eq!(calls(&world, &paid(&world, "GET", 1, 3)), is(402, &[SETTLE]));
    // Without a ledger too.
    world.with_ledger = false;
    let settled = SettlementResponse {
        success: true,
        error_reason: None,
        transaction: "0xabc".to_owned(),
        network: "eip155:84532".to_owned(),
        payer: None,
        amount: None,
        extra: None,
    };
    world.settle.replace(vec![reply(200, &json!(settled))]);
    assert_eq!(calls(&world, &paid(&world, "GET", 1, 4)), is(200, &[SETTLE, ORIGIN]));
}

/// A route that is settled in the background: 5 payments of one payer, 40 of all, so that a slice is 5.
const BACKGROUND: &str = r#""settle": "background", "maxExposure": {"payer": "$0.05", "route": "$0.40"},"#;

/// A payment that stays good for five minutes.
fn pays(world: &World, wallet: u8, nonce: u8) -> FakeRequest {
    let payment = Wallet::new(wallet).pays(&world.ours(&FakeRequest::get(URL)), nonce, common::NOW + 300);
    FakeRequest::get(URL).with("PAYMENT-SIGNATURE", &payment)
}

/// What a client reads in the receipt.
fn receipt_of(world: &World, request: &FakeRequest) -> serde_json::Value {
    let (_, edits) = world.origins(request);
    let (_, receipt) = edits.set.iter().find(|(name, _)| *name == "PAYMENT-RESPONSE").unwrap();
    serde_json::from_slice(&x402_edge::transports::http::decode_header("x", receipt).unwrap()).unwrap()
}

/// Lets background settlements end only when the test says so: until then nobody knows.
fn facilitator_silent(world: &World) {
    world.settle.replace(vec![Err(x402_edge::ports::NoAnswer::Connection)]);
}

#[test]
fn the_answer_to_a_payer_in_good_standing_leaves_before_it_is_settled() {
    let world = with(BACKGROUND);
    let first = receipt_of(&world, &pays(&world, 1, 1));
    assert_eq!(first["transaction"], "0xabc", "nobody knows the payer yet");
    let second = receipt_of(&world, &pays(&world, 1, 2));
    let payer = first["payer"].clone();
    let queued = json!({"success": true, "transaction": "", "network": "eip155:84532", "payer": payer, "extra": {"settlement": "queued"}});
    assert_eq!(second, queued);
    let settles = world.calls().iter().filter(|call| *call == SETTLE).count();
    assert_eq!(settles, 2, "it is settled all the same");
    let answer = world.ours(&pays(&world, 1, 2));
    assert_eq!(answer.status, 402, "and spent");
}

#[test]
fn what_leaves_unpaid_stays_under_the_payers_limit() {
    let world = with(BACKGROUND);
    assert_eq!(calls(&world, &pays(&world, 1, 1)).0, 200);
    facilitator_silent(&world);
    let left: Vec<bool> =
        (2..10).map(|nonce| matches!(world.serve(&pays(&world, 1, nonce)), Answer::Origins { .. })).collect();
    assert_eq!(left.iter().filter(|left| **left).count(), 5, "{left:?}");
    // What settles makes room again.
    let settled = json!({"success": true, "transaction": "0xabc", "network": "eip155:84532"});
    world.settle.replace(vec![reply(200, &settled)]);
    world.later(30);
    world.alarm();
    assert_eq!(receipt_of(&world, &pays(&world, 1, 20))["extra"]["settlement"], "queued");
}

#[test]
fn what_leaves_unpaid_stays_under_the_routes_limit_whoever_pays() {
    let world = with(r#""settle": "background", "maxExposure": {"payer": "$0.05", "route": "$0.08"},"#);
    (1..=16).for_each(|wallet| assert_eq!(calls(&world, &pays(&world, wallet, 1)).0, 200));
    facilitator_silent(&world);
    let left = (1..=16).flat_map(|wallet| (2..6).map(move |nonce| (wallet, nonce)));
    let left =
        left.filter(|(wallet, nonce)| matches!(world.serve(&pays(&world, *wallet, *nonce)), Answer::Origins { .. }));
    assert_eq!(left.count(), 8);
}

#[test]
fn a_payer_whose_settlement_failed_pays_first_until_one_has_settled_so() {
    let world = with(BACKGROUND);
    assert_eq!(calls(&world, &pays(&world, 1, 1)).0, 200);
    world.settle.replace(vec![refused()]);
    assert_eq!(calls(&world, &pays(&world, 1, 2)).0, 200, "this one is lost");
    assert_eq!(calls(&world, &pays(&world, 1, 3)).0, 402, "the next is not");
    let settled = json!({"success": true, "transaction": "0xabc", "network": "eip155:84532"});
    world.settle.replace(vec![reply(200, &settled)]);
    assert_eq!(receipt_of(&world, &pays(&world, 1, 4))["transaction"], "0xabc");
    assert_eq!(receipt_of(&world, &pays(&world, 1, 5))["extra"]["settlement"], "queued");
    assert!(world.faults.borrow().iter().any(|fault| fault.contains("not paid")), "the owner is told");
}

#[test]
fn a_facilitators_outage_is_not_the_payers_failure() {
    let world = with(BACKGROUND);
    assert_eq!(calls(&world, &pays(&world, 1, 1)).0, 200);
    facilitator_silent(&world);
    assert_eq!(calls(&world, &pays(&world, 1, 2)).0, 200);
    assert_eq!(receipt_of(&world, &pays(&world, 1, 3))["extra"]["settlement"], "queued");
}

#[test]
fn what_was_lost_is_missing_in_the_budget_for_a_day() {
    let world = with(r#""settle": "background", "maxExposure": {"payer": "$0.01", "route": "$0.01"},"#);
    let settled = json!({"success": true, "transaction": "0xabc", "network": "eip155:84532"});
    assert_eq!(calls(&world, &pays(&world, 1, 1)).0, 200);
    world.settle.replace(vec![refused()]);
    assert_eq!(calls(&world, &pays(&world, 1, 2)).0, 200);
    world.settle.replace(vec![reply(200, &settled)]);
    for nonce in 3..6 {
        assert_eq!(receipt_of(&world, &pays(&world, 1, nonce))["transaction"], "0xabc");
    }
}

#[test]
fn a_payment_that_soon_expires_is_settled_first() {
    let world = with(BACKGROUND);
    assert_eq!(calls(&world, &pays(&world, 1, 1)).0, 200);
    let soon = |nonce, seconds| {
        let payment = Wallet::new(1).pays(&world.ours(&FakeRequest::get(URL)), nonce, common::NOW + seconds);
        receipt_of(&world, &FakeRequest::get(URL).with("PAYMENT-SIGNATURE", &payment))
    };
    assert_eq!(soon(2, 59)["transaction"], "0xabc");
    assert_eq!(soon(3, 60)["extra"]["settlement"], "queued");
}

#[test]
fn no_budget_no_unpaid_answer() {
    let world = with(BACKGROUND);
    world.budgets_down.set(true);
    for nonce in 1..4 {
        assert_eq!(receipt_of(&world, &pays(&world, 1, nonce))["transaction"], "0xabc");
    }
    let mut world = with(BACKGROUND);
    world.with_ledger = false;
    for nonce in 1..4 {
        assert_eq!(receipt_of(&world, &pays(&world, 1, nonce))["transaction"], "0xabc");
    }
}

#[test]
fn a_queued_settlement_outlives_a_restart() {
    let world = with(BACKGROUND);
    assert_eq!(calls(&world, &pays(&world, 1, 1)).0, 200);
    facilitator_silent(&world);
    assert_eq!(calls(&world, &pays(&world, 1, 2)).0, 200);
    world.restart();
    let settled = json!({"success": true, "transaction": "0xabc", "network": "eip155:84532"});
    world.settle.replace(vec![reply(200, &settled)]);
    world.later(10);
    world.alarm();
    world.calls.borrow_mut().clear();
    assert_eq!(world.ours(&pays(&world, 1, 2)).status, 402, "settled and delivered: spent");
    assert_eq!(world.calls(), [""; 0]);
}

#[test]
fn a_pass_is_never_given_for_what_is_not_settled() {
    let world = with(&format!(r#"{BACKGROUND} "pass": {{"ttl": 60}},"#));
    let pass = |nonce| {
        let (_, edits) = world.origins(&pays(&world, 1, nonce));
        edits.set.iter().any(|(name, _)| *name == "X-402-Pass")
    };
    assert!(pass(1));
    assert!(!pass(2));
}

#[test]
fn what_is_given_again_after_a_settlement_in_the_background_brings_no_pass_either() {
    let world = with(&format!(r#"{BACKGROUND} "pass": {{"ttl": 60}},"#));
    world.origins(&pays(&world, 1, 1));
    let payment = pays(&world, 1, 2);
    let Answer::Origins { delivery: Some(ticket), .. } = world.serve(&payment) else { panic!("not served") };
    common::now(ticket.delivered(&world, false)).unwrap();
    let (_, edits) = world.origins(&payment);
    assert!(edits.set.iter().any(|(name, _)| *name == "PAYMENT-RESPONSE"));
    assert!(!edits.set.iter().any(|(name, _)| *name == "X-402-Pass"));
}
