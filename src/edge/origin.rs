//! [`Origin`] by the runtime: a service binding, a URL, or the zone's own DNS origin.

use std::time::Duration;

use js_sys::{Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Request, Response};
use worker::Delay;

use super::{
    request::IncomingRequest,
    runtime::{EditLines, in_time, milliseconds, send},
};
use crate::ports::{Forward, NoAnswer, Origin, OriginAnswer};

/// Which site is behind the paywall.
pub(super) enum OriginSite {
    /// Another Worker.
    Service(Object),
    /// Scheme and host.
    Url(String),
    /// Whatever the zone's DNS says for the request's own host.
    Dns,
}

impl OriginSite {
    /// The origin's scheme and host, where they are not the public ones.
    pub(super) fn url(&self) -> Option<&str> {
        match self {
            Self::Url(url) => Some(url),
            Self::Service(_) | Self::Dns => None,
        }
    }

    /// The origin of one request.
    pub(super) const fn of<'a>(&'a self, request: &'a IncomingRequest) -> RequestOrigin<'a> {
        RequestOrigin { site: self, request: request.raw() }
    }
}

/// The origin, with the request whose method, headers and body it is sent.
pub(super) struct RequestOrigin<'a> {
    site: &'a OriginSite,
    request: &'a Request,
}

impl Origin for RequestOrigin<'_> {
    type Answer = FetchedAnswer;

    async fn send(&self, forward: Forward, within: Duration) -> Result<FetchedAnswer, NoAnswer> {
        let base = self.site.url().unwrap_or(&forward.public_origin);
        // Joined as text: a URL library would take `//other.example/` in a path for a host.
        let url = [base, &forward.path_and_query].concat();
        let global = js_sys::global();
        let fetcher: &JsValue = match self.site {
            OriginSite::Service(service) => service,
            OriginSite::Url(_) | OriginSite::Dns => &global,
        };
        let EditLines { removed, set, appended } = EditLines::of(&forward.edits);
        let within = milliseconds(within);
        let answer = send(fetcher, &url, self.request, &removed, &set, &appended, forward.paid, within).await;
        in_time(answer)?.dyn_into().ok().and_then(FetchedAnswer::new).ok_or(NoAnswer::Connection)
    }

    /// The runtime writes when nothing else is to be done.
    async fn under_way(&self) {
        Delay::from(Duration::ZERO).await;
    }
}

/// What the origin sent; its body is still on the way.
pub(super) struct FetchedAnswer(Response);

impl FetchedAnswer {
    /// Nothing where a switch of protocols brings no WebSocket: that is no answer that could be passed on.
    pub(super) fn new(response: Response) -> Option<Self> {
        let has_socket = || Reflect::get(&response, &"webSocket".into()).is_ok_and(|socket| socket.is_object());
        (response.status() != 101 || has_socket()).then_some(Self(response))
    }

    pub(super) fn into_raw(self) -> Response {
        self.0
    }
}

impl OriginAnswer for FetchedAnswer {
    fn status(&self) -> u16 {
        self.0.status()
    }

    fn header(&self, name: &str) -> Option<String> {
        self.0.headers().get(name).ok().flatten()
    }
}
