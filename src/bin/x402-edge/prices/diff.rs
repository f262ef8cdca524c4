//! `prices diff`: a document against what is live, and what that does to revenue.

use std::{collections::BTreeSet, path::PathBuf};

use serde_json::{Value, json};
use x402_edge::prices::PriceTable;

use super::{
    changes::Changes,
    live::Place,
    problem,
    revenue::{Earned, Revenue},
    source::{FileArgument, Source},
    traffic::{self, Visit},
    version_of,
};
use crate::{
    failure::Failure,
    terminal::{self, Form, Ink, count, number, paint, print, print_json, say},
};

const EXAMPLES: &str = "\
A file of URLs has lines such as /articles/42, GET https://shop.example/articles/42, or 500 GET /articles/42.
A log is in common or combined log format. What was not delivered (304, 400 and above) earns nothing.

Examples:
  x402-edge prices diff --remote
  x402-edge prices diff shop.json --against prices.json
  x402-edge prices diff --remote --log access.log --host shop.example
  x402-edge prices diff --local --urls urls.txt --json";

/// Show what a document would change: routes, prices, and the revenue of given requests.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    file: FileArgument,
    #[command(flatten)]
    place: Place,
    /// Another file, instead of the live document.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["local", "remote"])]
    against: Option<PathBuf>,
    /// Requests to compare the revenue of.
    #[arg(long, value_name = "FILE", conflicts_with = "log")]
    urls: Option<PathBuf>,
    /// An access log to compare the revenue of.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// The host that the log is of.
    #[arg(long, value_name = "NAME", default_value = "localhost", requires = "log")]
    host: String,
    #[command(flatten)]
    form: Form,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let source = Source::read(&arguments.file.file)?;
    let new = problem::read_or_tell(&source)?;
    let (old_source, old) = old(arguments)?;
    let changes = Changes::between(&old, &new);
    let effect = effect(arguments, &old, &new)?;
    if arguments.form.is_json() {
        let mut json = changes.to_json();
        json["before"] = json!(old_source.as_ref().map(|source| version_of(&source.text)));
        json["after"] = json!(version_of(&source.text));
        if let Some(effect) = &effect {
            json["effect"] = effect.to_json();
        }
        return print_json(&json);
    }
    let before = old_source
        .map_or_else(|| "nothing".to_owned(), |source| format!("{}, {}", source.name, version_of(&source.text)));
    print(&paint(Ink::Bold, &format!("{before} → {}, {}", source.name, version_of(&source.text))))?;
    print(&changes.to_text())?;
    match effect {
        Some(effect) => print(&effect.to_text()),
        None => Ok(()),
    }
}

/// The revenue of the requests that were given, if any were.
fn effect(arguments: &Arguments, old: &PriceTable, new: &PriceTable) -> Result<Option<Effect>, Failure> {
    let quotas = old.routes().chain(new.routes()).any(|route| route.quota().is_some());
    let mut effect = Effect { quotas, ..Effect::default() };
    let mut add = |visit: Visit| {
        effect.requests += u64::from(visit.count);
        effect.before.add(old, &visit)?;
        effect.after.add(new, &visit)
    };
    let unread = match (&arguments.urls, &arguments.log) {
        (Some(file), _) => traffic::urls(file, new, &mut add)?,
        (None, Some(file)) => traffic::log(file, &arguments.host, &mut add)?,
        (None, None) => return Ok(None),
    };
    Ok(Some(Effect { unread, ..effect }))
}

/// What is compared with: another file, or the live document, where there is one.
fn old(arguments: &Arguments) -> Result<(Option<Source>, PriceTable), Failure> {
    if let Some(file) = &arguments.against {
        let source = Source::read(file)?;
        let table = problem::read_or_tell(&source)?;
        return Ok((Some(source), table));
    }
    arguments.place.say_default();
    let live = arguments.place.document()?;
    let table = table_of_live(live.as_deref(), arguments.place.name());
    Ok((live.map(|text| Source::new(format!("the {} document", arguments.place.name()), text)), table))
}

/// The live document's table; empty where there is none, or a bad one, and then it is said.
pub(crate) fn table_of_live(live: Option<&str>, place: &str) -> PriceTable {
    let Some(text) = live else {
        say(&format!("there is no {place} document yet: nothing is priced"));
        return PriceTable::empty();
    };
    PriceTable::parse(text).unwrap_or_else(|problems| {
        say(&format!(
            "the {place} document has {}; the Worker refuses it and keeps its last good one, which is not compared here",
            count(problems.len(), "problem")
        ));
        PriceTable::empty()
    })
}

/// Revenue before and after, by route.
#[derive(Default)]
struct Effect {
    before: Revenue,
    after: Revenue,
    requests: u64,
    unread: u64,
    /// Whether there are free requests in one of the documents.
    quotas: bool,
}

impl Effect {
    fn names(&self) -> BTreeSet<&String> {
        self.before.routes.keys().chain(self.after.routes.keys()).collect()
    }

    fn to_text(&self) -> String {
        let row = |name: &String| {
            let cells = |revenue: &Revenue| {
                let none = Earned::default();
                let earned = revenue.routes.get(name).unwrap_or(&none);
                [earned.requests.to_string(), earned.amounts.to_text()]
            };
            let ([requests, earns], [requests_after, earns_after]) = (cells(&self.before), cells(&self.after));
            vec![name.clone(), requests, earns, requests_after, earns_after]
        };
        let mut rows: Vec<Vec<String>> = self.names().into_iter().map(row).collect();
        let all = self.requests.to_string();
        rows.push(vec!["all".to_owned(), all.clone(), self.before.total.to_text(), all, self.after.total.to_text()]);
        let mut out =
            format!("\nIf everybody paid, with the first offer of several ({}):\n", number(self.requests, "request"));
        out += &terminal::table(&["route", "before", "revenue", "after", "revenue"], &rows);
        if self.quotas {
            out += "Free requests of quotas are not counted off.\n";
        }
        if self.unread > 0 {
            out += &number(self.unread, "line");
            out += " could not be read.\n";
        }
        out
    }

    fn to_json(&self) -> Value {
        let side = |revenue: &Revenue, name: &String| {
            let none = Earned::default();
            let earned = revenue.routes.get(name).unwrap_or(&none);
            json!({ "requests": earned.requests, "revenue": earned.amounts.to_json() })
        };
        let routes = self
            .names()
            .into_iter()
            .map(|name| json!({ "route": name, "before": side(&self.before, name), "after": side(&self.after, name) }));
        json!({
            "requests": self.requests,
            "unreadLines": self.unread,
            "routes": routes.collect::<Vec<_>>(),
            "total": { "before": self.before.total.to_json(), "after": self.after.total.to_json() },
        })
    }
}
