//! What `exact` and `upto` share of Permit2: one contract that moves any ERC-20 with the owner's signature.
//!
//! `permitWitnessTransferFrom`, spent once per owner and nonce (`specs/schemes/exact/scheme_exact_evm.md`).

use serde_json::{Value, json};

use crate::{
    evm::{Address, Eip712Domain, Hash32, TypedStruct, Uint256, address_word, signing_hash, uint_word},
    money::TransferMethod,
    time::UnixTime,
    x402::{PaymentPayload, PaymentRequirements},
};

use super::{CheckedPayment, Claim, EXPIRY_BUFFER_SECONDS, Refusal, SmartWallets, signature};

/// `0x000000000022D473030F116dDEE9F6B43aC78BA3`: the same on every chain.
pub const PERMIT2: Address = Address::new([
    0, 0, 0, 0, 0, 0x22, 0xd4, 0x73, 0x03, 0x0f, 0x11, 0x6d, 0xde, 0xe9, 0xf6, 0xb4, 0x3a, 0xc7, 0x8b, 0xa3,
]);

/// Why a Permit2 payment is refused, in the order of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit2Flaw {
    /// Lets another contract than the scheme's proxy move the money.
    Spender,
    /// Pays somebody else.
    Recipient,
    /// `upto`: lets another facilitator settle.
    Facilitator,
    /// Expired, or about to.
    DeadlineExpired,
    /// Not valid yet.
    NotYetValid,
    /// Another amount, less or more.
    Amount,
    /// Another token.
    Token,
    /// The signature is not the owner's.
    Signature,
}

impl Permit2Flaw {
    /// The code for the client.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Spender => "invalid_permit2_spender",
            Self::Recipient => "invalid_permit2_recipient_mismatch",
            Self::Facilitator => "upto_facilitator_mismatch",
            Self::DeadlineExpired => "permit2_deadline_expired",
            Self::NotYetValid => "permit2_not_yet_valid",
            Self::Amount => "permit2_amount_mismatch",
            Self::Token => "permit2_token_mismatch",
            Self::Signature => "invalid_permit2_signature",
        }
    }
}

/// Permit2's own `TokenPermissions`: which token, and at most how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPermissions {
    /// The token.
    pub token: Address,
    /// Atomic units.
    pub amount: Uint256,
}

impl TypedStruct for TokenPermissions {
    const ENCODE_TYPE: &'static str = "TokenPermissions(address token,uint256 amount)";

    fn encode_data(&self) -> Vec<[u8; 32]> {
        vec![address_word(&self.token), uint_word(self.amount)]
    }
}

/// What a scheme has the owner sign beside the transfer itself.
pub trait Witness: TypedStruct + Sized {
    /// `PermitWitnessTransferFrom(…)` with this witness, the structs it names in alphabetical order.
    const PERMIT_TYPE: &'static str;
    /// The contract that may move the money.
    const PROXY: Address;
    /// Reads `witness` strictly.
    fn read(witness: &Value) -> Option<Self>;
    /// The witness in one spelling.
    fn to_wire(&self) -> Value;
    /// Who is paid.
    fn to(&self) -> Address;
    /// Not valid before this second.
    fn valid_after(&self) -> Uint256;
    /// Whether it lets the right facilitator settle, where the scheme names one.
    fn names_facilitator_of(&self, requirements: &PaymentRequirements) -> bool;
}

/// What the owner signs: `PermitWitnessTransferFrom`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit2Authorization<W> {
    /// Who pays. Not signed: the signature says it.
    pub from: Address,
    /// What may be moved.
    pub permitted: TokenPermissions,
    /// Who may move it.
    pub spender: Address,
    /// Chosen by the owner, spent once per owner, whatever the token.
    pub nonce: Uint256,
    /// Not valid after this second.
    pub deadline: Uint256,
    /// The scheme's part.
    pub witness: W,
}

impl<W: Witness> TypedStruct for Permit2Authorization<W> {
    const ENCODE_TYPE: &'static str = W::PERMIT_TYPE;

    fn encode_data(&self) -> Vec<[u8; 32]> {
        vec![
            self.permitted.hash_struct(),
            address_word(&self.spender),
            uint_word(self.nonce),
            uint_word(self.deadline),
            self.witness.hash_struct(),
        ]
    }
}

impl<W: Witness> Permit2Authorization<W> {
    /// Reads `payload.permit2Authorization` strictly: texts only, decimal numbers; the nonce also in hexadecimal.
    fn read(payload: &Value) -> Option<Self> {
        let authorization = payload.get("permit2Authorization")?;
        let permitted = authorization.get("permitted")?;
        Some(Self {
            from: text(authorization, "from")?.parse().ok()?,
            permitted: TokenPermissions {
                token: text(permitted, "token")?.parse().ok()?,
                amount: text(permitted, "amount")?.parse().ok()?,
            },
            spender: text(authorization, "spender")?.parse().ok()?,
            nonce: read_nonce(text(authorization, "nonce")?)?,
            deadline: text(authorization, "deadline")?.parse().ok()?,
            witness: W::read(authorization.get("witness")?)?,
        })
    }

