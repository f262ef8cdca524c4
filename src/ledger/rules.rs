//! The rules of one payment's life: `Held → Serving → Settling → Settled → Delivered`, or `Released`, or `Unknown`.
//!
//! Who presents a payment gets a *hold*, a number that only the newest presenter has; every state has a lease,
//! after which the payment goes on without the one who held it.

use crate::{time::UnixTime, x402::SettleAttempt};

use super::{Ahead, Command, Outcome, Payment, Plan, Presentation, Reply, State};

/// The origin is asked or about to be, and nothing can have been charged.
const ORIGIN: [State; 2] = [State::Held, State::Serving];

/// What the ledger's own steps take, beside verifying.
const HELD_MARGIN_SECONDS: u64 = 6;
/// However patient the owner is with facilitators.
const MAX_VERIFY_SECONDS: u64 = 60;
/// The origin has 60 s to begin its answer to a paid request.
const SERVING_SECONDS: u64 = 70;
/// The clerk gives up a settlement after [`CLERK_SECONDS`].
const SETTLING_SECONDS: u64 = CLERK_SECONDS + 15;
/// The same of one whose answer did not wait: the alarm looks after it so often, since nobody else may.
const QUEUED_SECONDS: u64 = 5;
/// An answer on its way to a client; while it is, the lease is renewed.
const DELIVERING_SECONDS: u64 = 60;
/// Longer than any holder can live whose lease has ended: until then its number must not be given again.
const FORGET_AFTER_SECONDS: u64 = 180;
/// A copy is worth sending again after this.
const RETRY_AFTER_SECONDS: u32 = 2;
/// A settled payment is owed at least so long, and known as spent.
const KEEP_SECONDS: u64 = 24 * 3600;
/// A wallet may sign for ever; we do not remember for ever. After this the chain alone refuses a replay.
const KEEP_AT_MOST_SECONDS: u64 = 30 * 24 * 3600;
/// What does not arrive is given again so often: a client that breaks off every time gets no more.
const MAX_GIVEN_AGAIN: u32 = 10;
/// Pauses before an unknown settlement is asked for again; the last one goes on.
const ASK_AGAIN_SECONDS: [u64; 6] = [2, 5, 15, 60, 300, 900];

/// How long the ledger's clerk works on one settlement before it lets it rest.
pub const CLERK_SECONDS: u64 = 75;

/// Applies a command to what is known of a payment; returns what is known then, and what is to be done.
pub fn apply(known: Option<Payment>, command: Command, now: UnixTime) -> (Option<Payment>, Reply) {
    match (known, command) {
        (known, Command::Present(presentation)) => present(known, *presentation, now),
        (None, _) => (None, Reply::Stale),
        (Some(payment), Command::Serve { hold }) => step(payment, hold, [State::Held], |payment| {
            enter(payment, State::Serving, now);
            // Not shortened: the gate may verify first all the same.
            payment.lease_until = payment.lease_until.max(now.0 + SERVING_SECONDS);
        }),
        (Some(payment), Command::Settle { hold, attempt }) => {
            step(payment, hold, ORIGIN, |payment| settle(payment, attempt, now))
        }
        (Some(payment), Command::Queue { hold, attempt, ended }) if payment.set_aside => {
            step(payment, hold, ORIGIN, |payment| {
                settle(payment, attempt, now);
                payment.ahead = Some(if ended { Ahead::Whole } else { Ahead::Leaving });
                payment.lease_until = now.0 + QUEUED_SECONDS;
            })
        }
        (Some(mut payment), Command::Forgive { hold }) if ORIGIN.contains(&payment.state) => {
            // Nobody is to pay for what has left.
            payment.ahead = None;
            close(payment, hold, Outcome::Released, now)
        }
        (Some(payment), Command::Queue { .. } | Command::Forgive { .. }) => (Some(payment), Reply::Stale),
        (Some(payment), Command::Close { hold, outcome }) => close(payment, hold, *outcome, now),
        // What is used shows when the answer has ended: the origin is still at work, and the answer is leaving.
        (Some(payment), Command::Delivering { hold }) if ORIGIN.contains(&payment.state) && payment.set_aside => {
            step(payment, hold, ORIGIN, |payment| {
                payment.ahead = Some(Ahead::Leaving);
                payment.lease_until = now.0 + SERVING_SECONDS;
            })
        }
        (Some(payment), Command::Delivering { hold }) => step(payment, hold, [State::Settled], |payment| {
            payment.lease_until = now.0 + DELIVERING_SECONDS;
        }),
        // It left before the money came: that the client has it is kept until it does.
        (Some(payment), Command::Delivered { hold, whole })
            if payment.ahead.is_some() && matches!(payment.state, State::Settling | State::Unknown) =>
        {
            let state = payment.state;
            let is_whole = whole || payment.ahead == Some(Ahead::Whole);
            let ahead = if is_whole { Ahead::Whole } else { Ahead::CutOff };
            step(payment, hold, [state], |payment| payment.ahead = Some(ahead))
        }
        (Some(payment), Command::Delivered { hold, whole }) => step(payment, hold, [State::Settled], |payment| {
            if whole {
                enter(payment, State::Delivered, now);
            }
            payment.lease_until = now.0;
        }),
    }
}

