//! Lines of the owner's books: channels, and what moved on chain.

use serde::{Deserialize, Serialize};

use crate::evm::Uint256;

use super::Account;

/// A channel as the owner accounts for it. A later line of the same channel replaces the earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelLine {
    /// `0x` and 64 digits.
    pub id: String,
    /// CAIP-2 id.
    pub network: String,
    /// The token.
    pub asset: String,
    /// Whose money it is.
    pub payer: String,
    /// Who is paid.
    pub pay_to: String,
    /// `open`, `withdrawing`, `short` (it holds less than was charged), `closed` (all is claimed, or was given back).
    pub state: String,
    /// When this was so; Unix seconds.
    pub time: u64,
    /// Deposited, less what was given back; atomic units.
    pub balance: String,
    /// Charged in all.
    pub charged: String,
    /// Claimed in all.
    pub claimed: String,
    /// Charged and not claimed, as far as the chain was seen.
    pub claimable: String,
    /// Requests served.
    pub requests: u64,
}

impl ChannelLine {
    /// The line of a channel; `closed` where nothing is kept of it any more.
    pub fn of(account: &Account, closed: bool, now: u64) -> Self {
        let (channel, config) = (&account.channel, account.config());
        let claimable = channel.charged_cumulative_amount.checked_sub(channel.total_claimed);
        let state = match (account.short_since, channel.withdraw_requested_at) {
            _ if closed => "closed",
            (1.., _) => "short",
            (0, 0) => "open",
            (0, _) => "withdrawing",
        };
        Self {
            id: format!("0x{}", hex::encode(channel.channel_id)),
            network: account.means.network.clone(),
            asset: config.token.to_string(),
            payer: config.payer.to_string(),
            pay_to: config.receiver.to_string(),
            state: state.to_owned(),
            time: now,
            balance: channel.balance.to_string(),
            charged: channel.charged_cumulative_amount.to_string(),
            claimed: channel.total_claimed.to_string(),
            claimable: claimable.unwrap_or(Uint256::ZERO).to_string(),
            requests: account.requests,
        }
    }
}

/// What happened on chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MoveKind {
    /// Money went into a channel.
    Deposit,
    /// What was charged was credited to the receiver.
    Claim,
    /// What was credited was paid out.
    Settle,
    /// Money went back to a payer.
    Refund,
}

impl MoveKind {
    /// As it stands in the books.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deposit => "deposit",
            Self::Claim => "claim",
            Self::Settle => "settle",
            Self::Refund => "refund",
        }
    }
}

/// A transaction of channels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// What happened.
    pub kind: MoveKind,
    /// When; Unix seconds.
    pub time: u64,
    /// CAIP-2 id.
    pub network: String,
    /// The token.
    pub asset: String,
    /// The receiver.
    pub pay_to: String,
    /// The channel; empty where it is about several.
    pub channel: String,
    /// Atomic units; empty where it is not known.
    pub amount: String,
    /// Of how many channels.
    pub channels: usize,
    /// Transaction hash.
    pub transaction: String,
}
