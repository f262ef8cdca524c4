//! A checked payment, presented to the ledger, and what follows from what the ledger says of it.

use crate::{
    facilitator::Facilitators,
    ledger::{Command, Presentation, Reply, Sale, Wish},
    money::Amount,
    origin::Paid,
    ports::{Clock, Counter, Fetch, Journal, Ledger, Origin, Request},
    schemes::{self, CheckedPayment, Refusal},
    time::UnixTime,
    x402::{PaymentPayload, PaymentRequirements, X402Version},
};

use super::{
    Answer, Gate, Ticket, Visit,
    answer::{self, Challenge},
    buy::Next,
    naming::{Named, Naming},
    purchase::Purchase,
};

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
        // Its authorization must outlive its answer.
        if purchase.ends_with_body(&payment) && !payment.stays_good(self.host.now()) {
            return challenge.refused(&Refusal::ValidBefore, purchase.version).into();
        }
        let Some(ledger) = self.ledger else {
            if purchase.ends_with_body(&payment) {
                return self.ledger_down();
            }
            return self.buy(payment, None, Next::VERIFY_FIRST, &purchase, origin).await;
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
            quoted: purchase.quoted(self.prices.version()),
            is_dearer: false,
            valid_until: payment.expires_at().0,
            wish: purchase.wish(&payment),
            max_unsettled: purchase.max_unsettled().payer,
            exposure: purchase.exposure(&payment, ticket.object(), self.host.now()),
            verify_seconds: patience.as_secs(),
            known_only: false,
        };
        match ticket.tell_within(ledger, |_| Command::Present(Box::new(presentation)), patience).await {
            Ok(Reply::Held { hold, plan, ahead }) => {
                self.buy(payment, Some(ticket.held(hold)), Next { plan, ahead }, &purchase, origin).await
            }
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
            quoted: self.prices.version().unwrap_or_default().to_owned(),
            is_dearer: !purchase.is_enough(),
            valid_until: 0,
            wish: Wish::VerifyFirst,
            max_unsettled: 0,
            exposure: None,
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
                self.deliver(Some(ticket.held(hold)), (&receipt, since.map(UnixTime)), purchase, (origin, None)).await
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
            Reply::Exhausted => {
                self.free(&ticket).await;
                answer::too_much_owed().into()
            }
            Reply::Elsewhere => answer::bound_elsewhere().into(),
            Reply::NotKnown
            | Reply::Held { .. }
            | Reply::Settled { .. }
            | Reply::Resolve { .. }
            | Reply::Done
            | Reply::Stale => return None,
        })
    }

    pub(super) fn facilitators(&self) -> Facilitators<'_, F, H> {
        Facilitators::new(self.fetch, self.host, self.roster)
    }

    pub(super) fn ledger_down<A>(&self) -> Answer<A> {
        self.host.fault("the ledger cannot be reached");
        answer::ledger_down().into()
    }
}

/// The answer to a payment whose identifier is bound already.
fn answered_before<A>(named: Named) -> Answer<A> {
    match named {
        Named::Answered(answer) => Answer::Kept(answer),
        Named::Taken | Named::Go(_) => answer::identifier_taken().into(),
    }
}
