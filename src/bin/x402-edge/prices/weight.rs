//! What a document costs the Worker: the first request of an isolate reads it whole.

use std::collections::HashSet;

use x402_edge::prices::{PriceTable, Rule, Terms};

use crate::terminal::count;

/// CPU time that a request may take on Cloudflare's Free plan.
const FREE_PLAN_MICROS: u64 = 10_000;

/// Measured in workerd, as CPU time of an isolate's first request with documents of 1 to 5,000 routes, code not yet
/// optimised by V8; the figures fit within a quarter. An estimate, since a measurement here would say something
/// else each time, and nothing of Cloudflare's machines.
const MICROS_PER_REQUEST: u64 = 2_000;
const MICROS_PER_ROUTE: u64 = 12;
const MICROS_PER_DIFFERENT_OFFER: u64 = 12;
const NANOS_PER_BYTE: u64 = 100;

/// About what the first request costs.
fn first_request_micros(text: &str, table: &PriceTable) -> u64 {
    let all =
        table.routes().flat_map(|route| std::iter::once(route.terms()).chain(route.rules().iter().map(Rule::terms)));
    let offers: HashSet<String> = all.flat_map(Terms::accepts).map(|offer| offer.wire().to_string()).collect();
    let times = |number: usize, each: u64| u64::try_from(number).unwrap_or(u64::MAX).saturating_mul(each);
    MICROS_PER_REQUEST
        .saturating_add(times(table.len(), MICROS_PER_ROUTE))
        .saturating_add(times(offers.len(), MICROS_PER_DIFFERENT_OFFER))
        .saturating_add(times(text.len(), NANOS_PER_BYTE) / 1000)
}

/// A warning where the Free plan would be too small.
pub(crate) fn warning(text: &str, table: &PriceTable) -> Option<String> {
    let micros = first_request_micros(text, table);
    (micros > FREE_PLAN_MICROS).then(|| {
        format!(
            "reading {} costs the first request of each isolate about {} ms of CPU, and the Free plan allows {} ms; \
             cover paths by patterns such as /articles/:slug, or use the Paid plan",
            count(table.len(), "route"),
            micros / 1000,
            FREE_PLAN_MICROS / 1000
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(routes: usize) -> String {
        let entries: Vec<String> = (0..routes)
            .map(|n| format!(r#""/articles/{n}": {{"price": "$0.01", "description": "Article {n}"}}"#))
            .collect();
        format!(
            r#"{{"payTo": "0x5CbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB", "network": "base",
                "facilitators": ["https://f.example"], "routes": {{{}}}}}"#,
            entries.join(",")
        )
    }

    #[test]
    fn only_a_large_document_is_too_much_for_the_free_plan() {
        for (routes, warned) in [(0, false), (10, false), (300, false), (1_000, true), (10_000, true)] {
            let text = document(routes);
            let table = PriceTable::parse(&text).unwrap();
            assert_eq!(warning(&text, &table).is_some(), warned, "{routes}");
        }
        let text = document(1_000);
        let told = warning(&text, &PriceTable::parse(&text).unwrap()).unwrap();
        assert!(told.starts_with("reading 1000 routes costs the first request of each isolate about 20 ms"), "{told}");
    }
}
