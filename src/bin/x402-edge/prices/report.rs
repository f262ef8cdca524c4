//! `prices report`: what would have been charged where prices are only observed, or not charged to everybody yet.

use std::{collections::BTreeMap, ffi::OsString};

use serde_json::{Value, json};
use x402_edge::prices::PriceTable;

use super::{
    clock::UtcTime,
    live::Place,
    sums::{Sums, Token},
    wrangler,
};
use crate::{
    failure::Failure,
    terminal::{self, Form, Ink, number, paint, print, print_json},
};

/// The Worker's binding of its books, as in wrangler.toml.
const BINDING: &str = "DB";

const EXAMPLES: &str = "\
Counts are written now and then: the last minutes may be missing. Hours are counted as the Worker's clock has them.

Examples:
  x402-edge prices report --remote
  x402-edge prices report --remote --days 7 --json";

/// Show what observed requests would have earned, by route and rule.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    /// How far to look back.
    #[arg(long, value_name = "NUMBER", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3650))]
    days: u64,
    #[command(flatten)]
    form: Form,
}

/// Requests that were asked the same.
struct Line {
    host: String,
    route: String,
    rule: Option<u64>,
    reason: String,
    requests: u64,
    amounts: Sums,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let place = &arguments.place;
    place.say_default();
    // Tokens that are declared have their decimals there.
    let live = place.document()?.and_then(|text| PriceTable::parse(&text).ok()).unwrap_or_else(PriceTable::empty);
    let since = UtcTime::now().seconds().saturating_sub(arguments.days * 86_400);
    let (lines, total) = lines(&rows(place, since)?, &live)?;
    if arguments.form.is_json() {
        let routes: Vec<Value> = lines.iter().map(Line::to_json).collect();
        return print_json(
            &json!({ "place": place.name(), "days": arguments.days, "routes": routes, "total": total.to_json() }),
        );
    }
    if lines.is_empty() {
        return print("nothing was observed: no route has \"mode\": \"observe\" or a rollout, or nobody came");
    }
    let requests = lines.iter().map(|line| line.requests).sum();
    let head =
        format!("{} of the last {} were not charged", number(requests, "request"), number(arguments.days, "day"));
    print(&paint(Ink::Bold, &head))?;
    let mut rows: Vec<Vec<String>> = lines.iter().map(Line::to_row).collect();
    rows.push(vec![
        "all".to_owned(),
        String::new(),
        String::new(),
        String::new(),
        requests.to_string(),
        total.to_text(),
    ]);
    print(&terminal::table(&["route", "host", "rule", "because of", "requests", "would have been"], &rows))
}

/// The rows of the Worker's table; none where it has not been made yet.
fn rows(place: &Place, since: u64) -> Result<Vec<Value>, Failure> {
    let sql = format!(
        "SELECT host, route, rule, reason, network, asset, amount, SUM(requests) AS requests FROM observed \
         WHERE hour >= {since} GROUP BY host, route, rule, reason, network, asset, amount"
    );
    let mut arguments: Vec<OsString> =
        ["d1", "execute", BINDING, "--json", "--yes", "--command"].map(Into::into).into();
    arguments.push(sql.into());
    arguments.extend(place.place_arguments());
    let answer = match wrangler::run(&arguments) {
        Ok(answer) => answer,
        Err(refused) if refused.text.contains("no such table") => return Ok(Vec::new()),
        Err(refused) => return Err(refused.into()),
    };
    let mut answer: Value = serde_json::from_slice(&answer.stdout)
        .map_err(|error| Failure::outside(format!("wrangler's answer cannot be read: {error}")))?;
    match answer[0]["results"].take() {
        Value::Array(rows) => Ok(rows),
        _ => Err(Failure::outside("wrangler's answer has no results")),
    }
}

/// One line for each route, rule and reason; and the sum of all.
fn lines(rows: &[Value], table: &PriceTable) -> Result<(Vec<Line>, Sums), Failure> {
    let mut total = Sums::default();
    let mut lines: BTreeMap<(String, String, Option<u64>, String), Line> = BTreeMap::new();
    for row in rows {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let (host, route, reason) = (text("host"), text("route"), text("reason"));
        let requests = row["requests"].as_u64().unwrap_or_default();
        let rule = row["rule"].as_u64();
        let line = lines.entry((host.clone(), route.clone(), rule, reason.clone())).or_insert_with(|| Line {
            host,
            route,
            rule,
            reason,
            requests: 0,
            amounts: Sums::default(),
        });
        line.requests += requests;
        let (network, asset) = (text("network").parse(), text("asset").to_ascii_lowercase().parse());
        if let (Ok(network), Ok(asset)) = (network, asset) {
            let token = Token::new(table, network, asset);
            line.amounts.add(token.clone(), &text("amount"), requests)?;
            total.add(token, &text("amount"), requests)?;
        }
    }
    Ok((lines.into_values().collect(), total))
}

impl Line {
    fn to_json(&self) -> Value {
        json!({
            "host": if self.host.is_empty() { Value::Null } else { json!(self.host) },
            "route": self.route,
            "rule": self.rule,
            "reason": self.reason,
            "requests": self.requests,
            "wouldHaveBeen": self.amounts.to_json(),
        })
    }

    fn to_row(&self) -> Vec<String> {
        let rule = self.rule.map_or_else(String::new, |rule| format!("rules/{rule}"));
        let earned = if self.amounts.is_empty() { "refused".to_owned() } else { self.amounts.to_text() };
        vec![self.route.clone(), self.host.clone(), rule, self.reason.clone(), self.requests.to_string(), earned]
    }
}
