//! From a checked payment to a paid answer: hold, verify, origin, settle, deliver.

use std::time::Duration;

use futures_util::future::join;

use crate::{
    facilitator::{Facilitators, Settlement, Verification, VerifiedPayment},
    ledger::{Command, Outcome, Plan, Presentation, Reply, Sale, Wish},
    money::Amount,
    origin::{Destination, Paid, paid_answer_edits, paid_forward, relayed_answer_edits, usage},
    ports::{Clock, Counter, Fetch, Journal, Ledger, Origin, OriginAnswer, Request},
    prices::{Settle, Verify},
    schemes::{self, CheckedPayment, Proof, Refusal},
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
        let ticket = Ticket::of(network, payment.nonce_contract(), payer, payment.nonce());
        let paid =
            Paid { payer, asset, amount: requirements.amount(), network, idempotency_key: ticket.idempotency_key() };
        let purchase = Purchase { visit, challenge, version: payment.payload().version(), paid };
        let Some(ledger) = self.ledger else {
            return self.buy(payment, None, Plan::VerifyFirst, &purchase, origin).await;
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
            wish: wish(&payment, challenge, visit),
            verify_seconds: patience.as_secs(),
            known_only: false,
        };
        match ticket.tell_within(ledger, |_| Command::Present(Box::new(presentation)), patience).await {
            Ok(Reply::Held { hold, plan }) => self.buy(payment, Some(ticket.held(hold)), plan, &purchase, origin).await,
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
        if !refusal.may_come_with_time() {
            return None;
        }
        let version = payload.version();
        let terms: Vec<PaymentRequirements> = match version {
            X402Version::V1 => challenge.offers(version).to_vec(),
            X402Version::V2 => {
                PaymentRequirements::from_v2(payload.get("accepted")?.clone()).ok().into_iter().collect()
            }
        };
        let claimed = terms.iter().find_map(|terms| Some((terms, schemes::claim_of(payload, terms)?)));
        let (terms, claim) = claimed?;
        let (network, asset) = (terms.network(), terms.asset());
        let ticket = Ticket::of(network, claim.nonce_contract, claim.payer, &claim.nonce);
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
            wish: Wish::VerifyFirst,
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
                self.deliver(Some(ticket.held(hold)), (&receipt, UnixTime(since)), purchase, origin).await
            }
            Reply::Unknown { deadline } => self.unknown(&purchase.paid, deadline).into(),
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

    /// Has the payment verified and asks the origin, in the order of the plan; settles; and only then lets the answer
    /// out.
    async fn buy<R: Request, O: Origin>(
        &self,
        payment: CheckedPayment,
        ticket: Option<Ticket>,
        plan: Plan,
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
        let ask_origin = || origin.send(paid_forward(visit.forward(), &purchase.paid), PAID_ORIGIN_WITHIN);
        let (payment, verifying, answer) = match plan {
            Plan::VerifyBeside if self.runs.begin(purchase.route(), self.host.now()) => {
                let (verified, answer) = join(self.verify(payment, purchase), ask_origin()).await;
                match verified {
                    Ok(payment) => {
                        self.runs.end(purchase.route());
                        (payment, self.host.millis().saturating_sub(begun), answer)
                    }
                    // The origin's answer, good or bad, is dropped: nobody pays for it.
                    Err(answer) if answer.is_the_payers_fault() => {
                        return self.release(ticket, answer).await.into();
                    }
                    // That nobody could verify it is not the payer's fault.
                    Err(answer) => {
                        self.runs.end(purchase.route());
                        return self.forgive(ticket, answer).await.into();
                    }
                }
            }
            // Verified first, also where too many unknown payers keep the origin busy.
            Plan::VerifyFirst | Plan::VerifyBeside => {
                let payment = match self.verify(payment, purchase).await {
                    Ok(payment) => payment,
                    Err(answer) => return self.release(ticket, answer).await.into(),
                };
                let verifying = self.host.millis().saturating_sub(begun);
                if plan == Plan::VerifyFirst
                    && let Err(answer) = self.serve_now(ticket).await
                {
                    return answer.into();
                }
                (payment, verifying, ask_origin().await)
            }
            Plan::Trust => match self.facilitators().trust(visit.table.facilitators(), payment) {
                Some(payment) => (payment, 0, ask_origin().await),
                None => return self.release(ticket, answer::facilitator_unreachable()).await.into(),
            },
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.host.fault(&format!("origin: {error}; not charged"));
                return self.forgive(ticket, answer::origin_failed(error)).await.into();
            }
        };
        if self.is_free_of_charge(&answer, visit) {
            let edits = self.hide_origin(&answer, visit, relayed_answer_edits());
            self.forgive(ticket, ()).await;
            return Answer::Origins { answer, edits, delivery: None };
        }
        let patience = patience.saturating_sub(Duration::from_millis(verifying)).max(KEPT_FOR_SETTLING);
        let used = payment.checked().is_metered().then(|| self.used(&answer, purchase));
        if used == Some(Amount::ZERO) {
            return self.for_nothing(&payment, answer, ticket, purchase).await;
        }
        match self.settle(&payment, used, ticket, patience, purchase).await {
            Ok(receipt) => self.paid_answer(answer, (&receipt, self.host.now()), ticket.cloned(), purchase),
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
            Ok(receipt) => self.deliver(ticket, (&receipt, self.host.now()), purchase, origin).await,
            Err(answer) => answer.into(),
        }
    }

    /// What the origin says was used, at most what was signed.
    fn used<R: Request>(&self, answer: &impl OriginAnswer, purchase: &Purchase<'_, R>) -> Amount {
        let Purchase { visit, challenge, ref paid, .. } = *purchase;
        let decimals = visit.table.ticker_and_decimals(paid.network, paid.asset).map(|(_, decimals)| decimals);
        let usage = usage(answer, paid.amount, decimals);
        for remark in usage.remarks {
            self.host.fault(&format!("origin: {}: {remark}", challenge.route_key()));
        }
        usage.amount
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
        self.paid_answer(answer, (&receipt, self.host.now()), ticket.cloned(), purchase)
    }

    /// What only a facilitator knows of a payment; else the answer to it.
    async fn verify<R: Request>(
        &self,
        payment: CheckedPayment,
        purchase: &Purchase<'_, R>,
    ) -> Result<VerifiedPayment, OurAnswer> {
        let table = purchase.visit.table;
        let within = table.facilitator_timeout().saturating_sub(KEPT_FOR_SETTLING);
        match self.facilitators().verify(table.facilitators(), payment, within).await {
            Verification::Verified(payment) => Ok(payment),
            Verification::Refused(reason) => {
                Err(purchase.challenge.refused(&Refusal::Facilitator(reason), purchase.version))
            }
            Verification::Unreachable => Err(answer::facilitator_unreachable()),
            Verification::Nonsense => {
                self.host.fault("verify: no facilitator gave an x402 answer");
                Err(answer::facilitator_nonsense())
            }
        }
    }

    /// Settles, for what was `used` where less may be charged than was signed; gives the receipt, or the answer to a
    /// payment that is not settled.
    async fn settle<R: Request>(
        &self,
        payment: &VerifiedPayment,
        used: Option<Amount>,
        ticket: Option<&Ticket>,
        within: Duration,
        purchase: &Purchase<'_, R>,
    ) -> Result<SettlementResponse, OurAnswer> {
        let Purchase { visit, challenge, version, ref paid } = *purchase;
        // The origin took its time; a facilitator would refuse the authorization now.
        let now = self.host.now();
        if !payment.checked().settles_at(now) {
            return Err(self.release(ticket, challenge.refused(&Refusal::ValidBefore, version)).await);
        }
        let attempt = payment.attempt(visit.table.rpc(paid.network), now, used);
        match self.settle_attempt(payment, attempt, ticket, within).await? {
            Settlement::Settled(receipt) => Ok(receipt),
            Settlement::Refused(receipt) => {
                if let Some(ticket) = ticket {
                    self.free(ticket).await;
                }
                Err(challenge.settlement_refused(&receipt, version))
            }
            Settlement::Unknown { deadline } => Err(self.unknown(paid, deadline)),
        }
    }

    /// In the ledger where there is one, which goes on with it whatever becomes of us.
    async fn settle_attempt(
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
        ticket: Option<Ticket>,
        (receipt, since): (&SettlementResponse, UnixTime),
        purchase: &Purchase<'_, R>,
        origin: &O,
    ) -> Answer<O::Answer> {
        let visit = purchase.visit;
        let failed = match origin.send(paid_forward(visit.forward(), &purchase.paid), PAID_ORIGIN_WITHIN).await {
            Ok(answer) if !self.is_free_of_charge(&answer, visit) => {
                return self.paid_answer(answer, (receipt, since), ticket, purchase);
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
        if let Some(ticket) = ticket {
            self.note(&ticket, |hold| Command::Delivered { hold, whole: false }).await;
        }
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

    fn unknown(&self, paid: &Paid, deadline: bool) -> OurAnswer {
        let Paid { payer, asset, network, idempotency_key, .. } = paid;
        self.host.fault(&format!(
            "settle: outcome unknown: {network} asset {asset} payer {payer} payment {idempotency_key}"
        ));
        answer::settlement_unknown(deadline)
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

    /// The payment was good and the origin failed: nothing is charged, and the payer is not to blame.
    async fn forgive<T>(&self, ticket: Option<&Ticket>, answer: T) -> T {
        if let Some(ticket) = ticket {
            self.note(ticket, |hold| Command::Forgive { hold }).await;
            self.free(ticket).await;
        }
        answer
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

/// What may come first for this payment: `/verify` or the origin.
fn wish<R: Request>(payment: &CheckedPayment, challenge: &Challenge<'_>, visit: &Visit<'_, R>) -> Wish {
    let policy = challenge.quote().route.policy();
    match (payment.proof(), policy.verify) {
        // The money comes first, and nothing is verified.
        _ if policy.settle == Settle::Upfront => Wish::VerifyFirst,
        (Proof::Deferred(_), _) | (_, Verify::Always) => Wish::VerifyFirst,
        (Proof::Recovered, Verify::Never) => Wish::Trust,
        (Proof::Recovered, Verify::Auto) => Wish::Auto { safe: visit.only_reads() },
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
    /// The route's key in the price document.
    fn route(&self) -> &str {
        self.challenge.route_key()
    }

    /// What is bought, for the owner's books.
    fn sale(&self, requirements: &PaymentRequirements, prices: Option<&str>) -> Sale {
        let Purchase { visit, paid, .. } = self;
        Sale {
            id: paid.idempotency_key.clone(),
            host: visit.target.authority.to_ascii_lowercase(),
            route: self.route().to_owned(),
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
