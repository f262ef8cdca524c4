//! How often the origin works on a route for payers whom nobody knows and who have not paid yet. Kept by each isolate.

use std::cell::RefCell;

use crate::time::UnixTime;

/// A run that never settles counts for so long.
const COUNT_SECONDS: u64 = 600;

/// Runs that are remembered. With more, on all routes together, the origin works for nobody unknown.
const MAX_RUNS: usize = 2_000;

/// Runs that have not settled: on which route, and when each ceases to count.
#[derive(Debug, Default)]
pub struct UnprovenRuns(RefCell<Vec<(String, UnixTime)>>);

impl UnprovenRuns {
    /// One more run, if the route has fewer than `most`.
    pub(super) fn begin(&self, route: &str, most: u32, now: UnixTime) -> bool {
        let mut runs = self.0.borrow_mut();
        runs.retain(|(_, until)| *until > now);
        let on_route = runs.iter().filter(|(other, _)| other == route).count();
        let allowed = on_route < most as usize && runs.len() < MAX_RUNS;
        if allowed {
            runs.push((route.to_owned(), now.plus(COUNT_SECONDS)));
        }
        allowed
    }

    /// One of them has settled, or is not to blame for coming to nothing.
    pub(super) fn end(&self, route: &str) {
        let mut runs = self.0.borrow_mut();
        if let Some(last) = runs.iter().rposition(|(other, _)| other == route) {
            runs.swap_remove(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_payers_share_the_runs_of_a_route() {
        let (runs, now) = (UnprovenRuns::default(), UnixTime(1000));
        assert!((0..20).all(|_| runs.begin("/a", 20, now)));
        assert!(!runs.begin("/a", 20, now) && runs.begin("/b", 20, now));
        runs.end("/a");
        assert!(runs.begin("/a", 20, now) && !runs.begin("/a", 20, now));
        assert!(runs.begin("/a", 20, now.plus(COUNT_SECONDS)), "what came to nothing is forgiven in time");
    }

    #[test]
    fn runs_on_many_routes_free_none_of_them() {
        let (runs, now) = (UnprovenRuns::default(), UnixTime(1000));
        assert!((0..MAX_RUNS).all(|route| runs.begin(&route.to_string(), 1, now)));
        assert!(!runs.begin("one more", 1, now) && !runs.begin("0", 1, now));
        runs.end("0");
        assert!(runs.begin("one more", 1, now) && !runs.begin("0", 1, now));
        assert!(runs.begin("another", 1, now.plus(COUNT_SECONDS)));
    }
}
