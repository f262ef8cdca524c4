//! The document that a command is about: a file on this machine, or the live one.

use std::path::{Path, PathBuf};

use super::{
    live::Place,
    source::{DEFAULT_FILE, Source},
};
use crate::failure::Failure;

/// A file, or a place with a live document.
#[derive(clap::Args, Debug)]
pub(crate) struct Subject {
    /// The price document (prices.json where nothing is said); - reads it from stdin.
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

impl Subject {
    /// The document's text.
    pub(crate) fn read(&self) -> Result<Source, Failure> {
        read(self.file.as_deref(), &self.place)
    }
}

/// The file; the live document where a place is named and no file.
pub(crate) fn read(file: Option<&Path>, place: &Place) -> Result<Source, Failure> {
    match file {
        Some(_) if place.is_named() => Err(Failure::usage("name a file, or --local, or --remote: one of them")),
        None if place.is_named() => live(place),
        file => Source::read(file.unwrap_or(Path::new(DEFAULT_FILE))),
    }
}

/// The live document; that there is none is a failure.
pub(crate) fn live(place: &Place) -> Result<Source, Failure> {
    let name = place.name();
    match place.document()? {
        Some(text) => Ok(Source::new(format!("the {name} document"), text)),
        None => Err(Failure::usage(format!(
            "there is no {name} document: every path is free; put one with: x402-edge prices push --{name}"
        ))),
    }
}
