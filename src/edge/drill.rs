//! What `npm run bench` measures inside a Worker, without a request around it. Feature `drill`: never deployed.

#![expect(unreachable_pub, reason = "wasm-bindgen exports what is public")]

use std::cell::RefCell;

use serde_json::Map;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{
    client::Client,
    gate::judge,
    prices::{Decision, Headers, Inquiry, Method, Methods, PriceTable},
    schemes::SmartWallets,
    time::UnixTime,
    transports::http,
};

thread_local! {
    static TABLE: RefCell<PriceTable> = RefCell::new(PriceTable::empty());
}

/// Reads a document so many times; how many routes it has.
#[wasm_bindgen(js_name = drillLoad)]
pub fn load(document: &str, times: u32) -> u32 {
    for _ in 0..times {
        let table = PriceTable::parse(document).unwrap_or_else(|_| PriceTable::empty());
        TABLE.with_borrow_mut(|kept| *kept = table);
    }
    TABLE.with_borrow(|table| u32::try_from(table.len()).unwrap_or(u32::MAX))
}

/// Looks a path up so many times; how often it had a price.
#[wasm_bindgen(js_name = drillLookup)]
pub fn lookup(path: &str, times: u32) -> u32 {
    let priced = |table: &PriceTable| u32::from(matches!(decide(table, path), Decision::Priced(_)));
    TABLE.with_borrow(|table| (0..times).map(|_| priced(table)).sum())
}

/// Whether the payment in a header is good for a path now (Unix seconds): all that the edge checks.
#[wasm_bindgen(js_name = drillCheck)]
pub fn check(header: &str, path: &str, now: u32) -> bool {
    let own = |name: &str| (name == http::PAYMENT_SIGNATURE).then_some(header);
    let Ok(Some(payload)) = http::read_payment(own) else { return false };
    TABLE.with_borrow(|table| match decide(table, path) {
        Decision::Priced(quote) => {
            judge(&payload, quote.accepts(), &Map::new(), UnixTime(now.into()), SmartWallets::Refuse).is_ok()
        }
        _ => false,
    })
}

fn decide<'a>(table: &'a PriceTable, path: &str) -> Decision<'a> {
    let methods = Method::parse("GET").map_or(Methods::Any, |method| method.readings());
    let (headers, client) = (NoHeaders, Client::default());
    let inquiry =
        Inquiry { methods: &methods, authority: "localhost", path, query: "", headers: &headers, client: &&client };
    table.decide(&inquiry)
}

struct NoHeaders;

impl Headers for NoHeaders {
    fn get(&self, _name: &str) -> Option<String> {
        None
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}
