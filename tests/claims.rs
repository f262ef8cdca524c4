//! The till against a facilitator and a chain that behave and misbehave.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value, json};
use x402_edge::{
    channels::{self, Bringing, Claim, ClaimPolicy, Command, Means, Move, MoveKind, Pending, Till},
    claims::{Teller, TillStore},
    evm::{Address, Signer, signing_hash},
    facilitator::Roster,
    ledger::{
        Command as LedgerCommand, IdentifierCommand, IdentifierReply, PassCommand, PassReply, Reply as LedgerReply,
    },
    ports::{Clock, Fetch, Journal, Ledger, LedgerDown, NoAnswer, Reply},
    schemes::batch_settlement::{ChannelConfig, ClaimBatch, domain},
    time::UnixTime,
};

const CHAIN: u64 = 84_532;

/// A facilitator with a chain behind it, the channels' objects, and the till's storage.
#[derive(Default)]
struct World {
    time: Cell<u64>,
    till: RefCell<Option<Till>>,
    claims: RefCell<BTreeMap<String, Pending>>,
    moves: RefCell<Vec<Move>>,
    /// What the chain has credited.
    credited: RefCell<BTreeMap<String, u64>>,
    settled: Cell<u64>,
    /// What channels hold that do not hold a thousand.
    holds: RefCell<BTreeMap<String, u64>>,
    /// Channels whose claims are never answered.
    poisoned: RefCell<BTreeSet<String>>,
    /// Channels whose claims revert.
    bad: RefCell<BTreeSet<String>>,
    /// The answer of the next calls is lost, after or before the transaction.
    lost: RefCell<Vec<bool>>,
    /// What each call to `/settle` was: how many claims, or 0 for a settlement.
    calls: RefCell<Vec<usize>>,
    told: RefCell<Vec<(String, u64)>>,
    /// Those of which it was told that they hold less than was charged.
    short: RefCell<Vec<(String, u64)>>,
    channels_down: Cell<bool>,
    /// What a channel brings while the next call to a facilitator, or to a channel, is under way.
    meanwhile: RefCell<Option<Bringing>>,
    faults: RefCell<Vec<String>>,
    with_key: bool,
}

fn config(number: u64) -> ChannelConfig {
    let address = |byte| Address::new([byte; 20]);
    let mut salt = [0; 32];
    salt[24..].copy_from_slice(&number.to_be_bytes());
    ChannelConfig {
        payer: address(1),
        payer_authorizer: address(1),
        receiver: address(3),
        receiver_authorizer: signer().address(),
        token: address(5),
        withdraw_delay: 900,
        salt,
    }
}

fn signer() -> Signer {
    Signer::from_hex(&"66".repeat(32)).unwrap()
}

fn id(number: u64) -> String {
    format!("0x{}", hex::encode(config(number).channel_id(CHAIN)))
}

fn bringing(number: u64, total: u64, rpc: bool) -> Bringing {
    Bringing {
        claim: Claim {
            config: config(number),
            max: (total + 5).into(),
            signature: "0x00".to_owned(),
            total: total.into(),
            before: 0.into(),
            holds: None,
            urgent: false,
        },
        means: Means {
            network: format!("eip155:{CHAIN}"),
            facilitators: vec!["https://f.example".to_owned()],
            rpc: if rpc { vec!["https://rpc.example".to_owned()] } else { vec![] },
            claims: ClaimPolicy::default(),
            at: 0,
        },
        credited: false,
    }
}

impl World {
    fn bring_meanwhile(&self) {
        if let Some(bringing) = self.meanwhile.take() {
            self.take(&bringing);
        }
    }

    fn held(&self, name: &str) -> u64 {
        self.holds.borrow().get(name).copied().unwrap_or(1000)
    }

