//! What answers of one route may cost that leave before they are paid: the route's budget, leased out in slices to
//! payers' objects, so that none of them asks for it while a client waits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{evm::Uint256, money::Amount, time::UnixTime};

/// A slice is leased for so long; who still needs it renews it.
pub const SLICE_SECONDS: u64 = 3600;

/// What was lost counts against the budget for so long.
const LOST_SECONDS: u64 = 24 * 3600;

/// Slices of a budget at most; with more, nobody else gets one.
const MAX_SLICES: usize = 1000;

/// Losses that are kept apart; beyond, they are counted with the newest, and so for longer.
const MAX_LOSSES: usize = 100;

/// One route's budget in one token. Kept by an object of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    leases: BTreeMap<String, Part>,
    lost: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    amount: Amount,
    /// When it comes back; Unix seconds.
    until: u64,
}

/// What a budget is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BudgetCommand {
    /// A payer's object wants a slice, in place of the one it has.
    Lease {
        /// The object.
        holder: String,
        /// How much at most.
        wanted: Amount,
        /// The whole budget, as the price document has it now.
        limit: Amount,
    },
    /// An answer has left that nobody will pay for.
    Lost {
        /// The object that had leased it.
        holder: String,
        /// How much.
        amount: Amount,
    },
}

/// A slice of a budget, as it is leased now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leased {
    /// How much; perhaps nothing.
    pub amount: Amount,
    /// Until when; Unix seconds.
    pub until: u64,
}

/// Applies a command; returns the budget as it is then, and the holder's slice.
pub fn apply_to_budget(mut budget: Budget, command: BudgetCommand, now: UnixTime) -> (Budget, Leased) {
    budget.leases.retain(|_, part| part.until > now.0);
    budget.lost.retain(|part| part.until > now.0);
    let until = now.plus(SLICE_SECONDS).0;
    let leased = match command {
        BudgetCommand::Lease { holder, wanted, limit } => {
            budget.leases.remove(&holder);
            let amount = limit.less(budget.spoken_for()).min(wanted);
            if amount > Amount::ZERO && budget.leases.len() < MAX_SLICES {
                budget.leases.insert(holder, Part { amount, until });
                Leased { amount, until }
            } else {
                Leased { amount: Amount::ZERO, until }
            }
        }
        BudgetCommand::Lost { holder, amount } => {
            let left = budget.leases.get_mut(&holder).map_or(Part { amount: Amount::ZERO, until }, |part| {
                part.amount = part.amount.less(amount);
                *part
            });
            budget.lose(amount, now.plus(LOST_SECONDS).0);
            Leased { amount: left.amount, until: left.until }
        }
    };
    (budget, leased)
}

impl Budget {
    /// When the last of it comes back; Unix seconds. Then the budget may be forgotten.
    pub fn keep_until(&self) -> u64 {
        self.parts().map(|part| part.until).max().unwrap_or(0)
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.leases.values().chain(&self.lost)
    }

    /// What is leased or lost.
    fn spoken_for(&self) -> Amount {
        let sum = self.parts().try_fold(Amount::ZERO, |sum, part| sum.checked_add(part.amount));
        sum.unwrap_or(Amount::new(Uint256::MAX))
    }

    fn lose(&mut self, amount: Amount, until: u64) {
        let newest = if self.lost.len() < MAX_LOSSES { None } else { self.lost.last_mut() };
        match newest.and_then(|part| Some((part.amount.checked_add(amount)?, part))) {
            Some((sum, part)) => *part = Part { amount: sum, until },
            None => self.lost.push(Part { amount, until }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1000);

    fn units(units: u64) -> Amount {
        Amount::new(units.into())
    }

    fn lease(budget: Budget, holder: &str, wanted: u64, now: UnixTime) -> (Budget, Amount) {
        let holder = holder.to_owned();
        let command = BudgetCommand::Lease { holder, wanted: units(wanted), limit: units(100) };
        let (budget, leased) = apply_to_budget(budget, command, now);
        (budget, leased.amount)
    }

    #[test]
    fn no_more_is_leased_than_there_is() {
        let (budget, first) = lease(Budget::default(), "a", 60, NOW);
        let (budget, second) = lease(budget, "b", 60, NOW);
        let (budget, third) = lease(budget, "c", 60, NOW);
        assert_eq!((first, second, third), (units(60), units(40), units(0)));
        let (budget, renewed) = lease(budget, "a", 20, NOW);
        assert_eq!(renewed, units(20), "in place of the one it had");
        assert_eq!(lease(budget.clone(), "c", 60, NOW).1, units(40));
        assert_eq!(lease(budget, "c", 200, NOW.plus(SLICE_SECONDS)).1, units(100), "what nobody renews comes back");
    }

    #[test]
    fn what_was_lost_is_missing_for_a_day() {
        let (budget, _) = lease(Budget::default(), "a", 60, NOW);
        let lost = BudgetCommand::Lost { holder: "a".to_owned(), amount: units(50) };
        let (budget, left) = apply_to_budget(budget, lost, NOW);
        assert_eq!(left.amount, units(10));
        assert_eq!(lease(budget.clone(), "b", 100, NOW).1, units(40));
        assert_eq!(lease(budget.clone(), "b", 100, NOW.plus(SLICE_SECONDS)).1, units(50));
        assert_eq!(lease(budget, "b", 100, NOW.plus(LOST_SECONDS)).1, units(100));
    }

    #[test]
    fn a_thousand_losses_take_no_more_room_than_a_hundred() {
        let mut budget = Budget::default();
        for _ in 0..1000 {
            let lost = BudgetCommand::Lost { holder: "a".to_owned(), amount: units(1) };
            budget = apply_to_budget(budget, lost, NOW).0;
        }
        assert_eq!((budget.lost.len(), budget.spoken_for()), (MAX_LOSSES, units(1000)));
    }

    #[test]
    fn a_budget_that_the_owner_has_cut_leases_nothing_more() {
        let (budget, _) = lease(Budget::default(), "a", 100, NOW);
        let smaller = BudgetCommand::Lease { holder: "b".to_owned(), wanted: units(10), limit: units(50) };
        assert_eq!(apply_to_budget(budget, smaller, NOW).1.amount, Amount::ZERO);
    }
}
