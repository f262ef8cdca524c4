//! `prices init`: a document to start from.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use serde_json::json;
use x402_edge::{evm::Address, money::default_asset, network::Network};

use super::source::DEFAULT_FILE;
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
    /// The address that is paid. Without it a placeholder is written, which `prices check` refuses.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_pay_to)]
    pay_to: Option<Address>,
    /// Where it is paid: a CAIP-2 id or a name. The default is a test network.
    #[arg(long, value_name = "NETWORK", default_value = "base-sepolia", value_parser = parse_network)]
    network: Network,
    /// Base URL of the facilitator; needed where none is known for the network.
    #[arg(long, value_name = "URL")]
    facilitator: Option<String>,
    /// Write over a file that is there.
    #[arg(long)]
    force: bool,
}

/// Stands where the owner's address belongs.
const PLACEHOLDER: &str = "0xYourAddress";

/// The public facilitator for test networks, and Coinbase's, which wants a key.
const TEST_FACILITATOR: (u64, &str) = (84_532, "https://x402.org/facilitator");
const CDP_FACILITATOR: (u64, &str) = (8_453, "https://api.cdp.coinbase.com/platform/v2/x402");

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let known = [TEST_FACILITATOR, CDP_FACILITATOR].into_iter().find(|(id, _)| *id == arguments.network.chain_id());
    let Some(facilitator) = arguments.facilitator.as_deref().or(known.map(|(_, url)| url)) else {
        let network = arguments.network;
        return Err(Failure::usage(format!("no facilitator is known for {network}; name one with --facilitator URL")));
    };
    if default_asset(arguments.network.chain_id()).is_none() {
        say(&format!(
            "no token is built in for {}: the prices below need an entry in networks and tokens, see docs/prices.md",
            arguments.network
        ));
    }
    let text = document(arguments, facilitator);
    if arguments.file == Path::new("-") {
        return print(&text);
    }
    write(&arguments.file, &text, arguments.force)?;
    let file = arguments.file.display();
    say(&format!("{file} is written."));
    if arguments.pay_to.is_none() {
        say(&format!("Next: write your own address for payTo, {PLACEHOLDER}."));
    }
    if facilitator == CDP_FACILITATOR.1 {
        say("Coinbase's facilitator wants a key: npx wrangler secret put FACILITATOR_KEYS (see README.md).");
    }
    say(&format!("Then: x402-edge prices check {file}, and x402-edge prices push {file} --local or --remote."));
    Ok(())
}

/// The document; its descriptions say what each part is for.
fn document(arguments: &Arguments, facilitator: &str) -> String {
    let pay_to = arguments.pay_to.map_or_else(|| PLACEHOLDER.to_owned(), |address| address.to_string());
    let quote = |text: &str| json!(text).to_string();
    let schema =
        schema_beside(&arguments.file).map_or_else(String::new, |path| format!("\n  \"$schema\": {},", quote(&path)));
    format!(
        r#"{{{schema}
  "payTo": {pay_to},
  "network": {network},
  "facilitators": [{facilitator}],
  "routes": {{
    "/articles/:slug": {{
      "price": "$0.05",
      "description": "One article: any method, any one segment under /articles",
      "mimeType": "text/html"
    }},
    "GET /api/*": {{
      "price": "$0.001",
      "description": "One call: GET and HEAD of /api and everything below",
      "mimeType": "application/json"
    }}
  }}
}}
"#,
        pay_to = quote(&pay_to),
        network = quote(&arguments.network.to_string()),
        facilitator = quote(facilitator),
    )
}

/// The way from the document's folder to the schema, where the document is written inside this project.
fn schema_beside(file: &Path) -> Option<String> {
    let here = std::env::current_dir().ok()?;
    let folder = here.join(file).parent()?.to_owned();
    let up = folder.ancestors().position(|folder| folder.join("docs/prices.schema.json").exists())?;
    Some(format!("{}docs/prices.schema.json", if up == 0 { "./".to_owned() } else { "../".repeat(up) }))
}

fn write(file: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    options.open(file).and_then(|mut out| out.write_all(text.as_bytes())).map_err(|error| {
        let name = file.display();
        Failure::usage(match error.kind() {
            ErrorKind::AlreadyExists => format!("{name} is there already; name another file, or say --force"),
            _ => format!("{name} cannot be written: {error}"),
        })
    })
}

fn parse_pay_to(text: &str) -> Result<Address, String> {
    match text.parse() {
        Ok(Address::ZERO) => Err("money sent to the zero address is lost".to_owned()),
        Ok(address) => Ok(address),
        Err(error) => Err(format!("not an address: {error}")),
    }
}

fn parse_network(text: &str) -> Result<Network, String> {
    text.parse()
        .ok()
        .or_else(|| Network::from_v1_name(text))
        .ok_or_else(|| "expected a CAIP-2 id such as eip155:8453, or a name such as base".to_owned())
}
