//! From a checked payment to a paid answer: verify, origin, settle.

use crate::{
    facilitator::{Facilitators, Settlement, Verification, VerifiedPayment},
    origin::{Destination, paid_answer_edits, paid_forward, relayed_answer_edits},
    ports::{Clock, Fetch, Journal, Origin, OriginAnswer, Request},
    schemes::{CheckedPayment, Refusal},
};

use super::{
    Answer, Gate, ORIGIN_WITHIN, Visit,
    answer::{self, Challenge},
};

impl<F: Fetch, C: Clock, J: Journal> Gate<'_, F, C, J> {
    /// Has the payment verified, asks the origin, settles, and only then lets the answer out.
    pub(super) async fn charge<R: Request, O: Origin>(
        &self,
        payment: CheckedPayment,
        challenge: &Challenge<'_>,
        visit: &Visit<'_, R>,
        origin: &O,
    ) -> Answer<O::Answer> {
        let version = payment.payload().version();
        let facilitators = Facilitators::new(visit.table.facilitators(), self.fetch, self.journal);
        let payment = match facilitators.verify(payment).await {
            Verification::Verified(payment) => payment,
            Verification::Refused(reason) => return challenge.refused(&Refusal::Facilitator(reason), version).into(),
            Verification::Unreachable => return answer::facilitator_unreachable().into(),
            Verification::Nonsense => {
                self.journal.fault("verify: no facilitator gave an x402 answer");
                return answer::facilitator_nonsense().into();
            }
        };

        let forward = paid_forward(visit.forward(), payment.checked());
        let answer = match origin.send(forward, ORIGIN_WITHIN).await {
            Ok(answer) => answer,
            Err(error) => {
                self.journal.fault(&format!("origin: {error}; not charged"));
                return answer::origin_failed(error).into();
            }
        };
        if self.is_free_of_charge(&answer, visit) {
            let edits = self.hide_origin(&answer, visit, relayed_answer_edits());
            return Answer::Origins { answer, edits };
        }
        // The origin took its time; a facilitator would refuse the authorization now.
        if !payment.checked().settles_at(self.clock.now()) {
            return challenge.refused(&Refusal::ValidBefore, version).into();
        }
        match facilitators.settle(&payment).await {
            Settlement::Settled(receipt) => {
                let mut edits = paid_answer_edits(answer.header("Cache-Control").as_deref());
                edits = self.hide_origin(&answer, visit, edits);
                edits.set.push(answer::receipt(&receipt, version));
                edits.set.extend(answer::exposed_to_browsers(&answer));
                Answer::Origins { answer, edits }
            }
            Settlement::Refused(receipt) => challenge.settlement_refused(&receipt, version).into(),
            Settlement::Unknown { deadline } => {
                self.journal.fault(&format!("settle: outcome unknown: {}", name_of(&payment)));
                answer::settlement_unknown(deadline).into()
            }
        }
    }

    /// Nobody pays for an error, for "you have it already", nor for being sent to another priced page, where
    /// the client pays.
    fn is_free_of_charge<R: Request>(&self, answer: &impl OriginAnswer, visit: &Visit<'_, R>) -> bool {
        match self.redirect(answer, visit) {
            Some(Destination::Here { path, .. }) => visit.table.is_priced(&path),
            Some(Destination::Elsewhere) => false,
            None => answer.status() >= 400 || answer.status() == 304,
        }
    }
}

/// What an operator needs to find a payment on the chain.
fn name_of(payment: &VerifiedPayment<'_>) -> String {
    let checked = payment.checked();
    let requirements = checked.requirements();
    let nonce = hex::encode(checked.nonce());
    format!("{} asset {} payer {} nonce 0x{nonce}", requirements.network(), requirements.asset(), checked.payer())
}
