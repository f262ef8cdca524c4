//! `prices explain`: what one request costs, which route and rule say so, and why.

use serde_json::{Value, json};
use x402_edge::{
    gate::{STATUS_PATH, methods_of},
    prices::{Ambiguity, Decision, Inquiry, Method, Mode, PriceTable, Quote, Snapshot, Target, Terms, readings},
};

use super::{
    cost,
    inquiry::{Answer, Asked, Who},
    listing, problem, sent,
    subject::Subject,
    version_of,
};
use crate::{
    failure::Failure,
    terminal::{Form, Ink, harmless, paint, print, print_json},
};

const EXAMPLES: &str = "\
What is not said about the client is absent: rules that ask for it do not hold. The URL is read as a client sends it
and Cloudflare hands it on; with --raw it is taken as it stands.

Examples:
  x402-edge prices explain GET https://shop.example/articles/42
  x402-edge prices explain GET https://shop.example/articles/42 --verified-bot --remote
  x402-edge prices explain POST https://shop.example/api/chat --country DE --header 'X-Plan: free' --json";

/// Explain what a request costs: host, route, rule, why, and the price in every token.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Method and URL; the method may be left out, and is then GET.
    #[arg(num_args = 1..=2, required = true, value_names = ["METHOD", "URL"])]
    request: Vec<String>,
    #[command(flatten)]
    who: Who,
    /// Take the URL as it stands, as bare workerd does; only a fragment is cut off.
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    subject: Subject,
    #[command(flatten)]
    form: Form,
}

/// Readings of a path that are listed.
const MAX_READINGS: usize = 5;

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (method, url) = match arguments.request.as_slice() {
        [url] => ("GET", url),
        [method, url] => (method.as_str(), url),
        _ => return Err(Failure::usage("write a method and a URL")),
    };
    let source = arguments.subject.read()?;
    let table = problem::read_or_tell(&source)?;
    let whole = whole_url(url, &table)?;
    let as_sent = if arguments.raw { raw(&whole) } else { one(sent::as_sent(std::slice::from_ref(&whole))?) };
    let asked = arguments.who.is_asking(method, &as_sent);
    let prices = Snapshot::unread().after_reading(Some(&source.text));
    let answer = asked.put_to(&prices)?;
    let explanation = Explanation::new(&table, &asked, answer, folds_case(&source.text));
    if arguments.form.is_json() {
        let mut json = explanation.to_json();
        json["url"] = json!(url);
        json["document"] = json!(source.name);
        json["version"] = json!(version_of(&source.text));
        return print_json(&json);
    }
    print(&explanation.to_text(&whole))
}

/// A fragment is the one thing that no runtime hands on.
fn raw(url: &str) -> String {
    url.split('#').next().unwrap_or_default().to_owned()
}

/// Whether paths are compared without case, in a good document.
fn folds_case(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|document| document["caseSensitive"] != json!(true))
}

fn one(mut urls: Vec<String>) -> String {
    urls.pop().unwrap_or_default()
}

/// A path alone stands for the site's own URL.
pub(crate) fn whole_url(url: &str, table: &PriceTable) -> Result<String, Failure> {
    if !url.starts_with('/') {
        return Ok(url.to_owned());
    }
    let mut sites = table.sites().iter();
    let others = sites.next().and_then(|site| site.public_url());
    match others {
        Some(origin) => Ok(format!("{origin}{url}")),
        None if sites.next().is_none() => Ok(format!("https://localhost{url}")),
        None => Err(Failure::usage(format!("the document has several hosts: write the whole URL, https://…{url}"))),
    }
}

/// What was found out about a request.
pub(crate) struct Explanation<'a> {
    table: &'a PriceTable,
    asked: &'a Asked,
    answer: Answer,
    decision: Option<Decision<'a>>,
    /// Readings of the path that have a price, with it.
    readings: Vec<(String, String)>,
}

