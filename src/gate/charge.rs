//! From a checked payment to a paid answer: hold, verify, origin, settle, deliver.

use std::time::Duration;

use crate::{
    facilitator::{Facilitators, Settlement, Verification, VerifiedPayment},
    ledger::{Command, Outcome, Presentation, Reply, Sale},
    money::Amount,
    origin::{Destination, Paid, paid_answer_edits, paid_forward, relayed_answer_edits},
    ports::{Clock, Counter, Fetch, Journal, Ledger, Origin, OriginAnswer, Request},
    schemes::{CheckedPayment, Refusal, exact},
    time::UnixTime,
    x402::{PaymentPayload, PaymentRequirements, SettleAttempt, SettlementResponse, X402Version},
};

use super::{
    Answer, Gate, PAID_ORIGIN_WITHIN, Ticket, Visit,
    answer::{self, Challenge, OurAnswer},
    naming::{Named, Naming},
};

/// Of the time for facilitators, so much is kept for settling.
const KEPT_FOR_SETTLING: Duration = Duration::from_secs(6);

/// What is bought: the same for the first attempt and for every later one.
struct Purchase<'a, R> {
    visit: &'a Visit<'a, R>,
    challenge: &'a Challenge<'a>,
    version: X402Version,
    paid: Paid,
}

