//! A payment that the ledger holds for us: verify, origin, settle, in the order of the ledger's plan.

use std::time::Duration;

use futures_util::future::join;

use crate::{
    facilitator::{Verification, VerifiedPayment},
    ledger::{Command, Outcome, Plan, Reply},
    metering::Meter,
    money::Amount,
    origin::{Destination, relayed_answer_edits, usage},
    ports::{Clock, Counter, Fetch, Journal, Ledger, Origin, OriginAnswer, Request},
    prices::{PriceTable, Settle},
    schemes::{CheckedPayment, Refusal},
};

use super::{
    Answer, Gate, Metering, PAID_ORIGIN_WITHIN, Ticket, Visit,
    answer::{self, OurAnswer},
    metering::Bill,
    purchase::Purchase,
};

/// Of the time for facilitators, so much is kept for settling.
const KEPT_FOR_SETTLING: Duration = Duration::from_secs(6);

/// How long verifying may take.
pub(super) fn time_to_verify(table: &PriceTable) -> Duration {
    table.facilitator_timeout().saturating_sub(KEPT_FOR_SETTLING)
}

/// What the ledger says comes next.
pub(super) struct Next {
    /// Which comes first, `/verify` or the origin.
    pub(super) plan: Plan,
    /// Whether the answer may leave ahead of the money.
    pub(super) ahead: bool,
}

impl Next {
    /// For a payment of which nothing is known.
    pub(super) const VERIFY_FIRST: Self = Self { plan: Plan::VerifyFirst, ahead: false };
}

/// What of a maximum is charged.
pub(super) enum Used {
    /// So much.
    Amount(Amount),
    /// That shows when the answer has ended.
    AtTheEnd(Box<Meter>),
}

