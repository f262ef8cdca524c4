//! [`Ledger`] by calls to the Durable Object.

use std::time::Duration;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use wasm_bindgen::JsValue;

use super::object::call;
use crate::{
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
}

impl LedgerStub {
    pub(super) const fn new(namespace: JsValue) -> Self {
        Self { namespace }
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
