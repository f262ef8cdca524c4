//! A channel under random commands: never over-charged, never over-claimed, nothing forgotten; and stories.

#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use x402_edge::{
    channels::{
        Account, Asked, ChannelLine, Claim, ClaimPolicy, Command, Due, Means, Odd, Presentation, Reply, Seen, Served,
        SignedRefund, apply, on_alarm, told, wake,
    },
    evm::{Address, Hash32, Uint256},
    schemes::batch_settlement::{ChannelConfig, ChannelFlaw},
    time::UnixTime,
};

const ID: Hash32 = [7; 32];
const DELAY: u64 = 86_400;

fn config() -> ChannelConfig {
    let address = |byte| Address::new([byte; 20]);
    ChannelConfig {
        payer: address(1),
        payer_authorizer: address(2),
        receiver: address(3),
        receiver_authorizer: address(4),
        token: address(5),
        withdraw_delay: DELAY,
        salt: [0; 32],
    }
}

fn seen(balance: u64, claimed: u64, at: u64) -> Seen {
    Seen { balance: balance.into(), total_claimed: claimed.into(), withdraw_requested_at: 0, refund_nonce: 0, at }
}

fn means() -> Means {
    Means { network: "eip155:1".to_owned(), claims: ClaimPolicy::default(), ..Means::default() }
}

fn voucher(max: u64, price: u64, request: &str, seen: Option<Seen>) -> Presentation {
    Presentation {
        config: config(),
        max: max.into(),
        signature: format!("0x{max}"),
        proven: true,
        price: price.into(),
        asked: Asked::Voucher,
        request: request.to_owned(),
        quoted: String::new(),
        seen,
        means: means(),
        known_only: false,
        known_channel_only: false,
    }
}

fn present(presentation: Presentation) -> Command {
    Command::Present(Box::new(presentation))
}

fn tell(known: &mut Option<Account>, command: Command, now: u64) -> Reply {
    let (after, reply) = apply(known.take(), &ID, command, UnixTime(now));
    *known = after;
    reply
}

fn number(value: Uint256) -> u64 {
    value.to_string().parse().unwrap()
}

#[derive(Debug, Clone)]
enum Deed {
    Wait(u64),
    /// The honest next voucher for a price and a request.
    Next(u64, u8),
    /// The same voucher and request as before.
    Again,
    /// Any voucher at all.
    Any(u64, u64, u8),
    Deposit(u64, u64),
    Refund,
    /// By the newest holder, or an older one; a share of the price in percent, or more than all of it.
    Charge(bool, u64),
    Release(bool, bool),
    Refunded(bool),
    Delivered(bool, bool),
    /// The alarm; whether the till can be told.
    Alarm(bool),
    /// The till has claimed what it was told last, or before that.
    ClaimTold,
    /// The chain is asked.
    Look,
    /// Somebody says that so much is claimed: of itself, or with the honest next voucher for a price.
    Lie(u64, Option<u64>),
    /// Another Worker with the same key charges so much, and claims.
    Elsewhere(u64),
    /// The object loses its memory; what it has stored stays.
    Crash,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        3 => (0_u64..400).prop_map(Deed::Wait),
        1 => (0_u64..3_000_000).prop_map(Deed::Wait),
        8 => (0_u64..50, 0_u8..3).prop_map(|(price, request)| Deed::Next(price, request)),
        4 => Just(Deed::Again),
        2 => (0_u64..400, 0_u64..50, 0_u8..3).prop_map(|(max, price, request)| Deed::Any(max, price, request)),
        2 => (1_u64..200, 0_u64..50).prop_map(|(amount, price)| Deed::Deposit(amount, price)),
        1 => Just(Deed::Refund),
        9 => (prop::bool::weighted(0.9), 0_u64..=110).prop_map(|(newest, share)| Deed::Charge(newest, share)),
        2 => (any::<bool>(), any::<bool>()).prop_map(|(newest, touched)| Deed::Release(newest, touched)),
        2 => any::<bool>().prop_map(Deed::Refunded),
        4 => (any::<bool>(), any::<bool>()).prop_map(|(newest, whole)| Deed::Delivered(newest, whole)),
        4 => any::<bool>().prop_map(Deed::Alarm),
        3 => Just(Deed::ClaimTold),
        2 => Just(Deed::Look),
        2 => (0_u64..200, prop::option::of(0_u64..50)).prop_map(|(claimed, price)| Deed::Lie(claimed, price)),
        1 => (1_u64..20).prop_map(Deed::Elsewhere),
        2 => Just(Deed::Crash),
    ];
    prop::collection::vec(deed, 1..120)
}

