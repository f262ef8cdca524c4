//! From a checked payment to a paid answer: hold, verify, origin, settle, deliver.

use crate::{
    facilitator::{Facilitators, SETTLE_WITHIN, SETTLE_WITHIN_UNREMEMBERED, Settlement, Verification},
    ledger::{Command, Outcome, Presentation, Reply},
    money::Amount,
    origin::{Destination, Paid, paid_answer_edits, paid_forward, relayed_answer_edits},
    ports::{Clock, Counter, Fetch, Journal, Ledger, Origin, OriginAnswer, Request},
    schemes::{CheckedPayment, Refusal, exact},
    x402::{PaymentPayload, PaymentRequirements, SettleAttempt, SettlementResponse, X402Version},
};

use super::{
    Answer, Gate, PAID_ORIGIN_WITHIN, Ticket, Visit,
    answer::{self, Challenge, OurAnswer},
};

/// What is bought: the same for the first attempt and for every later one.
struct Purchase<'a, R> {
    visit: &'a Visit<'a, R>,
    challenge: &'a Challenge<'a>,
    version: X402Version,
    paid: Paid,
}

impl<F: Fetch, C: Clock, J: Journal, L: Ledger, N: Counter> Gate<'_, F, C, J, L, N> {
    /// Presents the payment to the ledger, and does what it says.
    pub(super) async fn charge<R: Request, O: Origin>(
        &self,
        payment: CheckedPayment,
        challenge: &Challenge<'_>,
        visit: &Visit<'_, R>,
        origin: &O,
    ) -> Answer<O::Answer> {
        let requirements = payment.requirements();
        let (network, asset, payer) = (requirements.network(), requirements.asset(), payment.payer());
        let ticket = Ticket::of(network, asset, payer, payment.nonce());
        let paid =
            Paid { payer, asset, amount: requirements.amount(), network, idempotency_key: ticket.idempotency_key() };
        let purchase = Purchase { visit, challenge, version: payment.payload().version(), paid };
        let Some(ledger) = self.ledger else {
            return self.buy(payment, None, &purchase, origin).await;
        };
        let presentation = Presentation {
            digest: hex::encode(payment.digest()),
            request: visit.name(),
            valid_until: payment.expires_at().0,
            known_only: false,
        };
        match ticket.tell(ledger, |_| Command::Present(presentation)).await {
            Ok(Reply::Held { hold }) => self.buy(payment, Some(ticket.held(hold)), &purchase, origin).await,
            Ok(reply) => self.follow(reply, ticket, &purchase, origin).await.unwrap_or_else(|| self.ledger_down()),
            Err(_) => self.ledger_down(),
        }
    }

    /// A payment that is no good any more may be one that the ledger knows: its price has changed since, or its
    /// time is over, but it was settled, or may have been. Only its payer's own signature opens the ledger.
    pub(super) async fn recall<R: Request, O: Origin>(
        &self,
        payload: &PaymentPayload,
        refusal: &Refusal,
        challenge: &Challenge<'_>,
        visit: &Visit<'_, R>,
        origin: &O,
    ) -> Option<Answer<O::Answer>> {
        let ledger = self.ledger?;
        if !matches!(refusal, Refusal::NoMatchingRequirements | Refusal::ValidBefore) {
            return None;
        }
        let version = payload.version();
        let terms: Vec<PaymentRequirements> = match version {
            X402Version::V1 => challenge.offers(version).to_vec(),
            X402Version::V2 => {
                PaymentRequirements::from_v2(payload.get("accepted")?.clone()).ok().into_iter().collect()
            }
        };
        let claimed = terms.iter().find_map(|terms| Some((terms, exact::claim_of(payload, terms)?)));
        let (terms, claim) = claimed?;
        let (network, asset) = (terms.network(), terms.asset());
        let ticket = Ticket::of(network, asset, claim.payer, &claim.nonce);
        let (amount, idempotency_key) = (Amount::new(claim.value), ticket.idempotency_key());
        let paid = Paid { payer: claim.payer, asset, amount, network, idempotency_key };
        let purchase = Purchase { visit, challenge, version, paid };
        let presentation =
            Presentation { digest: hex::encode(claim.digest), request: visit.name(), valid_until: 0, known_only: true };
        match ticket.tell(ledger, |_| Command::Present(presentation)).await {
            Ok(reply) => self.follow(reply, ticket, &purchase, origin).await,
            Err(_) => Some(self.ledger_down()),
        }
    }

    /// What the ledger says of a payment that it knows. Nothing where it knows none.
    async fn follow<R: Request, O: Origin>(
        &self,
        reply: Reply,
        ticket: Ticket,
        purchase: &Purchase<'_, R>,
        origin: &O,
    ) -> Option<Answer<O::Answer>> {
        let (challenge, version) = (purchase.challenge, purchase.version);
        Some(match reply {
            Reply::Owed { hold, receipt } => self.deliver(ticket.held(hold), &receipt, purchase, origin).await,
            Reply::Resolve { hold, attempt } => self.resolve(ticket.held(hold), &attempt, purchase, origin).await,
            Reply::Busy { retry_after } => answer::in_progress(retry_after).into(),
            Reply::Spent { receipt } => challenge.already_used(receipt.as_ref(), version).into(),
            Reply::Elsewhere => answer::bound_elsewhere().into(),
            Reply::NotKnown | Reply::Held { .. } | Reply::Done | Reply::Stale => return None,
        })
    }

    /// Has the payment verified, asks the origin, settles, and only then lets the answer out.
    async fn buy<R: Request, O: Origin>(
        &self,
        payment: CheckedPayment,
        ticket: Option<Ticket>,
        purchase: &Purchase<'_, R>,
        origin: &O,
    ) -> Answer<O::Answer> {
        let Purchase { visit, challenge, version, ref paid } = *purchase;
        let ticket = ticket.as_ref();
        let facilitators = Facilitators::new(visit.table.facilitators(), self.fetch, self.journal);
        let payment = match facilitators.verify(payment).await {
            Verification::Verified(payment) => payment,
            Verification::Refused(reason) => {
                let refusal = Refusal::Facilitator(reason);
                return self.release(ticket, challenge.refused(&refusal, version)).await.into();
            }
            Verification::Unreachable => {
                return self.release(ticket, answer::facilitator_unreachable()).await.into();
            }
            Verification::Nonsense => {
                self.journal.fault("verify: no facilitator gave an x402 answer");
                return self.release(ticket, answer::facilitator_nonsense()).await.into();
            }
        };

        if let Err(answer) = self.write(ticket, |hold| Command::Serve { hold }).await {
            return answer.into();
        }
        let answer = match origin.send(paid_forward(visit.forward(), paid), PAID_ORIGIN_WITHIN).await {
            Ok(answer) => answer,
            Err(error) => {
                self.journal.fault(&format!("origin: {error}; not charged"));
                return self.release(ticket, answer::origin_failed(error)).await.into();
            }
        };
        if self.is_free_of_charge(&answer, visit) {
            let edits = self.hide_origin(&answer, visit, relayed_answer_edits());
            self.release(ticket, ()).await;
            return Answer::Origins { answer, edits, delivery: None };
        }
        // The origin took its time; a facilitator would refuse the authorization now.
        let now = self.clock.now();
        if !payment.checked().settles_at(now) {
            return self.release(ticket, challenge.refused(&Refusal::ValidBefore, version)).await.into();
        }

        let attempt = payment.attempt(visit.table.rpc(paid.network), now);
        let settle = |hold| Command::Settle { hold, attempt: Box::new(attempt.clone()) };
        if let Err(answer) = self.write(ticket, settle).await {
            return answer.into();
        }
        let within = if ticket.is_some() { SETTLE_WITHIN } else { SETTLE_WITHIN_UNREMEMBERED };
        match facilitators.settle(&payment, &attempt, within).await {
            Settlement::Settled(receipt) => {
                self.close(ticket, Outcome::Settled(receipt.clone())).await;
                self.paid_answer(answer, &receipt, ticket.cloned(), purchase)
            }
            Settlement::Refused(receipt) => {
                self.release(ticket, challenge.settlement_refused(&receipt, version)).await.into()
            }
            Settlement::Unknown { deadline } => {
                self.close(ticket, Outcome::Unknown).await;
                self.unknown(&attempt, deadline)
            }
        }
    }

    /// Finds out what became of a settlement that was begun before; settled, the content is owed.
    async fn resolve<R: Request, O: Origin>(
        &self,
        ticket: Ticket,
        attempt: &SettleAttempt,
        purchase: &Purchase<'_, R>,
        origin: &O,
    ) -> Answer<O::Answer> {
        let facilitators = Facilitators::new(&[], self.fetch, self.journal);
        match facilitators.resolve(attempt, self.clock.now()).await {
            Settlement::Settled(receipt) => {
                self.close(Some(&ticket), Outcome::Settled(receipt.clone())).await;
                self.deliver(ticket, &receipt, purchase, origin).await
            }
            Settlement::Refused(receipt) => {
                let answer = purchase.challenge.settlement_refused(&receipt, purchase.version);
                self.release(Some(&ticket), answer).await.into()
            }
            Settlement::Unknown { deadline } => {
                self.close(Some(&ticket), Outcome::Unknown).await;
                self.unknown(attempt, deadline)
            }
        }
    }

    /// Asks the origin for what is paid already. If it fails, the content stays owed.
    async fn deliver<R: Request, O: Origin>(
        &self,
        ticket: Ticket,
        receipt: &SettlementResponse,
        purchase: &Purchase<'_, R>,
        origin: &O,
    ) -> Answer<O::Answer> {
        let visit = purchase.visit;
        let failed = match origin.send(paid_forward(visit.forward(), &purchase.paid), PAID_ORIGIN_WITHIN).await {
            Ok(answer) if !self.is_free_of_charge(&answer, visit) => {
                return self.paid_answer(answer, receipt, Some(ticket), purchase);
            }
            Ok(answer) => {
                let mut edits = self.hide_origin(&answer, visit, relayed_answer_edits());
                edits.set.push(answer::receipt(receipt, purchase.version));
                Answer::Origins { answer, edits, delivery: None }
            }
            Err(error) => {
                self.journal.fault(&format!("origin: {error}; paid already, still owed"));
                answer::owed(error).into()
            }
        };
        self.note(&ticket, |hold| Command::Delivered { hold, whole: false }).await;
        failed
    }

    fn paid_answer<R: Request, A: OriginAnswer>(
        &self,
        answer: A,
        receipt: &SettlementResponse,
        delivery: Option<Ticket>,
        purchase: &Purchase<'_, R>,
    ) -> Answer<A> {
        let mut edits = paid_answer_edits(answer.header("Cache-Control").as_deref());
        edits = self.hide_origin(&answer, purchase.visit, edits);
        edits.set.push(answer::receipt(receipt, purchase.version));
        edits.set.extend(answer::exposed_to_browsers(&answer));
        Answer::Origins { answer, edits, delivery }
    }

    fn unknown<A>(&self, attempt: &SettleAttempt, deadline: bool) -> Answer<A> {
        let SettleAttempt { network, asset, payer, nonce, .. } = attempt;
        self.journal.fault(&format!("settle: outcome unknown: {network} asset {asset} payer {payer} nonce {nonce}"));
        answer::settlement_unknown(deadline).into()
    }

    fn ledger_down<A>(&self) -> Answer<A> {
        self.journal.fault("the ledger cannot be reached");
        answer::ledger_down().into()
    }

    /// Writes a step that must be kept before the next one is taken.
    async fn write(&self, ticket: Option<&Ticket>, command: impl FnOnce(u32) -> Command) -> Result<(), OurAnswer> {
        let (Some(ledger), Some(ticket)) = (self.ledger, ticket) else { return Ok(()) };
        match ticket.tell(ledger, command).await {
            Ok(Reply::Done) => Ok(()),
            // Our lease ended and somebody else has the payment now.
            Ok(_) => Err(answer::in_progress(1)),
            Err(_) => {
                self.journal.fault("the ledger cannot be reached; not charged");
                Err(answer::ledger_down())
            }
        }
    }

    /// Nothing was charged: the same payment may come again.
    async fn release<T>(&self, ticket: Option<&Ticket>, answer: T) -> T {
        self.close(ticket, Outcome::Released).await;
        answer
    }

    async fn close(&self, ticket: Option<&Ticket>, outcome: Outcome) {
        if let Some(ticket) = ticket {
            self.note(ticket, |hold| Command::Close { hold, outcome: Box::new(outcome) }).await;
        }
    }

    /// Writes what has happened. If that fails, the lease's end brings it out: the answer is not taken back.
    async fn note(&self, ticket: &Ticket, command: impl FnOnce(u32) -> Command) {
        let Some(ledger) = self.ledger else { return };
        if ticket.tell(ledger, command).await.is_err() {
            self.journal.fault("the ledger cannot be reached; an outcome waits for its lease to end");
        }
    }

    /// Nobody pays for an error, for "you have it already", nor for being sent to another priced page, where
    /// the client pays.
    fn is_free_of_charge<R: Request>(&self, answer: &impl OriginAnswer, visit: &Visit<'_, R>) -> bool {
        match self.redirect(answer, visit) {
            Some(Destination::Here { path, .. }) => visit.is_priced(&path),
            Some(Destination::Elsewhere) => false,
            None => answer.status() >= 400 || answer.status() == 304,
        }
    }
}
