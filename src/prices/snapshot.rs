//! What the Worker knows of the prices right now: the last good table, the one before, and what is wrong with the
//! newest document.

use std::rc::Rc;

use sha2::{Digest, Sha256};

use crate::{time::UnixTime, x402::PaymentRequirements};

use super::{Decision, Diagnosis, Inquiry, PriceTable, Quote};

/// One look at the price store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Snapshot {
    table: Option<Rc<PriceTable>>,
    version: Option<String>,
    problems: Rc<[Diagnosis]>,
    previous: Option<Previous>,
}

/// The good document before the one in force.
#[derive(Debug, Clone)]
struct Previous {
    table: Rc<PriceTable>,
    replaced_at: UnixTime,
}

impl Snapshot {
    /// Before anything was read.
    pub fn unread() -> Self {
        Self { table: None, version: None, problems: Rc::new([]), previous: None }
    }

    /// What follows from reading `document` now. A broken or vanished document changes nothing but the
    /// problems: the last good table stays. Where there never was a good one, none at all prices nothing,
    /// and a broken one serves nothing. Prices of a document before are not honoured.
    #[must_use]
    pub fn after_reading(&self, document: Option<&str>) -> Self {
        let Some(text) = document else {
            if self.version.is_some() {
                return self.with_problems(vec![Diagnosis::new("", VANISHED)]);
            }
            return Self {
                table: Some(Rc::new(PriceTable::empty())),
                version: None,
                problems: Rc::new([Diagnosis::new(
                    "",
                    "there is no price document: nothing is priced, every path is free",
                )]),
                previous: None,
            };
        };
        self.after_document(text, version_of(text))
    }

    fn after_document(&self, text: &str, version: String) -> Self {
        if self.version.as_ref() == Some(&version) {
            // Reading it again would say the same.
            return self.with_problems(Vec::new());
        }
        match PriceTable::parse(text) {
            Ok(table) => {
                Self { table: Some(Rc::new(table)), version: Some(version), problems: Rc::new([]), previous: None }
            }
            // The table of no document is no good one.
            Err(problems) if self.version.is_none() => Self { table: None, ..self.with_problems(problems) },
            Err(problems) => self.with_problems(problems),
        }
    }

    /// The same, where the owner has edited the document at `now`: for a while the prices before are honoured.
    #[must_use]
    pub fn after_edit(&self, text: &str, now: UnixTime) -> Self {
        self.after_edit_of(text, &hash_of(text), now)
    }

    /// The same for a document whose [`hash_of`] is known.
    #[must_use]
    pub fn after_edit_of(&self, text: &str, hash: &str, now: UnixTime) -> Self {
        let next = self.after_document(text, hash.chars().take(VERSION_DIGITS).collect());
        match &self.table {
            Some(table) if self.version.is_some() && next.version != self.version => {
                Self { previous: Some(Previous { table: Rc::clone(table), replaced_at: now }), ..next }
            }
            _ => next,
        }
    }

    /// The same with the document that was in force before this one, where it is good still.
    #[must_use]
    pub fn with_previous(&self, document: &str, replaced_at: UnixTime) -> Self {
        match PriceTable::parse(document) {
            Ok(table) => Self { previous: Some(Previous { table: Rc::new(table), replaced_at }), ..self.clone() },
            Err(_) => self.clone(),
        }
    }

    /// What follows from not being able to read: the last good table stays.
    #[must_use]
    pub fn after_failure(&self) -> Self {
        self.with_problems(vec![Diagnosis::new("", "the price store cannot be read")])
    }

    /// The same table with other problems.
    #[must_use]
    pub fn with_problems(&self, problems: Vec<Diagnosis>) -> Self {
        Self { problems: problems.into(), ..self.clone() }
    }

    /// The table to use; none where no good document was ever seen, and then nothing may be served.
    pub fn table(&self) -> Option<&PriceTable> {
        self.table.as_deref()
    }

    /// Which document the table was made from: the first 12 hex digits of its SHA-256.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// What is wrong with the newest document.
    pub fn problems(&self) -> &[Diagnosis] {
        &self.problems
    }

    /// Offers of the document before that a client may have been quoted for this request, and may still pay: each
    /// for its `maxTimeoutSeconds` after the edit, and no longer than the document's `grace`. Only for a route that
    /// is still there, and to a payee that it still has; never where the request is refused now.
    pub fn honoured(&self, inquiry: &Inquiry<'_>, now: UnixTime) -> Vec<PaymentRequirements> {
        let (Some(table), Some(previous)) = (&self.table, &self.previous) else { return Vec::new() };
        let since = now.0.saturating_sub(previous.replaced_at.0);
        if since >= table.grace_seconds() {
            return Vec::new();
        }
        let (Decision::Priced(current), Decision::Priced(before)) =
            (table.decide(inquiry), previous.table.decide(inquiry))
        else {
            return Vec::new();
        };
        let route = |quote: &Quote<'_>| (quote.route.host().map(str::to_lowercase), quote.route.method().cloned());
        if route(&current) != route(&before) || current.route.pattern() != before.route.pattern() {
            return Vec::new();
        }
        let is_honoured = |offer: &&PaymentRequirements| {
            since < offer.max_timeout_seconds()
                && current.accepts().iter().any(|current| current.pay_to() == offer.pay_to())
        };
        before.accepts().iter().filter(is_honoured).cloned().collect()
    }
}

const VERSION_DIGITS: usize = 12;

/// Told where the document is gone from KV.
pub const VANISHED: &str =
    "the price document has vanished; the last one stays in force. To make every path free, put {\"routes\": {}}";

/// Names a document: the first 12 hex digits of its SHA-256.
pub fn version_of(text: &str) -> String {
    let mut hash = hash_of(text);
    hash.truncate(VERSION_DIGITS);
    hash
}

/// A document's SHA-256, hexadecimal.
pub fn hash_of(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"routes":{}}"#;

    #[test]
    fn a_broken_document_leaves_the_last_good_table() {
        let good = Snapshot::unread().after_reading(Some(GOOD));
        let broken = good.after_reading(Some("{"));
        assert!(broken.table().is_some());
        assert_eq!(broken.version(), good.version());
        assert_eq!(broken.problems().len(), 1);
        assert!(good.after_failure().table().is_some());
    }

    #[test]
    fn a_vanished_document_does_not_open_the_site() {
        let vanished = Snapshot::unread().after_reading(Some(GOOD)).after_reading(None);
        assert!(vanished.version().is_some() && vanished.problems().len() == 1);
        let none_then_broken = Snapshot::unread().after_reading(None).after_reading(Some("{"));
        assert!(none_then_broken.table().is_none());
    }

    #[test]
    fn a_broken_document_alone_gives_no_table() {
        assert!(Snapshot::unread().after_reading(Some("{")).table().is_none());
        assert!(Snapshot::unread().after_failure().table().is_none());
    }

    #[test]
    fn the_version_is_the_documents_hash() {
        // printf '{"routes":{}}' | sha256sum
        assert_eq!(Snapshot::unread().after_reading(Some(GOOD)).version(), Some("6e84fd4ee53a"));
    }
}
