//! Addresses: 20 bytes in, EIP-55 text out.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::keccak256;

/// An account or contract. Compared as bytes, written with the EIP-55 checksum.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address([u8; 20]);

impl Address {
    /// The address that stands for nobody. Money sent there is lost.
    pub const ZERO: Self = Self([0; 20]);

    /// The address with these bytes.
    pub const fn new(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The 20 bytes, most significant first.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseAddressError {
    /// Not `0x` and 40 hexadecimal digits.
    #[error("expected 0x and 40 hexadecimal digits")]
    Form,
    /// Upper and lower case are mixed, and not as EIP-55 would mix them: probably a typing mistake.
    #[error("the mixed case does not match the EIP-55 checksum; check for a typing mistake")]
    Checksum,
}

impl FromStr for Address {
    type Err = ParseAddressError;

    /// Takes all lower, all upper, or correctly checksummed digits (EIP-55); `0x` in lower case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, digits) = Self::written(text).ok_or(ParseAddressError::Form)?;
        let mixed = digits.bytes().any(|b| b.is_ascii_lowercase()) && digits.bytes().any(|b| b.is_ascii_uppercase());
        if mixed && address.checksummed() != digits.as_bytes() {
            return Err(ParseAddressError::Checksum);
        }
        Ok(address)
    }
}

impl Address {
    /// Whether a text writes this address, in whatever case its digits are.
    pub fn is_written(&self, text: &str) -> bool {
        Self::written(text).is_some_and(|(address, _)| address == *self)
    }

    /// The address that a text writes, and its digits, whose cases are not looked at.
    fn written(text: &str) -> Option<(Self, &str)> {
        let digits = text.strip_prefix("0x")?;
        let mut bytes = [0; 20];
        hex::decode_to_slice(digits, &mut bytes).ok()?;
        Some((Self(bytes), digits))
    }

    /// The 40 digits in EIP-55's mix of cases: a letter is upper case where the hash of the lower ones has 8 or more.
    fn checksummed(&self) -> [u8; 40] {
        let nibble = |bytes: &[u8], index: usize| bytes[index / 2] >> (4 - index % 2 * 4) & 0xf;
        let mut digits = [0; 40];
        for (index, digit) in digits.iter_mut().enumerate() {
            *digit = b"0123456789abcdef"[usize::from(nibble(&self.0, index))];
        }
        let hash = keccak256(&digits);
        for (index, digit) in digits.iter_mut().enumerate() {
            if nibble(&hash, index) >= 8 {
                digit.make_ascii_uppercase();
            }
        }
        digits
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        f.write_str(str::from_utf8(&self.checksummed()).unwrap_or_default())
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of EIP-55 itself.
    const EIP_55: [&str; 8] = [
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x27b1fdb04752bbc536007a920d24acb045561c26",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ];

    #[test]
    fn the_examples_of_eip_55_round_trip() {
        for text in EIP_55 {
            assert_eq!(text.parse::<Address>().map(|a| a.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_wrong_checksum_is_refused_and_one_case_is_accepted() {
        let wrong = "0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
        assert_eq!(wrong.parse::<Address>(), Err(ParseAddressError::Checksum));
        let lower = wrong.to_lowercase();
        assert!(lower.parse::<Address>().is_ok());
        let upper = format!("0x{}", wrong[2..].to_uppercase());
        assert_eq!(upper.parse::<Address>(), lower.parse::<Address>());
    }

    #[test]
    fn other_forms_are_refused() {
        for text in
            ["", "0x", "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0x00", "0X52908400098527886E0F7030069857D2E4169EE7"]
        {
            assert_eq!(text.parse::<Address>(), Err(ParseAddressError::Form), "{text}");
        }
    }
}
