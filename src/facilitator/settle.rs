//! `/settle`, and every way its answers can turn out.

use std::time::Duration;

use crate::{
    chain::{self, OnChain},
    money::TransferMethod,
    network::Network,
    ports::{Clock, Fetch, Journal, NoAnswer},
    x402::{ErrorReason, SettleAttempt, SettlementResponse},
};

use super::{Facilitators, VerifiedPayment};

/// Time for settling where nothing remembers the payment. It takes 2 to 10 s on most chains, up to 28 s seen on Base.
const SETTLE_WITHIN_UNREMEMBERED: Duration = Duration::from_secs(25);

/// There, an answer that left it open is asked for again in this time.
const ASK_AGAIN_WITHIN: Duration = Duration::from_secs(1);

/// What came of settling.
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

/// What the chain says, before a facilitator is asked again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inquiry {
    /// It has decided.
    Decided(Settlement),
    /// The authorization is not used.
    Unused {
        /// No earlier attempt can still land: another facilitator may be asked.
        nothing_under_way: bool,
    },
    /// It cannot be asked.
    Silent,
}

/// The transaction is out and not yet mined.
pub(super) const PENDING: &str = "settlement_pending";

/// Parts of codes that facilitators send when they lost sight of a transaction: it may still be mined. The official
/// ones say *transaction failed* for whatever goes wrong while they send it, a lost answer of their node too.
const LOST_SIGHT: [&str; 8] = [
    "pending",
    "timed_out",
    "timeout",
    "node_failure",
    "unexpected",
    "unknown",
    "transaction_failed",
    "transaction_state",
];

/// Whether a code says that nothing was sent to the chain. Free text, such as a caught exception's, says nothing.
pub(super) fn precedes_broadcast(reason: &str) -> bool {
    let code = reason.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    code && !reason.is_empty() && !LOST_SIGHT.iter().any(|part| reason.contains(part))
}

/// Parts of codes that say the authorization was used.
const USED: [&str; 4] = ["nonce_already_used", "already_used", "duplicate_settlement", "permit2_invalid_nonce"];

/// What authorizations are refused with that have expired: it says nothing of whether they were used before.
const EXPIRED: [&str; 2] = ["valid_before", "deadline_expired"];

/// A block after the last valid second settles nothing any more; clocks and blocks may lag so much.
const BLOCK_SECONDS: u64 = 60;

/// A transaction that is not mined by then never will be: facilitators replace or drop it.
const MEMPOOL_SECONDS: u64 = 180;

/// Whether the answer names our network or none: one about another chain says nothing of this payment.
fn speaks_of(answer: &SettlementResponse, attempt: &SettleAttempt) -> bool {
    let named = answer.network.parse().ok().or_else(|| Network::from_v1_name(&answer.network));
    answer.network.is_empty() || named == Some(Network::eip155(attempt.chain_id))
}

