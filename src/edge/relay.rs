//! What `dev/entry/relay.js` calls for the origin's answer to a request that it sent on at once.

#![expect(unreachable_pub, reason = "wasm-bindgen exports what is public")]

use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use web_sys::Response;

use super::{
    bindings::Known,
    door::lines_of,
    host::Host,
    lines::Lines,
    origin::FetchedAnswer,
    prices_kv,
    response::{edited_answer, our_response},
};
use crate::{
    gate::{free_edits, pass_edits, unanswered as gate_unanswered, usual_pass_edits},
    ports::{Journal, NoAnswer, OriginAnswer},
};

/// The origin gave no answer to a request that was sent on at once; `version` where a pass opened it.
#[wasm_bindgen(js_name = unanswered)]
#[expect(clippy::needless_pass_by_value, reason = "wasm-bindgen borrows no optional texts")]
pub fn unanswered(version: Option<String>) -> String {
    let error = NoAnswer::Connection;
    let by_whom = if version.is_some() { "; asked by a pass" } else { "" };
    Host.fault(&format!("origin: {error}{by_whom}"));
    lines_of(&gate_unanswered(error, version.as_deref().filter(|version| !version.is_empty())))
}

/// The origin's answer to such a request, where something in it may have to change; `url` is the request's.
#[wasm_bindgen(js_name = relayed)]
#[expect(clippy::needless_pass_by_value, reason = "wasm-bindgen borrows no optional texts")]
pub fn relayed(response: Response, url: &str, version: Option<String>) -> Result<Response, JsValue> {
    let document = version.as_deref().filter(|version| !version.is_empty());
    let Some(fetched) = FetchedAnswer::new(response) else {
        return our_response(&gate_unanswered(NoAnswer::Connection, document));
    };
    let edits = Known::with(url, |known| {
        let origin_url = known.origin_url.as_deref();
        Some(prices_kv::with_kept(|prices| match &version {
            Some(_) => pass_edits(prices, url, &fetched, origin_url, document),
            None => free_edits(prices, url, &fetched, origin_url),
        }))
    });
    match (edits, &version) {
        (None, Some(_)) => our_response(&gate_unanswered(NoAnswer::Connection, document)),
        (edits, _) => edited_answer(fetched, &edits.unwrap_or_default()),
    }
}

/// What changes in most answers to requests that passes open, by this version of the price document: names of headers
/// with which an answer is for [`opened`] (or [`relayed`], as redirects are), an empty line, and names and values of
/// headers to set.
#[wasm_bindgen(js_name = openedUsually)]
pub fn opened_usually(url: &str, version: &str) -> String {
    let document = Some(version).filter(|version| !version.is_empty());
    let usual = prices_kv::with_kept(|prices| usual_pass_edits(prices, url, document));
    changes(&usual.unless, &usual.set)
}

/// What changes in the origin's answer to a request that a pass opened: names of headers to take out, an empty line, and
/// names and values of those to set. `headers` are the answer's, as lines.
#[wasm_bindgen(js_name = opened)]
pub fn opened(status: u16, headers: String, url: &str, version: &str) -> String {
    let answer = Head { status, headers: Lines::new(headers) };
    let origin_url = Known::with(url, |known| known.origin_url.clone());
    let document = Some(version).filter(|version| !version.is_empty());
    let edits = prices_kv::with_kept(|prices| pass_edits(prices, url, &answer, origin_url.as_deref(), document));
    // Most are not there, and each deletion is a step out of JavaScript.
    let present: Vec<_> = edits.remove.iter().filter(|name| answer.get(name).is_some()).collect();
    changes(&present, &edits.set)
}

/// Names, an empty line, and names and values in turns.
fn changes(names: &[impl AsRef<str>], set: &[(&str, String)]) -> String {
    let mut lines = names.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join("\n");
    lines.push('\n');
    for (name, value) in set {
        lines.extend(["\n", *name, "\n", value.as_str()]);
    }
    lines
}

/// Status and headers of an answer.
struct Head {
    status: u16,
    /// Names and values in turns.
    headers: Lines,
}

impl Head {
    fn get(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.iter();
        let mut headers = std::iter::from_fn(|| Some((lines.next()?, lines.next()?)));
        headers.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

impl OriginAnswer for Head {
    fn status(&self) -> u16 {
        self.status
    }

    fn header(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }
}
