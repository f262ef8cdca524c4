//! `prices show`: what a document says, or the live one.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{http, listing, live::Place, problem, source::Source, subject, version_of};
use crate::{
    failure::Failure,
    terminal::{Form, Ink, count, harmless, paint, print, print_json, say},
};

const EXAMPLES: &str = "\
Examples:
  x402-edge prices show
  x402-edge prices show --remote --url https://shop.example
  x402-edge prices show shop.json --json | jq '.routes[].terms'";

/// Show what a document says: a table on a terminal, JSON in a pipe.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The price document (prices.json where nothing is said); - reads it from stdin.
    file: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    /// The site: its Worker is asked which version is in force, and what it refuses.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    form: Form,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let source = subject::read(arguments.file.as_deref(), &arguments.place)?;
    let status = arguments.url.as_deref().map(status).transpose()?;
    let told = match problem::read(&source) {
        Ok(table) if arguments.form.is_json() => {
            let mut json = listing::json(&table);
            json["document"] = json!(source.name);
            json["version"] = json!(version_of(&source.text));
            if let Some(status) = &status {
                json["worker"] = status.clone();
            }
            return print_json(&json);
        }
        Ok(table) => {
            print(&paint(Ink::Bold, &head(&source, table.len())))?;
            print(&listing::text(&table))?;
            Ok(())
        }
        Err(problems) => {
            if arguments.form.is_json() {
                let problems: Vec<Value> = problems.iter().map(problem::Problem::to_json).collect();
                print_json(
                    &json!({ "document": source.name, "version": version_of(&source.text), "problems": problems, "worker": status }),
                )?;
                return Err(Failure::Told);
            }
            say(&problem::told(&source.name, &problems));
            if arguments.place.is_named() {
                say("The Worker refuses this document and keeps the last good one.");
            }
            Err(Failure::Told)
        }
    };
    if let Some(status) = status {
        print(&worker(&status, &version_of(&source.text), arguments.place.is_named()))?;
    }
    told
}

fn head(source: &Source, routes: usize) -> String {
    format!("{}, version {}, {}", source.name, version_of(&source.text), count(routes, "route"))
}

/// What the Worker says of itself.
fn status(url: &str) -> Result<Value, Failure> {
    let site = url.trim_end_matches('/');
    let status = http::get_json(&format!("{site}/.x402/status"))?;
    if status["problems"].is_array() {
        Ok(status)
    } else {
        Err(Failure::outside(format!("{site}/.x402/status is not answered by x402-edge")))
    }
}

/// The Worker's state against the document's version.
fn worker(status: &Value, version: &str, live: bool) -> String {
    let mut lines = Vec::new();
    lines.push(match status["prices"].as_str() {
        Some(theirs) if theirs == version => paint(Ink::Green, &format!("in force at the Worker: {theirs}, this one")),
        Some(theirs) => {
            let why = if live { "; an edit takes up to a minute, a refused one never comes" } else { "" };
            paint(Ink::Yellow, &format!("in force at the Worker: {}, not this one{why}", harmless(theirs)))
        }
        None => paint(Ink::Yellow, "in force at the Worker: no document"),
    });
    for problem in status["problems"].as_array().into_iter().flatten() {
        let text = |key: &str| harmless(problem[key].as_str().unwrap_or_default());
        let pointer = text("pointer");
        let place = if pointer.is_empty() { "document".to_owned() } else { pointer };
        lines.push(paint(Ink::Red, &format!("the Worker says: {place}: {}", text("problem"))));
    }
    lines.join("\n")
}