/// What is true of the channel, whatever its record says.
#[derive(Debug, Default)]
struct Truth {
    balance: u64,
    claimed: u64,
    charged: u64,
    nonce: u64,
    /// Vouchers charged and not delivered: ceiling, request, when.
    undelivered: Vec<(u64, u8, u64)>,
    /// What the till was told to claim.
    told: Option<u64>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_channel_is_never_overcharged_overclaimed_or_forgotten(deeds in deeds()) {
        let (mut known, mut truth, mut now): (Option<Account>, Truth, u64) = (None, Truth { balance: 100, ..Truth::default() }, 1_000_000);
        let mut holds: Vec<(u32, Presentation, u64)> = Vec::new();
        let mut last: Option<Presentation> = None;
        // What the object has stored: it keeps holds on vouchers and deliveries in memory only.
        let (mut stored, mut crashed): (Option<Account>, bool) = (None, false);
        for deed in deeds {
            let chain = |truth: &Truth, now| Seen { refund_nonce: truth.nonce, ..seen(truth.balance, truth.claimed, now) };
            let holder = |newest: bool| if newest { holds.last() } else { holds.first() }.cloned();
            let charged_before = known.as_ref().map(|account| account.channel.charged_cumulative_amount);
            let mut presented = None;
            let (is_lasting, was) = (!matches!(deed, Deed::Next(..) | Deed::Again | Deed::Any(..) | Deed::Release(_, false) | Deed::Delivered(..) | Deed::Crash), known.is_some());
            match deed {
                Deed::Wait(seconds) => now += seconds,
                Deed::Next(price, request) => presented = Some(voucher(truth.charged + price, price, &request.to_string(), None)),
                Deed::Again => presented = last.clone().map(|again| Presentation { seen: None, ..again }),
                Deed::Any(max, price, request) => presented = Some(voucher(max, price, &request.to_string(), None)),
                Deed::Deposit(amount, price) => presented = Some(Presentation {
                    asked: Asked::Deposit { amount: amount.into(), digest: format!("{amount}") },
                    ..voucher(truth.charged + price, price, "d", None)
                }),
                Deed::Refund => presented = Some(Presentation { asked: Asked::Refund { amount: None }, ..voucher(truth.charged, 0, "r", None) }),
                Deed::Charge(newest, share) => if let Some((hold, what, price)) = holder(newest) {
                    let amount = price * share / 100;
                    if matches!(what.asked, Asked::Deposit { .. })
                        && tell(&mut known, Command::Settling { hold, served: served(&what), asked: what.asked.clone(), refund: None }, now) != Reply::Done {
                        continue;
                    }
                    let deposited = match what.asked {
                        Asked::Deposit { amount, .. } => {
                            truth.balance += number(amount);
                            Some(("0xd".to_owned(), (share % 2 == 0).then(|| chain(&truth, now))))
                        }
                        _ => None,
                    };
                    let reply = tell(&mut known, Command::Charge { hold, served: served(&what), amount: amount.into(), deposited, ended: false }, now);
                    if let Reply::Charged(receipt) = &reply {
                        prop_assert!(share <= 100 || amount <= price, "{reply:?}");
                        prop_assert!(amount <= price);
                        truth.charged += amount;
                        prop_assert_eq!(number(receipt.state.charged_cumulative_amount), truth.charged);
                        prop_assert_eq!(number(receipt.charged), amount);
                        if amount > 0 {
                            truth.undelivered.push((number(what.max), what.request.parse().unwrap_or(9), now));
                        }
                        holds.retain(|(other, ..)| *other != hold);
                    }
                },
                Deed::Release(newest, touched) => if let Some((hold, ..)) = holder(newest) {
                    tell(&mut known, Command::Release { hold, touched }, now);
                },
                Deed::Refunded(newest) => if let Some((hold, what, _)) = holder(newest) && matches!(what.asked, Asked::Refund { .. })
                    && known.as_ref().and_then(|account| account.serving.as_ref()).is_some_and(|serving| serving.hold == hold) {
                    // The facilitator claims and pays back in one transaction.
                    truth.claimed = truth.charged;
                    truth.balance = truth.charged;
                    truth.nonce += 1;
                    tell(&mut known, Command::Refunded { hold, seen: chain(&truth, now), transaction: "0xr".to_owned(), amount: 1.into() }, now);
                },
                Deed::Delivered(newest, whole) => if let Some(account) = &known {
                    let owed = if newest { account.owed.last() } else { account.owed.first() }.cloned();
                    if let Some(owed) = owed {
                        prop_assert_eq!(tell(&mut known, Command::Delivered { hold: owed.hold, whole }, now), Reply::Done);
                        if whole {
                            let gone = (number(owed.max), owed.request.parse().unwrap_or(9));
                            let at = truth.undelivered.iter().position(|(max, request, _)| (*max, *request) == gone).unwrap();
                            truth.undelivered.remove(at);
                        }
                    }
                },
                Deed::Alarm(reached) => if let Some(account) = known.take() {
                    let was_due = wake(&account) <= now;
                    let (mut after, Due { claim, .. }) = on_alarm(account.clone(), UnixTime(now));
                    if after.is_none() {
                        prop_assert!(!account.is_claimable() && was_due, "forgotten with {} unclaimed", account.claimable());
                        prop_assert!(truth.undelivered.iter().all(|(.., at)| now >= at + 24 * 3600), "forgotten and owed");
                        truth.undelivered.clear();
                    }
                    if let Some(claim) = claim {
                        prop_assert!(claim.total <= claim.max, "claims more than was signed");
                        prop_assert!(number(claim.total) <= truth.charged, "claims more than was charged");
                        if reached {
                            truth.told = Some(number(claim.total));
                            after = after.map(|account| told(account, &claim, &means(), UnixTime(now)));
                        }
                    }
                    // The alarm does not come again and again for nothing.
                    prop_assert!(after.as_ref().is_none_or(|after| wake(after) > now), "{after:?}");
                    known = after;
                },
                // The contract pays no more than there is.
                Deed::ClaimTold => if let Some(total) = truth.told.take() {
                    let short = (total > truth.balance).then(|| truth.balance.into());
                    let total = total.min(truth.balance);
                    truth.claimed = truth.claimed.max(total);
                    tell(&mut known, Command::Claimed { total: total.into(), short }, now);
                },
                Deed::Crash => {
                    known = stored.as_ref().map(Account::lasting);
                    crashed = true;
                    let owed = known.iter().flat_map(|account| &account.owed);
                    truth.undelivered = owed.map(|owed| (number(owed.max), owed.request.parse().unwrap_or(9), owed.since)).collect();
                }
                Deed::Lie(claimed, price) => {
                    let lie = Seen { total_claimed: claimed.into(), ..chain(&truth, now) };
                    match price {
                        Some(price) => presented = Some(voucher(truth.charged + price, price, "1", Some(lie))),
                        None => {
                            tell(&mut known, Command::Look(lie), now);
                        }
                    }
                }
                // Its payer has one request under way at a time.
                Deed::Elsewhere(amount) => if truth.charged + amount <= truth.balance && known.as_ref().is_none_or(|account| account.serving.is_none()) {
                    truth.charged += amount;
                    truth.claimed = truth.charged;
                    holds.clear();
                    last = None;
                },
                Deed::Look => {
                    tell(&mut known, Command::Look(chain(&truth, now)), now);
                }
            }
            if let Some(mut presentation) = presented {
                let price = number(presentation.price);
                let mut reply = tell(&mut known, present(presentation.clone()), now);
                if matches!(reply, Reply::Unseen { .. }) {
                    presentation.seen = Some(chain(&truth, now));
                    reply = tell(&mut known, present(presentation.clone()), now);
                    // But where the chain is beyond us, and the payer is not.
                    let is_beyond = known.as_ref().is_some_and(|account| number(account.channel.charged_cumulative_amount) < truth.claimed);
                    prop_assert!(is_beyond || !matches!(reply, Reply::Unseen { .. }), "asked for the chain again");
                }
                let this = (number(presentation.max), presentation.request.parse().unwrap_or(9));
                match &reply {
                    Reply::Held { hold, .. } => {
                        // Where nothing was known, the voucher says what was charged before.
                        truth.charged = number(known.as_ref().unwrap().channel.charged_cumulative_amount);
                        prop_assert_eq!(this.0, truth.charged + price, "served for another voucher than the next");
                        prop_assert!(holds.iter().all(|(other, ..)| other < hold) || charged_before.is_none() || crashed, "a hold was given again");
                        if charged_before.is_none() {
                            holds.clear();
                            truth.undelivered.clear();
                        }
                        holds.push((*hold, presentation.clone(), price));
                        last = Some(presentation);
                    }
                    Reply::Owed { receipt, .. } => {
                        prop_assert!(truth.undelivered.iter().any(|(max, request, _)| (*max, *request) == this), "nothing is owed");
                        prop_assert!(number(receipt.state.charged_cumulative_amount) <= truth.charged);
                    }
                    Reply::Refused { flaw, known: told } => {
                        let tells = matches!(flaw, ChannelFlaw::CumulativeAmountMismatch | ChannelFlaw::CumulativeBelowClaimed);
                        prop_assert_eq!(told.is_some(), tells);
                    }
                    Reply::Busy { .. } | Reply::Elsewhere | Reply::Unseen { .. } => {}
                    other => panic!("{other:?}"),
                }
                // Presenting charges nothing, but what was charged elsewhere.
                if let (Some(before), Some(account)) = (charged_before, &known) {
                    let charged = account.channel.charged_cumulative_amount;
                    prop_assert!(charged == before || charged > before && number(charged) <= truth.charged.max(truth.claimed));
                }
            }
            if is_lasting || !was || known.is_none() {
                stored.clone_from(&known);
            }
            if let Some(account) = &known {
                let channel = &account.channel;
                let (charged, signed) = (number(channel.charged_cumulative_amount), number(channel.signed_max_claimable));
                // More than by the voucher that is kept only by what was charged elsewhere.
                prop_assert!(channel.signature.is_empty() || charged <= signed.max(truth.charged));
                prop_assert!(number(account.claimable()) <= signed);
                prop_assert!(channel.total_claimed <= channel.charged_cumulative_amount);
                let kept = if channel.signature.is_empty() { 0 } else { truth.charged.saturating_sub(truth.claimed) };
                prop_assert!(number(account.claimable()) >= kept, "{} given up", kept);

                // What is to be claimed has a time at which it will be.
                let within = if account.short_since > 0 { DELAY } else { DELAY / 4 + 600 };
                let due = (account.told_at.max(account.unclaimed_since) + within).max(account.tell_after);
                prop_assert!(!account.is_claimable() || wake(account) <= due && account.tell_after <= now + 10);
            }
        }
    }
}

