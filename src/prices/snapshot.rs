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

    /// What follows from reading `document` now. Nothing there: nothing is priced. A broken document
    /// changes nothing but the problems: the last good table stays.
    #[must_use]
    pub fn after_reading(&self, document: Option<&str>) -> Self {
        let Some(text) = document else {
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
            Err(problems) => Self { problems: problems.into(), ..self.clone() },
        }
    }

    /// What follows from not being able to read: the last good table stays.
    #[must_use]
    pub fn after_failure(&self) -> Self {
        Self { problems: Rc::new([Diagnosis::new("", "the price store cannot be read")]), ..self.clone() }
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

fn version_of(text: &str) -> String {
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
