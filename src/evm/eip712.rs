//! EIP-712, typed structured data: domain separator, struct hash and the hash that is signed.

use std::cell::RefCell;

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
    /// `domainSeparator = hashStruct(eip712Domain)`. Made once for each domain: a site has few.
    pub fn separator(&self) -> Hash32 {
        let is_it = |(known, _): &&(KnownDomain, Hash32)| known.is(self);
        if let Some(separator) = SEPARATORS.with_borrow(|all| all.iter().find(is_it).map(|(_, separator)| *separator)) {
            return separator;
        }
        let separator = self.hashed();
        SEPARATORS.with_borrow_mut(|all| {
            if all.len() >= MAX_SEPARATORS {
                all.clear();
            }
            all.push((KnownDomain::from(self), separator));
        });
        separator
    }

    fn hashed(&self) -> Hash32 {
        let type_hash = if self.version.is_some() { DOMAIN_TYPE_HASH } else { DOMAIN_WITHOUT_VERSION_TYPE_HASH };
        let mut bytes = type_hash.to_vec();
        bytes.extend(keccak256(self.name.as_bytes()));
        bytes.extend(self.version.map(|version| keccak256(version.as_bytes())).iter().flatten());
        bytes.extend(uint_word(Uint256::from(self.chain_id)));
        bytes.extend(address_word(&self.verifying_contract));
        keccak256(&bytes)
    }
}

thread_local! {
    static SEPARATORS: RefCell<Vec<(KnownDomain, Hash32)>> = const { RefCell::new(Vec::new()) };
}

/// So many are kept.
const MAX_SEPARATORS: usize = 16;

struct KnownDomain {
    name: String,
    version: Option<String>,
    chain_id: u64,
    verifying_contract: Address,
}

impl KnownDomain {
    fn is(&self, domain: &Eip712Domain<'_>) -> bool {
        self.verifying_contract == domain.verifying_contract
            && self.chain_id == domain.chain_id
            && self.name == domain.name
            && self.version.as_deref() == domain.version
    }
}

impl From<&Eip712Domain<'_>> for KnownDomain {
    fn from(domain: &Eip712Domain<'_>) -> Self {
        Self {
            name: domain.name.to_owned(),
            version: domain.version.map(str::to_owned),
            chain_id: domain.chain_id,
            verifying_contract: domain.verifying_contract,
        }
    }
}

const DOMAIN: &str = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
const DOMAIN_WITHOUT_VERSION: &str = "EIP712Domain(string name,uint256 chainId,address verifyingContract)";

const DOMAIN_TYPE_HASH: Hash32 = keccak256(DOMAIN.as_bytes());
const DOMAIN_WITHOUT_VERSION_TYPE_HASH: Hash32 = keccak256(DOMAIN_WITHOUT_VERSION.as_bytes());

/// A struct that can be signed. The names are the EIP's own.
pub trait TypedStruct {
    /// `encodeType`: the type with its members, and the types it refers to in alphabetical order.
    const ENCODE_TYPE: &'static str;

    /// `typeHash = keccak256(encodeType)`, made when this is compiled.
    const TYPE_HASH: Hash32 = keccak256(Self::ENCODE_TYPE.as_bytes());

    /// `encodeData`: one word per member, in the order of the type.
    fn encode_data(&self) -> Vec<[u8; 32]>;

    /// `hashStruct = keccak256(typeHash ‖ encodeData)`.
    fn hash_struct(&self) -> Hash32 {
        let mut bytes = Self::TYPE_HASH.to_vec();
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
    fn a_separator_is_of_its_domain_however_many_are_known() {
        let one = Eip712Domain { name: "USDC", version: Some("2"), chain_id: 1, verifying_contract: Address::ZERO };
        let others = (0..40).map(|chain_id| Eip712Domain { chain_id, ..one.clone() }).chain([
            Eip712Domain { name: "USD", ..one.clone() },
            Eip712Domain { version: None, ..one.clone() },
            Eip712Domain { version: Some("1"), ..one.clone() },
            Eip712Domain { verifying_contract: Address::new([1; 20]), ..one.clone() },
        ]);
        for domain in others.collect::<Vec<_>>().iter().cycle().take(100) {
            for domain in [domain, &one] {
                assert_eq!(domain.separator(), domain.hashed(), "{domain:?}");
            }
        }
    }

    #[test]
    fn the_domain_type_hashes_are_the_published_ones() {
        for (type_hash, published) in [
            (DOMAIN_TYPE_HASH, "8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f"),
            (DOMAIN_WITHOUT_VERSION_TYPE_HASH, "8cad95687ba82c2ce50e74f7b754645e5117c3a5bec8151c0726d5857980a866"),
        ] {
            assert_eq!(hex::encode(type_hash), published);
        }
    }
}