fn opened() -> (Option<Account>, u32) {
    let mut known = None;
    let reply = tell(&mut known, present(voucher(10, 10, "a", Some(seen(100, 0, 1000)))), 1000);
    let Reply::Held { hold, .. } = reply else { panic!("{reply:?}") };
    (known, hold)
}

/// What the holder of a request says when the origin has answered.
fn served(presentation: &Presentation) -> Box<Served> {
    let Presentation { max, signature, price, request, quoted, .. } = presentation.clone();
    Box::new(Served { max, signature, price, request, quoted })
}

fn charged(known: &mut Option<Account>, hold: u32, amount: u64, at: u64) {
    let serving = known.as_ref().unwrap().serving.clone().unwrap();
    let what = voucher(number(serving.max), amount, &serving.request, None);
    let reply = tell(
        known,
        Command::Charge { hold, served: served(&what), amount: amount.into(), deposited: None, ended: false },
        at,
    );
    assert!(matches!(reply, Reply::Charged(_)), "{reply:?}");
}

#[test]
fn what_is_owed_by_voucher_is_not_given_where_the_same_document_asks_for_more() {
    let of = |price, quoted: &str| Presentation { quoted: quoted.to_owned(), ..voucher(10, price, "a", None) };
    for (price, quoted, given) in
        [(11, "v1", false), (11, "v2", true), (11, "", true), (10, "v1", true), (9, "v1", true)]
    {
        let (mut known, hold) = opened();
        let served = served(&of(10, "v1"));
        let charge = Command::Charge { hold, served, amount: 10_u64.into(), deposited: None, ended: false };
        assert!(matches!(tell(&mut known, charge, 1002), Reply::Charged(_)));
        tell(&mut known, Command::Delivered { hold, whole: false }, 1003);
        for known_only in [false, true] {
            let again = Presentation { known_only, ..of(price, quoted) };
            let reply = tell(&mut known.clone(), present(again), 1004);
            assert_eq!(matches!(reply, Reply::Owed { .. }), given, "{price} {quoted}: {reply:?}");
        }
    }
}

