//! A wallet with a key of its own.

use k256::ecdsa::SigningKey;
use serde_json::{Value, json};
use x402_edge::{
    evm::{Address, Hash32, keccak256},
    extensions::sign_in_with_x::Proof,
    gate::OurAnswer,
    schemes::exact::signing_hash_of,
    transports::http::encode_header,
    x402::{PaymentPayload, PaymentRequirements},
};

pub struct Wallet(SigningKey);

impl Wallet {
    /// The wallet with this key.
    pub fn new(key: u8) -> Self {
        Self(SigningKey::from_slice(&[key; 32]).unwrap())
    }

    pub fn address(&self) -> Address {
        let point = self.0.verifying_key().to_sec1_point(false);
        Address::new(keccak256(&point.as_bytes()[1..])[12..].try_into().unwrap())
    }

    pub fn sign(&self, hash: &Hash32) -> String {
        let (signature, recovery) = self.0.sign_prehash_recoverable(hash);
        format!("0x{}{:02x}", hex::encode(signature.to_bytes()), 27 + recovery.to_byte())
    }

    /// A payment of the first offer of a 402: the value of `PAYMENT-SIGNATURE`.
    pub fn pays(&self, answer: &OurAnswer, nonce: u8, valid_before: u64) -> String {
        let required = super::decoded(answer, "PAYMENT-REQUIRED");
        let offer = required["accepts"][0].clone();
        let terms = PaymentRequirements::from_v2(offer.clone()).unwrap();
        let mut payload = json!({
            "x402Version": 2,
            "accepted": offer,
            "resource": required["resource"],
            "payload": {
                "authorization": {
                    "from": self.address().to_string(),
                    "to": terms.pay_to().to_string(),
                    "value": terms.amount().to_string(),
                    "validAfter": "0",
                    "validBefore": valid_before.to_string(),
                    "nonce": format!("0x{}", hex::encode([nonce; 32])),
                },
                "signature": "0x",
            },
        });
        let unsigned = PaymentPayload::from_json(payload.to_string().as_bytes()).unwrap();
        let (hash, _) = signing_hash_of(&unsigned, &terms).unwrap();
        payload["payload"]["signature"] = json!(self.sign(&hash));
        encode_header(&payload)
    }

    /// What a client makes of a 402's sign-in-with-x: its info, with the address and a signature.
    pub fn proof(&self, answer: &OurAnswer) -> Value {
        let extension = super::decoded(answer, "PAYMENT-REQUIRED")["extensions"]["sign-in-with-x"].clone();
        let mut proof = extension["info"].clone();
        proof["address"] = json!(self.address().to_string());
        proof["chainId"] = extension["supportedChains"][0]["chainId"].clone();
        proof["type"] = extension["supportedChains"][0]["type"].clone();
        self.sign_proof(proof)
    }

    /// The same message with a signature of this wallet, whatever it says.
    pub fn sign_proof(&self, mut proof: Value) -> Value {
        proof["signature"] = json!("0x");
        let digest = Proof::read(proof.to_string().as_bytes()).unwrap().digest();
        proof["signature"] = json!(self.sign(&digest));
        proof
    }
}
