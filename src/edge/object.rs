//! Calls to Durable Objects: JSON out, JSON back, within a deadline.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use wasm_bindgen::JsValue;

use super::runtime::{in_time, milliseconds, tell};
use crate::{json, ports::NoAnswer};

/// Sends a message to the object of this name, and reads its reply.
pub(super) async fn call<T: DeserializeOwned>(
    namespace: &JsValue,
    name: &str,
    message: &impl Serialize,
    within: Duration,
) -> Result<T, NoAnswer> {
    let message = serde_json::to_string(message).map_err(|_| NoAnswer::Connection)?;
    let reply = in_time(tell(namespace, name, &message, milliseconds(within)).await)?;
    json::read(&reply.as_string().unwrap_or_default()).map_err(|_| NoAnswer::Connection)
}

/// What an object says.
pub(super) fn said(reply: &impl Serialize) -> Result<String, JsValue> {
    serde_json::to_string(reply).map_err(|error| worker::Error::from(error).into())
}
