//! Selling by channel: what is asked of whom, in which order, and what the client is told.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::cell::Cell;

use common::{FakeAnswer, FakeRequest, NOW, World, decoded, header, reply, wallet::Wallet};
use serde_json::{Value, json};
use x402_edge::{
    channels::Command,
    evm::{Address, BadKey, Eip712Domain, Hash32, Signer, Uint256, keccak256, signing_hash},
    gate::{Answer, Ended},
    ports::HeaderEdits,
    prices::Snapshot,
    schemes::{
        batch_settlement::{ChannelConfig, ClaimBatch, ClaimEntry, ReceiveAuthorization, Refund, Voucher, domain},
        exact::Authorization,
    },
    transports::http::{decode_header, encode_header},
};

const URL: &str = "https://api.example/calls/1";
const CHAIN: u64 = 84_532;
const KEY: [u8; 32] = [0x66; 32];

fn document() -> Value {
    json!({
        "payTo": "0x5CbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB", "network": "eip155:84532",
        "facilitators": ["https://facilitator.example/"], "grace": 0,
        "routes": {
            "/calls/:id": {"scheme": "batch-settlement", "price": "$0.001"},
            "/bytes/:id": {
                "scheme": "batch-settlement", "price": "$0.001", "usage": {"bytes": "$1", "per": 100_000},
                "maxExposure": {"payer": 1, "route": 10},
            },
            "/both": {"accepts": [{"price": "$0.01"}, {"scheme": "batch-settlement", "price": "$0.001"}]},
        },
    })
}

fn world() -> World {
    let world = World {
        prices: Snapshot::unread().after_reading(Some(&document().to_string())),
        channel_keys: Ok(vec![Signer::from_hex(&hex::encode(KEY)).unwrap()]),
        ..World::new()
    };
    assert_eq!(world.prices.problems(), []);
    world
}

/// A client with a channel, as the official one keeps it.
struct Client {
    wallet: Wallet,
    charged: u64,
}

impl Client {
    fn new() -> Self {
        Self { wallet: Wallet::new(0x11), charged: 0 }
    }

    fn config(&self, offer: &Value) -> ChannelConfig {
        let address = |value: &Value| value.as_str().unwrap().parse::<Address>().unwrap();
        ChannelConfig {
            payer: self.wallet.address(),
            payer_authorizer: self.wallet.address(),
            receiver: address(&offer["payTo"]),
            receiver_authorizer: address(&offer["extra"]["receiverAuthorizer"]),
            token: address(&offer["asset"]),
            withdraw_delay: offer["extra"]["withdrawDelay"].as_u64().unwrap(),
            salt: [0; 32],
        }
    }

    fn voucher(&self, offer: &Value, max: u64) -> Value {
        let channel_id = self.config(offer).channel_id(CHAIN);
        let voucher = Voucher { channel_id, max_claimable_amount: max.into() };
        let signature = self.wallet.sign(&signing_hash(&domain(CHAIN), &voucher));
        json!({"channelId": hex32(&channel_id), "maxClaimableAmount": max.to_string(), "signature": signature})
    }

    fn pays(offer: &Value, payload: &Value) -> FakeRequest {
        let header = encode_header(&json!({"x402Version": 2, "accepted": offer, "payload": payload}));
        FakeRequest::get(URL).with("PAYMENT-SIGNATURE", &header)
    }

    fn by_voucher(&self, offer: &Value) -> FakeRequest {
        self.by_voucher_over(offer, self.charged + amount(offer))
    }

    fn by_voucher_over(&self, offer: &Value, max: u64) -> FakeRequest {
        let config = self.config(offer);
        Self::pays(offer, &json!({"type": "voucher", "channelConfig": config, "voucher": self.voucher(offer, max)}))
    }

    fn by_deposit(&self, offer: &Value, deposited: u64) -> FakeRequest {
        self.by_deposit_until(offer, deposited, NOW + 10_000)
    }

    fn by_deposit_until(&self, offer: &Value, deposited: u64, valid_before: u64) -> FakeRequest {
        let config = self.config(offer);
        let salt = [9; 32];
        let nonce = keccak256(&[config.channel_id(CHAIN), salt].concat());
        let authorization = ReceiveAuthorization(Authorization {
            from: self.wallet.address(),
            to: "0x4020806089470a89826cB9fB1f4059150b550004".parse().unwrap(),
            value: deposited.into(),
            valid_after: Uint256::ZERO,
            valid_before: valid_before.into(),
            nonce,
        });
        let token =
            Eip712Domain { name: "USDC", version: Some("2"), chain_id: CHAIN, verifying_contract: config.token };
        let signature = self.wallet.sign(&signing_hash(&token, &authorization));
        Self::pays(
            offer,
            &json!({
                "type": "deposit", "channelConfig": config, "voucher": self.voucher(offer, self.charged + amount(offer)),
                "deposit": {"amount": deposited.to_string(), "authorization": {"erc3009Authorization": {
                    "validAfter": "0", "validBefore": valid_before.to_string(), "salt": hex32(&salt), "signature": signature,
                }}},
            }),
        )
    }

    fn by_refund(&self, offer: &Value) -> FakeRequest {
        let config = self.config(offer);
        let voucher = self.voucher(offer, self.charged);
        Self::pays(offer, &json!({"type": "refund", "channelConfig": config, "voucher": voucher}))
    }
}

fn hex32(bytes: &Hash32) -> String {
    format!("0x{}", hex::encode(bytes))
}

fn amount(offer: &Value) -> u64 {
    offer["amount"].as_str().unwrap().parse().unwrap()
}

