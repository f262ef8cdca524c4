//! A payment by channel (scheme `batch-settlement`): a voucher, a deposit with one, or a refund.
//!
//! A voucher costs one word with the channel's object before the origin is asked, or beside it where the channel was
//! charged lately, and one after it. The chain or a
//! facilitator is asked only where the object has not seen the channel lately, and whenever money goes in or out.

use std::pin::pin;

use futures_util::future::{Either, select};

use crate::{
    channels::{Asked, Command, Presentation, RETRY_AFTER_SECONDS, Reply},
    ports::{Clock, Counter, Fetch, Journal, Ledger, LedgerDown, NoAnswer, Origin, Request},
    prices::{Inquiry, PriceTable, Settle, Verify},
    schemes::{
        Refusal,
        batch_settlement::{self, ChannelFlaw, RECEIVER_AUTHORIZER},
    },
    time::UnixTime,
    x402::{PaymentPayload, PaymentRequirements, SupportedKind, X402Version, check_echo},
};

use super::{
    Answer, Gate, PAID_ORIGIN_WITHIN, Ticket, Visit,
    accepted::candidates,
    answer::{self, Challenge},
    charged::First,
    crossing::Crossing,
    naming::{Named, Naming},
    terms::is_by_channel,
};

/// The origin's answer, where it was asked already.
pub(super) type Early<O> = Result<<O as Origin>::Answer, NoAnswer>;

