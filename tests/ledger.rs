//! The ledger's rules under random commands, against a small model of what really happened.

#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::prelude::*;
use x402_edge::{
    ledger::{
        Alarm, Command, Exposure, Outcome, Payment, Plan, Presentation, Reply, Sale, State, Wish, apply, entry,
        on_alarm, wake,
    },
    money::{Amount, TransferMethod},
    time::UnixTime,
    x402::{SettleAttempt, SettlementResponse},
};

fn receipt() -> SettlementResponse {
    SettlementResponse {
        success: true,
        error_reason: None,
        transaction: "0xabc".to_owned(),
        network: "eip155:84532".to_owned(),
        payer: None,
        amount: None,
        extra: None,
    }
}

fn attempt() -> Box<SettleAttempt> {
    Box::new(SettleAttempt {
        facilitator: "https://f.example".to_owned(),
        body: "{}".to_owned(),
        network: "eip155:84532".to_owned(),
        chain_id: 84532,
        asset: "0x".to_owned(),
        payer: "0x".to_owned(),
        others: vec![],
        pay_to: "0x".to_owned(),
        ceiling: None,
        transfer: TransferMethod::Eip3009,
        amount: "1".to_owned(),
        nonce: "0x".to_owned(),
        expires_at: 300,
        begun_at: 0,
        rpc: vec![],
    })
}

fn exposure() -> Exposure {
    let units = |units: u64| Amount::new(units.into());
    let (budget, holder) = ("b".to_owned(), "h".to_owned());
    Exposure { budget, holder, payer: units(100), route: units(1000), amount: units(10), needed: false, alone: false }
}

fn presentation(request: u8) -> Presentation {
    Presentation {
        digest: "d".to_owned(),
        request: request.to_string(),
        sale: Sale::default(),
        quoted: String::new(),
        is_dearer: false,
        valid_until: 300,
        wish: Wish::VerifyFirst,
        max_unsettled: 2,
        exposure: None,
        verify_seconds: 4,
        known_only: false,
    }
}

/// What random clients, isolates and clocks do.
#[derive(Debug, Clone)]
enum Deed {
    Present(u8),
    /// The holder with this number (of those there ever were) takes its next step.
    Serve(usize),
    Settle(usize),
    /// What the answer may cost is set aside, as the clerk does for payers in good standing.
    SetAside,
    Queue(usize),
    CloseSettled(usize),
    CloseReleased(usize),
    CloseUnknown(usize),
    Delivering(usize),
    Delivered(usize, bool),
    Later(u64),
    Alarm,
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let holder = 0_usize..6;
    let deed = prop_oneof![
        4 => (0_u8..2).prop_map(Deed::Present),
        3 => holder.clone().prop_map(Deed::Serve),
        3 => holder.clone().prop_map(Deed::Settle),
        2 => Just(Deed::SetAside),
        3 => holder.clone().prop_map(Deed::Queue),
        2 => holder.clone().prop_map(Deed::CloseSettled),
        1 => holder.clone().prop_map(Deed::CloseReleased),
        2 => holder.clone().prop_map(Deed::CloseUnknown),
        1 => holder.clone().prop_map(Deed::Delivering),
        2 => (holder, any::<bool>()).prop_map(|(holder, whole)| Deed::Delivered(holder, whole)),
        2 => (1_u64..200).prop_map(Deed::Later),
        1 => (1_000_u64..40_000).prop_map(Deed::Later),
        2 => Just(Deed::Alarm),
    ];
    prop::collection::vec(deed, 1..60)
}

