//! [`Ledger`] by calls to the Durable Object.

use std::time::Duration;

use js_sys::{Function, Promise, Reflect};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, Request, RequestInit};

use super::fetch::{fetch, until};
use crate::{
    ledger::{Command, IdentifierCommand, IdentifierReply, PassCommand, PassReply, Reply},
    ports::{Ledger, LedgerDown},
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
        let body = serde_json::to_string(message).map_err(|_| LedgerDown)?;
        let abort = AbortController::new().map_err(|_| LedgerDown)?;
        let text = until(within, &abort, self.call(object, body)).await.map_err(|_| LedgerDown)?;
        serde_json::from_str(&text.as_string().unwrap_or_default()).map_err(|_| LedgerDown)
    }

    async fn call(&self, object: &str, body: String) -> Result<JsValue, JsValue> {
        let method = |target: &JsValue, name: &str| Reflect::get(target, &name.into())?.dyn_into::<Function>();
        let id = method(&self.namespace, "idFromName")?.call1(&self.namespace, &object.into())?;
        let stub = method(&self.namespace, "get")?.call1(&self.namespace, &id)?;
        let init = RequestInit::new();
        init.set_method("POST");
        init.set_body(&body.into());
        let request = Request::new_with_str_and_init("https://ledger/", &init)?;
        let response = fetch(&stub, &request, &RequestInit::new()).await?;
        if response.status() != 200 {
            return Err(JsValue::NULL);
        }
        let text: Promise = response.text()?;
        JsFuture::from(text).await
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
