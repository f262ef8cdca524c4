//! Settlements that are being worked on right now, in this object's memory.

use std::{cell::RefCell, collections::BTreeMap};

use futures_channel::oneshot::{Receiver, Sender, channel};

use crate::facilitator::Settlement;

/// By nonce, who waits for the end.
#[derive(Debug, Default)]
pub(super) struct Calls(RefCell<BTreeMap<String, Vec<Sender<Settlement>>>>);

impl Calls {
    /// Waits for the work on this payment; the second value says whether it must be begun.
    pub(super) fn wait_for(&self, nonce: &str) -> (Receiver<Settlement>, bool) {
        let (sender, receiver) = channel();
        let mut calls = self.0.borrow_mut();
        let begin = !calls.contains_key(nonce);
        calls.entry(nonce.to_owned()).or_default().push(sender);
        (receiver, begin)
    }

    /// Whether somebody is at it.
    pub(super) fn is_running(&self, nonce: &str) -> bool {
        self.0.borrow().contains_key(nonce)
    }

    /// The work has ended. Returns whether anybody was still waiting.
    pub(super) fn end(&self, nonce: &str, settlement: &Settlement) -> bool {
        let waiting = self.0.borrow_mut().remove(nonce).unwrap_or_default();
        let told = waiting.into_iter().filter_map(|sender| sender.send(settlement.clone()).ok()).count();
        told > 0
    }
}
