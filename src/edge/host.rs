//! [`Clock`], [`Journal`], [`Random`] and [`Background`] by the runtime.

use std::time::Duration;

use worker::{Delay, console_error};

use crate::ports::{Background, Clock, Journal, Random};

/// The runtime around us. Its clock stands still between waits; faults go to the Worker's log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Host;

impl Clock for Host {
    fn millis(&self) -> u64 {
        worker::Date::now().as_millis()
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
