//! `uint256`: the EVM's number. Only what money and time need, and never silently wrong. In JSON a decimal text.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// An unsigned integer below 2^256, kept most significant byte first, as the ABI encodes it.
///
/// Byte order makes the derived comparison the numeric one.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uint256([u8; 32]);

/// Why a text is not a `uint256`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseUintError {
    /// Not one to 78 decimal digits: no sign, no blank, no exponent, no `0x`.
    #[error("expected decimal digits only")]
    Digits,
    /// 2^256 or more.
    #[error("the number does not fit in 256 bits")]
    Overflow,
}

/// 2^256 - 1 has 78 decimal digits.
const MAX_DIGITS: usize = 78;

impl Uint256 {
    /// Zero.
    pub const ZERO: Self = Self([0; 32]);

    /// The largest, 2^256 - 1.
    pub const MAX: Self = Self([u8::MAX; 32]);

    /// The ABI word: 32 bytes, most significant first.
    pub const fn to_be_bytes(self) -> [u8; 32] {
        self.0
    }

    /// The number with this ABI word.
    pub const fn from_be_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// `self * 10 + digit`, or nothing when it does not fit. The step of every decimal reader here.
    pub fn push_digit(self, digit: u8) -> Option<Self> {
        let mut out = self.0;
        let mut carry = u16::from(digit);
        for byte in out.iter_mut().rev() {
            // at most 255 * 10 + 255: the carry into the next byte stays below 256
            let [high, low] = (u16::from(*byte) * 10 + carry).to_be_bytes();
            *byte = low;
            carry = u16::from(high);
        }
        (carry == 0).then_some(Self(out))
    }
}

impl Uint256 {
    /// The sum, or nothing when it does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let mut out = self.0;
        let mut carry = 0;
        for (byte, more) in out.iter_mut().zip(other.0).rev() {
            // at most 255 + 255 + 1
            [carry, *byte] = (u16::from(*byte) + u16::from(more) + u16::from(carry)).to_be_bytes();
        }
        (carry == 0).then_some(Self(out))
    }

    /// The difference, or nothing when `other` is more.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        let mut out = self.0;
        let mut borrow = false;
        for (byte, less) in out.iter_mut().zip(other.0).rev() {
            let (once, under) = byte.overflowing_sub(less);
            let (twice, under_again) = once.overflowing_sub(u8::from(borrow));
            (*byte, borrow) = (twice, under || under_again);
        }
        (!borrow).then_some(Self(out))
    }

    /// The product, or nothing when it does not fit.
    pub fn checked_mul(self, other: u64) -> Option<Self> {
        let mut out = self.0;
        let mut carry = 0_u128;
        for byte in out.iter_mut().rev() {
            // at most 255 * (2^64 - 1) and a carry below 2^64
            let value = u128::from(*byte) * u128::from(other) + carry;
            *byte = value.to_be_bytes()[15];
            carry = value >> 8;
        }
        (carry == 0).then_some(Self(out))
    }

    /// The quotient, rounded up; nothing when `divisor` is zero.
    pub fn div_ceil(self, divisor: u64) -> Option<Self> {
        let mut out = self.0;
        let mut remainder = 0_u128;
        for byte in &mut out {
            // the remainder is below 2^64
            let value = remainder << 8 | u128::from(*byte);
            *byte = u8::try_from(value.checked_div(divisor.into())?).ok()?;
            remainder = value.checked_rem(divisor.into())?;
        }
        let quotient = Self(out);
        if remainder == 0 { Some(quotient) } else { quotient.checked_add(Self::from(1)) }
    }

    /// So many ten-thousandths of it, rounded down; at most all of it.
    #[must_use]
    pub fn ten_thousandths(self, number: u16) -> Self {
        const ALL: u32 = 10_000;
        let number = u32::from(number).min(ALL);
        // The product has two bytes more; both steps go from byte to byte, and no carry exceeds 10,000.
        let mut product = [0; 34];
        let mut carry = 0;
        for (byte, out) in self.0.iter().rev().zip(product.iter_mut().rev()) {
            let value = u32::from(*byte) * number + carry;
            (*out, carry) = (value & 0xff, value >> 8);
        }
        (product[1], product[0]) = (carry & 0xff, carry >> 8);
        let mut out = [0; 32];
        let mut remainder = 0;
        for (index, digit) in product.into_iter().enumerate() {
            let value = remainder << 8 | digit;
            remainder = value % ALL;
            // At most what it was, so the first two bytes of the quotient are zero and the others fit.
            if let Some(byte) = index.checked_sub(2).and_then(|index| out.get_mut(index)) {
                *byte = u8::try_from(value / ALL).unwrap_or(u8::MAX);
            }
        }
        Self(out)
    }

    /// The number, where it is below 2^64.
    pub fn to_u64(self) -> Option<u64> {
        let (high, low) = self.0.split_last_chunk()?;
        high.iter().all(|byte| *byte == 0).then_some(u64::from_be_bytes(*low))
    }

    /// A bit; 0 is the least significant.
    pub fn bit(self, index: u8) -> bool {
        let (byte, bit) = (usize::from(index / 8), index % 8);
        self.0[31 - byte] >> bit & 1 == 1
    }

    /// Whether it is below 2^128.
    pub fn fits_in_128_bits(self) -> bool {
        self.0[..16].iter().all(|byte| *byte == 0)
    }

    /// Reads `0x` and 1 to 64 hexadecimal digits, as some clients write a nonce.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("0x").filter(|digits| (1..=64).contains(&digits.len()))?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(format!("{digits:0>64}"), &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

