//! [`PaymentStore`] by a Durable Object's `SQLite`, and the outbox for the owner's books beside it: what is written
//! together is kept together.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use worker::{Error, Result, SqlStorage, SqlStorageValue, State};

use super::sqlite::{self, integer};
use crate::{
    json,
    ledger::{Budget, Entry, Identified, Payment, Slices, Standing, entry, wake},
    settlement::PaymentStore,
    time::UnixTime,
};

const SCHEMA: &str =
    "CREATE TABLE IF NOT EXISTS payments (nonce TEXT PRIMARY KEY, wake INTEGER NOT NULL, payment TEXT NOT NULL);
    CREATE INDEX IF NOT EXISTS payments_by_wake ON payments (wake);
    CREATE TABLE IF NOT EXISTS outbox (nonce TEXT PRIMARY KEY, entry TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS standing (only INTEGER PRIMARY KEY, keep_until INTEGER NOT NULL, standing TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS slices (only INTEGER PRIMARY KEY, keep_until INTEGER NOT NULL, slices TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS budget (only INTEGER PRIMARY KEY, keep_until INTEGER NOT NULL, budget TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS identified (only INTEGER PRIMARY KEY, keep_until INTEGER NOT NULL, identified TEXT NOT NULL);";

/// Tables of one row, which is forgotten in time.
const OF_ONE_ROW: [&str; 4] = ["identified", "standing", "slices", "budget"];

/// Payments and entries that an object keeps at most: with about 2 KB each, 20 MB. Beyond it new ones wait.
const MAX_ROWS: u64 = 10_000;

/// Entries that go to the books together.
const ENTRIES_AT_ONCE: u64 = 50;

/// The storage of one ledger object.
pub(super) struct LedgerStore {
    state: State,
    /// Whether there are books: without them nothing is put into the outbox.
    has_books: bool,
}

#[derive(Deserialize)]
struct Kept {
    key: String,
    json: String,
}

impl LedgerStore {
    pub(super) const fn new(state: State, has_books: bool) -> Self {
        Self { state, has_books }
    }

    pub(super) const fn state(&self) -> &State {
        &self.state
    }

    /// Entries that wait for the books, with their texts.
    pub(super) fn outbox(&self) -> Result<Vec<(String, Entry)>> {
        let rows =
            self.rows("SELECT nonce AS key, entry AS json FROM outbox LIMIT ?", vec![integer(ENTRIES_AT_ONCE)?])?;
        rows.into_iter().map(|Kept { json, .. }| Ok((json.clone(), json::read(&json)?))).collect()
    }

    /// These have reached the books. Where a newer entry has come meanwhile, it stays.
    pub(super) fn sent(&self, entries: &[(String, Entry)]) -> Result<()> {
        for (text, entry) in entries {
            let sql = "DELETE FROM outbox WHERE nonce = ? AND entry = ?";
            self.sql()?.exec(sql, vec![entry.nonce.as_str().into(), text.as_str().into()])?;
        }
        Ok(())
    }

    /// When the first payment needs the alarm.
    pub(super) fn next_wake(&self) -> Result<Option<u64>> {
        self.number("SELECT min(wake) AS number FROM payments")
    }

    /// What this object's payment identifier is bound to.
    pub(super) fn identified(&self) -> Result<Option<Identified>> {
        self.only("identified")
    }

    pub(super) fn keep_identified(&self, identified: Option<&Identified>) -> Result<()> {
        match identified {
            None => self.sql()?.exec("DELETE FROM identified", None).map(drop),
            Some(identified) => self.keep_only("identified", identified.keep_until, identified),
        }
    }

    /// The budget that this object keeps.
    pub(super) fn budget(&self) -> Result<Budget> {
        Ok(self.only("budget")?.unwrap_or_default())
    }

    pub(super) fn keep_budget(&self, budget: &Budget) -> Result<()> {
        self.keep_only("budget", budget.keep_until(), budget)
    }

    /// What a table of one row keeps.
    fn only<T: DeserializeOwned>(&self, table: &str) -> Result<Option<T>> {
        let kept = self.rows(&format!("SELECT '' AS key, {table} AS json FROM {table}"), vec![])?.pop();
        Ok(kept.map(|kept| json::read(&kept.json)).transpose()?)
    }

    fn keep_only(&self, table: &str, keep_until: u64, value: &impl Serialize) -> Result<()> {
        let values = vec![integer(keep_until)?, serde_json::to_string(value)?.into()];
        let sql = format!("INSERT OR REPLACE INTO {table} (only, keep_until, {table}) VALUES (1, ?, ?)");
        self.sql()?.exec(&sql, values)?;
        Ok(())
    }

    /// Forgets what has outlived its use: a payment identifier, a payer's standing and slices, a budget.
    pub(super) fn forget_outlived(&self, now: UnixTime) -> Result<()> {
        for table in OF_ONE_ROW {
            self.sql()?.exec(&format!("DELETE FROM {table} WHERE keep_until <= ?"), vec![integer(now.0)?])?;
        }
        Ok(())
    }

    /// When the first of these has.
    pub(super) fn next_outlived(&self) -> Result<Option<u64>> {
        let all = OF_ONE_ROW.map(|table| format!("SELECT keep_until FROM {table}")).join(" UNION ALL ");
        self.number(&format!("SELECT min(keep_until) AS number FROM ({all})"))
    }

    pub(super) fn has_outbox(&self) -> Result<bool> {
        Ok(self.number("SELECT count(*) AS number FROM outbox")?.unwrap_or(0) > 0)
    }

    pub(super) fn is_empty(&self) -> Result<bool> {
        Ok(self.count()? == 0)
    }

    fn count(&self) -> Result<u64> {
        let tables = ["payments", "outbox"].into_iter().chain(OF_ONE_ROW);
        let counts: Vec<_> = tables.map(|table| format!("(SELECT count(*) FROM {table})")).collect();
        let count = format!("SELECT {} AS number", counts.join(" + "));
        Ok(self.number(&count)?.unwrap_or(0))
    }

    /// The tables are made each time they are missing: an object that has forgotten everything has given them up.
    fn sql(&self) -> Result<SqlStorage> {
        let sql = self.state.storage().sql();
        sql.exec(SCHEMA, None)?;
        Ok(sql)
    }

    fn rows(&self, query: &str, values: Vec<SqlStorageValue>) -> Result<Vec<Kept>> {
        self.sql()?.exec(query, values)?.to_array()
    }

    fn number(&self, query: &str) -> Result<Option<u64>> {
        sqlite::number(&self.sql()?, query)
    }
}

impl PaymentStore for LedgerStore {
    type Error = Error;

    fn load(&self, nonce: &str) -> Result<Option<Payment>> {
        let query = "SELECT nonce AS key, payment AS json FROM payments WHERE nonce = ?";
        let kept = self.rows(query, vec![nonce.into()])?.pop();
        Ok(kept.map(|kept| json::read(&kept.json)).transpose()?)
    }

    fn save(&self, nonce: &str, payment: &Payment) -> Result<()> {
        let before = if self.has_books { self.load(nonce)? } else { None };
        let values = vec![nonce.into(), integer(wake(payment))?, serde_json::to_string(payment)?.into()];
        self.sql()?.exec("INSERT OR REPLACE INTO payments (nonce, wake, payment) VALUES (?, ?, ?)", values)?;
        let now = entry(nonce, payment).filter(|_| self.has_books);
        if let Some(entry) = now.filter(|now| before.and_then(|before| entry(nonce, &before)).as_ref() != Some(now)) {
            let values = vec![nonce.into(), serde_json::to_string(&entry)?.into()];
            self.sql()?.exec("INSERT OR REPLACE INTO outbox (nonce, entry) VALUES (?, ?)", values)?;
        }
        Ok(())
    }

    fn forget(&self, nonce: &str) -> Result<()> {
        self.sql()?.exec("DELETE FROM payments WHERE nonce = ?", vec![nonce.into()])?;
        Ok(())
    }

    fn due(&self, now: UnixTime) -> Result<Vec<(String, Payment)>> {
        let query = "SELECT nonce AS key, payment AS json FROM payments WHERE wake <= ? ORDER BY wake LIMIT 100";
        let rows = self.rows(query, vec![integer(now.0)?])?;
        rows.into_iter().map(|Kept { key, json }| Ok((key, json::read(&json)?))).collect()
    }

    fn standing(&self) -> Result<Standing> {
        Ok(self.only("standing")?.unwrap_or_default())
    }

    fn keep_standing(&self, standing: &Standing) -> Result<()> {
        self.keep_only("standing", standing.keep_until(), standing)
    }

    fn slices(&self) -> Result<Slices> {
        Ok(self.only("slices")?.unwrap_or_default())
    }

    fn keep_slices(&self, slices: &Slices) -> Result<()> {
        self.keep_only("slices", slices.keep_until(), slices)
    }

    fn is_full(&self) -> Result<bool> {
        Ok(self.count()? >= MAX_ROWS)
    }
}
