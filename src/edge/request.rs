//! [`Request`] by the runtime's own object.

use crate::ports::Request;

/// The request that came in.
pub(super) struct IncomingRequest {
    raw: web_sys::Request,
}

impl IncomingRequest {
    pub(super) const fn new(raw: web_sys::Request) -> Self {
        Self { raw }
    }

    pub(super) const fn raw(&self) -> &web_sys::Request {
        &self.raw
    }
}

impl Request for IncomingRequest {
    fn method(&self) -> String {
        // Not through `worker::Method`: that one takes unknown methods for GET.
        self.raw.method()
    }

    fn url(&self) -> String {
        self.raw.url()
    }

    fn header(&self, name: &str) -> Option<String> {
        self.raw.headers().get(name).ok().flatten()
    }

    fn header_names(&self) -> Vec<String> {
        header_names(&self.raw.headers())
    }
}

/// The names in a set of headers, lower case.
fn header_names(headers: &web_sys::Headers) -> Vec<String> {
    let keys = headers.keys();
    let names = std::iter::from_fn(|| keys.next().ok().filter(|item| !item.done()));
    names.filter_map(|item| item.value().as_string()).collect()
}
