//! The Durable Object that keeps one payer's payments in one token: a thin shell around the ledger's clerk.

use std::{cell::Cell, rc::Rc};

use futures_util::future::join;
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use worker::{Result, ScheduledTime, js_sys, worker_sys::DurableObjectState};

use super::{
    bindings::{database, ledger},
    database::Database,
    fetch::WorkerFetch,
    host::Host,
    ledger_store::LedgerStore,
    ledger_stub::{LedgerStub, Message},
    object::said,
    pass_store::SqlPasses,
    roster,
};
use crate::{
    books, json,
    ledger::{apply_to_budget, apply_to_passes, identify},
    ports::{Clock, Journal},
    settlement::Clerk,
};

/// An entry waits so long for the books: what happens to a payment within it is written once.
const WRITE_AFTER_SECONDS: u64 = 1;

/// The longest pause after books that could not be written.
const WRITE_AGAIN_AFTER_AT_MOST_SECONDS: u64 = 300;

/// Made and called by the Worker's entry (`dev/entry/objects.js`).
#[wasm_bindgen]
pub struct LedgerObject {
    clerk: Rc<Clerk<LedgerStore, WorkerFetch, Host, Option<LedgerStub>>>,
    books: Option<Database>,
    /// Whether the books' tables are up to date.
    migrated: Cell<bool>,
    /// When the outbox is emptied; nothing while it is empty.
    write_at: Cell<Option<u64>>,
    /// Failures in a row to write the books.
    failures: Cell<u32>,
}

#[wasm_bindgen]
impl LedgerObject {
    #[wasm_bindgen(constructor)]
    pub fn new(state: DurableObjectState, env: &JsValue) -> Self {
        let books = database(env);
        let store = LedgerStore::new(state.into(), books.is_some());
        Self {
            clerk: Clerk::new(store, WorkerFetch::new(env), Host, ledger(env), roster()),
            books,
            migrated: Cell::new(false),
            write_at: Cell::new(None),
            failures: Cell::new(0),
        }
    }

    /// The reply to a [`Message`].
    pub async fn tell(&self, message: String) -> Result<String, JsValue> {
        let (nonce, command, within) = match json::read(&message).map_err(worker::Error::from)? {
            Message::Payment { nonce, command, within } => (nonce, command, within),
            Message::Identifier(command) => {
                let (known, reply) = identify(self.store().identified()?, command, Host.now());
                self.store().keep_identified(known.as_ref())?;
                self.schedule(None).await?;
                return said(&reply);
            }
            Message::Budget(command) => {
                let (budget, leased) = apply_to_budget(self.store().budget()?, command, Host.now());
                self.store().keep_budget(&budget)?;
                self.schedule(None).await?;
                return said(&leased);
            }
            Message::Passes(command) => {
                let reply = apply_to_passes(&self.passes(), command, Host.now())?;
                if self.store().state().storage().get_alarm().await?.is_none() {
                    self.schedule(self.passes().next_to_forget()?).await?;
                }
                return said(&reply);
            }
        };
        // The first round writes the command: from then on an alarm must be set, whatever becomes of this call.
        let (reply, scheduled) = join(self.clerk.tell(&nonce, command, within), self.schedule(None)).await;
        scheduled?;
        self.schedule(None).await?;
        said(&reply?)
    }

    pub async fn alarm(&self) -> Result<(), JsValue> {
        self.clerk.wake().await?;
        self.write_books().await?;
        self.store().forget_outlived(Host.now())?;
        self.passes().forget(Host.now())?;
        let passes = self.passes().next_to_forget()?;
        if self.store().is_empty()? && passes.is_none() {
            // A payer who never paid leaves nothing behind.
            self.store().state().storage().delete_all().await?;
        } else {
            self.schedule(passes).await?;
        }
        Ok(())
    }
}

impl LedgerObject {
    fn store(&self) -> &LedgerStore {
        self.clerk.store()
    }

    fn passes(&self) -> SqlPasses<'_> {
        SqlPasses(self.store().state())
    }

    /// Empties the outbox into the books. If they cannot be written, it waits.
    async fn write_books(&self) -> Result<()> {
        let Some(database) = &self.books else { return Ok(()) };
        let outbox = self.store().outbox()?;
        self.write_at.set(None);
        if outbox.is_empty() {
            return Ok(());
        }
        let entries: Vec<_> = outbox.iter().map(|(_, entry)| entry.clone()).collect();
        match books::write(database, &entries, &self.migrated).await {
            Ok(()) => {
                self.failures.set(0);
                self.store().sent(&outbox)
            }
            Err(error) => {
                self.failures.set(self.failures.get().saturating_add(1));
                Host.fault(&error.to_string());
                Ok(())
            }
        }
    }

    /// Sets the alarm to the time of the first payment, of the outbox, or of the passes, where the object keeps some:
    /// one object keeps either.
    async fn schedule(&self, passes: Option<u64>) -> Result<()> {
        let now = Host.now();
        let write = if self.store().has_outbox()? {
            // Not put off by what happens meanwhile.
            let pause = WRITE_AFTER_SECONDS << self.failures.get().min(9);
            let at = self.write_at.get().unwrap_or(now.plus(pause.min(WRITE_AGAIN_AFTER_AT_MOST_SECONDS)).0);
            self.write_at.set(Some(at));
            Some(at)
        } else {
            None
        };
        let outlived = self.store().next_outlived()?;
        let Some(next) = self.store().next_wake()?.into_iter().chain(write).chain(outlived).chain(passes).min() else {
            return Ok(());
        };
        // A second in the future at least: an alarm in the past would come again at once, for ever.
        self.store().state().storage().set_alarm(alarm_at(next.max(now.plus(1).0))).await
    }
}

/// Unix seconds as the runtime's date. They come from our own clock and stay far below 2^53 ms.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
pub(super) fn alarm_at(seconds: u64) -> ScheduledTime {
    ScheduledTime::new(js_sys::Date::new(&((seconds * 1000) as f64).into()))
}
