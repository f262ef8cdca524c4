//! What a token says was paid to somebody: `Transfer` and `AuthorizationUsed` events over a range of blocks.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use crate::ports::Fetch;

use super::rpc::{Hex, ask};

/// A range of blocks takes longer than one question.
const ASK_WITHIN: Duration = Duration::from_secs(10);

/// One transfer to a payee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Transaction hash.
    pub transaction: String,
    /// Block number.
    pub block: u64,
    /// Who paid, lower case with `0x`.
    pub from: String,
    /// Who was paid, lower case with `0x`.
    pub to: String,
    /// Atomic units, decimal.
    pub amount: String,
    /// The nonces (64 digits) of the payer's authorizations that the same transaction used. Empty: an ordinary
    /// transfer, nothing of ours.
    pub nonces: Vec<String>,
}

/// The transfers of `asset` to any of `payees` in blocks `from` to `to`, both included. Nothing where the RPC
/// gives no whole answer.
pub async fn transfers(
    fetch: &impl Fetch,
    url: &str,
    asset: &str,
    payees: &[String],
    from: u64,
    to: u64,
) -> Option<Vec<Transfer>> {
    let payees: Vec<String> = payees.iter().map(|payee| format!("0x{}", Hex::word(payee))).collect();
    let range = |topics: Value| json!([{ "address": asset, "fromBlock": Hex::quantity(from), "toBlock": Hex::quantity(to), "topics": topics }]);
    let moved = range(json!([Hex::topic("Transfer(address,address,uint256)"), null, payees]));
    let moved = ask(fetch, url, "eth_getLogs", &moved, ASK_WITHIN).await?;
    let moved = moved.as_array()?;
    let mut used: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    if !moved.is_empty() {
        let events = range(json!([Hex::topic("AuthorizationUsed(address,bytes32)")]));
        for event in ask(fetch, url, "eth_getLogs", &events, ASK_WITHIN).await?.as_array()? {
            let (payer, nonce) = (address(event, 1)?, topic(event, 2)?);
            used.entry((text(event, "transactionHash")?, payer)).or_default().push(nonce);
        }
    }
    moved.iter().map(|event| read(event, &used)).collect()
}

fn read(event: &Value, used: &BTreeMap<(String, String), Vec<String>>) -> Option<Transfer> {
    let (transaction, from) = (text(event, "transactionHash")?, address(event, 1)?);
    let nonces = used.get(&(transaction.clone(), from.clone())).cloned().unwrap_or_default();
    let amount = Hex::read_word(event.get("data")?.as_str()?)?.to_string();
    let block = Hex::read_quantity(event.get("blockNumber")?)?;
    Some(Transfer { transaction, block, from, to: address(event, 2)?, amount, nonces })
}

fn text(event: &Value, key: &str) -> Option<String> {
    event.get(key)?.as_str().map(str::to_owned)
}

/// A topic's 64 digits.
fn topic(event: &Value, index: usize) -> Option<String> {
    let digits = event.get("topics")?.get(index)?.as_str()?.strip_prefix("0x")?.to_ascii_lowercase();
    (digits.len() == 64).then_some(digits)
}

fn address(event: &Value, index: usize) -> Option<String> {
    topic(event, index).map(|word| format!("0x{}", &word[24..]))
}
