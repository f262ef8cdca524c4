//! Settling: before the answer leaves, or while it does.

use std::time::Duration;

use crate::{
    facilitator::{Settlement, VerifiedPayment},
    ledger::{Command, Reply},
    money::Amount,
    origin::Paid,
    ports::{Clock, Counter, Fetch, Journal, Ledger, Request},
    schemes::Refusal,
    x402::{SettleAttempt, SettlementResponse},
};

use super::{
    Gate, Ticket,
    answer::{self, OurAnswer},
    purchase::Purchase,
};

impl<F: Fetch, H: Clock + Journal, L: Ledger, N: Counter> Gate<'_, F, H, L, N> {
    /// Settles, for what was `used` where less may be charged than was signed; gives the receipt, or the answer to a
    /// payment that is not settled.
    pub(super) async fn settle<R: Request>(
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

    /// Has the ledger settle while the answer is on its way; gives the receipt, or the answer to a payment that is not
    /// settled.
    pub(super) async fn queue<R: Request>(
        &self,
        payment: &VerifiedPayment,
        used: Option<Amount>,
        ticket: &Ticket,
        purchase: &Purchase<'_, R>,
    ) -> Result<SettlementResponse, OurAnswer> {
        let Purchase { visit, ref paid, .. } = *purchase;
        let Some(ledger) = self.ledger else { return Err(answer::ledger_down()) };
        let attempt = Box::new(payment.attempt(visit.table.rpc(paid.network), self.host.now(), used));
        match ticket.tell(ledger, |hold| Command::Queue { hold, attempt, ended: false }).await {
            Ok(Reply::Done) => Ok(payment.queued()),
            // Our lease ended and somebody else has the payment now.
            Ok(_) => Err(answer::in_progress(1)),
            Err(_) => {
                self.host.fault("the ledger cannot be reached; whether it settles is not known");
                Err(self.unknown(paid, false))
            }
        }
    }

    pub(super) fn unknown(&self, paid: &Paid, deadline: bool) -> OurAnswer {
        let Paid { payer, asset, network, idempotency_key, .. } = paid;
        self.host.fault(&format!(
            "settle: outcome unknown: {network} asset {asset} payer {payer} payment {idempotency_key}"
        ));
        answer::settlement_unknown(deadline)
    }
}
