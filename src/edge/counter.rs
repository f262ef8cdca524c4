//! [`Counter`] by the runtime: free quotas in Durable Objects, observations in this isolate's memory and then in D1.

use std::{cell::Cell, rc::Rc, time::Duration};

use wasm_bindgen::JsValue;
use worker::{Context, Delay};

use super::{
    bindings::{database, quota},
    host::Host,
    object::call,
    quota_object::Full,
};
use crate::{
    books::Observed,
    ports::{Clock, Counter, CounterDown, FreeRequest, Journal, Observation},
};

/// Whoever waits longer for a free request pays.
const TAKE_WITHIN: Duration = Duration::from_millis(500);

/// Observations are written so long after the first that was not.
const WRITE_AFTER: Duration = Duration::from_secs(10);

/// A write that was begun before this has been cut off.
const GIVEN_UP_AFTER_MILLIS: u64 = 40_000;

thread_local! {
    static OBSERVED: Rc<Observed> = Rc::default();
    /// When writing was begun that has not ended.
    static WRITING: Cell<Option<u64>> = const { Cell::new(None) };
    static FULL: Full = Full::default();
}

/// The counters, for one request.
pub(super) struct WorkerCounter<'a> {
    pub(super) env: &'a JsValue,
    pub(super) context: &'a Context,
}

impl Counter for WorkerCounter<'_> {
    async fn take(&self, request: &FreeRequest) -> Result<bool, CounterDown> {
        if FULL.with(|full| full.has(request)) {
            return Ok(false);
        }
        let namespace = quota(self.env).ok_or(CounterDown)?;
        let free: bool = call(&namespace, &request.counter, request, TAKE_WITHIN).await.map_err(|_| CounterDown)?;
        if !free {
            FULL.with(|full| full.note(request));
        }
        Ok(free)
    }

    fn observe(&self, observation: Observation) {
        let Some(database) = database(self.env) else { return };
        let observed = OBSERVED.with(Rc::clone);
        let now = Host.millis();
        observed.count(observation, Host.now());
        let is_writing = |since: u64| now.saturating_sub(since) < GIVEN_UP_AFTER_MILLIS;
        if WRITING.get().is_some_and(is_writing) {
            return;
        }
        WRITING.set(Some(now));
        self.context.wait_until(async move {
            Delay::from(WRITE_AFTER).await;
            if let Err(error) = observed.write(&database).await {
                Host.fault(&format!("observed prices: {error}"));
            }
            WRITING.set(None);
        });
    }
}