/// When the payment needs the object's alarm: at the end of its lease, of its pause, of its memory.
pub fn wake(payment: &Payment) -> u64 {
    match payment.state {
        State::Held | State::Serving | State::Released => payment.lease_until.saturating_add(FORGET_AFTER_SECONDS),
        State::Settling => payment.lease_until,
        State::Unknown => payment.ask_at,
        State::Settled | State::Delivered => payment.keep_until,
    }
}

/// What the object's alarm does with a payment whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alarm {
    /// Nothing yet.
    Wait(Payment),
    /// Nothing was charged, or nobody can replay it any more.
    Forget,
    /// Find out what became of the settlement; the hold is the alarm's.
    Ask(Payment, Box<SettleAttempt>),
}

/// The way out of every state without the one who held it.
pub fn on_alarm(mut payment: Payment, now: UnixTime) -> Alarm {
    if wake(&payment) > now.0 {
        return Alarm::Wait(payment);
    }
    match payment.state {
        State::Held | State::Serving | State::Released | State::Settled | State::Delivered => Alarm::Forget,
        State::Unknown if payment.keep_until <= now.0 => Alarm::Forget,
        State::Settling | State::Unknown => match payment.attempt.clone() {
            // Who had it may still tell that its answer has arrived.
            Some(attempt) if payment.ahead.is_some() => {
                enter(&mut payment, State::Settling, now);
                payment.lease_until = now.0 + QUEUED_SECONDS;
                Alarm::Ask(payment, attempt)
            }
            Some(attempt) => {
                take(&mut payment, State::Settling, now, SETTLING_SECONDS);
                Alarm::Ask(payment, attempt)
            }
            None => Alarm::Forget,
        },
    }
}

fn settle(payment: &mut Payment, attempt: Box<SettleAttempt>, now: UnixTime) {
    enter(payment, State::Settling, now);
    payment.lease_until = now.0 + SETTLING_SECONDS;
    payment.facilitator = Some(attempt.facilitator.clone());
    // Perhaps less than was signed.
    payment.sale.amount.clone_from(&attempt.amount);
    payment.attempt = Some(attempt);
}

/// A step that only the newest hold may take, and only from a state before.
fn step<const N: usize>(
    mut payment: Payment,
    hold: u32,
    from: [State; N],
    change: impl FnOnce(&mut Payment),
) -> (Option<Payment>, Reply) {
    if payment.hold != hold || !from.contains(&payment.state) {
        return (Some(payment), Reply::Stale);
    }
    change(&mut payment);
    (Some(payment), Reply::Done)
}

fn present(known: Option<Payment>, new: Presentation, now: UnixTime) -> (Option<Payment>, Reply) {
    let Some(mut payment) = known else {
        return hold_anew(None, new, now);
    };
    let leased = payment.lease_until > now.0;
    let busy = Reply::Busy { retry_after: RETRY_AFTER_SECONDS };
    let same = payment.digest == new.digest;
    match payment.state {
        State::Held | State::Serving if leased => (Some(payment), busy),
        State::Held | State::Serving | State::Released => hold_anew(Some(payment), new, now),
        State::Settling | State::Unknown if leased || !same => (Some(payment), busy),
        // Its answer has left, and the ledger goes on by itself.
        State::Settling | State::Unknown if matches!(payment.ahead, Some(Ahead::Leaving | Ahead::Whole)) => {
            (Some(payment), busy)
        }
        State::Settling | State::Unknown => match payment.attempt.clone() {
            Some(attempt) => {
                take(&mut payment, State::Settling, now, SETTLING_SECONDS);
                let hold = payment.hold;
                (Some(payment), Reply::Resolve { hold, attempt })
            }
            // Settling is never entered without an attempt; should it be, nobody but the chain knows.
            None => (Some(payment), busy),
        },
        State::Settled if !same => spent(payment),
        State::Settled if leased => (Some(payment), busy),
        State::Settled if payment.request != new.request => (Some(payment), Reply::Elsewhere),
        // The same document asks for more: by another rule, the same URL is sold dearer.
        State::Settled if new.is_dearer && !new.quoted.is_empty() && payment.quoted == new.quoted => {
            (Some(payment), Reply::Elsewhere)
        }
        State::Settled => match payment.receipt.clone() {
            Some(receipt) if payment.given_again < MAX_GIVEN_AGAIN => {
                payment.given_again += 1;
                take(&mut payment, State::Settled, now, DELIVERING_SECONDS);
                let since = payment.ahead.is_none().then_some(payment.changed_at);
                let hold = payment.hold;
                (Some(payment), Reply::Owed { hold, receipt, since })
            }
            _ => spent(payment),
        },
        State::Delivered => spent(payment),
    }
}

