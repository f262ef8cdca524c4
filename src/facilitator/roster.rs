//! Who of the facilitators is asked, and in which order: what each says it settles, and how it has fared lately.
//!
//! Kept by each isolate in memory, for all requests; nothing here waits.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use crate::{
    time::UnixTime,
    x402::{SupportedKind, SupportedResponse},
};

/// What `/supported` said is asked for anew after this; meanwhile, and if the call fails, the last answer counts.
const KEEP_KINDS_SECONDS: u64 = 600;

/// A `/supported` that failed is tried again after this.
const TRY_KINDS_AGAIN_SECONDS: u64 = 30;

/// So many failures in a row open the breaker.
const FAILURES_TO_OPEN: u32 = 3;

/// A breaker stays open so long; then one more failure opens it again.
const OPEN_SECONDS: u64 = 15;

/// Facilitators that are remembered at most: a price document names a handful.
const MAX_REMEMBERED: usize = 64;

/// The standing of all facilitators, by base URL.
#[derive(Debug, Default)]
pub struct Roster {
    standings: RefCell<BTreeMap<String, Standing>>,
    /// Whether a facilitator was asked for anything since `/supported` was due last: nobody is asked for the sake
    /// of requests that need none.
    in_use: Cell<bool>,
}

#[derive(Debug, Default)]
struct Standing {
    kinds: Option<Vec<SupportedKind>>,
    /// When `/supported` is asked next.
    ask_at: u64,
    failures: u32,
    open_until: u64,
}

