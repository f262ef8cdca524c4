//! Holds the books against the chain: is every payment there a transfer here, and every transfer a payment?
//!
//! Ranges of blocks are looked through once, from where the last run ended. What is missing on either side stands
//! in the table `discrepancies` until it is found.

use std::{collections::BTreeMap, fmt};

use serde_json::{Value, json};

use crate::{
    chain::{self, OnChain, Question, Transfer},
    money::TransferMethod,
    network::Network,
    ports::{Books, BooksDown, Clock, Fetch, Journal, Row, Statement},
};

use super::migrate;

/// RPC providers refuse wider ranges.
const RANGE_BLOCKS: u64 = 2_000;

/// Ranges of one run and token: a run must end. On a chain with 2 s blocks they are a day and more.
const RANGES_PER_RUN: u64 = 24;

/// Where nothing was looked through before, so far back it begins.
const LOOK_BACK_BLOCKS: u64 = 9_000;

/// A row that the ranges did not confirm is asked for by itself after this; before, its block may not be there yet.
const CONFIRM_AFTER_SECONDS: u64 = 600;

/// Rows that are asked for by themselves in one run.
const ASKED_PER_RUN: usize = 50;

/// What one run over one token found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The chain.
    pub network: String,
    /// The token.
    pub asset: String,
    /// Transfers to a payee.
    pub transfers: usize,
    /// Payments that were confirmed.
    pub confirmed: usize,
    /// Transfers without a payment.
    pub not_in_books: usize,
    /// Payments without a transfer.
    pub not_on_chain: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { network, asset, transfers, confirmed, not_in_books, not_on_chain } = self;
        write!(
            f,
            "{network} asset {asset}: {transfers} transfers, {confirmed} payments confirmed, \
             {not_in_books} transfers not in the books, {not_on_chain} payments not on chain"
        )
    }
}

/// Looks through the chains that the owner names an RPC for. One that does not answer is told and left for the
/// next run.
pub async fn reconcile<B: Books, F: Fetch, H: Clock + Journal>(
    books: &B,
    fetch: &F,
    host: &H,
    rpc: &[(Network, Vec<String>)],
) -> Result<Vec<Report>, BooksDown> {
    migrate(books).await?;
    let tokens = one(books, TOKENS, vec![]).await?;
    let mut payees: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for row in &tokens {
        payees.entry((text(row, "network"), text(row, "asset"))).or_default().push(text(row, "pay_to"));
    }
    let mut reports = Vec::new();
    for ((network, asset), payees) in payees {
        let urls = rpc.iter().find(|(known, _)| known.to_string() == network).map(|(_, urls)| urls.as_slice());
        let Some(urls) = urls else {
            host.fault(&format!("reconciliation: the price document names no rpc for {network}; nothing is compared"));
            continue;
        };
        let token = Token { books, fetch, host, network, asset, payees, urls };
        match token.reconcile().await? {
            Some(report) => reports.push(report),
            None => host.fault(&format!("reconciliation: the rpc of {} gave no whole answer", token.network)),
        }
    }
    Ok(reports)
}

/// What was received, by payments or out of channels.
const TOKENS: &str =
    "SELECT network, asset, pay_to FROM payments UNION SELECT network, asset, pay_to FROM channel_moves";

/// One token on one chain.
struct Token<'a, B, F, H> {
    books: &'a B,
    fetch: &'a F,
    host: &'a H,
    network: String,
    asset: String,
    payees: Vec<String>,
    urls: &'a [String],
}

