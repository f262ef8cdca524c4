//! What a channel's object keeps, and what a till keeps, in a Durable Object's `SQLite`.

use std::cell::{Cell, RefCell};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use worker::{Error, Result, SqlStorage, SqlStorageValue, State};

use super::sqlite::{self, integer};
use crate::{
    channels::{Account, ChannelLine, Move, Pending, Till},
    claims::TillStore,
    json,
    time::UnixTime,
};

const SCHEMA: &str =
    "CREATE TABLE IF NOT EXISTS channel (only INTEGER PRIMARY KEY, account TEXT NOT NULL, write_at INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, kept TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS till (only INTEGER PRIMARY KEY, till TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS claims (channel TEXT PRIMARY KEY, at INTEGER NOT NULL, pending TEXT NOT NULL);
    CREATE INDEX IF NOT EXISTS claims_by_at ON claims (at);";

/// Lines that go to the books together.
const LINES_AT_ONCE: u64 = 50;

/// The storage of one object: a channel's or a till's.
pub(super) struct ChannelStore {
    state: State,
    /// Whether there are books: without them nothing is put into the outbox.
    has_books: bool,
    /// Whether the tables are there: an object that was never told anything has none.
    made: Cell<bool>,
    /// Whether what is known is more than what is stored.
    unsaved: Cell<bool>,
    /// Whether something waits for the books.
    waiting: Cell<Option<bool>>,
    /// The channel as it is stored: only this object changes it.
    known: RefCell<Option<Kept>>,
}

/// A channel, and when its line goes to the books; 0: it is there.
#[derive(Clone, Default)]
pub(super) struct Kept {
    pub(super) account: Option<Account>,
    pub(super) write_at: u64,
}

/// What waits for the books.
#[derive(Serialize, Deserialize)]
pub(super) enum Outgoing {
    Line(Box<ChannelLine>),
    Moved(Move),
}

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[derive(Deserialize)]
struct Row {
    key: String,
    text: String,
}

#[derive(Deserialize)]
struct Stored {
    account: String,
    write_at: u64,
}

impl ChannelStore {
    pub(super) const fn new(state: State, has_books: bool) -> Self {
        Self {
            state,
            has_books,
            made: Cell::new(false),
            unsaved: Cell::new(false),
            waiting: Cell::new(None),
            known: RefCell::new(None),
        }
    }

    pub(super) const fn state(&self) -> &State {
        &self.state
    }

    pub(super) const fn has_books(&self) -> bool {
        self.has_books
    }

    /// The channel.
    pub(super) fn kept(&self) -> Result<Kept> {
        if let Some(kept) = &*self.known.borrow() {
            return Ok(kept.clone());
        }
        let kept = match self.reading()? {
            None => Kept::default(),
            Some(sql) => {
                let rows: Vec<Stored> = sql.exec("SELECT account, write_at FROM channel", None)?.to_array()?;
                match rows.first() {
                    Some(row) => Kept { account: Some(json::read(&row.account)?), write_at: row.write_at },
                    None => Kept::default(),
                }
            }
        };
        self.known.replace(Some(kept.clone()));
        Ok(kept)
    }

    /// Knows the channel so, and stores it later: with the next change that must not be lost, or by [`Self::save_known`].
    pub(super) fn know(&self, kept: Kept) {
        self.unsaved.set(true);
        self.known.replace(Some(kept));
    }

    /// Stores what is known, if it is not stored yet.
    pub(super) fn save_known(&self) -> Result<()> {
        if self.unsaved.get() { self.keep(self.kept()?) } else { Ok(()) }
    }

    /// Keeps the channel, or forgets it.
    pub(super) fn keep(&self, kept: Kept) -> Result<()> {
        // Should writing fail, what is stored counts.
        self.known.replace(None);
        self.unsaved.set(false);
        match &kept.account {
            Some(account) => {
                let values = vec![serde_json::to_string(&account.lasting())?.into(), integer(kept.write_at)?];
                let sql = "INSERT OR REPLACE INTO channel (only, account, write_at) VALUES (1, ?, ?)";
                self.writing()?.exec(sql, values)?;
            }
            None => {
                if let Some(sql) = self.reading()? {
                    sql.exec("DELETE FROM channel", None)?;
                }
            }
        }
        self.known.replace(Some(kept));
        Ok(())
    }

    /// Puts something into the outbox.
    pub(super) fn send(&self, outgoing: &Outgoing) -> Result<()> {
        if self.has_books {
            let values = vec![serde_json::to_string(outgoing)?.into()];
            self.waiting.set(Some(true));
            self.writing()?.exec("INSERT INTO outbox (kept) VALUES (?)", values)?;
        }
        Ok(())
    }

