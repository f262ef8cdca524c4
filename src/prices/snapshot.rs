//! What the Worker knows of the prices right now: the last good table, and what is wrong with the newest document.

use std::rc::Rc;

use sha2::{Digest, Sha256};

use super::{Diagnosis, PriceTable};

/// One look at the price store. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Snapshot {
    table: Option<Rc<PriceTable>>,
    version: Option<String>,
    problems: Rc<[Diagnosis]>,
}

impl Snapshot {
    /// Before anything was read.
    pub fn unread() -> Self {
        Self { table: None, version: None, problems: Rc::new([]) }
    }

    /// What follows from reading `document` now. A broken or vanished document changes nothing but the
    /// problems: the last good table stays. Where there never was a good one, none at all prices nothing,
    /// and a broken one serves nothing.
    #[must_use]
    pub fn after_reading(&self, document: Option<&str>) -> Self {
        let Some(text) = document else {
            if self.version.is_some() {
                return self.with_problems(vec![Diagnosis::new(
                    "",
                    "the price document has vanished; the last one stays in force. To make every path free, put {\"routes\": {}}",
                )]);
            }
            return Self {
                table: Some(Rc::new(PriceTable::empty())),
                version: None,
                problems: Rc::new([Diagnosis::new(
                    "",
                    "there is no price document: nothing is priced, every path is free",
                )]),
            };
        };
        match PriceTable::parse(text) {
            Ok(table) => Self { table: Some(Rc::new(table)), version: Some(version_of(text)), problems: Rc::new([]) },
            // The table of no document is no good one.
            Err(problems) if self.version.is_none() => Self { table: None, ..self.with_problems(problems) },
            Err(problems) => self.with_problems(problems),
        }
    }

    /// What follows from not being able to read: the last good table stays.
    #[must_use]
    pub fn after_failure(&self) -> Self {
        self.with_problems(vec![Diagnosis::new("", "the price store cannot be read")])
    }

    fn with_problems(&self, problems: Vec<Diagnosis>) -> Self {
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
}

/// Names a document: the first 12 hex digits of its SHA-256.
pub fn version_of(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..6])
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
