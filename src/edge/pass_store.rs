//! [`PassStore`] by a Durable Object's `SQLite`.

use serde::Deserialize;
use worker::{Error, Result, SqlStorage, State};

use super::sqlite::{self, integer};
use crate::{
    json,
    ledger::{KeptPass, PASS_MARGIN_SECONDS, PassStore},
    time::UnixTime,
};

const SCHEMA: &str =
    "CREATE TABLE IF NOT EXISTS passes (id TEXT PRIMARY KEY, expires_at INTEGER NOT NULL, kept TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS nonces (nonce TEXT PRIMARY KEY, expires_at INTEGER NOT NULL) WITHOUT ROWID;";

/// Passes of one payer that are looked through, those that last longest first.
const MAX_LIVE: i32 = 1_000;

/// The passes in an object's storage.
pub(super) struct SqlPasses<'a>(pub(super) &'a State);

#[derive(Deserialize)]
struct Kept {
    kept: String,
}

#[derive(Deserialize)]
struct Nonce {
    #[expect(dead_code, reason = "that there is a row says it all")]
    nonce: String,
}

impl SqlPasses<'_> {
    /// Forgets what is past its time.
    pub(super) fn forget(&self, now: UnixTime) -> Result<()> {
        for table in ["passes", "nonces"] {
            let sql = format!("DELETE FROM {table} WHERE expires_at <= ?");
            self.sql()?.exec(&sql, vec![integer(now.0.saturating_sub(PASS_MARGIN_SECONDS))?])?;
        }
        Ok(())
    }

    /// When there will be something to forget; nothing where nothing is kept.
    pub(super) fn next_to_forget(&self) -> Result<Option<u64>> {
        let query = "SELECT min(expires_at) AS number FROM (SELECT expires_at FROM passes UNION ALL SELECT expires_at FROM nonces)";
        Ok(self.number(query)?.map(|first| first.saturating_add(PASS_MARGIN_SECONDS)))
    }

    fn number(&self, query: &str) -> Result<Option<u64>> {
        sqlite::number(&self.sql()?, query)
    }

    /// The tables are made each time they are missing: an object that has forgotten everything has given them up.
    fn sql(&self) -> Result<SqlStorage> {
        let sql = self.0.storage().sql();
        sql.exec(SCHEMA, None)?;
        Ok(sql)
    }
}

impl PassStore for SqlPasses<'_> {
    type Error = Error;

    fn load(&self, id: &str) -> Result<Option<KeptPass>> {
        let rows: Vec<Kept> = self.sql()?.exec("SELECT kept FROM passes WHERE id = ?", vec![id.into()])?.to_array()?;
        Ok(rows.first().map(|row| json::read(&row.kept)).transpose()?)
    }

    fn save(&self, id: &str, kept: &KeptPass) -> Result<()> {
        let values = vec![id.into(), integer(kept.expires_at)?, serde_json::to_string(kept)?.into()];
        self.sql()?.exec("INSERT OR REPLACE INTO passes (id, expires_at, kept) VALUES (?, ?, ?)", values)?;
        Ok(())
    }

    fn live(&self, now: UnixTime) -> Result<Vec<KeptPass>> {
        let query = "SELECT kept FROM passes WHERE expires_at > ? ORDER BY expires_at DESC LIMIT ?";
        let rows: Vec<Kept> = self.sql()?.exec(query, vec![integer(now.0)?, MAX_LIVE.into()])?.to_array()?;
        rows.iter().map(|row| Ok(json::read(&row.kept)?)).collect()
    }

    fn spend(&self, nonce: &str, until: UnixTime) -> Result<bool> {
        let sql = "INSERT INTO nonces (nonce, expires_at) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING nonce";
        let new: Vec<Nonce> = self.sql()?.exec(sql, vec![nonce.into(), integer(until.0)?])?.to_array()?;
        Ok(!new.is_empty())
    }

    fn count(&self) -> Result<u64> {
        let query = "SELECT (SELECT count(*) FROM passes) + (SELECT count(*) FROM nonces) AS number";
        Ok(self.number(query)?.unwrap_or(0))
    }
}
