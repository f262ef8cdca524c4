//! A new document: who is paid, where, by which facilitator, and the routes; written for people to go on with.

use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write},
    path::Path,
};

use serde_json::json;
use x402_edge::{evm::Address, money::default_asset, network::Network};

use crate::{failure::Failure, terminal::say};

/// The top of a new document.
#[derive(clap::Args, Debug)]
pub(crate) struct Head {
    /// The address that is paid. Without it a placeholder is written, which `prices check` refuses.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_pay_to)]
    pay_to: Option<Address>,
    /// Where it is paid: a CAIP-2 id or a name. The default is a test network.
    #[arg(long, value_name = "NETWORK", default_value = "base-sepolia", value_parser = parse_network)]
    network: Network,
    /// Base URL of the facilitator; needed where none is known for the network.
    #[arg(long, value_name = "URL")]
    facilitator: Option<String>,
}

/// Stands where the owner's address belongs.
const PLACEHOLDER: &str = "0xYourAddress";

/// The public facilitator for the test network, and Coinbase's, which wants a key.
const TEST_FACILITATOR: (u64, &str) = (84_532, "https://x402.org/facilitator");
const CDP_FACILITATOR: (u64, &str) = (8_453, "https://api.cdp.coinbase.com/platform/v2/x402");

impl Head {
    /// The document with these routes, JSON text, as it is written to `file`. Says what is still to do.
    pub(crate) fn document(
        &self,
        routes: &str,
        file: &Path,
        every_offer_names_its_payee: bool,
    ) -> Result<String, Failure> {
        let known = [TEST_FACILITATOR, CDP_FACILITATOR].into_iter().find(|(id, _)| *id == self.network.chain_id());
        let Some(facilitator) = self.facilitator.as_deref().or(known.map(|(_, url)| url)) else {
            let network = self.network;
            return Err(Failure::usage(format!(
                "no facilitator is known for {network}; name one with --facilitator URL"
            )));
        };
        if default_asset(self.network.chain_id()).is_none() {
            say(&format!(
                "No token is built in for {}: prices there need an entry in tokens, see docs/prices.md.",
                self.network
            ));
        }
        if facilitator == CDP_FACILITATOR.1 {
            say("Coinbase's facilitator wants a key: npx wrangler secret put FACILITATOR_KEYS (see README.md).");
        }
        let quote = |text: &str| json!(text).to_string();
        let mut lines = Vec::new();
        if let Some(schema) = schema_beside(file) {
            lines.push(format!("\"$schema\": {}", quote(&schema)));
        }
        match self.pay_to {
            Some(address) => lines.push(format!("\"payTo\": {}", quote(&address.to_string()))),
            None if every_offer_names_its_payee => {}
            None => {
                say(&format!("Next: write your own address for payTo, where {PLACEHOLDER} stands."));
                lines.push(format!("\"payTo\": {}", quote(PLACEHOLDER)));
            }
        }
        lines.push(format!("\"network\": {}", quote(&self.network.to_string())));
        lines.push(format!("\"facilitators\": [{}]", quote(facilitator)));
        lines.push(format!("\"routes\": {}", routes.trim_end().replace('\n', "\n  ")));
        Ok(format!("{{\n  {}\n}}\n", lines.join(",\n  ")))
    }
}

/// The way from the document's folder to the schema, where the document is written inside this project.
fn schema_beside(file: &Path) -> Option<String> {
    let here = std::env::current_dir().ok()?;
    let folder = here.join(file).parent()?.to_owned();
    let up = folder.ancestors().position(|folder| folder.join("docs/prices.schema.json").exists())?;
    Some(format!("{}docs/prices.schema.json", if up == 0 { "./".to_owned() } else { "../".repeat(up) }))
}

/// Writes a file; over one that is there only by `force`.
pub(crate) fn write(file: &Path, text: &str, force: bool) -> Result<(), Failure> {
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