impl Serialize for Uint256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Uint256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl From<u64> for Uint256 {
    fn from(value: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[24..].copy_from_slice(&value.to_be_bytes());
        Self(bytes)
    }
}

impl FromStr for Uint256 {
    type Err = ParseUintError;

    /// Takes `^[0-9]{1,78}$`; leading zeros are allowed and mean nothing.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.as_bytes();
        if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
            return Err(ParseUintError::Digits);
        }
        // Nearly every number: 19 digits are below 2^64.
        if let (1..=19, Ok(small)) = (digits.len(), text.parse::<u64>()) {
            return Ok(small.into());
        }
        digits
            .iter()
            .try_fold(Self::ZERO, |number, digit| number.push_digit(digit - b'0'))
            .ok_or(ParseUintError::Overflow)
    }
}

impl fmt::Display for Uint256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(small) = self.to_u64() {
            return fmt::Display::fmt(&small, f);
        }
        let mut rest = self.0;
        let mut digits = Vec::with_capacity(MAX_DIGITS);
        loop {
            let mut remainder = 0_u16;
            for byte in &mut rest {
                let value = remainder << 8 | u16::from(*byte);
                // value < 10 * 256, so the quotient fits in a byte
                *byte = u8::try_from(value / 10).unwrap_or(u8::MAX);
                remainder = value % 10;
            }
            digits.push(char::from(b'0' + u8::try_from(remainder).unwrap_or(0)));
            if rest == [0; 32] {
                break;
            }
        }
        digits.iter().rev().try_for_each(|digit| write!(f, "{digit}"))
    }
}

impl fmt::Debug for Uint256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: &str = "115792089237316195423570985008687907853269984665640564039457584007913129639935";

    #[test]
    fn the_largest_number_round_trips_and_one_more_overflows() {
        assert_eq!(MAX.parse::<Uint256>().map(|n| n.to_string()), Ok(MAX.to_owned()));
        assert_eq!(MAX.parse(), Ok(Uint256::from_be_bytes([255; 32])));
        let more = format!("{}6", &MAX[..77]);
        assert_eq!(more.parse::<Uint256>(), Err(ParseUintError::Overflow));
    }

    #[test]
    fn products_and_quotients_are_exact_or_nothing() {
        let number = |text: &str| text.parse::<Uint256>().unwrap();
        assert_eq!(
            number("340282366920938463463374607431768211456").checked_mul(u64::MAX).map(|n| n.to_string()).as_deref(),
            Some("6277101735386680763495507056286727952638980837032266301440")
        );
        assert_eq!(number(MAX).checked_mul(2), None);
        assert_eq!(number(MAX).checked_mul(1), Some(Uint256::MAX));
        for (a, b, quotient) in [("0", 7, "0"), ("7", 7, "1"), ("8", 7, "2"), ("18446744073709551616", u64::MAX, "2")] {
            assert_eq!(number(a).div_ceil(b), Some(number(quotient)), "{a} / {b}");
        }
        assert_eq!(Uint256::MAX.div_ceil(1), Some(Uint256::MAX));
        assert_eq!(Uint256::MAX.div_ceil(0), None);
    }

    #[test]
    fn only_digits_are_a_number() {
        for text in ["", "-1", "+1", " 1", "1 ", "1e4", "0x10", "1_000", "1.0", "١", &"0".repeat(79)] {
            assert_eq!(text.parse::<Uint256>(), Err(ParseUintError::Digits), "{text:?}");
        }
        assert_eq!("010000".parse(), Ok(Uint256::from(10_000)));
    }
}