impl<'a> Explanation<'a> {
    /// Asks the table for the reasons of the gate's answer.
    pub(crate) fn new(table: &'a PriceTable, asked: &'a Asked, answer: Answer, fold_case: bool) -> Self {
        let target = Target::parse(&asked.url).ok().filter(Target::survives_forwarding);
        let target = target.filter(|target| target.path != STATUS_PATH);
        let decision = target.and_then(|target| decide(table, asked, &target, target.path));
        let mut found = Vec::new();
        if let Some(target) = target
            && let Ok(readings) = readings(target.path, fold_case)
            && readings.len() > 1
        {
            for reading in &readings {
                let at = decide(table, asked, &target, reading);
                if let Some(Decision::Priced(quote) | Decision::Denied(quote)) = at {
                    found
                        .push((reading.clone(), format!("{}: {}", quote.route.key(), cost::terms(table, quote.terms))));
                }
            }
        }
        Self { table, asked, answer, decision, readings: found }
    }

    fn quote(&self) -> Option<Quote<'a>> {
        match self.decision {
            Some(
                Decision::Free(quote)
                | Decision::Priced(quote)
                | Decision::Denied(quote)
                | Decision::Observed(quote)
                | Decision::OutsideRollout(quote),
            ) => Some(quote),
            _ => None,
        }
    }

    /// One word for what happens.
    fn word(&self) -> &'static str {
        match (&self.answer, self.decision) {
            (Answer::Ours { status: 402, .. }, _) => "priced",
            (Answer::Ours { status: 403, .. }, _) => "denied",
            (Answer::Ours { status: 400 | 421, .. }, _) => "refused",
            (Answer::Ours { .. }, _) => "answered",
            (Answer::Passed, Some(Decision::Unpriced)) => "unpriced",
            (Answer::Passed, Some(Decision::Observed(_))) => "observed",
            (Answer::Passed, Some(Decision::OutsideRollout(_))) => "outsideRollout",
            (Answer::Passed, _) => "free",
        }
    }

    /// Why, in a sentence.
    fn why(&self) -> String {
        let detail = match &self.answer {
            Answer::Ours { detail, .. } => detail.as_str(),
            Answer::Passed => "",
        };
        match self.decision {
            None if Target::parse(&self.asked.url).is_ok_and(|target| target.path == STATUS_PATH) => {
                "the Worker answers this path itself".to_owned()
            }
            None => detail.to_owned(),
            _ if self.word() == "answered" => "a browser asks whether its script may pay".to_owned(),
            Some(Decision::Unpriced) => "no route covers this path and method, however they are read".to_owned(),
            Some(Decision::Ambiguous(ambiguity)) => ambiguous(ambiguity).to_owned(),
            Some(Decision::Free(quote)) => format!("{} free", says(quote)),
            Some(Decision::Denied(quote)) => format!("{} deny", says(quote)),
            Some(Decision::Priced(quote)) => format!("{} so", says(quote)),
            Some(Decision::Observed(_)) => "prices are only observed here: it is counted, and served free".to_owned(),
            Some(Decision::OutsideRollout(quote)) => {
                format!("this client is outside the share of {} that is charged", quote.route.rollout())
            }
        }
    }

    /// For programs.
    pub(crate) fn to_json(&self) -> Value {
        let status = match &self.answer {
            Answer::Ours { status, .. } => Some(*status),
            Answer::Passed => None,
        };
        let mut json = json!({
            "method": self.asked.method,
            "urlAsSent": self.asked.url,
            "decision": self.word(),
            "status": status,
            "why": self.why(),
            "accepts": [],
        });
        if let Some(quote) = self.quote() {
            let route = quote.route;
            json["host"] = json!(route.host());
            json["route"] = json!(route.key());
            json["pointer"] = json!(pointer(quote));
            json["rule"] = json!(quote.rule);
            json["mode"] = json!(if route.mode() == Mode::Observe { "observe" } else { "charge" });
            json["rollout"] = json!(route.rollout().to_string());
            let offers = quote.accepts().iter().map(|offer| cost::offer_json(self.table, offer));
            json["accepts"] = offers.collect();
            if let Some(when) = quote.rule.and_then(|rule| route.rules().get(rule)).map(|rule| rule.when().text()) {
                json["when"] = serde_json::from_str(when).unwrap_or_default();
            }
            if let Some(quota) = route.quota() {
                json["quota"] = json!({ "requests": quota.requests, "per": quota.per.as_str(), "total": quota.total });
            }
            if let Some(pass) = route.pass() {
                json["pass"] = listing::pass_json(pass);
            }
            json["openedByPassesOf"] = route.openers().collect();
            if route.challenges_401() {
                json["challenge"] = json!("401");
            }
        }
        if !self.readings.is_empty() {
            let readings = self.readings.iter().map(|(path, says)| json!({ "path": path, "says": says }));
            json["readings"] = readings.collect();
        }
        json
    }

    /// For people; `whole` is the URL as they wrote it.
    fn to_text(&self, whole: &str) -> String {
        let mut lines = Vec::new();
        let mut line = |name: &str, text: &str| {
            lines.push(format!("  {}  {}", paint(Ink::Dim, &format!("{name:<7}")), harmless(text)));
        };
        if self.asked.url != whole {
            line("sent as", &self.asked.url);
        }
        if let Some(quote) = self.quote() {
            let route = quote.route;
            line("host", route.host().unwrap_or("every host that is not named"));
            line("route", &format!("{}  ({})", route.key(), route.pointer()));
            let rules = route.rules();
            match quote.rule.and_then(|index| Some((index, rules.get(index)?))) {
                Some((index, rule)) => {
                    line("rule", &format!("rules/{index}: when {}", listing::one_line(rule.when().text())));
                }
                None if !rules.is_empty() => line("rule", "none holds; the route's own terms"),
                None => {}
            }
            for offer in quote.accepts() {
                let place = format!("on {} to {}", offer.network(), offer.pay_to());
                let name = if self.answer == Answer::Passed { "would" } else { "price" };
                line(name, &format!("{} {place}", cost::price(self.table, offer)));
            }
            if matches!(quote.terms, Terms::Offers(_)) {
                if let Some(quota) = route.quota() {
                    line("quota", &format!("{} before that", listing::quota(quota)));
                }
                if let Some(pass) = route.pass() {
                    line("sells", listing::pass(pass).trim_start_matches("with "));
                }
                let openers: Vec<&str> = route.openers().filter(|key| *key != route.key()).collect();
                if !openers.is_empty() {
                    line("opened", &format!("by passes of {}, too, if they cost no less", openers.join(", ")));
                }
                if route.challenges_401() {
                    line("asks", "the origin is asked first; only its 401 becomes a 402");
                }
            }
        }
        for (path, says) in self.readings.iter().take(MAX_READINGS) {
            line("read as", &format!("{path}  ({says})"));
        }
        if self.readings.len() > MAX_READINGS {
            line("", &format!("and in {} more ways", self.readings.len() - MAX_READINGS));
        }
        line("why", &self.why());
        let what = match &self.answer {
            Answer::Passed => paint(Ink::Green, "free: goes on to the origin"),
            Answer::Ours { status: 402, .. } => {
                let terms = self.quote().map(|quote| cost::terms(self.table, quote.terms));
                paint(Ink::Yellow, &format!("402, costs {}", terms.unwrap_or_default()))
            }
            Answer::Ours { status, .. } => paint(Ink::Red, &format!("{status}, {}", self.word())),
        };
        format!("{} {}\n  {what}\n{}\n", self.asked.method, harmless(whole), lines.join("\n"))
    }
}

