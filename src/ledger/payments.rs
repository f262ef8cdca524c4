//! One payment's life: `Held → Serving → Settling → Settled → Delivered`, or `Released`, or `Unknown`.
//!
//! Who presents a payment gets a *hold*, a number that only the newest presenter has; every state has a lease,
//! after which the payment goes on without the one who held it.

use serde::{Deserialize, Serialize};

use crate::{
    time::UnixTime,
    x402::{SettleAttempt, SettlementResponse},
};

/// Where a payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Being verified. Nothing can have been charged.
    Held,
    /// The origin is at work. Nothing can have been charged.
    Serving,
    /// Written before the facilitator is asked to settle: from here on money may have moved.
    Settling,
    /// Nobody knows whether money moved. Leaves only by evidence.
    Unknown,
    /// Paid; the content is owed until it is delivered.
    Settled,
    /// Paid and delivered.
    Delivered,
    /// Nothing was charged, for sure: the payment may be presented anew.
    Released,
}

/// What the ledger keeps of a payment. Its key, the nonce, stands beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Where it stands.
    pub state: State,
    /// The EIP-712 hash that was signed: the same hash is the same payment, whatever its spelling.
    pub digest: String,
    /// The request it was first presented for: a hash of method, path and query.
    pub request: String,
    /// The newest hold. Commands of older ones change nothing, but for evidence of settlement.
    pub hold: u32,
    /// Until then the holder acts and copies wait.
    pub lease_until: u64,
    /// When the alarm asks for an unknown settlement.
    pub ask_at: u64,
    /// How to ask again for the settlement.
    pub attempt: Option<SettleAttempt>,
    /// How often an unknown settlement was asked for.
    pub asked: u32,
    /// The settlement.
    pub receipt: Option<SettlementResponse>,
    /// When it may be forgotten.
    pub keep_until: u64,
}

/// A payment as it comes in, checked at the edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presentation {
    /// As in [`Payment`].
    pub digest: String,
    /// As in [`Payment`].
    pub request: String,
    /// Last second at which the authorization can be settled.
    pub valid_until: u64,
    /// Only a payment the ledger knows counts: its own terms have changed or its time is over.
    pub known_only: bool,
}

/// What a holder tells the ledger. Each is applied whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Here is a payment: what is to be done with it?
    Present(Presentation),
    /// The origin is asked.
    Serve {
        /// Who says so.
        hold: u32,
    },
    /// The facilitator is about to be asked. Must be written before it is.
    Settle {
        /// Who says so.
        hold: u32,
        /// How to ask again.
        attempt: Box<SettleAttempt>,
    },
    /// The holder's work with the facilitator has ended.
    Close {
        /// Who says so.
        hold: u32,
        /// How.
        outcome: Box<Outcome>,
    },
    /// The answer's way to the client has ended.
    Delivered {
        /// Who says so.
        hold: u32,
        /// Whether the client got all of it.
        whole: bool,
    },
}

/// How settling ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The money moved.
    Settled(SettlementResponse),
    /// It did not and will not by our doing.
    Released,
    /// Nobody knows.
    Unknown,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Verify, ask the origin, settle.
    Held {
        /// The presenter's hold.
        hold: u32,
    },
    /// Paid and not delivered: ask the origin again, charge nothing.
    Owed {
        /// The presenter's hold.
        hold: u32,
        /// The settlement.
        receipt: SettlementResponse,
    },
    /// First find out what became of this attempt.
    Resolve {
        /// The presenter's hold.
        hold: u32,
        /// The attempt.
        attempt: Box<SettleAttempt>,
    },
    /// Somebody else is at it: an honest client waits and sends the same again.
    Busy {
        /// Seconds until it is worth it.
        retry_after: u32,
    },
    /// Paid and delivered: this payment buys nothing more.
    Spent {
        /// The settlement.
        receipt: Option<SettlementResponse>,
    },
    /// Paid for another request, which still waits for it.
    Elsewhere,
    /// Asked for a known payment only, and there is none.
    NotKnown,
    /// Written.
    Done,
    /// A newer hold has taken over.
    Stale,
}

/// Verifying takes at most 4 s in all.
const HELD_SECONDS: u64 = 10;
/// The origin has 60 s to begin its answer to a paid request.
const SERVING_SECONDS: u64 = 70;
/// Settling takes at most 7 s, asking the chain first 12 s more.
const SETTLING_SECONDS: u64 = 30;
/// An answer on its way to a client. One that takes longer can be asked for again while it runs.
const DELIVERING_SECONDS: u64 = 60;
/// A copy is worth sending again after this.
const RETRY_AFTER_SECONDS: u32 = 2;
/// A settled payment is owed at least so long, and known as spent.
const KEEP_SECONDS: u64 = 24 * 3600;
/// A wallet may sign for ever; we do not remember for ever. After this the chain alone refuses a replay.
const KEEP_AT_MOST_SECONDS: u64 = 30 * 24 * 3600;
/// Pauses before an unknown settlement is asked for again; the last one goes on.
const ASK_AGAIN_SECONDS: [u64; 6] = [2, 5, 15, 60, 300, 900];

