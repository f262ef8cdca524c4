//! A key of our own, and what is signed with it.

use std::fmt;

use k256::ecdsa::SigningKey;

use super::{Address, Hash32, keccak256};

/// A private key over secp256k1. Never written anywhere.
#[derive(Clone)]
pub struct Signer {
    key: SigningKey,
    address: Address,
}

/// The text is no private key; it is not repeated here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a private key: 0x and 64 hexadecimal digits")]
pub struct BadKey;

impl Signer {
    /// Reads `0x` and 64 digits; the `0x` may be missing.
    pub fn from_hex(text: &str) -> Result<Self, BadKey> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut bytes).map_err(|_| BadKey)?;
        let key = SigningKey::from_slice(&bytes).map_err(|_| BadKey)?;
        let point = key.verifying_key().to_sec1_point(false);
        let hash = keccak256(point.as_bytes().get(1..).ok_or(BadKey)?);
        let address = Address::new(hash.get(12..).and_then(|tail| tail.try_into().ok()).ok_or(BadKey)?);
        Ok(Self { key, address })
    }

    /// The account behind the key.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Signs a hash: `0x`, r, s (low) and v as 27 or 28. The same each time (RFC 6979).
    pub fn sign(&self, hash: &Hash32) -> String {
        let (signature, recovery) = self.key.sign_prehash_recoverable(hash);
        format!("0x{}{:02x}", hex::encode(signature.to_bytes()), 27 + recovery.to_byte())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evm::SignatureForm;

    const KEY: &str = "0x6666666666666666666666666666666666666666666666666666666666666666";

    #[test]
    fn what_is_signed_recovers_to_the_keys_address_with_low_s() {
        let signer = Signer::from_hex(KEY).unwrap();
        for byte in 0..50 {
            let hash = keccak256(&[byte]);
            let bytes = hex::decode(&signer.sign(&hash)[2..]).unwrap();
            let SignatureForm::Ecdsa(signature) = SignatureForm::of(&bytes) else { unreachable!() };
            let found = signature.recover(&hash).unwrap();
            assert_eq!((found.address, found.low_s), (signer.address(), true));
        }
    }

    #[test]
    fn a_key_is_read_strictly_and_never_shown() {
        assert_eq!(Signer::from_hex(&KEY[2..]).unwrap().address(), Signer::from_hex(KEY).unwrap().address());
        let zero = "0".repeat(64);
        for text in ["", "0x", "0x66", zero.as_str(), &"f".repeat(64), &format!("{KEY}00")] {
            assert!(Signer::from_hex(text).is_err(), "{text}");
        }
        assert!(!format!("{:?}", Signer::from_hex(KEY).unwrap()).contains("6666"));
    }
}
