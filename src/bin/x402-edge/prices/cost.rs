//! What terms ask for, for people and for programs.

use serde_json::{Value, json};
use x402_edge::{
    prices::{PriceTable, Terms},
    schemes::exact,
    x402::PaymentRequirements,
};

/// `0.01 USDC`; atomic units where the token's decimals are not known. Of a price by use, the most it can be.
pub(crate) fn price(table: &PriceTable, offer: &PaymentRequirements) -> String {
    let at_most = if offer.scheme() == exact::SCHEME { "" } else { "at most " };
    at_most.to_owned() + &amount(table, offer)
}

fn amount(table: &PriceTable, offer: &PaymentRequirements) -> String {
    match table.ticker_and_decimals(offer.network(), offer.asset()) {
        Some((ticker, decimals)) => format!("{} {ticker}", offer.amount().to_decimal(decimals)),
        None => format!("{} units of {}", offer.amount(), offer.asset()),
    }
}

/// `free`, `denied`, or what is to be paid; of several offers one.
pub(crate) fn terms(table: &PriceTable, terms: &Terms) -> String {
    match terms {
        Terms::Free => "free".to_owned(),
        Terms::Denied => "denied".to_owned(),
        Terms::Offers(offers) => {
            let prices: Vec<String> = offers.iter().map(|offer| price(table, offer)).collect();
            prices.join(" or ")
        }
    }
}

/// One offer for programs.
pub(crate) fn offer_json(table: &PriceTable, offer: &PaymentRequirements) -> Value {
    let mut json = json!({
        "scheme": offer.scheme(),
        "network": offer.network().to_string(),
        "asset": offer.asset().to_string(),
        "amount": offer.amount().to_string(),
        "payTo": offer.pay_to().to_string(),
        "maxTimeoutSeconds": offer.max_timeout_seconds(),
    });
    if let Some((ticker, decimals)) = table.ticker_and_decimals(offer.network(), offer.asset()) {
        json["ticker"] = json!(ticker);
        json["price"] = json!(offer.amount().to_decimal(decimals));
    }
    json
}

/// Terms for programs.
pub(crate) fn terms_json(table: &PriceTable, terms: &Terms) -> Value {
    match terms {
        Terms::Free => json!({ "free": true }),
        Terms::Denied => json!({ "deny": true }),
        Terms::Offers(offers) => {
            json!({ "accepts": offers.iter().map(|offer| offer_json(table, offer)).collect::<Vec<_>>() })
        }
    }
}
