//! [`Ledger`] by calls to the Durable Object.

use std::time::Duration;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use wasm_bindgen::JsValue;

use super::{channel_object::ChannelMessage, object::call};
use crate::{
    channels::{self, Bringing, Means},
    ledger::{BudgetCommand, Command, IdentifierCommand, IdentifierReply, Leased, PassCommand, PassReply, Reply},
    ports::{Budgets, Ledger, LedgerDown},
};

/// The object answers in milliseconds; one that hangs must not hold a payment up.
const TELL_WITHIN: Duration = Duration::from_secs(5);

/// What goes over the wire to an object.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Message {
    /// For one of a payer's payments; `within` is how long it may take with settling.
    Payment { nonce: String, command: Command, within: Duration },
    /// For a payment identifier.
    Identifier(IdentifierCommand),
    /// For a payer's passes.
    Passes(PassCommand),
    /// For the budget of a route.
    Budget(BudgetCommand),
}

/// The namespace of ledger objects.
#[derive(Clone)]
pub(super) struct LedgerStub {
    namespace: JsValue,
    /// Where channels are kept; without it none are.
    channels: Option<JsValue>,
}

impl LedgerStub {
    pub(super) const fn new(namespace: JsValue, channels: Option<JsValue>) -> Self {
        Self { namespace, channels }
    }

    /// Whether there is a place for channels.
    pub(super) const fn keeps_channels(&self) -> bool {
        self.channels.is_some()
    }

    /// Brings a claim to a till, which says whom it asks.
    pub(super) async fn bring(&self, till: &str, bringing: Bringing) -> Result<Means, LedgerDown> {
        let namespace = self.channels.as_ref().ok_or(LedgerDown)?;
        let message = ChannelMessage::Till(Box::new(bringing));
        call(namespace, till, &message, TELL_WITHIN).await.map_err(|_| LedgerDown)
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        object: &str,
        message: &Message,
        within: Duration,
    ) -> Result<T, LedgerDown> {
        call(&self.namespace, object, message, within).await.map_err(|_| LedgerDown)
    }
}

impl Ledger for LedgerStub {
    async fn channel(&self, object: &str, command: channels::Command) -> Result<channels::Reply, LedgerDown> {
        let namespace = self.channels.as_ref().ok_or(LedgerDown)?;
        let id = object.rsplit_once("0x").map_or("", |(_, id)| id).to_owned();
        call(namespace, object, &ChannelMessage::Channel { id, command }, TELL_WITHIN).await.map_err(|_| LedgerDown)
    }

    async fn tell(&self, object: &str, nonce: &str, command: Command, within: Duration) -> Result<Reply, LedgerDown> {
        let message = Message::Payment { nonce: nonce.to_owned(), command, within };
        self.exchange(object, &message, within + TELL_WITHIN).await
    }

    async fn identify(&self, object: &str, command: IdentifierCommand) -> Result<IdentifierReply, LedgerDown> {
        self.exchange(object, &Message::Identifier(command), TELL_WITHIN).await
    }

    async fn passes(&self, object: &str, command: PassCommand) -> Result<PassReply, LedgerDown> {
        self.exchange(object, &Message::Passes(command), TELL_WITHIN).await
    }
}

/// Where this object cannot reach the others, nothing is leased.
impl Budgets for Option<LedgerStub> {
    async fn budget(&self, object: &str, command: BudgetCommand) -> Result<Leased, LedgerDown> {
        let stub = self.as_ref().ok_or(LedgerDown)?;
        stub.exchange(object, &Message::Budget(command), TELL_WITHIN).await
    }
}