#[test]
fn a_voucher_sent_again_after_a_lost_answer_gets_it_without_a_second_charge() {
    let (mut known, hold) = opened();
    assert_eq!(tell(&mut known, present(voucher(10, 10, "a", None)), 1001), Reply::Busy { retry_after: 2 });
    charged(&mut known, hold, 10, 1002);
    let again = || present(voucher(10, 10, "a", None));
    assert_eq!(tell(&mut known, again(), 1003), Reply::Busy { retry_after: 2 }, "its answer is on its way");
    tell(&mut known, Command::Delivered { hold, whole: false }, 1004);
    let reply = tell(&mut known, again(), 1005);
    let Reply::Owed { hold: second, receipt, since: 1002 } = reply else { panic!("{reply:?}") };
    assert_eq!((number(receipt.charged), number(receipt.state.charged_cumulative_amount)), (10, 10));
    // Others may go on meanwhile, and it is owed all the same.
    let next = tell(&mut known, present(voucher(20, 10, "b", None)), 1006);
    let Reply::Held { hold: third, .. } = next else { panic!("{next:?}") };
    charged(&mut known, third, 10, 1007);
    tell(&mut known, Command::Delivered { hold: second, whole: false }, 1008);
    assert!(matches!(tell(&mut known, again(), 1009), Reply::Owed { .. }));
    assert_eq!(tell(&mut known, present(voucher(10, 10, "c", None)), 1010), Reply::Elsewhere);
    let newest = known.as_ref().unwrap().hold;
    tell(&mut known, Command::Delivered { hold: newest, whole: true }, 1011);
    let reply = tell(&mut known, again(), 1012);
    let Reply::Refused { flaw: ChannelFlaw::CumulativeAmountMismatch, known: Some(told) } = reply else {
        panic!("{reply:?}")
    };
    assert_eq!(number(told.0.charged_cumulative_amount), 20);
    assert_eq!(told.1.unwrap().signature, "0x20");
}

#[test]
fn a_charge_buys_its_content_again_ten_times_and_an_answer_that_has_ended_is_not_owed() {
    let (mut known, mut hold) = opened();
    charged(&mut known, hold, 10, 1000);
    for _ in 0..10 {
        tell(&mut known, Command::Delivered { hold, whole: false }, 1001);
        let reply = tell(&mut known, present(voucher(10, 10, "a", None)), 1001);
        let Reply::Owed { hold: newer, .. } = reply else { panic!("{reply:?}") };
        hold = newer;
    }
    assert_eq!(tell(&mut known, present(voucher(10, 10, "a", None)), 1001), Reply::Busy { retry_after: 2 });
    tell(&mut known, Command::Delivered { hold, whole: false }, 1001);
    let spent = |known: &mut Option<Account>| {
        matches!(
            tell(known, present(voucher(10, 10, "a", None)), 1002),
            Reply::Refused { flaw: ChannelFlaw::CumulativeAmountMismatch, .. }
        )
    };
    assert!(spent(&mut known));
    // Metered: charged when it had ended.
    let (mut known, hold) = opened();
    let served = served(&voucher(10, 10, "a", None));
    let charge = Command::Charge { hold, served, amount: 10.into(), deposited: None, ended: true };
    assert!(matches!(tell(&mut known, charge, 1001), Reply::Charged(_)));
    tell(&mut known, Command::Delivered { hold, whole: false }, 1001);
    assert!(spent(&mut known));
}

#[test]
fn a_refund_buys_nothing_that_is_owed() {
    let (mut known, hold) = opened();
    charged(&mut known, hold, 10, 1000);
    tell(&mut known, Command::Delivered { hold, whole: false }, 1001);
    let refund = |seen| Presentation { asked: Asked::Refund { amount: None }, ..voucher(10, 0, "a", seen) };
    assert_eq!(tell(&mut known, present(refund(None)), 1002), Reply::Unseen { deposit_begun: false });
    assert!(matches!(tell(&mut known, present(refund(Some(seen(100, 0, 1002)))), 1002), Reply::Held { .. }));
}

