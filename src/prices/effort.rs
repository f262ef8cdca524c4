//! What a document costs a Worker to read.

/// CPU milliseconds that a request may take on Cloudflare's Free plan. An isolate's first request reads the document.
pub const FREE_PLAN_MILLIS: u64 = 10;

/// Microseconds that a route takes, measured in workerd (`benches/prices.rs` measures it natively, where it takes a
/// third): an isolate that starts has not compiled its code well yet.
const MICROS_PER_ROUTE: u64 = 18;

/// The same for a kilobyte of text: JSON and its hash.
const MICROS_PER_KILOBYTE: u64 = 60;

/// About how many CPU milliseconds an isolate's first request takes for a document of so many routes and bytes. An
/// estimate, on the high side unless all prices differ.
pub const fn reading_millis(routes: usize, bytes: usize) -> u64 {
    let micros = MICROS_PER_ROUTE * routes as u64 + MICROS_PER_KILOBYTE * (bytes as u64 / 1000);
    micros / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_documents_fit_into_the_free_plan_and_great_ones_do_not() {
        assert!(reading_millis(100, 10_000) < FREE_PLAN_MILLIS);
        assert!(reading_millis(10_000, 700_000) > FREE_PLAN_MILLIS);
    }
}
