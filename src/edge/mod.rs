//! The outside: the Worker's door. Fills the sockets of [`crate::ports`]; has no rules of its own.

mod bindings;
mod fetch;
mod ledger_object;
mod ledger_stub;
mod origin;
mod prices_kv;
mod request;
mod response;
mod sign;

use wasm_bindgen::JsCast;
use worker::{Context, Env, console_error, event};

use crate::{
    gate::{Answer, Gate, answer},
    ports::{Clock, Journal, Request as _},
    time::UnixTime,
};

use self::{bindings::Bindings, fetch::WorkerFetch, request::IncomingRequest, response::to_response};

#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

/// Every request of the site comes in here.
#[event(fetch)]
async fn fetch(request: web_sys::Request, env: Env, context: Context) -> worker::Result<web_sys::Response> {
    let request = IncomingRequest::new(request);
    #[cfg(feature = "drill")]
    assert!(!request.url().ends_with("/.x402/panic"), "a drill");

    let bindings = match Bindings::read(env.unchecked_ref(), &request.url()) {
        Ok(bindings) => bindings,
        Err(misconfigured) => {
            WorkerJournal.fault(&misconfigured.to_string());
            return to_response(answer::misconfigured().into(), None, &context);
        }
    };
    let prices = prices_kv::current(&env).await;
    let gate = Gate {
        prices: &prices,
        fetch: &WorkerFetch { credentials: bindings::credentials(env.unchecked_ref()) },
        clock: &WorkerClock,
        journal: &WorkerJournal,
        ledger: bindings.ledger.as_ref(),
        counter: None::<&counter::WorkerCounter>,
        origin_url: bindings.origin.url(),
    };
    let answer = gate.serve(&request, &bindings.origin.of(&request)).await;
    if matches!(answer, Answer::Ours(_)) {
        request.discard_body().await;
    }
    to_response(answer, bindings.ledger, &context)
}

/// The only clock. In a Worker it stands still between waits.
struct WorkerClock;

impl Clock for WorkerClock {
    fn now(&self) -> UnixTime {
        UnixTime(worker::Date::now().as_millis() / 1000)
    }
}

/// Faults go to the Worker's log.
struct WorkerJournal;

impl Journal for WorkerJournal {
    fn fault(&self, text: &str) {
        console_error!("x402-edge: {text}");
    }
}