#[test]
fn a_refund_that_was_signed_counts_as_gone_until_the_chain_has_passed_it() {
    let (mut known, hold) = opened();
    charged(&mut known, hold, 10, 1000);
    tell(&mut known, Command::Delivered { hold, whole: true }, 1000);
    let ask = |max, price, asked, seen| present(Presentation { asked, ..voucher(max, price, "b", seen) });
    let refund = || Asked::Refund { amount: Some(60.into()) };
    let reply = tell(&mut known, ask(10, 0, refund(), Some(seen(100, 0, 1001))), 1001);
    let Reply::Held { hold, .. } = reply else { panic!("{reply:?}") };
    for amount in [60, 50] {
        let served = served(&voucher(10, 0, "b", None));
        let refund = Some(SignedRefund { nonce: 0, amount: amount.into() });
        let settling = Command::Settling { hold, served, asked: Asked::Refund { amount: Some(amount.into()) }, refund };
        assert_eq!(tell(&mut known, settling, 1001), Reply::Done);
    }
    tell(&mut known, Command::Release { hold, touched: true }, 1002);
    let next = |max: u64, seen| ask(max, max - 10, Asked::Voucher, seen);
    assert!(matches!(tell(&mut known, next(41, None), 1003), Reply::Unseen { .. }), "the mirror is doubtful");
    let reply = tell(&mut known, next(41, Some(seen(100, 0, 1003))), 1003);
    assert!(matches!(reply, Reply::Refused { flaw: ChannelFlaw::CumulativeExceedsBalance, .. }), "{reply:?}");
    assert!(matches!(tell(&mut known.clone(), next(40, Some(seen(100, 0, 1003))), 1003), Reply::Held { .. }));
    let deposit = |max: u64| {
        let asked = Asked::Deposit { amount: 5.into(), digest: "d".to_owned() };
        tell(&mut known.clone(), ask(max, max - 10, asked, Some(seen(100, 0, 1003))), 1003)
    };
    assert!(matches!(deposit(45), Reply::Held { .. }) && matches!(deposit(46), Reply::Refused { .. }));
    // It has arrived, in part of what was signed.
    let after = Some(Seen { refund_nonce: 1, ..seen(50, 10, 1004) });
    assert!(matches!(tell(&mut known, next(50, after), 1004), Reply::Held { .. }));
}

#[test]
fn nothing_is_told_of_a_channel_before_somebody_has_said_whose_voucher_it_is() {
    let (mut known, hold) = opened();
    let strange = |max, seen| Presentation { proven: false, ..voucher(max, 10, "a", seen) };
    let unseen = Reply::Unseen { deposit_begun: false };
    assert_eq!(tell(&mut known, present(strange(10, None)), 1001), unseen, "being served");
    charged(&mut known, hold, 10, 1001);
    tell(&mut known, Command::Delivered { hold, whole: false }, 1001);
    for max in [10, 11] {
        assert_eq!(tell(&mut known, present(strange(max, None)), 1002), unseen, "owed, or not the next one");
    }
    let reply = tell(&mut known, present(strange(10, Some(seen(100, 0, 1002)))), 1002);
    assert!(matches!(reply, Reply::Owed { .. }), "{reply:?}");
}

#[test]
fn another_request_of_a_busy_channel_is_refused_and_the_same_voucher_is_good_after_a_failed_origin() {
    let (mut known, hold) = opened();
    charged(&mut known, hold, 10, 1000);
    let Reply::Held { hold, .. } = tell(&mut known, present(voucher(20, 10, "b", None)), 1001) else { panic!() };
    let busy = tell(&mut known, present(voucher(30, 20, "c", None)), 1001);
    assert!(matches!(busy, Reply::Refused { flaw: ChannelFlaw::ChannelBusy, .. }));
    assert_eq!(tell(&mut known, Command::Release { hold, touched: false }, 1002), Reply::Done);
    assert!(matches!(tell(&mut known, present(voucher(20, 10, "b", None)), 1003), Reply::Held { .. }));
    // The one who had it before cannot charge any more.
    let late = |max, request| Command::Charge {
        hold,
        served: served(&voucher(max, 10, request, None)),
        amount: 10.into(),
        deposited: None,
        ended: false,
    };
    assert_eq!(tell(&mut known, late(20, "b"), 1004), Reply::Stale);
}

#[test]
fn nothing_is_kept_of_a_channel_that_the_chain_does_not_know_or_that_was_never_charged() {
    let mut known = None;
    assert_eq!(tell(&mut known, present(voucher(10, 10, "a", None)), 1000), Reply::Unseen { deposit_begun: false });
    assert_eq!(known, None);
    let reply = tell(&mut known, present(voucher(10, 10, "a", Some(seen(0, 0, 1000)))), 1000);
    assert_eq!(reply, Reply::Refused { flaw: ChannelFlaw::ChannelNotFound, known: None });
    assert_eq!(known, None);
    let (mut known, hold) = opened();
    tell(&mut known, Command::Release { hold, touched: false }, 1001);
    assert_eq!(known, None);
}

