//! The `batch-settlement` scheme on EVM: one deposit, many vouchers, claimed together
//! (`specs/schemes/batch-settlement/scheme_batch_settlement_evm.md`).
//!
//! Here is what can be judged without the chain.

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

/// In `extra`: whose key signs claims and refunds.
pub const RECEIVER_AUTHORIZER: &str = "receiverAuthorizer";
/// In `extra`: how long a payer who leaves has to wait, in seconds.
pub const WITHDRAW_DELAY: &str = "withdrawDelay";
/// In `extra`: what a client should deposit at once, in atomic units.
pub const MIN_DEPOSIT: &str = "minDeposit";
/// Where the owner says nothing of it: a day.
pub const DEFAULT_WITHDRAW_DELAY: u64 = 86_400;
/// Likewise: so many times the price, as in the official packages.
pub const MIN_DEPOSIT_PRICES: u8 = 10;

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
/// charged that we know of, and it holds what is deposited now. A contract wallet's voucher is left to the facilitator
/// by any policy; whether it is taken at all, [`read`] says.
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

/// A message that is right in everything that can be seen without knowing its channel. Only [`read`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedMessage {
    message: Message,
    requirements: PaymentRequirements,
}

/// Judges a payment for `requirements` without its channel: its form, its terms and its signatures. A channel whose
/// vouchers a contract wallet signs is taken only where those are deferred.
pub fn read(
    payload: &PaymentPayload,
    requirements: &PaymentRequirements,
    now: UnixTime,
    smart_wallets: SmartWallets,
) -> Result<CheckedMessage, Refusal> {
    let chain_id = requirements.network().chain_id();
    let message = Message::read(payload.get("payload").ok_or(Refusal::InvalidPayload)?, chain_id)?;
    message.check_itself(requirements, now, smart_wallets).map_err(Refusal::Channel)?;
    if !message.is_proven() && smart_wallets == SmartWallets::Refuse {
        return Err(Refusal::Channel(ChannelFlaw::VoucherSignature));
    }
    Ok(CheckedMessage { message, requirements: requirements.clone() })
}

/// Reads a payment for other terms than today's, if the channel's own key signed its voucher. Contract wallets' cannot
/// be told.
pub fn recall(payload: &PaymentPayload, requirements: &PaymentRequirements) -> Option<CheckedMessage> {
    let chain_id = requirements.network().chain_id();
    let message = Message::read(payload.get("payload")?, chain_id).ok()?;
    message.check_signature(chain_id).ok().filter(|()| message.is_proven())?;
    Some(CheckedMessage { message, requirements: requirements.clone() })
}

impl CheckedMessage {
    /// What was checked.
    pub const fn message(&self) -> &Message {
        &self.message
    }

    /// Our offer that it is for.
    pub const fn requirements(&self) -> &PaymentRequirements {
        &self.requirements
    }

    /// What the request costs at most; nothing for a refund.
    pub fn price(&self) -> Uint256 {
        self.message.price(&self.requirements)
    }

    /// The EIP-712 hash of the voucher.
    pub fn digest(&self) -> Hash32 {
        crate::evm::signing_hash(&domain(self.requirements.network().chain_id()), &self.message.voucher)
    }

    /// The payload for a facilitator: our own offer, what was checked, the client's extensions.
    pub fn restated(&self, payload: &PaymentPayload) -> PaymentPayload {
        payload.restated(&self.requirements, self.message.wire())
    }
}

impl Message {
    fn price(&self, requirements: &PaymentRequirements) -> Uint256 {
        match self.kind {
            Kind::Refund(_) => Uint256::ZERO,
            Kind::Deposit(_) | Kind::Voucher => requirements.amount().units(),
        }
    }

    /// Whether a plain key signs the channel's vouchers, so that they can be told here.
    pub fn is_proven(&self) -> bool {
        self.config.payer_authorizer != Address::ZERO
    }

    fn check_itself(
        &self,
        requirements: &PaymentRequirements,
        now: UnixTime,
        smart_wallets: SmartWallets,
    ) -> Result<(), ChannelFlaw> {
        self.config.check(requirements)?;
        if let Kind::Deposit(deposit) = &self.kind {
            deposit.check(self, requirements, now, smart_wallets)?;
        }
        self.check_signature(requirements.network().chain_id())
    }

    fn check(
        &self,
        requirements: &PaymentRequirements,
        known: Option<&Channel>,
        now: UnixTime,
        smart_wallets: SmartWallets,
    ) -> Result<Judgement, ChannelFlaw> {
        let max = self.voucher.max_claimable_amount;
        if let Some(channel) = known {
            channel.continues_with(max, self.price(requirements))?;
        }
        self.check_itself(requirements, now, smart_wallets)?;
        let fresh = known.filter(|channel| channel.is_fresh(now) && self.is_proven());
        match (&self.kind, fresh) {
            (Kind::Deposit(deposit), _) => {
                let balance = known.map_or(Uint256::ZERO, |channel| channel.balance);
                if balance.checked_add(deposit.amount).is_none_or(|balance| max > balance) {
                    return Err(ChannelFlaw::CumulativeExceedsBalance);
                }
            }
            (Kind::Voucher, Some(channel)) => channel.covers(max)?,
            (Kind::Voucher | Kind::Refund(_), _) => {}
        }
        if known.is_some_and(|channel| channel.is_busy(now)) {
            return Err(ChannelFlaw::ChannelBusy);
        }
        Ok(match (&self.kind, fresh) {
            (Kind::Voucher, Some(_)) => Judgement::Valid,
            (Kind::Voucher, None) => Judgement::Defer(NeedsFacilitator::Voucher),
            (Kind::Deposit(_), _) => Judgement::Defer(NeedsFacilitator::Deposit),
            (Kind::Refund(_), _) => Judgement::Defer(NeedsFacilitator::Refund),
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
