//! The Durable Object that counts one route's free requests of one day. It forgets itself when the day is over.

use std::{cell::RefCell, collections::HashSet};

use serde::Deserialize;
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use worker::{Result, SqlStorage, State, worker_sys::DurableObjectState};

use super::object::said;
use crate::{json, ports::FreeRequest};

const SCHEMA: &str =
    "CREATE TABLE IF NOT EXISTS taken (client TEXT PRIMARY KEY, requests INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS totals (id INTEGER PRIMARY KEY, requests INTEGER NOT NULL, clients INTEGER NOT NULL);
    INSERT OR IGNORE INTO totals (id, requests, clients) VALUES (1, 0, 0);";

/// Clients of one route and day: about 10 MB. Whoever comes later has no free requests.
const MAX_CLIENTS: u64 = 100_000;

/// A day, and some for clocks that differ.
const FORGET_AFTER_MILLIS: i64 = 25 * 60 * 60 * 1000;

/// Made and called by the Worker's entry (`dev/entry/objects.js`).
#[wasm_bindgen]
pub struct QuotaObject {
    state: State,
}

#[derive(Deserialize)]
struct Totals {
    requests: u64,
    clients: u64,
}

#[derive(Deserialize)]
struct Taken {
    requests: u64,
}

#[wasm_bindgen]
impl QuotaObject {
    #[wasm_bindgen(constructor)]
    pub fn new(state: DurableObjectState) -> Self {
        Self { state: state.into() }
    }

    /// Whether a request is free; it is counted then.
    pub async fn tell(&self, message: String) -> Result<String, JsValue> {
        let free = self.take(&json::read(&message).map_err(worker::Error::from)?)?;
        if free && self.state.storage().get_alarm().await?.is_none() {
            self.state.storage().set_alarm(FORGET_AFTER_MILLIS).await?;
        }
        said(&free)
    }

    pub async fn alarm(&self) -> Result<(), JsValue> {
        Ok(self.state.storage().delete_all().await?)
    }
}

impl QuotaObject {
    fn sql(&self) -> SqlStorage {
        self.state.storage().sql()
    }

    /// Nothing is awaited between reading and writing.
    fn take(&self, request: &FreeRequest) -> Result<bool> {
        self.sql().exec(SCHEMA, None)?;
        let totals: Totals = self.sql().exec("SELECT requests, clients FROM totals", None)?.one()?;
        let query = "SELECT requests FROM taken WHERE client = ?";
        let rows: Vec<Taken> = self.sql().exec(query, vec![request.client.as_str().into()])?.to_array()?;
        let taken = rows.first().map(|row| row.requests);
        let is_out = taken.unwrap_or(0) >= request.requests
            || request.total.is_some_and(|total| totals.requests >= total)
            || (taken.is_none() && totals.clients >= MAX_CLIENTS);
        if is_out {
            return Ok(false);
        }
        let upsert = "INSERT INTO taken (client, requests) VALUES (?, 1) ON CONFLICT (client) DO UPDATE SET requests = requests + 1";
        self.sql().exec(upsert, vec![request.client.as_str().into()])?;
        let new = i32::from(taken.is_none());
        self.sql().exec("UPDATE totals SET requests = requests + 1, clients = clients + ?", vec![new.into()])?;
        Ok(true)
    }
}

/// Clients of whom this isolate knows that nothing is left today: they are not asked for again. With their limits,
/// since an owner may raise them.
#[derive(Debug, Default)]
pub(super) struct Full {
    requests: RefCell<HashSet<FreeRequest>>,
}

/// Clients that are remembered; then all are forgotten and asked for anew.
const MAX_FULL: usize = 10_000;

impl Full {
    pub(super) fn has(&self, request: &FreeRequest) -> bool {
        self.requests.borrow().contains(request)
    }

    pub(super) fn note(&self, request: &FreeRequest) {
        let mut requests = self.requests.borrow_mut();
        if requests.len() >= MAX_FULL {
            requests.clear();
        }
        requests.insert(request.clone());
    }
}
