//! [`Origin`] by the runtime: a service binding, a URL, or the zone's own DNS origin.

use std::time::Duration;

use js_sys::{Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{AbortController, Request, RequestInit, RequestRedirect, Response};

use super::{
    fetch::{fetch, until},
    request::IncomingRequest,
    response::apply,
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
        let (request, options, abort) = self.prepare(base, &forward).map_err(|_| NoAnswer::Connection)?;
        let global = js_sys::global();
        let fetcher: &JsValue = match self.site {
            OriginSite::Service(service) => service,
            OriginSite::Url(_) | OriginSite::Dns => &global,
        };
        let response = until(within, &abort, fetch(fetcher, &request, &options)).await?;
        FetchedAnswer::new(response).ok_or(NoAnswer::Connection)
    }
}

impl RequestOrigin<'_> {
    fn prepare(&self, base: &str, forward: &Forward) -> Result<(Request, RequestInit, AbortController), JsValue> {
        // Joined as text: a URL library would take `//other.example/` in a path for a host.
        let url = format!("{base}{}", forward.path_and_query);
        let request = Request::new_with_str_and_init(&url, self.request.unchecked_ref())?;
        apply(&forward.edits, &request.headers())?;
        let abort = AbortController::new()?;
        let options = RequestInit::new();
        options.set_redirect(RequestRedirect::Manual);
        options.set_signal(Some(&abort.signal()));
        if forward.paid {
            Reflect::set(&options, &"cf".into(), &uncached()?.into())?;
        }
        Ok((request, options, abort))
    }
}

/// `cf` options: a negative time to live keeps an answer out of the cache, whatever its status.
fn uncached() -> Result<Object, JsValue> {
    let by_status = Object::new();
    Reflect::set(&by_status, &"100-599".into(), &(-1).into())?;
    let cf = Object::new();
    Reflect::set(&cf, &"cacheTtlByStatus".into(), &by_status)?;
    Ok(cf)
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
