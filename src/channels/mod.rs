//! Payment channels (scheme `batch-settlement`): what is remembered of each, and the rules by which it changes.
//!
//! Pure: time is an argument, storage and network are elsewhere. One object keeps one channel; it applies one command
//! at a time, whole or not at all. What is due to be claimed goes to a *till*, which claims for many channels at once.
//! `docs/channels.md` tells it with a diagram.

mod account;
mod alarm;
mod claim;
mod command;
mod line;
mod present;
mod rules;
mod sight;

pub use account::{Account, ClaimPolicy, Means, Owed, Serving, SignedRefund};
pub use alarm::{Due, on_alarm, told, wake};
pub use claim::{Bringing, Claim, GATHER_SECONDS, Pending, RETRY_SECONDS, Till, till_name};
pub use command::{Asked, ChannelState, Command, Presentation, Receipt, Reply, Served, VoucherState};
pub use line::{ChannelLine, Move, MoveKind};
pub use present::RETRY_AFTER_SECONDS;
pub use rules::apply;
pub use sight::{LOOK_SECONDS, Odd, Seen};

use crate::{evm::Hash32, network::Network};

/// Names the object of a channel: the id differs from chain to chain.
pub fn channel_name(network: Network, channel_id: &Hash32) -> String {
    format!("channel:{network}:0x{}", hex::encode(channel_id))
}

/// Names a payment by channel to the origin as `Idempotency-Key`, and to the pass that it buys: the same voucher gives
/// the same name.
pub fn voucher_payment_id(network: Network, digest: &Hash32) -> String {
    hex::encode(crate::evm::keccak256(format!("{network}:{}", hex::encode(digest)).as_bytes()))
}
