//! `/verify` and `/settle`, and every way their answers can turn out.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::{
    ports::{Fetch, NoAnswer, Reply},
    schemes::CheckedPayment,
    x402::{ErrorReason, SettlementResponse, VerifyResponse},
};

/// Verifying changes nothing, so a slow facilitator is left for the next one soon.
const VERIFY_WITHIN: Duration = Duration::from_secs(5);

/// Settling waits for a block: 2 to 10 s on most chains, up to 28 s seen on Base.
const SETTLE_WITHIN: Duration = Duration::from_mins(1);

/// The facilitators of a price document, in the owner's order.
#[derive(Debug)]
pub struct Facilitators<'a, F> {
    urls: &'a [String],
    fetch: &'a F,
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

/// Codes that say the facilitator stumbled, not the payer.
const THEIR_OWN_FAULT: [&str; 2] = ["unexpected_verify_error", "unexpected_settle_error"];

/// The transaction is out and not yet mined: asking again with the same payload resolves it.
const PENDING: &str = "settlement_pending";

impl<'a, F: Fetch> Facilitators<'a, F> {
    /// The facilitators at these base URLs.
    pub const fn new(urls: &'a [String], fetch: &'a F) -> Self {
        Self { urls, fetch }
    }

    /// Asks the facilitators in turn until one gives an answer.
    pub async fn verify(&self, checked: CheckedPayment) -> Verification<'a> {
        let mut outcome = Verification::Unreachable;
        for facilitator in self.urls {
            match self.call(facilitator, "verify", &checked, VERIFY_WITHIN).await {
                Err(_) => {}
                Ok(reply) => match read::<VerifyResponse>(&reply) {
                    Some(answer) if answer.is_valid => {
                        return Verification::Verified(VerifiedPayment { checked, facilitator });
                    }
                    Some(answer) if !is_their_own_fault(answer.invalid_reason.as_deref()) => {
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
    pub async fn settle(&self, payment: &VerifiedPayment<'_>) -> Settlement {
        match self.settle_once(payment).await {
            Settlement::Refused(answer) if answer.error_reason.as_deref() == Some(PENDING) => {
                match self.settle_once(payment).await {
                    settled @ Settlement::Settled(_) => settled,
                    // Still pending, or refused because the first attempt has used the nonce.
                    Settlement::Refused(_) => Settlement::Unknown { deadline: true },
                    unknown @ Settlement::Unknown { .. } => unknown,
                }
            }
            settlement => settlement,
        }
    }

    async fn settle_once(&self, payment: &VerifiedPayment<'_>) -> Settlement {
        let reply = match self.call(payment.facilitator, "settle", &payment.checked, SETTLE_WITHIN).await {
            Ok(reply) => reply,
            Err(error) => return Settlement::Unknown { deadline: error == NoAnswer::Deadline },
        };
        match read::<SettlementResponse>(&reply) {
            Some(answer) if answer.success => Settlement::Settled(receipt(payment, answer)),
            Some(answer) if !is_their_own_fault(answer.error_reason.as_deref()) => {
                let reason = ErrorReason::theirs(answer.error_reason.as_deref(), "settlement_failed");
                let answer = SettlementResponse { error_reason: Some(reason.to_string()), ..answer };
                Settlement::Refused(receipt(payment, answer))
            }
            _ => Settlement::Unknown { deadline: false },
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
        self.fetch.post_json(&format!("{facilitator}/{operation}"), body, within).await
    }
}

/// The x402 answer in a body: facilitators send refusals with 200, 400 and 500 alike.
fn read<T: DeserializeOwned>(reply: &Reply) -> Option<T> {
    serde_json::from_str(&reply.body).ok()
}

fn is_their_own_fault(reason: Option<&str>) -> bool {
    reason.is_some_and(|reason| THEIR_OWN_FAULT.contains(&reason))
}

/// The receipt as the client gets it: the network in the words of its version, the payer always named.
fn receipt(payment: &VerifiedPayment<'_>, answer: SettlementResponse) -> SettlementResponse {
    let requirements = payment.checked.requirements();
    let network = requirements.wire()["network"].as_str().unwrap_or_default().to_owned();
    SettlementResponse { network, payer: Some(payment.checked.payer().to_string()), ..answer }
}
