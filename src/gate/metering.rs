//! A payment whose amount is known when its answer has ended.

use crate::{
    channels::{self, Seen, Served},
    facilitator::VerifiedPayment,
    ledger::{Command, Outcome, Reply},
    metering::Meter,
    money::Amount,
    ports::{Ledger, LedgerDown},
    time::UnixTime,
};

use super::Ticket;

/// How an answer's body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The origin has sent all of it.
    Whole,
    /// It broke off: the origin failed.
    BrokenOff,
}

/// Meters one answer. It never holds the body up, and nothing of it is kept.
#[derive(Debug, Clone)]
pub struct Metering {
    meter: Meter,
    bill: Bill,
}

/// What is charged to.
#[derive(Debug, Clone)]
pub(super) enum Bill {
    /// An authorization, which is settled; where the chain is asked.
    Payment(Box<VerifiedPayment>, Vec<String>),
    /// A voucher; with the deposit that was settled for it.
    Voucher(Box<Served>, Option<(String, Option<Seen>)>),
}

impl Bill {
    const fn maximum(&self) -> Amount {
        match self {
            Self::Payment(payment, _) => payment.checked().requirements().amount(),
            Self::Voucher(served, _) => Amount::new(served.price),
        }
    }
}

impl Metering {
    pub(super) const fn new(meter: Meter, bill: Bill) -> Self {
        Self { meter, bill }
    }

    /// The meter, to which the body is shown as it passes.
    pub const fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }

    /// Tells the ledger that the body has ended: to charge what was used, at most what was signed, and that where the
    /// answer does not say. An origin that failed is not paid. False where the hold had ended: nothing is charged.
    pub async fn end(
        &self,
        ended: Ended,
        now: UnixTime,
        ticket: &Ticket,
        ledger: &impl Ledger,
    ) -> Result<bool, LedgerDown> {
        let maximum = self.bill.maximum();
        let used = self.meter.cost().unwrap_or(maximum).min(maximum);
        match &self.bill {
            Bill::Payment(payment, rpc) => {
                let command = |hold| match ended {
                    Ended::BrokenOff => Command::Forgive { hold },
                    Ended::Whole if used == Amount::ZERO => {
                        Command::Close { hold, outcome: Box::new(Outcome::Settled(payment.nothing_charged())) }
                    }
                    Ended::Whole => {
                        let attempt = Box::new(payment.attempt(rpc, now, Some(used)));
                        Command::Queue { hold, attempt, ended: true }
                    }
                };
                let written = ticket.tell(ledger, command).await? == Reply::Done;
                if ended == Ended::BrokenOff
                    && let Some(naming) = ticket.naming()
                {
                    naming.free(ledger).await?;
                }
                Ok(written)
            }
            Bill::Voucher(served, deposited) => {
                let hold = ticket.hold();
                let command = match ended {
                    Ended::BrokenOff => channels::Command::Release { hold, touched: deposited.is_some() },
                    Ended::Whole => {
                        let (served, deposited) = (served.clone(), deposited.clone());
                        channels::Command::Charge { hold, served, amount: used.units(), deposited, ended: true }
                    }
                };
                let reply = ledger.channel(ticket.object(), command).await?;
                Ok(matches!(reply, channels::Reply::Charged(_) | channels::Reply::Done))
            }
        }
    }

    /// What the operator should know about it, if anything.
    pub fn remark(&self) -> Option<&'static str> {
        match self.meter.cost() {
            None => Some("the answer does not say what was used: the signed maximum is charged"),
            Some(cost) if cost > self.bill.maximum() => {
                Some("more was used than was signed: the signed maximum is charged")
            }
            Some(_) => None,
        }
    }
}