impl<F: Fetch, H: Clock + Journal> Facilitators<'_, F, H> {
    /// Settles a payment that nothing remembers, with the facilitator that verified and with no other. An answer
    /// that leaves it open is asked for once more, with the identical payload.
    pub async fn settle_unremembered(&self, _verified: &VerifiedPayment, attempt: &SettleAttempt) -> Settlement {
        let unknown = Settlement::Unknown { deadline: true };
        match self.settle_first(attempt, SETTLE_WITHIN_UNREMEMBERED).await {
            Some(settlement) => settlement,
            None => match self.settle(attempt, ASK_AGAIN_WITHIN).await {
                // A refusal may come from the first attempt having used the nonce.
                Some(Settlement::Refused(_)) | None => unknown,
                Some(settlement) => settlement,
            },
        }
    }

    /// The first call for an attempt. By Permit2 anybody can settle, and the facilitator then fails although we were
    /// paid: its refusal is held against the chain where that can be asked.
    pub async fn settle_first(&self, attempt: &SettleAttempt, within: Duration) -> Option<Settlement> {
        let settlement = self.settle(attempt, within).await?;
        let doubtful = attempt.transfer == TransferMethod::Permit2 && matches!(settlement, Settlement::Refused(_));
        if doubtful && let Inquiry::Decided(decided @ Settlement::Settled(_)) = self.inquire(attempt).await {
            return Some(decided);
        }
        Some(settlement)
    }

    /// One call of `/settle`. Nothing where the transaction may be out and not yet mined: asking again with the
    /// same payload may resolve it.
    pub async fn settle(&self, attempt: &SettleAttempt, within: Duration) -> Option<Settlement> {
        let answer = self.ask::<SettlementResponse>(&attempt.facilitator, "settle", attempt.body.clone(), within);
        let answer = match answer.await {
            Ok(Some(answer)) if speaks_of(&answer, attempt) => answer,
            Ok(_) => return Some(Settlement::Unknown { deadline: false }),
            Err(error) => return Some(Settlement::Unknown { deadline: error == NoAnswer::Deadline }),
        };
        let certain = match (answer.success, answer.error_reason.as_deref()) {
            (true, reason) => !answer.transaction.is_empty() && reason != Some(PENDING),
            // With a transaction there was a broadcast, whatever became of it.
            (false, reason) => answer.transaction.is_empty() && reason.is_some_and(precedes_broadcast),
        };
        let receipt = receipt(attempt, answer.success, answer.transaction, answer.error_reason.as_deref());
        match (certain, answer.success) {
            (false, _) => None,
            (true, true) => Some(Settlement::Settled(receipt)),
            (true, false) => Some(Settlement::Refused(receipt)),
        }
    }

    /// What the chain says of a settlement that was begun, where it can be asked.
    pub async fn inquire(&self, attempt: &SettleAttempt) -> Inquiry {
        let refused = |reason: &str| Inquiry::Decided(Settlement::Refused(refusal(attempt, reason)));
        let on_chain = chain::authorization(self.fetch, &attempt.into()).await;
        let now = self.host.now();
        match on_chain {
            Some(OnChain::Used(transaction)) => Inquiry::Decided(settled(attempt, transaction)),
            Some(OnChain::Canceled) => refused("authorization_canceled"),
            Some(OnChain::Elsewhere) => refused(match attempt.transfer {
                TransferMethod::Eip3009 => "invalid_exact_evm_nonce_already_used",
                TransferMethod::Permit2 => "permit2_invalid_nonce",
            }),
            Some(OnChain::Unused) if now.0 > attempt.expires_at.saturating_add(BLOCK_SECONDS) => {
                refused(match attempt.transfer {
                    TransferMethod::Eip3009 => "invalid_exact_evm_payload_authorization_valid_before",
                    TransferMethod::Permit2 => "permit2_deadline_expired",
                })
            }
            Some(OnChain::Unused) => Inquiry::Unused { nothing_under_way: has_landed(attempt, now.0) },
            None => Inquiry::Silent,
        }
    }

    /// Asks the facilitator again for a settlement that was begun, with the identical payload. A nonce that was
    /// used after our own attempt counts for the payer; other refusals only when nothing of ours can be under way.
    /// Where nobody knows, `attempt.begun_at` says afterwards when something was sent last.
    pub async fn settle_again(&self, attempt: &mut SettleAttempt, inquiry: &Inquiry, within: Duration) -> Settlement {
        let unknown = Settlement::Unknown { deadline: true };
        let asked_at = self.host.now();
        match self.settle(attempt, within).await {
            Some(Settlement::Refused(answer)) => {
                let reason = answer.error_reason.unwrap_or_default();
                let unused = matches!(inquiry, Inquiry::Unused { .. });
                // By Permit2 a used nonce looks like any failed simulation, or like money that is not there.
                let telling =
                    attempt.transfer == TransferMethod::Eip3009 && !EXPIRED.iter().any(|part| reason.contains(part));
                if USED.iter().any(|part| reason.contains(part)) {
                    settled(attempt, String::new())
                } else if has_landed(attempt, asked_at.0) && (unused || telling) {
                    Settlement::Refused(refusal(attempt, &reason))
                } else {
                    unknown
                }
            }
            Some(settled @ Settlement::Settled(_)) => settled,
            // This call may have sent a transaction of its own.
            Some(open @ Settlement::Unknown { .. }) => {
                attempt.begun_at = asked_at.0;
                open
            }
            None => {
                attempt.begun_at = asked_at.0;
                unknown
            }
        }
    }

    /// The same attempt with a facilitator to which something can be sent: the first whose breaker is not open.
    #[must_use]
    pub fn reachable(&self, attempt: SettleAttempt) -> SettleAttempt {
        let now = self.host.now();
        if !self.roster.is_open(&attempt.facilitator, now) {
            return attempt;
        }
        let reachable = attempt.others.iter().position(|other| !self.roster.is_open(other, now));
        reachable.map_or(attempt.clone(), |index| with_other(attempt, index))
    }

    /// The same attempt with the next facilitator, where there is one.
    #[must_use]
    pub fn moved_on(&self, attempt: SettleAttempt) -> SettleAttempt {
        if attempt.others.is_empty() {
            return attempt;
        }
        SettleAttempt { begun_at: self.host.now().0, ..with_other(attempt, 0) }
    }
}

/// Changes places with one of the others; the one left behind is asked last.
fn with_other(mut attempt: SettleAttempt, index: usize) -> SettleAttempt {
    let before = std::mem::replace(&mut attempt.facilitator, attempt.others.remove(index));
    attempt.others.push(before);
    attempt
}

/// Whether a transaction of this attempt is mined by now or never will be.
const fn has_landed(attempt: &SettleAttempt, now: u64) -> bool {
    now > attempt.begun_at.saturating_add(MEMPOOL_SECONDS)
}

fn settled(attempt: &SettleAttempt, transaction: String) -> Settlement {
    Settlement::Settled(receipt(attempt, true, transaction, None))
}

fn refusal(attempt: &SettleAttempt, reason: &str) -> SettlementResponse {
    receipt(attempt, false, String::new(), Some(reason))
}

/// The receipt as the client gets it: the network in the words of its version, the payer always named.
fn receipt(attempt: &SettleAttempt, success: bool, transaction: String, reason: Option<&str>) -> SettlementResponse {
    let reason = (!success).then(|| ErrorReason::theirs(reason, "settlement_failed").to_string());
    let (network, payer) = (attempt.network.clone(), Some(attempt.payer.clone()));
    let amount = attempt.ceiling.as_ref().filter(|_| success).map(|_| attempt.amount.clone());
    SettlementResponse { success, error_reason: reason, transaction, network, payer, amount, extra: None }
}
