//! [`Fetch`] by the runtime's `fetch`, with a deadline for every call.

use std::{cell::OnceCell, time::Duration};

use js_sys::Array;
use wasm_bindgen::{JsCast, JsValue};

use super::{
    bindings::credentials,
    runtime::{ask, in_time, milliseconds},
    sign::authorization,
};
use crate::{
    facilitator::Credentials,
    ports::{Fetch, NoAnswer, Reply},
};

/// Longer answers are none: what we read takes a few hundred bytes, `/supported` and logs some thousands.
const MAX_REPLY_BYTES: u32 = 1024 * 1024;

/// Calls over the network, with the keys for those who want one.
pub(super) struct WorkerFetch {
    env: JsValue,
    /// Read when the first call wants them.
    credentials: OnceCell<Credentials>,
}

impl Fetch for WorkerFetch {
    async fn get(&self, url: &str, within: Duration) -> Result<Reply, NoAnswer> {
        self.call("GET", url, None, within).await
    }

    async fn post_json(&self, url: &str, body: String, within: Duration) -> Result<Reply, NoAnswer> {
        self.call("POST", url, Some(body), within).await
    }
}

impl WorkerFetch {
    /// With the keys that the bindings have.
    pub(super) fn new(env: &JsValue) -> Self {
        Self { env: env.clone(), credentials: OnceCell::new() }
    }

    async fn call(&self, method: &str, url: &str, body: Option<String>, within: Duration) -> Result<Reply, NoAnswer> {
        let authorization = match self.credentials.get_or_init(|| credentials(&self.env)).for_url(url) {
            None => None,
            Some(credential) => {
                let authorization = authorization(credential, method, url).await;
                Some(authorization.map_err(|_| NoAnswer::Connection)?)
            }
        };
        let said = ask(method, url, body, authorization, milliseconds(within), MAX_REPLY_BYTES).await;
        let said: Array = in_time(said)?.unchecked_into();
        reply(&said.get(0), &said.get(1)).ok_or(NoAnswer::Connection)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a status has three digits")]
fn reply(status: &JsValue, body: &JsValue) -> Option<Reply> {
    Some(Reply { status: status.as_f64()? as u16, body: body.as_string()? })
}
