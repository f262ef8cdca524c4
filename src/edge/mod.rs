//! The outside: the Worker's door. Fills the sockets of [`crate::ports`]; has no rules of its own.

mod bindings;
mod channel_object;
mod channel_store;
mod channel_work;
mod counter;
mod database;
mod door;
#[cfg(feature = "drill")]
mod drill;
mod fetch;
mod host;
mod kept_answer;
mod ledger_object;
mod ledger_store;
mod ledger_stub;
mod lines;
mod metered;
mod object;
mod origin;
mod pass_store;
mod prices_kv;
mod prices_object;
mod quota_object;
mod relay;
mod request;
mod response;
mod runtime;
mod sign;
mod sqlite;

use std::rc::Rc;

use wasm_bindgen::{JsCast, JsValue};
use worker::{Context, Env, ScheduleContext, ScheduledEvent, console_log, event};

use crate::{
    books::reconcile,
    facilitator::{Facilitators, Roster},
    gate::{Answer, Channels, ChargedChannels, Gate, Passes, UnprovenRuns, answer},
    json::Unreadable,
    ports::{Journal, Request as _},
    prices::{PriceTable, Snapshot},
    transports::http,
};

use self::{
    bindings::{Bindings, Known, channel_keys, database, pass_keys},
    counter::WorkerCounter,
    fetch::WorkerFetch,
    host::Host,
    ledger_stub::LedgerStub,
    request::IncomingRequest,
    response::to_response,
};

#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

impl From<Unreadable> for worker::Error {
    fn from(error: Unreadable) -> Self {
        Self::RustError(error.to_string())
    }
}

/// A request for which [`door::at_once`] had nothing to say. Not `#[event(fetch)]`: that one hands no headers over.
async fn serve(request: IncomingRequest, env: Env, context: Context) -> worker::Result<web_sys::Response> {
    let bindings = match Bindings::read(env.unchecked_ref(), request.url()) {
        Ok(bindings) => bindings,
        Err(misconfigured) => {
            Host.fault(&misconfigured.to_string());
            return to_response(answer::misconfigured().into(), None, &context);
        }
    };
    Known::keep(&bindings);
    let prices = prices_kv::current(&env, |work| context.wait_until(work)).await;
    let pass_keys = pass_keys(env.unchecked_ref(), &prices);
    let channel_keys = channel_keys(env.unchecked_ref());
    let channels = Channels {
        keys: channel_keys.as_deref().map_err(|error| *error),
        kept: bindings.ledger.as_ref().is_some_and(LedgerStub::keeps_channels),
    };
    let gate = Gate {
        prices: &prices,
        fetch: &WorkerFetch::new(env.unchecked_ref()),
        roster: &roster(),
        runs: &runs(),
        charged: &charged(),
        host: &Host,
        ledger: bindings.ledger.as_ref(),
        counter: Some(&WorkerCounter { env: env.unchecked_ref(), context: &context }),
        passes: Passes { keys: (*pass_keys).as_ref().map_err(|error| *error), random: &Host },
        channels,
        origin_url: bindings.origin.url(),
    };
    let answer = gate.serve(&request, &bindings.origin.of(&request)).await;
    // A 402 for Permit2 or a channel says what only they know: they are asked before the first one is needed.
    let asks = || prices.table().is_some_and(PriceTable::asks_facilitators);
    if http::carries_payment(|name| request.header(name)) || asks() {
        learn_facilitators(&prices, env.unchecked_ref(), &context);
    }
    if matches!(answer, Answer::Ours(_)) {
        request.discard_body().await;
    }
    to_response(answer, bindings.ledger, &context)
}

/// From time to time (`wrangler.toml`, `triggers`): the books against the chain.
#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, context: ScheduleContext) {
    let prices = prices_kv::current(&env, |work| context.wait_until(work)).await;
    let (Some(database), Some(table)) = (database(env.unchecked_ref()), prices.table()) else { return };
    match reconcile(&database, &WorkerFetch::new(env.unchecked_ref()), &Host, table.rpcs()).await {
        Ok(reports) => reports.iter().for_each(|report| console_log!("x402-edge: reconciliation: {report}")),
        Err(error) => Host.fault(&format!("reconciliation: {error}")),
    }
}

/// After a paid request, while nobody waits: what the facilitators settle, where that is not known.
fn learn_facilitators(prices: &Snapshot, env: &JsValue, context: &Context) {
    let Some(urls) = prices.table().map(|table| table.facilitators().to_vec()) else { return };
    let fetch = WorkerFetch::new(env);
    context.wait_until(async move { Facilitators::new(&fetch, &Host, &roster()).learn(&urls).await });
}

thread_local! {
    /// What this isolate knows of facilitators.
    static ROSTER: Rc<Roster> = Rc::default();
    /// How often the origin works for unknown payers.
    static RUNS: Rc<UnprovenRuns> = Rc::default();
    /// For which channels it works at once.
    static CHARGED: Rc<ChargedChannels> = Rc::default();
}

/// The standing of facilitators, for all requests and objects of this isolate.
fn roster() -> Rc<Roster> {
    ROSTER.with(Rc::clone)
}

/// The runs of the origin, for all requests of this isolate.
fn runs() -> Rc<UnprovenRuns> {
    RUNS.with(Rc::clone)
}

/// The channels that were charged, for all requests of this isolate.
fn charged() -> Rc<ChargedChannels> {
    CHARGED.with(Rc::clone)
}
