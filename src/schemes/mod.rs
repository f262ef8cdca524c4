//! Logic: is this payment what it says? Judged here without any network call.
//!
//! What only the chain knows (balance, used nonces, contract wallets) is left to the facilitator.
//! Specification: `specs/schemes/`.

pub mod batch_settlement;
pub mod exact;
mod permit2;
mod refusal;
mod signature;
pub mod upto;

use crate::{
    evm::{Address, Eip712Domain, Hash32, Uint256},
    money::{Amount, TransferMethod},
    time::UnixTime,
    x402::{FacilitatorRequest, PaymentPayload, PaymentRequirements, ResourceInfo},
};

pub use permit2::{PERMIT2, Permit2Authorization, Permit2Flaw, TokenPermissions};
pub use refusal::Refusal;

/// Facilitators refuse an authorization that expires sooner than this: a block must still be mined.
pub const EXPIRY_BUFFER_SECONDS: u64 = 6;

/// A payment whose answer does not wait for the settlement stays good for so long at least.
pub const QUEUED_WITHIN_SECONDS: u64 = 60;

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
    transfer: TransferMethod,
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

    /// Who pays: EIP-3009 `from`, the owner at Permit2.
    pub const fn payer(&self) -> Address {
        self.payer
    }

    /// The nonce. With network, [`Self::nonce_contract`] and payer it names the payment; the signature's bytes do
    /// not.
    pub const fn nonce(&self) -> &Hash32 {
        &self.nonce
    }

    /// The contract in which the nonce is spent: the token by EIP-3009; else Permit2, one for all tokens.
    pub const fn nonce_contract(&self) -> Address {
        match self.transfer {
            TransferMethod::Eip3009 => self.requirements.asset(),
            TransferMethod::Permit2 => PERMIT2,
        }
    }

    /// How the money is moved.
    pub const fn transfer(&self) -> TransferMethod {
        self.transfer
    }

    /// The EIP-712 hash that was signed: it names the payment and everything it says.
    pub const fn digest(&self) -> &Hash32 {
        &self.digest
    }

    /// From this second on it cannot be settled; the end of time where the payer set none in this age.
    pub fn expires_at(&self) -> UnixTime {
        UnixTime(self.valid_before.to_u64().unwrap_or(u64::MAX))
    }

    /// Whether less may be charged than was signed.
    pub fn is_metered(&self) -> bool {
        self.requirements.scheme() == upto::SCHEME
    }

    /// How sure we are.
    pub const fn proof(&self) -> Proof {
        self.proof
    }

    /// Whether it could still be settled at `now`, with the buffer that facilitators demand.
    pub fn settles_at(&self, now: UnixTime) -> bool {
        self.valid_before >= Uint256::from(now.plus(EXPIRY_BUFFER_SECONDS))
    }

    /// Whether it can be settled for a while yet, so that its answer need not wait for it.
    pub fn stays_good(&self, now: UnixTime) -> bool {
        self.valid_before >= Uint256::from(now.plus(QUEUED_WITHIN_SECONDS))
    }

    /// The body for the facilitator.
    pub fn facilitator_request(&self) -> FacilitatorRequest<'_> {
        FacilitatorRequest::new(&self.payload, &self.requirements)
    }

    /// What is charged of it: what was signed, but where less may be charged `used`, and never more than was signed.
    pub fn charge(&self, used: Option<Amount>) -> Amount {
        let signed = self.requirements.amount();
        used.filter(|_| self.is_metered()).map_or(signed, |used| used.min(signed))
    }
}

/// A payment as its payer named and signed it, whatever it costs today and whenever it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who signed, and pays.
    pub payer: Address,
    /// The nonce.
    pub nonce: Hash32,
    /// The hash that was signed.
    pub digest: Hash32,
    /// The amount that was signed.
    pub value: Uint256,
    /// The contract in which the nonce is spent.
    pub nonce_contract: Address,
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
        upto::SCHEME => upto::check(payload, requirements, now, smart_wallets),
        _ => Err(Refusal::Scheme),
    }
}

/// The hash the payer should have signed, and who did sign it. For reports: it judges nothing.
pub fn signing_hash_of(
    payload: &PaymentPayload,
    requirements: &PaymentRequirements,
) -> Option<(Hash32, Option<Address>)> {
    match requirements.scheme() {
        exact::SCHEME => exact::signing_hash_of(payload, requirements),
        upto::SCHEME => upto::signing_hash_of(payload, requirements),
        batch_settlement::SCHEME => batch_settlement::signing_hash_of(payload, requirements),
        _ => None,
    }
}

/// Reads whose payment this is, if its payer's own key signed it under `requirements`' token and network.
pub fn claim_of(payload: &PaymentPayload, requirements: &PaymentRequirements) -> Option<Claim> {
    match requirements.scheme() {
        exact::SCHEME => exact::claim_of(payload, requirements),
        upto::SCHEME => upto::claim_of(payload, requirements),
        _ => None,
    }
}

/// The token's EIP-712 domain, from `extra.name` and `extra.version`.
fn token_domain(requirements: &PaymentRequirements) -> Option<Eip712Domain<'_>> {
    Some(Eip712Domain {
        name: requirements.extra("name").filter(|name| !name.is_empty())?,
        version: Some(requirements.extra("version").filter(|version| !version.is_empty())?),
        chain_id: requirements.network().chain_id(),
        verifying_contract: requirements.asset(),
    })
}
