//! A second opinion: our typed structs hash as those of `alloy-sol-types` do.

#![allow(clippy::unwrap_used, missing_docs)]

use alloy_sol_types::{Eip712Domain as AlloyDomain, SolStruct, sol};
use proptest::prelude::*;
use x402_edge::{
    evm::{Address, Eip712Domain, TypedStruct, Uint256, signing_hash},
    schemes::{
        self, Permit2Authorization, TokenPermissions as OurPermissions,
        batch_settlement::{self, ChannelConfig as OurConfig, DepositPermit, ReceiveAuthorization},
        exact::{self, Authorization},
        upto,
    },
};

/// Structs of one name in different schemes.
mod theirs {
    pub(super) mod exact {
        alloy_sol_types::sol! {
            struct TokenPermissions { address token; uint256 amount; }
            struct Witness { address to; uint256 validAfter; }
            struct PermitWitnessTransferFrom {
                TokenPermissions permitted; address spender; uint256 nonce; uint256 deadline; Witness witness;
            }
        }
    }
    pub(super) mod upto {
        alloy_sol_types::sol! {
            struct TokenPermissions { address token; uint256 amount; }
            struct Witness { address to; address facilitator; uint256 validAfter; }
            struct PermitWitnessTransferFrom {
                TokenPermissions permitted; address spender; uint256 nonce; uint256 deadline; Witness witness;
            }
        }
    }
    pub(super) mod channel {
        alloy_sol_types::sol! {
            struct TokenPermissions { address token; uint256 amount; }
            struct DepositWitness { bytes32 channelId; }
            struct PermitWitnessTransferFrom {
                TokenPermissions permitted; address spender; uint256 nonce; uint256 deadline; DepositWitness witness;
            }
            struct ReceiveWithAuthorization {
                address from; address to; uint256 value; uint256 validAfter; uint256 validBefore; bytes32 nonce;
            }
            struct ChannelConfig {
                address payer; address payerAuthorizer; address receiver; address receiverAuthorizer; address token;
                uint40 withdrawDelay; bytes32 salt;
            }
            struct Voucher { bytes32 channelId; uint128 maxClaimableAmount; }
            struct Refund { bytes32 channelId; uint256 nonce; uint128 amount; }
            struct ClaimEntry { bytes32 channelId; uint128 maxClaimableAmount; uint128 totalClaimed; }
            struct ClaimBatch { ClaimEntry[] claims; }
        }
    }
}

fn u256(word: [u8; 32]) -> alloy_primitives::U256 {
    alloy_primitives::U256::from_be_bytes(word)
}

