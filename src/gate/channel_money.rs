//! What is done for a payment that its channel holds: serve and charge, settle a deposit, give the rest back.

use serde_json::{Value, json};

use crate::{
    channels::{Asked, ChannelState, Command, Reply, Seen, SignedRefund},
    evm::{Uint256, signing_hash},
    facilitator::ChannelSettlement,
    money::Amount,
    origin::relayed_answer_edits,
    ports::{Clock, Counter, Fetch, Journal, Ledger, Origin, Request},
    schemes::batch_settlement::{ClaimBatch, ClaimEntry, Refund, domain},
};

use super::{
    Answer, Gate, Metering, PAID_ORIGIN_WITHIN, Ticket,
    answer::{self, OurAnswer},
    buy::Used,
    channel::Early,
    crossing::Crossing,
    metering::Bill,
};

impl<F: Fetch, H: Clock + Journal, L: Ledger, N: Counter> Gate<'_, F, H, L, N> {
    /// Asks the origin; brings the deposit to the chain, where there is one; charges; and only then lets the answer out.
    pub(super) async fn serve_crossing<R: Request, O: Origin>(
        &self,
        crossing: &Crossing<'_, R>,
        (asked, early): (&Asked, Option<Early<O>>),
        ticket: Ticket,
        origin: &O,
    ) -> Answer<O::Answer> {
        let (purchase, visit) = (&crossing.purchase, crossing.purchase.visit);
        let answer = match early {
            Some(answer) => answer,
            None => origin.send(purchase.forward(true), PAID_ORIGIN_WITHIN).await,
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                self.host.fault(&format!("origin: {error}; not charged"));
                return self.let_go(&ticket, false, answer::origin_failed(error)).await.into();
            }
        };
        if self.is_free_of_charge(&answer, visit) {
            let edits = self.hide_origin(&answer, visit, relayed_answer_edits());
            self.let_go(&ticket, false, ()).await;
            return Answer::Origins { answer, edits, delivery: None };
        }
        let maximum = Amount::new(crossing.checked.price());
        let used = self.used(&answer, maximum, purchase);
        let deposited = match asked {
            Asked::Deposit { .. } => match self.deposit(crossing, &ticket).await {
                Ok(deposited) => Some(deposited),
                Err(answer) => return answer.into(),
            },
            Asked::Voucher | Asked::Refund { .. } => None,
        };
        let used = match used {
            Used::Amount(amount) => amount.units(),
            Used::AtTheEnd(meter) => {
                let receipt = crossing.metered(deposited.as_ref());
                let ticket =
                    ticket.metered(Metering::new(*meter, Bill::Voucher(Box::new(crossing.served()), deposited)));
                return self.paid_answer(answer, (&receipt, None), Some(ticket), purchase);
            }
        };
        let Some(ledger) = self.ledger else { return self.ledger_down() };
        let served = Box::new(crossing.served());
        let charge = Command::Charge { hold: ticket.hold(), served, amount: used, deposited, ended: false };
        match ledger.channel(&crossing.object, charge).await {
            Ok(Reply::Charged(receipt)) => {
                self.charged.keep(&crossing.object, &receipt, self.host.now());
                let receipt = crossing.receipt(&receipt);
                // Nothing is owed where nothing was charged.
                let ticket = (used > Uint256::ZERO || ticket.keeps_answer()).then_some(ticket);
                self.paid_answer(answer, (&receipt, Some(self.host.now())), ticket, purchase)
            }
            Ok(Reply::Refused { flaw, known }) => crossing.refused(flaw, known.as_deref()).into(),
            // Our lease ended and somebody else has the channel now.
            Ok(_) => answer::in_progress(1).into(),
            Err(_) => {
                self.host.fault("the ledger cannot be reached; whether a voucher was charged is not known");
                answer::settlement_unknown(false).into()
            }
        }
    }

    /// Brings the deposit to the chain: its transaction, and what the channel holds then. Else the answer to a payment
    /// that is not charged.
    async fn deposit<R: Request>(
        &self,
        crossing: &Crossing<'_, R>,
        ticket: &Ticket,
    ) -> Result<(String, Option<Seen>), OurAnswer> {
        self.begin_settling(crossing, ticket, None).await?;
        match self.settle_crossing(crossing, None).await {
            ChannelSettlement::Done { transaction, seen, .. } => {
                Ok((transaction, seen.map(|seen| Seen::by_facilitator(&seen, self.host.now()))))
            }
            ChannelSettlement::Refused(reason) => {
                let receipt = crossing.unsettled(reason.as_str());
                match self.release_channel(ticket, false).await {
                    Some(Reply::Done) => {
                        let answer =
                            crossing.purchase.challenge.settlement_refused(&receipt, crossing.purchase.version);
                        Err(self.unname(ticket.naming(), answer).await)
                    }
                    // It was brought before, and may be refused because it has arrived; or who knows.
                    _ => Err(self.unknown(&crossing.purchase.paid, false)),
                }
            }
            unsure @ (ChannelSettlement::Failed(_) | ChannelSettlement::Unknown { .. }) => {
                let answer = self.unknown(&crossing.purchase.paid, unsure.is_late());
                Err(self.let_go(ticket, true, answer).await)
            }
        }
    }

    /// Writes that money is about to move, before it does.
    async fn begin_settling<R: Request>(
        &self,
        crossing: &Crossing<'_, R>,
        ticket: &Ticket,
        refund: Option<SignedRefund>,
    ) -> Result<(), OurAnswer> {
        let Some(ledger) = self.ledger else { return Err(answer::ledger_down()) };
        let (hold, served, asked) = (ticket.hold(), Box::new(crossing.served()), crossing.asked());
        let settling = Command::Settling { hold, served, asked, refund };
        match ledger.channel(&crossing.object, settling).await {
            Ok(Reply::Done) => Ok(()),
            // Our lease ended and somebody else has the channel now.
            Ok(_) => Err(answer::in_progress(1)),
            Err(_) => {
                self.host.fault("the ledger cannot be reached; not charged");
                Err(answer::ledger_down())
            }
        }
    }

    /// Gives money back: what was charged is claimed with it, in one transaction.
    pub(super) async fn refund<R: Request>(
        &self,
        crossing: &Crossing<'_, R>,
        ticket: &Ticket,
        state: &ChannelState,
    ) -> OurAnswer {
        let (payload, amount) = self.refund_payload(crossing, state);
        let refund = SignedRefund { nonce: state.refund_nonce.to_u64().unwrap_or(u64::MAX), amount };
        if let Err(answer) = self.begin_settling(crossing, ticket, Some(refund)).await {
            return answer;
        }
        let (transaction, moved, seen) = match self.settle_crossing(crossing, Some(payload)).await {
            ChannelSettlement::Done { transaction, amount, seen } => (transaction, amount, seen),
            ChannelSettlement::Refused(reason) => {
                let receipt = crossing.unsettled(reason.as_str());
                let answer = crossing.purchase.challenge.settlement_refused(&receipt, crossing.purchase.version);
                // What is signed and was shown may be brought all the same.
                let answer = self.let_go(ticket, true, answer).await;
                return self.unname(ticket.naming(), answer).await;
            }
            unsure @ (ChannelSettlement::Failed(_) | ChannelSettlement::Unknown { .. }) => {
                let answer = self.unknown(&crossing.purchase.paid, unsure.is_late());
                return self.let_go(ticket, true, answer).await;
            }
        };
        let moved = moved.and_then(|text| text.parse().ok()).unwrap_or(amount);
        let after = state.balance.checked_sub(moved).unwrap_or(Uint256::ZERO);
        let seen = seen.map_or_else(
            || Seen {
                balance: after,
                total_claimed: state.total_claimed.max(state.charged_cumulative_amount),
                withdraw_requested_at: 0,
                refund_nonce: state.refund_nonce.to_u64().unwrap_or(0).saturating_add(1),
                at: self.host.now().0,
            },
            |seen| Seen::by_facilitator(&seen, self.host.now()),
        );
        let state = ChannelState {
            balance: seen.balance,
            total_claimed: seen.total_claimed,
            withdraw_requested_at: seen.withdraw_requested_at,
            refund_nonce: seen.refund_nonce.into(),
            ..state.clone()
        };
        let mut receipt = crossing.settled(transaction.clone(), moved.to_string());
        receipt.extra = Some(json!({ "channelState": state }));
        if let Some(ledger) = self.ledger {
            let refunded = Command::Refunded { hold: ticket.hold(), seen, transaction, amount: moved };
            if ledger.channel(&crossing.object, refunded).await.is_err() {
                self.host.fault("the ledger cannot be reached; a refund waits for its lease to end");
            }
        }
        answer::refund_acknowledged(&crossing.channel_id(), &receipt)
    }

    /// The refund with what only the server can say, and how much it is.
    fn refund_payload<R: Request>(&self, crossing: &Crossing<'_, R>, state: &ChannelState) -> (Value, Uint256) {
        let message = crossing.checked.message();
        let charged = state.charged_cumulative_amount;
        let rest = state.balance.checked_sub(charged).unwrap_or(Uint256::ZERO);
        let mut payload = message.wire();
        // Never what was charged, whatever is asked for.
        let amount = payload["amount"].as_str().and_then(|text| text.parse().ok()).unwrap_or(rest).min(rest);
        payload["amount"] = json!(amount);
        payload["refundNonce"] = json!(state.refund_nonce);
        // Whatever is said to be claimed already: should it not be, the refund takes nothing of it away.
        let claims = charged > Uint256::ZERO;
        payload["claims"] = json!([]);
        if claims {
            payload["claims"] = json!([{
                "voucher": {
                    "channel": message.config,
                    "maxClaimableAmount": message.voucher.max_claimable_amount,
                },
                "signature": message.voucher_signature(),
                "totalClaimed": charged,
            }]);
        }
        if let Some(signer) = self.channels.signer(message.config.receiver_authorizer) {
            let domain = domain(crossing.checked.requirements().network().chain_id());
            let sign = |hash| json!(signer.sign(&hash));
            let channel_id = message.voucher.channel_id;
            let refund = Refund { channel_id, nonce: state.refund_nonce, amount };
            payload["refundAuthorizerSignature"] = sign(signing_hash(&domain, &refund));
            if claims {
                let max_claimable_amount = message.voucher.max_claimable_amount;
                let entry = ClaimEntry { channel_id, max_claimable_amount, total_claimed: charged };
                payload["claimAuthorizerSignature"] = sign(signing_hash(&domain, &ClaimBatch { claims: vec![entry] }));
            }
        }
        (payload, amount)
    }

    /// Has a facilitator bring the payload to the chain, or another one in its place.
    async fn settle_crossing<R: Request>(
        &self,
        crossing: &Crossing<'_, R>,
        instead: Option<Value>,
    ) -> ChannelSettlement {
        let (terms, table) = (crossing.checked.requirements(), crossing.purchase.visit.table);
        let payload = match instead {
            Some(instead) => crossing.payload.restated(terms, instead),
            None => crossing.restated(),
        };
        let facilitators = self.facilitators();
        // Not another one, once one was asked: it may have been sent.
        match facilitators.for_channels(table.facilitators(), terms).first() {
            Some(facilitator) => facilitators.settle_channel(facilitator, &payload, terms).await,
            None => ChannelSettlement::Unknown { deadline: false },
        }
    }

    /// Nothing is charged: the same voucher may come again. `touched`: the chain may have changed all the same.
    async fn let_go<T>(&self, ticket: &Ticket, touched: bool, answer: T) -> T {
        self.release_channel(ticket, touched).await;
        self.unname(ticket.naming().filter(|_| !touched), answer).await
    }

    /// Lets the channel go; what it says of that, where it can be reached.
    async fn release_channel(&self, ticket: &Ticket, touched: bool) -> Option<Reply> {
        let release = Command::Release { hold: ticket.hold(), touched };
        let reply = self.ledger?.channel(ticket.object(), release).await.ok();
        if reply.is_none() {
            self.host.fault("the ledger cannot be reached; a channel waits for its lease to end");
        }
        reply
    }
}
