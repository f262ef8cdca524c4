//! A payment whose amount is known when its answer has ended.

use crate::{
    facilitator::VerifiedPayment,
    ledger::{Command, Outcome},
    metering::Meter,
    money::Amount,
    time::UnixTime,
};

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
    payment: VerifiedPayment,
    rpc: Vec<String>,
}

impl Metering {
    pub(super) fn new(meter: Meter, payment: VerifiedPayment, rpc: &[String]) -> Self {
        Self { meter, payment, rpc: rpc.to_vec() }
    }

    /// The meter, to which the body is shown as it passes.
    pub const fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }

    /// What the ledger is told when the body has ended: to settle for what was used, at most what was signed, and for
    /// that where the answer does not say. An origin that failed is not paid.
    pub fn end(self, ended: Ended, now: UnixTime) -> impl FnOnce(u32) -> Command {
        let maximum = self.payment.checked().requirements().amount();
        let used = self.meter.cost().unwrap_or(maximum).min(maximum);
        move |hold| match ended {
            Ended::BrokenOff => Command::Forgive { hold },
            Ended::Whole if used == Amount::ZERO => {
                Command::Close { hold, outcome: Box::new(Outcome::Settled(self.payment.nothing_charged())) }
            }
            Ended::Whole => {
                Command::Queue { hold, attempt: Box::new(self.payment.attempt(&self.rpc, now, Some(used))) }
            }
        }
    }

    /// What the operator should know about it, if anything.
    pub fn remark(&self) -> Option<&'static str> {
        let maximum = self.payment.checked().requirements().amount();
        match self.meter.cost() {
            None => Some("the answer does not say what was used: the signed maximum is charged"),
            Some(cost) if cost > maximum => Some("more was used than was signed: the signed maximum is charged"),
            Some(_) => None,
        }
    }
}