/// What a bystander who sees everything knows.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools)]
struct Truth {
    /// A facilitator may have been asked.
    asked: bool,
    /// And nothing has shown since that it did not settle.
    money_may_have_moved: bool,
    settled: bool,
    delivered: bool,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn nobody_is_charged_twice_and_nothing_paid_is_lost(deeds in deeds()) {
        let mut now = 1_000;
        let mut known: Option<Payment> = None;
        let mut truth = Truth::default();
        let mut holds: Vec<u32> = Vec::new();
        for deed in deeds {
            let command = |holder: usize, make: &dyn Fn(u32) -> Command| holds.get(holder % holds.len().max(1)).map(|hold| make(*hold));
            let command = match deed {
                Deed::Later(seconds) => {
                    now += seconds;
                    continue;
                }
                Deed::Alarm => {
                    let Some(payment) = known.take() else { continue };
                    let at = wake(&payment).max(now);
                    let before = payment.clone();
                    now = at;
                    match on_alarm(payment, UnixTime(now)) {
                        Alarm::Wait(payment) => panic!("no way out of {payment:?}"),
                        Alarm::Forget => {
                            // Nothing that may have cost money is forgotten within a day.
                            prop_assert!(!truth.money_may_have_moved || now >= before.keep_until, "forgot {before:?}");
                            truth = Truth::default();
                            holds.clear();
                        }
                        Alarm::Ask(payment, _) => {
                            prop_assert!(truth.money_may_have_moved && !truth.settled);
                            holds.push(payment.hold);
                            known = Some(payment);
                        }
                    }
                    continue;
                }
                Deed::SetAside => {
                    if let Some(payment) = known.as_mut().filter(|payment| payment.state == State::Held) {
                        payment.exposure = Some(exposure());
                        payment.set_aside = true;
                    }
                    continue;
                }
                Deed::Queue(holder) => command(holder, &|hold| Command::Queue { hold, attempt: attempt(), ended: false }),
                Deed::Present(request) => Some(Command::Present(Box::new(presentation(request)))),
                Deed::Serve(holder) => command(holder, &|hold| Command::Serve { hold }),
                Deed::Settle(holder) => command(holder, &|hold| Command::Settle { hold, attempt: attempt() }),
                Deed::CloseSettled(holder) => command(holder, &|hold| Command::Close { hold, outcome: Box::new(Outcome::Settled(receipt())) }),
                Deed::CloseReleased(holder) => command(holder, &|hold| Command::Close { hold, outcome: Box::new(Outcome::Released) }),
                Deed::CloseUnknown(holder) => command(holder, &|hold| Command::Close { hold, outcome: Box::new(Outcome::Unknown) }),
                Deed::Delivering(holder) => command(holder, &|hold| Command::Delivering { hold }),
                Deed::Delivered(holder, whole) => command(holder, &|hold| Command::Delivered { hold, whole }),
            };
            let Some(command) = command else { continue };
            // Only who may have settled can bring the news that it did.
            if matches!(&command, Command::Close { outcome, .. } if matches!(**outcome, Outcome::Settled(_))) && !truth.asked {
                continue;
            }
            let newest = known.as_ref().map(|payment| payment.hold);
            let (after, reply) = apply(known.take(), command.clone(), UnixTime(now));
            known = after;
            match &reply {
                Reply::Held { hold, .. } => {
                    prop_assert!(!truth.money_may_have_moved, "sold again after {command:?}");
                    truth.delivered = false;
                    prop_assert!(Some(*hold) > newest, "an old hold was given again");
                    holds.push(*hold);
                }
                Reply::Resolve { hold, .. } => {
                    prop_assert!(truth.money_may_have_moved && !truth.settled);
                    prop_assert!(Some(*hold) > newest);
                    holds.push(*hold);
                }
                Reply::Owed { hold, .. } => {
                    prop_assert!(truth.settled && !truth.delivered);
                    prop_assert!(Some(*hold) > newest);
                    holds.push(*hold);
                }
                Reply::Spent { receipt } => prop_assert!(truth.settled && truth.delivered && receipt.is_some()),
                Reply::Elsewhere => prop_assert!(truth.settled && !truth.delivered),
                Reply::Busy { .. } | Reply::NotKnown | Reply::Stale | Reply::Done => {}
                Reply::Settled { .. } | Reply::Refused { .. } | Reply::Unknown { .. } | Reply::Exhausted => panic!("the clerk's words: {reply:?}"),
            }
            match (&command, &reply) {
                (Command::Queue { .. } | Command::Settle { .. }, Reply::Done) => {
                    let payment = known.as_ref().unwrap();
                    prop_assert!(payment.set_aside || payment.ahead.is_none(), "an answer left without a budget");
                    truth.asked = true;
                    truth.money_may_have_moved = true;
                }
                (Command::Close { outcome, hold }, _) => match **outcome {
                    Outcome::Settled(_) => {
                        prop_assert!(matches!(known.as_ref().unwrap().state, State::Settled | State::Delivered), "evidence was lost");
                        truth.settled = true;
                        truth.money_may_have_moved = true;
                    }
                    Outcome::Released if reply == Reply::Done => {
                        prop_assert_eq!(Some(*hold), newest);
                        truth.money_may_have_moved = false;
                    }
                    Outcome::Released | Outcome::Unknown => {}
                },
                (Command::Delivered { whole: true, .. }, Reply::Done) => truth.delivered = true,
                _ => {}
            }
            // Steps are the newest hold's alone.
            if let Command::Serve { hold } | Command::Settle { hold, .. } | Command::Queue { hold, .. } | Command::Delivering { hold } | Command::Delivered { hold, .. } = command {
                prop_assert!(reply == Reply::Stale || Some(hold) == newest);
            }
        }
    }
}