impl Roster {
    /// The facilitators in the order in which they are asked for this kind: those that do not settle it are left
    /// out (unless none does: then `/supported` is wrong somewhere, and all are asked); those whose breaker is
    /// open come last.
    pub fn in_order<'a>(&self, urls: &'a [String], kind: &SupportedKind, now: UnixTime) -> Vec<&'a str> {
        let standings = self.standings.borrow();
        let settles = |url: &&String| {
            let kinds = standings.get(*url).and_then(|standing| standing.kinds.as_ref());
            kinds.is_none_or(|kinds| kinds.iter().any(|known| known.includes(kind)))
        };
        let mut chosen: Vec<&String> = urls.iter().filter(settles).collect();
        if chosen.is_empty() {
            chosen = urls.iter().collect();
        }
        // Stable: the owner's order stays within both groups.
        chosen.sort_by_key(|url| standings.get(*url).is_some_and(|standing| standing.open_until > now.0));
        chosen.into_iter().map(String::as_str).collect()
    }

    /// Whether the facilitator has failed so often that nothing should be sent to it now.
    pub fn is_open(&self, url: &str, now: UnixTime) -> bool {
        self.standings.borrow().get(url).is_some_and(|standing| standing.open_until > now.0)
    }

    /// It gave an answer that makes sense, whatever the answer.
    pub fn answered(&self, url: &str) {
        self.in_use.set(true);
        if let Some(standing) = self.standings.borrow_mut().get_mut(url) {
            (standing.failures, standing.open_until) = (0, 0);
        }
    }

    /// It gave none, or nonsense.
    pub fn failed(&self, url: &str, now: UnixTime) {
        self.in_use.set(true);
        self.with(url, |standing| {
            standing.failures = standing.failures.saturating_add(1);
            if standing.failures >= FAILURES_TO_OPEN {
                standing.open_until = now.plus(OPEN_SECONDS).0;
            }
        });
    }

    /// Those whose `/supported` should be asked now, since facilitators are in use. They are not named again for a
    /// while, so that requests which come meanwhile do not ask too.
    pub fn due<'a>(&self, urls: &'a [String], now: UnixTime) -> Vec<&'a str> {
        let mut due = Vec::new();
        if !self.in_use.replace(false) {
            return due;
        }
        for url in urls {
            self.with(url, |standing| {
                if standing.ask_at <= now.0 {
                    standing.ask_at = now.plus(TRY_KINDS_AGAIN_SECONDS).0;
                    due.push(url.as_str());
                }
            });
        }
        due
    }

    /// What `/supported` said. An answer without any kind that can be read teaches nothing.
    pub fn learn(&self, url: &str, supported: SupportedResponse, now: UnixTime) {
        let kinds: Vec<_> = supported.kinds.into_iter().filter_map(|kind| serde_json::from_value(kind).ok()).collect();
        if !kinds.is_empty() {
            self.with(url, |standing| {
                standing.kinds = Some(kinds);
                standing.ask_at = now.plus(KEEP_KINDS_SECONDS).0;
            });
        }
    }

    fn with(&self, url: &str, change: impl FnOnce(&mut Standing)) {
        let mut standings = self.standings.borrow_mut();
        if !standings.contains_key(url) && standings.len() >= MAX_REMEMBERED {
            standings.clear();
        }
        change(standings.entry(url.to_owned()).or_default());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: UnixTime = UnixTime(1000);

    fn urls(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn kind(network: &str) -> SupportedKind {
        SupportedKind { x402_version: 2, scheme: "exact".to_owned(), network: network.to_owned() }
    }

    fn learn(roster: &Roster, url: &str, networks: &[&str]) {
        let kinds = networks.iter().map(|network| json!({"x402Version": 2, "scheme": "exact", "network": network}));
        roster.learn(url, SupportedResponse { kinds: kinds.chain([json!("odd")]).collect() }, NOW);
    }

    #[test]
    fn the_owners_order_holds_among_those_who_settle_the_kind() {
        let (roster, urls) = (Roster::default(), urls(&["a", "b", "c"]));
        assert_eq!(roster.in_order(&urls, &kind("eip155:1"), NOW), ["a", "b", "c"]);
        learn(&roster, "a", &["eip155:8453"]);
        learn(&roster, "c", &["eip155:*"]);
        assert_eq!(roster.in_order(&urls, &kind("eip155:1"), NOW), ["b", "c"]);
        learn(&roster, "b", &["eip155:8453"]);
        learn(&roster, "c", &["solana:x"]);
        assert_eq!(roster.in_order(&urls, &kind("eip155:1"), NOW), ["a", "b", "c"], "all say no: all are asked");
    }

    #[test]
    fn who_fails_again_and_again_is_asked_last_for_a_while() {
        let (roster, urls) = (Roster::default(), urls(&["a", "b"]));
        for _ in 0..FAILURES_TO_OPEN {
            assert_eq!(roster.in_order(&urls, &kind("eip155:1"), NOW), ["a", "b"]);
            roster.failed("a", NOW);
        }
        assert_eq!(roster.in_order(&urls, &kind("eip155:1"), NOW), ["b", "a"]);
        let later = NOW.plus(OPEN_SECONDS);
        assert_eq!(roster.in_order(&urls, &kind("eip155:1"), later), ["a", "b"]);
        roster.failed("a", later);
        assert!(roster.is_open("a", later));
        roster.answered("a");
        assert!(!roster.is_open("a", later));
    }

    #[test]
    fn a_failed_supported_changes_nothing_and_is_tried_again() {
        let (roster, urls) = (Roster::default(), urls(&["a"]));
        let due = |now| {
            roster.answered("a");
            roster.due(&urls, now)
        };
        assert!(roster.due(&urls, NOW).is_empty(), "nobody was asked for anything");
        assert_eq!(due(NOW), ["a"]);
        assert!(due(NOW).is_empty(), "one request asks for all");
        learn(&roster, "a", &["eip155:1"]);
        assert!(due(NOW.plus(TRY_KINDS_AGAIN_SECONDS)).is_empty());
        let later = NOW.plus(KEEP_KINDS_SECONDS);
        assert_eq!(due(later), ["a"]);
        roster.learn("a", SupportedResponse { kinds: vec![] }, later);
        assert_eq!(roster.in_order(&urls, &kind("eip155:1"), later), ["a"]);
    }
}
