//! How often the origin works for payers whom nobody knows and who have not paid yet. Kept by each isolate.

use std::cell::RefCell;

use crate::{evm::Address, prices::MaxUnsettled, time::UnixTime};

/// A run that never settles counts for so long.
const COUNT_SECONDS: u64 = 600;

/// Runs that are remembered. With more, on all routes together, the origin works for nobody unknown.
const MAX_RUNS: usize = 2_000;

/// Runs that have not settled.
#[derive(Debug, Default)]
pub struct UnprovenRuns(RefCell<Vec<Run>>);

#[derive(Debug)]
struct Run {
    route: String,
    payer: Address,
    /// When it ceases to count.
    until: UnixTime,
}

impl UnprovenRuns {
    /// One more run, if route and payer have fewer than `most`: the payer on all routes, and in all tokens.
    pub(super) fn begin(&self, route: &str, payer: Address, most: MaxUnsettled, now: UnixTime) -> bool {
        let mut runs = self.0.borrow_mut();
        runs.retain(|run| run.until > now);
        let on_route = runs.iter().filter(|run| run.route == route).count();
        let for_payer = runs.iter().filter(|run| run.payer == payer).count();
        let allowed = on_route < most.route as usize && for_payer < most.payer as usize && runs.len() < MAX_RUNS;
        if allowed {
            runs.push(Run { route: route.to_owned(), payer, until: now.plus(COUNT_SECONDS) });
        }
        allowed
    }

    /// One of them has been verified, or has settled.
    pub(super) fn end(&self, route: &str, payer: Address) {
        let mut runs = self.0.borrow_mut();
        if let Some(last) = runs.iter().rposition(|run| run.route == route && run.payer == payer) {
            runs.swap_remove(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1000);
    const MOST: MaxUnsettled = MaxUnsettled { payer: 2, route: 20 };

    fn payer(number: u16) -> Address {
        let mut bytes = [0; 20];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        Address::new(bytes)
    }

    #[test]
    fn unknown_payers_share_the_runs_of_a_route() {
        let runs = UnprovenRuns::default();
        assert!((0..20).all(|number| runs.begin("/a", payer(number), MOST, NOW)));
        assert!(!runs.begin("/a", payer(20), MOST, NOW) && runs.begin("/b", payer(20), MOST, NOW));
        runs.end("/a", payer(7));
        assert!(runs.begin("/a", payer(20), MOST, NOW) && !runs.begin("/a", payer(21), MOST, NOW));
        let later = NOW.plus(COUNT_SECONDS);
        assert!(runs.begin("/a", payer(21), MOST, later), "what came to nothing is forgiven in time");
    }

    #[test]
    fn a_payer_has_so_many_runs_on_all_routes_together() {
        let runs = UnprovenRuns::default();
        assert!(runs.begin("/a", payer(1), MOST, NOW) && runs.begin("/b", payer(1), MOST, NOW));
        assert!(!runs.begin("/c", payer(1), MOST, NOW) && runs.begin("/c", payer(2), MOST, NOW));
        runs.end("/a", payer(1));
        assert!(runs.begin("/c", payer(1), MOST, NOW) && !runs.begin("/a", payer(1), MOST, NOW));
    }

    #[test]
    fn runs_on_many_routes_free_none_of_them() {
        let runs = UnprovenRuns::default();
        let begin = |number: u16, now| runs.begin(&number.to_string(), payer(number), MOST, now);
        let all = u16::try_from(MAX_RUNS).unwrap();
        assert!((0..all).all(|number| begin(number, NOW)));
        assert!(!begin(all, NOW));
        runs.end("0", payer(0));
        assert!(begin(all, NOW) && !begin(0, NOW) && begin(0, NOW.plus(COUNT_SECONDS)));
    }
}
