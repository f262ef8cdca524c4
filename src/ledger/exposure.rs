//! What one payer's answers may cost that leave before they are paid: the slices that its object has leased from the
//! budgets of routes, and what of them is in use.

use serde::{Deserialize, Serialize};

use crate::{money::Amount, time::UnixTime};

use super::{Leased, Payment, State};

/// A slice is at most this share of the route's budget, in ten-thousandths, so that one payer does not take it all.
const SLICE_SHARE: u16 = 1_250;

/// A slice is renewed when its lease has less left than this; then nothing is taken from it any more.
const RENEW_SECONDS: u64 = 900;

/// Slices that one object has at most.
const MAX_SLICES: usize = 100;

/// What a route lets leave before it is paid (`maxExposure`), and what this request would take of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    /// The object that keeps the route's budget: [`super::budget_name`].
    pub budget: String,
    /// The payer's own object, which leases.
    pub holder: String,
    /// How much one payer may owe.
    pub payer: Amount,
    /// How much all payers may owe together.
    pub route: Amount,
    /// What this payment is at most.
    pub amount: Amount,
    /// Whether the answer cannot wait for the money: what is used is known only when it has ended.
    #[serde(default)]
    pub needed: bool,
    /// Whether no more is leased than this payment needs.
    #[serde(default)]
    pub alone: bool,
}

/// The slices of one payer's object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slices(Vec<Slice>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Slice {
    budget: String,
    granted: Amount,
    /// By payments whose answers may leave, or have left, and which are not settled.
    used: Amount,
    /// When the lease ends; Unix seconds.
    until: u64,
}

impl Exposure {
    /// The same with no more leased than the payment needs: for a payer whom nobody knows.
    #[must_use]
    pub fn alone(&self) -> Self {
        Self { alone: true, ..self.clone() }
    }

    /// How large a slice is wanted.
    fn slice(&self) -> Amount {
        let share =
            if self.alone { Amount::ZERO } else { Amount::new(self.route.units().ten_thousandths(SLICE_SHARE)) };
        self.payer.min(share.max(self.amount))
    }
}

impl Slices {
    /// Sets aside what the payment may cost. False where the slice has not enough; then nothing changes.
    pub fn take(&mut self, exposure: &Exposure, now: UnixTime) -> bool {
        let Some(slice) = self.find(&exposure.budget) else { return false };
        let limit = slice.granted.min(exposure.payer);
        match slice.used.checked_add(exposure.amount) {
            Some(used) if used <= limit && now.plus(RENEW_SECONDS).0 < slice.until => {
                slice.used = used;
                true
            }
            _ => false,
        }
    }

    /// The payment is settled, or nothing left unpaid.
    pub fn give_back(&mut self, exposure: &Exposure) {
        if let Some(slice) = self.find(&exposure.budget) {
            slice.used = slice.used.less(exposure.amount);
        }
    }

    /// Its answer has left, and nobody will pay for it.
    pub fn lose(&mut self, exposure: &Exposure) {
        self.give_back(exposure);
        if let Some(slice) = self.find(&exposure.budget) {
            slice.granted = slice.granted.less(exposure.amount);
        }
    }

    /// How much to lease, where the slice is too small or its lease is about to end.
    pub fn wants(&self, exposure: &Exposure, now: UnixTime) -> Option<Amount> {
        let used = self.used(exposure);
        let wanted = match used.checked_add(exposure.amount) {
            Some(sum) if exposure.alone => sum,
            _ => exposure.slice().max(used),
        };
        let is_good = |slice: &Slice| slice.granted >= wanted && now.plus(2 * RENEW_SECONDS).0 < slice.until;
        (!self.of(exposure).is_some_and(is_good)).then_some(wanted)
    }

    /// How much of a slice is in use.
    pub fn used(&self, exposure: &Exposure) -> Amount {
        self.of(exposure).map_or(Amount::ZERO, |slice| slice.used)
    }