    fn teller<'a>(&'a self, roster: &'a Roster, keys: &'a [Signer]) -> Teller<'a, Self, Self, Self, Self> {
        Teller { store: self, fetch: self, host: self, roster, ledger: self, keys }
    }

    fn run(&self, seconds: u64) {
        self.time.set(self.time.get() + seconds * 1000);
        let keys = [signer()];
        let keys = if self.with_key { &keys[..] } else { &[] };
        now(self.teller(&Roster::default(), keys).work()).unwrap();
    }

    fn take(&self, bringing: &Bringing) -> Means {
        self.teller(&Roster::default(), &[]).take(bringing).unwrap()
    }

    fn settle(&self, body: &Value) -> Value {
        let payload = &body["paymentPayload"]["payload"];
        let no =
            |code: &str| json!({"success": false, "errorReason": code, "transaction": "", "network": "eip155:84532"});
        let yes = |transaction: &str, amount: &str| json!({"success": true, "transaction": transaction, "network": "eip155:84532", "amount": amount});
        if payload["type"] == "settle" {
            self.calls.borrow_mut().push(0);
            let owed: u64 = self.credited.borrow().values().sum::<u64>() - self.settled.get();
            if owed == 0 {
                return no("invalid_batch_settlement_evm_nothing_to_settle");
            }
            self.settled.set(self.settled.get() + owed);
            return yes("0xsettle", &owed.to_string());
        }
        let claims = payload["claims"].as_array().unwrap();
        self.calls.borrow_mut().push(claims.len());
        if payload.get("claimAuthorizerSignature").is_none() {
            return no("invalid_batch_settlement_evm_authorizer_not_configured");
        }
        let read = |claim: &Value| {
            let config: ChannelConfig = serde_json::from_value(claim["voucher"]["channel"].clone()).unwrap();
            (
                config.channel_id(CHAIN),
                claim["totalClaimed"].as_str().unwrap().parse::<u64>().unwrap(),
                claim["voucher"]["maxClaimableAmount"].as_str().unwrap().parse::<u64>().unwrap(),
            )
        };
        let rows: Vec<_> = claims.iter().map(read).collect();
        let entries = rows.iter().map(|(id, total, max)| x402_edge::schemes::batch_settlement::ClaimEntry {
            channel_id: *id,
            max_claimable_amount: (*max).into(),
            total_claimed: (*total).into(),
        });
        let hash = signing_hash(&domain(CHAIN), &ClaimBatch { claims: entries.collect() });
        assert_eq!(payload["claimAuthorizerSignature"], signer().sign(&hash), "signed by the receiver's key");
        let names: Vec<(String, u64)> =
            rows.iter().map(|(id, total, _)| (format!("0x{}", hex::encode(id)), *total)).collect();
        if names.iter().any(|(name, _)| self.poisoned.borrow().contains(name)) {
            return Value::Null;
        }
        let is_bad = |(name, total): &(String, u64)| self.bad.borrow().contains(name) || *total > self.held(name);
        if names.iter().any(is_bad) {
            return no("invalid_batch_settlement_evm_claim_simulation_failed");
        }
        for (name, total) in names {
            let mut credited = self.credited.borrow_mut();
            let known = credited.entry(name).or_default();
            *known = total.max(*known);
        }
        yes("0xclaim", "")
    }
}

fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => unreachable!(),
    }
}

impl TillStore for World {
    type Error = std::convert::Infallible;
    fn till(&self) -> Result<Option<Till>, Self::Error> {
        Ok(self.till.borrow().clone())
    }
    fn keep_till(&self, till: &Till) -> Result<(), Self::Error> {
        self.till.replace(Some(till.clone()));
        Ok(())
    }
    fn load(&self, channel: &str) -> Result<Option<Pending>, Self::Error> {
        Ok(self.claims.borrow().get(channel).cloned())
    }
    fn save(&self, channel: &str, pending: &Pending) -> Result<(), Self::Error> {
        self.claims.borrow_mut().insert(channel.to_owned(), pending.clone());
        Ok(())
    }
    fn forget(&self, channel: &str) -> Result<(), Self::Error> {
        self.claims.borrow_mut().remove(channel);
        Ok(())
    }
    fn due(&self, now: UnixTime, at_most: usize) -> Result<Vec<(String, Pending)>, Self::Error> {
        let mut due: Vec<_> = self
            .claims
            .borrow()
            .iter()
            .filter(|(_, pending)| pending.at <= now.0)
            .map(|(id, p)| (id.clone(), p.clone()))
            .collect();
        due.sort_by_key(|(_, pending)| pending.at);
        due.truncate(at_most);
        Ok(due)
    }
    fn note(&self, moved: &Move) -> Result<(), Self::Error> {
        self.moves.borrow_mut().push(moved.clone());
        Ok(())
    }
}