/// A payment's story, told in commands; the reply to the last one.
fn story(commands: &[(u64, Command)]) -> Reply {
    let mut known = None;
    let mut last = Reply::Stale;
    for (at, command) in commands {
        let (after, reply) = apply(known, command.clone(), UnixTime(*at));
        known = after;
        last = reply;
    }
    last
}

fn settled_at(at: u64) -> Vec<(u64, Command)> {
    vec![
        (at, Command::Present(Box::new(presentation(0)))),
        (at, Command::Serve { hold: 1 }),
        (at, Command::Settle { hold: 1, attempt: attempt() }),
        (at, Command::Close { hold: 1, outcome: Box::new(Outcome::Settled(receipt())) }),
    ]
}

/// Settled at 0 and not delivered, however often it is asked for again.
fn owed(hold: u32) -> Reply {
    Reply::Owed { hold, receipt: receipt(), since: Some(0) }
}

fn and(mut story: Vec<(u64, Command)>, more: &[(u64, Command)]) -> Vec<(u64, Command)> {
    story.extend_from_slice(more);
    story
}

#[test]
fn a_copy_waits_until_the_first_has_ended() {
    let present = |at| (at, Command::Present(Box::new(presentation(0))));
    assert_eq!(story(&[present(0), present(1)]), Reply::Busy { retry_after: 2 });
    // Verifying (4 s here), the ledger's own steps, and the origin; also where the gate verifies first although the
    // ledger would have asked the origin at once.
    for first in [vec![present(0)], vec![present(0), (0, Command::Serve { hold: 1 })]] {
        assert_eq!(story(&and(first.clone(), &[present(79)])), Reply::Busy { retry_after: 2 });
        // Its isolate died: nothing was charged, the lease is over.
        let again = Reply::Held { hold: 2, plan: Plan::VerifyFirst, ahead: false };
        assert_eq!(story(&and(first, &[present(80)])), again);
    }
}

#[test]
fn a_payment_that_was_verified_first_settles_without_another_word() {
    let present = (0, Command::Present(Box::new(presentation(0))));
    let settle = (70, Command::Settle { hold: 1, attempt: attempt() });
    assert_eq!(story(&[present, settle]), Reply::Done);
}

