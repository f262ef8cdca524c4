//! An [`Answer`] as the runtime's own response object.

use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Headers, Response, ResponseInit};

use super::origin::FetchedAnswer;
use crate::{
    gate::{Answer, OurAnswer, answer},
    ports::HeaderEdits,
};

/// The response to return. An origin's body stays the runtime's stream: it never passes through WebAssembly.
pub(super) fn to_response(answer: Answer<FetchedAnswer>) -> worker::Result<Response> {
    match answer {
        Answer::Ours(ours) => Ok(our_response(&ours)?),
        Answer::Origins { answer, edits } if edits.is_empty() => Ok(answer.into_raw()),
        Answer::Origins { answer, edits } => match edited(&answer.into_raw(), &edits) {
            Ok(response) => Ok(response),
            // A status that no response may have, such as 999.
            Err(_) => Ok(our_response(&answer::origin_unreadable(&edits))?),
        },
    }
}

fn our_response(ours: &OurAnswer) -> Result<Response, JsValue> {
    let headers = Headers::new()?;
    for (name, value) in &ours.headers {
        headers.set(name, value)?;
    }
    let init = ResponseInit::new();
    init.set_status(ours.status);
    init.set_headers(&headers);
    let body = (!ours.body.is_empty()).then_some(ours.body.as_str());
    Response::new_with_opt_str_and_init(body, &init)
}

fn edited(fetched: &Response, edits: &HeaderEdits) -> Result<Response, JsValue> {
    // As init, a response gives its status, headers and WebSocket.
    let response = Response::new_with_opt_readable_stream_and_init(fetched.body().as_ref(), fetched.unchecked_ref())?;
    apply(edits, &response.headers())?;
    Ok(response)
}

/// Carries out the changes.
pub(super) fn apply(edits: &HeaderEdits, headers: &Headers) -> Result<(), JsValue> {
    for name in &edits.remove {
        headers.delete(name)?;
    }
    for (name, value) in &edits.set {
        headers.set(name, value)?;
    }
    Ok(())
}
