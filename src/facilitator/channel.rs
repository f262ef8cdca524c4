//! Payments by channel: what a facilitator says of one, and what it brings to the chain for it.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    evm::{Address, Uint256},
    ports::{Clock, Fetch, Journal},
    schemes::batch_settlement::{self, RECEIVER_AUTHORIZER},
    x402::{ErrorReason, FacilitatorRequest, PaymentPayload, PaymentRequirements, SupportedKind, X402Version},
};

use super::{
    Facilitators,
    client::body_of,
    settle::{PENDING, precedes_broadcast},
};

/// The longest that a call which moves money may take: a transaction has to be mined.
const SETTLE_WITHIN: Duration = Duration::from_secs(45);

/// What a facilitator saw of a channel on chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelSeen {
    /// Deposited, less what was given back.
    pub balance: Uint256,
    /// Claimed in all.
    pub total_claimed: Uint256,
    /// When its payer asked for the rest; 0: not.
    pub withdraw_requested_at: u64,
    /// The counter of refunds.
    pub refund_nonce: u64,
}

/// What came of `/verify` for a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelVerification {
    /// It would settle; what the channel holds now, and who said so.
    Good(ChannelSeen, String),
    /// It would not, and the payer can mend it.
    Refused(ErrorReason),
    /// No facilitator answered.
    Unreachable,
    /// A facilitator answered what is no answer.
    Nonsense,
}

/// What came of `/settle` for a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelSettlement {
    /// It is on chain.
    Done {
        /// The transaction.
        transaction: String,
        /// What moved, in atomic units, where that was said.
        amount: Option<String>,
        /// The channel afterwards, where that was said.
        seen: Option<ChannelSeen>,
    },
    /// It is not, for sure: nothing was sent.
    Refused(ErrorReason),
    /// A transaction was sent and is said to have failed. Facilitators say so too where they only do not see what it did.
    Failed(ErrorReason),
    /// Nobody knows.
    Unknown {
        /// Whether the time ran out.
        deadline: bool,
    },
}

impl ChannelSettlement {
    /// Whether the time ran out.
    pub const fn is_late(&self) -> bool {
        matches!(self, Self::Unknown { deadline: true })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verified {
    is_valid: bool,
    #[serde(default)]
    invalid_reason: Value,
    #[serde(default)]
    extra: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Settled {
    success: bool,
    #[serde(default)]
    error_reason: Value,
    #[serde(default)]
    transaction: Value,
    #[serde(default)]
    network: Value,
    #[serde(default)]
    amount: Value,
    #[serde(default)]
    extra: Value,
}

impl ChannelSeen {
    /// Facilitators write numbers as texts or as numbers.
    fn read(extra: &Value) -> Option<Self> {
        let number = |key: &str| match extra.get(key)? {
            Value::String(text) => text.parse().ok(),
            Value::Number(number) => number.as_u64().map(Uint256::from),
            _ => None,
        };
        Some(Self {
            balance: number("balance").filter(|balance| balance.fits_in_128_bits())?,
            total_claimed: number("totalClaimed").filter(|claimed| claimed.fits_in_128_bits())?,
            withdraw_requested_at: number("withdrawRequestedAt").map_or(Some(0), Uint256::to_u64)?,
            refund_nonce: number("refundNonce").map_or(Some(0), Uint256::to_u64)?,
        })
    }
}

/// The terms of what a server says itself: no price, nobody waits.
pub fn server_terms(
    network: &str,
    asset: Address,
    pay_to: Address,
    authorizer: Address,
    withdraw_delay: u64,
) -> Option<PaymentRequirements> {
    let wire = json!({
        "scheme": batch_settlement::SCHEME,
        "network": network,
        "amount": "0",
        "asset": asset,
        "payTo": pay_to,
        "maxTimeoutSeconds": 60,
        "extra": { RECEIVER_AUTHORIZER: authorizer, "withdrawDelay": withdraw_delay },
    });
    PaymentRequirements::from_v2(wire).ok()
}

/// A payload that a server writes itself, for [`server_terms`].
pub fn server_payload(terms: &PaymentRequirements, payload: Value) -> Option<PaymentPayload> {
    let wire = json!({ "x402Version": X402Version::V2.number() });
    PaymentPayload::from_value(wire).ok().map(|bare| bare.restated(terms, payload))
}

impl<F: Fetch, H: Clock + Journal> Facilitators<'_, F, H> {
    /// Who settles such payments, in the order in which they are asked.
    pub fn for_channels<'u>(&self, urls: &'u [String], terms: &PaymentRequirements) -> Vec<&'u str> {
        self.roster.in_order(urls, &SupportedKind::of(terms), self.host.now())
    }

