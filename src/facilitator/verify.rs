//! `/verify`: what the edge cannot see. It changes nothing, so the next facilitator may be asked at once.

use std::time::Duration;

use serde_json::json;

use crate::{
    evm::Address,
    money::Amount,
    ports::{Clock, Fetch, Journal},
    schemes::{CheckedPayment, upto},
    time::UnixTime,
    x402::{ErrorReason, FacilitatorRequest, SettleAttempt, SettlementResponse, SupportedKind, VerifyResponse},
};

use super::{Facilitators, client::body_of};

/// A payment that a facilitator says would settle, or whose payer is believed. Only [`Facilitators::verify`] and
/// [`Facilitators::trust`] make one.
#[derive(Debug, Clone)]
pub struct VerifiedPayment {
    checked: CheckedPayment,
    facilitator: String,
    others: Vec<String>,
}

impl VerifiedPayment {
    /// What was checked and verified.
    pub const fn checked(&self) -> &CheckedPayment {
        &self.checked
    }

    /// The receipt of a payment of which nothing is charged.
    pub fn nothing_charged(&self) -> SettlementResponse {
        SettlementResponse { amount: Some(Amount::ZERO.to_string()), ..self.not_on_chain() }
    }

    /// The receipt of a payment that is settled while its answer is on its way.
    pub fn queued(&self) -> SettlementResponse {
        SettlementResponse { extra: Some(json!({ "settlement": "queued" })), ..self.not_on_chain() }
    }

    fn not_on_chain(&self) -> SettlementResponse {
        let network = self.checked.requirements().wire()["network"].as_str().unwrap_or_default().to_owned();
        SettlementResponse {
            success: true,
            error_reason: None,
            transaction: String::new(),
            network,
            payer: Some(self.checked.payer().to_string()),
            amount: None,
            extra: None,
        }
    }

    /// The settlement that is about to be asked for: with the facilitator that verified. `used` says what is
    /// charged where less may be charged than was signed.
    pub fn attempt(&self, rpc: &[String], now: UnixTime, used: Option<Amount>) -> SettleAttempt {
        let (checked, requirements) = (&self.checked, self.checked.requirements());
        let charge = checked.charge(used);
        let settled = checked.is_metered().then(|| requirements.with_amount(charge));
        let request = FacilitatorRequest::new(checked.payload(), settled.as_ref().unwrap_or(requirements));
        SettleAttempt {
            facilitator: self.facilitator.clone(),
            others: self.others.clone(),
            body: body_of(&request),
            network: requirements.wire()["network"].as_str().unwrap_or_default().to_owned(),
            chain_id: requirements.network().chain_id(),
            asset: requirements.asset().to_string(),
            payer: checked.payer().to_string(),
            pay_to: requirements.pay_to().to_string(),
            amount: charge.to_string(),
            ceiling: settled.is_some().then(|| requirements.amount().to_string()),
            transfer: checked.transfer(),
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
pub enum Verification {
    /// The payment is good now: go on.
    Verified(VerifiedPayment),
    /// It is not, and the payer can mend it: 402.
    Refused(ErrorReason),
    /// No facilitator answered. Nothing was charged; the same payment may be tried again: 503.
    Unreachable,
    /// A facilitator answered what is no answer. Nothing was charged: 502.
    Nonsense,
}

/// The code that says the facilitator stumbled, not the payer.
const UNEXPECTED_VERIFY_ERROR: &str = "unexpected_verify_error";

/// Codes that say the facilitator does not do such payments; another one may.
const NOT_MINE: [&str; 4] = ["unsupported_scheme", "invalid_scheme", "unsupported_network", "invalid_network"];

impl<F: Fetch, H: Clock + Journal> Facilitators<'_, F, H> {
    /// Goes on without asking: settling will show whether the payment is good. Nothing where there is nobody to settle.
    pub fn trust(&self, urls: &[String], checked: CheckedPayment) -> Option<VerifiedPayment> {
        let mut candidates = self.candidates(urls, &checked).into_iter().map(str::to_owned);
        let facilitator = candidates.next()?;
        Some(VerifiedPayment { checked, facilitator, others: candidates.collect() })
    }

    /// Who can settle this payment, in the order in which they are asked.
    fn candidates<'u>(&self, urls: &'u [String], checked: &CheckedPayment) -> Vec<&'u str> {
        let kind = SupportedKind::of(checked.requirements());
        let mut candidates = self.roster.in_order(urls, &kind, self.host.now());
        if let Some(named) = checked.requirements().extra(upto::FACILITATOR_ADDRESS).filter(|_| checked.is_metered()) {
            // Nobody else can settle it.
            self.roster.keep_those_of(&mut candidates, &kind, named);
        }
        candidates
    }

    /// Asks the facilitators in turn until one gives an answer; all share the time.
    pub async fn verify(&self, urls: &[String], checked: CheckedPayment, within: Duration) -> Verification {
        let candidates = self.candidates(urls, &checked);
        let body = body_of(&checked.facilitator_request());
        let mut outcome = Verification::Unreachable;
        let (begun, mut left) = (self.host.millis(), u32::try_from(candidates.len()).unwrap_or(u32::MAX));
        for facilitator in &candidates {
            let spent = Duration::from_millis(self.host.millis().saturating_sub(begun));
            let share = within.saturating_sub(spent) / left.max(1);
            left = left.saturating_sub(1);
            match self.ask::<VerifyResponse>(facilitator, "verify", body.clone(), share).await {
                Err(_) => {}
                Ok(Some(answer)) if answer.is_valid && names(&answer, checked.payer()) => {
                    let others = candidates.iter().filter(|other| *other != facilitator);
                    return Verification::Verified(VerifiedPayment {
                        checked,
                        facilitator: (*facilitator).to_owned(),
                        others: others.map(|other| (*other).to_owned()).collect(),
                    });
                }
                Ok(Some(answer)) if !answer.is_valid => match answer.invalid_reason.as_deref() {
                    Some(UNEXPECTED_VERIFY_ERROR) => outcome = Verification::Nonsense,
                    reason => {
                        let code = ErrorReason::theirs(reason, "invalid_payment");
                        if !NOT_MINE.contains(&code.as_str()) {
                            return Verification::Refused(code);
                        }
                        outcome = Verification::Refused(code);
                    }
                },
                Ok(_) => outcome = Verification::Nonsense,
            }
        }
        outcome
    }
}

/// Whether the payer whom the facilitator names, if any, is the one we checked.
fn names(answer: &VerifyResponse, payer: Address) -> bool {
    let named = answer.payer.as_deref().map(|text| text.to_ascii_lowercase().parse());
    named.is_none_or(|named| named == Ok(payer))
}
