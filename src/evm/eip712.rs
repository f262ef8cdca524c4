//! EIP-712, typed structured data: domain separator, struct hash and the hash that is signed.

use super::{Address, Hash32, Uint256, keccak256};

/// An `EIP712Domain`: name, chain and contract, and a version where the contract has one (Permit2 has none).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eip712Domain<'a> {
    /// UTF-8 as the contract returns it: neither trimmed nor normalised.
    pub name: &'a str,
    /// Likewise. Without it the domain's type has no such member.
    pub version: Option<&'a str>,
    /// The EIP-155 chain id.
    pub chain_id: u64,
    /// The contract that will verify the signature.
    pub verifying_contract: Address,
}

impl Eip712Domain<'_> {
    /// `domainSeparator = hashStruct(eip712Domain)`.
    pub fn separator(&self) -> Hash32 {
        let encode_type = if self.version.is_some() { DOMAIN } else { DOMAIN_WITHOUT_VERSION };
        let mut bytes = keccak256(encode_type.as_bytes()).to_vec();
        bytes.extend(keccak256(self.name.as_bytes()));
        bytes.extend(self.version.map(|version| keccak256(version.as_bytes())).iter().flatten());
        bytes.extend(uint_word(Uint256::from(self.chain_id)));
        bytes.extend(address_word(&self.verifying_contract));
        keccak256(&bytes)
    }
}

const DOMAIN: &str = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
const DOMAIN_WITHOUT_VERSION: &str = "EIP712Domain(string name,uint256 chainId,address verifyingContract)";

/// A struct that can be signed. The names are the EIP's own.
pub trait TypedStruct {
    /// `encodeType`: the type with its members, and the types it refers to in alphabetical order.
    const ENCODE_TYPE: &'static str;

    /// `encodeData`: one word per member, in the order of the type.
    fn encode_data(&self) -> Vec<[u8; 32]>;

    /// `hashStruct = keccak256(typeHash ‖ encodeData)`.
    fn hash_struct(&self) -> Hash32 {
        let mut bytes = keccak256(Self::ENCODE_TYPE.as_bytes()).to_vec();
        for word in self.encode_data() {
            bytes.extend_from_slice(&word);
        }
        keccak256(&bytes)
    }
}

/// `keccak256(0x1901 ‖ domainSeparator ‖ hashStruct(message))`: what the wallet signs.
pub fn signing_hash(domain: &Eip712Domain<'_>, message: &impl TypedStruct) -> Hash32 {
    let mut bytes = [0; 66];
    bytes[..2].copy_from_slice(&[0x19, 0x01]);
    bytes[2..34].copy_from_slice(&domain.separator());
    bytes[34..].copy_from_slice(&message.hash_struct());
    keccak256(&bytes)
}

/// `encodeData` of an `address`: 12 zero bytes and the 20 bytes.
pub fn address_word(address: &Address) -> [u8; 32] {
    let mut word = [0; 32];
    word[12..].copy_from_slice(address.as_bytes());
    word
}

/// `encodeData` of a `uint256`.
pub fn uint_word(number: Uint256) -> [u8; 32] {
    number.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_type_hashes_are_the_published_ones() {
        for (encode_type, hash) in [
            (DOMAIN, "8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f"),
            (DOMAIN_WITHOUT_VERSION, "8cad95687ba82c2ce50e74f7b754645e5117c3a5bec8151c0726d5857980a866"),
        ] {
            assert_eq!(hex::encode(keccak256(encode_type.as_bytes())), hash);
        }
    }
}
