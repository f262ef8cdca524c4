//! Amounts that hold in each of a route's tokens: no ticker says which.

use crate::money::{Amount, Decimal};

use super::{Diagnosis, json::Node};

/// Such as `$0.10`, kept as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InEachToken(String);

impl InEachToken {
    /// Reads a text or a number. `no_text` and `has_ticker` say to the owner what is wrong with anything else.
    pub(super) fn read(node: &Node<'_>, no_text: &str, has_ticker: &str) -> Result<Self, Diagnosis> {
        let text = match node.number() {
            Some(number) => number.to_owned(),
            None => node.string().map_err(|_| node.problem(no_text))?,
        };
        match Decimal::parse(&text) {
            Ok(decimal) if decimal.ticker().is_none() => Ok(Self(text)),
            Ok(_) => Err(node.problem(has_ticker)),
            Err(error) => Err(node.problem(error.to_string())),
        }
    }

    /// Its atomic units, in a token with so many decimals; nothing where they cannot express it.
    pub(super) fn units(&self, decimals: u8) -> Option<Amount> {
        Decimal::parse(&self.0).ok()?.to_amount(decimals).ok()
    }

    /// As it is written.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}