impl Fetch for World {
    async fn get(&self, _url: &str, _within: Duration) -> Result<Reply, NoAnswer> {
        Err(NoAnswer::Connection)
    }
    async fn post_json(&self, url: &str, body: String, _within: Duration) -> Result<Reply, NoAnswer> {
        self.bring_meanwhile();
        let body: Value = serde_json::from_str(&body).unwrap();
        let answer = match (url, &body) {
            (_, Value::Array(batch)) => {
                let word = |number: u64| format!("{number:064x}");
                let answers = batch.iter().map(|ask| {
                    let data = ask["params"][0]["data"].as_str().unwrap();
                    let channel = format!("0x{}", &data[10..]);
                    let credited = self.credited.borrow().get(&channel).copied().unwrap_or(0);
                    let result = match ask["id"].as_u64().unwrap() % 3 {
                        0 => format!("0x{}{}", word(self.held(&channel)), word(credited)),
                        1 => format!("0x{}{}", word(0), word(0)),
                        _ => format!("0x{}", word(0)),
                    };
                    json!({"jsonrpc": "2.0", "id": ask["id"], "result": result})
                });
                answers.rev().collect()
            }
            (url, _) if url.ends_with("/verify") => {
                let payload = &body["paymentPayload"]["payload"];
                assert_eq!(payload["type"], "refund");
                let channel = payload["voucher"]["channelId"].as_str().unwrap();
                let (credited, held) = (self.credited.borrow().get(channel).copied().unwrap_or(0), self.held(channel));
                let max: u64 = payload["voucher"]["maxClaimableAmount"].as_str().unwrap().parse().unwrap();
                if max > held {
                    json!({"isValid": false, "invalidReason": "invalid_batch_settlement_evm_cumulative_exceeds_balance"})
                } else {
                    json!({"isValid": true, "extra": {"balance": held.to_string(), "totalClaimed": credited.to_string(), "withdrawRequestedAt": 0, "refundNonce": "0"}})
                }
            }
            _ => {
                let lost = self.lost.borrow_mut().pop();
                if lost == Some(false) {
                    return Err(NoAnswer::Deadline);
                }
                let answer = self.settle(&body);
                if lost == Some(true) || answer.is_null() {
                    return Err(NoAnswer::Deadline);
                }
                answer
            }
        };
        Ok(Reply { status: 200, body: answer.to_string() })
    }
}

impl Clock for World {
    fn millis(&self) -> u64 {
        self.time.get()
    }
}

impl Journal for World {
    fn fault(&self, text: &str) {
        self.faults.borrow_mut().push(text.to_owned());
    }
}

impl Ledger for World {
    async fn tell(&self, _: &str, _: &str, _: LedgerCommand, _: Duration) -> Result<LedgerReply, LedgerDown> {
        Err(LedgerDown)
    }
    async fn identify(&self, _: &str, _: IdentifierCommand) -> Result<IdentifierReply, LedgerDown> {
        Err(LedgerDown)
    }
    async fn passes(&self, _: &str, _: PassCommand) -> Result<PassReply, LedgerDown> {
        Err(LedgerDown)
    }
    async fn channel(&self, object: &str, command: channels::Command) -> Result<channels::Reply, LedgerDown> {
        self.bring_meanwhile();
        if self.channels_down.get() {
            return Err(LedgerDown);
        }
        let Command::Claimed { total, short } = command else { panic!("{command:?}") };
        let name = object.rsplit(':').next().unwrap().to_owned();
        let short = short.map(|holds| (name.clone(), holds.to_string().parse().unwrap()));
        self.short.borrow_mut().extend(short);
        self.told.borrow_mut().push((name, total.to_string().parse().unwrap()));
        Ok(channels::Reply::Done)
    }
}

fn world() -> World {
    World { with_key: true, time: Cell::new(1_790_000_000_000), ..World::default() }
}

