//! What is printed: to stdout what was asked for, to stderr what is said about it. Colours only on terminals.

use std::{
    env,
    io::{self, IsTerminal, Write},
};

use serde_json::Value;

use crate::failure::Failure;

/// Prints to stdout what was asked for.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let end = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
    write!(out, "{text}{end}").and_then(|()| out.flush()).map_err(|_| Failure::NobodyReads)
}

/// Prints JSON to stdout.
pub(crate) fn print_json(value: &Value) -> Result<(), Failure> {
    print(&format!("{value:#}"))
}

/// Says something about what is done, on stderr.
pub(crate) fn say(text: &str) {
    // Nobody may be there to hear it.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Whether stdout is read by a person.
pub(crate) fn is_read_by_a_person() -> bool {
    io::stdout().is_terminal()
}

/// In which form data is printed.
#[derive(clap::Args, Debug, Clone, Copy)]
pub(crate) struct Form {
    /// Print JSON, also on a terminal.
    #[arg(long, conflicts_with = "text")]
    json: bool,
    /// Print text, also into a pipe.
    #[arg(long)]
    text: bool,
}

impl Form {
    /// JSON for programs: where it was asked for, and where the output goes into a pipe or a file.
    pub(crate) fn is_json(self) -> bool {
        self.json || !(self.text || is_read_by_a_person())
    }
}

/// A way to set text off.
#[derive(Clone, Copy)]
pub(crate) enum Ink {
    Bold,
    Dim,
    Red,
    Green,
    Yellow,
}

/// The text set off, where stdout shows colours.
pub(crate) fn paint(ink: Ink, text: &str) -> String {
    let wanted = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && env::var_os("TERM").is_none_or(|term| term != "dumb");
    if text.is_empty() || !wanted || !is_read_by_a_person() {
        return text.to_owned();
    }
    let code = match ink {
        Ink::Bold => 1,
        Ink::Dim => 2,
        Ink::Red => 31,
        Ink::Green => 32,
        Ink::Yellow => 33,
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// Text from documents and from the network, made harmless for a terminal.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Rows in columns, the first row their names. The last column is not padded.
pub(crate) fn table(names: &[&str], rows: &[Vec<String>]) -> String {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| harmless(cell)).collect()).collect();
    let length = |cell: &String| cell.chars().count();
    let widths: Vec<usize> = (0..names.len())
        .map(|column| {
            std::iter::once(&names).chain(&rows).filter_map(|row| row.get(column)).map(length).max().unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    for (index, row) in std::iter::once(&names).chain(&rows).enumerate() {
        let line: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}", width = *width)).collect();
        let line = line.join("  ");
        let line = line.trim_end();
        out.push_str(&if index == 0 { paint(Ink::Dim, line) } else { line.to_owned() });
        out.push('\n');
    }
    out
}

/// `1 route`, `2 routes`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    self::number(u64::try_from(number).unwrap_or(u64::MAX), noun)
}

/// The same for what is counted in files.
pub(crate) fn number(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
