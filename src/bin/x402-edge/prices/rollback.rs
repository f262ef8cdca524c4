//! `prices rollback`: a document that was live becomes the live one again.

use super::{
    history::{self, Entry},
    live::Place,
    problem, push,
    source::Source,
    version_of,
};
use crate::failure::Failure;

const EXAMPLES: &str = "\
Without a version: back to the document before the live one. Twice in a row gives the first one again.

Examples:
  x402-edge prices rollback --remote
  x402-edge prices rollback 1f0c2d3e4b5a --remote";

/// Make an earlier document the live one.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Version, as `prices history` shows it; its first four digits or more.
    version: Option<String>,
    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let place = &arguments.place;
    place.say_default();
    let live = place.document()?;
    let entries = history::list(place)?;
    let entry = chosen(&entries, live.as_deref().map(version_of).as_deref(), arguments.version.as_deref())?.clone();
    let text = place.get(&entry.key)?.ok_or_else(|| Failure::outside(format!("{} has vanished from KV", entry.key)))?;
    let source = Source::new(format!("version {}", entry.version), text);
    problem::read_or_tell(&source)?;
    push::replace(place, live.as_deref(), entries, &source.text, &format!("rollback to {}", entry.time))
}

/// The newest entry with the version, or the newest that is not live now.
fn chosen<'a>(entries: &'a [Entry], live: Option<&str>, version: Option<&str>) -> Result<&'a Entry, Failure> {
    let Some(version) = version else {
        // Entries before the live one; all of them where the live one was put by other means.
        let end = entries.iter().rposition(|entry| Some(entry.version.as_str()) == live).unwrap_or(entries.len());
        let before = entries[..end].iter().rev().find(|entry| Some(entry.version.as_str()) != live);
        return before.ok_or_else(|| Failure::usage("there is no earlier document; see: x402-edge prices history"));
    };
    if version.len() < 4 || !version.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Failure::usage("a version is at least four hex digits, as x402-edge prices history shows them"));
    }
    let version = version.to_ascii_lowercase();
    let found: Vec<&Entry> = entries.iter().rev().filter(|entry| entry.version.starts_with(&version)).collect();
    match found.first() {
        Some(first) if found.iter().all(|entry| entry.version == first.version) => Ok(first),
        Some(_) => Err(Failure::usage(format!("several versions begin with {version}; write more of it"))),
        None => Err(Failure::usage(format!("no version begins with {version}; see: x402-edge prices history"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(versions: &[&str]) -> Vec<Entry> {
        let entry = |(index, version): (usize, &&str)| Entry {
            key: index.to_string(),
            time: String::new(),
            version: (*version).to_owned(),
            note: String::new(),
        };
        versions.iter().enumerate().map(entry).collect()
    }

    #[test]
    fn without_a_version_it_is_the_document_before_the_live_one() {
        for (versions, live, wanted) in [
            (&["aaaa", "bbbb"][..], Some("bbbb"), Some("0")),
            (&["aaaa", "bbbb", "aaaa"], Some("aaaa"), Some("1")),
            (&["aaaa", "bbbb", "bbbb"], Some("bbbb"), Some("0")),
            (&["aaaa", "bbbb"], Some("ffff"), Some("1")),
            (&["aaaa", "bbbb"], None, Some("1")),
            (&["aaaa"], Some("aaaa"), None),
            (&[], None, None),
        ] {
            let entries = entries(versions);
            let found = chosen(&entries, live, None).ok().map(|entry| entry.key.as_str());
            assert_eq!(found, wanted, "{versions:?} {live:?}");
        }
    }

    #[test]
    fn a_version_is_known_by_its_beginning() {
        let entries = entries(&["abcd00", "abcd11", "1234aa", "1234aa"]);
        assert_eq!(chosen(&entries, None, Some("1234")).ok().map(|entry| entry.key.as_str()), Some("3"));
        assert_eq!(chosen(&entries, None, Some("ABCD0")).ok().map(|entry| entry.key.as_str()), Some("0"));
        for version in ["abcd", "ab", "ffff", "zzzz", ""] {
            assert!(chosen(&entries, None, Some(version)).is_err(), "{version}");
        }
    }
}
