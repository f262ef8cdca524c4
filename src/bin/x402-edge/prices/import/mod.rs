//! `prices import`: a document made from what there is already.

#![allow(clippy::doc_markdown, reason = "these comments are also the help that is printed")]

mod openapi;
mod routes_config;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{
    draft::{self, Head},
    problem,
    source::Source,
};
use crate::{
    failure::Failure,
    terminal::{count, print, say},
};

const EXAMPLES: &str = "\
OpenAPI: operations cost what their x-payment-info says, the others --price; without --price they stay free.
RoutesConfig: what the official SDK takes, v2 or v1, as JSON. What has no place in a price document is said.

Examples:
  x402-edge prices import --openapi openapi.json --price '$0.001' --pay-to 0xYourAddress > prices.json
  x402-edge prices import --routes-config routes.json --network base --output prices.json";

/// Make a document from an OpenAPI description or an official RoutesConfig.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    from: From,
    /// What an operation costs that does not say it.
    #[arg(long, value_name = "PRICE", conflicts_with = "routes_config")]
    price: Option<String>,
    #[command(flatten)]
    head: Head,
    /// Where to; stdout where it is not said.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write over a file that is there.
    #[arg(long)]
    force: bool,
}

#[derive(clap::Args, Debug)]
#[group(required = true, multiple = false)]
struct From {
    /// An OpenAPI 3 description, JSON; - reads it from stdin.
    #[arg(long, value_name = "FILE")]
    openapi: Option<PathBuf>,
    /// An official RoutesConfig, JSON; - reads it from stdin.
    #[arg(long, value_name = "FILE")]
    routes_config: Option<PathBuf>,
}

/// Routes, and what could not be taken over.
#[derive(Debug, Default)]
struct Imported {
    routes: Map<String, Value>,
    left_out: Vec<String>,
}

impl Imported {
    fn leave_out(&mut self, text: String) {
        if !self.left_out.contains(&text) {
            self.left_out.push(text);
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let imported = match (&arguments.from.openapi, &arguments.from.routes_config) {
        (Some(file), _) => openapi::import(&json(file)?, arguments.price.as_deref())?,
        (None, Some(file)) => routes_config::import(json(file)?)?,
        (None, None) => return Err(Failure::usage("name --openapi FILE or --routes-config FILE")),
    };
    for text in &imported.left_out {
        say(&format!("left out: {text}"));
    }
    if imported.routes.is_empty() {
        say("nothing has a price: the document leaves every path free");
    }
    let routes = Value::Object(imported.routes);
    let target = arguments.output.as_deref().unwrap_or(Path::new("-"));
    let payees = routes_config::every_offer_names_its_payee(&routes);
    let text = arguments.head.document(&format!("{routes:#}"), target, payees)?;
    if target == Path::new("-") {
        print(&text)?;
    } else {
        draft::write(target, &text, arguments.force)?;
    }
    let name = if target == Path::new("-") { "the document".to_owned() } else { target.display().to_string() };
    let table = problem::read_or_tell(&Source::new(name.clone(), text))?;
    say(&format!("{name}: {}", count(table.len(), "route")));
    Ok(())
}

fn json(file: &Path) -> Result<Value, Failure> {
    let source = Source::read(file)?;
    if let Some(flaw) = source.flaw {
        return Err(Failure::usage(format!("{}: {}", source.name, flaw.message)));
    }
    serde_json::from_str(&source.text).map_err(|error| {
        let yaml = [".yaml", ".yml"].iter().any(|ending| source.name.ends_with(ending));
        let hint = if yaml { "; turn YAML into JSON first, with: npx js-yaml" } else { "" };
        Failure::usage(format!("{} is not JSON: {error}{hint}", source.name))
    })
}