fn spent(payment: Payment) -> (Option<Payment>, Reply) {
    let receipt = payment.receipt.clone();
    (Some(payment), Reply::Spent { receipt })
}

fn enter(payment: &mut Payment, state: State, now: UnixTime) {
    if payment.state != state {
        payment.state = state;
        payment.changed_at = now.0;
    }
}

fn take(payment: &mut Payment, state: State, now: UnixTime, lease_seconds: u64) {
    payment.hold = payment.hold.saturating_add(1);
    enter(payment, state, now);
    payment.lease_until = now.0 + lease_seconds;
}

fn hold_anew(before: Option<Payment>, new: Presentation, now: UnixTime) -> (Option<Payment>, Reply) {
    if new.known_only {
        return (before, Reply::NotKnown);
    }
    let hold = before.map_or(0, |payment| payment.hold).saturating_add(1);
    let payment = Payment {
        state: State::Held,
        digest: new.digest,
        request: new.request,
        sale: new.sale,
        quoted: new.quoted,
        hold,
        // To be verified first, and then the origin is asked, without another word to the ledger.
        lease_until: now.0 + new.verify_seconds.min(MAX_VERIFY_SECONDS) + HELD_MARGIN_SECONDS + SERVING_SECONDS,
        ask_at: 0,
        attempt: None,
        asked: 0,
        receipt: None,
        facilitator: None,
        unverified: false,
        exposure: new.exposure,
        set_aside: false,
        ahead: None,
        given_again: 0,
        changed_at: now.0,
        keep_until: new.valid_until.clamp(now.0 + KEEP_SECONDS, now.0 + KEEP_AT_MOST_SECONDS),
    };
    (Some(payment), Reply::Held { hold, plan: Plan::VerifyFirst, ahead: false })
}

fn close(mut payment: Payment, hold: u32, outcome: Outcome, now: UnixTime) -> (Option<Payment>, Reply) {
    let newest = payment.hold == hold;
    let open = matches!(payment.state, State::Held | State::Serving | State::Settling | State::Unknown);
    match outcome {
        // Evidence counts whoever brings it and whatever was thought before; the newest hold goes on to deliver.
        Outcome::Settled(receipt) if open || payment.state == State::Released => {
            let delivers = newest && open && payment.ahead.is_none_or(|ahead| ahead == Ahead::Leaving);
            // Who has paid nothing is owed nothing.
            let for_nothing = receipt.amount.as_deref() == Some("0");
            let arrived = payment.ahead == Some(Ahead::Whole);
            let state = if arrived || for_nothing { State::Delivered } else { State::Settled };
            enter(&mut payment, state, now);
            if let Some(attempt) = payment.attempt.take() {
                payment.facilitator = Some(attempt.facilitator);
            }
            payment.receipt = Some(receipt);
            payment.keep_until = payment.keep_until.max(now.0 + KEEP_SECONDS);
            payment.lease_until = if delivers { now.0 + DELIVERING_SECONDS } else { now.0 };
            (Some(payment), if newest && open { Reply::Done } else { Reply::Stale })
        }
        Outcome::Released if newest && open => {
            enter(&mut payment, State::Released, now);
            payment.attempt = None;
            payment.lease_until = now.0;
            (Some(payment), Reply::Done)
        }
        Outcome::Unknown if newest && payment.state == State::Settling => {
            let pause = ASK_AGAIN_SECONDS.get(payment.asked as usize).or(ASK_AGAIN_SECONDS.last()).copied();
            enter(&mut payment, State::Unknown, now);
            payment.asked = payment.asked.saturating_add(1);
            // Not leased: the payer may ask before the alarm does.
            payment.lease_until = now.0;
            payment.ask_at = now.0 + pause.unwrap_or(0);
            if payment.asked == 1 {
                payment.keep_until = payment.keep_until.max(now.0 + KEEP_SECONDS);
            }
            (Some(payment), Reply::Done)
        }
        Outcome::Settled(_) | Outcome::Released | Outcome::Unknown => (Some(payment), Reply::Stale),
    }
}
