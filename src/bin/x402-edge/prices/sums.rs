//! Money of several tokens: exact, in atomic units of each.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use x402_edge::{evm::Address, money::Amount, network::Network, prices::PriceTable};

use crate::failure::Failure;

/// A token, in which a sum is made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Token {
    network: String,
    asset: String,
    /// Ticker and decimals, where they are known.
    known: Option<(String, u8)>,
}

impl Token {
    /// A token as `table` knows it.
    pub(crate) fn new(table: &PriceTable, network: Network, asset: Address) -> Self {
        let known = table.ticker_and_decimals(network, asset);
        Self {
            network: network.to_string(),
            asset: asset.to_string(),
            known: known.map(|(ticker, decimals)| (ticker.to_owned(), decimals)),
        }
    }
}

/// Sums by token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sums(BTreeMap<Token, u128>);

impl Sums {
    /// Adds so many times an amount; refused where that does not fit.
    pub(crate) fn add(&mut self, token: Token, amount: &str, times: u64) -> Result<(), Failure> {
        let too_much = || Failure::usage(format!("{amount} times {times} does not fit in 128 bits"));
        let amount: u128 = amount.parse().map_err(|_| too_much())?;
        let sum = self.0.entry(token).or_default();
        *sum = amount.checked_mul(times.into()).and_then(|more| sum.checked_add(more)).ok_or_else(too_much)?;
        Ok(())
    }

    /// Whether nothing was added.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `1.5 USDC on eip155:8453`, all tokens.
    pub(crate) fn to_text(&self) -> String {
        let one = |(Token { network, asset, known }, units): (&Token, &u128)| {
            let amount: Option<Amount> = units.to_string().parse().ok();
            match (known, amount) {
                (Some((ticker, decimals)), Some(amount)) => {
                    format!("{} {ticker} on {network}", amount.to_decimal(*decimals))
                }
                _ => format!("{units} units of {asset} on {network}"),
            }
        };
        let all: Vec<String> = self.0.iter().map(one).collect();
        if all.is_empty() { "0".to_owned() } else { all.join(" + ") }
    }

    /// For programs: atomic units as decimal strings.
    pub(crate) fn to_json(&self) -> Value {
        let one = |(Token { network, asset, known }, units): (&Token, &u128)| {
            let mut json = json!({ "network": network, "asset": asset, "amount": units.to_string() });
            if let Some((ticker, decimals)) = known {
                json["ticker"] = json!(ticker);
                json["decimals"] = json!(decimals);
            }
            json
        };
        self.0.iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact_or_refused() {
        let table = PriceTable::empty();
        let usdc =
            || Token::new(&table, Network::eip155(8453), "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913".parse().unwrap());
        let mut sums = Sums::default();
        sums.add(usdc(), "1", 1).unwrap();
        sums.add(usdc(), "123456789012345678901234567890", 1_000_000).unwrap();
        assert_eq!(sums.to_text(), "123456789012345678901234567890.000001 USDC on eip155:8453");
        assert_eq!(sums.to_json()[0]["amount"], "123456789012345678901234567890000001");
        assert!(sums.add(usdc(), &u128::MAX.to_string(), 1).is_err());
        assert!(sums.add(usdc(), "9".repeat(60).as_str(), 1).is_err());
        assert_eq!(Sums::default().to_text(), "0");
    }
}