#[test]
fn what_is_owed_is_not_given_where_the_same_document_asks_for_more() {
    let paid = Presentation { quoted: "v1".to_owned(), ..presentation(0) };
    let mut settled = settled_at(0);
    settled[0].1 = Command::Present(Box::new(paid.clone()));
    let gone = (1, Command::Delivered { hold: 1, whole: false });
    let again = |quoted: &str, is_dearer| {
        let known_only = Presentation { quoted: quoted.to_owned(), is_dearer, known_only: true, ..paid.clone() };
        story(&and(settled.clone(), &[gone.clone(), (2, Command::Present(Box::new(known_only)))]))
    };
    assert_eq!(again("v1", true), Reply::Elsewhere);
    for (quoted, is_dearer) in [("v1", false), ("v2", true), ("", true)] {
        assert_eq!(again(quoted, is_dearer), owed(2), "{quoted} {is_dearer}");
    }
}

#[test]
fn a_settled_payment_is_owed_until_it_is_delivered_and_then_spent() {
    let present = |at, request| (at, Command::Present(Box::new(presentation(request))));
    let settled = settled_at(0);
    assert_eq!(story(&and(settled.clone(), &[present(1, 0)])), Reply::Busy { retry_after: 2 });
    assert_eq!(story(&and(settled.clone(), &[present(61, 0)])), owed(2));
    assert_eq!(story(&and(settled.clone(), &[present(61, 1)])), Reply::Elsewhere);
    let gone = (1, Command::Delivered { hold: 1, whole: false });
    assert_eq!(story(&and(settled.clone(), &[gone, present(2, 0)])), owed(2));
    let delivered = (1, Command::Delivered { hold: 1, whole: true });
    assert_eq!(story(&and(settled, &[delivered, present(2, 0)])), Reply::Spent { receipt: Some(receipt()) });
}

#[test]
fn an_unknown_settlement_is_resolved_and_never_sold_again() {
    let present = |at| (at, Command::Present(Box::new(presentation(0))));
    let settling = settled_at(0)[..3].to_vec();
    let unknown = and(settling.clone(), &[(5, Command::Close { hold: 1, outcome: Box::new(Outcome::Unknown) })]);
    for story_so_far in [and(unknown.clone(), &[present(6)]), and(settling.clone(), &[present(91)])] {
        assert!(matches!(story(&story_so_far), Reply::Resolve { hold: 2, .. }));
    }
    assert_eq!(story(&and(unknown, &[present(6), present(7)])), Reply::Busy { retry_after: 2 });
    // The first isolate was only slow: its news counts, the payer is not charged again.
    let late = and(
        settling,
        &[present(91), (95, Command::Close { hold: 1, outcome: Box::new(Outcome::Settled(receipt())) }), present(96)],
    );
    assert_eq!(story(&late), Reply::Owed { hold: 3, receipt: receipt(), since: Some(95) });
}

#[test]
fn news_of_a_settlement_counts_also_after_it_was_thought_refused() {
    let refused =
        and(settled_at(0)[..3].to_vec(), &[(5, Command::Close { hold: 1, outcome: Box::new(Outcome::Released) })]);
    let settled = (6, Command::Close { hold: 1, outcome: Box::new(Outcome::Settled(receipt())) });
    let present = (7, Command::Present(Box::new(presentation(0))));
    assert_eq!(story(&and(refused, &[settled, present])), Reply::Owed { hold: 2, receipt: receipt(), since: Some(6) });
}

#[test]
fn an_answer_on_its_way_for_minutes_is_not_asked_for_again_beside() {
    let on_its_way = [(50, Command::Delivering { hold: 1 }), (100, Command::Delivering { hold: 1 })];
    let present = |at| (at, Command::Present(Box::new(presentation(0))));
    let story_so_far = and(settled_at(0), &on_its_way);
    assert_eq!(story(&and(story_so_far.clone(), &[present(159)])), Reply::Busy { retry_after: 2 });
    assert_eq!(story(&and(story_so_far, &[present(161)])), owed(2));
}

#[test]
fn a_hold_whose_lease_has_ended_is_not_given_again_while_its_holder_may_live() {
    let held = apply(None, Command::Present(Box::new(presentation(0))), UnixTime(0)).0.unwrap();
    assert!(wake(&held) > held.lease_until + 60);
    assert!(matches!(on_alarm(held.clone(), UnixTime(held.lease_until + 60)), Alarm::Wait(_)));
    assert_eq!(on_alarm(held.clone(), UnixTime(wake(&held))), Alarm::Forget);
}

