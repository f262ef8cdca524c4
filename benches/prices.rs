//! What prices cost: `cargo bench --bench prices`. Figures, no verdicts: time under load is not to be trusted.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use x402_edge::{
    client::Client,
    prices::{Decision, Inquiry, Method, PriceTable},
};

/// Routes as sites have them: most plain, some with parameters, wildcards and rules.
fn document(routes: usize) -> String {
    let entries: Vec<String> = (0..routes)
        .map(|n| match n % 10 {
            0 => format!(r#""GET /shop/{n}/:item": {{"price": "$0.02", "description": "Item {n}"}}"#),
            1 => format!(r#""/files/{n}/*": {{"price": "$0.05"}}"#),
            2 => format!(r#""/docs/{n}/*.pdf": {{"price": "$0.10"}}"#),
            3 => format!(
                r#""/news/{n}": {{"price": "$0.01", "rules": [{{"when": {{"verifiedBot": true, "country": ["DE", "FR"]}}, "price": "$0.001"}}]}}"#
            ),
            _ => format!(r#""/articles/2026/{n}": {{"price": "$0.01", "description": "Article {n}"}}"#),
        })
        .collect();
    format!(
        r#"{{"payTo": "0x5CbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB", "network": "eip155:8453",
            "facilitators": ["https://f.example"], "routes": {{{}}}}}"#,
        entries.join(",\n")
    )
}

/// The least of some runs: what it takes when nobody disturbs. What a run makes is given up after its time.
fn least<T>(runs: usize, mut run: impl FnMut() -> T) -> Duration {
    (0..runs)
        .map(|_| {
            let begin = Instant::now();
            let made = run();
            let time = begin.elapsed();
            drop(made);
            time
        })
        .min()
        .unwrap()
}

fn main() {
    // `-- reading` leaves the lookups out.
    if !std::env::args().any(|argument| argument == "reading") {
        look_up();
    }
    println!("reading a document, in µs");
    for routes in [10, 100, 1_000, 10_000] {
        let text = document(routes);
        let time = least(7, || black_box(PriceTable::parse(black_box(&text)).unwrap()));
        println!("  {routes:6} routes, few prices   {:8} bytes  {:8}", text.len(), time.as_micros());
    }
    let parts: Vec<String> = document(10_000).split("$0.01").map(str::to_owned).collect();
    let prices = (0..parts.len() - 1).map(|n| format!("$0.01{n:04}")).chain([String::new()]);
    let text: String = parts.iter().cloned().zip(prices).flat_map(|(part, price)| [part, price]).collect();
    let time = least(7, || black_box(PriceTable::parse(black_box(&text)).unwrap()));
    println!("   10000 routes, all prices different {:8} bytes  {:8}", text.len(), time.as_micros());
}

fn look_up() {
    let methods = Method::parse("GET").unwrap().readings();
    let client = Client::default();
    let headers: Vec<(String, String)> = Vec::new();
    let tables: Vec<(usize, PriceTable)> =
        [10, 100, 1_000, 10_000].map(|routes| (routes, PriceTable::parse(&document(routes)).unwrap())).into();
    println!("lookup of one path, in ns");
    for (what, path) in [
        ("an article", "/articles/2026/5"),
        ("an item, by parameter", "/shop/0/x"),
        ("a file, by wildcard", "/docs/2/a/b.pdf"),
        ("a free path", "/about/us"),
        ("an odd spelling", "/articles/%32026/5"),
    ] {
        let mut base = None;
        for (routes, table) in &tables {
            const LOOKUPS: u32 = 20_000;
            let time = least(15, || {
                for _ in 0..LOOKUPS {
                    let inquiry = Inquiry {
                        methods: &methods,
                        authority: "example.com",
                        path: black_box(path),
                        query: "",
                        headers: &headers,
                        client: &&client,
                    };
                    assert_eq!(matches!(table.decide(&inquiry), Decision::Unpriced), path.starts_with("/about"));
                }
            });
            let nanos = (time / LOOKUPS).as_nanos();
            let base = *base.get_or_insert(nanos);
            println!("  {what:24} {routes:6} routes  {nanos:6}  {:4} % of 10 routes", 100 * nanos / base.max(1));
        }
    }
    println!("lookup of all articles in turn, in ns (the tree does not fit into the nearest cache)");
    for (routes, table) in &tables {
        let paths: Vec<String> = (0..*routes).filter(|n| n % 10 > 3).map(|n| format!("/articles/2026/{n}")).collect();
        let rounds = 20_000 / paths.len() + 1;
        let time = least(15, || {
            for path in (0..rounds).flat_map(|_| &paths) {
                let inquiry = Inquiry {
                    methods: &methods,
                    authority: "example.com",
                    path,
                    query: "",
                    headers: &headers,
                    client: &&client,
                };
                assert!(matches!(table.decide(&inquiry), Decision::Priced(_)));
            }
        });
        println!("  {routes:6} routes  {:6}", time.as_nanos() / u128::try_from(rounds * paths.len()).unwrap());
    }
}