/// The table's decision for another path of the same request.
fn decide<'a>(table: &'a PriceTable, asked: &Asked, target: &Target<'_>, path: &str) -> Option<Decision<'a>> {
    let method = Method::parse(&asked.method)?;
    let methods = methods_of(asked, target, &method);
    Some(table.decide(&Inquiry {
        methods: &methods,
        authority: target.authority,
        path,
        query: target.query,
        headers: &asked.headers,
        client: &&asked.client,
    }))
}

/// Where in the document the terms stand.
fn pointer(quote: Quote<'_>) -> String {
    let route = quote.route.pointer();
    quote.rule.map_or_else(|| route.to_owned(), |rule| format!("{route}/rules/{rule}"))
}

fn says(quote: Quote<'_>) -> String {
    match quote.rule {
        Some(_) => format!("the first rule that holds, {}, says", pointer(quote)),
        None => "the route's own terms say".to_owned(),
    }
}

const fn ambiguous(ambiguity: Ambiguity) -> &'static str {
    match ambiguity {
        Ambiguity::TooManyReadings => "the path can be read in too many ways: no honest client writes it",
        Ambiguity::Routes => "the path or the method can be read in several ways, with different prices",
        Ambiguity::Rules => "a header or a parameter can be read in several ways, with different prices",
        Ambiguity::Host => "the host is not named in the document, and the path is priced at one that is",
    }
}