    /// What waits for the books, oldest first, and the number up to which it is.
    pub(super) fn outbox(&self) -> Result<(Vec<Outgoing>, u64)> {
        let Some(sql) = self.reading()? else { return Ok((Vec::new(), 0)) };
        let query = "SELECT CAST(id AS TEXT) AS key, kept AS text FROM outbox ORDER BY id LIMIT ?";
        let rows: Vec<Row> = sql.exec(query, vec![integer(LINES_AT_ONCE)?])?.to_array()?;
        let last = rows.last().and_then(|row| row.key.parse().ok()).unwrap_or(0);
        let outgoing = rows.iter().map(|row| Ok(json::read(&row.text)?)).collect::<Result<_>>()?;
        Ok((outgoing, last))
    }

    /// These have reached the books.
    pub(super) fn sent(&self, last: u64) -> Result<()> {
        if last > 0 {
            self.waiting.set(None);
            self.writing()?.exec("DELETE FROM outbox WHERE id <= ?", vec![integer(last)?])?;
        }
        Ok(())
    }

    pub(super) fn has_outbox(&self) -> Result<bool> {
        if let Some(waiting) = self.waiting.get() {
            return Ok(waiting);
        }
        let waiting = self.number("SELECT count(*) AS number FROM outbox")?.unwrap_or(0) > 0;
        self.waiting.set(Some(waiting));
        Ok(waiting)
    }

    /// When the till has something to do.
    pub(super) fn next_claim(&self) -> Result<Option<u64>> {
        let settle = self.till()?.map(|till| till.settle_at).filter(|at| *at > 0);
        Ok(self.number("SELECT min(at) AS number FROM claims")?.into_iter().chain(settle).min())
    }

    /// Whether there are tables.
    pub(super) const fn is_made(&self) -> bool {
        self.made.get()
    }

    /// Whether this is a till.
    pub(super) fn is_till(&self) -> Result<bool> {
        Ok(self.till()?.is_some())
    }

    /// The tables where they are; nothing is made for the sake of looking.
    fn reading(&self) -> Result<Option<SqlStorage>> {
        let sql = self.state.storage().sql();
        if !self.made.get() {
            let query = "SELECT count(*) AS number FROM sqlite_master WHERE name = 'claims_by_at'";
            let there = sqlite::number(&sql, query)?.unwrap_or(0) > 0;
            self.made.set(there);
        }
        Ok(self.made.get().then_some(sql))
    }

    fn writing(&self) -> Result<SqlStorage> {
        let sql = self.state.storage().sql();
        if self.reading()?.is_none() {
            sql.exec(SCHEMA, None)?;
            self.made.set(true);
        }
        Ok(sql)
    }

    /// Everything is given up: an object that keeps nothing costs nothing.
    pub(super) async fn clear(&self) -> Result<()> {
        self.made.set(false);
        self.waiting.set(None);
        self.unsaved.set(false);
        self.known.replace(None);
        self.state.storage().delete_all().await
    }

    fn number(&self, query: &str) -> Result<Option<u64>> {
        match self.reading()? {
            Some(sql) => sqlite::number(&sql, query),
            None => Ok(None),
        }
    }

    fn text<T: DeserializeOwned>(&self, query: &str, values: Vec<SqlStorageValue>) -> Result<Option<T>> {
        let Some(sql) = self.reading()? else { return Ok(None) };
        let rows: Vec<Text> = sql.exec(query, values)?.to_array()?;
        Ok(rows.first().map(|row| json::read(&row.text)).transpose()?)
    }
}

impl TillStore for ChannelStore {
    type Error = Error;

    fn till(&self) -> Result<Option<Till>> {
        self.text("SELECT till AS text FROM till", vec![])
    }

    fn keep_till(&self, till: &Till) -> Result<()> {
        let values = vec![serde_json::to_string(till)?.into()];
        self.writing()?.exec("INSERT OR REPLACE INTO till (only, till) VALUES (1, ?)", values)?;
        Ok(())
    }

    fn load(&self, channel: &str) -> Result<Option<Pending>> {
        self.text("SELECT pending AS text FROM claims WHERE channel = ?", vec![channel.into()])
    }

    fn save(&self, channel: &str, pending: &Pending) -> Result<()> {
        let values = vec![channel.into(), integer(pending.at)?, serde_json::to_string(pending)?.into()];
        self.writing()?.exec("INSERT OR REPLACE INTO claims (channel, at, pending) VALUES (?, ?, ?)", values)?;
        Ok(())
    }

    fn forget(&self, channel: &str) -> Result<()> {
        self.writing()?.exec("DELETE FROM claims WHERE channel = ?", vec![channel.into()])?;
        Ok(())
    }

    fn due(&self, now: UnixTime, at_most: usize) -> Result<Vec<(String, Pending)>> {
        let Some(sql) = self.reading()? else { return Ok(Vec::new()) };
        let query = "SELECT channel AS key, pending AS text FROM claims WHERE at <= ? ORDER BY at LIMIT ?";
        let values = vec![integer(now.0)?, integer(u64::try_from(at_most).unwrap_or(u64::MAX))?];
        let rows: Vec<Row> = sql.exec(query, values)?.to_array()?;
        rows.into_iter().map(|Row { key, text }| Ok((key, json::read(&text)?))).collect()
    }

    fn note(&self, moved: &Move) -> Result<()> {
        self.send(&Outgoing::Moved(moved.clone()))
    }
}