#[test]
fn a_hundred_channels_are_claimed_at_once_and_paid_out_after_that() {
    let world = world();
    (0..150).for_each(|number| drop(world.take(&bringing(number, 10, false))));
    world.run(0);
    assert!(world.calls.borrow().is_empty(), "what comes together goes together");
    world.run(5);
    assert_eq!(*world.calls.borrow(), [100, 0]);
    world.run(0);
    assert_eq!(*world.calls.borrow(), [100, 0, 50, 0]);
    assert_eq!((world.settled.get(), world.claims.borrow().len(), world.told.borrow().len()), (1500, 0, 150));
    let moves: Vec<_> =
        world.moves.borrow().iter().map(|moved| (moved.kind, moved.amount.clone(), moved.channels)).collect();
    let row = |kind, amount: &str, channels| (kind, amount.to_owned(), channels);
    assert_eq!(
        moves,
        [
            row(MoveKind::Claim, "1000", 100),
            row(MoveKind::Settle, "1000", 0),
            row(MoveKind::Claim, "500", 50),
            row(MoveKind::Settle, "500", 0)
        ]
    );
    world.run(60);
    assert_eq!(world.calls.borrow().len(), 4, "nothing is left to do");
}

#[test]
fn a_channel_that_fails_is_dropped_the_others_are_claimed_and_it_is_tried_again() {
    let world = world();
    (0..100).for_each(|number| drop(world.take(&bringing(number, 10, false))));
    world.bad.borrow_mut().insert(id(42));
    world.run(5);
    assert_eq!(world.credited.borrow().len(), 99);
    assert_eq!(world.settled.get(), 990);
    assert_eq!(world.claims.borrow().keys().collect::<Vec<_>>(), [&id(42)]);
    assert!(
        world.faults.borrow().iter().any(|fault| fault.contains(&id(42)) && fault.contains("claim_simulation_failed"))
    );
    let before = world.calls.borrow().len();
    world.run(4);
    assert_eq!(world.calls.borrow().len(), before, "not at once");
    world.bad.borrow_mut().clear();
    world.run(1);
    assert_eq!((world.credited.borrow().len(), world.settled.get()), (100, 1000));
}

#[test]
fn a_claim_whose_outcome_is_unknown_is_looked_up_and_nothing_is_claimed_twice() {
    for (rpc, landed) in [(true, true), (true, false), (false, true), (false, false)] {
        let world = world();
        world.take(&bringing(1, 10, rpc));
        world.lost.borrow_mut().push(landed);
        world.run(5);
        assert!(world.told.borrow().is_empty() && !world.faults.borrow().is_empty());
        world.run(5);
        assert_eq!(world.credited.borrow()[&id(1)], 10, "rpc {rpc}, landed {landed}");
        assert_eq!(*world.told.borrow(), [(id(1), 10)]);
        assert_eq!(world.settled.get(), 10);
    }
}

#[test]
fn a_word_that_more_is_credited_than_was_signed_does_not_end_a_claim() {
    let world = world();
    world.take(&bringing(1, 10, true));
    world.credited.borrow_mut().insert(id(1), 1000);
    world.lost.borrow_mut().push(false);
    world.run(5);
    world.run(5);
    let claims = world.calls.borrow().iter().filter(|count| **count == 1).count();
    assert_eq!((claims, world.told.borrow().clone()), (1, vec![(id(1), 10)]), "the lost one was none");
}

#[test]
fn a_channel_that_makes_every_answer_get_lost_does_not_keep_the_others_from_being_claimed() {
    let world = world();
    (0..100).for_each(|number| drop(world.take(&bringing(number, 10, true))));
    world.poisoned.borrow_mut().insert(id(42));
    for _ in 0..9 {
        world.run(120);
    }
    assert_eq!(world.credited.borrow().len(), 99);
    assert_eq!(world.claims.borrow().keys().collect::<Vec<_>>(), [&id(42)]);
    // Those that come later are not held up either.
    world.take(&bringing(200, 10, true));
    world.run(5);
    assert!(world.credited.borrow().contains_key(&id(200)));
}