/// Applies a command to what is known of a payment; returns what is known then, and what is to be done.
pub fn apply(known: Option<Payment>, command: Command, now: UnixTime) -> (Option<Payment>, Reply) {
    match (known, command) {
        (known, Command::Present(presentation)) => present(known, presentation, now),
        (None, _) => (None, Reply::Stale),
        (Some(payment), Command::Serve { hold }) => step(payment, hold, State::Held, |payment| {
            payment.state = State::Serving;
            payment.lease_until = now.0 + SERVING_SECONDS;
        }),
        (Some(payment), Command::Settle { hold, attempt }) => step(payment, hold, State::Serving, |payment| {
            payment.state = State::Settling;
            payment.lease_until = now.0 + SETTLING_SECONDS;
            payment.attempt = Some(*attempt);
        }),
        (Some(payment), Command::Close { hold, outcome }) => close(payment, hold, *outcome, now),
        (Some(payment), Command::Delivered { hold, whole }) => step(payment, hold, State::Settled, |payment| {
            if whole {
                payment.state = State::Delivered;
            }
            payment.lease_until = now.0;
        }),
    }
}

/// When the payment needs the object's alarm: at the end of its lease, of its pause, of its memory.
pub fn wake(payment: &Payment) -> u64 {
    match payment.state {
        State::Held | State::Serving | State::Settling | State::Released => payment.lease_until,
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
            Some(attempt) => {
                take(&mut payment, State::Settling, now.0 + SETTLING_SECONDS);
                Alarm::Ask(payment, Box::new(attempt))
            }
            None => Alarm::Forget,
        },
    }
}

/// A step that only the newest hold may take, and only from the state before.
fn step(mut payment: Payment, hold: u32, from: State, change: impl FnOnce(&mut Payment)) -> (Option<Payment>, Reply) {
    if payment.hold != hold || payment.state != from {
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
        State::Settling | State::Unknown => match payment.attempt.clone() {
            Some(attempt) => {
                take(&mut payment, State::Settling, now.0 + SETTLING_SECONDS);
                let hold = payment.hold;
                (Some(payment), Reply::Resolve { hold, attempt: Box::new(attempt) })
            }
            // Settling is never entered without an attempt; should it be, nobody but the chain knows.
            None => (Some(payment), busy),
        },
        State::Settled if !same => spent(payment),
        State::Settled if leased => (Some(payment), busy),
        State::Settled if payment.request != new.request => (Some(payment), Reply::Elsewhere),
        State::Settled => match payment.receipt.clone() {
            Some(receipt) => {
                take(&mut payment, State::Settled, now.0 + DELIVERING_SECONDS);
                let hold = payment.hold;
                (Some(payment), Reply::Owed { hold, receipt })
            }
            None => spent(payment),
        },
        State::Delivered => spent(payment),
    }
}

fn spent(payment: Payment) -> (Option<Payment>, Reply) {
    let receipt = payment.receipt.clone();
    (Some(payment), Reply::Spent { receipt })
}

fn take(payment: &mut Payment, state: State, lease_until: u64) {
    payment.hold += 1;
    payment.state = state;
    payment.lease_until = lease_until;
}

fn hold_anew(before: Option<Payment>, new: Presentation, now: UnixTime) -> (Option<Payment>, Reply) {
    if new.known_only {
        return (before, Reply::NotKnown);
    }
    let hold = before.map_or(0, |payment| payment.hold) + 1;
    let payment = Payment {
        state: State::Held,
        digest: new.digest,
        request: new.request,
        hold,
        lease_until: now.0 + HELD_SECONDS,
        ask_at: 0,
        attempt: None,
        asked: 0,
        receipt: None,
        keep_until: new.valid_until.clamp(now.0 + KEEP_SECONDS, now.0 + KEEP_AT_MOST_SECONDS),
    };
    (Some(payment), Reply::Held { hold })
}

fn close(mut payment: Payment, hold: u32, outcome: Outcome, now: UnixTime) -> (Option<Payment>, Reply) {
    let newest = payment.hold == hold;
    let open = matches!(payment.state, State::Held | State::Serving | State::Settling | State::Unknown);
    match outcome {
        // Evidence counts whoever brings it; the newest hold goes on to deliver.
        Outcome::Settled(receipt) if open => {
            payment.state = State::Settled;
            payment.receipt = Some(receipt);
            payment.attempt = None;
            payment.keep_until = payment.keep_until.max(now.0 + KEEP_SECONDS);
            payment.lease_until = if newest { now.0 + DELIVERING_SECONDS } else { now.0 };
            (Some(payment), if newest { Reply::Done } else { Reply::Stale })
        }
        Outcome::Released if newest && open => {
            payment.state = State::Released;
            payment.attempt = None;
            payment.lease_until = now.0;
            (Some(payment), Reply::Done)
        }
        Outcome::Unknown if newest && payment.state == State::Settling => {
            let pause = ASK_AGAIN_SECONDS.get(payment.asked as usize).or(ASK_AGAIN_SECONDS.last()).copied();
            payment.state = State::Unknown;
            payment.asked += 1;
            // Not leased: the payer may ask before the alarm does.
            payment.lease_until = now.0;
            payment.ask_at = now.0 + pause.unwrap_or(0);
            payment.keep_until = payment.keep_until.max(now.0 + KEEP_SECONDS);
            (Some(payment), Reply::Done)
        }
        Outcome::Settled(_) | Outcome::Released | Outcome::Unknown => (Some(payment), Reply::Stale),
    }
}
