//! What a server knows of a channel: what it has charged, and what the chain said last.

use serde::{Deserialize, Serialize};

use crate::{
    evm::{Hash32, Uint256},
    time::UnixTime,
};

use super::{ChannelConfig, ChannelFlaw, channel::hex32};

/// A third of the delay, within these bounds, a mirrored state of the chain counts as fresh.
const FRESH_SECONDS: std::ops::RangeInclusive<u64> = 30..=300;

/// A channel as it is kept, in the words of the official servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Channel {
    /// The id.
    #[serde(with = "hex32")]
    pub channel_id: Hash32,
    /// The terms.
    pub channel_config: ChannelConfig,
    /// What was charged in all.
    pub charged_cumulative_amount: Uint256,
    /// What the newest voucher allows.
    pub signed_max_claimable: Uint256,
    /// The newest voucher's signature.
    pub signature: String,
    /// What was deposited in all, as the chain said it.
    pub balance: Uint256,
    /// What was claimed, as the chain said it.
    pub total_claimed: Uint256,
    /// When the payer asked for the rest; 0: not.
    pub withdraw_requested_at: u64,
    /// The channel's counter of refunds.
    pub refund_nonce: u64,
    /// When the chain said it; milliseconds.
    pub onchain_synced_at: u64,
    /// When a request came last; milliseconds.
    pub last_request_timestamp: u64,
    /// The request that is being served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_request: Option<PendingRequest>,
}

/// A request that is being served from a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingRequest {
    /// Names the request.
    pub pending_id: String,
    /// What its voucher allows.
    pub signed_max_claimable: Uint256,
    /// Until then others wait; milliseconds.
    pub expires_at: u64,
}

impl Channel {
    /// Whether what the chain said is new enough to go by.
    pub fn is_fresh(&self, now: UnixTime) -> bool {
        let seconds = (self.channel_config.withdraw_delay / 3).clamp(*FRESH_SECONDS.start(), *FRESH_SECONDS.end());
        let age = now.0.saturating_mul(1000).saturating_sub(self.onchain_synced_at);
        age <= seconds * 1000
    }

    /// Whether a voucher over `max` is the next one for a request that costs `price` at most.
    pub fn continues_with(&self, max: Uint256, price: Uint256) -> Result<(), ChannelFlaw> {
        match self.charged_cumulative_amount.checked_add(price) {
            Some(expected) if expected == max => Ok(()),
            _ => Err(ChannelFlaw::CumulativeAmountMismatch),
        }
    }

    /// Whether a voucher over `max` is worth its money, as the chain was seen last.
    pub fn covers(&self, max: Uint256) -> Result<(), ChannelFlaw> {
        if max > self.balance {
            return Err(ChannelFlaw::CumulativeExceedsBalance);
        }
        if max <= self.total_claimed {
            return Err(ChannelFlaw::CumulativeBelowClaimed);
        }
        Ok(())
    }

    /// Whether a request is being served.
    pub fn is_busy(&self, now: UnixTime) -> bool {
        self.pending_request.as_ref().is_some_and(|pending| pending.expires_at > now.0.saturating_mul(1000))
    }
}
