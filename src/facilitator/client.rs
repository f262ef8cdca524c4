//! `/verify` and `/settle`, and every way their answers can turn out.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::{
    evm::Address,
    network::Network,
    ports::{Fetch, Journal, NoAnswer, Reply},
    schemes::CheckedPayment,
    time::UnixTime,
    x402::{ErrorReason, SettleAttempt, SettlementResponse, VerifyResponse},
};

use super::chain::{self, OnChain};

/// Time for verifying, shared by the facilitators: it changes nothing, so a slow one is left for the next.
const VERIFY_WITHIN: Duration = Duration::from_secs(4);

/// Time for settling while a client waits, where the ledger finishes what takes longer: with verifying, 10 s.
pub const SETTLE_WITHIN: Duration = Duration::from_secs(6);

/// The same where nothing remembers the payment. Settling takes 2 to 10 s on most chains, up to 28 s seen on Base.
pub const SETTLE_WITHIN_UNREMEMBERED: Duration = Duration::from_secs(25);

/// An answer that left it open is asked for again in this time.
const ASK_AGAIN_WITHIN: Duration = Duration::from_secs(1);

/// The facilitators of a price document, in the owner's order.
#[derive(Debug)]
pub struct Facilitators<'a, F, J> {
    urls: &'a [String],
    fetch: &'a F,
    journal: &'a J,
}

/// A payment that a facilitator says would settle. Only [`Facilitators::verify`] makes one.
#[derive(Debug)]
pub struct VerifiedPayment<'a> {
    checked: CheckedPayment,
    facilitator: &'a str,
}

impl VerifiedPayment<'_> {
    /// What was checked and verified.
    pub const fn checked(&self) -> &CheckedPayment {
        &self.checked
    }

    /// The settlement that is about to be asked for.
    pub fn attempt(&self, rpc: &[String], now: UnixTime) -> SettleAttempt {
        let (checked, requirements) = (&self.checked, self.checked.requirements());
        SettleAttempt {
            facilitator: self.facilitator.to_owned(),
            body: body_of(checked),
            network: requirements.wire()["network"].as_str().unwrap_or_default().to_owned(),
            chain_id: requirements.network().chain_id(),
            asset: requirements.asset().to_string(),
            payer: checked.payer().to_string(),
            nonce: format!("0x{}", hex::encode(checked.nonce())),
            expires_at: checked.expires_at().0,
            begun_at: now.0,
            rpc: rpc.to_vec(),
        }
    }
}

/// What came of `/verify`.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "made once per paid request and taken apart at once")]
pub enum Verification<'a> {
    /// The payment is good now: go on.
    Verified(VerifiedPayment<'a>),
    /// It is not, and the payer can mend it: 402.
    Refused(ErrorReason),
    /// No facilitator answered. Nothing was charged; the same payment may be tried again: 503.
    Unreachable,
    /// A facilitator answered what is no answer. Nothing was charged: 502.
    Nonsense,
}

/// What came of `/settle`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// The money moved: serve.
    Settled(SettlementResponse),
    /// It did not, for sure; the client may sign again: 402 with this receipt.
    Refused(SettlementResponse),
    /// Nobody knows. Never a 402: a client that signed again could pay twice.
    Unknown {
        /// Whether the time ran out (504), or the answer was lost or unreadable (502).
        deadline: bool,
    },
}

/// One call of `/settle`.
enum Attempt {
    /// It is known how it ended, or that nobody knows.
    Ended(Settlement),
    /// The transaction may be out and not yet mined: asking again with the same payload may resolve it.
    Open,
}

/// The code that says the facilitator stumbled over `/verify`, not the payer.
const UNEXPECTED_VERIFY_ERROR: &str = "unexpected_verify_error";

/// The transaction is out and not yet mined.
const PENDING: &str = "settlement_pending";

/// Parts of codes that facilitators send when they lost sight of a transaction: it may still be mined.
const LOST_SIGHT: [&str; 6] = ["pending", "timed_out", "timeout", "node_failure", "unexpected", "unknown"];

