//! The tables. The Worker makes and changes them itself.

use serde_json::json;

use crate::ports::{Books, BooksDown, Statement};

/// Each is run once, in order; what has been released never changes, new ones are added at the end.
const MIGRATIONS: &[&str] = &[
    r#"CREATE TABLE IF NOT EXISTS payments (
        id TEXT PRIMARY KEY, rank INTEGER NOT NULL, state TEXT NOT NULL, time INTEGER NOT NULL,
        host TEXT NOT NULL, route TEXT NOT NULL, method TEXT NOT NULL, payer TEXT NOT NULL, pay_to TEXT NOT NULL,
        network TEXT NOT NULL, asset TEXT NOT NULL, amount TEXT NOT NULL, "transaction" TEXT NOT NULL,
        facilitator TEXT NOT NULL, prices TEXT NOT NULL, nonce TEXT NOT NULL, confirmed_block INTEGER
    )"#,
    "CREATE INDEX IF NOT EXISTS payments_by_time ON payments (time)",
    "CREATE INDEX IF NOT EXISTS payments_by_nonce ON payments (network, asset, nonce)",
    "CREATE INDEX IF NOT EXISTS payments_unconfirmed ON payments (network, time) WHERE confirmed_block IS NULL",
    r#"CREATE TABLE IF NOT EXISTS discrepancies (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, found_at INTEGER NOT NULL, network TEXT NOT NULL,
        asset TEXT NOT NULL, payer TEXT NOT NULL, pay_to TEXT NOT NULL, amount TEXT NOT NULL,
        "transaction" TEXT NOT NULL, nonce TEXT NOT NULL
    )"#,
    "CREATE TABLE IF NOT EXISTS reconciled (network TEXT NOT NULL, asset TEXT NOT NULL, block INTEGER NOT NULL, PRIMARY KEY (network, asset))",
    "CREATE TABLE IF NOT EXISTS channels (
        id TEXT NOT NULL, network TEXT NOT NULL, asset TEXT NOT NULL, payer TEXT NOT NULL, pay_to TEXT NOT NULL,
        state TEXT NOT NULL, time INTEGER NOT NULL, balance TEXT NOT NULL, charged TEXT NOT NULL, claimed TEXT NOT NULL,
        claimable TEXT NOT NULL, requests INTEGER NOT NULL, PRIMARY KEY (network, id)
    )",
    r#"CREATE TABLE IF NOT EXISTS channel_moves (
        id TEXT PRIMARY KEY, time INTEGER NOT NULL, kind TEXT NOT NULL, network TEXT NOT NULL, asset TEXT NOT NULL,
        pay_to TEXT NOT NULL, channel TEXT NOT NULL, amount TEXT NOT NULL, channels INTEGER NOT NULL,
        "transaction" TEXT NOT NULL
    )"#,
    "CREATE INDEX IF NOT EXISTS channel_moves_by_time ON channel_moves (time)",
];

/// Brings the tables up to date.
pub async fn migrate(books: &impl Books) -> Result<(), BooksDown> {
    let statement = |sql: &'static str| Statement { sql: sql.into(), values: vec![] };
    let made = statement("CREATE TABLE IF NOT EXISTS x402_edge_migrations (number INTEGER PRIMARY KEY)");
    let read = statement("SELECT max(number) AS number FROM x402_edge_migrations");
    let answers = books.run(&[made, read]).await?;
    let newest = answers.get(1).and_then(|rows| rows.first()?.get("number")?.as_u64());
    let done = newest.and_then(|newest| usize::try_from(newest).ok()).unwrap_or(0);
    let mut statements = Vec::new();
    for (index, sql) in MIGRATIONS.iter().enumerate().skip(done) {
        statements.push(statement(sql));
        // Two isolates may do this at once; every migration can be run twice.
        statements.push(Statement {
            sql: "INSERT OR IGNORE INTO x402_edge_migrations (number) VALUES (?)".into(),
            values: vec![json!(index + 1)],
        });
    }
    if !statements.is_empty() {
        books.run(&statements).await?;
    }
    Ok(())
}