fn wide(number: u128) -> Uint256 {
    number.to_string().parse().unwrap()
}

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
        let our_domain = Eip712Domain { name: &name, version: Some(&version), chain_id, verifying_contract: Address::new(contract) };
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
    fn permits_hash_as_in_alloy(
        addresses: [[u8; 20]; 4], numbers: [[u8; 32]; 4], channel_id: [u8; 32], chain_id: u64,
    ) {
        let [token, spender, to, facilitator] = addresses.map(Address::new);
        let [amount, nonce, deadline, valid_after] = numbers.map(Uint256::from_be_bytes);
        let [their_token, their_spender, their_to, their_facilitator] = addresses.map(alloy_primitives::Address::from);
        let [their_amount, their_nonce, their_deadline, their_valid_after] = numbers.map(u256);
        let permitted = OurPermissions { token, amount };
        let their_domain = AlloyDomain {
            name: Some("Permit2".into()),
            version: None,
            chain_id: Some(alloy_primitives::U256::from(chain_id)),
            verifying_contract: Some((*schemes::PERMIT2.as_bytes()).into()),
            salt: None,
        };
        let from = Address::ZERO;
        let ours = Permit2Authorization {
            from, permitted: permitted.clone(), spender, nonce, deadline, witness: exact::Witness { to, valid_after },
        };
        let theirs = theirs::exact::PermitWitnessTransferFrom {
            permitted: theirs::exact::TokenPermissions { token: their_token, amount: their_amount },
            spender: their_spender, nonce: their_nonce, deadline: their_deadline,
            witness: theirs::exact::Witness { to: their_to, validAfter: their_valid_after },
        };
        prop_assert_eq!(ours.digest(chain_id), theirs.eip712_signing_hash(&their_domain).0);
        let ours = Permit2Authorization {
            from, permitted: permitted.clone(), spender, nonce, deadline,
            witness: upto::Witness { to, facilitator, valid_after },
        };
        let theirs = theirs::upto::PermitWitnessTransferFrom {
            permitted: theirs::upto::TokenPermissions { token: their_token, amount: their_amount },
            spender: their_spender, nonce: their_nonce, deadline: their_deadline,
            witness: theirs::upto::Witness { to: their_to, facilitator: their_facilitator, validAfter: their_valid_after },
        };
        prop_assert_eq!(ours.digest(chain_id), theirs.eip712_signing_hash(&their_domain).0);
        let ours = DepositPermit { permitted, spender, nonce, deadline, channel_id };
        let theirs = theirs::channel::PermitWitnessTransferFrom {
            permitted: theirs::channel::TokenPermissions { token: their_token, amount: their_amount },
            spender: their_spender, nonce: their_nonce, deadline: their_deadline,
            witness: theirs::channel::DepositWitness { channelId: channel_id.into() },
        };
        prop_assert_eq!(ours.hash_struct(), theirs.eip712_hash_struct().0);
    }

    #[test]
    fn what_is_signed_over_a_channel_hashes_as_in_alloy(
        addresses: [[u8; 20]; 5], withdraw_delay in 0u64..1 << 40, salt: [u8; 32], ids: [[u8; 32]; 2], amounts: [u128; 4],
        numbers: [[u8; 32]; 3],
    ) {
        let [payer, payer_authorizer, receiver, receiver_authorizer, token] = addresses.map(Address::new);
        let [a, b, c, d, e] = addresses.map(alloy_primitives::Address::from);
        let ours = OurConfig { payer, payer_authorizer, receiver, receiver_authorizer, token, withdraw_delay, salt };
        let theirs = theirs::channel::ChannelConfig {
            payer: a, payerAuthorizer: b, receiver: c, receiverAuthorizer: d, token: e,
            withdrawDelay: alloy_primitives::Uint::from(withdraw_delay), salt: salt.into(),
        };
        prop_assert_eq!(ours.hash_struct(), theirs.eip712_hash_struct().0);
        let [value, valid_after, valid_before] = numbers.map(Uint256::from_be_bytes);
        let ours = Authorization { from: payer, to: receiver, value, valid_after, valid_before, nonce: salt };
        let ours = ReceiveAuthorization(ours);
        let [value, after, before] = numbers.map(u256);
        let theirs = theirs::channel::ReceiveWithAuthorization {
            from: a, to: c, value, validAfter: after, validBefore: before, nonce: salt.into(),
        };
        prop_assert_eq!(ours.hash_struct(), theirs.eip712_hash_struct().0);
        let [first, second] = ids;
        let ours = batch_settlement::Voucher { channel_id: first, max_claimable_amount: wide(amounts[0]) };
        let theirs = theirs::channel::Voucher { channelId: first.into(), maxClaimableAmount: amounts[0] };
        prop_assert_eq!(ours.hash_struct(), theirs.eip712_hash_struct().0);
        let ours = batch_settlement::Refund { channel_id: first, nonce: Uint256::from_be_bytes(salt), amount: wide(amounts[1]) };
        let theirs = theirs::channel::Refund { channelId: first.into(), nonce: u256(salt), amount: amounts[1] };
        prop_assert_eq!(ours.hash_struct(), theirs.eip712_hash_struct().0);
        let entries = [(first, amounts[0], amounts[1]), (second, amounts[2], amounts[3])];
        for number in 0..=2 {
            let ours = batch_settlement::ClaimBatch {
                claims: entries.iter().take(number).map(|(id, max, total)| batch_settlement::ClaimEntry {
                    channel_id: *id, max_claimable_amount: wide(*max), total_claimed: wide(*total),
                }).collect(),
            };
            let theirs = theirs::channel::ClaimBatch {
                claims: entries.iter().take(number).map(|(id, max, total)| theirs::channel::ClaimEntry {
                    channelId: (*id).into(), maxClaimableAmount: *max, totalClaimed: *total,
                }).collect(),
            };
            prop_assert_eq!(ours.hash_struct(), theirs.eip712_hash_struct().0);
        }
    }

    #[test]
    fn sums_differences_and_bits_are_those_of_alloy(
        a: [u8; 32], b: [u8; 32], bit: u8, parts in 0u16..=10_000,
    ) {
        let (ours, other) = (Uint256::from_be_bytes(a), Uint256::from_be_bytes(b));
        let bytes = |number: Option<alloy_primitives::U256>| number.map(|number| Uint256::from_be_bytes(number.to_be_bytes()));
        prop_assert_eq!(ours.checked_add(other), bytes(u256(a).checked_add(u256(b))));
        prop_assert_eq!(ours.checked_sub(other), bytes(u256(a).checked_sub(u256(b))));
        let part = u256(a).widening_mul::<16, 1, 272, 5>(alloy_primitives::Uint::from(parts)) / alloy_primitives::Uint::from(10_000);
        prop_assert_eq!(ours.ten_thousandths(parts), Uint256::from_be_bytes(part.to::<alloy_primitives::U256>().to_be_bytes()));
        prop_assert_eq!(ours.bit(bit), u256(a).bit(usize::from(bit)));
        prop_assert_eq!(ours.fits_in_128_bits(), u256(a).bit_len() <= 128);
        prop_assert_eq!(Uint256::from_hex(&format!("{:#x}", u256(a))), Some(ours));
    }

    #[test]
    fn numbers_and_addresses_are_written_as_in_alloy(word: [u8; 32], bytes: [u8; 20]) {
        let number = Uint256::from_be_bytes(word);
        prop_assert_eq!(number.to_string(), alloy_primitives::U256::from_be_bytes(word).to_string());
        prop_assert_eq!(number.to_string().parse(), Ok(number));
        prop_assert_eq!(Address::new(bytes).to_string(), alloy_primitives::Address::from(bytes).to_checksum(None));
    }
}