/// Whether a code says that nothing was sent to the chain. Free text, such as a caught exception's, says nothing.
fn precedes_broadcast(reason: &str) -> bool {
    let code = reason.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    code && !reason.is_empty() && !LOST_SIGHT.iter().any(|part| reason.contains(part))
}

/// Parts of codes that say the authorization was used.
const USED: [&str; 3] = ["nonce_already_used", "already_used", "duplicate_settlement"];

/// A block after the last valid second settles nothing any more; clocks and blocks may lag so much.
const BLOCK_SECONDS: u64 = 60;

/// A transaction that is not mined by then never will be: facilitators replace or drop it.
const MEMPOOL_SECONDS: u64 = 180;

/// Whether the answer names our network or none: one about another chain says nothing of this payment.
fn speaks_of(answer: &SettlementResponse, attempt: &SettleAttempt) -> bool {
    let named = answer.network.parse().ok().or_else(|| Network::from_v1_name(&answer.network));
    answer.network.is_empty() || named == Some(Network::eip155(attempt.chain_id))
}

/// The body for a facilitator. Our messages have text keys only, so writing them as JSON cannot fail.
fn body_of(checked: &CheckedPayment) -> String {
    serde_json::to_string(&checked.facilitator_request()).unwrap_or_default()
}

impl<'a, F: Fetch, J: Journal> Facilitators<'a, F, J> {
    /// The facilitators at these base URLs.
    pub const fn new(urls: &'a [String], fetch: &'a F, journal: &'a J) -> Self {
        Self { urls, fetch, journal }
    }

