//! A second opinion: our typed structs hash as those of `alloy-sol-types` do.

#![allow(clippy::unwrap_used, missing_docs)]

use alloy_sol_types::{Eip712Domain as AlloyDomain, SolStruct, sol};
use proptest::prelude::*;
use x402_edge::{
    evm::{Address, Eip712Domain, TypedStruct, Uint256, signing_hash},
    schemes::exact::Authorization,
};

sol! {
    struct TransferWithAuthorization {
        address from;
        address to;
        uint256 value;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
    }
}

proptest! {
    #[test]
    fn an_authorization_hashes_as_in_alloy(
        from: [u8; 20], to: [u8; 20], numbers: [[u8; 32]; 3], nonce: [u8; 32],
        name in "\\PC{1,40}", version in "\\PC{1,8}", chain_id: u64, contract: [u8; 20],
    ) {
        let ours = Authorization {
            from: Address::new(from),
            to: Address::new(to),
            value: Uint256::from_be_bytes(numbers[0]),
            valid_after: Uint256::from_be_bytes(numbers[1]),
            valid_before: Uint256::from_be_bytes(numbers[2]),
            nonce,
        };
        let [value, valid_after, valid_before] = numbers.map(alloy_primitives::U256::from_be_bytes);
        let theirs = TransferWithAuthorization {
            from: from.into(), to: to.into(), value, validAfter: valid_after, validBefore: valid_before, nonce: nonce.into(),
        };
        let our_domain = Eip712Domain { name: &name, version: &version, chain_id, verifying_contract: Address::new(contract) };
        let their_domain = AlloyDomain {
            name: Some(name.clone().into()),
            version: Some(version.clone().into()),
            chain_id: Some(alloy_primitives::U256::from(chain_id)),
            verifying_contract: Some(contract.into()),
            salt: None,
        };
        prop_assert_eq!(our_domain.separator(), their_domain.separator().0);
        prop_assert_eq!(ours.hash_struct(), theirs.eip712_hash_struct().0);
        prop_assert_eq!(signing_hash(&our_domain, &ours), theirs.eip712_signing_hash(&their_domain).0);
    }

    #[test]
    fn numbers_and_addresses_are_written_as_in_alloy(word: [u8; 32], bytes: [u8; 20]) {
        let number = Uint256::from_be_bytes(word);
        prop_assert_eq!(number.to_string(), alloy_primitives::U256::from_be_bytes(word).to_string());
        prop_assert_eq!(number.to_string().parse(), Ok(number));
        prop_assert_eq!(Address::new(bytes).to_string(), alloy_primitives::Address::from(bytes).to_checksum(None));
    }
}
