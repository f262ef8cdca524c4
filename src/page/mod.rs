//! What a person sees who opens a priced page in a browser: the price, and how it is paid. No scripts.

use crate::{
    money::known_asset,
    schemes::upto,
    x402::{PaymentRequirements, ResourceInfo},
};

/// The page's own frame; `{{…}}` are filled in below.
const PAYWALL: &str = include_str!("paywall.html");

/// Nothing from anywhere, but the page's own style.
pub const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// In the `Accept` of whoever can show the page.
pub const HTML: &str = "text/html";

/// Whether the client is a browser with a person before it, by the official packages' rule; `mentions` says whether there
/// is a header with a text in it.
pub fn is_wanted(mentions: impl Fn(&str, &str) -> bool) -> bool {
    mentions("Accept", HTML) && mentions("User-Agent", "Mozilla")
}

/// The page for these offers.
pub fn paywall(resource: &ResourceInfo, offers: &[PaymentRequirements], error: &str) -> String {
    let description = resource.description.as_deref().unwrap_or("This page has a price.");
    let rows: String = offers.iter().map(row).collect();
    PAYWALL
        .replace("{{description}}", &escape(description))
        .replace("{{offers}}", &rows)
        .replace("{{error}}", &escape(error))
        .replace("{{url}}", &escape(&resource.url))
}

fn row(offer: &PaymentRequirements) -> String {
    let known = known_asset(offer.network().chain_id(), &offer.asset());
    let price = known.map_or_else(
        || format!("{} atomic units of {}", offer.amount(), offer.asset()),
        |asset| format!("{} {}", offer.amount().to_decimal(asset.decimals), asset.symbol),
    );
    let at_most = if offer.scheme() == upto::SCHEME { "at most " } else { "" };
    let price = format!("{at_most}{price}");
    let network = offer.network().v1_name().map_or_else(|| offer.network().to_string(), str::to_owned);
    format!("<tr><td>{}</td><td>{}</td><td><code>{}</code></td></tr>", escape(&price), escape(&network), offer.pay_to())
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // A filled-in text must not look like a place to fill in.
            '{' => out.push_str("&#123;"),
            _ => out.push(c),
        }
    }
    out
}