    /// Asks the facilitators in turn until one gives an answer; all share the time.
    pub async fn verify_channel(
        &self,
        urls: &[String],
        payload: &PaymentPayload,
        terms: &PaymentRequirements,
        within: Duration,
    ) -> ChannelVerification {
        let body = body_of(&FacilitatorRequest::new(payload, terms));
        let candidates = self.for_channels(urls, terms);
        let (begun, mut left) = (self.host.millis(), u32::try_from(candidates.len()).unwrap_or(u32::MAX));
        let mut outcome = ChannelVerification::Unreachable;
        for facilitator in candidates {
            let spent = Duration::from_millis(self.host.millis().saturating_sub(begun));
            let share = within.saturating_sub(spent) / left.max(1);
            left = left.saturating_sub(1);
            match self.ask::<Verified>(facilitator, "verify", body.clone(), share).await {
                Err(_) => {}
                Ok(Some(answer)) if answer.is_valid => match ChannelSeen::read(&answer.extra) {
                    Some(seen) => return ChannelVerification::Good(seen, facilitator.to_owned()),
                    None => outcome = ChannelVerification::Nonsense,
                },
                Ok(Some(answer)) => {
                    let code = ErrorReason::theirs(answer.invalid_reason.as_str(), "invalid_payment");
                    if code.as_str().ends_with("rpc_read_failed") || code.as_str() == "unexpected_verify_error" {
                        // It stumbled, not the payer.
                        outcome = ChannelVerification::Nonsense;
                    } else {
                        return ChannelVerification::Refused(code);
                    }
                }
                Ok(None) => outcome = ChannelVerification::Nonsense,
            }
        }
        outcome
    }

    /// Has one facilitator bring it to the chain. An answer that says it is under way is asked for once more, with the
    /// identical payload.
    pub async fn settle_channel(
        &self,
        facilitator: &str,
        payload: &PaymentPayload,
        terms: &PaymentRequirements,
    ) -> ChannelSettlement {
        let body = body_of(&FacilitatorRequest::new(payload, terms));
        let mut pending = false;
        for _ in 0..2 {
            let answer = match self.ask::<Settled>(facilitator, "settle", body.clone(), SETTLE_WITHIN).await {
                Ok(Some(answer)) => answer,
                Ok(None) => return ChannelSettlement::Unknown { deadline: false },
                Err(error) => {
                    return ChannelSettlement::Unknown { deadline: error == crate::ports::NoAnswer::Deadline };
                }
            };
            let transaction = answer.transaction.as_str().unwrap_or_default().to_owned();
            if answer.success {
                // Without a transaction, or about another chain, it says nothing of this.
                let named = answer.network.as_str().unwrap_or_default();
                let is_ours = named.is_empty() || named.parse() == Ok(terms.network());
                if transaction.is_empty() || !is_ours {
                    break;
                }
                let amount = answer.amount.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
                let seen = answer.extra.get("channelState").and_then(ChannelSeen::read);
                return ChannelSettlement::Done { transaction, amount, seen };
            }
            let reason = answer.error_reason.as_str().unwrap_or_default();
            if reason == PENDING && !pending {
                pending = true;
                continue;
            }
            // One that was under way may still arrive.
            if !pending && transaction.is_empty() && precedes_broadcast(reason) {
                return ChannelSettlement::Refused(ErrorReason::theirs(Some(reason), "settlement_failed"));
            }
            if !pending && !transaction.is_empty() && reason.ends_with("_transaction_failed") {
                return ChannelSettlement::Failed(ErrorReason::theirs(Some(reason), "settlement_failed"));
            }
            break;
        }
        ChannelSettlement::Unknown { deadline: false }
    }
}
