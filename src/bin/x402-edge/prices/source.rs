//! A document on this machine: a file, or what comes in on stdin.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use x402_edge::prices::Diagnosis;

use crate::failure::Failure;

/// Where a document is looked for when nobody says.
pub(crate) const DEFAULT_FILE: &str = "prices.json";

/// The longest value that KV takes.
const MAX_BYTES: u64 = 25 * 1024 * 1024;

/// The argument of every command that takes a document.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct FileArgument {
    /// The price document; - reads it from stdin.
    #[arg(value_name = "FILE", default_value = DEFAULT_FILE)]
    pub(crate) file: PathBuf,
}

/// A document's text, and what to call it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
    /// Why it is no text at all.
    pub(crate) flaw: Option<Diagnosis>,
}

impl Source {
    /// Reads a file, or stdin for `-`.
    pub(crate) fn read(file: &Path) -> Result<Self, Failure> {
        let name = if file == Path::new("-") { "stdin".to_owned() } else { file.display().to_string() };
        let bytes =
            if file == Path::new("-") { bounded(io::stdin().lock()) } else { File::open(file).and_then(bounded) };
        let bytes = bytes.map_err(|error| {
            let hint = if error.kind() == io::ErrorKind::NotFound && file == Path::new(DEFAULT_FILE) {
                "; name another file, or begin with: x402-edge prices init"
            } else {
                ""
            };
            Failure::usage(format!("{name} cannot be read: {error}{hint}"))
        })?;
        if bytes.len() as u64 > MAX_BYTES {
            return Ok(Self::flawed(name, "the document is longer than the 25 MiB that KV takes".to_owned()));
        }
        Ok(match String::from_utf8(bytes) {
            Ok(text) if text.starts_with('\u{feff}') => Self::flawed(
                name,
                "the document begins with a byte order mark; save it as UTF-8 without one".to_owned(),
            ),
            Ok(text) => Self { name, text, flaw: None },
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                Self::flawed(name, format!("the document is not UTF-8: see byte {at}; save it as UTF-8"))
            }
        })
    }

    /// A document that came by other ways, such as from KV.
    pub(crate) const fn new(name: String, text: String) -> Self {
        Self { name, text, flaw: None }
    }

    fn flawed(name: String, message: String) -> Self {
        Self { name, text: String::new(), flaw: Some(Diagnosis::new("", message)) }
    }
}

fn bounded(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
