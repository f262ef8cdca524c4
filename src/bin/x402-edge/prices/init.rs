//! `prices init`: a document to start from.

use std::path::{Path, PathBuf};

use super::{
    draft::{self, Head},
    source::DEFAULT_FILE,
};
use crate::{
    failure::Failure,
    terminal::{print, say},
};

const EXAMPLES: &str = "\
Examples:
  x402-edge prices init --pay-to 0xYourAddress
  x402-edge prices init --pay-to 0xYourAddress --network base shop.json
  x402-edge prices init --pay-to 0xYourAddress --network eip155:137 --facilitator https://facilitator.example -";

/// Write a document to start from. It asks nothing.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Where to; - writes to stdout.
    #[arg(value_name = "FILE", default_value = DEFAULT_FILE)]
    file: PathBuf,
    #[command(flatten)]
    head: Head,
    /// Write over a file that is there.
    #[arg(long)]
    force: bool,
}

/// JSON has no comments: the descriptions say what each part is for.
const ROUTES: &str = r#"{
  "/articles/:slug": {
    "price": "$0.05",
    "description": "One article: any method, any one segment under /articles",
    "mimeType": "text/html"
  },
  "GET /api/*": {
    "price": "$0.001",
    "description": "One call: GET and HEAD of /api and everything below",
    "mimeType": "application/json"
  }
}"#;

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let text = arguments.head.document(ROUTES, &arguments.file, false)?;
    if arguments.file == Path::new("-") {
        return print(&text);
    }
    draft::write(&arguments.file, &text, arguments.force)?;
    let file = arguments.file.display();
    say(&format!("{file} is written. Then: x402-edge prices check {file}, and x402-edge prices push {file} --local"));
    Ok(())
}