#[test]
fn a_payment_that_is_no_good_any_more_counts_only_where_it_is_known() {
    let known_only = Command::Present(Box::new(Presentation { known_only: true, ..presentation(0) }));
    assert_eq!(story(&[(0, known_only.clone())]), Reply::NotKnown);
    let gone = (1, Command::Delivered { hold: 1, whole: false });
    assert_eq!(story(&and(settled_at(0), &[gone, (2, known_only)])), owed(2));
}

/// Presented, served, and queued with its answer on the way, at 0.
fn queued() -> Vec<(u64, Command)> {
    settled_at(0)
        .into_iter()
        .map(|(at, command)| match command {
            Command::Settle { hold, attempt } => (at, Command::Queue { hold, attempt, ended: false }),
            other => (at, other),
        })
        .take(3)
        .collect()
}

/// The same with what it may cost set aside; what is known of it then.
fn ahead(more: &[(u64, Command)]) -> (Payment, Reply) {
    let mut known = None;
    let mut last = Reply::Stale;
    for (at, command) in queued().iter().chain(more) {
        let (after, reply) = apply(known, command.clone(), UnixTime(*at));
        known = after.map(|payment| Payment { exposure: Some(exposure()), set_aside: true, ..payment });
        last = reply;
    }
    (known.unwrap(), last)
}

fn closed(at: u64, outcome: Outcome) -> (u64, Command) {
    (at, Command::Close { hold: 1, outcome: Box::new(outcome) })
}

#[test]
fn no_answer_leaves_ahead_of_the_money_unless_that_is_set_aside() {
    assert_eq!(story(&queued()), Reply::Stale);
    assert_eq!(ahead(&[]).1, Reply::Done);
}

#[test]
fn an_answer_that_arrived_before_its_money_is_delivered_when_it_comes() {
    let arrived = (2, Command::Delivered { hold: 1, whole: true });
    let (payment, _) = ahead(&[arrived.clone(), closed(4, Outcome::Settled(receipt()))]);
    assert_eq!(payment.state, State::Delivered);
    // However late: an alarm finds out, and the answer is still on its way.
    let (payment, _) = ahead(&[closed(4, Outcome::Unknown)]);
    let Alarm::Ask(payment, _) = on_alarm(payment, UnixTime(10)) else { panic!() };
    let (payment, _) = apply(Some(payment), arrived.1, UnixTime(11));
    let (payment, _) = apply(payment, closed(12, Outcome::Settled(receipt())).1, UnixTime(12));
    assert_eq!(payment.unwrap().state, State::Delivered);
}

#[test]
fn an_answer_that_was_cut_off_is_owed_once_its_money_has_come() {
    let cut_off = (2, Command::Delivered { hold: 1, whole: false });
    let again = (5, Command::Present(Box::new(presentation(0))));
    let (_, reply) = ahead(&[cut_off, closed(4, Outcome::Settled(receipt())), again]);
    assert_eq!(reply, Reply::Owed { hold: 2, receipt: receipt(), since: None });
}

#[test]
fn the_books_say_what_left_unpaid_and_what_is_lost() {
    let state = |payment: &Payment| entry("n", payment).map(|entry| entry.state);
    assert_eq!(state(&ahead(&[]).0).as_deref(), Some("queued"));
    assert_eq!(state(&ahead(&[closed(4, Outcome::Unknown)]).0).as_deref(), Some("unknown"));
    assert_eq!(state(&ahead(&[closed(4, Outcome::Released)]).0).as_deref(), Some("lost"));
    assert_eq!(state(&ahead(&[closed(4, Outcome::Settled(receipt()))]).0).as_deref(), Some("settled"));
}

#[test]
fn a_queued_settlement_is_looked_after_every_few_seconds() {
    // A restart must not let it run out of its 60 s.
    assert_eq!(wake(&ahead(&[]).0), 5);
}
