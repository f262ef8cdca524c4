//! Logic: is this payment what it says? Judged here without any network call.
//!
//! What only the chain knows (balance, used nonces, contract wallets) is left to the facilitator.
//! Specification: `specs/schemes/`.

pub mod exact;
mod refusal;

use crate::{
    evm::{Address, Hash32, Uint256},
    time::UnixTime,
    x402::{FacilitatorRequest, PaymentPayload, PaymentRequirements, ResourceInfo},
};

pub use refusal::Refusal;

/// What to do with a signature that only a contract could have made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SmartWallets {
    /// Refuse it: only ordinary accounts can pay.
    #[default]
    Refuse,
    /// Let the facilitator decide: it can ask the wallet's contract.
    Defer,
}

/// Why the edge could not judge a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deferral {
    /// An ERC-6492 wrapper.
    Erc6492,
    /// Not 65 bytes.
    NotSixtyFiveBytes,
    /// 65 bytes that are no ECDSA signature.
    NotEcdsa,
    /// Somebody else's ECDSA signature: perhaps the wallet's owner's.
    RecoversToOther,
}

impl Deferral {
    /// A word for reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Erc6492 => "erc6492_signature",
            Self::NotSixtyFiveBytes => "signature_not_65_bytes",
            Self::NotEcdsa => "signature_not_ecdsa",
            Self::RecoversToOther => "signature_recovers_to_other",
        }
    }
}

/// How sure the edge is of the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The payer's own key signed it.
    Recovered,
    /// Everything else is right; the signature is for the facilitator to judge.
    Deferred(Deferral),
}

/// A payment that is right in everything the edge can see. Only [`check`] makes one.
#[derive(Debug, Clone)]
pub struct CheckedPayment {
    payload: PaymentPayload,
    requirements: PaymentRequirements,
    payer: Address,
    nonce: Hash32,
    digest: Hash32,
    valid_before: Uint256,
    proof: Proof,
}

impl CheckedPayment {
    /// The payload to forward: re-written from what was checked, v as 27 or 28.
    pub const fn payload(&self) -> &PaymentPayload {
        &self.payload
    }

    /// The same payment, with our name for what is bought.
    #[must_use]
    pub fn for_resource(self, resource: &ResourceInfo) -> Self {
        Self { payload: self.payload.for_resource(resource), ..self }
    }

    /// Our offer that it pays.
    pub const fn requirements(&self) -> &PaymentRequirements {
        &self.requirements
    }

    /// Who pays: EIP-3009 `from`.
    pub const fn payer(&self) -> Address {
        self.payer
    }

    /// EIP-3009 `nonce`. With network, asset and payer it names the payment; the signature's bytes do not.
    pub const fn nonce(&self) -> &Hash32 {
        &self.nonce
    }

    /// The EIP-712 hash that was signed: it names the payment and everything it says.
    pub const fn digest(&self) -> &Hash32 {
        &self.digest
    }

    /// From this second on it cannot be settled; the end of time where the payer set none in this age.
    pub fn expires_at(&self) -> UnixTime {
        let bytes = self.valid_before.to_be_bytes();
        let (high, low) = bytes.split_at(24);
        let fits = high.iter().all(|byte| *byte == 0);
        UnixTime(low.try_into().ok().filter(|_| fits).map_or(u64::MAX, u64::from_be_bytes))
    }

    /// How sure we are.
    pub const fn proof(&self) -> Proof {
        self.proof
    }

    /// Whether it could still be settled at `now`, with the buffer that facilitators demand.
    pub fn settles_at(&self, now: UnixTime) -> bool {
        self.valid_before >= Uint256::from(now.plus(exact::EXPIRY_BUFFER_SECONDS))
    }

    /// The body for the facilitator.
    pub fn facilitator_request(&self) -> FacilitatorRequest<'_> {
        FacilitatorRequest::new(&self.payload, &self.requirements)
    }
}

/// Judges a payment for `requirements`, an offer of ours that the payload accepted.
pub fn check(
    payload: &PaymentPayload,
    requirements: &PaymentRequirements,
    now: UnixTime,
    smart_wallets: SmartWallets,
) -> Result<CheckedPayment, Refusal> {
    match requirements.scheme() {
        exact::SCHEME => exact::check(payload, requirements, now, smart_wallets),
        _ => Err(Refusal::Scheme),
    }
}
