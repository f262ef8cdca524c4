//! Answers that leave ahead of their money: what they may cost is set aside, comes back, or is lost.

use std::rc::Rc;

use crate::{
    ledger::{
        BudgetCommand, Command, Exposure, Outcome, Payment, Plan, Presentation, Reply, Standing, State, Wish, set_aside,
    },
    ports::{Background, Budgets, Clock, Fetch, Journal},
};

use super::{Clerk, PaymentStore};

impl<S, F, H, B> Clerk<S, F, H, B>
where
    S: PaymentStore + 'static,
    F: Fetch + 'static,
    H: Background + Clock + Journal + 'static,
    B: Budgets + 'static,
{
    /// Decides what comes first, writes it down where it is the origin, and sets aside what the answer may cost where it
    /// need not, or cannot, wait for the money.
    pub(super) async fn planned(&self, nonce: &str, hold: u32, presentation: &Presentation) -> Result<Reply, S::Error> {
        let Standing { good, refused, .. } = self.store.standing()?;
        let ahead = match &presentation.exposure {
            Some(exposure) if exposure.needed => {
                // Who has failed gets nothing ahead until a payment of theirs has settled.
                let taken = !refused
                    && (self.take(exposure)? || {
                        let exposure = if good { exposure.clone() } else { exposure.alone() };
                        self.balance(&exposure, false).await;
                        self.take(&exposure)?
                    });
                if !taken {
                    self.apply(nonce, Command::Close { hold, outcome: Box::new(Outcome::Released) })?;
                    return Ok(Reply::Exhausted);
                }
                true
            }
            Some(exposure) => good && self.take(exposure)?,
            None => false,
        };
        // Who is not in good standing is verified before anything leaves unpaid.
        let wish = if ahead && !good { Wish::VerifyFirst } else { presentation.wish };
        let (standing, now) = (self.store.standing()?, self.host.now());
        let plan = standing.plan(wish, ahead, presentation.max_unsettled);
        let first = plan != Plan::VerifyFirst;
        if first {
            self.apply(nonce, Command::Serve { hold })?;
            self.store.keep_standing(&standing.after_run(now))?;
        }
        if let Some(payment) = self.store.load(nonce)?.filter(|_| first || ahead) {
            self.store.save(nonce, &Payment { unverified: first, set_aside: ahead, ..payment })?;
        }
        Ok(Reply::Held { hold, plan, ahead })
    }

    /// Sets aside what a payment may cost, if there is so much.
    fn take(&self, exposure: &Exposure) -> Result<bool, S::Error> {
        let mut slices = self.store.slices()?;
        let taken = slices.take(exposure, self.host.now());
        if taken {
            self.store.keep_slices(&slices)?;
        }
        Ok(taken)
    }

    /// What a payment had set aside comes back when it is settled, or when nothing has left unpaid.
    pub(super) fn give_back(&self, before: Option<&Payment>, after: Option<&Payment>) -> Result<(), S::Error> {
        let (Some(exposure), None) = (before.and_then(set_aside), after.and_then(set_aside)) else { return Ok(()) };
        let mut slices = self.store.slices()?;
        let paid = after.is_some_and(|payment| matches!(payment.state, State::Settled | State::Delivered));
        let leaves = before.is_some_and(|payment| payment.ahead.is_some());
        let forgiven = after.is_some_and(|payment| payment.state == State::Released && payment.ahead.is_none());
        if leaves && !paid && !forgiven {
            slices.lose(exposure);
        } else {
            slices.give_back(exposure);
        }
        self.store.keep_slices(&slices)
    }

    /// A payment came to nothing whose payer nobody knows: what was leased for it goes back to the others.
    pub(super) fn return_unused(self: &Rc<Self>, nonce: &str) -> Result<(), S::Error> {
        let exposure = self.store.load(nonce)?.and_then(|payment| payment.exposure);
        if let Some(exposure) = exposure.filter(|exposure| exposure.needed)
            && !self.store.standing()?.good
        {
            let (clerk, wanted) = (Rc::clone(self), self.store.slices()?.used(&exposure));
            self.host.spawn(async move {
                let (holder, limit) = (exposure.holder.clone(), exposure.route);
                clerk.tell_budget(&exposure, BudgetCommand::Lease { holder, wanted, limit }).await;
            });
        }
        Ok(())
    }

    /// Once a payment has come to an end, while nobody waits: tells its budget what was lost, or leases what the next
    /// one may take.
    pub(super) async fn balance(&self, exposure: &Exposure, lost: bool) {
        let holder = exposure.holder.clone();
        let command = if lost {
            self.host.fault(&format!("settle: an answer has left that is not paid: {} of {holder}", exposure.amount));
            BudgetCommand::Lost { holder, amount: exposure.amount }
        } else {
            let wanted = self.store.slices().ok().and_then(|slices| slices.wants(exposure, self.host.now()));
            let Some(wanted) = wanted else { return };
            BudgetCommand::Lease { holder, wanted, limit: exposure.route }
        };
        self.tell_budget(exposure, command).await;
    }

    async fn tell_budget(&self, exposure: &Exposure, command: BudgetCommand) {
        let Ok(leased) = self.budgets.budget(&exposure.budget, command).await else {
            // Nothing more leaves unpaid than what is leased already.
            return self.host.fault("the budget of a route cannot be reached");
        };
        let kept = self.store.slices().and_then(|mut slices| {
            slices.leased(exposure, leased, self.host.now());
            self.store.keep_slices(&slices)
        });
        if let Err(error) = kept {
            self.host.fault(&format!("ledger: {error}"));
        }
    }
}
