//! A hold on a payment in the ledger.

use std::time::Duration;

use crate::{
    channels,
    evm::{Address, Hash32},
    ledger::{Command, KeptAnswer, Pass, PassCommand, Reply, object_name, passes_name, payment_id},
    network::Network,
    ports::{Ledger, LedgerDown},
};

use super::{Metering, naming::Naming};

/// Where the ledger keeps a payment, and the hold we have on it.
#[derive(Debug, Clone)]
pub struct Ticket {
    object: String,
    /// Nothing for a payment by channel, which has an object of its own.
    nonce: Option<String>,
    hold: u32,
    naming: Option<Naming>,
    pass: Option<Box<Pass>>,
    metering: Option<Box<Metering>>,
}

impl Ticket {
    /// The place of a payment, not held yet.
    pub(super) fn of(network: Network, nonce_contract: Address, payer: Address, nonce: &Hash32) -> Self {
        Self {
            object: object_name(network, nonce_contract, payer),
            nonce: Some(hex::encode(nonce)),
            hold: 0,
            naming: None,
            pass: None,
            metering: None,
        }
    }

    /// The hold on a request of a channel, `object` being the channel's.
    pub(super) const fn of_channel(object: String, hold: u32) -> Self {
        Self { object, nonce: None, hold, naming: None, pass: None, metering: None }
    }

    /// The object that keeps the payer's payments.
    pub(super) fn object(&self) -> &str {
        &self.object
    }

    /// The hold.
    pub(super) const fn hold(&self) -> u32 {
        self.hold
    }

    /// The same with the hold the ledger gave.
    pub(super) fn held(self, hold: u32) -> Self {
        Self { hold, ..self }
    }

    /// The same with the payment's identifier.
    pub(super) fn named(self, naming: Option<Naming>) -> Self {
        Self { naming, ..self }
    }

    /// The same with the pass that its payment has bought.
    pub(super) fn with_pass(self, pass: Option<Pass>) -> Self {
        Self { pass: pass.map(Box::new), ..self }
    }

    /// The same for an answer that is metered as it passes.
    pub(super) fn metered(self, metering: Metering) -> Self {
        Self { metering: Some(Box::new(metering)), ..self }
    }

    /// How the answer is metered, where it is: whoever passes the body on shows it to the meter, and tells the ledger
    /// when it has ended, before it is known as delivered.
    pub fn take_metering(&mut self) -> Option<Metering> {
        self.metering.take().map(|metering| *metering)
    }

    /// Remembers the pass that the payment has bought, so that its payer can come back with it. If this is lost, the
    /// pass is as good as ever, but opens nothing to a mere signature.
    pub async fn keep_pass(&self, ledger: &impl Ledger) -> Result<(), LedgerDown> {
        let Some(pass) = &self.pass else { return Ok(()) };
        let object = passes_name(&pass.host, &pass.payer);
        ledger.passes(&object, PassCommand::Sold(pass.clone())).await.map(drop)
    }

    /// The payment's identifier.
    pub(super) const fn naming(&self) -> Option<&Naming> {
        self.naming.as_ref()
    }

    /// Whether the answer is to be kept when it has been given: the payment has an identifier.
    pub const fn keeps_answer(&self) -> bool {
        self.naming.is_some()
    }

    /// Keeps the answer, for when the same payment comes again under the same identifier.
    pub async fn keep(&self, ledger: &impl Ledger, answer: KeptAnswer) -> Result<(), LedgerDown> {
        match &self.naming {
            Some(naming) => naming.keep(ledger, answer).await,
            None => Ok(()),
        }
    }

    /// Names the payment to the origin: the same for every attempt, and for nobody else's payment.
    pub(super) fn idempotency_key(&self) -> String {
        payment_id(&self.object, self.nonce.as_deref().unwrap_or_default())
    }

    /// The answer is still on its way to the client. False where the hold has ended.
    pub async fn delivering(&self, ledger: &impl Ledger) -> Result<bool, LedgerDown> {
        if self.nonce.is_some() {
            return Ok(self.tell(ledger, |hold| Command::Delivering { hold }).await? == Reply::Done);
        }
        let delivering = channels::Command::Delivering { hold: self.hold };
        Ok(ledger.channel(&self.object, delivering).await? == channels::Reply::Done)
    }

    /// The answer's way to the client has ended; `whole`: with all of it.
    pub async fn delivered(&self, ledger: &impl Ledger, whole: bool) -> Result<(), LedgerDown> {
        let hold = self.hold;
        match self.nonce {
            Some(_) => self.tell(ledger, |hold| Command::Delivered { hold, whole }).await.map(drop),
            None => ledger.channel(&self.object, channels::Command::Delivered { hold, whole }).await.map(drop),
        }
    }

    /// Tells the ledger something about this payment; the command is made with the hold.
    pub async fn tell(&self, ledger: &impl Ledger, command: impl FnOnce(u32) -> Command) -> Result<Reply, LedgerDown> {
        self.tell_within(ledger, command, Duration::ZERO).await
    }

    /// The same for a command that the ledger settles or resolves by, which takes its time: at most `within`.
    pub(super) async fn tell_within(
        &self,
        ledger: &impl Ledger,
        command: impl FnOnce(u32) -> Command,
        within: Duration,
    ) -> Result<Reply, LedgerDown> {
        let nonce = self.nonce.as_deref().unwrap_or_default();
        ledger.tell(&self.object, nonce, command(self.hold), within).await
    }
}
