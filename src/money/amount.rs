//! An amount of a token, in its atomic units.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::evm::{ParseUintError, Uint256};

/// Atomic units: with 6 decimals, 10000 is one cent. On the wire always a decimal string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Amount(Uint256);

/// Why a text is not an amount.
pub type ParseAmountError = ParseUintError;

impl Amount {
    /// Nothing at all.
    pub const ZERO: Self = Self(Uint256::ZERO);

    /// This many atomic units.
    pub const fn new(units: Uint256) -> Self {
        Self(units)
    }

    /// The number that is signed.
    pub const fn units(self) -> Uint256 {
        self.0
    }

    /// The sum, or nothing when it does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// So many times as much, or nothing when it does not fit.
    pub fn times(self, number: u64) -> Option<Self> {
        self.0.checked_mul(number).map(Self)
    }

    /// One part of so many, rounded up. Nothing for no parts.
    pub fn divided_up(self, parts: u64) -> Option<Self> {
        self.0.div_ceil(parts).map(Self)
    }

    /// What is left of it, at least nothing.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        self.0.checked_sub(other.0).map_or(Self::ZERO, Self)
    }

    /// The amount as people read it: `10000` with 6 decimals is `0.01`.
    pub fn to_decimal(self, decimals: u8) -> String {
        let digits = format!("{:0>width$}", self.0.to_string(), width = usize::from(decimals) + 1);
        let (whole, fraction) = digits.split_at(digits.len() - usize::from(decimals));
        let fraction = fraction.trim_end_matches('0');
        match fraction {
            "" => whole.to_owned(),
            _ => format!("{whole}.{fraction}"),
        }
    }
}

impl FromStr for Amount {
    type Err = ParseAmountError;

    /// Takes `^[0-9]{1,78}$` below 2^256.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_out_as_people_write_them() {
        for (units, decimals, text) in [
            (10_000, 6, "0.01"),
            (2_010_000, 6, "2.01"),
            (5_000_000, 6, "5"),
            (7, 0, "7"),
            (1, 18, "0.000000000000000001"),
        ] {
            assert_eq!(Amount::new(Uint256::from(units)).to_decimal(decimals), text);
        }
    }
}
