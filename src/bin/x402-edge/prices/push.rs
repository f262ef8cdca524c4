//! `prices push`: a checked document becomes the live one.

use x402_edge::prices::PriceTable;

use super::{
    changes::Changes,
    check, diff,
    history::{self, Entry},
    live::Place,
    problem,
    source::{FileArgument, Source},
    version_of,
};
use crate::{
    failure::Failure,
    terminal::{Ink, paint, print, say},
};

const EXAMPLES: &str = "\
Examples:
  x402-edge prices push --local
  x402-edge prices push shop.json --remote --note \"articles at five cents\"
  x402-edge prices push --remote --dry-run";

/// Make a document the live one: it is checked first, and a bad one is refused.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    file: FileArgument,
    #[command(flatten)]
    place: Place,
    /// What the history says about it.
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// Show what would change, and write nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let source = Source::read(&arguments.file.file)?;
    let table = problem::read_or_tell(&source)?;
    for warning in check::warnings(&source, &table) {
        say(&format!("{}: warning: {warning}", source.name));
    }
    let place = &arguments.place;
    place.say_default();
    let live = place.document()?;
    let old = diff::table_of_live(live.as_deref(), place.name());
    print(&Changes::between(&old, &table).to_text())?;
    if arguments.dry_run {
        return print(&format!("version {} would be put; nothing is written (--dry-run)", version_of(&source.text)));
    }
    let entries = history::list(place)?;
    replace(place, live.as_deref(), entries, &source.text, &arguments.note)
}

/// Writes the document and its history; `entries` is the history so far. What is live now gets into the history too, where it came by other means.
pub(crate) fn replace(
    place: &Place,
    live: Option<&str>,
    mut entries: Vec<Entry>,
    text: &str,
    note: &str,
) -> Result<(), Failure> {
    if live == Some(text) {
        return print(&format!("version {} is live already", version_of(text)));
    }
    // A bad one was never in force.
    let in_force = live.filter(|live| PriceTable::parse(live).is_ok());
    if let Some(live) = in_force.filter(|live| entries.last().is_none_or(|last| last.version != version_of(live))) {
        entries.push(history::add(place, &entries, live, "was live, put by other means")?);
    }
    // History first: what is live can always be come back to.
    history::add(place, &entries, text, note)?;
    place.put_document(text)?;
    let soon = if place.remote { "; the Workers have it within about a minute" } else { "" };
    print(&format!("{} version {} ({}){soon}", paint(Ink::Green, "live:"), version_of(text), place.name()))
}
