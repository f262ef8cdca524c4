//! What `dev/entry/shim.js` calls for a request: one step into WebAssembly where one is enough.
//!
//! Texts go over as lines: a string is one crossing, a header read by name is two.

#![expect(unreachable_pub, reason = "wasm-bindgen exports what is public")]

use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use web_sys::Response;
use worker::{Context, Env, worker_sys};

use super::{
    bindings::{self, Bindings, Known, known_pass_keys, pass_keys},
    host::Host,
    prices_kv,
    request::IncomingRequest,
    serve,
};
use crate::{
    gate::{AtHand, AtOnce, MARKS, OurAnswer, Prepared, Said, at_once as gate_at_once},
    ports::{Clock, Forward, Journal, Request as _},
};

thread_local! {
    static PREPARED: Prepared = Prepared::default();
}

/// Called before every function here and in [`super::relay`] that takes a text. After a panic the module is made anew at
/// the next call, but wasm-bindgen writes texts into the memory of the old one before it looks: this call takes none.
#[wasm_bindgen]
#[expect(clippy::missing_const_for_fn, reason = "wasm-bindgen exports none that are const")]
pub fn awake() {}

/// The bindings are others now.
#[wasm_bindgen(js_name = forgetBindings)]
pub fn forget_bindings() {
    bindings::forget();
}

/// Whether this isolate has not read bindings and prices yet: [`get_ready`] first.
#[wasm_bindgen(js_name = isNew)]
pub fn is_new() -> bool {
    Known::is_none()
}

/// Reads what [`at_once`] needs to know. Apart from [`fetch`], since what a function needs is compiled when it is first
/// called, and the whole gate takes longer than all else here.
#[wasm_bindgen(js_name = getReady)]
pub async fn get_ready(url: String, env: Env, context: worker_sys::Context) {
    let Ok(bindings) = Bindings::read(env.unchecked_ref(), &url) else { return };
    let context = Context::new(context);
    let prices = prices_kv::current(&env, |work| context.wait_until(work)).await;
    pass_keys(env.unchecked_ref(), &prices);
    Known::keep(&bindings);
}

/// The origin's scheme and host, where it has its own.
#[wasm_bindgen(js_name = originUrl)]
pub fn origin_url(url: &str) -> Option<String> {
    Known::with(url, |known| known.origin_url.clone())
}

/// Until when what [`at_once`] says now holds for others, as far as it says so: until prices are read anew. Milliseconds
/// since 1970; 0: for nobody.
#[wasm_bindgen(js_name = holdsUntil)]
#[expect(clippy::cast_precision_loss, reason = "milliseconds are far below 2^53")]
pub fn holds_until() -> f64 {
    prices_kv::fresh_until().unwrap_or(0) as f64
}

/// [`MARKS`], a line each, header names in lower case.
#[wasm_bindgen]
pub fn marks() -> String {
    MARKS.join("\n").to_ascii_lowercase()
}

/// What can be said at once; `names` are those of the request's headers, a line each. Undefined: call [`fetch`]. A number:
/// nobody prices the request and all of it may go on; there its path begins in its URL. Else lines: an empty one and what
/// [`forwarded`] writes; or an answer, as [`lines_of`] writes it. A number, and lines that follow one with `=` and a time in
/// seconds (0: none), may be said again before that time and [`holds_until`] to requests that are alike ([`Said::again`]).
#[wasm_bindgen(js_name = atOnce)]
pub fn at_once(request: web_sys::Request, names: String) -> JsValue {
    let request = IncomingRequest::new(request, names);
    #[cfg(feature = "drill")]
    assert!(!request.url().ends_with("/.x402/panic"), "a drill");

    Known::with(request.url(), |known| {
        prices_kv::with_fresh(|prices| {
            let keys = known_pass_keys();
            let keys = keys.as_deref().and_then(|keys| keys.as_ref().ok());
            let Said { what, again } = PREPARED.with(|prepared| {
                let at_hand = AtHand { prices, identifiers: known.ledger, prepared, keys, now: Host.now() };
                gate_at_once(&request, &at_hand)
            })?;
            let mut ends = 0;
            let text = match what {
                // Most requests: a text would take longer to hand over than all else here.
                AtOnce::Forward(forward)
                    if again && forward.edits.is_empty() && request.url().ends_with(&forward.path_and_query) =>
                {
                    let begin = request.url().len() - forward.path_and_query.len();
                    return u32::try_from(begin).ok().map(JsValue::from);
                }
                AtOnce::Forward(forward) => forwarded(&forward, known.origin_url.as_deref()),
                AtOnce::Opened { forward, version, until } => {
                    ends = until.0;
                    let mut lines = forwarded(&forward, known.origin_url.as_deref());
                    lines.push('\n');
                    for (name, value) in &forward.edits.set {
                        lines.extend(["\n", *name, "\n", value.as_str()]);
                    }
                    lines.extend(["\n\n", version.as_deref().unwrap_or_default()]);
                    lines
                }
                AtOnce::Answer(answer) => lines_of(&answer),
            };
            let text = if again { format!("={ends}\n{text}") } else { text };
            Some(JsValue::from(text))
        })
    })
    .unwrap_or(JsValue::UNDEFINED)
}

/// An empty line, the URL to send the request on to, and names of headers to leave out. For a request that a pass opens
/// more follows, each after an empty line: names and values of headers to set, and the version of the price document.
fn forwarded(forward: &Forward, origin_url: Option<&str>) -> String {
    // Joined as text: a URL library would take `//other.example/` in a path for a host.
    let mut lines = ["\n", origin_url.unwrap_or(&forward.public_origin), &forward.path_and_query].concat();
    for name in &forward.edits.remove {
        lines.push('\n');
        lines.push_str(name);
    }
    lines
}

/// The status, then each header's name and value, an empty line, and the body.
pub(super) fn lines_of(answer: &OurAnswer) -> String {
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

/// Every other request of the site.
#[wasm_bindgen]
pub async fn fetch(
    request: web_sys::Request,
    names: String,
    env: Env,
    context: worker_sys::Context,
) -> Result<Response, JsValue> {
    let request = IncomingRequest::new(request, names);
    serve(request, env, Context::new(context)).await.map_err(|error| {
        Host.fault(&error.to_string());
        JsValue::from(error)
    })
}