    /// The payload in one spelling: what was checked is what the facilitator reads, whatever its parser.
    fn to_payload(&self, signature: &str) -> Value {
        json!({
            "signature": signature,
            "permit2Authorization": {
                "from": self.from.to_string(),
                "permitted": { "token": self.permitted.token.to_string(), "amount": self.permitted.amount.to_string() },
                "spender": self.spender.to_string(),
                "nonce": self.nonce.to_string(),
                "deadline": self.deadline.to_string(),
                "witness": self.witness.to_wire(),
            },
        })
    }

    /// The hash that is signed on a chain.
    pub fn digest(&self, chain_id: u64) -> Hash32 {
        signing_hash(&domain(chain_id), self)
    }

    /// Everything but the signature, in the specification's order.
    fn check(&self, requirements: &PaymentRequirements, now: UnixTime) -> Result<(), Permit2Flaw> {
        let wrong = [
            (self.spender != W::PROXY, Permit2Flaw::Spender),
            (self.witness.to() != requirements.pay_to(), Permit2Flaw::Recipient),
            (!self.witness.names_facilitator_of(requirements), Permit2Flaw::Facilitator),
            (self.deadline < Uint256::from(now.plus(EXPIRY_BUFFER_SECONDS)), Permit2Flaw::DeadlineExpired),
            (self.witness.valid_after() > Uint256::from(now), Permit2Flaw::NotYetValid),
            (self.permitted.amount != requirements.amount().units(), Permit2Flaw::Amount),
            (self.permitted.token != requirements.asset(), Permit2Flaw::Token),
        ];
        wrong.into_iter().find(|(wrong, _)| *wrong).map_or(Ok(()), |(_, flaw)| Err(flaw))
    }
}

/// Permit2's EIP-712 domain: it has no version.
pub(super) fn domain(chain_id: u64) -> Eip712Domain<'static> {
    Eip712Domain { name: "Permit2", version: None, chain_id, verifying_contract: PERMIT2 }
}

pub(super) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

/// Clients write it in decimal; the specification's example is hexadecimal.
pub(super) fn read_nonce(text: &str) -> Option<Uint256> {
    Uint256::from_hex(text).or_else(|| text.parse().ok())
}

/// Judges a Permit2 payment; the caller has seen that the offer takes one.
pub(super) fn check<W: Witness>(
    payload: &PaymentPayload,
    requirements: &PaymentRequirements,
    now: UnixTime,
    smart_wallets: SmartWallets,
) -> Result<CheckedPayment, Refusal> {
    let scheme_payload = payload.get("payload").ok_or(Refusal::InvalidPayload)?;
    // Facilitators choose the transfer by the key alone: with the other one there, they might settle what we did
    // not check.
    if scheme_payload.get("authorization").is_some() {
        return Err(Refusal::PayloadType);
    }
    let authorization = Permit2Authorization::<W>::read(scheme_payload).ok_or(Refusal::InvalidPayload)?;
    let signature = text(scheme_payload, "signature").ok_or(Refusal::InvalidPayload)?;
    authorization.check(requirements, now).map_err(Refusal::Permit2)?;
    let digest = authorization.digest(requirements.network().chain_id());
    let (proof, signature) = signature::judge(signature, &digest, authorization.from, smart_wallets)
        .ok_or(Refusal::Permit2(Permit2Flaw::Signature))?;
    Ok(CheckedPayment {
        payload: payload.restated(requirements, authorization.to_payload(&signature)),
        requirements: requirements.clone(),
        payer: authorization.from,
        nonce: authorization.nonce.to_be_bytes(),
        digest,
        valid_before: authorization.deadline,
        transfer: TransferMethod::Permit2,
        proof,
    })
}

/// The hash the owner should have signed, and who did sign it.
pub(super) fn signing_hash_of<W: Witness>(
    payload: &PaymentPayload,
    requirements: &PaymentRequirements,
) -> Option<(Hash32, Option<Address>)> {
    let payload = payload.get("payload")?;
    let digest = Permit2Authorization::<W>::read(payload)?.digest(requirements.network().chain_id());
    Some((digest, text(payload, "signature").and_then(|text| signature::signer(text, &digest))))
}

/// Whose payment this is, if its owner's own key signed it.
pub(super) fn claim_of<W: Witness>(payload: &PaymentPayload, requirements: &PaymentRequirements) -> Option<Claim> {
    let (digest, signer) = signing_hash_of::<W>(payload, requirements)?;
    let authorization = Permit2Authorization::<W>::read(payload.get("payload")?)?;
    (signer == Some(authorization.from)).then_some(Claim {
        payer: authorization.from,
        nonce: authorization.nonce.to_be_bytes(),
        digest,
        value: authorization.permitted.amount,
        nonce_contract: PERMIT2,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_permit2_is_the_published_one() {
        assert_eq!(PERMIT2.to_string(), "0x000000000022D473030F116dDEE9F6B43aC78BA3");
    }

    #[test]
    fn a_nonce_is_decimal_or_hexadecimal() {
        assert_eq!(read_nonce("16"), read_nonce("0x10"));
        for text in ["", "0x", "x10", "-1", "1.0", "0xg", " 1"] {
            assert_eq!(read_nonce(text), None, "{text:?}");
        }
    }
}
