//! `/verify` and `/settle`, and every way their answers can turn out.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::{
    evm::Address,
    network::Network,
    ports::{Fetch, Journal, NoAnswer, Reply},
    schemes::CheckedPayment,
    x402::{ErrorReason, SettlementResponse, VerifyResponse},
};

/// Verifying changes nothing, so a slow facilitator is left for the next one soon.
const VERIFY_WITHIN: Duration = Duration::from_secs(5);

/// Settling waits for a block: 2 to 10 s on most chains, up to 28 s seen on Base.
const SETTLE_WITHIN: Duration = Duration::from_mins(1);

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

/// Whether the answer names our network or none: one about another chain says nothing of this payment.
fn speaks_of(answer: &SettlementResponse, payment: &VerifiedPayment<'_>) -> bool {
    let named = answer.network.parse().ok().or_else(|| Network::from_v1_name(&answer.network));
    answer.network.is_empty() || named == Some(payment.checked.requirements().network())
}

impl<'a, F: Fetch, J: Journal> Facilitators<'a, F, J> {
    /// The facilitators at these base URLs.
    pub const fn new(urls: &'a [String], fetch: &'a F, journal: &'a J) -> Self {
        Self { urls, fetch, journal }
    }

    /// Asks the facilitators in turn until one gives an answer.
    pub async fn verify(&self, checked: CheckedPayment) -> Verification<'a> {
        let mut outcome = Verification::Unreachable;
        for facilitator in self.urls {
            match self.call(facilitator, "verify", &checked, VERIFY_WITHIN).await {
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
    pub async fn settle(&self, payment: &VerifiedPayment<'_>) -> Settlement {
        match self.settle_once(payment).await {
            Attempt::Ended(settlement) => settlement,
            Attempt::Open => match self.settle_once(payment).await {
                Attempt::Ended(settled @ (Settlement::Settled(_) | Settlement::Unknown { .. })) => settled,
                // Still open, or refused because the first attempt has used the nonce.
                Attempt::Ended(Settlement::Refused(_)) | Attempt::Open => Settlement::Unknown { deadline: true },
            },
        }
    }

    async fn settle_once(&self, payment: &VerifiedPayment<'_>) -> Attempt {
        let reply = match self.call(payment.facilitator, "settle", &payment.checked, SETTLE_WITHIN).await {
            Ok(reply) => reply,
            Err(error) => return Attempt::Ended(Settlement::Unknown { deadline: error == NoAnswer::Deadline }),
        };
        let Some(answer) = read::<SettlementResponse>(&reply) else {
            return Attempt::Ended(Settlement::Unknown { deadline: false });
        };
        if !speaks_of(&answer, payment) {
            return Attempt::Ended(Settlement::Unknown { deadline: false });
        }
        let certain = match (answer.success, answer.error_reason.as_deref()) {
            (true, reason) => !answer.transaction.is_empty() && reason != Some(PENDING),
            // With a transaction there was a broadcast, whatever became of it.
            (false, reason) => answer.transaction.is_empty() && reason.is_some_and(precedes_broadcast),
        };
        match (certain, answer.success) {
            (false, _) => Attempt::Open,
            (true, true) => Attempt::Ended(Settlement::Settled(receipt(payment, answer))),
            (true, false) => Attempt::Ended(Settlement::Refused(receipt(payment, answer))),
        }
    }

    async fn call(
        &self,
        facilitator: &str,
        operation: &str,
        checked: &CheckedPayment,
        within: Duration,
    ) -> Result<Reply, NoAnswer> {
        // Our messages have text keys only, so writing them as JSON cannot fail.
        let body = serde_json::to_string(&checked.facilitator_request()).unwrap_or_default();
        let url = format!("{facilitator}/{operation}");
        let reply = self.fetch.post_json(&url, body, within).await;
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
fn receipt(payment: &VerifiedPayment<'_>, answer: SettlementResponse) -> SettlementResponse {
    let requirements = payment.checked.requirements();
    let network = requirements.wire()["network"].as_str().unwrap_or_default().to_owned();
    SettlementResponse { network, payer: Some(payment.checked.payer().to_string()), ..answer }
}
