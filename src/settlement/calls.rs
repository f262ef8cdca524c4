//! Settlements that are being worked on right now, in this object's memory.

use std::{cell::RefCell, collections::BTreeMap};

use futures_channel::oneshot::{Receiver, Sender, channel};

use crate::facilitator::Settlement;

/// By nonce, who is at it and who waits.
#[derive(Debug, Default)]
pub(super) struct Calls(RefCell<BTreeMap<String, Work>>);

#[derive(Debug, Default)]
struct Work {
    /// When the newest of them began; milliseconds.
    begun_at: u64,
    running: usize,
    waiting: Vec<Sender<Settlement>>,
}

/// Whoever is at it for longer than this may hang: the next who waits asks beside it.
const PATIENCE_MILLIS: u64 = 10_000;

impl Calls {
    /// Waits for the work on this payment; the second value says whether the one who waits must begin some.
    pub(super) fn wait_for(&self, nonce: &str, now: u64) -> (Receiver<Settlement>, bool) {
        let (sender, receiver) = channel();
        let mut calls = self.0.borrow_mut();
        let work = calls.entry(nonce.to_owned()).or_default();
        work.waiting.push(sender);
        let begin = work.running == 0 || now.saturating_sub(work.begun_at) > PATIENCE_MILLIS;
        if begin {
            work.running += 1;
            work.begun_at = now;
        }
        (receiver, begin)
    }

    /// Whether somebody is at it.
    pub(super) fn is_running(&self, nonce: &str) -> bool {
        self.0.borrow().contains_key(nonce)
    }

    /// One work has ended. While others go on, only a decision ends the waiting. Returns whether anybody was told.
    pub(super) fn end(&self, nonce: &str, settlement: &Settlement) -> bool {
        let mut calls = self.0.borrow_mut();
        let Some(work) = calls.get_mut(nonce) else { return false };
        work.running = work.running.saturating_sub(1);
        let decided = !matches!(settlement, Settlement::Unknown { .. });
        let waiting = if decided || work.running == 0 { std::mem::take(&mut work.waiting) } else { Vec::new() };
        if work.running == 0 {
            calls.remove(nonce);
        }
        let told = waiting.into_iter().filter_map(|sender| sender.send(settlement.clone()).ok()).count();
        told > 0
    }
}
