//! What `dev/shim.js` calls for a request: one step into WebAssembly where one is enough.
//!
//! Texts go over as lines: a string is one crossing, a header read by name is two.

#![expect(unreachable_pub, reason = "wasm-bindgen exports what is public")]

use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use web_sys::Response;
use worker::{Context, Env, worker_sys};

use super::{
    bindings::Known,
    host::Host,
    origin::FetchedAnswer,
    prices_kv,
    request::IncomingRequest,
    response::{edited_answer, our_response},
    serve,
};
use crate::{
    gate::{AtOnce, OurAnswer, Prepared, answer, at_once as gate_at_once, free_edits},
    ports::{Forward, Journal, NoAnswer, Request as _},
};

thread_local! {
    static PREPARED: Prepared = Prepared::default();
}

/// Called before every function here that takes a text. After a panic the module is made anew at the next call, but
/// wasm-bindgen writes texts into the memory of the old one before it looks: this call takes none.
#[wasm_bindgen]
#[expect(clippy::missing_const_for_fn, reason = "wasm-bindgen exports none that are const")]
pub fn awake() {}

/// What can be said at once. Nothing: call [`fetch`]. Else lines: either an empty one, the URL to send the request on
/// to, and names of headers to leave out; or an answer, as [`lines_of`] writes it.
#[wasm_bindgen(js_name = atOnce)]
pub fn at_once(request: web_sys::Request, headers: String) -> Option<String> {
    let request = IncomingRequest::new(request, headers);
    #[cfg(feature = "drill")]
    assert!(!request.url().ends_with("/.x402/panic"), "a drill");

    Known::with(&request.url(), |known| {
        prices_kv::with_fresh(|prices| {
            let said = PREPARED.with(|prepared| gate_at_once(prices, &request, known.ledger, prepared))?;
            Some(match said {
                AtOnce::Forward(forward) => forwarded(&forward, known.origin_url.as_deref()),
                AtOnce::Answer(answer) => lines_of(&answer),
            })
        })
    })
}

fn forwarded(forward: &Forward, origin_url: Option<&str>) -> String {
    // Joined as text: a URL library would take `//other.example/` in a path for a host.
    let mut lines = format!("\n{}{}", origin_url.unwrap_or(&forward.public_origin), forward.path_and_query);
    for name in &forward.edits.remove {
        lines.push('\n');
        lines.push_str(name);
    }
    lines
}

/// The status, then each header's name and value, an empty line, and the body.
fn lines_of(answer: &OurAnswer) -> String {
    let length = answer.headers.iter().map(|(name, value)| name.len() + value.len() + 2).sum::<usize>();
    let mut lines = String::with_capacity(length + answer.body.len() + 8);
    lines.push_str(&answer.status.to_string());
    // An empty value would look like the end of the headers.
    for (name, value) in answer.headers.iter().filter(|(_, value)| !value.is_empty()) {
        for text in [*name, value] {
            lines.push('\n');
            lines.push_str(text);
        }
    }
    lines.push_str("\n\n");
    lines.push_str(&answer.body);
    lines
}

/// The origin gave no answer to a request that was sent on at once.
#[wasm_bindgen(js_name = unanswered)]
pub fn unanswered(late: bool) -> String {
    let error = if late { NoAnswer::Deadline } else { NoAnswer::Connection };
    Host.fault(&format!("origin: {error}"));
    lines_of(&answer::origin_failed(error))
}

/// The origin's answer to such a request, where something in it may have to change; `url` is the request's.
#[wasm_bindgen(js_name = relayed)]
pub fn relayed(response: Response, url: &str) -> Result<Response, JsValue> {
    let Some(fetched) = FetchedAnswer::new(response) else {
        return our_response(&answer::origin_failed(NoAnswer::Connection));
    };
    let edits = Known::with(url, |known| {
        Some(prices_kv::with_kept(|prices| free_edits(prices, url, &fetched, known.origin_url.as_deref())))
    });
    edited_answer(fetched, &edits.unwrap_or_default())
}

/// Every other request of the site.
#[wasm_bindgen]
pub async fn fetch(
    request: web_sys::Request,
    headers: String,
    env: Env,
    context: worker_sys::Context,
) -> Result<Response, JsValue> {
    let request = IncomingRequest::new(request, headers);
    serve(request, env, Context::new(context)).await.map_err(|error| {
        Host.fault(&error.to_string());
        JsValue::from(error)
    })
}
