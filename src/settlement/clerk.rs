//! The ledger's clerk: applies what the ledger is told, and does what follows from it with the facilitators.

use std::{pin::pin, rc::Rc, time::Duration};

use futures_channel::oneshot::Receiver;
use futures_util::future::{Either, select};

use crate::{
    facilitator::{Facilitators, Inquiry, Roster, Settlement},
    ledger::{
        Alarm, CLERK_SECONDS, Command, Exposure, Outcome, Payment, Presentation, Reply, State, apply, on_alarm,
        set_aside,
    },
    ports::{Background, Budgets, Clock, Fetch, Journal},
    x402::SettleAttempt,
};

use super::{PaymentStore, calls::Calls};

/// How long a payer waits whose object is full; old payments are forgotten meanwhile.
const FULL_RETRY_AFTER_SECONDS: u32 = 60;

/// Settlements that one alarm asks for; the next alarm takes the rest.
const ASKED_PER_ALARM: usize = 5;

/// While a settlement is being worked on, the alarm leaves it alone for so long.
const POSTPONE_SECONDS: u64 = 5;

/// One call of `/settle` at most; it leaves time to ask again. Settling takes 2 to 10 s on most chains, up to 28 s
/// seen on Base.
const CALL_WITHIN: Duration = Duration::from_secs(45);

/// Pauses before an open settlement is asked for again at once. What stays open is the alarm's.
const PAUSES: [Duration; 3] = [Duration::from_millis(300), Duration::from_millis(1200), Duration::from_secs(3)];

/// Keeps one object's payments in order.
#[derive(Debug)]
pub struct Clerk<S, F, H, B> {
    pub(super) store: S,
    pub(super) fetch: F,
    pub(super) host: H,
    pub(super) budgets: B,
    roster: Rc<Roster>,
    calls: Calls,
}