impl<F: Fetch, H: Clock + Journal, L: Ledger, N: Counter> Gate<'_, F, H, L, N> {
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
        let (digest, request) = (hex::encode(payment.digest()), visit.name());
        let naming = Naming::of(payment.payload(), challenge, visit.target.authority, &digest, &request);
        let ticket = match naming {
            None => ticket,
            Some(naming) => match naming.bind(ledger, payment.expires_at(), self.host.now()).await {
                Ok(Named::Go(naming)) => ticket.named(Some(naming)),
                Ok(named) => return answered_before(named),
                Err(_) => return self.ledger_down(),
            },
        };
        let patience = visit.table.facilitator_timeout();
        let presentation = Presentation {
            digest,
            request,
            sale: purchase.sale(requirements, self.prices.version()),
            valid_until: payment.expires_at().0,
            verify_seconds: patience.as_secs(),
            known_only: false,
        };
        match ticket.tell_within(ledger, |_| Command::Present(Box::new(presentation)), patience).await {
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
        let (digest, request) = (hex::encode(claim.digest), visit.name());
        let ticket = match Naming::of(payload, challenge, visit.target.authority, &digest, &request) {
            None => ticket,
            Some(naming) => match naming.look(ledger).await {
                Ok(Named::Go(naming)) => ticket.named(Some(naming)),
                Ok(named) => return Some(answered_before(named)),
                Err(_) => return Some(self.ledger_down()),
            },
        };
        let presentation = Presentation {
            digest,
            request,
            sale: Sale::default(),
            valid_until: 0,
            verify_seconds: 0,
            known_only: true,
        };
        let patience = visit.table.facilitator_timeout();
        match ticket.tell_within(ledger, |_| Command::Present(Box::new(presentation)), patience).await {
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
            Reply::Owed { hold, receipt, since } => {
                self.deliver(ticket.held(hold), (&receipt, UnixTime(since)), purchase, origin).await
            }
            Reply::Unknown { deadline } => self.unknown(&purchase.paid, deadline),
            Reply::Refused { receipt } => {
                self.free(&ticket).await;
                challenge.settlement_refused(&receipt, version).into()
            }
            Reply::Busy { retry_after } => answer::in_progress(retry_after).into(),
            Reply::Spent { receipt } if ticket.keeps_answer() => {
                answer::answer_not_kept(receipt.as_ref(), version).into()
            }
            Reply::Spent { receipt } => challenge.already_used(receipt.as_ref(), version).into(),
            Reply::Elsewhere => answer::bound_elsewhere().into(),
            Reply::NotKnown
            | Reply::Held { .. }
            | Reply::Settled { .. }
            | Reply::Resolve { .. }
            | Reply::Done
            | Reply::Stale => return None,
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
        let begun = self.host.millis();
        let patience = visit.table.facilitator_timeout();
        let within = patience.saturating_sub(KEPT_FOR_SETTLING);
        let payment = match self.facilitators().verify(visit.table.facilitators(), payment, within).await {
            Verification::Verified(payment) => payment,
            Verification::Refused(reason) => {
                let refusal = Refusal::Facilitator(reason);
                return self.release(ticket, challenge.refused(&refusal, version)).await.into();
            }
            Verification::Unreachable => {
                return self.release(ticket, answer::facilitator_unreachable()).await.into();
            }
            Verification::Nonsense => {
                self.host.fault("verify: no facilitator gave an x402 answer");
                return self.release(ticket, answer::facilitator_nonsense()).await.into();
            }
        };
        let verifying = Duration::from_millis(self.host.millis().saturating_sub(begun));

        if let Err(answer) = self.serve_now(ticket).await {
            return answer.into();
        }
        let answer = match origin.send(paid_forward(visit.forward(), paid), PAID_ORIGIN_WITHIN).await {
            Ok(answer) => answer,
            Err(error) => {
                self.host.fault(&format!("origin: {error}; not charged"));
                return self.release(ticket, answer::origin_failed(error)).await.into();
            }
        };
        if self.is_free_of_charge(&answer, visit) {
            let edits = self.hide_origin(&answer, visit, relayed_answer_edits());
            self.release(ticket, ()).await;
            return Answer::Origins { answer, edits, delivery: None };
        }
        // The origin took its time; a facilitator would refuse the authorization now.
        let now = self.host.now();
        if !payment.checked().settles_at(now) {
            return self.release(ticket, challenge.refused(&Refusal::ValidBefore, version)).await.into();
        }

        let attempt = payment.attempt(visit.table.rpc(paid.network), now);
        let within = patience.saturating_sub(verifying).max(KEPT_FOR_SETTLING);
        match self.settle(&payment, attempt, ticket, within).await {
            Ok(Settlement::Settled(receipt)) => {
                self.paid_answer(answer, (&receipt, self.host.now()), ticket.cloned(), purchase)
            }
            Ok(Settlement::Refused(receipt)) => {
                if let Some(ticket) = ticket {
                    self.free(ticket).await;
                }
                challenge.settlement_refused(&receipt, version).into()
            }
            Ok(Settlement::Unknown { deadline }) => self.unknown(paid, deadline),
            Err(answer) => answer.into(),
        }
    }

    /// Settles: in the ledger where there is one, which goes on with it whatever becomes of us.
    async fn settle(
        &self,
        payment: &VerifiedPayment,
        attempt: SettleAttempt,
        ticket: Option<&Ticket>,
        within: Duration,
    ) -> Result<Settlement, OurAnswer> {
        let (Some(ledger), Some(ticket)) = (self.ledger, ticket) else {
            return Ok(self.facilitators().settle_unremembered(payment, &attempt).await);
        };
        let settle = |hold| Command::Settle { hold, attempt: Box::new(attempt) };
        match ticket.tell_within(ledger, settle, within).await {
            Ok(Reply::Settled { receipt }) => Ok(Settlement::Settled(receipt)),
            Ok(Reply::Refused { receipt }) => Ok(Settlement::Refused(receipt)),
            Ok(Reply::Unknown { deadline }) => Ok(Settlement::Unknown { deadline }),
            // Our lease ended and somebody else has the payment now.
            Ok(_) => Err(answer::in_progress(1)),
            Err(_) => {
                self.host.fault("the ledger cannot be reached; whether it settles is not known");
                Ok(Settlement::Unknown { deadline: false })
            }
        }
    }

    /// Asks the origin for what is paid already. If it fails, the content stays owed.
    async fn deliver<R: Request, O: Origin>(
        &self,
        ticket: Ticket,
        (receipt, since): (&SettlementResponse, UnixTime),
        purchase: &Purchase<'_, R>,
        origin: &O,
    ) -> Answer<O::Answer> {
        let visit = purchase.visit;
        let failed = match origin.send(paid_forward(visit.forward(), &purchase.paid), PAID_ORIGIN_WITHIN).await {
            Ok(answer) if !self.is_free_of_charge(&answer, visit) => {
                return self.paid_answer(answer, (receipt, since), Some(ticket), purchase);
            }
            Ok(answer) => {
                let mut edits = self.hide_origin(&answer, visit, relayed_answer_edits());
                edits.set.push(answer::receipt(receipt, purchase.version));
                Answer::Origins { answer, edits, delivery: None }
            }
            Err(error) => {
                self.host.fault(&format!("origin: {error}; paid already, still owed"));
                answer::owed(error).into()
            }
        };
        self.note(&ticket, |hold| Command::Delivered { hold, whole: false }).await;
        failed
    }

    fn paid_answer<R: Request, A: OriginAnswer>(
        &self,
        answer: A,
        (receipt, since): (&SettlementResponse, UnixTime),
        delivery: Option<Ticket>,
        purchase: &Purchase<'_, R>,
    ) -> Answer<A> {
        let mut edits = paid_answer_edits(answer.header("Cache-Control").as_deref());
        edits = self.hide_origin(&answer, purchase.visit, edits);
        edits.set.push(answer::receipt(receipt, purchase.version));
        edits.set.extend(answer::exposed_to_browsers(&answer));
        let pass = self.sell_pass(purchase.challenge.quote(), &purchase.paid, since, purchase.visit, &mut edits);
        let delivery = delivery.map(|ticket| ticket.with_pass(pass));
        Answer::Origins { answer, edits, delivery }
    }

    fn unknown<A>(&self, paid: &Paid, deadline: bool) -> Answer<A> {
        let Paid { payer, asset, network, idempotency_key, .. } = paid;
        self.host.fault(&format!(
            "settle: outcome unknown: {network} asset {asset} payer {payer} payment {idempotency_key}"
        ));
        answer::settlement_unknown(deadline).into()
    }

    fn facilitators(&self) -> Facilitators<'_, F, H> {
        Facilitators::new(self.fetch, self.host, self.roster)
    }

    pub(super) fn ledger_down<A>(&self) -> Answer<A> {
        self.host.fault("the ledger cannot be reached");
        answer::ledger_down().into()
    }

    /// Writes that the origin is asked, before it is.
    async fn serve_now(&self, ticket: Option<&Ticket>) -> Result<(), OurAnswer> {
        let (Some(ledger), Some(ticket)) = (self.ledger, ticket) else { return Ok(()) };
        match ticket.tell(ledger, |hold| Command::Serve { hold }).await {
            Ok(Reply::Done) => Ok(()),
            // Our lease ended and somebody else has the payment now.
            Ok(_) => Err(answer::in_progress(1)),
            Err(_) => {
                self.host.fault("the ledger cannot be reached; not charged");
                Err(answer::ledger_down())
            }
        }
    }

    /// Nothing was charged: the same payment may come again.
    async fn release<T>(&self, ticket: Option<&Ticket>, answer: T) -> T {
        if let Some(ticket) = ticket {
            self.note(ticket, |hold| Command::Close { hold, outcome: Box::new(Outcome::Released) }).await;
            self.free(ticket).await;
        }
        answer
    }

    /// Nothing was charged: another payment may come under the same identifier. If this is lost, none can until
    /// the identifier is forgotten.
    async fn free(&self, ticket: &Ticket) {
        if let (Some(ledger), Some(naming)) = (self.ledger, ticket.naming())
            && naming.free(ledger).await.is_err()
        {
            self.host.fault("the ledger cannot be reached; a payment identifier stays taken");
        }
    }

    /// Writes what has happened. If that fails, the lease's end brings it out: the answer is not taken back.
    async fn note(&self, ticket: &Ticket, command: impl FnOnce(u32) -> Command) {
        let Some(ledger) = self.ledger else { return };
        if ticket.tell(ledger, command).await.is_err() {
            self.host.fault("the ledger cannot be reached; an outcome waits for its lease to end");
        }
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

/// The answer to a payment whose identifier is bound already.
fn answered_before<A>(named: Named) -> Answer<A> {
    match named {
        Named::Answered(answer) => Answer::Kept(answer),
        Named::Taken | Named::Go(_) => answer::identifier_taken().into(),
    }
}

impl<R: Request> Purchase<'_, R> {
    /// What is bought, for the owner's books.
    fn sale(&self, requirements: &PaymentRequirements, prices: Option<&str>) -> Sale {
        let Purchase { visit, challenge, paid, .. } = self;
        Sale {
            id: paid.idempotency_key.clone(),
            host: visit.target.authority.to_ascii_lowercase(),
            route: challenge.route_key().to_owned(),
            method: visit.request.method(),
            payer: paid.payer.to_string(),
            pay_to: requirements.pay_to().to_string(),
            network: paid.network.to_string(),
            asset: paid.asset.to_string(),
            amount: paid.amount.to_string(),
            prices: prices.unwrap_or_default().to_owned(),
        }
    }
}
