//! `upto` by Permit2: the signature allows a maximum, and one facilitator alone may settle, for that or less.

use serde_json::{Value, json};

use crate::{
    evm::{Address, TypedStruct, Uint256, address_word, uint_word},
    schemes::permit2,
    x402::PaymentRequirements,
};

/// x402UptoPermit2Proxy, `0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002` on every chain.
pub const PROXY: Address = Address::new([
    0x40, 0x20, 0xa4, 0xf3, 0xb7, 0xb9, 0x0c, 0xca, 0x42, 0x3b, 0x9f, 0xab, 0xcc, 0x0c, 0xe5, 0x7c, 0x6c, 0x24, 0x00,
    0x02,
]);

/// Who is paid, who may settle, and from when on. The order of the members matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Who is paid.
    pub to: Address,
    /// Who alone may settle.
    pub facilitator: Address,
    /// Not valid before this second.
    pub valid_after: Uint256,
}

impl TypedStruct for Witness {
    const ENCODE_TYPE: &'static str = "Witness(address to,address facilitator,uint256 validAfter)";

    fn encode_data(&self) -> Vec<[u8; 32]> {
        vec![address_word(&self.to), address_word(&self.facilitator), uint_word(self.valid_after)]
    }
}

impl permit2::Witness for Witness {
    const PERMIT_TYPE: &'static str = "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,Witness witness)TokenPermissions(address token,uint256 amount)Witness(address to,address facilitator,uint256 validAfter)";
    const PROXY: Address = PROXY;

    fn read(witness: &Value) -> Option<Self> {
        Some(Self {
            to: permit2::text(witness, "to")?.parse().ok()?,
            facilitator: permit2::text(witness, "facilitator")?.parse().ok()?,
            valid_after: permit2::text(witness, "validAfter")?.parse().ok()?,
        })
    }

    fn to_wire(&self) -> Value {
        json!({
            "to": self.to.to_string(),
            "facilitator": self.facilitator.to_string(),
            "validAfter": self.valid_after.to_string(),
        })
    }

    fn to(&self) -> Address {
        self.to
    }

    fn valid_after(&self) -> Uint256 {
        self.valid_after
    }

    fn names_facilitator_of(&self, requirements: &PaymentRequirements) -> bool {
        requirements.extra(super::FACILITATOR_ADDRESS).and_then(|text| text.parse().ok()) == Some(self.facilitator)
    }
}