#[test]
fn a_channel_that_cannot_be_told_is_told_later_and_a_newer_claim_stays() {
    let world = world();
    world.take(&bringing(1, 10, false));
    world.channels_down.set(true);
    world.run(5);
    assert!(world.claims.borrow()[&id(1)].claimed);
    world.channels_down.set(false);
    world.run(5);
    assert_eq!(*world.told.borrow(), [(id(1), 10)]);
    assert_eq!(world.calls.borrow().iter().filter(|count| **count > 0).count(), 1);
    world.take(&bringing(1, 20, false));
    world.take(&bringing(1, 15, false));
    world.run(5);
    assert_eq!(world.credited.borrow()[&id(1)], 20);
}

#[test]
fn without_a_key_the_facilitators_refusal_is_told_and_halves_are_not_tried() {
    let world = World { with_key: false, ..world() };
    (0..10).for_each(|number| drop(world.take(&bringing(number, 10, false))));
    world.run(5);
    assert_eq!(*world.calls.borrow(), [10]);
    assert_eq!(world.claims.borrow().len(), 10);
    assert!(world.faults.borrow()[0].contains("authorizer_not_configured"), "{:?}", world.faults.borrow());
}

#[test]
fn a_settlement_that_is_lost_is_asked_for_again() {
    let world = world();
    world.take(&bringing(1, 10, false));
    // Popped from the end: the claim's answer arrives, the settlement's does not.
    world.lost.replace(vec![true]);
    world.credited.borrow_mut().insert(id(1), 10);
    world.till.replace(world.till.take().map(|till| Till { settle_at: 1, ..till }));
    world.claims.borrow_mut().clear();
    world.run(5);
    assert_eq!(world.settled.get(), 10);
    assert_ne!(world.till.borrow().as_ref().unwrap().settle_at, 0);
    world.run(5);
    assert_eq!(world.till.borrow().as_ref().unwrap().settle_at, 0, "nothing to settle: it was done");
}

#[test]
fn what_a_refund_has_credited_is_paid_out_and_not_claimed_again() {
    let world = world();
    world.take(&bringing(1, 10, false));
    world.credited.borrow_mut().insert(id(1), 15);
    world.take(&Bringing { credited: true, ..bringing(1, 15, false) });
    world.run(0);
    assert!(world.calls.borrow().is_empty(), "others may join");
    world.run(5);
    assert_eq!(*world.calls.borrow(), [0]);
    assert_eq!((world.settled.get(), world.claims.borrow().len()), (15, 0));
    assert_eq!(*world.told.borrow(), [(id(1), 10)]);
    world.run(60);
    assert_eq!(world.calls.borrow().len(), 1);
}

#[test]
fn what_is_credited_while_a_payout_is_under_way_is_paid_out_after_it() {
    let till = |settle_at| Till { settle_at, ..Till::of(&bringing(1, 10, false)) };
    let owing = |settle_at| till(settle_at).owing(UnixTime(100)).settle_at;
    assert_eq!(owing(0), 105);
    assert_eq!((owing(90), owing(100)), (91, 101), "told apart from the one that is under way");
    assert_eq!(owing(103), 103, "not begun: it goes with it, and is never put off");
}

#[test]
fn what_comes_while_the_first_one_waits_goes_with_it() {
    let world = world();
    for number in 0..5 {
        world.take(&bringing(number, 10, false));
        world.run(1);
    }
    assert_eq!(*world.calls.borrow(), [5, 0]);
    assert_eq!((world.settled.get(), world.claims.borrow().len()), (50, 0));
}

#[test]
fn a_channel_that_holds_less_than_was_charged_is_claimed_for_what_it_holds() {
    // Found out by the chain, or as the channel's object saw it last.
    for (rpc, seen) in [(true, None), (false, Some(6))] {
        let world = world();
        let short = || {
            let bringing = bringing(1, 10, rpc);
            Bringing { claim: Claim { holds: seen.map(u64::into), ..bringing.claim }, ..bringing }
        };
        world.holds.borrow_mut().insert(id(1), 6);
        world.take(&short());
        world.take(&bringing(2, 10, rpc));
        world.run(5);
        assert_eq!(*world.credited.borrow(), BTreeMap::from([(id(1), 6), (id(2), 10)]));
        assert_eq!((world.settled.get(), world.claims.borrow().len()), (16, 0));
        assert_eq!((world.told.borrow().len(), world.short.borrow().clone()), (2, vec![(id(1), 6)]));
        let fault = format!("channel {} holds 6, 4 less than was charged", id(1));
        assert_eq!(*world.faults.borrow(), [fault]);
        // It is told again: nothing can be claimed, and that ends there.
        let before = world.calls.borrow().iter().filter(|count| **count > 0).count();
        let again = short();
        world.take(&Bringing { claim: Claim { before: 6.into(), ..again.claim }, ..again });
        world.run(5);
        world.run(600);
        let after = world.calls.borrow().iter().filter(|count| **count > 0).count();
        assert_eq!((after - before, world.claims.borrow().len(), world.short.borrow().len()), (1, 0, 2));
        // Somebody has put more in.
        world.holds.borrow_mut().clear();
        world.take(&short());
        world.run(5);
        assert_eq!(world.credited.borrow()[&id(1)], 10);
    }
}

