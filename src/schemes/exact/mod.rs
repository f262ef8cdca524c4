//! The `exact` scheme on EVM: pay precisely this amount (`specs/schemes/exact/scheme_exact_evm.md`).

mod eip3009;

pub use eip3009::{Authorization, Claim, EXPIRY_BUFFER_SECONDS, check, claim_of, signing_hash_of};

/// The scheme's name on the wire.
pub const SCHEME: &str = "exact";
