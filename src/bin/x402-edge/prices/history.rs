//! What was live before: kept beside the live document, under keys that sort by time.

use serde_json::{Value, json};

use super::{clock::UtcTime, live::Place, version_of};
use crate::{
    failure::Failure,
    terminal::{Form, Ink, paint, print, print_json, table},
};

const PREFIX: &str = "prices:history:";

/// So many documents are kept; older ones are deleted.
const KEEP: usize = 50;

const EXAMPLES: &str = "\
Examples:
  x402-edge prices history
  x402-edge prices history --remote --json";

/// List the documents that were put, newest first.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    form: Form,
}

/// One document that was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) time: String,
    pub(crate) version: String,
    pub(crate) note: String,
}

impl Entry {
    /// Reads `prices:history:<utc>:<version>`.
    fn parse(key: &str, metadata: &Value) -> Option<Self> {
        let (time, version) = key.strip_prefix(PREFIX)?.rsplit_once(':')?;
        let note = metadata["note"].as_str().unwrap_or_default().to_owned();
        Some(Self { key: key.to_owned(), time: time.to_owned(), version: version.to_owned(), note })
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    arguments.place.say_default();
    let live = arguments.place.document()?.map(|text| version_of(&text));
    let entries = list(&arguments.place)?;
    // The newest entry of the live version is the live one; earlier puts of the same document are past.
    let current = entries.iter().rposition(|entry| Some(&entry.version) == live.as_ref());
    let rows = entries.iter().enumerate().rev();
    if arguments.form.is_json() {
        let entries: Vec<Value> = rows
            .map(|(index, entry)| {
                json!({ "time": entry.time, "version": entry.version, "note": entry.note, "live": Some(index) == current })
            })
            .collect();
        return print_json(&json!({ "place": arguments.place.name(), "live": live, "history": entries }));
    }
    let rows: Vec<Vec<String>> = rows
        .map(|(index, entry)| {
            let mark = if Some(index) == current { "live" } else { "" };
            vec![entry.time.clone(), entry.version.clone(), mark.to_owned(), entry.note.clone()]
        })
        .collect();
    if rows.is_empty() {
        print("nothing was put with this program yet")?;
    } else {
        print(&table(&["time", "version", "", "note"], &rows))?;
    }
    match (&live, current) {
        (None, _) => print("no document is live"),
        (Some(live), None) => print(&paint(Ink::Yellow, &format!("live is {live}, which was put by other means"))),
        _ => Ok(()),
    }
}

/// The history, oldest first.
pub(crate) fn list(place: &Place) -> Result<Vec<Entry>, Failure> {
    Ok(place.list(PREFIX)?.iter().filter_map(|(key, metadata)| Entry::parse(key, metadata)).collect())
}

/// Notes that `text` becomes live, and forgets what is too old. `entries` is the history so far.
pub(crate) fn add(place: &Place, entries: &[Entry], text: &str, note: &str) -> Result<Entry, Failure> {
    let (time, version) = (UtcTime::now().as_key(), version_of(text));
    let key = format!("{PREFIX}{time}:{version}");
    place.put(&key, text, Some(&json!({ "note": note })))?;
    for old in entries.iter().take((entries.len() + 1).saturating_sub(KEEP)) {
        place.delete(&old.key)?;
    }
    Ok(Entry { key, time, version, note: note.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_says_when_and_which() {
        let entry = Entry::parse("prices:history:2026-11-24T15:07:02.123Z:0123456789ab", &json!({ "note": "x" }));
        let entry = entry.unwrap();
        assert_eq!((entry.time.as_str(), entry.version.as_str()), ("2026-11-24T15:07:02.123Z", "0123456789ab"));
        assert_eq!(Entry::parse("prices", &Value::Null), None);
    }
}
