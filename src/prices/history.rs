//! Which document is in force, and which was before: what is kept outside the key that owners edit.
//!
//! KV is eventually consistent: for a minute or more after an edit some places still read the old document. An
//! isolate that starts there uses what it reads, as those that run there do, but must not bring it back for all.

use serde::{Deserialize, Serialize};

use crate::time::UnixTime;

/// For so long after it was replaced, a document that comes back is taken for a copy that lags behind.
const LAG_SECONDS: u64 = 60;

/// Replaced documents that are remembered by their hashes.
const MAX_REPLACED: usize = 16;

/// The documents that were in force, by their hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    current: Option<String>,
    /// The newest first.
    replaced: Vec<Replaced>,
}

/// A document that another one has replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// SHA-256, hexadecimal.
    pub hash: String,
    /// When, in Unix seconds.
    pub at: u64,
}

/// What a good document in KV is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seen {
    /// The one that is in force.
    Current,
    /// New, or one that the owner has gone back to: in force from now on.
    Adopted,
    /// An old one, from a place that edits have not reached yet: the current one stays what it is.
    Lagging,
}

impl History {
    /// An isolate has read a good document; `before` is what it read from KV before that, if anything. Whoever
    /// has read the current document and then an older one has seen the owner go back.
    #[must_use]
    pub fn seen(&mut self, hash: &str, before: Option<&str>, now: UnixTime) -> Seen {
        if self.current.as_deref() == Some(hash) {
            return Seen::Current;
        }
        let lags = |old: &Replaced| old.hash == hash && now.0 < old.at.saturating_add(LAG_SECONDS);
        if self.replaced.iter().any(lags) && before != self.current.as_deref() {
            return Seen::Lagging;
        }
        self.replaced.retain(|old| old.hash != hash);
        if let Some(current) = self.current.replace(hash.to_owned()) {
            self.replaced.insert(0, Replaced { hash: current, at: now.0 });
            self.replaced.truncate(MAX_REPLACED);
        }
        Seen::Adopted
    }

    /// The hash of the document in force.
    pub fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    /// The one before it.
    pub fn previous(&self) -> Option<&Replaced> {
        self.replaced.first()
    }
}

/// What an isolate asks of the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// The good document that it has read; nothing where there was none, or KV is down.
    pub seen: Option<String>,
    /// What it read from KV before.
    pub before: Option<String>,
    /// The document itself, once it was asked for.
    pub text: Option<String>,
    /// Whether it wants the document before, too: an isolate that has just started.
    pub wants_previous: bool,
}

/// What the history says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// What the document is; nothing where its text is needed first, or none was named.
    pub seen: Option<Seen>,
    /// The document in force, where it is another one than was named.
    pub current: Option<String>,
    /// The one before, while its prices may still be honoured: its text, and when it was replaced.
    pub previous: Option<(String, u64)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(edits: &[(&str, u64)]) -> History {
        let mut history = History::default();
        for (hash, at) in edits {
            assert_eq!(history.seen(hash, None, UnixTime(*at)), Seen::Adopted);
        }
        history
    }

    #[test]
    fn a_new_document_replaces_the_current_one() {
        let mut history = history(&[("a", 100), ("b", 200)]);
        assert_eq!(history.current(), Some("b"));
        assert_eq!(history.previous(), Some(&Replaced { hash: "a".to_owned(), at: 200 }));
        assert_eq!(history.seen("b", None, UnixTime(201)), Seen::Current);
    }

    #[test]
    fn a_copy_that_lags_behind_does_not_come_back() {
        let mut history = history(&[("a", 100), ("b", 200), ("c", 210)]);
        assert_eq!(history.seen("b", None, UnixTime(211)), Seen::Lagging);
        assert_eq!(history.seen("a", None, UnixTime(211)), Seen::Lagging);
        assert_eq!(history.seen("a", Some("b"), UnixTime(211)), Seen::Lagging);
        assert_eq!(history.current(), Some("c"));
    }

    #[test]
    fn an_owner_can_go_back() {
        // An isolate has seen the new one and then the old one.
        let mut quick = history(&[("a", 100), ("b", 200)]);
        assert_eq!(quick.seen("a", Some("b"), UnixTime(210)), Seen::Adopted);
        assert_eq!((quick.current(), quick.previous().map(|old| old.hash.as_str())), (Some("a"), Some("b")));
        // Now the other one lags.
        assert_eq!(quick.seen("b", None, UnixTime(215)), Seen::Lagging);
        // Nobody has seen both, but by now every place should have the newest.
        let mut slow = history(&[("a", 100), ("b", 200)]);
        assert_eq!(slow.seen("a", None, UnixTime(259)), Seen::Lagging);
        assert_eq!(slow.seen("a", None, UnixTime(260)), Seen::Adopted);
    }

    #[test]
    fn only_some_hashes_are_remembered() {
        let mut history = History::default();
        for n in 0..100 {
            let _ = history.seen(&n.to_string(), None, UnixTime(n));
        }
        assert_eq!(history.replaced.len(), MAX_REPLACED);
    }
}
