//! A channel's terms and the id that follows from them.

use serde::{Deserialize, Serialize};

use crate::{
    evm::{Address, Eip712Domain, Hash32, TypedStruct, Uint256, address_word, signing_hash, uint_word},
    x402::PaymentRequirements,
};

use super::ChannelFlaw;

/// x402BatchSettlement, `0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003` on every chain.
pub const CONTRACT: Address = Address::new([
    0x40, 0x20, 0x07, 0x4e, 0x9d, 0xf2, 0xce, 0x1d, 0xee, 0x5a, 0x9c, 0x1b, 0x5c, 0x3f, 0x54, 0x1d, 0x02, 0xa1, 0x00,
    0x03,
]);

/// What the contract takes: a quarter of an hour to 30 days.
pub const WITHDRAW_DELAYS: std::ops::RangeInclusive<u64> = 900..=2_592_000;

/// The contract's EIP-712 domain: for channels, vouchers, claims and refunds.
pub const fn domain(chain_id: u64) -> Eip712Domain<'static> {
    Eip712Domain { name: "x402 Batch Settlement", version: Some("1"), chain_id, verifying_contract: CONTRACT }
}

/// The terms of a channel, immutable: another term is another channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelConfig {
    /// Whose money it is.
    pub payer: Address,
    /// Whose key signs vouchers; zero: the payer's contract wallet does.
    pub payer_authorizer: Address,
    /// Who is paid.
    pub receiver: Address,
    /// Whose key signs claims and refunds.
    pub receiver_authorizer: Address,
    /// The token.
    pub token: Address,
    /// Seconds between the payer's asking for the rest and getting it.
    pub withdraw_delay: u64,
    /// 32 bytes in hex; tells channels with the same terms apart.
    #[serde(with = "hex32")]
    pub salt: Hash32,
}

impl TypedStruct for ChannelConfig {
    const ENCODE_TYPE: &'static str = "ChannelConfig(address payer,address payerAuthorizer,address receiver,address receiverAuthorizer,address token,uint40 withdrawDelay,bytes32 salt)";

    fn encode_data(&self) -> Vec<[u8; 32]> {
        vec![
            address_word(&self.payer),
            address_word(&self.payer_authorizer),
            address_word(&self.receiver),
            address_word(&self.receiver_authorizer),
            address_word(&self.token),
            uint_word(Uint256::from(self.withdraw_delay)),
            self.salt,
        ]
    }
}

impl ChannelConfig {
    /// The channel's id on a chain: the whole EIP-712 digest, so that it differs from chain to chain.
    pub fn channel_id(&self, chain_id: u64) -> Hash32 {
        signing_hash(&domain(chain_id), self)
    }

    /// Whether these are the terms that the offer asks for, in the specification's order.
    pub fn check(&self, requirements: &PaymentRequirements) -> Result<(), ChannelFlaw> {
        let authorizer: Option<Address> = requirements.extra("receiverAuthorizer").and_then(|text| text.parse().ok());
        let delay = requirements.wire()["extra"].get("withdrawDelay");
        let wrong = [
            (self.receiver != requirements.pay_to(), ChannelFlaw::ReceiverMismatch),
            (
                authorizer.is_none_or(|ours| ours == Address::ZERO || ours != self.receiver_authorizer),
                ChannelFlaw::ReceiverAuthorizerMismatch,
            ),
            (self.token != requirements.asset(), ChannelFlaw::TokenMismatch),
            (delay.is_some_and(|ours| ours.as_u64() != Some(self.withdraw_delay)), ChannelFlaw::WithdrawDelayMismatch),
            (!WITHDRAW_DELAYS.contains(&self.withdraw_delay), ChannelFlaw::WithdrawDelayOutOfRange),
        ];
        wrong.into_iter().find(|(wrong, _)| *wrong).map_or(Ok(()), |(_, flaw)| Err(flaw))
    }
}

/// 32 bytes as `0x` and 64 digits.
pub(super) mod hex32 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    use crate::evm::Hash32;

    pub(in super::super) fn read(text: &str) -> Option<Hash32> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.strip_prefix("0x")?, &mut bytes).ok()?;
        Some(bytes)
    }

    pub(in super::super) fn write(bytes: &Hash32) -> String {
        format!("0x{}", hex::encode(bytes))
    }

    pub(in super::super) fn serialize<S: Serializer>(bytes: &Hash32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&write(bytes))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hash32, D::Error> {
        read(&String::deserialize(deserializer)?).ok_or_else(|| D::Error::custom("expected 0x and 64 digits"))
    }
}
