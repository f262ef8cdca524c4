//! The way out of what is paid.

use crate::{
    origin::{paid_answer_edits, paid_forward, relayed_answer_edits},
    ports::{Clock, Counter, Fetch, Journal, Ledger, Origin, OriginAnswer, Request},
    time::UnixTime,
    x402::SettlementResponse,
};

use super::{Answer, Gate, PAID_ORIGIN_WITHIN, Ticket, answer, channel::Early, purchase::Purchase};

impl<F: Fetch, H: Clock + Journal, L: Ledger, N: Counter> Gate<'_, F, H, L, N> {
    /// Asks the origin for what is paid already, where it was not asked `early`. If it fails, the content stays owed.
    /// `since`: when it was paid, where a pass is sold with it.
    pub(super) async fn deliver<R: Request, O: Origin>(
        &self,
        ticket: Option<Ticket>,
        (receipt, since): (&SettlementResponse, Option<UnixTime>),
        purchase: &Purchase<'_, R>,
        (origin, early): (&O, Option<Early<O>>),
    ) -> Answer<O::Answer> {
        let visit = purchase.visit;
        let answer = match early {
            Some(answer) => answer,
            None => origin.send(paid_forward(visit.forward(), &purchase.paid), PAID_ORIGIN_WITHIN).await,
        };
        let failed = match answer {
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
        if let (Some(ledger), Some(ticket)) = (self.ledger, ticket)
            && ticket.delivered(ledger, false).await.is_err()
        {
            self.host.fault("the ledger cannot be reached; an outcome waits for its lease to end");
        }
        failed
    }

    /// The origin's answer with the receipt, and with a pass where the money is there `since`, all of the price.
    pub(super) fn paid_answer<R: Request, A: OriginAnswer>(
        &self,
        answer: A,
        (receipt, since): (&SettlementResponse, Option<UnixTime>),
        delivery: Option<Ticket>,
        purchase: &Purchase<'_, R>,
    ) -> Answer<A> {
        let mut edits = paid_answer_edits(answer.header("Cache-Control").as_deref());
        edits = self.hide_origin(&answer, purchase.visit, edits);
        edits.set.push(answer::receipt(receipt, purchase.version));
        edits.set.extend(answer::exposed_to_browsers(&answer));
        let is_whole = receipt.charged().unwrap_or(purchase.paid.amount) >= purchase.paid.amount;
        let pass_since =
            |since| self.sell_pass(purchase.challenge.quote(), &purchase.paid, since, purchase.visit, &mut edits);
        let pass = since.filter(|_| is_whole).and_then(pass_since);
        let delivery = delivery.map(|ticket| ticket.with_pass(pass));
        Answer::Origins { answer, edits, delivery }
    }
}
