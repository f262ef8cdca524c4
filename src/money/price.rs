//! A price as an owner writes it: `$0.01`, `0.01`, `0.01 USDC`. Turned into atomic units exactly, or refused.

use crate::evm::Uint256;

use super::Amount;

/// A written decimal number, with the ticker after it where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal<'a> {
    whole: &'a str,
    fraction: &'a str,
    ticker: Option<&'a str>,
}

/// Why a text is not a price, or not one that the token can express.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// Nothing like a price.
    #[error("a price is written \"$0.01\", \"0.01\" or \"0.01 USDC\"")]
    Form,
    /// A minus sign.
    #[error("a price cannot be negative")]
    Negative,
    /// `1e-2` and the like.
    #[error("a price has no exponent; write the number out")]
    Exponent,
    /// Zero.
    #[error("a price cannot be zero; leave the route out of the document to make it free")]
    Zero,
    /// Finer than the token's smallest unit.
    #[error("{found} decimals, but the token has only {allowed}")]
    TooFine {
        /// Significant decimals in the text.
        found: usize,
        /// Decimals of the token.
        allowed: u8,
    },
    /// 2^256 atomic units or more.
    #[error("the price does not fit in 256 bits")]
    Overflow,
}

impl<'a> Decimal<'a> {
    /// Reads `$0.01`, `0.01`, `0.01 USDC`: at most one `$` in front, at most one ticker after a blank.
    pub fn parse(text: &'a str) -> Result<Self, PriceError> {
        let (number, ticker) = match text.split_once(' ') {
            Some((number, ticker)) => (number, Some(ticker)),
            None => (text, None),
        };
        let number = number.strip_prefix('$').unwrap_or(number);
        if number.starts_with('-') {
            return Err(PriceError::Negative);
        }
        let (whole, fraction) = match number.split_once('.') {
            Some((_, "")) => return Err(PriceError::Form),
            Some(parts) => parts,
            None => (number, ""),
        };
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.starts_with(|c: char| c.is_ascii_digit()) && number.contains(['e', 'E']) {
            return Err(PriceError::Exponent);
        }
        let ticker_ok =
            ticker.is_none_or(|t| !t.is_empty() && t.chars().all(|c| c.is_alphanumeric() || c == '.' || c == '₮'));
        if whole.is_empty() || !digits(whole) || !digits(fraction) || !ticker_ok {
            return Err(PriceError::Form);
        }
        Ok(Self { whole, fraction, ticker })
    }

    /// The ticker the owner wrote, such as `USDC`.
    pub const fn ticker(&self) -> Option<&'a str> {
        self.ticker
    }

    /// The same value in atomic units of a token with so many decimals: exact, and above zero.
    pub fn to_amount(&self, decimals: u8) -> Result<Amount, PriceError> {
        let fraction = self.fraction.trim_end_matches('0');
        let Some(padding) = usize::from(decimals).checked_sub(fraction.len()) else {
            return Err(PriceError::TooFine { found: fraction.len(), allowed: decimals });
        };
        let digits = self.whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat_n(b'0', padding));
        let units = digits
            .map(|digit| digit - b'0')
            .try_fold(Uint256::ZERO, Uint256::push_digit)
            .ok_or(PriceError::Overflow)?;
        if units == Uint256::ZERO { Err(PriceError::Zero) } else { Ok(Amount::new(units)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usdc(text: &str) -> Result<String, PriceError> {
        Decimal::parse(text)?.to_amount(6).map(|amount| amount.to_string())
    }

    #[test]
    fn prices_are_exact() {
        for (text, units) in [
            ("$2.01", "2010000"),
            ("$0.0079", "7900"),
            ("0.01", "10000"),
            ("0.01 USDC", "10000"),
            ("1", "1000000"),
            ("0.0000010", "1"),
            ("$19.99 USDC", "19990000"),
        ] {
            assert_eq!(usdc(text), Ok(units.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_not_exact_is_refused_and_never_truncated() {
        assert_eq!(usdc("$0.0000001"), Err(PriceError::TooFine { found: 7, allowed: 6 }));
        assert_eq!(usdc("0"), Err(PriceError::Zero));
        assert_eq!(usdc("$0.000000"), Err(PriceError::Zero));
        assert_eq!(usdc("-1"), Err(PriceError::Negative));
        assert_eq!(usdc("$-1"), Err(PriceError::Negative));
        assert_eq!(usdc("1e-2"), Err(PriceError::Exponent));
        assert_eq!(usdc("1.5E3"), Err(PriceError::Exponent));
        assert_eq!(usdc(&"9".repeat(78)), Err(PriceError::Overflow));
        for text in [
            "", "$", ".5", "5.", "USD 10", "1abc", "1,5", "0x10", "+1", "1 ", " 1", "1  USDC", "$$1", "1.2.3", "NaN",
            "Infinity", "١",
        ] {
            assert_eq!(usdc(text), Err(PriceError::Form), "{text:?}");
        }
    }
}
