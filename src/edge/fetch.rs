//! [`Fetch`] by the runtime's `fetch`, and deadlines for every call.

use std::{cell::OnceCell, future::Future, pin::pin, time::Duration};

use futures_util::future::{Either, select};
use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, Headers, Request, RequestInit, RequestRedirect, Response};
use worker::Delay;

use super::{bindings::credentials, sign::authorization};
use crate::{
    facilitator::Credentials,
    ports::{Fetch, NoAnswer, Reply},
};

/// Longer answers are none: what we read takes a few hundred bytes, `/supported` and logs some thousands.
const MAX_REPLY_BYTES: u64 = 1024 * 1024;

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
        let call = || -> Result<(Request, AbortController), JsValue> {
            let headers = Headers::new()?;
            headers.set("Accept", "application/json")?;
            let init = RequestInit::new();
            init.set_method(method);
            if let Some(body) = body {
                headers.set("Content-Type", "application/json")?;
                init.set_body(&body.into());
            }
            if let Some(authorization) = &authorization {
                headers.set("Authorization", authorization)?;
            }
            init.set_headers(&headers);
            Ok((Request::new_with_str_and_init(url, &init)?, AbortController::new()?))
        };
        let (request, abort) = call().map_err(|_| NoAnswer::Connection)?;
        let options = RequestInit::new();
        options.set_signal(Some(&abort.signal()));
        if authorization.is_some() {
            // A key is for the one it was given for, not for whom that one names.
            options.set_redirect(RequestRedirect::Manual);
        }
        let reply = async {
            let response = fetch(&js_sys::global(), &request, &options).await?;
            let length = response.headers().get("Content-Length")?.and_then(|length| length.parse::<u64>().ok());
            if length.is_some_and(|length| length > MAX_REPLY_BYTES) {
                abort.abort();
                return Err(JsValue::NULL);
            }
            let text = JsFuture::from(response.text()?).await?;
            Ok(Reply { status: response.status(), body: text.as_string().unwrap_or_default() })
        };
        until(within, &abort, reply).await
    }
}

/// Calls `fetch` of the runtime or of a service binding.
pub(super) async fn fetch(fetcher: &JsValue, request: &Request, options: &RequestInit) -> Result<Response, JsValue> {
    let function: Function = Reflect::get(fetcher, &"fetch".into())?.dyn_into()?;
    let promise: Promise = function.call2(fetcher, request, options)?.dyn_into()?;
    JsFuture::from(promise).await?.dyn_into()
}

/// The result of `work`, unless the time is over first; then the call is aborted.
pub(super) async fn until<T>(
    within: Duration,
    abort: &AbortController,
    work: impl Future<Output = Result<T, JsValue>>,
) -> Result<T, NoAnswer> {
    match select(pin!(work), pin!(Delay::from(within))).await {
        Either::Left((result, _)) => result.map_err(|_| NoAnswer::Connection),
        Either::Right(((), _)) => {
            abort.abort();
            Err(NoAnswer::Deadline)
        }
    }
}
