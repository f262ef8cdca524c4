//! How often the origin works on a route for payers whom nobody knows and who have not paid yet. Kept by each isolate.

use std::{cell::RefCell, collections::BTreeMap};

use crate::time::UnixTime;

/// A run that never settles counts for so long.
const COUNT_SECONDS: u64 = 600;

/// Routes with runs at the same time, at most; on others the origin works for nobody unknown.
const MAX_ROUTES: usize = 1000;

/// By route, when each run that has not settled ceases to count.
#[derive(Debug, Default)]
pub struct UnprovenRuns(RefCell<BTreeMap<String, Vec<u64>>>);

impl UnprovenRuns {
    /// One more run, if the route has fewer than `most`.
    pub(super) fn begin(&self, route: &str, most: u32, now: UnixTime) -> bool {
        let mut runs = self.0.borrow_mut();
        if !runs.contains_key(route) && runs.len() >= MAX_ROUTES {
            runs.retain(|_, runs| runs.iter().any(|until| *until > now.0));
            if runs.len() >= MAX_ROUTES {
                return false;
            }
        }
        let runs = runs.entry(route.to_owned()).or_default();
        runs.retain(|until| *until > now.0);
        let allowed = runs.len() < most as usize;
        if allowed {
            runs.push(now.plus(COUNT_SECONDS).0);
        }
        allowed
    }

    /// One of them has settled, or is not to blame for coming to nothing.
    pub(super) fn end(&self, route: &str) {
        if let Some(runs) = self.0.borrow_mut().get_mut(route) {
            runs.pop();
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
        assert!((0..MAX_ROUTES).all(|route| runs.begin(&route.to_string(), 1, now)));
        assert!(!runs.begin("one more", 1, now) && !runs.begin("0", 1, now));
        runs.end("0");
        assert!(runs.begin("one more", 1, now) && !runs.begin("0", 1, now));
        assert!(runs.begin("another", 1, now.plus(COUNT_SECONDS)));
    }
}
