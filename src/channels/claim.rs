//! The till: what channels have to be claimed, together, in one transaction for up to a hundred.

use serde::{Deserialize, Serialize};

use crate::{
    evm::{Address, Uint256},
    network::Network,
    schemes::batch_settlement::{ChannelConfig, ClaimEntry},
    time::UnixTime,
};

use super::{Account, Means};

/// Pauses after a claim or a settlement that failed; the last one goes on.
pub const RETRY_SECONDS: [u64; 5] = [5, 15, 30, 60, 120];

/// Claims that come one after the other within this go together.
pub const GATHER_SECONDS: u64 = 5;

/// Names the till of channels that are claimed together: same chain, token, receiver and receiver's key.
pub fn till_name(network: &str, config: &ChannelConfig) -> String {
    let ChannelConfig { receiver, receiver_authorizer, token, .. } = config;
    format!("till:{network}:{token}:{receiver}:{receiver_authorizer}")
}

/// What is claimed of one channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The channel's terms.
    pub config: ChannelConfig,
    /// As the payer's voucher says.
    pub max: Uint256,
    /// The voucher's signature.
    pub signature: String,
    /// Claimed in all afterwards: what was charged.
    pub total: Uint256,
    /// Claimed in all before.
    pub before: Uint256,
    /// What the channel was last seen to hold: the contract credits no more in all.
    #[serde(default)]
    pub holds: Option<Uint256>,
    /// The payer withdraws: at once.
    pub urgent: bool,
}

impl Claim {
    /// What an account has to claim.
    pub fn of(account: &Account, urgent: bool) -> Self {
        let channel = &account.channel;
        Self {
            config: channel.channel_config.clone(),
            max: channel.signed_max_claimable,
            signature: channel.signature.clone(),
            total: account.claim_total(),
            before: account.credited.max(channel.total_claimed),
            holds: (channel.onchain_synced_at > 0).then_some(channel.balance),
            urgent,
        }
    }

    /// The channel's name on chain, `0x` and 64 digits.
    pub fn channel_id(&self, network: Network) -> String {
        format!("0x{}", hex::encode(self.config.channel_id(network.chain_id())))
    }

    /// As the receiver's key signs it.
    pub fn entry(&self, network: Network) -> ClaimEntry {
        ClaimEntry {
            channel_id: self.config.channel_id(network.chain_id()),
            max_claimable_amount: self.max,
            total_claimed: self.total,
        }
    }
}

/// What a channel tells its till.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bringing {
    /// What is to be claimed.
    pub claim: Claim,
    /// Whom to ask.
    pub means: Means,
    /// The chain has credited it already, with a refund: it is only to be paid out.
    pub credited: bool,
}

/// A claim that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// What.
    pub claim: Claim,
    /// Not before; Unix seconds.
    pub at: u64,
    /// How often it failed in a row.
    pub failures: u32,
    /// The chain has credited it; its channel has not been told yet.
    pub claimed: bool,
    /// It was sent, and nobody knows what became of it: the chain is asked before it is sent again.
    pub doubtful: bool,
    /// It claims only so much, all that the channel holds, of more that was charged.
    #[serde(default)]
    pub short: Option<Uint256>,
}

impl Pending {
    /// A claim that was brought, beside what is known of the channel's last one.
    pub fn brought(claim: Claim, known: Option<Self>, now: UnixTime) -> Self {
        let gather = if claim.urgent { 0 } else { GATHER_SECONDS };
        match known {
            // What is at it stays at it, with the newer voucher; haste brings it forward.
            Some(known) if !known.claimed => {
                let at = if claim.urgent && known.failures == 0 { now.0 } else { known.at };
                if claim.total >= known.claim.total {
                    Self { claim, at, short: None, ..known }
                } else {
                    Self { at, ..known }
                }
            }
            // It is credited, and its channel is about to be told.
            Some(known) if claim.total <= known.claim.total => Self { at: now.0, ..known },
            _ => Self { claim, at: now.plus(gather).0, failures: 0, claimed: false, doubtful: false, short: None },
        }
    }

    /// The same once the chain has credited so much in all: its channel is told.
    #[must_use]
    pub fn credited(self, total: Uint256, now: UnixTime) -> Self {
        if self.claim.total <= total { Self { claimed: true, at: now.0, ..self } } else { self }
    }

    /// What is known by now of a claim after this one was brought to the chain, which may have taken a while: a newer one
    /// may have come.
    #[must_use]
    pub fn after(self, sent: &Self) -> Self {
        Self { doubtful: sent.doubtful, ..self }
    }

    /// The same once the chain has credited what was sent: its channel is told. A newer claim waits for others.
    #[must_use]
    pub fn claimed(self, sent: &Self, now: UnixTime) -> Self {
        if self.claim.total <= sent.claim.total {
            return Self { claimed: true, ..sent.clone() };
        }
        let claim = Claim { before: sent.claim.total, ..self.claim };
        Self { claim, at: now.plus(GATHER_SECONDS).0, failures: 0, claimed: false, doubtful: false, short: None }
    }

    /// The same for what the channel holds, `held` or as its object saw it last, where that is less than is claimed.
    #[must_use]
    pub fn shortened(&self, held: Option<Uint256>) -> Option<Self> {
        let holds = held.or(self.claim.holds).filter(|holds| *holds < self.claim.total)?;
        Some(Self { claim: Claim { total: holds, ..self.claim.clone() }, short: Some(holds), ..self.clone() })
    }

    /// The same after another failure.
    #[must_use]
    pub fn failed(self, doubtful: bool, now: UnixTime) -> Self {
        let at = now.plus(pause_after(self.failures)).0;
        Self { at, failures: self.failures.saturating_add(1), doubtful: self.doubtful || doubtful, ..self }
    }
}

/// What a till keeps beside its claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Till {
    /// Whom to ask.
    pub means: Means,
    /// The receiver.
    pub receiver: Address,
    /// Whose key signs.
    pub authorizer: Address,
    /// The token.
    pub token: Address,
    /// When what was claimed is settled; 0: nothing is.
    pub settle_at: u64,
    /// How often settling failed in a row.
    pub failures: u32,
}

impl Till {
    /// The till that a claim is brought to.
    pub fn of(bringing: &Bringing) -> Self {
        let ChannelConfig { receiver, receiver_authorizer, token, .. } = bringing.claim.config;
        Self {
            means: bringing.means.clone(),
            receiver,
            authorizer: receiver_authorizer,
            token,
            settle_at: 0,
            failures: 0,
        }
    }

    /// The same once something was credited that others may join.
    #[must_use]
    pub fn owing(self, now: UnixTime) -> Self {
        let settle_at = match self.settle_at {
            0 => now.plus(GATHER_SECONDS).0,
            // It may be under way, without this: another time tells that there is more.
            due if due <= now.0 => due.saturating_add(1),
            later => later,
        };
        Self { settle_at, ..self }
    }

    /// The same after another failure to settle.
    #[must_use]
    pub fn failed(self, now: UnixTime) -> Self {
        Self { settle_at: now.plus(pause_after(self.failures)).0, failures: self.failures.saturating_add(1), ..self }
    }
}

fn pause_after(failures: u32) -> u64 {
    let index = usize::try_from(failures).unwrap_or(usize::MAX).min(RETRY_SECONDS.len() - 1);
    RETRY_SECONDS.get(index).copied().unwrap_or(120)
}
