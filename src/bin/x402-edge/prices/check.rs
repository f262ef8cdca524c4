//! `prices check`: everything that is wrong with a document, before the Worker sees it.

use serde_json::{Value, json};
use x402_edge::{
    network::Network,
    prices::{FREE_PLAN_MILLIS, PriceTable, Rule, Site, Terms, reading_millis},
    schemes::batch_settlement,
    x402::PaymentRequirements,
};

use super::{
    problem,
    source::{FileArgument, Source},
    token::{self, Finding},
    version_of,
};
use crate::{
    failure::Failure,
    terminal::{Ink, count, harmless, paint, print, print_json},
};

const EXAMPLES: &str = "\
Examples:
  x402-edge prices check
  x402-edge prices check shop.json --rpc https://sepolia.base.org
  jq '.grace = 60' prices.json | x402-edge prices check -

Exit codes: 0 the document is good, 1 it has problems, 2 it cannot be read, 3 the chain cannot be asked.";

/// Check a document as the Worker does: all problems at once, with line and column.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    file: FileArgument,
    /// JSON-RPC of a chain: what its tokens say of themselves is compared with the document. May be given several
    /// times, once for each chain.
    #[arg(long, value_name = "URL")]
    rpc: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let source = Source::read(&arguments.file.file)?;
    let table = match problem::read(&source) {
        Ok(table) => table,
        Err(problems) => {
            if arguments.json {
                let problems: Vec<Value> = problems.iter().map(problem::Problem::to_json).collect();
                print_json(&json!({ "file": source.name, "good": false, "problems": problems }))?;
            } else {
                print(&problem::told(&source.name, &problems))?;
                print(&paint(Ink::Red, &format!("{}: {}", source.name, count(problems.len(), "problem"))))?;
            }
            return Err(Failure::Told);
        }
    };
    let mut findings = Vec::new();
    for url in &arguments.rpc {
        findings.extend(token::compare(&table, url)?);
    }
    let good = findings.iter().all(|finding| finding.contradictions.is_empty());
    let warnings = warnings(&source, &table);
    if arguments.json {
        print_json(&json!({
            "file": source.name,
            "good": good,
            "problems": [],
            "warnings": warnings,
            "version": version_of(&source.text),
            "routes": table.len(),
            "tokens": findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
        }))?;
    } else {
        for warning in &warnings {
            print(&format!("{} {warning}", paint(Ink::Yellow, &format!("{}: warning:", source.name))))?;
        }
        for finding in &findings {
            print(&chain_text(&source.name, finding))?;
        }
        if good {
            print(&format!("{} {}", paint(Ink::Green, "good:"), summary(&source, &table)))?;
        }
    }
    if good { Ok(()) } else { Err(Failure::Told) }
}

/// What the chain says of one token.
fn chain_text(name: &str, finding: &Finding) -> String {
    let token = harmless(&finding.name());
    if finding.contradictions.is_empty() {
        return format!("{} {token} is what the document says", paint(Ink::Green, "good:"));
    }
    let lines: Vec<String> = finding
        .contradictions
        .iter()
        .map(|text| format!("{} {token}: {}", paint(Ink::Bold, &format!("{name}:")), harmless(text)))
        .collect();
    lines.join("\n")
}

/// What is good, and yet not as it should be.
pub(crate) fn warnings(source: &Source, table: &PriceTable) -> Vec<String> {
    let millis = reading_millis(table.len(), source.text.len());
    let is_dear = millis > FREE_PLAN_MILLIS;
    let told = is_dear.then(|| {
        format!(
            "reading it takes a new isolate about {millis} ms of CPU; on Cloudflare's Free plan a request has \
             {FREE_PLAN_MILLIS} ms: cover paths by patterns such as /articles/:slug, or use the Paid plan"
        )
    });
    told.into_iter().chain(pass_warnings(table)).chain(channel_warnings(table)).collect()
}

/// What passes need beside the document, which cannot be seen from here.
fn pass_warnings(table: &PriceTable) -> Vec<String> {
    let sells = |site: &Site| site.routes().iter().any(|route| route.pass().is_some());
    if !table.sells_passes() {
        return Vec::new();
    }
    let mut warnings = vec![
        "passes need the secret PASS_KEYS (npx wrangler secret put PASS_KEYS); without it none are sold, and the site's \
         /.x402/status says so"
            .to_owned(),
    ];
    for site in table.sites().iter().filter(|site| sells(site) && site.public_url().is_none()) {
        let place = site.host().map_or_else(String::new, |host| format!(" of {host}"));
        warnings.push(format!(
            "there is no publicUrl{place}: whoever has lost a pass cannot come back by signing in with the wallet"
        ));
    }
    warnings
}

/// What channels need beside the document.
fn channel_warnings(table: &PriceTable) -> Vec<String> {
    if !table.offers_channels() {
        return Vec::new();
    }
    let named = |offer: &PaymentRequirements| offer.extra(batch_settlement::RECEIVER_AUTHORIZER).is_some();
    let offers = table.routes().flat_map(|route| {
        std::iter::once(route.terms()).chain(route.rules().iter().map(Rule::terms)).flat_map(Terms::accepts)
    });
    let by_channel: Vec<&PaymentRequirements> =
        offers.filter(|offer| offer.scheme() == batch_settlement::SCHEME).collect();
    let mut warnings = Vec::new();
    if by_channel.iter().any(|offer| !named(offer)) {
        warnings.push(
            "payment channels are claimed with the secret RECEIVER_AUTHORIZER_KEY (npx wrangler secret put \
             RECEIVER_AUTHORIZER_KEY), else with the facilitator's key, if its /supported names one; with neither these \
             offers are left out. The site's /.x402/status says which"
                .to_owned(),
        );
    }
    let mut networks: Vec<Network> = by_channel.iter().map(|offer| offer.network()).collect();
    networks.sort_by_key(ToString::to_string);
    networks.dedup();
    for network in networks.into_iter().filter(|network| table.rpc(*network).is_empty()) {
        warnings.push(format!(
            "there is no rpc for {network}: a facilitator is asked what each channel holds, every five minutes of its use, \
             and withdrawals are seen by vouchers only"
        ));
    }
    warnings
}

fn summary(source: &Source, table: &PriceTable) -> String {
    format!("{}, version {}, {}", source.name, version_of(&source.text), count(table.len(), "route"))
}
