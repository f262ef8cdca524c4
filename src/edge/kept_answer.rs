//! Answers that are kept for a payment identifier: copied on their way out, and given again.

use base64::{Engine, engine::general_purpose::STANDARD};
use js_sys::{Array, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, ReadableStream, ReadableStreamDefaultReader, Response, ResponseInit};

use crate::ledger::{KeptAnswer, MAX_KEPT_BODY_BYTES};

/// Headers that belong to one transfer, or to one client's session.
const NOT_KEPT: [&str; 6] =
    ["content-length", "content-encoding", "transfer-encoding", "connection", "set-cookie", "date"];

/// A copy of a body that is on its way to the client; nothing where there is no body.
pub(super) struct Copy(Option<ReadableStream>);

/// Copies the body, unless it is known to be too long to be kept. The client's part takes its place.
pub(super) fn copied(body: &mut Option<ReadableStream>, headers: &Headers) -> Option<Copy> {
    let length = headers.get("Content-Length").ok().flatten().and_then(|length| length.parse::<usize>().ok());
    if length.is_some_and(|length| length > MAX_KEPT_BODY_BYTES) {
        return None;
    }
    let Some(stream) = body.take() else { return Some(Copy(None)) };
    let parts: Array = stream.tee();
    *body = Some(parts.get(0).unchecked_into());
    Some(Copy(Some(parts.get(1).unchecked_into())))
}

impl Copy {
    /// The answer to keep, once its body is there; nothing if it is too long or breaks off.
    pub(super) async fn collect(self, status: u16, headers: &Headers) -> Option<KeptAnswer> {
        let body = match self.0 {
            Some(stream) => read(&stream).await?,
            None => Vec::new(),
        };
        let mut kept = Vec::new();
        for entry in js_sys::try_iter(headers).ok()?? {
            let pair: Array = entry.ok()?.unchecked_into();
            let (name, value) = (pair.get(0).as_string()?, pair.get(1).as_string()?);
            // The runtime reads headers as UTF-8; what was something else is lost to us.
            let readable = !value.contains(char::REPLACEMENT_CHARACTER);
            if readable && !NOT_KEPT.contains(&name.as_str()) {
                kept.push((name, value));
            }
        }
        Some(KeptAnswer { status, headers: kept, body: STANDARD.encode(body) })
    }
}

async fn read(stream: &ReadableStream) -> Option<Vec<u8>> {
    let reader: ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    let mut body = Vec::new();
    loop {
        let part = JsFuture::from(reader.read()).await.ok()?;
        if Reflect::get(&part, &"done".into()).ok()?.is_truthy() {
            return Some(body);
        }
        let bytes: Uint8Array = Reflect::get(&part, &"value".into()).ok()?.unchecked_into();
        if body.len() + bytes.length() as usize > MAX_KEPT_BODY_BYTES {
            // The client's part goes on without this one.
            let _ = JsFuture::from(reader.cancel()).await;
            return None;
        }
        body.extend(bytes.to_vec());
    }
}

/// The same answer again.
pub(super) fn response(kept: &KeptAnswer) -> Result<Response, JsValue> {
    let headers = Headers::new()?;
    for (name, value) in &kept.headers {
        headers.set(name, value)?;
    }
    let init = ResponseInit::new();
    init.set_status(kept.status);
    init.set_headers(&headers);
    let bytes = STANDARD.decode(&kept.body).map_err(|_| JsValue::NULL)?;
    let body = (!bytes.is_empty()).then(|| Uint8Array::from(bytes.as_slice()));
    Response::new_with_opt_js_u8_array_and_init(body.as_ref(), &init)
}