#[test]
fn after_five_minutes_the_chain_is_asked_again() {
    let (mut known, hold) = opened();
    charged(&mut known, hold, 10, 1000);
    let next = || present(voucher(20, 10, "b", None));
    assert!(matches!(tell(&mut known.clone(), next(), 1300), Reply::Held { .. }));
    assert_eq!(tell(&mut known, next(), 1301), Reply::Unseen { deposit_begun: false });
    let withdrawn = Seen { balance: 15.into(), ..seen(0, 0, 1301) };
    let reply = tell(&mut known, present(Presentation { seen: Some(withdrawn), ..voucher(20, 10, "b", None) }), 1301);
    assert!(matches!(reply, Reply::Refused { flaw: ChannelFlaw::CumulativeExceedsBalance, .. }));
}

#[test]
fn a_channel_is_claimed_when_it_falls_quiet_when_enough_has_come_together_and_when_its_payer_withdraws() {
    let (mut known, hold) = opened();
    charged(&mut known, hold, 10, 1000);
    tell(&mut known, Command::Delivered { hold, whole: true }, 1000);
    let account = known.unwrap();
    assert_eq!(wake(&account), 1600, "quiet for ten minutes");
    let with = |claims| Account { means: Means { claims, ..means() }, ..account.clone() };
    assert_eq!(wake(&with(ClaimPolicy { threshold: Some(10.into()), ..ClaimPolicy::default() })), 0);
    assert_eq!(wake(&with(ClaimPolicy { threshold: Some(11.into()), ..ClaimPolicy::default() })), 1600);
    assert_eq!(wake(&with(ClaimPolicy { idle: 1_000_000, ..ClaimPolicy::default() })), 1000 + DELAY / 4);
    assert_eq!(wake(&with(ClaimPolicy { every: Some(60), ..ClaimPolicy::default() })), 1060);
    let mut withdrawing = account.clone();
    withdrawing.channel.withdraw_requested_at = 1100;
    assert!(wake(&withdrawing) <= 1100, "at once");
    let (mut after, claim) = alarm(withdrawing, 1100);
    assert!(claim.urgent && claim.total == 10.into());
    assert_eq!(wake(&after), 1700, "told once; again where the till has forgotten");
    after.channel.channel_config.withdraw_delay = 900;
    assert_eq!(wake(&after), 1175);
}

#[test]
fn what_is_charged_during_a_withdrawal_is_claimed_together_and_never_too_late() {
    let mut known = charged_ten();
    tell(&mut known, Command::Look(Seen { withdraw_requested_at: 1050, ..seen(100, 0, 1100) }), 1100);
    let (account, claim) = alarm(known.take().unwrap(), 1100);
    assert!(claim.urgent, "what was charged before, at once");
    known = Some(account);
    tell(&mut known, Command::Claimed { total: 10.into(), short: None }, 1102);
    for (max, at) in [(20, 1110), (30, 1112), (40, 1114)] {
        let reply = tell(&mut known, present(voucher(max, 10, "b", None)), at);
        let Reply::Held { hold, .. } = reply else { panic!("{reply:?}") };
        charged(&mut known, hold, 10, at);
        assert_eq!(wake(known.as_ref().unwrap()), 1115);
    }
    // The last ones that are taken.
    let mut late = known.clone().unwrap();
    late.channel.channel_config.withdraw_delay = 900;
    late.channel.withdraw_requested_at = 1114 - 900 / 3 * 2;
    assert_eq!(wake(&late), 1114);
    let (account, claim) = alarm(known.take().unwrap(), 1115);
    assert_eq!((number(claim.total), claim.urgent), (40, true));
    known = Some(account);
    let Reply::Held { hold, .. } = tell(&mut known, present(voucher(50, 10, "b", None)), 1115) else { panic!() };
    charged(&mut known, hold, 10, 1116);
    tell(&mut known, Command::Claimed { total: 40.into(), short: None }, 1117);
    assert_eq!(wake(known.as_ref().unwrap()), 1120);
}

/// The alarm of a channel that is to be claimed, and that the till has taken it.
fn alarm(account: Account, at: u64) -> (Account, Claim) {
    let (after, due) = on_alarm(account, UnixTime(at));
    let claim = due.claim.unwrap();
    (told(after.unwrap(), &claim, &means(), UnixTime(at)), claim)
}

#[test]
fn a_till_that_cannot_be_told_is_told_again_in_a_moment_and_only_what_it_took_counts() {
    let account = charged_ten().unwrap();
    let (after, due) = on_alarm(account, UnixTime(1600));
    let (mut after, claim) = (after.unwrap(), due.claim.unwrap());
    for at in [1610, 1620] {
        assert_eq!((after.told_at, wake(&after)), (0, at), "should it never have been told, nor heard of it");
        let (again, due) = on_alarm(after, UnixTime(at));
        after = again.unwrap();
        assert_eq!(due.claim.unwrap(), claim);
    }
    let taken = told(after.clone(), &claim, &means(), UnixTime(1620));
    assert_eq!((taken.told_at, wake(&taken)), (1620, 2220));
    // The word that it took it comes after the word that it is claimed.
    let mut known = Some(after);
    tell(&mut known, Command::Claimed { total: 10.into(), short: None }, 1621);
    let account = told(known.clone().unwrap(), &claim, &means(), UnixTime(1620));
    assert_eq!((account.told_at, account.is_claimable()), (0, false));
}

