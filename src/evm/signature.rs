//! ECDSA signatures over secp256k1 as Ethereum writes them, and the address behind one.

use evm_crypto::secp256k1::Signature as Numbers;

use super::{Address, Hash32, keccak256};

/// The last 32 bytes of an ERC-6492 signature: a contract wallet that may not exist yet.
const ERC6492_MAGIC: [u8; 32] = [
    0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64,
    0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92, 0x64, 0x92,
];

/// What the bytes of a signature look like. Only the first can be judged without the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignatureForm {
    /// 65 bytes, r and s in range, v a recovery id.
    Ecdsa(Signature),
    /// 65 bytes that are no ECDSA signature (r or s out of range, another v). Some Safe wallets sign so.
    NotEcdsa,
    /// Ends with the ERC-6492 magic bytes.
    Erc6492,
    /// Any other length, also none: at most an ERC-1271 contract can judge it.
    NotSixtyFiveBytes,
}

impl SignatureForm {
    /// The form of these bytes. Never looks inside an ERC-6492 wrapper: its signer is not the payer.
    pub fn of(bytes: &[u8]) -> Self {
        if bytes.ends_with(&ERC6492_MAGIC) {
            return Self::Erc6492;
        }
        let (Some((r, rest)), 65) = (bytes.split_first_chunk(), bytes.len()) else {
            return Self::NotSixtyFiveBytes;
        };
        let Some((s, &[v])) = rest.split_first_chunk() else {
            return Self::NotSixtyFiveBytes;
        };
        let y_is_odd = match v {
            0 | 27 => false,
            1 | 28 => true,
            _ => return Self::NotEcdsa,
        };
        Numbers::from_bytes(r, s).map_or(Self::NotEcdsa, |rs| Self::Ecdsa(Signature { rs, y_is_odd }))
    }
}

/// An ECDSA signature with r and s between 1 and n-1, and its recovery id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    rs: Numbers,
    y_is_odd: bool,
}

/// The address a signature belongs to, and whether a token contract will take the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    /// The signer.
    pub address: Address,
    /// EIP-2: s is at most n/2. The token contracts refuse the other, malleable half.
    pub low_s: bool,
}

impl Signature {
    /// The signer of `hash`, or nothing when no key could have made this signature.
    pub fn recover(&self, hash: &Hash32) -> Option<Recovered> {
        let key = self.rs.recover(hash, self.y_is_odd)?;
        // An address is the last 20 bytes of the hash of the public key.
        let address = Address::new(*keccak256(&key).last_chunk()?);
        Some(Recovered { address, low_s: self.rs.is_low_s() })
    }

    /// `0x`, r, s and v as 27 or 28: the only v that token contracts know.
    pub fn to_hex(&self) -> String {
        format!("0x{}{:02x}", hex::encode(self.rs.to_bytes()), 27 + u8::from(self.y_is_odd))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_but_65_waits_for_the_chain() {
        for length in (0..=64).chain(66..200) {
            assert_eq!(SignatureForm::of(&vec![1; length]), SignatureForm::NotSixtyFiveBytes);
        }
    }

    #[test]
    fn the_bare_magic_is_an_erc_6492_signature() {
        assert_eq!(SignatureForm::of(&ERC6492_MAGIC), SignatureForm::Erc6492);
    }

    #[test]
    fn only_four_values_of_v_are_recovery_ids() {
        for v in 0..=u8::MAX {
            let mut bytes = [1; 65];
            bytes[64] = v;
            let ecdsa = matches!(SignatureForm::of(&bytes), SignatureForm::Ecdsa(_));
            assert_eq!(ecdsa, [0, 1, 27, 28].contains(&v), "v = {v}");
        }
    }
}
