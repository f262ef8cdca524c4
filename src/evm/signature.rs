//! ECDSA signatures over secp256k1 as Ethereum writes them, and the address behind one.

use k256::ecdsa::{RecoveryId, Signature as EcdsaSignature, VerifyingKey};

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
        let Some((rs, &[v])) = bytes.split_at_checked(64) else {
            return Self::NotSixtyFiveBytes;
        };
        let y_parity = match v {
            0 | 27 => 0,
            1 | 28 => 1,
            _ => return Self::NotEcdsa,
        };
        match (EcdsaSignature::from_slice(rs), RecoveryId::from_byte(y_parity)) {
            (Ok(rs), Some(recovery_id)) => Self::Ecdsa(Signature { rs, recovery_id }),
            _ => Self::NotEcdsa,
        }
    }
}

/// An ECDSA signature with r and s between 1 and n-1, and its recovery id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    rs: EcdsaSignature,
    recovery_id: RecoveryId,
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
        let key = VerifyingKey::recover_from_prehash(hash, &self.rs, self.recovery_id).ok()?;
        let point = key.to_sec1_point(false);
        // An address is the last 20 bytes of the hash of the 64-byte public key.
        let hash = keccak256(point.as_bytes().get(1..)?);
        let address = Address::new(hash.get(12..)?.try_into().ok()?);
        Some(Recovered { address, low_s: self.rs.normalize_s() == self.rs })
    }

    /// `0x`, r, s and v as 27 or 28: the only v that token contracts know.
    pub fn to_hex(&self) -> String {
        format!("0x{}{:02x}", hex::encode(self.rs.to_bytes()), 27 + self.recovery_id.to_byte())
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
