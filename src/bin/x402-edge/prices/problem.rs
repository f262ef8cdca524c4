//! Problems of a document, told with their place in the file.

use serde_json::{Value, json};
use x402_edge::prices::{Diagnosis, PriceTable};

use super::{
    place::{Places, Position},
    source::Source,
};
use crate::{
    failure::Failure,
    terminal::{Ink, harmless, paint, say},
};

/// A problem and where it stands.
pub(crate) struct Problem {
    diagnosis: Diagnosis,
    position: Option<Position>,
}

/// The document as the Worker reads it, or all its problems.
pub(crate) fn read(source: &Source) -> Result<PriceTable, Vec<Problem>> {
    if let Some(flaw) = &source.flaw {
        return Err(vec![Problem { diagnosis: flaw.clone(), position: None }]);
    }
    PriceTable::parse(&source.text).map_err(|diagnoses| placed(&source.text, diagnoses))
}

/// The same for commands that need a good document: the problems are told on stderr.
pub(crate) fn read_or_tell(source: &Source) -> Result<PriceTable, Failure> {
    read(source).map_err(|problems| {
        say(&told(&source.name, &problems));
        Failure::Told
    })
}

/// The problems in the order of the text.
fn placed(text: &str, diagnoses: Vec<Diagnosis>) -> Vec<Problem> {
    let places = Places::of(text);
    let syntax = serde_json::from_str::<serde::de::IgnoredAny>(text).err();
    let mut problems: Vec<Problem> = diagnoses
        .into_iter()
        .map(|diagnosis| {
            // A problem that quotes nothing is one with the key: unknown, twice, or a route's pattern.
            let position = match &syntax {
                Some(error) => Some(Position { line: error.line(), column: error.column().max(1) }),
                None if diagnosis.found.is_none() => places.key(&diagnosis.pointer),
                None => places.value(&diagnosis.pointer),
            };
            Problem { diagnosis, position }
        })
        .collect();
    // What is said of the whole document comes last.
    problems.sort_by_key(|problem| {
        let position = problem.position.map(|position| (position.line, position.column));
        (problem.diagnosis.pointer.is_empty(), position)
    });
    problems
}

/// One line for each: `file:line:column: pointer: what is wrong`, as editors and CI read it.
pub(crate) fn told(name: &str, problems: &[Problem]) -> String {
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| {
            let place = problem.position.map_or_else(
                || format!("{name}:"),
                |position| format!("{name}:{}:{}:", position.line, position.column),
            );
            format!("{} {}", paint(Ink::Bold, &place), harmless(&problem.diagnosis.to_string()))
        })
        .collect();
    lines.join("\n")
}

impl Problem {
    /// The problem for programs.
    pub(crate) fn to_json(&self) -> Value {
        let mut json = json!({ "pointer": self.diagnosis.pointer, "problem": self.diagnosis.message });
        if let Some(found) = &self.diagnosis.found {
            json["found"] = json!(found);
        }
        if let Some(position) = self.position {
            json["line"] = json!(position.line);
            json["column"] = json!(position.column);
        }
        json
    }
}
