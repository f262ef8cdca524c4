//! Facts of the Ethereum Virtual Machine: addresses, Keccak-256, EIP-712, ECDSA signing and recovery.
//!
//! Knows nothing of x402, HTTP or money.

mod address;
mod eip712;
mod keccak;
mod signature;
mod signer;
mod uint256;

pub use address::{Address, ParseAddressError};
pub use eip712::{Eip712Domain, TypedStruct, address_word, signing_hash, uint_word};
pub use keccak::{Hash32, keccak256};
pub use signature::{Recovered, Signature, SignatureForm};
pub use signer::{BadKey, Signer};
pub use uint256::{ParseUintError, Uint256};
