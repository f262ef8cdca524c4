//! Numbers in and out of a Durable Object's `SQLite`.

use serde::Deserialize;
use worker::{Result, SqlStorage, SqlStorageValue};

#[derive(Deserialize)]
struct Number {
    number: Option<u64>,
}

/// The one number that a query gives as `number`; nothing for null.
pub(super) fn number(sql: &SqlStorage, query: &str) -> Result<Option<u64>> {
    Ok(sql.exec(query, None)?.one::<Number>()?.number)
}

/// A whole number as a value. What the runtime's numbers cannot hold becomes the largest that they can.
pub(super) fn integer(value: u64) -> Result<SqlStorageValue> {
    SqlStorageValue::try_from_i64(i64::try_from(value).unwrap_or(i64::MAX >> 11))
}
