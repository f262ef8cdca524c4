//! Calls to Durable Objects: JSON out, JSON back, within a deadline.

use std::time::Duration;

use js_sys::{Function, Promise, Reflect};
use serde::{Serialize, de::DeserializeOwned};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, Request, RequestInit};

use super::fetch::{fetch, until};
use crate::{json, ports::NoAnswer};

/// Sends a message to the object of this name, and reads its reply.
pub(super) async fn call<T: DeserializeOwned>(
    namespace: &JsValue,
    name: &str,
    message: &impl Serialize,
    within: Duration,
) -> Result<T, NoAnswer> {
    let body = serde_json::to_string(message).map_err(|_| NoAnswer::Connection)?;
    let abort = AbortController::new().map_err(|_| NoAnswer::Connection)?;
    let text = until(within, &abort, send(namespace, name, &body)).await?;
    json::read(&text.as_string().unwrap_or_default()).map_err(|_| NoAnswer::Connection)
}

async fn send(namespace: &JsValue, name: &str, body: &str) -> Result<JsValue, JsValue> {
    let method = |target: &JsValue, name: &str| Reflect::get(target, &name.into())?.dyn_into::<Function>();
    let id = method(namespace, "idFromName")?.call1(namespace, &name.into())?;
    let stub = method(namespace, "get")?.call1(namespace, &id)?;
    let init = RequestInit::new();
    init.set_method("POST");
    init.set_body(&body.into());
    let request = Request::new_with_str_and_init("https://object/", &init)?;
    let response = fetch(&stub, &request, &RequestInit::new()).await?;
    if response.status() != 200 {
        return Err(JsValue::NULL);
    }
    let text: Promise = response.text()?;
    JsFuture::from(text).await
}
