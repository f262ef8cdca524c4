//! `prices check`: everything that is wrong with a document, before the Worker sees it.

use serde_json::{Value, json};
use x402_edge::prices::PriceTable;

use super::{
    problem,
    source::{FileArgument, Source},
    version_of,
};
use crate::{
    failure::Failure,
    terminal::{Ink, count, paint, print, print_json},
};

const EXAMPLES: &str = "\
Examples:
  x402-edge prices check
  x402-edge prices check shop.json
  jq '.grace = 60' prices.json | x402-edge prices check -

Exit codes: 0 the document is good, 1 it has problems, 2 it cannot be read, 3 the chain cannot be asked.";

/// Check a document as the Worker does: all problems at once, with line and column.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    file: FileArgument,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let source = Source::read(&arguments.file.file)?;
    match problem::read(&source) {
        Ok(table) => {
            if arguments.json {
                print_json(&good_json(&source, &table))
            } else {
                print(&format!("{} {}", paint(Ink::Green, "good:"), summary(&source, &table)))
            }
        }
        Err(problems) => {
            if arguments.json {
                let problems: Vec<Value> = problems.iter().map(problem::Problem::to_json).collect();
                print_json(&json!({ "file": source.name, "good": false, "problems": problems }))?;
            } else {
                print(&problem::told(&source.name, &problems))?;
                print(&paint(Ink::Red, &format!("{}: {}", source.name, count(problems.len(), "problem"))))?;
            }
            Err(Failure::Told)
        }
    }
}

fn good_json(source: &Source, table: &PriceTable) -> Value {
    json!({
        "file": source.name,
        "good": true,
        "problems": [],
        "version": version_of(&source.text),
        "routes": table.len(),
    })
}

fn summary(source: &Source, table: &PriceTable) -> String {
    format!("{}, version {}, {}", source.name, version_of(&source.text), count(table.len(), "route"))
}
