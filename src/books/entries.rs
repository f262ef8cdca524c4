//! The ledger's entries as rows.

use std::cell::Cell;

use serde_json::json;

use crate::{
    ledger::Entry,
    ports::{Books, BooksDown, Statement},
};

use super::migrate;

/// A payment's later entry replaces its earlier one; written twice, it stands there once. What has cost money
/// outranks what has not; below that the newer word counts.
const UPSERT: &str = r#"INSERT INTO payments
    (id, rank, state, time, host, route, method, payer, pay_to, network, asset, amount, "transaction", facilitator, prices, nonce)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET rank = excluded.rank, state = excluded.state, time = excluded.time,
        "transaction" = CASE WHEN excluded."transaction" = '' THEN payments."transaction" ELSE excluded."transaction" END,
        facilitator = excluded.facilitator
    WHERE excluded.rank > payments.rank OR (payments.rank < 2 AND excluded.time >= payments.time)"#;

/// Writes the entries, all or none. `migrated` remembers that the tables are up to date; after a failure they are
/// looked at again.
pub async fn write(books: &impl Books, entries: &[Entry], migrated: &Cell<bool>) -> Result<(), BooksDown> {
    if !migrated.replace(false) {
        migrate(books).await?;
    }
    let statements: Vec<Statement> = entries.iter().map(upsert).collect();
    books.run(&statements).await?;
    migrated.set(true);
    Ok(())
}

fn upsert(entry: &Entry) -> Statement {
    let Entry { rank, state, time, sale, nonce, transaction, facilitator } = entry;
    let values = json!([
        sale.id,
        rank,
        state,
        time,
        sale.host,
        sale.route,
        sale.method,
        sale.payer,
        sale.pay_to,
        sale.network,
        sale.asset,
        sale.amount,
        transaction,
        facilitator,
        sale.prices,
        nonce
    ]);
    Statement { sql: UPSERT.into(), values: values.as_array().cloned().unwrap_or_default() }
}
