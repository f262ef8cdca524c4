//! Examples and documentation do what they say.

#![allow(clippy::unwrap_used, clippy::panic, clippy::too_many_lines)]

mod common;

use std::{collections::BTreeSet, fs};

use common::ask;
use serde_json::{Value, json};
use x402_edge::{
    client::Client,
    prices::{Decision, PriceTable},
};

fn read(file: &str) -> String {
    fs::read_to_string(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// What a request is told, in a word: the atomic units of the first offer, `free`, `denied`, `refused`.
fn told(table: &PriceTable, method: &str, url: &str, headers: &[(&str, &str)], client: &Client) -> String {
    match ask(table, method, url, headers, client) {
        Decision::Priced(quote) => quote.accepts()[0].amount().to_string(),
        Decision::Free(_) | Decision::Unpriced => "free".to_owned(),
        Decision::Denied(_) => "denied".to_owned(),
        Decision::Observed(_) => "observed".to_owned(),
        Decision::OutsideRollout(_) => "outside".to_owned(),
        Decision::Ambiguous(_) => "refused".to_owned(),
    }
}

type Headers = &'static [(&'static str, &'static str)];

/// Method, URL, headers, client, and what is told.
type Case = (&'static str, &'static str, Headers, Client, &'static str);

#[test]
fn every_example_does_what_its_recipe_says() {
    let nobody = Client::default;
    let bot = || Client { verified_bot: Some(true), ..nobody() };
    let score = |score| Client { bot_score: Some(score), ..nobody() };
    let from = |country: &str| Client { country: Some(country.to_owned()), ..nobody() };
    let google: Headers = &[("User-Agent", "Mozilla/5.0 (compatible; Googlebot/2.1)")];
    let gpt: Headers = &[("User-Agent", "Mozilla/5.0 GPTBot/1.2")];
    let cases: Vec<(&str, Vec<Case>)> = vec![
        (
            "news",
            vec![
                ("GET", "https://news.example/articles/42", &[], nobody(), "50000"),
                ("GET", "https://news.example/articles/42", &[], bot(), "100000"),
                ("GET", "https://news.example/articles/42", google, bot(), "free"),
                ("GET", "https://news.example/articles/42", google, nobody(), "50000"),
                ("GET", "https://news.example/articles/42", &[], from("UA"), "free"),
                ("GET", "https://news.example/articles/42/comments", &[], nobody(), "free"),
                ("GET", "https://news.example/archive/1999/1", &[], nobody(), "10000"),
                ("GET", "https://api.news.example/v1/x", &[], nobody(), "1000"),
                ("GET", "https://api.news.example/articles/42", &[], nobody(), "free"),
            ],
        ),
        (
            "pay-per-article",
            vec![
                ("GET", "https://a.example/articles/1", &[], nobody(), "50000"),
                ("GET", "https://a.example/", &[], nobody(), "free"),
            ],
        ),
        (
            "day-pass",
            vec![
                ("GET", "https://news.example/articles/1", &[], nobody(), "500000"),
                ("GET", "https://news.example/archive/1999/1", &[], nobody(), "50000"),
            ],
        ),
        (
            "per-call-api",
            vec![
                ("GET", "https://api.example.com/v1/weather/oslo", &[], nobody(), "1000"),
                ("POST", "https://api.example.com/v1/reports", &[], nobody(), "250000"),
                ("POST", "https://api.example.com/v1/reports?preview=true", &[], nobody(), "free"),
                ("POST", "https://api.example.com/v1/reports?preview=true&preview=false", &[], nobody(), "250000"),
                ("GET", "https://api.example.com/health", &[], nobody(), "free"),
                ("GET", "https://api.example.com/v1/account/me", &[], nobody(), "10000"),
                ("GET", "https://api.example.com/else", &[], nobody(), "1000"),
                ("GET", "https://api-worker.example.workers.dev/else", &[], nobody(), "refused"),
            ],
        ),
        (
            "per-page-scraping",
            vec![
                ("GET", "https://a.example/page", gpt, nobody(), "2000"),
                ("GET", "https://a.example/page", google, bot(), "free"),
                ("GET", "https://a.example/page", &[], score(2), "2000"),
                ("GET", "https://a.example/page", &[], nobody(), "free"),
                ("GET", "https://a.example/robots.txt", gpt, nobody(), "free"),
            ],
        ),
        (
            "bots-pay",
            vec![
                ("GET", "https://a.example/page", &[], score(80), "free"),
                ("GET", "https://a.example/page", &[], score(5), "10000"),
                (
                    "GET",
                    "https://a.example/page",
                    &[],
                    Client { verified_bot: Some(true), bot_score: Some(99), ..nobody() },
                    "10000",
                ),
                ("GET", "https://a.example/page", &[], nobody(), "10000"),
            ],
        ),
        (
            "tip-jar",
            vec![
                ("GET", "https://a.example/tip/coffee", &[], nobody(), "4000000"),
                ("GET", "https://a.example/tip/lunch", &[], nobody(), "15000000"),
                ("GET", "https://a.example/tip", &[], nobody(), "free"),
            ],
        ),
        (
            "llm-inference",
            vec![
                ("POST", "https://a.example/v1/chat/completions", &[], nobody(), "50000"),
                ("POST", "https://a.example/v1/chat/completions", &[("X-Model", "small")], nobody(), "2000"),
                ("POST", "https://a.example/v1/chat/completions", &[("X-Model", "small, large")], nobody(), "refused"),
                ("GET", "https://a.example/v1/models", &[], nobody(), "free"),
            ],
        ),
        ("own-token", vec![("GET", "https://a.example/premium/x", &[], nobody(), "10000000000000000")]),
        (
            "many-calls",
            vec![
                ("GET", "https://a.example/v1/quotes/ACME", &[], nobody(), "100"),
                ("GET", "https://a.example/v1", &[], nobody(), "free"),
            ],
        ),
        (
            "observe",
            vec![
                ("GET", "https://a.example/articles/1", &[], nobody(), "observed"),
                // Without an address: charged.
                ("GET", "https://a.example/archive/1", &[], nobody(), "10000"),
            ],
        ),
        ("prices", vec![("GET", "http://127.0.0.1:8402/articles/42", &[], nobody(), "10000")]),
        ("every-key", vec![("GET", "https://shop.example/closed", &[], nobody(), "denied")]),
    ];
    let folder = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")).unwrap();
    let files: BTreeSet<String> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let tried: BTreeSet<String> = cases.iter().map(|(name, _)| format!("{name}.json")).collect();
    assert_eq!(files, tried, "an example is not tried");
    for (name, cases) in cases {
        let table =
            PriceTable::parse(&read(&format!("examples/{name}.json"))).unwrap_or_else(|p| panic!("{name}: {p:?}"));
        for (method, url, headers, client, expected) in cases {
            assert_eq!(
                told(&table, method, url, headers, &client),
                expected,
                "{name}: {method} {url} {headers:?} {client:?}"
            );
        }
    }
}

#[test]
fn every_document_in_the_documentation_is_good() {
    let mut checked = 0;
    for page in ["docs/prices.md", "docs/schemes.md", "docs/settlement.md", "README.md"] {
        let text = read(page);
        for block in text.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
            let mut document: Value = serde_json::from_str(block).unwrap_or_else(|error| panic!("{error} in {block}"));
            // What the page has said before.
            for (key, value) in [
                ("payTo", json!("0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC")),
                ("network", json!("base")),
                ("facilitators", json!(["https://facilitator.example"])),
            ] {
                let members = document.as_object_mut().unwrap();
                let placeholder = members.get(key).is_some_and(|value| value == "0xYourAddress");
                if placeholder || !members.contains_key(key) {
                    members.insert(key.to_owned(), value);
                }
            }
            if let Err(problems) = PriceTable::parse(&document.to_string()) {
                panic!("{page}: {problems:?}\n{block}");
            }
            checked += 1;
        }
    }
    assert!(checked >= 4, "only {checked} documents were found");
}
