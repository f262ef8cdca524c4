//! `exact` by Permit2: any ERC-20, moved by the x402 proxy and by nobody else.

use serde_json::{Value, json};

use crate::{
    evm::{Address, TypedStruct, Uint256, address_word, uint_word},
    schemes::permit2,
    x402::PaymentRequirements,
};

/// x402ExactPermit2Proxy, `0x402085c248EeA27D92E8b30b2C58ed07f9E20001` on every chain.
pub const PROXY: Address = Address::new([
    0x40, 0x20, 0x85, 0xc2, 0x48, 0xee, 0xa2, 0x7d, 0x92, 0xe8, 0xb3, 0x0b, 0x2c, 0x58, 0xed, 0x07, 0xf9, 0xe2, 0x00,
    0x01,
]);

/// Who is paid, and from when on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Who is paid.
    pub to: Address,
    /// Not valid before this second.
    pub valid_after: Uint256,
}

impl TypedStruct for Witness {
    const ENCODE_TYPE: &'static str = "Witness(address to,uint256 validAfter)";

    fn encode_data(&self) -> Vec<[u8; 32]> {
        vec![address_word(&self.to), uint_word(self.valid_after)]
    }
}

impl permit2::Witness for Witness {
    const PERMIT_TYPE: &'static str = "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,Witness witness)TokenPermissions(address token,uint256 amount)Witness(address to,uint256 validAfter)";
    const PROXY: Address = PROXY;

    fn read(witness: &Value) -> Option<Self> {
        Some(Self {
            to: permit2::text(witness, "to")?.parse().ok()?,
            valid_after: permit2::text(witness, "validAfter")?.parse().ok()?,
        })
    }

    fn to_wire(&self) -> Value {
        json!({ "to": self.to.to_string(), "validAfter": self.valid_after.to_string() })
    }

    fn to(&self) -> Address {
        self.to
    }

    fn valid_after(&self) -> Uint256 {
        self.valid_after
    }

    fn names_facilitator_of(&self, _requirements: &PaymentRequirements) -> bool {
        true
    }
}