impl<F: Fetch, H: Clock + Journal, L: Ledger, N: Counter> Gate<'_, F, H, L, N> {
    /// Has the payment verified and asks the origin, in the order of the plan; settles; and only then lets the answer
    /// out.
    pub(super) async fn buy<R: Request, O: Origin>(
        &self,
        payment: CheckedPayment,
        ticket: Option<Ticket>,
        Next { plan, ahead }: Next,
        purchase: &Purchase<'_, R>,
        origin: &O,
    ) -> Answer<O::Answer> {
        // What is used is known only afterwards.
        if purchase.challenge.quote().route.policy().settle == Settle::Upfront && !payment.is_metered() {
            return self.buy_upfront(payment, ticket, purchase, origin).await;
        }
        let visit = purchase.visit;
        let ticket = ticket.as_ref();
        let begun = self.host.millis();
        let patience = visit.table.facilitator_timeout();
        let forward = purchase.forward(payment.is_metered());
        let ask_origin = || origin.send(forward, PAID_ORIGIN_WITHIN);
        // Verified first where unknown payers keep the origin busy already.
        let is_too_much = matches!(plan, Plan::VerifyBeside | Plan::TrustUnknown) && !self.may_run(purchase);
        let plan = if is_too_much { Plan::VerifyFirst } else { plan };
        let (payment, verifying, answer) = match plan {
            Plan::VerifyBeside => {
                let (verified, answer) = join(self.verify(payment, purchase), ask_origin()).await;
                match verified {
                    Ok(payment) => {
                        self.proven(purchase);
                        (payment, self.host.millis().saturating_sub(begun), answer)
                    }
                    // The origin's answer, good or bad, is dropped: nobody pays for it. The run counts, also where no
                    // facilitator could be asked: else an outage would let the origin work for nobody.
                    Err(answer) => return self.release(ticket, answer).await.into(),
                }
            }
            Plan::VerifyFirst => match self.verify(payment, purchase).await {
                Ok(payment) => (payment, self.host.millis().saturating_sub(begun), ask_origin().await),
                // The ledger counts a run that there was none of.
                Err(answer) => return self.unpaid(ticket, is_too_much, answer).await.into(),
            },
            Plan::Trust | Plan::TrustUnknown => match self.facilitators().trust(visit.table.facilitators(), payment) {
                Some(payment) => (payment, 0, ask_origin().await),
                None => return self.release(ticket, answer::facilitator_unreachable()).await.into(),
            },
        };
        let is_verified = matches!(plan, Plan::VerifyFirst | Plan::VerifyBeside);
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.host.fault(&format!("origin: {error}; not charged"));
                return self.unpaid(ticket, is_verified, answer::origin_failed(error)).await.into();
            }
        };
        if self.is_free_of_charge(&answer, visit) {
            let edits = self.hide_origin(&answer, visit, relayed_answer_edits());
            self.unpaid(ticket, is_verified, ()).await;
            return Answer::Origins { answer, edits, delivery: None };
        }
        let patience = patience.saturating_sub(Duration::from_millis(verifying)).max(KEPT_FOR_SETTLING);
        let metered = payment.checked().is_metered();
        let used = match metered.then(|| self.used(&answer, purchase.paid.amount, purchase)) {
            None => None,
            Some(Used::Amount(Amount::ZERO)) => return self.for_nothing(&payment, answer, ticket, purchase).await,
            Some(Used::Amount(amount)) => Some(amount),
            // A WebSocket's messages are not metered.
            Some(Used::AtTheEnd(_)) if answer.status() == 101 => Some(purchase.paid.amount),
            Some(Used::AtTheEnd(meter)) => match ticket.filter(|_| ahead) {
                Some(ticket) => {
                    let receipt = payment.queued();
                    let bill = Bill::Payment(Box::new(payment), visit.table.rpc(purchase.paid.network).to_vec());
                    let ticket = ticket.clone().metered(Metering::new(*meter, bill));
                    if let Err(answer) = self.leaves(&ticket).await {
                        return answer.into();
                    }
                    return self.paid_answer(answer, (&receipt, None), Some(ticket), purchase);
                }
                // Nothing is set aside, so nothing may leave unpaid.
                None => Some(purchase.paid.amount),
            },
        };
        let in_background = ahead && purchase.challenge.quote().route.policy().settle == Settle::Background;
        if let Some(ticket) = ticket.filter(|_| in_background && payment.checked().stays_good(self.host.now())) {
            return match self.queue(&payment, used, ticket, purchase).await {
                Ok(receipt) => self.paid_answer(answer, (&receipt, None), Some(ticket.clone()), purchase),
                Err(answer) => answer.into(),
            };
        }
        match self.settle(&payment, used, ticket, patience, purchase).await {
            Ok(receipt) => {
                if plan == Plan::TrustUnknown {
                    self.proven(purchase);
                }
                self.paid_answer(answer, (&receipt, Some(self.host.now())), ticket.cloned(), purchase)
            }
            Err(answer) => answer.into(),
        }
    }

    /// Settles first, and then asks the origin (x402 `paymentFlow: "upfront"`): what the origin fails to give stays
    /// owed.
    async fn buy_upfront<R: Request, O: Origin>(
        &self,
        payment: CheckedPayment,
        ticket: Option<Ticket>,
        purchase: &Purchase<'_, R>,
        origin: &O,
    ) -> Answer<O::Answer> {
        let table = purchase.visit.table;
        let Some(payment) = self.facilitators().trust(table.facilitators(), payment) else {
            return self.release(ticket.as_ref(), answer::facilitator_unreachable()).await.into();
        };
        match self.settle(&payment, None, ticket.as_ref(), table.facilitator_timeout(), purchase).await {
            Ok(receipt) => self.deliver(ticket, (&receipt, Some(self.host.now())), purchase, (origin, None)).await,
            Err(answer) => answer.into(),
        }
    }

    /// Whether the origin may work for one more payer whom nobody knows.
    fn may_run<R: Request>(&self, purchase: &Purchase<'_, R>) -> bool {
        self.runs.begin(purchase.route(), purchase.paid.payer, purchase.max_unsettled(), self.host.now())
    }

    /// The payment for which it does is good.
    fn proven<R: Request>(&self, purchase: &Purchase<'_, R>) {
        self.runs.end(purchase.route(), purchase.paid.payer);
    }

    /// Writes that an answer leaves whose cost nobody knows yet.
    async fn leaves(&self, ticket: &Ticket) -> Result<(), OurAnswer> {
        let Some(ledger) = self.ledger else { return Err(answer::ledger_down()) };
        match ticket.delivering(ledger).await {
            Ok(true) => Ok(()),
            // Our lease ended and somebody else has the payment now.
            Ok(false) => Err(answer::in_progress(1)),
            Err(_) => Err(answer::ledger_down()),
        }
    }

    /// What was used of a `maximum`: as the origin says in a header, else as the route's `usage` has it.
    pub(super) fn used<R: Request>(
        &self,
        answer: &impl OriginAnswer,
        maximum: Amount,
        purchase: &Purchase<'_, R>,
    ) -> Used {
        let Purchase { visit, challenge, ref paid, .. } = *purchase;
        let tell = |remark: &str| self.host.fault(&format!("origin: {}: {remark}", challenge.route_key()));
        let decimals = visit.table.ticker_and_decimals(paid.network, paid.asset).map(|(_, decimals)| decimals);
        let said = usage(answer, maximum, decimals);
        said.remarks.into_iter().for_each(tell);
        if let Some(amount) = said.amount {
            return Used::Amount(amount);
        }
        let rule = challenge.quote().route.policy().usage.as_ref();
        let (Some(rule), Some(decimals)) = (rule, decimals) else { return Used::Amount(maximum) };
        if let Some(header) = rule.header() {
            let count = answer.header(header).and_then(|text| text.trim().parse().ok());
            let cost = count.and_then(|count| rule.units(count, decimals));
            match cost {
                None => tell("the header of its usage is no whole number: the signed maximum is charged"),
                Some(cost) if cost > maximum => {
                    tell("more was used than was signed: the signed maximum is charged");
                }
                Some(_) => {}
            }
            return Used::Amount(cost.unwrap_or(maximum).min(maximum));
        }
        let content_type = answer.header("Content-Type").unwrap_or_default();
        let is_event_stream = content_type.trim_start().to_ascii_lowercase().starts_with("text/event-stream");
        rule.meter(decimals, is_event_stream).map_or(Used::Amount(maximum), |meter| Used::AtTheEnd(Box::new(meter)))
    }

    /// Nothing was used: nothing moves, and the authorization is spent all the same. Its facilitator alone could
    /// settle it, and is not asked to.
    async fn for_nothing<R: Request, A: OriginAnswer>(
        &self,
        payment: &VerifiedPayment,
        answer: A,
        ticket: Option<&Ticket>,
        purchase: &Purchase<'_, R>,
    ) -> Answer<A> {
        let receipt = payment.nothing_charged();
        if let (Some(ledger), Some(ticket)) = (self.ledger, ticket) {
            let outcome = Box::new(Outcome::Settled(receipt.clone()));
            match ticket.tell(ledger, |hold| Command::Close { hold, outcome }).await {
                Ok(Reply::Done) => {}
                // Our lease ended and somebody else has the payment now.
                Ok(_) => return answer::in_progress(1).into(),
                Err(_) => return self.ledger_down(),
            }
        }
        self.paid_answer(answer, (&receipt, Some(self.host.now())), ticket.cloned(), purchase)
    }

    /// What only a facilitator knows of a payment; else the answer to it.
    async fn verify<R: Request>(
        &self,
        payment: CheckedPayment,
        purchase: &Purchase<'_, R>,
    ) -> Result<VerifiedPayment, OurAnswer> {
        let table = purchase.visit.table;
        let within = time_to_verify(table);
        match self.facilitators().verify(table.facilitators(), payment, within).await {
            Verification::Verified(payment) => Ok(payment),
            Verification::Refused(reason) => {
                Err(purchase.challenge.refused(&Refusal::Facilitator(reason), purchase.version))
            }
            Verification::Unreachable => Err(answer::facilitator_unreachable()),
            Verification::Nonsense => Err(self.nonsense()),
        }
    }

    /// The answer where no facilitator verified, nor said why not.
    pub(super) fn nonsense(&self) -> OurAnswer {
        self.host.fault("verify: no facilitator gave an x402 answer");
        answer::facilitator_nonsense()
    }

    /// Nobody pays for an error, for "you have it already", nor for being sent to another priced page, where
    /// the client pays.
    pub(super) fn is_free_of_charge<R: Request>(&self, answer: &impl OriginAnswer, visit: &Visit<'_, R>) -> bool {
        match self.redirect(answer, visit) {
            Some(Destination::Here { path, .. }) => visit.is_priced(&path),
            Some(Destination::Elsewhere) => false,
            None => answer.status() >= 400 || answer.status() == 304,
        }
    }
}
