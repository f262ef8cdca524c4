//! The `upto` scheme on EVM: pay what was used, up to a signed maximum (`specs/schemes/upto/scheme_upto_evm.md`).

mod permit2;

use crate::{
    evm::{Address, Hash32},
    time::UnixTime,
    x402::{PaymentPayload, PaymentRequirements},
};

use super::{CheckedPayment, Claim, Refusal, SmartWallets, permit2 as shared};

pub use permit2::{PROXY, Witness};

/// The scheme's name on the wire.
pub const SCHEME: &str = "upto";

/// The key in `extra` that names who alone may settle. Facilitators say it in `/supported`.
pub const FACILITATOR_ADDRESS: &str = "facilitatorAddress";

/// Judges an `upto` payment: its maximum must equal the offer's.
pub fn check(
    payload: &PaymentPayload,
    requirements: &PaymentRequirements,
    now: UnixTime,
    smart_wallets: SmartWallets,
) -> Result<CheckedPayment, Refusal> {
    shared::check::<Witness>(payload, requirements, now, smart_wallets)
}

/// The hash the payer should have signed, and who did sign it.
pub(super) fn signing_hash_of(
    payload: &PaymentPayload,
    requirements: &PaymentRequirements,
) -> Option<(Hash32, Option<Address>)> {
    shared::signing_hash_of::<Witness>(payload, requirements)
}

/// Whose payment this is, if its payer's own key signed it.
pub(super) fn claim_of(payload: &PaymentPayload, requirements: &PaymentRequirements) -> Option<Claim> {
    shared::claim_of::<Witness>(payload, requirements)
}