fn offer(world: &World) -> Value {
    decoded(&world.ours(&FakeRequest::get(URL)), "PAYMENT-REQUIRED")["accepts"][0].clone()
}

fn receipt(edits: &HeaderEdits) -> Value {
    let (_, value) = edits.set.iter().find(|(name, _)| *name == "PAYMENT-RESPONSE").unwrap();
    serde_json::from_slice(&decode_header("PAYMENT-RESPONSE", value).unwrap()).unwrap()
}

fn on_chain(balance: u64, claimed: u64) -> Value {
    json!({"channelId": "0x", "balance": balance.to_string(), "totalClaimed": claimed.to_string(), "withdrawRequestedAt": 0, "refundNonce": "0"})
}

/// A channel with a dollar in it, from which one call was paid.
fn opened() -> (World, Client, Value) {
    let (world, mut client) = (world(), Client::new());
    let offer = offer(&world);
    world.verify.replace(vec![reply(200, &json!({"isValid": true, "extra": on_chain(0, 0)}))]);
    let settled = json!({"success": true, "transaction": "0xdep", "network": "eip155:84532", "amount": "1000000", "extra": {"channelState": on_chain(1_000_000, 0)}});
    world.settle.replace(vec![reply(200, &settled)]);
    let (_, edits) = world.origins(&client.by_deposit(&offer, 1_000_000));
    let said = receipt(&edits);
    assert_eq!(
        (&said["success"], &said["transaction"], &said["amount"]),
        (&json!(true), &json!("0xdep"), &json!("1000000"))
    );
    assert_eq!(said["extra"]["chargedAmount"], "1000");
    assert_eq!(said["extra"]["channelState"]["balance"], "1000000");
    assert_eq!(said["extra"]["channelState"]["chargedCumulativeAmount"], "1000");
    assert_eq!(
        world.calls(),
        ["https://facilitator.example/verify", "origin /calls/1", "https://facilitator.example/settle"]
    );
    client.charged = 1000;
    forget_calls(&world);
    (world, client, offer)
}

fn forget_calls(world: &World) {
    world.calls.borrow_mut().clear();
    world.sent.borrow_mut().clear();
    world.channel_calls.borrow_mut().clear();
}

#[track_caller]
fn refused(world: &World, request: &FakeRequest, code: &str) -> Value {
    let answer = world.ours(request);
    assert_eq!(answer.status, 402, "{answer:?}");
    let required = decoded(&answer, "PAYMENT-REQUIRED");
    assert_eq!(required["error"], code);
    required
}

#[test]
fn a_402_says_whose_key_claims() {
    let own = world();
    let offer = offer(&own);
    let extra = &offer["extra"];
    assert_eq!(extra["receiverAuthorizer"], "0xdb2430B4e9AC14be6554d3942822BE74811A1AF9");
    assert_eq!((&extra["withdrawDelay"], &extra["minDeposit"]), (&json!(86400), &json!("10000")));
    // Without a key of our own it is the facilitator's, once that has said it; until then the offer is left out.
    let theirs = World { channel_keys: Ok(vec![]), ..world() };
    assert_eq!(theirs.ours(&FakeRequest::get(URL)).status, 503);
    let both = decoded(&theirs.ours(&FakeRequest::get("https://api.example/both")), "PAYMENT-REQUIRED");
    assert_eq!(both["accepts"].as_array().unwrap().len(), 1);
    let said = serde_json::from_value(
        json!({"kinds": [{"x402Version": 2, "scheme": "batch-settlement", "network": "eip155:84532",
        "extra": {"receiverAuthorizer": "0x7564105E977516C53bE337314c7E53838967bDaC"}}]}),
    );
    theirs.roster.learn("https://facilitator.example", said.unwrap(), x402_edge::time::UnixTime(NOW));
    let required = decoded(&theirs.ours(&FakeRequest::get(URL)), "PAYMENT-REQUIRED");
    assert_eq!(required["accepts"][0]["extra"]["receiverAuthorizer"], "0x7564105E977516C53bE337314c7E53838967bDaC");
    // With a key that cannot be read nothing is sold by channel: it would be claimed by somebody else.
    let bad = World { channel_keys: Err(BadKey), roster: theirs.roster.clone(), ..world() };
    assert_eq!(bad.ours(&FakeRequest::get(URL)).status, 503);
    let status = bad.ours(&FakeRequest::get("https://api.example/.x402/status")).body;
    assert!(status.contains("RECEIVER_AUTHORIZER_KEY"), "{status}");
}

#[test]
fn a_voucher_needs_no_facilitator_one_word_with_the_object_beside_the_origin_and_one_after() {
    let (world, mut client, offer) = opened();
    for _ in 0..5 {
        let (_, edits) = world.origins(&client.by_voucher(&offer));
        client.charged += 1000;
        let said = receipt(&edits);
        assert_eq!((&said["success"], &said["transaction"], &said["amount"]), (&json!(true), &json!(""), &json!("")));
        assert_eq!(said["extra"]["chargedAmount"], "1000");
        assert_eq!(said["extra"]["channelState"]["chargedCumulativeAmount"], client.charged.to_string());
        assert_eq!(world.calls(), ["origin /calls/1"]);
        let told = world.channel_calls.borrow().clone();
        assert!(
            matches!(told[..], [Command::Present(_), Command::Charge { .. }, Command::Delivered { .. }]),
            "{told:?}"
        );
        forget_calls(&world);
        world.later(10);
    }
    let forwarded = world.forwarded.borrow().clone().unwrap();
    let key = |forward: &x402_edge::ports::Forward| {
        forward.edits.set.iter().find(|(name, _)| *name == "Idempotency-Key").cloned().unwrap().1
    };
    assert!(forwarded.paid && key(&forwarded).len() == 64);
}

