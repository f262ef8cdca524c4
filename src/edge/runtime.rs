//! What takes many steps in the runtime, in one step out of WebAssembly (`runtime.js`).

use std::time::Duration;

use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use web_sys::{ReadableStream, Request, Response};

use crate::ports::{HeaderEdits, NoAnswer};

#[wasm_bindgen(module = "/src/edge/runtime.js")]
extern "C" {
    /// A Durable Object's text, by the runtime's remote procedure calls: half the time of a request with a response.
    #[wasm_bindgen(catch)]
    pub(super) async fn tell(
        namespace: &JsValue,
        name: &str,
        message: &str,
        milliseconds: i32,
    ) -> Result<JsValue, JsValue>;

    /// The origin's answer.
    #[wasm_bindgen(catch)]
    pub(super) async fn send(
        fetcher: &JsValue,
        url: &str,
        request: &Request,
        removed: &str,
        set: &str,
        appended: &str,
        paid: bool,
        milliseconds: i32,
    ) -> Result<JsValue, JsValue>;

    /// Status and text of an answer from elsewhere.
    #[wasm_bindgen(catch)]
    pub(super) async fn ask(
        method: &str,
        url: &str,
        body: Option<String>,
        authorization: Option<String>,
        milliseconds: i32,
        most: u32,
    ) -> Result<JsValue, JsValue>;

    /// Fails for a status that no response may have, such as 999.
    #[wasm_bindgen(catch)]
    pub(super) fn edited(
        answer: &Response,
        body: Option<&ReadableStream>,
        removed: &str,
        set: &str,
        appended: &str,
    ) -> Result<Response, JsValue>;

    /// A native pipe for this answer's body.
    #[wasm_bindgen(catch)]
    pub(super) fn pipe(answer: &Response) -> Result<JsValue, JsValue>;
}

/// A deadline as timers take it, 24 days at most.
pub(super) fn milliseconds(within: Duration) -> i32 {
    i32::try_from(within.as_millis()).unwrap_or(i32::MAX)
}

/// What a call with a deadline has come to: undefined means that it is over.
pub(super) fn in_time(answer: Result<JsValue, JsValue>) -> Result<JsValue, NoAnswer> {
    match answer {
        Ok(late) if late.is_undefined() => Err(NoAnswer::Deadline),
        Ok(answer) => Ok(answer),
        Err(_) => Err(NoAnswer::Connection),
    }
}

/// Changes to headers, as `runtime.js` takes them.
pub(super) struct EditLines {
    pub(super) removed: String,
    pub(super) set: String,
    pub(super) appended: String,
}

impl EditLines {
    pub(super) fn of(edits: &HeaderEdits) -> Self {
        let lines = |pairs: &[(&str, String)]| {
            pairs.iter().flat_map(|(name, value)| [*name, value]).collect::<Vec<_>>().join("\n")
        };
        Self { removed: edits.remove.join("\n"), set: lines(&edits.set), appended: lines(&edits.append) }
    }
}
