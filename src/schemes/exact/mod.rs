//! The `exact` scheme on EVM: pay precisely this amount (`specs/schemes/exact/scheme_exact_evm.md`).

mod eip3009;
mod permit2;

use crate::{
    evm::{Address, Hash32},
    time::UnixTime,
    x402::{PaymentPayload, PaymentRequirements},
};

use super::{CheckedPayment, Claim, Refusal, SmartWallets, permit2 as shared};

pub use eip3009::Authorization;
pub use permit2::{PROXY, Witness};

/// The scheme's name on the wire.
pub const SCHEME: &str = "exact";

/// The key in `extra` that says how the token is moved; without it by EIP-3009.
pub const ASSET_TRANSFER_METHOD: &str = "assetTransferMethod";

/// Judges a payment for an `exact` offer, by the transfer that the offer names.
pub fn check(
    payload: &PaymentPayload,
    requirements: &PaymentRequirements,
    now: UnixTime,
    smart_wallets: SmartWallets,
) -> Result<CheckedPayment, Refusal> {
    match requirements.extra(ASSET_TRANSFER_METHOD) {
        None | Some("eip3009") => eip3009::check(payload, requirements, now, smart_wallets),
        Some("permit2") => shared::check::<Witness>(payload, requirements, now, smart_wallets),
        Some(_) => Err(Refusal::PayloadType),
    }
}

/// The hash the payer should have signed, and who did sign it.
pub(super) fn signing_hash_of(
    payload: &PaymentPayload,
    requirements: &PaymentRequirements,
) -> Option<(Hash32, Option<Address>)> {
    match requirements.extra(ASSET_TRANSFER_METHOD) {
        Some("permit2") => shared::signing_hash_of::<Witness>(payload, requirements),
        _ => eip3009::signing_hash_of(payload, requirements),
    }
}

/// Whose payment this is, if its payer's own key signed it.
pub(super) fn claim_of(payload: &PaymentPayload, requirements: &PaymentRequirements) -> Option<Claim> {
    match requirements.extra(ASSET_TRANSFER_METHOD) {
        Some("permit2") => shared::claim_of::<Witness>(payload, requirements),
        _ => eip3009::claim_of(payload, requirements),
    }
}
