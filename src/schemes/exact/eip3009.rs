//! EIP-3009 `transferWithAuthorization`: payload, typed struct, and the checks in the specification's order.

use serde_json::{Value, json};

use crate::{
    evm::{Address, Hash32, TypedStruct, Uint256, address_word, signing_hash, uint_word},
    money::TransferMethod,
    schemes::{CheckedPayment, Claim, EXPIRY_BUFFER_SECONDS, Refusal, SmartWallets, signature, token_domain},
    time::UnixTime,
    x402::{PaymentPayload, PaymentRequirements},
};

/// What the payer signed: the six members of EIP-3009's `TransferWithAuthorization`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// Who pays.
    pub from: Address,
    /// Who is paid.
    pub to: Address,
    /// How much, in atomic units.
    pub value: Uint256,
    /// Not valid at or before this second.
    pub valid_after: Uint256,
    /// Not valid at or after this second.
    pub valid_before: Uint256,
    /// Chosen by the payer, spent once per token and payer.
    pub nonce: Hash32,
}

impl TypedStruct for Authorization {
    const ENCODE_TYPE: &'static str = "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)";

    fn encode_data(&self) -> Vec<[u8; 32]> {
        vec![
            address_word(&self.from),
            address_word(&self.to),
            uint_word(self.value),
            uint_word(self.valid_after),
            uint_word(self.valid_before),
            self.nonce,
        ]
    }
}

impl Authorization {
    /// Reads `payload.authorization` strictly: texts only, decimal numbers, `0x` and full length for bytes.
    fn read(payload: &Value) -> Option<Self> {
        let authorization = payload.get("authorization")?;
        let text = |key| authorization.get(key).and_then(Value::as_str);
        let mut nonce = [0; 32];
        hex::decode_to_slice(text("nonce")?.strip_prefix("0x")?, &mut nonce).ok()?;
        Some(Self {
            from: text("from")?.parse().ok()?,
            to: text("to")?.parse().ok()?,
            value: text("value")?.parse().ok()?,
            valid_after: text("validAfter")?.parse().ok()?,
            valid_before: text("validBefore")?.parse().ok()?,
            nonce,
        })
    }

    /// The payload in one spelling: what was checked is what the facilitator reads, whatever its parser.
    fn to_payload(&self, signature: &str) -> Value {
        json!({
            "signature": signature,
            "authorization": {
                "from": self.from.to_string(),
                "to": self.to.to_string(),
                "value": self.value.to_string(),
                "validAfter": self.valid_after.to_string(),
                "validBefore": self.valid_before.to_string(),
                "nonce": format!("0x{}", hex::encode(self.nonce)),
            },
        })
    }
}

/// The hash the payer should have signed, and who did sign it. For reports: it judges nothing.
pub(super) fn signing_hash_of(
    payload: &PaymentPayload,
    requirements: &PaymentRequirements,
) -> Option<(Hash32, Option<Address>)> {
    let payload = payload.get("payload")?;
    let hash = signing_hash(&token_domain(requirements)?, &Authorization::read(payload)?);
    let signature = payload.get("signature").and_then(Value::as_str);
    Some((hash, signature.and_then(|text| signature::signer(text, &hash))))
}

/// Reads whose payment this is, if its payer's own key signed it under `requirements`' token and network.
pub(super) fn claim_of(payload: &PaymentPayload, requirements: &PaymentRequirements) -> Option<Claim> {
    let (digest, signer) = signing_hash_of(payload, requirements)?;
    let authorization = Authorization::read(payload.get("payload")?)?;
    let Authorization { from, nonce, value, .. } = authorization;
    let nonce_contract = requirements.asset();
    (signer == Some(from)).then_some(Claim { payer: from, nonce, digest, value, nonce_contract })
}

/// Judges an EIP-3009 payment for an `exact` offer.
pub(super) fn check(
    payload: &PaymentPayload,
    requirements: &PaymentRequirements,
    now: UnixTime,
    smart_wallets: SmartWallets,
) -> Result<CheckedPayment, Refusal> {
    let scheme_payload = payload.get("payload").ok_or(Refusal::InvalidPayload)?;
    // Facilitators choose the transfer by this key alone: with it they would settle what we did not check.
    if scheme_payload.get("permit2Authorization").is_some() {
        return Err(Refusal::PayloadType);
    }
    let authorization = Authorization::read(scheme_payload).ok_or(Refusal::InvalidPayload)?;
    let signature = scheme_payload.get("signature").and_then(Value::as_str).ok_or(Refusal::InvalidPayload)?;

    let domain = token_domain(requirements).ok_or(Refusal::MissingDomain)?;
    let hash = signing_hash(&domain, &authorization);
    let (proof, signature) =
        signature::judge(signature, &hash, authorization.from, smart_wallets).ok_or(Refusal::Signature)?;
    if authorization.to != requirements.pay_to() {
        return Err(Refusal::Recipient);
    }
    if authorization.valid_before < Uint256::from(now.plus(EXPIRY_BUFFER_SECONDS)) {
        return Err(Refusal::ValidBefore);
    }
    if authorization.valid_after > Uint256::from(now) {
        return Err(Refusal::ValidAfter);
    }
    if authorization.value != requirements.amount().units() {
        return Err(Refusal::Value);
    }
    Ok(CheckedPayment {
        payload: payload.restated(requirements, authorization.to_payload(&signature)),
        requirements: requirements.clone(),
        payer: authorization.from,
        nonce: authorization.nonce,
        digest: hash,
        valid_before: authorization.valid_before,
        transfer: TransferMethod::Eip3009,
        proof,
    })
}
