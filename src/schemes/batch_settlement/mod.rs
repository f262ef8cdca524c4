//! The `batch-settlement` scheme on EVM: one deposit, many vouchers, claimed together
//! (`specs/schemes/batch-settlement/scheme_batch_settlement_evm.md`).
//!
//! Here is what can be judged without the chain. Selling by channel is not built yet: no offer of ours names it.

mod channel;
mod deposit;
mod flaw;
mod message;
mod state;
mod voucher;

use serde_json::Value;

use crate::{
    evm::{Address, Hash32, Uint256},
    time::UnixTime,
    x402::{PaymentPayload, PaymentRequirements},
};

use super::{Refusal, SmartWallets};

pub use channel::{CONTRACT, ChannelConfig, WITHDRAW_DELAYS, domain};
pub use deposit::{Deposit, DepositPermit, ReceiveAuthorization};
pub use flaw::ChannelFlaw;
pub use message::{Kind, Message};
pub use state::{Channel, PendingRequest};
pub use voucher::{ClaimBatch, ClaimEntry, Refund, Voucher};

/// The scheme's name on the wire.
pub const SCHEME: &str = "batch-settlement";

/// What the edge can say of a payment by channel that it does not refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// Good: the voucher is worth its money, as far as the chain was seen lately.
    Valid,
    /// Everything that can be seen is right; the facilitator must say the rest.
    Defer(NeedsFacilitator),
}

/// Why the facilitator is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NeedsFacilitator {
    /// The channel is not known, was not seen on chain lately, or is a contract wallet's.
    Voucher,
    /// Money goes into the channel.
    Deposit,
    /// Money goes back.
    Refund,
}

impl NeedsFacilitator {
    /// A word for reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Voucher => "needs_facilitator",
            Self::Deposit => "deposit_always_needs_facilitator",
            Self::Refund => "refund_always_needs_facilitator",
        }
    }
}

/// Judges a payment for `requirements` by what is known of its channel. Of a channel that is not known nothing was
/// charged that we know of, and it holds what is deposited now.
pub fn check(
    payload: &PaymentPayload,
    requirements: &PaymentRequirements,
    known: Option<&Channel>,
    now: UnixTime,
    smart_wallets: SmartWallets,
) -> Result<Judgement, Refusal> {
    let chain_id = requirements.network().chain_id();
    let message = Message::read(payload.get("payload").ok_or(Refusal::InvalidPayload)?, chain_id)?;
    let known = known.filter(|known| known.channel_id == message.voucher.channel_id);
    message.check(requirements, known, now, smart_wallets).map_err(Refusal::Channel)
}

impl Message {
    fn check(
        &self,
        requirements: &PaymentRequirements,
        known: Option<&Channel>,
        now: UnixTime,
        smart_wallets: SmartWallets,
    ) -> Result<Judgement, ChannelFlaw> {
        let max = self.voucher.max_claimable_amount;
        if let Some(channel) = known {
            let price = match self.kind {
                Kind::Refund => Uint256::ZERO,
                Kind::Deposit(_) | Kind::Voucher => requirements.amount().units(),
            };
            if channel.charged_cumulative_amount.checked_add(price) != Some(max) {
                return Err(ChannelFlaw::CumulativeAmountMismatch);
            }
        }
        self.config.check(requirements)?;
        if let Kind::Deposit(deposit) = &self.kind {
            deposit.check(self, requirements, now, smart_wallets)?;
        }
        self.check_signature(requirements.network().chain_id())?;
        let fresh = known.filter(|channel| channel.is_fresh(now) && self.config.payer_authorizer != Address::ZERO);
        match (&self.kind, fresh) {
            (Kind::Deposit(deposit), _) => {
                let balance = known.map_or(Uint256::ZERO, |channel| channel.balance);
                if balance.checked_add(deposit.amount).is_none_or(|balance| max > balance) {
                    return Err(ChannelFlaw::CumulativeExceedsBalance);
                }
            }
            (Kind::Voucher, Some(channel)) if max > channel.balance => {
                return Err(ChannelFlaw::CumulativeExceedsBalance);
            }
            (Kind::Voucher, Some(channel)) if max <= channel.total_claimed => {
                return Err(ChannelFlaw::CumulativeBelowClaimed);
            }
            (Kind::Voucher | Kind::Refund, _) => {}
        }
        if known.is_some_and(|channel| channel.is_busy(now)) {
            return Err(ChannelFlaw::ChannelBusy);
        }
        Ok(match (&self.kind, fresh) {
            (Kind::Voucher, Some(_)) => Judgement::Valid,
            (Kind::Voucher, None) => Judgement::Defer(NeedsFacilitator::Voucher),
            (Kind::Deposit(_), _) => Judgement::Defer(NeedsFacilitator::Deposit),
            (Kind::Refund, _) => Judgement::Defer(NeedsFacilitator::Refund),
        })
    }
}

/// The hash of the voucher, and who signed it.
pub(super) fn signing_hash_of(
    payload: &PaymentPayload,
    requirements: &PaymentRequirements,
) -> Option<(Hash32, Option<Address>)> {
    message::voucher_hash(payload.get("payload")?, requirements.network().chain_id())
}

/// Reads a channel as the official servers keep it.
pub fn read_channel(stored: &Value) -> Option<Channel> {
    serde::Deserialize::deserialize(stored).ok()
}
