//! What is kept of one channel.

use serde::{Deserialize, Serialize};

use crate::{
    evm::Uint256,
    schemes::batch_settlement::{Channel, ChannelConfig},
};

use super::{Asked, ChannelState, Odd, Receipt};

/// A channel with everything that is open in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The channel in the words of the official servers; `pendingRequest` is [`Self::serving`].
    pub channel: Channel,
    /// The request that is being served.
    pub serving: Option<Serving>,
    /// What was charged and has not reached its client yet, oldest first.
    pub owed: Vec<Owed>,
    /// The newest hold that was given.
    pub hold: u32,
    /// Requests that were charged or served for nothing.
    pub requests: u64,
    /// A deposit that was brought and of which it is not known whether it arrived: its digest.
    pub deposit: Option<String>,
    /// What claims of ours have credited in all, by the word of those who brought them. By this alone something counts as
    /// claimed: what is only seen of the chain (`channel.total_claimed`) may be false, and a claim too many moves nothing.
    #[serde(default)]
    pub credited: Uint256,
    /// Whether the chain has not been seen since in a way that shows it.
    #[serde(default)]
    pub unconfirmed: bool,
    /// Since when something is charged and not claimed; Unix seconds. 0: all is claimed.
    pub unclaimed_since: u64,
    /// Since when the channel is known to hold less than was charged; Unix seconds. 0: it is not.
    #[serde(default)]
    pub short_since: u64,
    /// When the till last took what it was told to claim; 0: it has nothing of this channel.
    pub told_at: u64,
    /// Not before this is it told again, which may be under way.
    #[serde(default)]
    pub tell_after: u64,
    /// Whether it was told to make haste.
    pub told_urgent: bool,
    /// What is needed to ask and claim.
    pub means: Means,
    /// When the record was made.
    pub opened_at: u64,
    /// When the chain was asked last without a request.
    pub looked_at: u64,
    /// When what is known of the chain was learnt; Unix seconds. Doubt does not change it.
    #[serde(default)]
    pub known_at: u64,
    /// What was odd in what was said of the chain last.
    #[serde(default)]
    pub odd: Option<Odd>,
    /// The refund that was signed last, until the chain's counter has passed it: it may be brought at any time.
    #[serde(default)]
    pub refund: Option<SignedRefund>,
}

/// What a refund that was signed takes out of its channel, whenever somebody brings it to the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedRefund {
    /// The chain's counter of refunds that it is good for.
    pub nonce: u64,
    /// Atomic units.
    pub amount: Uint256,
}

/// A request that is being served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serving {
    /// Who serves it.
    pub hold: u32,
    /// What its voucher allows.
    pub max: Uint256,
    /// The voucher's signature.
    pub signature: String,
    /// Names the request.
    pub request: String,
    /// What is wanted.
    pub asked: Asked,
    /// Whether a facilitator has been asked to move money for it.
    #[serde(default)]
    pub settling: bool,
    /// Whether its deposit was brought before, so that a refusal does not say that it has not arrived.
    #[serde(default)]
    pub again: bool,
    /// Until then others wait; Unix seconds.
    pub lease_until: u64,
}

/// A request that was charged, whose answer has not reached the client yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// Who delivers it.
    pub hold: u32,
    /// What its voucher allowed.
    pub max: Uint256,
    /// Names the request.
    pub request: String,
    /// What the request cost at most.
    #[serde(default)]
    pub price: Uint256,
    /// As in [`super::Served`].
    #[serde(default)]
    pub quoted: String,
    /// What the client is told, each time the same.
    pub receipt: Receipt,
    /// When it was charged; Unix seconds.
    pub since: u64,
    /// Until then its answer is on its way; Unix seconds.
    pub lease_until: u64,
    /// How often it was given again.
    #[serde(default)]
    pub given_again: u32,
}

/// Whom to ask about a channel and when to claim, as the price document said it last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Means {
    /// CAIP-2 id.
    pub network: String,
    /// Base URLs, in the owner's order.
    pub facilitators: Vec<String>,
    /// RPC URLs, where the owner has given any.
    pub rpc: Vec<String>,
    /// When to claim.
    pub claims: ClaimPolicy,
    /// When a request came by them; Unix seconds. The newest count.
    #[serde(default)]
    pub at: u64,
}

impl Means {
    /// The newer of two.
    #[must_use]
    pub fn or_newer(self, other: &Self) -> Self {
        if other.at >= self.at { other.clone() } else { self }
    }
}

/// When what was charged is claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimPolicy {
    /// So long after the first charge that is not claimed; seconds. Never later than a quarter of the channel's delay.
    pub every: Option<u64>,
    /// So long after the last request; seconds.
    pub idle: u64,
    /// As soon as so much is charged and not claimed; atomic units.
    pub threshold: Option<Uint256>,
}

impl ClaimPolicy {
    /// A channel that was quiet for so long is claimed, where the owner says nothing.
    pub const DEFAULT_IDLE_SECONDS: u64 = 600;
}

impl Default for ClaimPolicy {
    fn default() -> Self {
        Self { every: None, idle: Self::DEFAULT_IDLE_SECONDS, threshold: None }
    }
}

impl Account {
    /// The terms.
    pub const fn config(&self) -> &ChannelConfig {
        &self.channel.channel_config
    }

    /// The account as it must outlive its object: a hold by which nothing was moved yet may be lost.
    #[must_use]
    pub fn lasting(&self) -> Self {
        let serving = self.serving.clone().filter(|serving| serving.settling);
        Self { serving, ..self.clone() }
    }

    /// Charged and not claimed, as far as the voucher that is kept allows it.
    pub fn claimable(&self) -> Uint256 {
        self.claim_total().checked_sub(self.credited).unwrap_or(Uint256::ZERO)
    }

    /// What can be claimed in all by the voucher that is kept.
    pub(super) fn claim_total(&self) -> Uint256 {
        self.channel.charged_cumulative_amount.min(self.channel.signed_max_claimable)
    }

    /// Whether something can be claimed: it was charged, and the voucher for it is there.
    pub fn is_claimable(&self) -> bool {
        !self.channel.signature.is_empty() && self.claimable() > Uint256::ZERO
    }

    /// The state as clients are told it.
    pub fn state(&self) -> ChannelState {
        ChannelState::of(&self.channel)
    }

    /// After `credited` has changed: nothing is left to claim, or the rest is as old as what was told.
    pub(super) fn settle_claims(&mut self) {
        if self.claimable() == Uint256::ZERO {
            self.unclaimed_since = 0;
            self.short_since = 0;
            self.told_at = 0;
            self.told_urgent = false;
        }
    }
}
