//! Both ends of a channel's wire: what its object is told, and what it says.

use serde::{Deserialize, Serialize};

use crate::{
    evm::Uint256,
    schemes::batch_settlement::{Channel, ChannelConfig, ChannelFlaw},
};

use super::{Means, Seen, SignedRefund};

/// What is wanted of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asked {
    /// A request served by a voucher.
    Voucher,
    /// The same, with money that goes into the channel.
    Deposit {
        /// Atomic units.
        amount: Uint256,
        /// Names the deposit.
        digest: String,
    },
    /// The rest back, or so much of it.
    Refund {
        /// Atomic units; nothing: all of it.
        amount: Option<Uint256>,
    },
}

/// A payment by channel as it comes in, checked at the edge in everything but the channel's own state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presentation {
    /// The channel's terms.
    pub config: ChannelConfig,
    /// What the voucher allows in all.
    pub max: Uint256,
    /// The voucher's signature.
    pub signature: String,
    /// Whether it was seen here whose signature it is; else only a facilitator's word counts.
    pub proven: bool,
    /// What the request costs at most; zero for a refund. Of a voucher that no price asks for, by the prices of now.
    pub price: Uint256,
    /// What is wanted.
    pub asked: Asked,
    /// Names the request.
    pub request: String,
    /// As in [`Served`].
    #[serde(default)]
    pub quoted: String,
    /// What the chain said just now, where it was asked.
    pub seen: Option<Seen>,
    /// Whom to ask, and when to claim.
    pub means: Means,
    /// Only a voucher that the channel knows counts: its price has changed since.
    pub known_only: bool,
    /// No new channel: it names a key that the owner does not offer any more.
    #[serde(default)]
    pub known_channel_only: bool,
}

/// What a channel is told. Each is applied whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Here is a payment: what is to be done with it?
    Present(Box<Presentation>),
    /// A facilitator is about to be asked to move money: from then on it is not known what the chain holds.
    Settling {
        /// Who says so.
        hold: u32,
        /// What it was served for.
        served: Box<Served>,
        /// What is wanted.
        asked: Asked,
        /// The refund that is signed for it: written before anybody has seen it.
        #[serde(default)]
        refund: Option<SignedRefund>,
    },
    /// The origin answered well: charge. It says all that the object needs, which may have lost its memory of the hold.
    Charge {
        /// Who says so.
        hold: u32,
        /// What it was served for.
        served: Box<Served>,
        /// What is charged: at most the price.
        amount: Uint256,
        /// The deposit that was settled for it: its transaction, and what the chain holds then, where that was said.
        deposited: Option<(String, Option<Seen>)>,
        /// The answer has ended already: it is not owed.
        #[serde(default)]
        ended: bool,
    },
    /// Nothing is charged.
    Release {
        /// Who says so.
        hold: u32,
        /// Whether a facilitator was asked to change the chain: then it is not known what it holds.
        touched: bool,
    },
    /// Money went back.
    Refunded {
        /// Who says so.
        hold: u32,
        /// What the chain holds then.
        seen: Seen,
        /// The transaction.
        transaction: String,
        /// How much, in atomic units.
        amount: Uint256,
    },
    /// The answer is still on its way to the client.
    Delivering {
        /// Who says so.
        hold: u32,
    },
    /// The answer's way to the client has ended.
    Delivered {
        /// Who says so.
        hold: u32,
        /// Whether the client got all of it.
        whole: bool,
    },
    /// The chain has credited so much in all, by a claim of ours.
    Claimed {
        /// Cumulative.
        total: Uint256,
        /// What the channel holds, where that was found to be less than was to be claimed.
        #[serde(default)]
        short: Option<Uint256>,
    },
    /// What the chain says, asked for without a request.
    Look(Seen),
}

/// A voucher, and the request that was served for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// What the voucher allows in all.
    pub max: Uint256,
    /// Its signature.
    pub signature: String,
    /// What the request costs at most.
    pub price: Uint256,
    /// Names the request.
    pub request: String,
    /// Version of the price document that asks for this price; empty where that is one of before, or none.
    #[serde(default)]
    pub quoted: String,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Serve the request (settle the deposit, give the rest back), then say how it ended.
    Held {
        /// The presenter's hold.
        hold: u32,
        /// The channel as it is now.
        state: ChannelState,
    },
    /// Charged and not delivered: ask the origin again, charge nothing.
    Owed {
        /// The presenter's hold.
        hold: u32,
        /// What the client was to be told.
        receipt: Box<Receipt>,
        /// When it was charged; Unix seconds.
        since: u64,
    },
    /// Ask the chain, or a facilitator, and present it again with what it says. Also of a deposit that is let go and was
    /// brought before.
    Unseen {
        /// Whether this very deposit was brought before, so that it may have arrived.
        deposit_begun: bool,
    },
    /// Charged.
    Charged(Box<Receipt>),
    /// The payer's fault.
    Refused {
        /// Which.
        flaw: ChannelFlaw,
        /// What the client has to know to go on, where it has lost sight of the channel.
        known: Option<Box<(ChannelState, Option<VoucherState>)>>,
    },
    /// A copy of what is being served: an honest client waits and sends the same again.
    Busy {
        /// Seconds until it is worth it.
        retry_after: u32,
    },
    /// Charged for another request, which still waits for it.
    Elsewhere,
    /// Asked for a known voucher only, and there is none.
    NotKnown,
    /// Written.
    Done,
    /// A newer hold has taken over.
    Stale,
}

/// The channel as clients are told it (`channelState`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelState {
    /// `0x` and 64 digits.
    pub channel_id: String,
    /// Deposited, less what was given back.
    pub balance: Uint256,
    /// Claimed in all.
    pub total_claimed: Uint256,
    /// When the payer asked for the rest; 0: not.
    pub withdraw_requested_at: u64,
    /// A text on the wire.
    pub refund_nonce: Uint256,
    /// Charged in all.
    pub charged_cumulative_amount: Uint256,
}

impl ChannelState {
    pub(super) fn of(channel: &Channel) -> Self {
        Self {
            channel_id: format!("0x{}", hex::encode(channel.channel_id)),
            balance: channel.balance,
            total_claimed: channel.total_claimed,
            withdraw_requested_at: channel.withdraw_requested_at,
            refund_nonce: channel.refund_nonce.into(),
            charged_cumulative_amount: channel.charged_cumulative_amount,
        }
    }
}

/// The newest voucher that the server holds (`voucherState`): by it a client sees that it is told the truth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VoucherState {
    /// What it allows in all.
    pub signed_max_claimable: Uint256,
    /// The client's own signature.
    pub signature: String,
}

/// What a client is told of a charge: the same each time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Charged by this request.
    pub charged: Uint256,
    /// The channel after it.
    pub state: ChannelState,
    /// The deposit's transaction; empty where nothing was deposited.
    pub transaction: String,
    /// What was deposited.
    pub deposited: Option<Uint256>,
}
