//! Payments of which nothing was charged.

use crate::{
    ledger::{Command, Outcome},
    ports::{Clock, Counter, Fetch, Journal, Ledger},
};

use super::{Gate, Ticket};

impl<F: Fetch, H: Clock + Journal, L: Ledger, N: Counter> Gate<'_, F, H, L, N> {
    /// Nothing was charged, and the origin's run `is_forgiven` where the payment was verified and the origin failed, or was
    /// not asked at all. Else it counts: a payer without funds could ask for nothing but errors.
    pub(super) async fn unpaid<T>(&self, ticket: Option<&Ticket>, is_forgiven: bool, answer: T) -> T {
        if !is_forgiven {
            return self.release(ticket, answer).await;
        }
        if let Some(ticket) = ticket {
            self.note(ticket, |hold| Command::Forgive { hold }).await;
            self.free(ticket).await;
        }
        answer
    }

    /// Nothing was charged: the same payment may come again.
    pub(super) async fn release<T>(&self, ticket: Option<&Ticket>, answer: T) -> T {
        if let Some(ticket) = ticket {
            self.note(ticket, |hold| Command::Close { hold, outcome: Box::new(Outcome::Released) }).await;
            self.free(ticket).await;
        }
        answer
    }

    /// Nothing was charged: another payment may come under the same identifier. If this is lost, none can until
    /// the identifier is forgotten.
    pub(super) async fn free(&self, ticket: &Ticket) {
        if let (Some(ledger), Some(naming)) = (self.ledger, ticket.naming())
            && naming.free(ledger).await.is_err()
        {
            self.host.fault("the ledger cannot be reached; a payment identifier stays taken");
        }
    }

    /// Writes what has happened. If that fails, the lease's end brings it out: the answer is not taken back.
    pub(super) async fn note(&self, ticket: &Ticket, command: impl FnOnce(u32) -> Command) {
        let Some(ledger) = self.ledger else { return };
        if ticket.tell(ledger, command).await.is_err() {
            self.host.fault("the ledger cannot be reached; an outcome waits for its lease to end");
        }
    }
}
