//! What is signed over a channel: vouchers by the payer, claims and refunds by the receiver.

use crate::evm::{Hash32, TypedStruct, Uint256, keccak256, uint_word};

/// The payer's word: so much in all may be claimed from the channel. A later one replaces it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voucher {
    /// The channel.
    pub channel_id: Hash32,
    /// Cumulative, in atomic units; below 2^128.
    pub max_claimable_amount: Uint256,
}

impl TypedStruct for Voucher {
    const ENCODE_TYPE: &'static str = "Voucher(bytes32 channelId,uint128 maxClaimableAmount)";

    fn encode_data(&self) -> Vec<[u8; 32]> {
        vec![self.channel_id, uint_word(self.max_claimable_amount)]
    }
}

/// The receiver's word: so much of the channel's rest goes back to the payer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// The channel.
    pub channel_id: Hash32,
    /// The channel's own counter of refunds.
    pub nonce: Uint256,
    /// Atomic units; below 2^128.
    pub amount: Uint256,
}

impl TypedStruct for Refund {
    const ENCODE_TYPE: &'static str = "Refund(bytes32 channelId,uint256 nonce,uint128 amount)";

    fn encode_data(&self) -> Vec<[u8; 32]> {
        vec![self.channel_id, uint_word(self.nonce), uint_word(self.amount)]
    }
}

/// One channel in a [`ClaimBatch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimEntry {
    /// The channel.
    pub channel_id: Hash32,
    /// As the payer's voucher says.
    pub max_claimable_amount: Uint256,
    /// What is claimed in all: what was charged, at most what the voucher allows.
    pub total_claimed: Uint256,
}

impl TypedStruct for ClaimEntry {
    const ENCODE_TYPE: &'static str = "ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)";

    fn encode_data(&self) -> Vec<[u8; 32]> {
        vec![self.channel_id, uint_word(self.max_claimable_amount), uint_word(self.total_claimed)]
    }
}

/// The receiver's word: these amounts are claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimBatch {
    /// One for each channel.
    pub claims: Vec<ClaimEntry>,
}

impl TypedStruct for ClaimBatch {
    const ENCODE_TYPE: &'static str =
        "ClaimBatch(ClaimEntry[] claims)ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)";

    fn encode_data(&self) -> Vec<[u8; 32]> {
        let hashes: Vec<u8> = self.claims.iter().flat_map(TypedStruct::hash_struct).collect();
        vec![keccak256(&hashes)]
    }
}