/// The origin is quicker than the channel, or slower.
const WAITS: [u32; 2] = [0, 3];

#[test]
fn a_good_customers_origin_is_asked_while_the_channel_is_and_for_nothing_once_for_each_charge() {
    let mismatch = "invalid_batch_settlement_evm_cumulative_amount_mismatch";
    for waits in WAITS {
        let (world, client, offer) = opened();
        world.origin_waits.set(waits);
        // Another isolate has served the channel meanwhile: what is known here is out of date.
        world
            .channels
            .borrow_mut()
            .values_mut()
            .for_each(|known| known.channel.charged_cumulative_amount = 2000.into());
        refused(&world, &client.by_voucher(&offer), mismatch);
        assert_eq!(world.calls(), ["origin /calls/1"], "its answer is dropped");
        refused(&world, &client.by_voucher(&offer), mismatch);
        assert_eq!(world.calls().len(), 1, "nobody works for whoever has not paid since");
        let client = Client { charged: 2000, ..client };
        world.origins(&client.by_voucher(&offer));
        assert!(matches!(
            world.channel_calls.borrow()[..],
            [.., Command::Present(_), Command::Charge { .. }, Command::Delivered { .. }]
        ));
        assert_eq!(world.channels.borrow().values().next().unwrap().channel.charged_cumulative_amount, 3000.into());
    }
}

#[test]
fn the_origin_is_asked_once_whatever_the_channel_says_meanwhile() {
    for waits in WAITS {
        // What was not seen lately is looked at.
        let (world, mut client, offer) = opened();
        world.origin_waits.set(waits);
        world.later(290);
        world.origins(&client.by_voucher(&offer));
        client.charged += 1000;
        world.later(20);
        world.verify.replace(vec![reply(200, &json!({"isValid": true, "extra": on_chain(1_000_000, 0)}))]);
        forget_calls(&world);
        world.origins(&client.by_voucher(&offer));
        assert_eq!(world.calls(), ["origin /calls/1", "https://facilitator.example/verify"]);
        // Another isolate has charged it, and its answer was lost.
        let (mut world, client, offer) = opened();
        world.origin_waits.set(waits);
        let here = std::mem::take(&mut world.charged);
        let request = client.by_voucher(&offer);
        let Answer::Origins { edits: first, delivery: Some(ticket), .. } = world.serve(&request) else { panic!() };
        common::now(ticket.delivered(&world, false)).unwrap();
        world.charged = here;
        forget_calls(&world);
        let (_, again) = world.origins(&request);
        assert_eq!(receipt(&again), receipt(&first));
        assert_eq!(world.calls(), ["origin /calls/1"]);
    }
}

#[test]
fn what_cost_less_lets_nobody_begin_on_what_costs_more() {
    for (used, said) in [(0, "0"), (999, "999")] {
        let (mut world, client, offer) = opened();
        world.origin = Ok(FakeAnswer { status: 200, headers: vec![("PAYMENT-SETTLEMENT", said)] });
        world.origins(&client.by_voucher(&offer));
        let client = Client { charged: 1000 + used, ..client };
        forget_calls(&world);
        world.channels_down_after.set(Some(0));
        assert_eq!(world.ours(&client.by_voucher(&offer)).status, 503);
        assert!(world.calls().is_empty(), "{used}");
    }
}

#[test]
fn the_channel_is_asked_first_for_whatever_is_no_plain_next_voucher() {
    type Asks = Box<dyn Fn(&Client, &Value) -> FakeRequest>;
    let changed = |key: &str, value: Value| {
        let mut document = document();
        document["routes"]["/calls/:id"][key] = value;
        document
    };
    let post = |request: FakeRequest| FakeRequest { method: "POST".to_owned(), ..request };
    let over = |max: u64| move |client: &Client, offer: &Value| client.by_voucher_over(offer, max);
    let cases: [(Value, Asks); 6] = [
        (document(), Box::new(move |client, offer| post(client.by_voucher(offer)))),
        (document(), Box::new(over(1000))),
        (document(), Box::new(over(1_001_000))),
        (changed("verify", json!("always")), Box::new(Client::by_voucher)),
        (changed("maxUnsettled", json!({"payer": 0})), Box::new(Client::by_voucher)),
        (changed("settle", json!("upfront")), Box::new(Client::by_voucher)),
    ];
    for (document, request) in cases {
        let (world, client, offer) = opened();
        let prices = Snapshot::unread().after_reading(Some(&document.to_string()));
        assert_eq!(prices.problems(), []);
        let world = World { prices, channels_down_after: Cell::new(Some(0)), ..world };
        assert_eq!(world.ours(&request(&client, &offer)).status, 503);
        assert!(world.calls().is_empty(), "{document}");
    }
    // One that is: the origin has worked, and nothing leaves before the channel has said yes.
    let (world, client, offer) = opened();
    world.channels_down_after.set(Some(0));
    assert_eq!(world.ours(&client.by_voucher(&offer)).status, 503);
    assert_eq!(world.calls(), ["origin /calls/1"]);
}

