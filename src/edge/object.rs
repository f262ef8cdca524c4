//! Calls to Durable Objects: JSON out, JSON back, within a deadline.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

use crate::{json, ports::NoAnswer};

#[wasm_bindgen(module = "/src/edge/runtime.js")]
extern "C" {
    /// By the runtime's remote procedure calls: half the time of a request with a response.
    #[wasm_bindgen(catch)]
    async fn tell(namespace: &JsValue, name: &str, message: &str, milliseconds: u32) -> Result<JsValue, JsValue>;
}

/// Sends a message to the object of this name, and reads its reply.
pub(super) async fn call<T: DeserializeOwned>(
    namespace: &JsValue,
    name: &str,
    message: &impl Serialize,
    within: Duration,
) -> Result<T, NoAnswer> {
    let message = serde_json::to_string(message).map_err(|_| NoAnswer::Connection)?;
    let milliseconds = u32::try_from(within.as_millis()).unwrap_or(u32::MAX);
    let reply = tell(namespace, name, &message, milliseconds).await.map_err(|_| NoAnswer::Connection)?;
    json::read(&reply.as_string().ok_or(NoAnswer::Deadline)?).map_err(|_| NoAnswer::Connection)
}

/// What an object says.
pub(super) fn said(reply: &impl Serialize) -> Result<String, JsValue> {
    serde_json::to_string(reply).map_err(|error| worker::Error::from(error).into())
}