    /// The lease is this now. What was not renewed and is not in use is forgotten.
    pub fn leased(&mut self, exposure: &Exposure, leased: Leased, now: UnixTime) {
        self.0.retain(|slice| slice.until > now.0 || slice.used > Amount::ZERO);
        let Leased { amount: granted, until } = leased;
        let has_room = self.0.len() < MAX_SLICES;
        match self.find(&exposure.budget) {
            Some(slice) => (slice.granted, slice.until) = (granted, until),
            None if granted > Amount::ZERO && has_room => {
                self.0.push(Slice { budget: exposure.budget.clone(), granted, used: Amount::ZERO, until });
            }
            None => {}
        }
    }

    /// When they may all be forgotten; Unix seconds.
    pub fn keep_until(&self) -> u64 {
        let in_use = self.0.iter().any(|slice| slice.used > Amount::ZERO);
        if in_use { u64::MAX } else { self.0.iter().map(|slice| slice.until).max().unwrap_or(0) }
    }

    fn of(&self, exposure: &Exposure) -> Option<&Slice> {
        self.0.iter().find(|slice| slice.budget == exposure.budget)
    }

    fn find(&mut self, budget: &str) -> Option<&mut Slice> {
        self.0.iter_mut().find(|slice| slice.budget == budget)
    }
}

/// What a payment keeps set aside, while nobody knows whether it will be paid.
pub fn set_aside(payment: &Payment) -> Option<&Exposure> {
    let open = matches!(payment.state, State::Held | State::Serving | State::Settling | State::Unknown);
    payment.exposure.as_ref().filter(|_| payment.set_aside && open)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1_000_000);

    fn units(units: u64) -> Amount {
        Amount::new(units.into())
    }

    fn exposure(amount: u64) -> Exposure {
        let (budget, holder) = ("b".to_owned(), "h".to_owned());
        Exposure {
            budget,
            holder,
            payer: units(100),
            route: units(400),
            amount: units(amount),
            needed: false,
            alone: false,
        }
    }

    fn slices(granted: u64) -> Slices {
        let mut slices = Slices::default();
        slices.leased(&exposure(10), Leased { amount: units(granted), until: NOW.plus(3600).0 }, NOW);
        slices
    }

    #[test]
    fn nothing_is_set_aside_without_a_slice_nor_beyond_it() {
        assert!(!Slices::default().take(&exposure(10), NOW));
        let mut slices = slices(25);
        assert!(slices.take(&exposure(10), NOW) && slices.take(&exposure(15), NOW));
        assert!(!slices.take(&exposure(1), NOW));
        slices.give_back(&exposure(15));
        assert!(slices.take(&exposure(15), NOW) && !slices.take(&exposure(1), NOW));
    }

    #[test]
    fn what_was_lost_is_not_lent_again() {
        let mut slices = slices(25);
        assert!(slices.take(&exposure(10), NOW));
        slices.lose(&exposure(10));
        assert!(!slices.take(&exposure(16), NOW) && slices.take(&exposure(15), NOW));
    }

    #[test]
    fn the_owners_newest_limit_counts() {
        let mut slices = slices(100);
        let smaller = Exposure { payer: units(5), ..exposure(10) };
        assert!(!slices.take(&smaller, NOW) && slices.take(&exposure(10), NOW));
    }

    #[test]
    fn a_slice_is_an_eighth_of_the_budget_and_renewed_before_it_ends() {
        assert_eq!(Slices::default().wants(&exposure(10), NOW), Some(units(50)));
        assert_eq!(Slices::default().wants(&exposure(70), NOW), Some(units(70)), "one payment at least");
        let slices = slices(50);
        assert_eq!(slices.wants(&exposure(10), NOW), None);
        assert_eq!(slices.wants(&exposure(10), NOW.plus(1800)), Some(units(50)));
        assert!(slices.clone().take(&exposure(10), NOW.plus(2699)));
        assert!(!slices.clone().take(&exposure(10), NOW.plus(2700)), "its lease is about to end");
    }

    #[test]
    fn a_slice_in_use_is_renewed_in_full() {
        let mut slices = slices(100);
        assert!(slices.take(&exposure(90), NOW));
        assert_eq!(slices.wants(&exposure(10), NOW.plus(1800)), Some(units(90)));
        assert_eq!(slices.keep_until(), u64::MAX);
        slices.give_back(&exposure(90));
        assert_eq!(slices.keep_until(), NOW.plus(3600).0);
    }
}
