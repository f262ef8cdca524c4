//! Any bytes as a price document: read or refused with reasons, never a panic; what is read can be looked up.
#![no_main]

use libfuzzer_sys::fuzz_target;
use x402_edge::{
    client::Client,
    prices::{Inquiry, Method, PriceTable},
};

fuzz_target!(|text: &str| {
    match PriceTable::parse(text) {
        Ok(table) => {
            let methods = Method::parse("GET").map(|method| method.readings());
            let (headers, client) = (Vec::<(String, String)>::new(), Client::default());
            for route in table.routes() {
                let path = route.key().split(' ').next_back().unwrap_or("/").replace('*', "x");
                let path = if path.starts_with('/') { path } else { format!("/{path}") };
                let authority = route.host().unwrap_or("example.com").replace("*.", "a.");
                assert!(
                    methods.iter().all(|methods| {
                        let inquiry =
                            Inquiry { methods, authority: &authority, path: &path, query: "", headers: &headers, client: &&client };
                        let _ = table.decide(&inquiry);
                        true
                    })
                );
                // Without stars and case the key is a path that the route covers.
                if !route.key().contains(['*', '[', ':']) {
                    assert!(table.is_priced(&authority, &path), "{authority}{path}");
                }
            }
        }
        Err(problems) => assert!(!problems.is_empty() && problems.len() <= 201),
    }
});
