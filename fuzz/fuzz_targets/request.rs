//! Any query and headers: no panic, and nothing that could be read as the dear request is cheaper.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use x402_edge::{
    client::Client,
    prices::{Decision, Inquiry, Method, PriceTable},
};

const DOCUMENT: &str = r#"{"payTo": "0x5CbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB", "network": "base-sepolia",
    "facilitators": ["https://f.example"], "routes": {"/x": {"price": "$1", "rules": [
        {"when": {"query": {"plan": "trial"}}, "free": true}, {"when": {"header": {"X-Plan": "a*"}}, "free": true}]}}}"#;

thread_local! {
    static TABLE: LazyLock<PriceTable> = LazyLock::new(|| PriceTable::parse(DOCUMENT).unwrap_or_else(|_| PriceTable::empty()));
}

fuzz_target!(|input: (&str, &str, &str)| {
    let (query, name, value) = input;
    let headers = vec![(name.to_owned(), value.to_owned()), ("X-Other".to_owned(), value.to_owned())];
    let Some(methods) = Method::parse("GET").map(|method| method.readings()) else { return };
    TABLE.with(|table| {
        let client = Client::default();
        let inquiry =
            Inquiry { methods: &methods, authority: "example.com", path: "/x", query, headers: &headers, client: &&client };
        let free = matches!(table.decide(&inquiry), Decision::Free(_));
        let said = query.replace('+', " ").contains("trial") || query.contains('%') || value.contains(['a', 'A']);
        assert!(!free || said, "{query:?} {name:?} {value:?}");
        assert!(!matches!(table.decide(&inquiry), Decision::Unpriced));
    });
});