    /// Asks the facilitators in turn until one gives an answer.
    pub async fn verify(&self, checked: CheckedPayment) -> Verification<'a> {
        let mut outcome = Verification::Unreachable;
        let within = VERIFY_WITHIN / u32::try_from(self.urls.len()).unwrap_or(u32::MAX).max(1);
        for facilitator in self.urls {
            match self.call(&format!("{facilitator}/verify"), body_of(&checked), within).await {
                Err(_) => {}
                Ok(reply) => match read::<VerifyResponse>(&reply) {
                    Some(answer) if answer.is_valid && names(&answer, checked.payer()) => {
                        return Verification::Verified(VerifiedPayment { checked, facilitator });
                    }
                    Some(answer)
                        if !answer.is_valid && answer.invalid_reason.as_deref() != Some(UNEXPECTED_VERIFY_ERROR) =>
                    {
                        let reason = ErrorReason::theirs(answer.invalid_reason.as_deref(), "invalid_payment");
                        return Verification::Refused(reason);
                    }
                    _ => outcome = Verification::Nonsense,
                },
            }
        }
        outcome
    }

    /// Settles with the facilitator that verified, and with no other: a lost answer may be a settled payment.
    /// An answer that leaves it open is asked for once more, with the identical payload.
    pub async fn settle(&self, payment: &VerifiedPayment<'_>, attempt: &SettleAttempt, within: Duration) -> Settlement {
        debug_assert_eq!(attempt.facilitator, payment.facilitator);
        match self.settle_once(attempt, within).await {
            Attempt::Ended(settlement) => settlement,
            Attempt::Open => match self.settle_once(attempt, ASK_AGAIN_WITHIN).await {
                Attempt::Ended(settled @ (Settlement::Settled(_) | Settlement::Unknown { .. })) => settled,
                // Still open, or refused because the first attempt has used the nonce.
                Attempt::Ended(Settlement::Refused(_)) | Attempt::Open => Settlement::Unknown { deadline: true },
            },
        }
    }

    /// Finds out what became of a settlement that was begun: the chain decides where it can be asked, else the
    /// facilitator with the identical payload. A nonce that was used after our own attempt counts for the payer.
    pub async fn resolve(&self, attempt: &SettleAttempt, now: UnixTime) -> Settlement {
        let unknown = Settlement::Unknown { deadline: true };
        let settled = |transaction: String| Settlement::Settled(receipt(attempt, true, transaction, None));
        let refused = |reason: &str| Settlement::Refused(receipt(attempt, false, String::new(), Some(reason)));
        let unused = match chain::authorization(self.fetch, attempt).await {
            Some(OnChain::Used(transaction)) => return settled(transaction),
            Some(OnChain::Canceled) => return refused("authorization_canceled"),
            Some(OnChain::Unused) if now.0 > attempt.expires_at.saturating_add(BLOCK_SECONDS) => {
                return refused("invalid_exact_evm_payload_authorization_valid_before");
            }
            Some(OnChain::Unused) => true,
            None => false,
        };
        match self.settle_once(attempt, SETTLE_WITHIN).await {
            Attempt::Ended(Settlement::Refused(answer)) => {
                let reason = answer.error_reason.unwrap_or_default();
                let mined_or_gone = now.0 > attempt.begun_at.saturating_add(MEMPOOL_SECONDS);
                if USED.iter().any(|part| reason.contains(part)) {
                    settled(String::new())
                } else if mined_or_gone && (unused || !reason.contains("valid_before")) {
                    refused(&reason)
                } else {
                    unknown
                }
            }
            Attempt::Ended(settlement) => settlement,
            Attempt::Open => unknown,
        }
    }

    async fn settle_once(&self, attempt: &SettleAttempt, within: Duration) -> Attempt {
        let url = format!("{}/settle", attempt.facilitator);
        let reply = match self.call(&url, attempt.body.clone(), within).await {
            Ok(reply) => reply,
            Err(error) => return Attempt::Ended(Settlement::Unknown { deadline: error == NoAnswer::Deadline }),
        };
        let Some(answer) = read::<SettlementResponse>(&reply).filter(|answer| speaks_of(answer, attempt)) else {
            return Attempt::Ended(Settlement::Unknown { deadline: false });
        };
        let certain = match (answer.success, answer.error_reason.as_deref()) {
            (true, reason) => !answer.transaction.is_empty() && reason != Some(PENDING),
            // With a transaction there was a broadcast, whatever became of it.
            (false, reason) => answer.transaction.is_empty() && reason.is_some_and(precedes_broadcast),
        };
        let receipt = receipt(attempt, answer.success, answer.transaction, answer.error_reason.as_deref());
        match (certain, answer.success) {
            (false, _) => Attempt::Open,
            (true, true) => Attempt::Ended(Settlement::Settled(receipt)),
            (true, false) => Attempt::Ended(Settlement::Refused(receipt)),
        }
    }

    async fn call(&self, url: &str, body: String, within: Duration) -> Result<Reply, NoAnswer> {
        let reply = self.fetch.post_json(url, body, within).await;
        match &reply {
            Err(error) => self.journal.fault(&format!("{url}: {error}")),
            Ok(reply) if !(200..300).contains(&reply.status) => {
                self.journal.fault(&format!("{url}: status {}", reply.status));
            }
            Ok(_) => {}
        }
        reply
    }
}

/// The x402 answer in a body: facilitators send refusals with 200, 400 and 500 alike.
fn read<T: DeserializeOwned>(reply: &Reply) -> Option<T> {
    serde_json::from_str(&reply.body).ok()
}

/// Whether the payer whom the facilitator names, if any, is the one we checked.
fn names(answer: &VerifyResponse, payer: Address) -> bool {
    let named = answer.payer.as_deref().map(|text| text.to_ascii_lowercase().parse());
    named.is_none_or(|named| named == Ok(payer))
}

/// The receipt as the client gets it: the network in the words of its version, the payer always named.
fn receipt(attempt: &SettleAttempt, success: bool, transaction: String, reason: Option<&str>) -> SettlementResponse {
    let reason = (!success).then(|| ErrorReason::theirs(reason, "settlement_failed").to_string());
    let (network, payer) = (attempt.network.clone(), Some(attempt.payer.clone()));
    SettlementResponse { success, error_reason: reason, transaction, network, payer }
}