#[test]
fn a_deposit_whose_outcome_is_unknown_is_remembered() {
    let deposit = |seen| Presentation {
        asked: Asked::Deposit { amount: 50.into(), digest: "d".to_owned() },
        ..voucher(10, 10, "a", seen)
    };
    let mut known = None;
    assert_eq!(tell(&mut known, present(deposit(None)), 1000), Reply::Unseen { deposit_begun: false });
    let Reply::Held { hold, .. } = tell(&mut known, present(deposit(Some(seen(0, 0, 1000)))), 1000) else { panic!() };
    let settling = Command::Settling { hold, served: served(&deposit(None)), asked: deposit(None).asked, refund: None };
    assert_eq!(tell(&mut known, settling, 1001), Reply::Done);
    // Should its object lose its memory now, others wait all the same.
    known = known.map(|account| account.lasting());
    assert_eq!(tell(&mut known, present(deposit(None)), 1049), Reply::Busy { retry_after: 2 });
    tell(&mut known, Command::Release { hold, touched: true }, 1050);
    assert_eq!(tell(&mut known, present(deposit(None)), 1060), Reply::Unseen { deposit_begun: true });
    // It has arrived: the voucher is good by itself.
    let Reply::Held { .. } = tell(&mut known, present(voucher(10, 10, "a", Some(seen(50, 0, 1060)))), 1060) else {
        panic!()
    };
}

#[test]
fn a_deposit_that_was_brought_before_and_is_refused_now_may_have_arrived_all_the_same() {
    let deposit = |seen| Presentation {
        asked: Asked::Deposit { amount: 50.into(), digest: "d".to_owned() },
        ..voucher(10, 10, "a", seen)
    };
    let mut known = None;
    for (at, touched) in [(1000, true), (1100, false)] {
        let reply = tell(&mut known, present(deposit(Some(seen(0, 0, at)))), at);
        let Reply::Held { hold, .. } = reply else { panic!("{reply:?}") };
        let settling =
            Command::Settling { hold, served: served(&deposit(None)), asked: deposit(None).asked, refund: None };
        assert_eq!(tell(&mut known, settling, at), Reply::Done);
        tell(&mut known, Command::Release { hold, touched }, at + 1);
        assert_eq!(tell(&mut known, present(deposit(None)), at + 2), Reply::Unseen { deposit_begun: true });
    }
}

/// A channel from which ten were charged, and their answer delivered.
fn charged_ten() -> Option<Account> {
    let (mut known, hold) = opened();
    charged(&mut known, hold, 10, 1000);
    tell(&mut known, Command::Delivered { hold, whole: true }, 1000);
    known
}

/// What is to be claimed of it, and by which voucher.
fn to_claim(known: Option<&Account>) -> (u64, String) {
    let account = known.unwrap();
    (number(account.claimable()), account.channel.signature.clone())
}

#[test]
fn what_cannot_be_true_of_a_channel_costs_nothing_and_is_asked_for_again() {
    let false_words = [(seen(5, 6, 1001), Odd::Overdrawn), (seen(1000, 11, 1001), Odd::NeverCharged)];
    for (word, odd) in false_words {
        let mut known = charged_ten();
        let due = wake(known.as_ref().unwrap());
        tell(&mut known, Command::Look(word.clone()), 1001);
        assert_eq!(known.as_ref().unwrap().odd, Some(odd), "the operator is told");
        assert_eq!((to_claim(known.as_ref()), wake(known.as_ref().unwrap())), ((10, "0x10".to_owned()), due));
        let next = |seen| present(voucher(20, 10, "b", seen));
        let unseen = Reply::Unseen { deposit_begun: false };
        assert_eq!(tell(&mut known, next(None), 1002), unseen, "fresh as it was, it is asked for again");
        let word = Seen { at: 1002, ..word };
        assert_eq!(tell(&mut known, next(Some(word)), 1002), unseen, "by it nobody is served, nor refused");
        assert_eq!(to_claim(known.as_ref()), (10, "0x10".to_owned()));
        assert!(matches!(tell(&mut known, next(Some(seen(100, 0, 1003))), 1003), Reply::Held { .. }));
        assert_eq!(known.unwrap().odd, None);
    }
}

#[test]
fn what_was_charged_is_claimed_whoever_says_that_it_is() {
    let mut known = charged_ten();
    tell(&mut known, Command::Look(seen(100, 10, 1001)), 1001);
    let (_, due) = on_alarm(known.clone().unwrap(), UnixTime(1600));
    assert_eq!(due.claim.map(|claim| number(claim.total)), Some(10), "sent twice it moves nothing twice");
    tell(&mut known, Command::Claimed { total: 10.into(), short: None }, 1610);
    assert!(!known.as_ref().unwrap().is_claimable());
    // By a facilitator's word at most what was charged is claimed.
    let mut known = charged_ten();
    tell(&mut known, Command::Claimed { total: 1000.into(), short: None }, 1610);
    assert_eq!(number(known.as_ref().unwrap().channel.total_claimed), 10);
}

#[test]
fn a_claim_that_was_said_to_be_credited_and_is_not_on_chain_is_claimed_again() {
    let rpc = vec!["https://rpc.example".to_owned()];
    let mut known = charged_ten().map(|account| Account { means: Means { rpc, ..means() }, ..account });
    tell(&mut known, Command::Claimed { total: 10.into(), short: None }, 1600);
    assert_eq!(wake(known.as_ref().unwrap()), 1900, "it is looked at once more");
    tell(&mut known, Command::Look(seen(100, 0, 1899)), 1899);
    assert_eq!(to_claim(known.as_ref()).0, 0, "a node may lag behind");
    let (after, due) = on_alarm(known.clone().unwrap(), UnixTime(1900));
    assert!(due.look && due.claim.is_none() && after.is_some_and(|after| wake(&after) == 2200));
    let mut confirmed = known.clone();
    tell(&mut confirmed, Command::Look(seen(100, 10, 1900)), 1900);
    assert!(wake(confirmed.as_ref().unwrap()) > 2_000_000, "nothing is left to look for");
    tell(&mut known, Command::Look(seen(100, 0, 1900)), 1900);
    assert_eq!(
        (to_claim(known.as_ref()), known.as_ref().unwrap().odd),
        ((10, "0x10".to_owned()), Some(Odd::NotCredited))
    );
    assert!(wake(known.as_ref().unwrap()) <= 1900);
}

