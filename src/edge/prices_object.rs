//! The Durable Object that keeps the price document in force and the one before, outside the key that owners edit.
//! One for the whole Worker. Written only when there is a new document.

use serde::Deserialize;
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use worker::{Result, SqlStorage, State, worker_sys::DurableObjectState};

use super::{host::Host, object::said};
use crate::{
    json,
    ports::Clock,
    prices::{Ask, History, Seen, Told},
};

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS history (id INTEGER PRIMARY KEY, history TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS documents (hash TEXT NOT NULL, part INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (hash, part));";

/// A value in storage has at most 2 MB.
const PART_CHARS: usize = 250_000;

/// Prices are honoured so long at most after an edit, in seconds; after that nobody asks for the document before.
const MAX_GRACE_SECONDS: u64 = 600;

/// Made and called by the Worker's entry (`dev/entry/objects.js`).
#[wasm_bindgen]
pub struct PriceHistoryObject {
    state: State,
}

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[wasm_bindgen]
impl PriceHistoryObject {
    #[wasm_bindgen(constructor)]
    pub fn new(state: DurableObjectState) -> Self {
        Self { state: state.into() }
    }

    /// What is to be known of a document that was seen.
    pub fn tell(&self, message: &str) -> Result<String, JsValue> {
        let ask: Ask = json::read(message).map_err(worker::Error::from)?;
        self.sql().exec(SCHEMA, None)?;
        said(&self.answer(&ask)?)
    }
}

impl PriceHistoryObject {
    fn sql(&self) -> SqlStorage {
        self.state.storage().sql()
    }

    /// Nothing is awaited in here, so each question is answered whole.
    fn answer(&self, ask: &Ask) -> Result<Told> {
        let now = Host.now();
        let kept: Vec<Text> = self.sql().exec("SELECT history AS text FROM history", None)?.to_array()?;
        let mut history: History = kept.first().map(|row| json::read(&row.text)).transpose()?.unwrap_or_default();
        let mut seen = None;
        if let Some(hash) = &ask.seen {
            let mut after = history.clone();
            let what = after.seen(hash, ask.before.as_deref(), now);
            if what == Seen::Adopted {
                if self.document(hash)?.is_none() {
                    let Some(text) = &ask.text else { return Ok(Told::default()) };
                    self.keep(hash, text)?;
                }
                let row = vec![serde_json::to_string(&after)?.into()];
                self.sql().exec("INSERT OR REPLACE INTO history (id, history) VALUES (1, ?)", row)?;
                let previous = after.previous().map_or("", |replaced| replaced.hash.as_str());
                self.sql().exec(
                    "DELETE FROM documents WHERE hash NOT IN (?, ?)",
                    vec![hash.as_str().into(), previous.into()],
                )?;
                history = after;
            }
            seen = Some(what);
        }
        let current = history.current().filter(|hash| ask.seen.as_deref() != Some(*hash));
        let previous = history.previous().filter(|old| ask.wants_previous && now.0 < old.at + MAX_GRACE_SECONDS);
        Ok(Told {
            seen,
            current: current.map_or(Ok(None), |hash| self.document(hash))?,
            previous: match previous {
                Some(old) => self.document(&old.hash)?.map(|text| (text, old.at)),
                None => None,
            },
        })
    }

    fn keep(&self, hash: &str, text: &str) -> Result<()> {
        let chars: Vec<char> = text.chars().collect();
        for (part, chars) in chars.chunks(PART_CHARS).enumerate() {
            let text: String = chars.iter().collect();
            let part = i32::try_from(part).unwrap_or(i32::MAX);
            let row = vec![hash.into(), part.into(), text.into()];
            self.sql().exec("INSERT OR REPLACE INTO documents (hash, part, text) VALUES (?, ?, ?)", row)?;
        }
        Ok(())
    }

    fn document(&self, hash: &str) -> Result<Option<String>> {
        let query = "SELECT text FROM documents WHERE hash = ? ORDER BY part";
        let parts: Vec<Text> = self.sql().exec(query, vec![hash.into()])?.to_array()?;
        Ok((!parts.is_empty()).then(|| parts.into_iter().map(|part| part.text).collect()))
    }
}
