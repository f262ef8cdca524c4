//! What was used: by header, by bytes, by the `usage` of an answer, in a stream too.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{FakeAnswer, FakeRequest, World, reply, vectors};
use proptest::prelude::*;
use serde_json::{Value, json};
use x402_edge::{
    gate::{Answer, Ended},
    metering::{Meter, Rate},
    money::Amount,
    ports::NoAnswer,
    prices::Snapshot,
    settlement::PaymentStore,
    transports::http,
};

const URL: &str = "https://api.example.com/premium-data";
const VERIFY: &str = "https://facilitator.example/verify";
const SETTLE: &str = "https://facilitator.example/settle";
const ORIGIN: &str = "origin /premium-data";
/// The vectors' facilitator.
const FACILITATOR: &str = "0x7564105E977516C53bE337314c7E53838967bDaC";

/// A million tokens cost $3 and $15.
const TOKENS: &str = r#"{"tokens": {"input": "$3", "output": "$15"}}"#;

/// A payment of at most $5.
fn payment() -> FakeRequest {
    let file = vectors("upto-permit2");
    let vector = file["vectors"].as_array().unwrap().iter().find(|vector| vector["id"] == "valid-full-settle").unwrap();
    FakeRequest::get(URL).with("PAYMENT-SIGNATURE", vector["header"].as_str().unwrap())
}

fn world_with(usage: &str, limits: &str) -> World {
    let mut world = World::new();
    let document = format!(
        r#"{{"payTo": "0x5CbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB", "network": "eip155:84532",
        "facilitators": ["https://facilitator.example"], "routes": {{"/premium-data":
        {{"scheme": "upto", "price": "$5", "usage": {usage} {limits}}}}}}}"#
    );
    world.prices = Snapshot::unread().after_reading(Some(&document));
    assert_eq!(world.prices.problems(), []);
    let kind = json!({"x402Version": 2, "scheme": "upto", "network": "eip155:84532", "extra": {"facilitatorAddress": FACILITATOR}});
    *world.supported.borrow_mut() = reply(200, &json!({"kinds": [kind], "extensions": [], "signers": {}}));
    world
}