impl<B: Books, F: Fetch, H: Clock + Journal> Token<'_, B, F, H> {
    /// Nothing where the chain cannot be read.
    async fn reconcile(&self) -> Result<Option<Report>, BooksDown> {
        let mut report = Report { network: self.network.clone(), asset: self.asset.clone(), ..Report::default() };
        let Some((url, latest)) = self.reachable().await else { return Ok(None) };
        let seen = "SELECT block FROM reconciled WHERE network = ? AND asset = ?";
        let seen = one(self.books, seen, vec![json!(self.network), json!(self.asset)]).await?;
        let mut from = match seen.first().and_then(|row| row.get("block")?.as_u64()) {
            Some(block) => block.saturating_add(1),
            None => latest.saturating_sub(LOOK_BACK_BLOCKS),
        };
        for _ in 0..RANGES_PER_RUN {
            if from > latest {
                break;
            }
            let to = latest.min(from.saturating_add(RANGE_BLOCKS - 1));
            let Some(transfers) = chain::transfers(self.fetch, url, &self.asset, &self.payees, from, to).await else {
                return Ok(None);
            };
            self.compare(&transfers, to, &mut report).await?;
            from = to.saturating_add(1);
        }
        self.ask_for_the_unconfirmed(&mut report).await?;
        self.look_again(&mut report).await?;
        Ok(Some(report))
    }

    async fn reachable(&self) -> Option<(&str, u64)> {
        for url in self.urls {
            if let Some(latest) = chain::block_number(self.fetch, url).await {
                return Some((url, latest));
            }
        }
        None
    }

    /// Transfers of a range against the books; what was done is kept together with how far it went.
    async fn compare(&self, transfers: &[Transfer], to: u64, report: &mut Report) -> Result<(), BooksDown> {
        let mut statements = Vec::new();
        for transfer in transfers {
            report.transfers += 1;
            let row = self.payment_of(transfer).await?;
            let known = row.as_ref().map(|row| (text(row, "id"), text(row, "state")));
            statements.push(match known {
                Some((id, state)) if ["settled", "delivered"].contains(&state.as_str()) => {
                    report.confirmed += 1;
                    confirm(&id, transfer.block, &transfer.transaction)
                }
                // What channels paid out.
                None if self.is_settlement(transfer).await? => continue,
                // Not known at all, or thought not to have cost anything.
                _ => self.discrepancy("not_in_books", transfer),
            });
        }
        let seen = "INSERT OR REPLACE INTO reconciled (network, asset, block) VALUES (?, ?, ?)";
        statements
            .push(Statement { sql: seen.into(), values: vec![json!(self.network), json!(self.asset), json!(to)] });
        self.books.run(&statements).await.map(drop)
    }

    /// The payment that a transfer settled, by its nonce; by Permit2 by its transaction.
    async fn payment_of(&self, transfer: &Transfer) -> Result<Option<Row>, BooksDown> {
        for nonce in &transfer.nonces {
            let query = "SELECT id, state FROM payments WHERE network = ? AND asset = ? AND nonce = ? \
                         AND lower(payer) = ? AND lower(pay_to) = ? AND amount = ?";
            let values = json!([self.network, self.asset, nonce, transfer.from, transfer.to, transfer.amount]);
            if let Some(row) = one(self.books, query, values_of(values)).await?.into_iter().next() {
                return Ok(Some(row));
            }
        }
        if !transfer.nonces.is_empty() {
            return Ok(None);
        }
        // Permit2 tells no nonce: there the transaction that the facilitator named must be the one.
        let query = r#"SELECT id, state FROM payments WHERE network = ? AND asset = ? AND "transaction" = ?
                     AND lower(payer) = ? AND lower(pay_to) = ? AND amount = ?"#;
        let Transfer { transaction, from, to, amount, .. } = transfer;
        let values = json!([self.network, self.asset, transaction, from, to, amount]);
        Ok(one(self.books, query, values_of(values)).await?.into_iter().next())
    }

    /// Whether the transfer is what channels paid out to a receiver.
    async fn is_settlement(&self, transfer: &Transfer) -> Result<bool, BooksDown> {
        let query = r#"SELECT id FROM channel_moves WHERE kind = 'settle' AND network = ? AND asset = ?
                     AND "transaction" = ? AND lower(pay_to) = ?"#;
        let values = json!([self.network, self.asset, transfer.transaction, transfer.to]);
        Ok(!one(self.books, query, values_of(values)).await?.is_empty())
    }

    /// Payments that stand in the books as paid and were in no range: the chain is asked for each.
    async fn ask_for_the_unconfirmed(&self, report: &mut Report) -> Result<(), BooksDown> {
        let query = "SELECT * FROM payments WHERE network = ? AND asset = ? AND confirmed_block IS NULL \
                     AND rank >= 2 AND time < ? ORDER BY time LIMIT ?";
        let before = self.host.now().0.saturating_sub(CONFIRM_AFTER_SECONDS);
        let values = json!([self.network, self.asset, before, ASKED_PER_RUN]);
        for row in one(self.books, query, values_of(values)).await? {
            let member = |key: &str| text(&row, key);
            let (payer, pay_to, amount, nonce) = (member("payer"), member("pay_to"), member("amount"), member("nonce"));
            let question = Question {
                rpc: self.urls,
                asset: &self.asset,
                payer: &payer,
                pay_to: &pay_to,
                amount: &amount,
                nonce: &nonce,
                transfer: TransferMethod::Eip3009,
                begun_at: None,
            };
            // The books do not say how it was moved: a nonce that the token does not know may be Permit2's.
            let by_permit2 = Question { transfer: TransferMethod::Permit2, ..question };
            let on_chain = match chain::authorization(self.fetch, &question).await {
                unused @ (Some(OnChain::Unused) | None) => {
                    chain::authorization(self.fetch, &by_permit2).await.or(unused)
                }
                known => known,
            };
            let statement = match on_chain {
                // Used, too long ago for its block to be found.
                Some(OnChain::Used(transaction)) => confirm(&member("id"), 0, &transaction),
                Some(OnChain::Canceled | OnChain::Elsewhere | OnChain::Unused) => {
                    report.not_on_chain += 1;
                    let transfer = Transfer {
                        transaction: member("transaction"),
                        block: 0,
                        from: payer,
                        to: pay_to,
                        amount,
                        nonces: vec![nonce],
                    };
                    self.discrepancy("not_on_chain", &transfer)
                }
                None => continue,
            };
            self.books.run(&[statement]).await?;
        }
        Ok(())
    }

    /// What was missing before may have come: the ledger writes a little later than the chain.
    async fn look_again(&self, report: &mut Report) -> Result<(), BooksDown> {
        let found = r#"DELETE FROM discrepancies WHERE network = ? AND asset = ? AND EXISTS (SELECT 1 FROM payments p
                     WHERE p.network = discrepancies.network AND p.asset = discrepancies.asset
                     AND (p.nonce = discrepancies.nonce OR (discrepancies.nonce = ''
                          AND p."transaction" = discrepancies."transaction" AND p.amount = discrepancies.amount))
                     AND lower(p.payer) = lower(discrepancies.payer)
                     AND p.rank >= 2 AND (discrepancies.kind = 'not_in_books' OR p.confirmed_block IS NOT NULL))"#;
        let left =
            "SELECT count(*) AS number FROM discrepancies WHERE network = ? AND asset = ? AND kind = 'not_in_books'";
        let values = vec![json!(self.network), json!(self.asset)];
        let statements = [found, left].map(|sql| Statement { sql: sql.into(), values: values.clone() });
        let answers = self.books.run(&statements).await?;
        let number = answers.get(1).and_then(|rows| rows.first()?.get("number")?.as_u64()).unwrap_or(0);
        report.not_in_books = usize::try_from(number).unwrap_or(usize::MAX);
        Ok(())
    }

    fn discrepancy(&self, kind: &str, transfer: &Transfer) -> Statement {
        let Transfer { transaction, from, to, amount, nonces, .. } = transfer;
        let nonce = nonces.first().cloned().unwrap_or_default();
        let id = format!("{kind}:{}:{}:{transaction}:{from}:{nonce}:{amount}", self.network, self.asset);
        let sql = r#"INSERT OR IGNORE INTO discrepancies
            (id, kind, found_at, network, asset, payer, pay_to, amount, "transaction", nonce)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"#;
        let now = self.host.now().0;
        let values = json!([id, kind, now, self.network, self.asset, from, to, amount, transaction, nonce]);
        Statement { sql: sql.into(), values: values_of(values) }
    }
}

/// The payment is on chain; where the ledger never learnt its transaction, the books do now.
fn confirm(id: &str, block: u64, transaction: &str) -> Statement {
    let sql = r#"UPDATE payments SET confirmed_block = ?,
        "transaction" = CASE WHEN "transaction" = '' THEN ? ELSE "transaction" END WHERE id = ?"#;
    Statement { sql: sql.into(), values: vec![json!(block), json!(transaction), json!(id)] }
}

async fn one(books: &impl Books, sql: &'static str, values: Vec<Value>) -> Result<Vec<Row>, BooksDown> {
    Ok(books.run(&[Statement { sql: sql.into(), values }]).await?.into_iter().next().unwrap_or_default())
}

fn values_of(values: Value) -> Vec<Value> {
    if let Value::Array(values) = values { values } else { Vec::new() }
}

fn text(row: &Row, key: &str) -> String {
    row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}
