//! [`Clock`], [`Journal`], [`Random`] and [`Background`] by the runtime.

use std::time::Duration;

use worker::{Delay, console_error};

use crate::ports::{Background, Clock, Journal, Random};

/// The runtime around us. Its clock stands still between waits; faults go to the Worker's log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Host;

impl Clock for Host {
    fn millis(&self) -> u64 {
        whole_millis(js_sys::Date::now())
    }
}

impl Journal for Host {
    fn fault(&self, text: &str) {
        console_error!("x402-edge: {text}");
    }
}

impl Random for Host {
    fn bytes(&self) -> Option<[u8; 16]> {
        super::sign::random().ok()
    }
}

impl Background for Host {
    fn spawn(&self, work: impl Future<Output = ()> + 'static) {
        wasm_bindgen_futures::spawn_local(work);
    }

    async fn pause(&self, time: Duration) {
        Delay::from(time).await;
    }
}

/// The runtime counts in whole milliseconds since 1970, as a float.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, positive and below 2^53")]
const fn whole_millis(time: f64) -> u64 {
    time as u64
}