/// The origin answers with this body.
fn world(usage: &str, content_type: &'static str, body: Vec<&'static str>) -> World {
    let mut world = world_with(usage, r#", "maxExposure": {"payer": "$10", "route": "$100"}"#);
    world.origin = Ok(FakeAnswer { status: 200, headers: vec![("Content-Type", content_type)] });
    world.body = (body, Ended::Whole);
    world
}

fn receipt(world: &World) -> Value {
    let (_, edits) = world.origins(&payment());
    let (_, receipt) = edits.set.iter().find(|(name, _)| *name == "PAYMENT-RESPONSE").unwrap();
    serde_json::from_slice(&http::decode_header("x", receipt).unwrap()).unwrap()
}

/// Who was asked, but for what the facilitator settles at all.
fn calls(world: &World) -> Vec<String> {
    world.calls().into_iter().filter(|call| !call.ends_with("/supported")).collect()
}

/// What the facilitator was asked to settle for.
fn settled(world: &World) -> Option<String> {
    let sent = world.sent.borrow();
    let settle = calls(world).iter().filter(|call| *call != ORIGIN).position(|call| call == SETTLE)?;
    Some(sent[settle]["paymentRequirements"]["amount"].as_str().unwrap().to_owned())
}

#[track_caller]
fn charged(world: &World) -> Option<String> {
    assert_eq!(receipt(world)["extra"]["settlement"], "queued");
    settled(world)
}

#[test]
fn tokens_are_charged_when_the_answer_has_ended() {
    let body = vec![
        r#"{"choices":[{"message":{"content":"hello"}}],"us"#,
        r#"age":{"prompt_tokens":1000,"completion_tokens":20"#,
        "0}}",
    ];
    let world = world(TOKENS, "application/json", body);
    assert_eq!(charged(&world).as_deref(), Some("6000"));
    assert_eq!(calls(&world), [VERIFY, ORIGIN, SETTLE], "nobody knows the payer: verified first");
    assert_eq!(world.ours(&payment()).status, 402, "and spent");
}

#[test]
fn the_usage_of_a_stream_is_in_its_last_events() {
    let events = vec![
        "data: {\"choices\":[{\"delta\":{\"content\":\"hel\"}}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1000,",
        "\"completion_tokens\":200}}\n\ndata: [DONE]\n\n",
    ];
    assert_eq!(charged(&world(TOKENS, "text/event-stream; charset=utf-8", events)).as_deref(), Some("6000"));
}

#[test]
fn bytes_are_charged_as_sent() {
    let world = world(r#"{"bytes": "$1", "per": 1000}"#, "application/octet-stream", vec!["12345", "67890"]);
    assert_eq!(charged(&world).as_deref(), Some("10000"));
    let sent = world.forwarded.borrow();
    let encoding = sent.as_ref().unwrap().edits.set.iter().find(|(name, _)| *name == "Accept-Encoding");
    assert_eq!(encoding.unwrap().1, "identity");
}

#[test]
fn a_complete_answer_that_says_nothing_costs_the_maximum_and_more_is_capped() {
    assert_eq!(charged(&world(TOKENS, "application/json", vec!["{}"])).as_deref(), Some("5000000"));
    let much = vec![r#"{"usage":{"input_tokens":9000000000,"output_tokens":1}}"#];
    assert_eq!(charged(&world(TOKENS, "application/json", much)).as_deref(), Some("5000000"));
}

#[test]
fn no_usage_costs_nothing_and_spends_the_authorization() {
    let world = world(TOKENS, "application/json", vec![r#"{"usage":{"input_tokens":0,"output_tokens":0}}"#]);
    assert_eq!(charged(&world), None);
    assert_eq!(world.ours(&payment()).status, 402);
    let unsettled = world.clerks.borrow().values().next().map(|clerk| clerk.store().standing().unwrap().unsettled);
    assert_eq!(unsettled, Some(0), "what it might have cost was set aside");
}

#[test]
fn only_the_whole_price_buys_a_pass() {
    for (used, buys) in [("0", false), ("1", false), ("19", false), ("20", true)] {
        let mut world = world_with(r#"{"header": "X-Credits-Used", "price": "$0.25"}"#, r#", "pass": {"ttl": 60}"#);
        world.origin = Ok(FakeAnswer { status: 200, headers: vec![("X-Credits-Used", used)] });
        let (_, edits) = world.origins(&payment());
        assert_eq!(edits.set.iter().any(|(name, _)| *name == "X-402-Pass"), buys, "{used} of 20");
    }
}

#[test]
fn a_run_that_used_nothing_counts_where_nobody_has_verified_it() {
    let mut world = world_with(r#"{"header": "X-Credits-Used", "price": "$0.25"}"#, r#", "verify": "never""#);
    world.origin = Ok(FakeAnswer { status: 200, headers: vec![("X-Credits-Used", "0")] });
    let object = || world.clerks.borrow().values().next().map(|clerk| clerk.store().standing().unwrap());
    assert_eq!(receipt(&world)["amount"], "0");
    assert_eq!(calls(&world), [ORIGIN], "served before anybody had verified it");
    assert_eq!(object().unwrap().unsettled, 1);
}

#[test]
fn an_origin_that_breaks_off_is_not_paid() {
    let mut world = world(TOKENS, "application/json", vec![r#"{"usage":{"input_tokens":1000,"output_tokens":1}"#]);
    world.body.1 = Ended::BrokenOff;
    assert_eq!(charged(&world), None);
    // The same payment buys it anew.
    world.body = (vec![r#"{"usage":{"input_tokens":1000,"output_tokens":0}}"#], Ended::Whole);
    assert_eq!(charged(&world).as_deref(), Some("3000"));
}

#[test]
fn the_origins_own_word_in_a_header_counts_first_and_settles_before_the_answer_leaves() {
    let mut world = world(TOKENS, "application/json", vec![r#"{"usage":{"input_tokens":1000,"output_tokens":1}}"#]);
    world.origin = Ok(FakeAnswer { status: 200, headers: vec![("Settlement-Overrides", r#"{"amount":"7"}"#)] });
    assert_eq!(receipt(&world)["transaction"], "0xabc");
    assert_eq!(settled(&world).as_deref(), Some("7"));
}

#[test]
fn units_of_a_header_are_charged_before_the_answer_leaves() {
    let charge = |value: &'static str| {
        let mut world = world_with(r#"{"header": "X-Credits-Used", "price": "$0.25"}"#, "");
        world.origin = Ok(FakeAnswer { status: 200, headers: vec![("X-Credits-Used", value)] });
        let receipt = receipt(&world);
        assert_eq!(receipt["transaction"], "0xabc");
        receipt["amount"].as_str().unwrap().to_owned()
    };
    assert_eq!(charge("3"), "750000");
    assert_eq!(charge("100"), "5000000", "the signed maximum");
    assert_eq!(charge("many"), "5000000");
}

#[test]
fn no_answer_begins_beyond_what_may_be_owed() {
    let mut world = world_with(TOKENS, r#", "maxExposure": {"payer": "$5", "route": "$5"}"#);
    world.body = (vec![r#"{"usage":{"input_tokens":1000,"output_tokens":1}}"#], Ended::Whole);
    // Another payer has leased all of it.
    let budget = "budget:v1:eip155:84532:0x036cbd53842c5426634e7929541ec2318f3dcf7e::/premium-data";
    let wanted = x402_edge::money::Amount::new(5_000_000.into());
    let lease = x402_edge::ledger::BudgetCommand::Lease { holder: "another".to_owned(), wanted, limit: wanted };
    common::now(x402_edge::ports::Budgets::budget(&world.outside, budget, lease)).unwrap();
    let answer = world.ours(&payment());
    assert_eq!((answer.status, calls(&world).len()), (503, 0));
    assert!(answer.body.contains("Nothing was charged"));
    world.budgets.borrow_mut().clear();
    let _ = charged(&world);
}

#[test]
fn what_cannot_be_remembered_is_not_begun() {
    let mut world = world(TOKENS, "application/json", vec![]);
    world.with_ledger = false;
    assert_eq!(world.ours(&payment()).status, 503);
    world.with_ledger = true;
    world.budgets_down.set(true);
    assert_eq!(world.ours(&payment()).status, 503);
    assert_eq!(calls(&world), [""; 0]);
}

#[test]
fn a_facilitator_that_is_down_when_the_answer_ends_is_asked_again() {
    let world = world(TOKENS, "application/json", vec![r#"{"usage":{"input_tokens":1000,"output_tokens":0}}"#]);
    let paid = json!({"success": true, "transaction": "0xabc", "network": "eip155:84532"});
    world.settle.replace(vec![Err(NoAnswer::Connection); 4]);
    assert_eq!(charged(&world).as_deref(), Some("3000"));
    world.settle.replace(vec![reply(200, &paid)]);
    world.later(10);
    world.alarm();
    let Answer::Ours(answer) = world.serve(&payment()) else { panic!() };
    assert_eq!(answer.status, 402, "settled and delivered: spent");
}

/// JSON with `usage` in all sorts of places, spelled in all sorts of ways.
fn json_with_usage() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<u32>().prop_map(|number| json!(number)),
        any::<i8>().prop_map(|number| serde_json::from_str(&format!("{number}.25")).unwrap()),
        "[a-z\"\\\\{}:,\\[\\]\\n é]{0,12}".prop_map(|text| json!(text)),
        Just(json!("usage")),
        Just(json!(r#""usage":{"input_tokens":1,"output_tokens":1}"#)),
    ];
    let key = prop_oneof![
        4 => Just("usage".to_owned()),
        2 => Just("input_tokens".to_owned()),
        2 => Just("output_tokens".to_owned()),
        1 => Just("message".to_owned()),
        1 => Just("response".to_owned()),
        2 => "[a-z\"\\\\{}:]{0,8}",
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|values| json!(values)),
            prop::collection::vec((key.clone(), inner), 0..6)
                .prop_map(|pairs| json!(pairs.into_iter().collect::<serde_json::Map<_, _>>())),
        ]
    })
}

/// What a reader of the whole text sees.
fn plainly(document: &Value) -> Option<u64> {
    let mut found = (None, None);
    let mut read = |usage: Option<&Value>| {
        let Some(usage) = usage.filter(|usage| usage.is_object()) else { return };
        let said = |name: &str| usage.get(name).and_then(Value::as_u64);
        found = (said("input_tokens").or(found.0), said("output_tokens").or(found.1));
    };
    // In the order of the text: of two, the later counts.
    for (key, value) in document.as_object()? {
        match key.as_str() {
            "usage" => read(Some(value)),
            "message" | "response" => read(value.as_object().and_then(|around| around.get("usage"))),
            _ => {}
        }
    }
    Some(found.0? + 1000 * found.1?)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn usage_is_found_as_by_who_reads_the_whole_text(document in json_with_usage(), size in 1_usize..9, pretty: bool, events: bool) {
        let rate = |units: u64| Rate { price: Amount::new(units.into()), per: 1 };
        let mut meter = Meter::tokens(rate(1), rate(1000), events);
        let text = if pretty { serde_json::to_string_pretty(&document) } else { serde_json::to_string(&document) }.unwrap();
        let text = if events { format!("data: {}\n\n", text.replace('\n', "\ndata: ")) } else { text };
        text.as_bytes().chunks(size).for_each(|chunk| meter.take(chunk));
        let expected = plainly(&document).map(|cost| Amount::new(cost.into()));
        prop_assert_eq!(meter.cost(), expected, "{}", text);
    }

    #[test]
    fn no_bytes_break_the_meter(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..20), events: bool) {
        let rate = Rate { price: Amount::new(1.into()), per: 1 };
        let mut meter = Meter::tokens(rate, rate, events);
        for chunk in &chunks {
            meter.take(chunk);
        }
        let _ = meter.cost();
    }
}
