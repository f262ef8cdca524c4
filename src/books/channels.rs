//! Channels and what moved on chain for them, as rows.

use std::cell::Cell;

use serde_json::{Value, json};

use crate::{
    channels::{ChannelLine, Move},
    ports::{Books, BooksDown, Statement},
};

use super::migrate;

/// The newer line of a channel counts.
const UPSERT: &str = "INSERT INTO channels
    (id, network, asset, payer, pay_to, state, time, balance, charged, claimed, claimable, requests)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (network, id) DO UPDATE SET state = excluded.state, time = excluded.time, balance = excluded.balance,
        charged = excluded.charged, claimed = excluded.claimed, claimable = excluded.claimable, requests = excluded.requests
    WHERE excluded.time >= channels.time";

/// One transaction is one row of its kind, however often it is written.
const INSERT: &str = r#"INSERT OR IGNORE INTO channel_moves
    (id, time, kind, network, asset, pay_to, channel, amount, channels, "transaction")
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"#;

/// Writes lines of channels and of what moved, all or none. `migrated` as in [`super::write`].
pub async fn write_channels(
    books: &impl Books,
    lines: &[ChannelLine],
    moves: &[Move],
    migrated: &Cell<bool>,
) -> Result<(), BooksDown> {
    if !migrated.replace(false) {
        migrate(books).await?;
    }
    let statements: Vec<Statement> = lines.iter().map(upsert).chain(moves.iter().map(insert)).collect();
    books.run(&statements).await?;
    migrated.set(true);
    Ok(())
}

fn upsert(line: &ChannelLine) -> Statement {
    let ChannelLine { id, network, asset, payer, pay_to, state, time, balance, charged, claimed, claimable, requests } =
        line;
    let values =
        json!([id, network, asset, payer, pay_to, state, time, balance, charged, claimed, claimable, requests]);
    Statement { sql: UPSERT.into(), values: values_of(values) }
}

fn insert(moved: &Move) -> Statement {
    let Move { kind, time, network, asset, pay_to, channel, amount, channels, transaction } = moved;
    let kind = kind.as_str();
    let id = format!("{network}:{transaction}:{kind}");
    let values = json!([id, time, kind, network, asset, pay_to, channel, amount, channels, transaction]);
    Statement { sql: INSERT.into(), values: values_of(values) }
}

fn values_of(values: Value) -> Vec<Value> {
    if let Value::Array(values) = values { values } else { Vec::new() }
}