#[test]
fn what_another_worker_has_claimed_was_charged_once_the_payer_has_signed_for_as_much() {
    // Fifty are claimed: the payer knows, and signs for the next ten.
    let next = |max, seen| present(voucher(max, 10, "b", seen));
    let word = || Some(seen(100, 50, 1301));
    let mut known = charged_ten();
    assert!(matches!(tell(&mut known.clone(), next(60, None), 1300), Reply::Refused { .. }), "fresh: nobody is asked");
    assert_eq!(tell(&mut known, next(60, None), 1301), Reply::Unseen { deposit_begun: false });
    let reply = tell(&mut known, next(60, word()), 1301);
    let Reply::Held { hold, state } = reply else { panic!("{reply:?}") };
    assert_eq!((number(state.charged_cumulative_amount), known.as_ref().unwrap().odd), (50, None));
    // The voucher that is kept is not given up before a newer one is charged.
    assert_eq!(to_claim(known.as_ref()), (10, "0x10".to_owned()));
    let mut failed = known.clone();
    tell(&mut failed, Command::Release { hold, touched: false }, 1302);
    assert_eq!(to_claim(failed.as_ref()), (10, "0x10".to_owned()));
    charged(&mut known, hold, 10, 1302);
    let (_, due) = on_alarm(known.unwrap(), UnixTime(5000));
    let claim = due.claim.unwrap();
    assert_eq!((number(claim.total), number(claim.before), claim.signature), (60, 50, "0x60".to_owned()));
    // Who has lost sight is told what was claimed, and not shown a voucher over less.
    let reply = tell(&mut charged_ten(), next(70, word()), 1301);
    let Reply::Refused { flaw: ChannelFlaw::CumulativeAmountMismatch, known: Some(told) } = reply else {
        panic!("{reply:?}")
    };
    assert_eq!((number(told.0.charged_cumulative_amount), told.1), (50, None));
}

#[test]
fn what_a_channel_does_not_hold_stays_charged_and_is_tried_again_ever_more_seldom() {
    let mut known = charged_ten();
    let due = |known: &Option<Account>| wake(known.as_ref().unwrap());
    let (after, claim) = alarm(known.take().unwrap(), 1600);
    assert_eq!(claim.holds, Some(100.into()));
    known = Some(after);
    tell(&mut known, Command::Claimed { total: 6.into(), short: Some(6.into()) }, 1610);
    let line = ChannelLine::of(known.as_ref().unwrap(), false, 1610);
    assert_eq!((line.state.as_str(), line.balance.as_str(), line.claimable.as_str()), ("short", "6", "4"));
    assert_eq!(due(&known), 1610 + DELAY / 12);
    // Nobody has put anything in: again, and later again.
    for (at, next) in [(8810, 16010), (16010, 30410), (100_000, 186_400), (200_000, 286_400)] {
        let (after, claim) = alarm(known.take().unwrap(), at);
        assert_eq!(number(claim.total), 10);
        known = Some(after);
        tell(&mut known, Command::Claimed { total: 6.into(), short: Some(6.into()) }, at);
        assert_eq!(due(&known), next);
    }
    let (after, _) = on_alarm(known.take().unwrap(), UnixTime(1_000_000_000));
    assert!(after.is_some(), "it is never forgotten");
    // Somebody has.
    known = after;
    tell(&mut known, Command::Look(seen(106, 6, 1_000_000_001)), 1_000_000_001);
    assert_eq!(due(&known), 1_000_000_010, "as soon as the till can be told");
    tell(&mut known, Command::Claimed { total: 10.into(), short: None }, 1_000_000_010);
    assert_eq!(ChannelLine::of(known.as_ref().unwrap(), false, 0).state, "open");
}

#[test]
fn a_channel_asks_whom_the_newest_request_names_that_it_or_its_till_knows_of() {
    let rpc = |url: &str, at| Means { rpc: vec![url.to_owned()], at, ..means() };
    let mut known = charged_ten();
    for (url, at) in [("https://b.example", 20), ("https://a.example", 10)] {
        let next = Presentation { means: rpc(url, at), ..voucher(20, 10, "b", None) };
        let Reply::Held { hold, .. } = tell(&mut known, present(next), 1010) else { panic!() };
        tell(&mut known, Command::Release { hold, touched: false }, 1011);
        assert_eq!(known.as_ref().unwrap().means, rpc("https://b.example", 20));
    }
    let (_, claim) = alarm(known.clone().unwrap(), 5000);
    for (told_of, holds) in [(15, 20), (30, 30)] {
        let account = told(known.clone().unwrap(), &claim, &rpc("https://till.example", told_of), UnixTime(5000));
        assert_eq!(account.means.at, holds);
    }
}
