//! The payment identifier of a request: the same name with the same payment gets the same answer.

use std::time::Duration;

use crate::{
    evm::keccak256,
    extensions::payment_identifier,
    ledger::{IdentifierCommand, IdentifierReply, KeptAnswer, identifier_name},
    ports::{Ledger, LedgerDown},
    time::UnixTime,
    x402::PaymentPayload,
};

use super::answer::Challenge;

/// An answer is kept at least so long, and an hour longer than its payment is valid.
const KEEP: Duration = Duration::from_hours(24);
const KEEP_AFTER: Duration = Duration::from_hours(1);
const KEEP_AT_MOST: Duration = Duration::from_hours(30 * 24);

/// A payment identifier, and what it is bound to: this payment, for this request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Naming {
    object: String,
    fingerprint: String,
}

/// What an identifier says of the payment that comes under it.
#[derive(Debug)]
pub(super) enum Named {
    /// Go on.
    Go(Naming),
    /// It got this answer.
    Answered(Box<KeptAnswer>),
    /// It belongs to another payment or another request.
    Taken,
}

impl Naming {
    /// The naming of a payment with this digest, if it has an identifier.
    pub(super) fn of(
        payload: &PaymentPayload,
        challenge: &Challenge<'_>,
        host: &str,
        digest: &str,
        request: &str,
    ) -> Option<Self> {
        // What is malformed was refused at the door.
        let id = payment_identifier::read(payload.get("extensions"), challenge.extensions()).ok()??;
        let fingerprint = hex::encode(keccak256(format!("{digest} {request}").as_bytes()));
        Some(Self { object: identifier_name(host, id), fingerprint })
    }

    /// Binds the identifier to the payment, if it is free.
    pub(super) async fn bind(
        self,
        ledger: &impl Ledger,
        valid_until: UnixTime,
        now: UnixTime,
    ) -> Result<Named, LedgerDown> {
        let after = valid_until.plus(KEEP_AFTER.as_secs()).0;
        let keep_until = after.clamp(now.plus(KEEP.as_secs()).0, now.plus(KEEP_AT_MOST.as_secs()).0);
        let fingerprint = self.fingerprint.clone();
        self.tell(ledger, IdentifierCommand::Bind { fingerprint, keep_until }).await
    }

    /// Looks what the identifier is bound to.
    pub(super) async fn look(self, ledger: &impl Ledger) -> Result<Named, LedgerDown> {
        let fingerprint = self.fingerprint.clone();
        self.tell(ledger, IdentifierCommand::Look { fingerprint }).await
    }

    async fn tell(self, ledger: &impl Ledger, command: IdentifierCommand) -> Result<Named, LedgerDown> {
        Ok(match ledger.identify(&self.object, command).await? {
            IdentifierReply::Yours => Named::Go(self),
            IdentifierReply::Answered(answer) => Named::Answered(answer),
            IdentifierReply::Taken => Named::Taken,
        })
    }

    /// Nothing was charged: another payment may come under the same identifier.
    pub(super) async fn free(&self, ledger: &impl Ledger) -> Result<(), LedgerDown> {
        let fingerprint = self.fingerprint.clone();
        ledger.identify(&self.object, IdentifierCommand::Free { fingerprint }).await.map(drop)
    }

    /// The answer that the payment got.
    pub(super) async fn keep(&self, ledger: &impl Ledger, answer: KeptAnswer) -> Result<(), LedgerDown> {
        let (fingerprint, answer) = (self.fingerprint.clone(), Box::new(answer));
        ledger.identify(&self.object, IdentifierCommand::Keep { fingerprint, answer }).await.map(drop)
    }
}