impl<S, F, H, B> Clerk<S, F, H, B>
where
    S: PaymentStore + 'static,
    F: Fetch + 'static,
    H: Background + Clock + Journal + 'static,
    B: Budgets + 'static,
{
    /// A clerk for what is in `store`.
    pub fn new(store: S, fetch: F, host: H, budgets: B, roster: Rc<Roster>) -> Rc<Self> {
        Rc::new(Self { store, fetch, host, budgets, roster, calls: Calls::default() })
    }

    /// What is in the store.
    pub const fn store(&self) -> &S {
        &self.store
    }

    /// Applies a command. Settling and resolving are waited for at most `within`; what takes longer goes on without
    /// the one who told.
    pub async fn tell(self: &Rc<Self>, nonce: &str, command: Command, within: Duration) -> Result<Reply, S::Error> {
        match command {
            Command::Present(presentation) => {
                self.free_if_abandoned(nonce)?;
                match self.apply(nonce, Command::Present(presentation.clone()))? {
                    Reply::Resolve { hold, attempt } => {
                        let ended = self.work(nonce, hold, attempt, false);
                        self.resolved(nonce, hold, presentation, self.at_most(within, ended).await)
                    }
                    Reply::Held { hold, .. } => self.planned(nonce, hold, &presentation).await,
                    reply => Ok(reply),
                }
            }
            Command::Settle { hold, attempt } => {
                let attempt = Box::new(self.facilitators().reachable(*attempt));
                match self.apply(nonce, Command::Settle { hold, attempt: attempt.clone() })? {
                    Reply::Done => {
                        let ended = self.work(nonce, hold, attempt, true);
                        match self.at_most(within, ended).await {
                            Some(Settlement::Settled(receipt)) => Ok(Reply::Settled { receipt }),
                            Some(Settlement::Refused(receipt)) => Ok(Reply::Refused { receipt }),
                            Some(Settlement::Unknown { deadline }) => Ok(Reply::Unknown { deadline }),
                            None => self.leave(nonce, hold, true),
                        }
                    }
                    reply => Ok(reply),
                }
            }
            Command::Queue { hold, attempt, ended } => {
                let attempt = Box::new(self.facilitators().reachable(*attempt));
                let reply = self.apply(nonce, Command::Queue { hold, attempt: attempt.clone(), ended })?;
                if reply == Reply::Done {
                    drop(self.work(nonce, hold, attempt, true));
                }
                Ok(reply)
            }
            Command::Forgive { .. } | Command::Close { .. } => {
                let is_forgiven = match &command {
                    // Nothing was used of what was set aside.
                    Command::Close { outcome, .. } => {
                        matches!(**outcome, Outcome::Settled(_))
                            && self.store.load(nonce)?.is_some_and(|payment| payment.set_aside)
                    }
                    _ => true,
                };
                let reply = self.apply(nonce, command)?;
                if reply == Reply::Done {
                    self.return_unused(nonce)?;
                }
                if is_forgiven && reply == Reply::Done && self.was_unverified(nonce)? {
                    self.store.keep_standing(&self.store.standing()?.forgiven(self.host.now()))?;
                }
                Ok(reply)
            }
            other => self.apply(nonce, other),
        }
    }

    fn was_unverified(&self, nonce: &str) -> Result<bool, S::Error> {
        Ok(self.store.load(nonce)?.is_some_and(|payment| payment.unverified))
    }

    /// The object's alarm: forgets what is over and asks for what is open.
    pub async fn wake(self: &Rc<Self>) -> Result<(), S::Error> {
        let now = self.host.now();
        let mut asked = Vec::new();
        for (nonce, mut payment) in self.store.due(now)? {
            if self.calls.is_running(&nonce) {
                let later = now.plus(POSTPONE_SECONDS).0;
                if payment.state == State::Settling {
                    payment.lease_until = later;
                }
                payment.ask_at = later;
                self.store.save(&nonce, &payment)?;
                continue;
            }
            match on_alarm(payment.clone(), now) {
                Alarm::Forget => {
                    self.give_back(Some(&payment), None)?;
                    self.store.forget(&nonce)?;
                    if let Some(exposure) = set_aside(&payment).filter(|_| payment.ahead.is_some()).cloned() {
                        let clerk = Rc::clone(self);
                        self.host.spawn(async move { clerk.balance(&exposure, true).await });
                    }
                }
                Alarm::Ask(payment, attempt) if asked.len() < ASKED_PER_ALARM => {
                    self.store.save(&nonce, &payment)?;
                    let ended = self.work(&nonce, payment.hold, attempt, false);
                    asked.push((nonce, payment.hold, ended));
                }
                Alarm::Ask(..) | Alarm::Wait(_) => {}
            }
        }
        for (nonce, hold, ended) in asked {
            if let Ok(Settlement::Settled(_)) = ended.await {
                // Nobody is there to take the content: it is owed at once.
                self.apply(&nonce, Command::Delivered { hold, whole: false })?;
            }
        }
        Ok(())
    }

    fn facilitators(&self) -> Facilitators<'_, F, H> {
        Facilitators::new(&self.fetch, &self.host, &self.roster)
    }

    pub(super) fn apply(&self, nonce: &str, command: Command) -> Result<Reply, S::Error> {
        let known = self.store.load(nonce)?;
        if known.is_none() && self.store.is_full()? {
            return Ok(Reply::Busy { retry_after: FULL_RETRY_AFTER_SECONDS });
        }
        let (payment, reply) = apply(known.clone(), command, self.host.now());
        if payment != known {
            self.give_back(known.as_ref(), payment.as_ref())?;
            if let Some(payment) = payment {
                self.store.save(nonce, &payment)?;
            }
        }
        Ok(reply)
    }

    /// Only this object settles. If it has no memory of doing so, it was cut off: nobody is at it any more.
    fn free_if_abandoned(&self, nonce: &str) -> Result<(), S::Error> {
        match self.store.load(nonce)? {
            Some(mut payment) if payment.state == State::Settling && !self.calls.is_running(nonce) => {
                payment.lease_until = payment.lease_until.min(self.host.now().0);
                self.store.save(nonce, &payment)
            }
            _ => Ok(()),
        }
    }

    /// Waits for the work on a payment, and begins it where nobody is at it. It goes on when nobody waits.
    fn work(self: &Rc<Self>, nonce: &str, hold: u32, attempt: Box<SettleAttempt>, first: bool) -> Receiver<Settlement> {
        let (ended, begin) = self.calls.wait_for(nonce, self.host.millis());
        if begin {
            let (clerk, nonce) = (Rc::clone(self), nonce.to_owned());
            self.host.spawn(async move {
                let settlement = clerk.pursue(&nonce, hold, *attempt, first).await;
                match clerk.conclude(&nonce, hold, &settlement) {
                    Ok(None) => {}
                    Ok(Some((exposure, lost))) => clerk.balance(&exposure, lost).await,
                    Err(error) => {
                        clerk.host.fault(&format!("ledger: {error}; the outcome waits for its lease to end"));
                    }
                }
            });
        }
        ended
    }

    /// Settles, or finds out what became of it; an answer that leaves it open is asked for again, for a while.
    async fn pursue(&self, nonce: &str, hold: u32, mut attempt: SettleAttempt, first: bool) -> Settlement {
        let begun = self.host.millis();
        let left = || {
            let spent = Duration::from_millis(self.host.millis().saturating_sub(begun));
            Duration::from_secs(CLERK_SECONDS).saturating_sub(spent)
        };
        let mut last = Settlement::Unknown { deadline: true };
        if first {
            match self.facilitators().settle_first(&attempt, CALL_WITHIN).await {
                Some(Settlement::Unknown { deadline }) => last = Settlement::Unknown { deadline },
                Some(settlement) => return settlement,
                None => {}
            }
        }
        for (round, pause) in PAUSES.into_iter().enumerate() {
            if first || round > 0 {
                self.host.pause(pause).await;
            }
            if left() <= pause {
                break;
            }
            match self.resolve(nonce, hold, &mut attempt, left()).await {
                Settlement::Unknown { deadline } => last = Settlement::Unknown { deadline },
                settlement => return settlement,
            }
        }
        last
    }

    /// Once: the chain decides where it can be asked, else the facilitator with the identical payload.
    async fn resolve(&self, nonce: &str, hold: u32, attempt: &mut SettleAttempt, within: Duration) -> Settlement {
        let facilitators = self.facilitators();
        let inquiry = facilitators.inquire(attempt).await;
        match inquiry {
            Inquiry::Decided(settlement) => return settlement,
            Inquiry::Unused { nothing_under_way: true } => *attempt = facilitators.moved_on(attempt.clone()),
            Inquiry::Unused { .. } | Inquiry::Silent => {}
        }
        // Written before it is asked: whoever asks next must know whom.
        if let Err(error) = self.remember(nonce, hold, attempt) {
            self.host.fault(&format!("ledger: {error}"));
            return Settlement::Unknown { deadline: false };
        }
        let settlement = facilitators.settle_again(attempt, &inquiry, within).await;
        if let Err(error) = self.remember(nonce, hold, attempt) {
            self.host.fault(&format!("ledger: {error}"));
        }
        settlement
    }

    fn remember(&self, nonce: &str, hold: u32, attempt: &SettleAttempt) -> Result<(), S::Error> {
        match self.store.load(nonce)? {
            Some(mut payment) if payment.hold >= hold && payment.attempt.is_some() => {
                payment.facilitator = Some(attempt.facilitator.clone());
                payment.attempt = Some(Box::new(attempt.clone()));
                self.store.save(nonce, &payment)
            }
            _ => Ok(()),
        }
    }

    /// Writes down how the work on a payment ended. Returns what its route's budget has to be told.
    fn conclude(&self, nonce: &str, hold: u32, settlement: &Settlement) -> Result<Option<(Exposure, bool)>, S::Error> {
        let written = self.write_end(nonce, hold, settlement);
        let somebody_waits = self.calls.end(nonce, settlement);
        let Some(before) = written? else { return Ok(None) };
        let (ahead, settled) = (before.ahead.is_some(), matches!(settlement, Settlement::Settled(_)));
        if settled && !somebody_waits && !ahead {
            // Who presented it was told to come again: what it paid for is owed at once.
            self.apply(nonce, Command::Delivered { hold, whole: false })?;
        }
        let was_open = set_aside(&before).is_some();
        let is_released = self.store.load(nonce)?.is_some_and(|payment| payment.state == State::Released);
        let lost = ahead && was_open && is_released;
        Ok(before.exposure.map(|exposure| (exposure, lost)))
    }

    /// Returns the payment as it was before.
    fn write_end(&self, nonce: &str, hold: u32, settlement: &Settlement) -> Result<Option<Payment>, S::Error> {
        let outcome = match settlement {
            Settlement::Settled(receipt) => Outcome::Settled(receipt.clone()),
            Settlement::Refused(_) => Outcome::Released,
            Settlement::Unknown { .. } => Outcome::Unknown,
        };
        let before = self.store.load(nonce)?;
        self.apply(nonce, Command::Close { hold, outcome: Box::new(outcome) })?;
        let (standing, now) = (self.store.standing()?, self.host.now());
        match settlement {
            Settlement::Settled(_) => self.store.keep_standing(&standing.after_settlement(now))?,
            Settlement::Refused(_) => self.store.keep_standing(&standing.after_refusal(now))?,
            // A facilitator's outage is not the payer's failure.
            Settlement::Unknown { .. } => {}
        }
        Ok(before)
    }

    /// What a presenter is told after its unknown payment was worked on.
    fn resolved(
        &self,
        nonce: &str,
        hold: u32,
        presentation: Box<Presentation>,
        settlement: Option<Settlement>,
    ) -> Result<Reply, S::Error> {
        match settlement {
            Some(Settlement::Settled(_)) => {
                self.apply(nonce, Command::Delivered { hold, whole: false })?;
                self.apply(nonce, Command::Present(presentation))
            }
            Some(Settlement::Refused(receipt)) => {
                self.apply(nonce, Command::Close { hold, outcome: Box::new(Outcome::Released) })?;
                Ok(Reply::Refused { receipt })
            }
            Some(Settlement::Unknown { deadline }) => self.leave(nonce, hold, deadline),
            None => self.leave(nonce, hold, true),
        }
    }

    /// Nobody waits any longer, and nobody knows yet.
    fn leave(&self, nonce: &str, hold: u32, deadline: bool) -> Result<Reply, S::Error> {
        self.apply(nonce, Command::Close { hold, outcome: Box::new(Outcome::Unknown) })?;
        Ok(Reply::Unknown { deadline })
    }

    /// The end of the work, unless the time is over first.
    async fn at_most(&self, within: Duration, ended: Receiver<Settlement>) -> Option<Settlement> {
        match select(pin!(ended), pin!(self.host.pause(within))).await {
            Either::Left((ended, _)) => ended.ok(),
            Either::Right(_) => None,
        }
    }
}