#[test]
fn a_refused_claim_of_which_nothing_can_be_found_out_waits_like_the_others() {
    let world = world();
    world.holds.borrow_mut().insert(id(1), 6);
    world.take(&bringing(1, 10, false));
    world.run(5);
    let calls = world.calls.borrow().len();
    assert!(
        world.faults.borrow().iter().any(|fault| fault.contains("tried again later")),
        "{:?}",
        world.faults.borrow()
    );
    world.run(4);
    assert_eq!(world.calls.borrow().len(), calls, "not at once");
    world.run(1);
    assert_eq!(world.calls.borrow().len(), calls + 1);
}

#[test]
fn what_comes_while_a_claim_is_under_way_is_not_overwritten() {
    let brought_meanwhile = |world: &World| world.meanwhile.replace(Some(bringing(1, 20, true)));
    let kept = |world: &World| {
        let row = world.claims.borrow()[&id(1)].clone();
        (row.claim.total.to_string(), row.claimed)
    };
    // Refused, lost, credited.
    let (refused, lost, credited, untold) = (world(), world(), world(), world());
    refused.bad.borrow_mut().insert(id(1));
    lost.lost.borrow_mut().push(false);
    for world in [&refused, &lost, &credited] {
        world.take(&bringing(1, 10, true));
        brought_meanwhile(world);
        world.run(5);
        assert_eq!(kept(world), ("20".to_owned(), false));
    }
    assert_eq!(*credited.told.borrow(), [(id(1), 10)]);
    // Credited, and its channel cannot be told.
    untold.channels_down.set(true);
    untold.take(&bringing(1, 10, true));
    untold.run(5);
    assert_eq!(kept(&untold), ("10".to_owned(), true));
    untold.take(&bringing(1, 10, true));
    assert_eq!(kept(&untold), ("10".to_owned(), true), "told again, it is not claimed again");
    brought_meanwhile(&untold);
    untold.run(5);
    assert_eq!(kept(&untold), ("20".to_owned(), false));
    untold.channels_down.set(false);
    refused.bad.borrow_mut().clear();
    for world in [&refused, &lost, &credited, &untold] {
        world.run(120);
        assert_eq!((world.credited.borrow()[&id(1)], world.settled.get()), (20, 20));
        assert_eq!((world.told.borrow().last().cloned(), world.claims.borrow().len()), (Some((id(1), 20)), 0));
    }
}

#[test]
fn a_till_asks_whom_the_newest_request_of_any_of_its_channels_names() {
    let world = world();
    let by = |number, url: &str, at| {
        let Bringing { means, .. } = bringing(number, 10, false);
        let means = Means { facilitators: vec![url.to_owned()], at, ..means };
        Bringing { means, ..bringing(number, 10, false) }
    };
    let asks = || world.till.borrow().as_ref().unwrap().means.facilitators.clone();
    world.take(&by(1, "https://old.example", 10));
    world.take(&by(2, "https://new.example", 20));
    // A channel that was quiet since brings its claim last, and is told.
    let newest = world.take(&by(3, "https://old.example", 10));
    assert_eq!((newest.facilitators, newest.at), (vec!["https://new.example".to_owned()], 20));
    assert_eq!(asks(), ["https://new.example"]);
    world.take(&Bringing { credited: true, ..by(1, "https://old.example", 10) });
    assert_eq!(asks(), ["https://new.example"]);
}