#[test]
fn what_was_used_is_charged_and_what_fails_is_not() {
    let (mut world, client, offer) = opened();
    world.origin = Ok(FakeAnswer { status: 500, headers: vec![] });
    let (answer, edits) = world.origins(&client.by_voucher(&offer));
    assert_eq!(answer.status, 500);
    assert!(edits.set.iter().all(|(name, _)| *name != "PAYMENT-RESPONSE"));
    world.origin = Ok(FakeAnswer { status: 200, headers: vec![("Settlement-Overrides", r#"{"amount": "300"}"#)] });
    let (_, edits) = world.origins(&client.by_voucher(&offer));
    assert_eq!(receipt(&edits)["extra"]["chargedAmount"], "300");
    assert!(edits.remove.iter().any(|name| name == "Settlement-Overrides"));
    let client = Client { charged: 1300, ..client };
    world.origin = Ok(FakeAnswer { status: 200, headers: vec![("PAYMENT-SETTLEMENT", "0")] });
    let (_, edits) = world.origins(&client.by_voucher(&offer));
    assert_eq!(receipt(&edits)["extra"]["chargedAmount"], "0");
    world.origin = Ok(FakeAnswer { status: 200, headers: vec![("PAYMENT-SETTLEMENT", "99999")] });
    let (_, edits) = world.origins(&client.by_voucher(&offer));
    assert_eq!(receipt(&edits)["extra"]["chargedAmount"], "1000", "never more than was signed for the request");
}

#[test]
fn an_answer_that_is_metered_is_charged_when_it_has_ended() {
    let (mut world, client, offer) = opened();
    let metered =
        |client: &Client| FakeRequest { url: "https://api.example/bytes/1".to_owned(), ..client.by_voucher(&offer) };
    world.body = (vec!["12345", "6789"], Ended::Whole);
    let (_, edits) = world.origins(&metered(&client));
    assert_eq!(receipt(&edits)["extra"], json!({"settlement": "queued"}));
    // Nine bytes at ten units: the client learns it with the next answer.
    let told = refused(&world, &client.by_voucher(&offer), "invalid_batch_settlement_evm_cumulative_amount_mismatch");
    let state = &told["accepts"][0]["extra"]["channelState"];
    assert_eq!(state["chargedCumulativeAmount"], "1090");
    let client = Client { charged: 1090, ..client };
    // What breaks off costs nothing, and the same voucher may come again.
    world.body = (vec!["12345"], Ended::BrokenOff);
    world.origins(&metered(&client));
    world.body = (vec!["123456"], Ended::Whole);
    world.origins(&metered(&client));
    let client = Client { charged: 1150, ..client };
    let (_, edits) = world.origins(&client.by_voucher(&offer));
    assert_eq!(receipt(&edits)["extra"]["channelState"]["chargedCumulativeAmount"], "2150");
    assert_eq!(world.calls().iter().filter(|call| call.contains("facilitator")).count(), 0);
}

#[test]
fn a_client_that_has_lost_sight_of_its_channel_is_told() {
    let (world, client, offer) = opened();
    let required = refused(
        &world,
        &client.by_voucher_over(&offer, 1000),
        "invalid_batch_settlement_evm_cumulative_amount_mismatch",
    );
    let extra = &required["accepts"][0]["extra"];
    assert_eq!(
        extra["channelState"],
        json!({
            "channelId": client.voucher(&offer, 1)["channelId"], "balance": "1000000", "totalClaimed": "0",
            "withdrawRequestedAt": 0, "refundNonce": "0", "chargedCumulativeAmount": "1000",
        })
    );
    assert_eq!(extra["voucherState"]["signedMaxClaimable"], "1000");
    assert_eq!(extra["voucherState"]["signature"], client.voucher(&offer, 1000)["signature"]);
    assert!(world.calls().is_empty());
    // A client may send what it was told back with its next payment.
    let told = &required["accepts"][0];
    world.origins(&client.by_voucher(told));
}

#[test]
fn a_voucher_whose_answer_was_lost_gets_it_without_a_second_charge() {
    let (world, client, offer) = opened();
    let request = client.by_voucher(&offer);
    let Answer::Origins { edits: first, delivery: Some(ticket), .. } = world.serve(&request) else { panic!() };
    // Its answer is on its way: copies wait.
    assert_eq!(world.ours(&request).status, 409);
    common::now(ticket.delivered(&world, false)).unwrap();
    let (_, again) = world.origins(&request);
    assert_eq!(receipt(&again), receipt(&first));
    assert_eq!(world.calls(), ["origin /calls/1", "origin /calls/1"]);
    assert_eq!(world.channels.borrow().values().next().unwrap().channel.charged_cumulative_amount, 2000.into());
    // Delivered: from now on it buys nothing.
    refused(&world, &request, "invalid_batch_settlement_evm_cumulative_amount_mismatch");
}

#[test]
fn a_charge_that_may_have_been_lost_is_not_taken_for_none() {
    let (world, client, offer) = opened();
    let request = client.by_voucher(&offer);
    world.channels_down_after.set(Some(1));
    let answer = world.ours(&request);
    assert_eq!((answer.status, header(&answer, "Retry-After")), (502, Some("5")));
    world.channels_down_after.set(Some(0));
    assert_eq!(world.ours(&request).status, 503);
    world.channels_down_after.set(None);
    assert_eq!(world.ours(&request).status, 409, "it may still be served");
    world.later(71);
    world.origins(&request);
    assert_eq!(world.channels.borrow().values().next().unwrap().channel.charged_cumulative_amount, 2000.into());
}

#[test]
fn a_price_that_has_changed_does_not_take_away_what_was_charged() {
    let (world, client, offer) = opened();
    let request = client.by_voucher(&offer);
    let Answer::Origins { delivery: Some(ticket), .. } = world.serve(&request) else { panic!() };
    common::now(ticket.delivered(&world, false)).unwrap();
    let mut dearer = document();
    dearer["routes"]["/calls/:id"]["price"] = json!("$0.002");
    let prices = world.prices.after_edit(&dearer.to_string(), x402_edge::time::UnixTime(NOW));
    let world = World { prices, ..world };
    world.origins(&request);
    let answer = world.ours(&client.by_voucher_over(&offer, 3000));
    assert_eq!(decoded(&answer, "PAYMENT-REQUIRED")["error"], "No matching payment requirements");
}

#[test]
fn what_the_chain_was_not_seen_to_hold_lately_is_asked_for() {
    let (world, mut client, offer) = opened();
    world.later(301);
    // No rpc: a facilitator's word.
    world.verify.replace(vec![reply(200, &json!({"isValid": true, "extra": on_chain(1_000_000, 0)}))]);
    world.origins(&client.by_voucher(&offer));
    client.charged += 1000;
    assert_eq!(world.calls(), ["https://facilitator.example/verify", "origin /calls/1"]);
    assert_eq!(world.sent.borrow()[0]["paymentPayload"]["payload"]["type"], "voucher");
    forget_calls(&world);
    let mut with_rpc = document();
    with_rpc["rpc"] = json!({"eip155:84532": ["https://rpc.example"]});
    let prices = world.prices.after_edit(&with_rpc.to_string(), x402_edge::time::UnixTime(NOW));
    let world = World { prices, ..world };
    world.later(301);
    let asked = std::rc::Rc::new(Cell::new(0));
    let count = asked.clone();
    world.answer_chain(move |question| {
        count.set(count.get() + 1);
        assert_eq!(question["params"][0]["to"], "0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003");
        let digits = |number: u64| format!("{number:064x}");
        json!(match question["id"].as_u64().unwrap() {
            0 => format!("0x{}{}", digits(1_000_000), digits(500)),
            1 => format!("0x{}{}", digits(0), digits(0)),
            _ => format!("0x{}", digits(0)),
        })
    });
    let (_, edits) = world.origins(&client.by_voucher(&offer));
    client.charged += 1000;
    assert_eq!((world.calls(), asked.get()), (vec!["origin /calls/1".to_owned()], 3));
    assert_eq!(receipt(&edits)["extra"]["channelState"]["totalClaimed"], "500");
    // Taken back meanwhile.
    world.later(301);
    world.answer_chain(|_| json!(format!("0x{:064x}{:064x}", 500, 500)));
    world.verify.replace(vec![reply(
        200,
        &json!({"isValid": false, "invalidReason": "invalid_batch_settlement_evm_cumulative_exceeds_balance"}),
    )]);
    refused(&world, &client.by_voucher(&offer), "invalid_batch_settlement_evm_cumulative_exceeds_balance");
}

#[test]
fn nothing_is_kept_of_channels_that_do_not_exist() {
    let (world, client) = (world(), Client::new());
    let offer = offer(&world);
    world.verify.replace(vec![reply(
        200,
        &json!({"isValid": false, "invalidReason": "invalid_batch_settlement_evm_channel_not_found"}),
    )]);
    refused(&world, &client.by_voucher(&offer), "invalid_batch_settlement_evm_channel_not_found");
    assert!(world.channels.borrow().is_empty());
    let forged = Client { wallet: Wallet::new(0x22), charged: 0 };
    let mut payload =
        json!({"type": "voucher", "channelConfig": client.config(&offer), "voucher": client.voucher(&offer, 1000)});
    payload["voucher"]["signature"] = forged.voucher(&offer, 1000)["signature"].clone();
    forget_calls(&world);
    refused(&world, &Client::pays(&offer, &payload), "invalid_batch_settlement_evm_voucher_signature");
    assert!(world.calls().is_empty() && world.channel_calls.borrow().is_empty(), "a forgery costs nobody a call");
}

#[test]
fn a_contract_wallets_channel_is_taken_only_where_such_signatures_are_deferred() {
    let (world, client) = (world(), Client::new());
    let offer = offer(&world);
    let config = ChannelConfig { payer_authorizer: Address::ZERO, ..client.config(&offer) };
    let channel_id = hex32(&config.channel_id(CHAIN));
    let voucher = json!({"channelId": channel_id, "maxClaimableAmount": "1000", "signature": "0x1234"});
    let request = Client::pays(&offer, &json!({"type": "voucher", "channelConfig": config, "voucher": voucher}));
    refused(&world, &request, "invalid_batch_settlement_evm_voucher_signature");
    assert!(world.calls().is_empty() && world.channel_calls.borrow().is_empty());
    let mut deferring = document();
    deferring["smartWallets"] = json!("defer");
    let prices = world.prices.after_edit(&deferring.to_string(), x402_edge::time::UnixTime(NOW));
    let world = World { prices, ..world };
    world.verify.replace(vec![reply(200, &json!({"isValid": true, "extra": on_chain(1_000_000, 0)}))]);
    world.origins(&request);
    assert_eq!(world.calls(), ["https://facilitator.example/verify", "origin /calls/1"]);
}

#[test]
fn a_deposit_that_is_refused_or_lost_charges_nothing_and_one_that_arrived_is_not_brought_twice() {
    let (world, client) = (world(), Client::new());
    let offer = offer(&world);
    let request = client.by_deposit(&offer, 10_000);
    let good = reply(200, &json!({"isValid": true, "extra": on_chain(0, 0)}));
    world.verify.replace(vec![good.clone()]);
    let no = json!({"success": false, "errorReason": "invalid_batch_settlement_evm_deposit_simulation_failed", "transaction": "", "network": "eip155:84532"});
    world.settle.replace(vec![reply(200, &no)]);
    let answer = world.ours(&request);
    assert_eq!(answer.status, 402);
    assert_eq!(
        decoded(&answer, "PAYMENT-RESPONSE")["errorReason"],
        "invalid_batch_settlement_evm_deposit_simulation_failed"
    );
    assert!(world.channels.borrow().is_empty());
    // Lost.
    world.settle.replace(vec![Err(x402_edge::ports::NoAnswer::Deadline)]);
    assert_eq!(world.ours(&request).status, 504);
    // It had arrived: verifying it again fails, its voucher is good.
    let used = reply(
        200,
        &json!({"isValid": false, "invalidReason": "invalid_batch_settlement_evm_deposit_simulation_failed"}),
    );
    world.verify.replace(vec![used.clone(), reply(200, &json!({"isValid": true, "extra": on_chain(10_000, 0)}))]);
    forget_calls(&world);
    let (_, edits) = world.origins(&request);
    assert_eq!(
        world.calls(),
        ["https://facilitator.example/verify", "https://facilitator.example/verify", "origin /calls/1"]
    );
    assert_eq!(world.sent.borrow()[1]["paymentPayload"]["payload"].get("deposit"), None);
    assert_eq!(receipt(&edits)["extra"]["channelState"]["balance"], "10000");
    // Somebody else's failed deposit is just that.
    world.verify.replace(vec![used]);
    let other = Client { wallet: Wallet::new(0x22), charged: 0 };
    refused(&world, &other.by_deposit(&offer, 10_000), "invalid_batch_settlement_evm_deposit_simulation_failed");
}

fn verified(balance: u64) -> Result<x402_edge::ports::Reply, x402_edge::ports::NoAnswer> {
    reply(200, &json!({"isValid": true, "extra": on_chain(balance, 0)}))
}

fn not_verified(code: &str) -> Result<x402_edge::ports::Reply, x402_edge::ports::NoAnswer> {
    reply(200, &json!({"isValid": false, "invalidReason": format!("invalid_batch_settlement_evm_{code}")}))
}

fn not_settled(code: &str, transaction: &str) -> Result<x402_edge::ports::Reply, x402_edge::ports::NoAnswer> {
    let reason = format!("invalid_batch_settlement_evm_{code}");
    reply(200, &json!({"success": false, "errorReason": reason, "transaction": transaction, "network": "eip155:84532"}))
}

#[test]
fn a_refused_deposit_that_may_have_arrived_is_no_invitation_to_sign_again() {
    // The first refusal names a transaction; or the second one comes because the first deposit, whose answer was lost,
    // has arrived.
    let lost = || Err(x402_edge::ports::NoAnswer::Deadline);
    let stories = [
        vec![not_settled("deposit_transaction_failed", "0xdep")],
        vec![lost(), not_settled("deposit_simulation_failed", "")],
    ];
    for answers in stories {
        let (world, client) = (world(), Client::new());
        let offer = offer(&world);
        let request = client.by_deposit_until(&offer, 10_000, NOW + 60);
        for answer in answers {
            world.verify.replace(vec![verified(0)]);
            world.settle.replace(vec![answer]);
            let answer = world.ours(&request);
            assert!(matches!(answer.status, 502 | 504), "{answer:?}");
            assert!(header(&answer, "PAYMENT-REQUIRED").is_none());
        }
        // Nothing of it is on chain yet: nobody knows, until its time is over and with it a block's.
        world.verify.replace(vec![not_verified("deposit_simulation_failed")]);
        assert_eq!(world.ours(&request).status, 502);
        world.later(110);
        world.verify.replace(vec![not_verified("channel_not_found")]);
        assert_eq!(world.ours(&request).status, 502);
        // It has arrived: its voucher is good, though its time is over.
        world.later(50);
        world.verify.replace(vec![verified(10_000)]);
        forget_calls(&world);
        let (_, edits) = world.origins(&request);
        assert_eq!(receipt(&edits)["extra"]["channelState"]["chargedCumulativeAmount"], "1000");
        assert_eq!(world.calls(), ["https://facilitator.example/verify", "origin /calls/1"]);
        assert_eq!(world.sent.borrow()[0]["paymentPayload"]["payload"]["type"], "voucher");
        refused(&world, &request, "invalid_batch_settlement_evm_cumulative_amount_mismatch");
    }
}

#[test]
fn a_deposit_whose_time_is_over_is_refused_once_it_cannot_have_arrived() {
    let (world, client) = (world(), Client::new());
    let offer = offer(&world);
    let request = client.by_deposit_until(&offer, 10_000, NOW + 60);
    let over = "invalid_batch_settlement_evm_payload_authorization_valid_before";
    world.verify.replace(vec![verified(0)]);
    world.settle.replace(vec![Err(x402_edge::ports::NoAnswer::Deadline)]);
    assert_eq!(world.ours(&request).status, 504);
    world.later(121);
    world.verify.replace(vec![not_verified("channel_not_found")]);
    refused(&world, &request, over);
    // One that was never brought costs nobody a call.
    forget_calls(&world);
    let stranger = Client { wallet: Wallet::new(0x22), charged: 0 };
    refused(&world, &stranger.by_deposit_until(&offer, 10_000, NOW + 60), over);
    assert!(world.calls().is_empty());
}

#[test]
fn a_deposit_that_may_have_arrived_keeps_its_identifier() {
    let (world, client) = (world(), Client::new());
    let offer = offer(&world);
    let named = |request: FakeRequest| {
        let header = &request.headers[0].1;
        let mut message: Value = serde_json::from_slice(&decode_header("PAYMENT-SIGNATURE", header).unwrap()).unwrap();
        let info = json!({"required": false, "id": "pay_0123456789abcdef"});
        message["extensions"] = json!({"payment-identifier": {"info": info}});
        FakeRequest::get(URL).with("PAYMENT-SIGNATURE", &encode_header(&message))
    };
    world.verify.replace(vec![verified(0), not_verified("deposit_simulation_failed")]);
    world.settle.replace(vec![Err(x402_edge::ports::NoAnswer::Deadline)]);
    let request = named(client.by_deposit(&offer, 10_000));
    assert_eq!(world.ours(&request).status, 504);
    assert_eq!(world.ours(&request).status, 502);
    assert_eq!(world.ours(&named(client.by_voucher_over(&offer, 5000))).status, 409);
}

#[test]
fn a_refund_whose_transaction_failed_may_have_moved_money() {
    let (world, client, offer) = opened();
    world.verify.replace(vec![verified(1_000_000)]);
    world.settle.replace(vec![not_settled("refund_transaction_failed", "0xref")]);
    assert_eq!(world.ours(&client.by_refund(&offer)).status, 502);
}

#[test]
fn a_refund_is_signed_by_the_receivers_key_and_claims_what_was_charged() {
    let (world, client, offer) = opened();
    world.verify.replace(vec![reply(200, &json!({"isValid": true, "extra": on_chain(1_000_000, 0)}))]);
    let settled = json!({"success": true, "transaction": "0xref", "network": "eip155:84532", "amount": "999000", "extra": {"channelState":
        {"channelId": "0x", "balance": "1000", "totalClaimed": "1000", "withdrawRequestedAt": 0, "refundNonce": "1"}}});
    world.settle.replace(vec![reply(200, &settled)]);
    let answer = world.ours(&client.by_refund(&offer));
    let channel_id = client.config(&offer).channel_id(CHAIN);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, json!({"message": "Refund acknowledged", "channelId": hex32(&channel_id)}).to_string());
    let said = decoded(&answer, "PAYMENT-RESPONSE");
    assert_eq!((&said["transaction"], &said["amount"]), (&json!("0xref"), &json!("999000")));
    assert_eq!(
        world.calls(),
        ["https://facilitator.example/verify", "https://facilitator.example/settle"],
        "the origin has no part in it"
    );
    let sent = world.sent.borrow()[1]["paymentPayload"]["payload"].clone();
    let signer = Signer::from_hex(&hex::encode(KEY)).unwrap();
    let refund = Refund { channel_id, nonce: Uint256::ZERO, amount: 999_000.into() };
    assert_eq!(sent["refundAuthorizerSignature"], signer.sign(&signing_hash(&domain(CHAIN), &refund)));
    let entry = ClaimEntry { channel_id, max_claimable_amount: 1000.into(), total_claimed: 1000.into() };
    let batch = ClaimBatch { claims: vec![entry] };
    assert_eq!(sent["claimAuthorizerSignature"], signer.sign(&signing_hash(&domain(CHAIN), &batch)));
    assert_eq!((&sent["amount"], &sent["refundNonce"]), (&json!("999000"), &json!("0")));
    assert_eq!(sent["claims"][0]["totalClaimed"], "1000");
    assert!(world.channels.borrow().is_empty(), "nothing is left of it");
    let last = world.channel_calls.borrow().last().cloned();
    assert!(matches!(last, Some(Command::Refunded { .. })));
}

#[test]
fn a_refund_never_signs_away_what_was_charged_and_is_not_taken_for_refused_once_it_was_under_way() {
    let no = |code: &str| {
        reply(200, &json!({"success": false, "errorReason": code, "transaction": "", "network": "eip155:84532"}))
    };
    let refused = "invalid_batch_settlement_evm_refund_simulation_failed";
    for (answers, status) in [(vec![no(refused)], 402), (vec![no("settlement_pending"), no(refused)], 502)] {
        let (world, client, offer) = opened();
        world.verify.replace(vec![reply(200, &json!({"isValid": true, "extra": on_chain(1_000_000, 0)}))]);
        world.settle.replace(answers);
        let config = client.config(&offer);
        let most = "340282366920938463463374607431768211456";
        let payload =
            json!({"type": "refund", "channelConfig": config, "voucher": client.voucher(&offer, 1000), "amount": most});
        let answer = world.ours(&Client::pays(&offer, &payload));
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(world.sent.borrow()[1]["paymentPayload"]["payload"]["amount"], "999000");
        // Whatever was said, it was shown and may arrive: nothing is sold for what it takes.
        forget_calls(&world);
        let answer = world.ours(&client.by_voucher(&offer));
        assert_eq!(
            decoded(&answer, "PAYMENT-REQUIRED")["error"],
            "invalid_batch_settlement_evm_cumulative_exceeds_balance"
        );
        assert_eq!(world.calls(), ["https://facilitator.example/verify"]);
    }
}

#[test]
fn with_a_key_of_the_owners_a_facilitators_is_good_for_known_channels_only() {
    let theirs = "0x7564105E977516C53bE337314c7E53838967bDaC";
    let world = World { channel_keys: Ok(vec![]), ..world() };
    let said = json!({"kinds": [{"x402Version": 2, "scheme": "batch-settlement", "network": "eip155:84532",
        "extra": {"receiverAuthorizer": theirs}}]});
    let said = serde_json::from_value(said).unwrap();
    world.roster.learn("https://facilitator.example", said, x402_edge::time::UnixTime(NOW));
    let (offer, mut client) = (offer(&world), Client::new());
    assert_eq!(offer["extra"]["receiverAuthorizer"], theirs);
    world.verify.replace(vec![reply(200, &json!({"isValid": true, "extra": on_chain(1_000_000, 0)}))]);
    world.origins(&client.by_voucher(&offer));
    client.charged = 1000;
    let world = World { channel_keys: Ok(vec![Signer::from_hex(&hex::encode(KEY)).unwrap()]), ..world };
    world.origins(&client.by_voucher(&offer));
    forget_calls(&world);
    let stranger = Client { wallet: Wallet::new(0x22), charged: 0 };
    refused(&world, &stranger.by_voucher(&offer), "invalid_batch_settlement_evm_receiver_authorizer_mismatch");
    assert!(world.calls().is_empty());
}

#[test]
fn a_success_without_a_transaction_or_for_another_chain_is_none() {
    for (transaction, network) in [("", "eip155:84532"), ("0xdep", "eip155:1")] {
        let (world, client) = (world(), Client::new());
        let offer = offer(&world);
        world.verify.replace(vec![reply(200, &json!({"isValid": true, "extra": on_chain(0, 0)}))]);
        let settled = json!({"success": true, "transaction": transaction, "network": network});
        world.settle.replace(vec![reply(200, &settled)]);
        assert_eq!(world.ours(&client.by_deposit(&offer, 10_000)).status, 502);
    }
}

#[test]
fn a_refund_without_anything_left_is_refused_and_one_nobody_knows_of_is_asked_for_again() {
    let (world, client, offer) = opened();
    world.verify.replace(vec![reply(200, &json!({"isValid": true, "extra": on_chain(1000, 1000)}))]);
    refused(&world, &client.by_refund(&offer), "invalid_batch_settlement_evm_refund_no_balance");
    let (world, client, offer) = opened();
    world.verify.replace(vec![reply(200, &json!({"isValid": true, "extra": on_chain(1_000_000, 0)}))]);
    world.settle.replace(vec![Err(x402_edge::ports::NoAnswer::Connection)]);
    assert_eq!(world.ours(&client.by_refund(&offer)).status, 502);
    // What the channel holds is not known any more: the next voucher asks.
    forget_calls(&world);
    world.verify.replace(vec![reply(
        200,
        &json!({"isValid": false, "invalidReason": "invalid_batch_settlement_evm_cumulative_exceeds_balance"}),
    )]);
    refused(&world, &client.by_voucher(&offer), "invalid_batch_settlement_evm_cumulative_exceeds_balance");
}

#[test]
fn a_word_that_more_was_claimed_than_was_charged_is_nobodys_fault_but_a_facilitators() {
    let (world, client, offer) = opened();
    world.later(301);
    world.verify.replace(vec![reply(200, &json!({"isValid": true, "extra": on_chain(1_000_000, 999_999)}))]);
    assert_eq!(world.ours(&client.by_voucher(&offer)).status, 502);
    let kept = world.channels.borrow().values().next().unwrap().clone();
    assert!(kept.is_claimable() && kept.odd.is_some());
    assert_eq!(json!(kept.channel.signature), client.voucher(&offer, 1000)["signature"]);
    // One that all is claimed takes nothing out of a refund.
    world.verify.replace(vec![reply(200, &json!({"isValid": true, "extra": on_chain(1_000_000, 1000)}))]);
    let settled = json!({"success": true, "transaction": "0xref", "network": "eip155:84532", "amount": "999000",
        "extra": {"channelState": on_chain(1000, 1000)}});
    world.settle.replace(vec![reply(200, &settled)]);
    forget_calls(&world);
    assert_eq!(world.ours(&client.by_refund(&offer)).status, 200);
    assert_eq!(world.sent.borrow()[1]["paymentPayload"]["payload"]["claims"][0]["totalClaimed"], "1000");
}

#[test]
fn other_payers_channels_and_other_offers_are_as_before() {
    let (world, client, offer) = opened();
    let both = decoded(&world.ours(&FakeRequest::get("https://api.example/both")), "PAYMENT-REQUIRED");
    assert_eq!(both["accepts"].as_array().unwrap().len(), 2);
    // Another receiver's key, another delay: not this offer's channel.
    let mut config = json!(client.config(&offer));
    config["withdrawDelay"] = json!(900);
    let other: ChannelConfig = serde_json::from_value(config.clone()).unwrap();
    let voucher = Voucher { channel_id: other.channel_id(CHAIN), max_claimable_amount: 1000.into() };
    let signature = client.wallet.sign(&signing_hash(&domain(CHAIN), &voucher));
    let payload = json!({"type": "voucher", "channelConfig": config, "voucher":
        {"channelId": hex32(&other.channel_id(CHAIN)), "maxClaimableAmount": "1000", "signature": signature}});
    refused(&world, &Client::pays(&offer, &payload), "invalid_batch_settlement_evm_withdraw_delay_mismatch");
    let mut foreign = offer.clone();
    foreign["extra"]["receiverAuthorizer"] = json!(client.wallet.address().to_string());
    let _ = world.supported.replace(reply(
        200,
        &json!({"kinds": [{"x402Version": 2, "scheme": "batch-settlement", "network": "eip155:84532"}]}),
    ));
    refused(&world, &client.by_voucher(&foreign), "invalid_batch_settlement_evm_receiver_authorizer_mismatch");
}
