//! [`Request`] by the runtime's own object.

use std::{cell::OnceCell, pin::pin, time::Duration};

use futures_util::future::select;
use js_sys::Reflect;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::WritableStream;
use worker::Delay;

use super::lines::Lines;
use crate::{client::Client, ports::Request};

/// Time for what a client has under way when we know our answer already; whoever sends on after that is cut off.
const DISCARD_WITHIN: Duration = Duration::from_secs(1);

/// The request that came in. Its method, its URL and the names of its headers are here as text: each look at the
/// runtime's own object costs more than a look through all of them.
pub(super) struct IncomingRequest {
    raw: web_sys::Request,
    method: String,
    url: String,
    names: Lines,
    /// The values of headers, in the order of the names, once they are asked for.
    values: Vec<OnceCell<Option<String>>>,
}

impl IncomingRequest {
    /// `names`: of the headers, in lower case, a line each, as `dev/entry/recall.js` gathers them.
    pub(super) fn new(raw: web_sys::Request, names: String) -> Self {
        let names = Lines::new(names);
        let values = names.iter().map(|_| OnceCell::new()).collect();
        // The method not through `worker::Method`: that one takes unknown methods for GET.
        Self { method: raw.method(), url: raw.url(), names, values, raw }
    }

    /// Reads what is left of the body into nothing. A connection with an unread body is reset, and a client
    /// that is still sending would see that in place of our answer.
    pub(super) async fn discard_body(&self) {
        let body = self.raw.body().filter(|_| !self.raw.body_used());
        if let (Some(body), Ok(nowhere)) = (body, WritableStream::new()) {
            let reading = JsFuture::from(body.pipe_to(&nowhere));
            // A client that has gone away, or that never ends, gets its answer all the same.
            let _ = select(pin!(reading), pin!(Delay::from(DISCARD_WITHIN))).await;
        }
    }

    pub(super) const fn raw(&self) -> &web_sys::Request {
        &self.raw
    }
}

impl Request for IncomingRequest {
    fn method(&self) -> &str {
        &self.method
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn header(&self, name: &str) -> Option<&str> {
        let index = self.names.iter().position(|known| known.eq_ignore_ascii_case(name))?;
        self.values.get(index)?.get_or_init(|| self.raw.headers().get(name).ok().flatten()).as_deref()
    }

    fn header_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter()
    }

    /// Cloudflare writes both: the request's `cf` object, and the header CF-Connecting-IP, in which it replaces
    /// whatever a client sends.
    fn client(&self) -> Client {
        let member = |target: &JsValue, name: &str| Reflect::get(target, &name.into()).unwrap_or(JsValue::UNDEFINED);
        let inside = |target: &JsValue, name: &str| {
            if target.is_object() { member(target, name) } else { JsValue::UNDEFINED }
        };
        let cf = member(&self.raw, "cf");
        let bots = inside(&cf, "botManagement");
        Client {
            country: inside(&cf, "country").as_string(),
            continent: inside(&cf, "continent").as_string(),
            asn: whole(&inside(&cf, "asn")),
            ip: self.header("CF-Connecting-IP").and_then(|text| text.trim().parse().ok()),
            // 0: not computed.
            bot_score: whole(&inside(&bots, "score")).and_then(|score| u8::try_from(score).ok()).filter(|s| *s > 0),
            verified_bot: inside(&bots, "verifiedBot").as_bool(),
        }
    }
}

/// A number, where it is a whole one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the range, and compared after")]
fn whole(value: &JsValue) -> Option<u32> {
    let number = value.as_f64().filter(|number| (0.0..=f64::from(u32::MAX)).contains(number))?;
    let whole = number as u32;
    (f64::from(whole).to_bits() == number.to_bits()).then_some(whole)
}