impl<F: Fetch, H: Clock + Journal, L: Ledger, N: Counter> Gate<'_, F, H, L, N> {
    /// Deals with a payment for an offer by channel; nothing where it is for none.
    pub(super) async fn sell_by_channel<R: Request, O: Origin>(
        &self,
        payload: &PaymentPayload,
        offers: &[PaymentRequirements],
        inquiry: &Inquiry<'_>,
        challenge: &Challenge<'_>,
        visit: &Visit<'_, R>,
        origin: &O,
    ) -> Option<Answer<O::Answer>> {
        let named = payload.get("accepted")?.get("scheme")?.as_str();
        if named != Some(batch_settlement::SCHEME) || !self.channels.are_open() {
            return None;
        }
        let (now, table) = (self.host.now(), visit.table);
        let before = || challenge.honoured(self.prices, inquiry, payload, now);
        let crossing = |checked| Crossing::of(payload, checked, challenge, visit, self.prices.version());
        let find =
            |offers: &[PaymentRequirements]| candidates(offers, payload).find(|offer| is_by_channel(offer)).cloned();
        let Some(offer) = find(offers).or_else(|| find(&before())) else {
            // Its price has changed; what it was charged for may still be owed.
            let terms = PaymentRequirements::from_v2(payload.get("accepted")?.clone()).ok()?;
            let checked = batch_settlement::recall(payload, &terms)?;
            return self.recall_crossing(crossing(checked), origin).await;
        };
        let refused = |refusal: &Refusal| Some(challenge.refused(refusal, X402Version::V2).into());
        if check_echo(challenge.extensions(), payload.get("extensions")).is_err() {
            return refused(&Refusal::ExtensionEcho);
        }
        let (checked, late) = match batch_settlement::read(payload, &offer, now, table.smart_wallets()) {
            Ok(checked) => (checked, None),
            // A deposit whose time is over may have been brought before.
            Err(refusal) => match is_late(&refusal).then(|| batch_settlement::recall(payload, &offer)).flatten() {
                Some(checked) => (checked, Some(refusal)),
                None => return refused(&refusal),
            },
        };
        Some(match self.can_claim(&offer, table).await {
            Some(true) => self.cross(crossing(checked), late.as_ref(), origin).await,
            Some(false) => return refused(&Refusal::Channel(ChannelFlaw::ReceiverAuthorizerMismatch)),
            None => answer::terms_unknown().into(),
        })
    }

    /// Whether the key that the offer names is the owner's or a facilitator's. Where no facilitator has said anything
    /// yet it is asked now.
    async fn can_claim(&self, offer: &PaymentRequirements, table: &PriceTable) -> Option<bool> {
        let address = offer.extra(RECEIVER_AUTHORIZER)?.parse().ok()?;
        if self.channels.signer(address).is_some() {
            return Some(true);
        }
        let (urls, kind) = (table.facilitators(), SupportedKind::of(offer));
        if let Some(known @ true) = self.roster.signs_claims_for(urls, &kind, address) {
            return Some(known);
        }
        self.facilitators().learn_now(urls).await;
        self.roster.signs_claims_for(urls, &kind, address)
    }

    /// A voucher for another price than today's counts only where its answer is still owed.
    async fn recall_crossing<R: Request, O: Origin>(
        &self,
        crossing: Crossing<'_, R>,
        origin: &O,
    ) -> Option<Answer<O::Answer>> {
        // By the same document it may not be dearer: then another rule is meant than the one it was charged by.
        let (quoted, price) = (self.prices.version().unwrap_or_default().to_owned(), crossing.price_now());
        let presentation = Presentation { known_only: true, quoted, price, ..crossing.presentation(None) };
        match self.ledger?.channel(&crossing.object, Command::Present(Box::new(presentation))).await {
            Ok(reply @ (Reply::Owed { .. } | Reply::Busy { .. })) => {
                Some(self.follow_channel(reply, &crossing, (&Asked::Voucher, None), None, origin).await)
            }
            Ok(_) => None,
            Err(_) => Some(self.ledger_down()),
        }
    }

    /// Presents the payment to its channel, and does what it says. `late`: why it is not brought to the chain any more.
    async fn cross<R: Request, O: Origin>(
        &self,
        crossing: Crossing<'_, R>,
        late: Option<&Refusal>,
        origin: &O,
    ) -> Answer<O::Answer> {
        let Some(ledger) = self.ledger else { return self.ledger_down() };
        let Crossing { purchase, payload, checked, request, .. } = &crossing;
        let digest = hex::encode(checked.digest());
        let authority = purchase.visit.target.authority;
        let naming = match Naming::of(payload, purchase.challenge, authority, &digest, request) {
            None => None,
            Some(naming) => {
                let now = self.host.now();
                match naming.bind(ledger, now, now).await {
                    Ok(Named::Go(naming)) => Some(naming),
                    Ok(Named::Answered(answer)) => return Answer::Kept(answer),
                    Ok(Named::Taken) => return answer::identifier_taken().into(),
                    Err(_) => return self.ledger_down(),
                }
            }
        };
        let asked = crossing.asked();
        let (reply, early) = self.present_beside_origin(&crossing, &asked, origin).await;
        let (reply, asked) = match reply {
            Ok(Reply::Unseen { deposit_begun }) => match self.look(&crossing, deposit_begun, late).await {
                Ok((seen, asked)) => (self.present(&crossing, Some((seen, asked.clone()))).await, asked),
                // What may have arrived keeps its identifier.
                Err(answer) if deposit_begun && answer.status != 402 => return answer.into(),
                Err(answer) => return self.unname(naming.as_ref(), answer).await.into(),
            },
            reply => (reply, asked),
        };
        match reply {
            Ok(reply) => self.follow_channel(reply, &crossing, (&asked, early), naming, origin).await,
            Err(LedgerDown) => self.ledger_down(),
        }
    }

    /// Presents the payment to its channel. Where it is a good customer's, the origin is asked meanwhile: its answer,
    /// good or bad, is nobody's before the channel has said yes. If it says no, nobody waits for the origin; what is under
    /// way there ends with the request.
    async fn present_beside_origin<R: Request, O: Origin>(
        &self,
        crossing: &Crossing<'_, R>,
        asked: &Asked,
        origin: &O,
    ) -> (Result<Reply, LedgerDown>, Option<Early<O>>) {
        match self.first(crossing, asked) {
            First::Origin => {}
            First::Channel => return (self.present(crossing, None).await, None),
            // As the channel will say in a moment.
            First::Begun => return (Ok(Reply::Busy { retry_after: RETRY_AFTER_SECONDS }), None),
            First::Busy => return (Ok(Reply::Refused { flaw: ChannelFlaw::ChannelBusy, known: None }), None),
        }
        let asking = origin.send(crossing.purchase.forward(true), PAID_ORIGIN_WITHIN);
        let presenting = async {
            origin.under_way().await;
            let reply = self.present(crossing, None).await;
            self.charged.presented(&crossing.object);
            reply
        };
        match select(pin!(asking), pin!(presenting)).await {
            Either::Left((answer, presenting)) => (presenting.await, Some(answer)),
            Either::Right((reply @ Ok(Reply::Held { .. } | Reply::Unseen { .. } | Reply::Owed { .. }), asking)) => {
                (reply, Some(asking.await))
            }
            Either::Right((reply, _)) => (reply, None),
        }
    }

    /// Which comes first, the channel or the origin.
    fn first<R: Request>(&self, crossing: &Crossing<'_, R>, asked: &Asked) -> First {
        let Crossing { purchase, checked, object, request, .. } = crossing;
        let (message, policy) = (checked.message(), purchase.challenge.quote().route.policy());
        let plain = *asked == Asked::Voucher
            && message.is_proven()
            && policy.verify != Verify::Always
            && policy.settle != Settle::Upfront
            && policy.max_unsettled.payer > 0
            && purchase.visit.only_reads();
        let voucher = (message.voucher.max_claimable_amount, checked.price(), request.as_str());
        self.charged.first(object, voucher, plain, self.host.now())
    }

    /// What the channel says of the payment.
    async fn follow_channel<R: Request, O: Origin>(
        &self,
        reply: Reply,
        crossing: &Crossing<'_, R>,
        (asked, early): (&Asked, Option<Early<O>>),
        naming: Option<Naming>,
        origin: &O,
    ) -> Answer<O::Answer> {
        let ticket = |hold| Ticket::of_channel(crossing.object.clone(), hold).named(naming.clone());
        match reply {
            Reply::Held { hold, state } if matches!(asked, Asked::Refund { .. }) => {
                self.refund(crossing, &ticket(hold), &state).await.into()
            }
            Reply::Held { hold, .. } => self.serve_crossing(crossing, (asked, early), ticket(hold), origin).await,
            Reply::Owed { hold, receipt, since } => {
                let receipt = crossing.receipt(&receipt);
                self.deliver(Some(ticket(hold)), (&receipt, Some(UnixTime(since))), &crossing.purchase, (origin, early))
                    .await
            }
            Reply::Busy { retry_after } => answer::in_progress(retry_after).into(),
            Reply::Elsewhere => answer::bound_elsewhere().into(),
            Reply::Refused { flaw, known } => {
                let answer = crossing.refused(flaw, known.as_deref());
                self.unname(naming.as_ref(), answer).await.into()
            }
            Reply::NotKnown => {
                let answer = crossing.refused(ChannelFlaw::ReceiverAuthorizerMismatch, None);
                self.unname(naming.as_ref(), answer).await.into()
            }
            // What was said of it cannot be, and its object has told the operator why.
            Reply::Unseen { .. } => self.unname(naming.as_ref(), answer::facilitator_nonsense()).await.into(),
            Reply::Charged(_) | Reply::Done | Reply::Stale => self.ledger_down(),
        }
    }

    /// Nothing is charged: another payment may come under the same identifier.
    pub(super) async fn unname<T>(&self, naming: Option<&Naming>, answer: T) -> T {
        if let (Some(ledger), Some(naming)) = (self.ledger, naming)
            && naming.free(ledger).await.is_err()
        {
            self.host.fault("the ledger cannot be reached; a payment identifier stays taken");
        }
        answer
    }
}

/// Whether a deposit is refused for its time alone.
const fn is_late(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Channel(ChannelFlaw::ValidBefore | ChannelFlaw::Permit2DeadlineExpired))
}
