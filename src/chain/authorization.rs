//! What became of an EIP-3009 authorization: the last word on an unknown settlement.

use serde_json::json;

use crate::{ports::Fetch, x402::SettleAttempt};

use super::rpc::{ASK_WITHIN, Hex, ask, block_number};

/// So many of the owner's URLs are tried: four questions each, 16 s in all.
const URLS_TRIED: usize = 2;

/// How far back the event is looked for: RPC providers refuse wider ranges. On a chain with 2 s blocks, 5 hours.
const LOOK_BACK_BLOCKS: u64 = 9_000;

/// What became of an authorization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnChain {
    /// Money moved, by this transaction (empty: it is too long ago to find).
    Used(String),
    /// The payer has cancelled it: it never moves money.
    Canceled,
    /// The payer has used its nonce for something else: it never moves money to us.
    Elsewhere,
    /// Not used yet.
    Unused,
}

/// Which authorization is asked for. Addresses and nonce in hex, with or without `0x`.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// URLs at which the chain can be asked.
    pub rpc: &'a [String],
    /// The token.
    pub asset: &'a str,
    /// EIP-3009 `from`.
    pub payer: &'a str,
    /// EIP-3009 `to`.
    pub pay_to: &'a str,
    /// EIP-3009 `value`: atomic units, decimal.
    pub amount: &'a str,
    /// EIP-3009 `nonce`.
    pub nonce: &'a str,
}

impl<'a> From<&'a SettleAttempt> for Question<'a> {
    fn from(attempt: &'a SettleAttempt) -> Self {
        let SettleAttempt { rpc, asset, payer, pay_to, amount, nonce, .. } = attempt;
        Self { rpc, asset, payer, pay_to, amount, nonce }
    }
}

/// Asks the chain, one URL after the other. Nothing where none answers.
pub async fn authorization(fetch: &impl Fetch, question: &Question<'_>) -> Option<OnChain> {
    for url in question.rpc.iter().take(URLS_TRIED) {
        if let Some(answer) = ask_one(fetch, url, question).await {
            return Some(answer);
        }
    }
    None
}

async fn ask_one(fetch: &impl Fetch, url: &str, question: &Question<'_>) -> Option<OnChain> {
    let (payer, nonce) = (Hex::word(question.payer), Hex::word(question.nonce));
    let selector = Hex::selector("authorizationState(address,bytes32)");
    let call = json!({ "to": question.asset, "data": format!("0x{selector}{payer}{nonce}") });
    let state = ask(fetch, url, "eth_call", &json!([call, "latest"]), ASK_WITHIN).await?;
    // One word: anything else is no token with EIP-3009, and says nothing.
    let state = state.as_str().filter(|state| state.len() == 66)?;
    if state.trim_start_matches("0x").bytes().all(|digit| digit == b'0') {
        return Some(OnChain::Unused);
    }
    let latest = block_number(fetch, url).await?;
    let (used, canceled) =
        (Hex::topic("AuthorizationUsed(address,bytes32)"), Hex::topic("AuthorizationCanceled(address,bytes32)"));
    let filter = json!({
        "address": question.asset,
        "fromBlock": Hex::quantity(latest.saturating_sub(LOOK_BACK_BLOCKS)),
        "toBlock": "latest",
        "topics": [[used, canceled], format!("0x{payer}"), format!("0x{nonce}")],
    });
    let logs = ask(fetch, url, "eth_getLogs", &json!([filter]), ASK_WITHIN).await?;
    let Some(log) = logs.get(0) else {
        // Used, and after our own attempt: it counts for the payer.
        return Some(OnChain::Used(String::new()));
    };
    if log["topics"][0].as_str() == Some(canceled.as_str()) {
        return Some(OnChain::Canceled);
    }
    let (Some(transaction), Some(block)) = (log["transactionHash"].as_str(), log["blockNumber"].as_str()) else {
        return Some(OnChain::Used(String::new()));
    };
    let filter = json!({
        "address": question.asset,
        "fromBlock": block,
        "toBlock": block,
        "topics": [
            Hex::topic("Transfer(address,address,uint256)"),
            format!("0x{payer}"),
            format!("0x{}", Hex::word(question.pay_to)),
        ],
    });
    let logs = ask(fetch, url, "eth_getLogs", &json!([filter]), ASK_WITHIN).await?;
    let paid_us = logs.as_array()?.iter().any(|log| {
        log["transactionHash"].as_str() == Some(transaction)
            && log["data"].as_str().and_then(Hex::read_word).is_some_and(|word| word.to_string() == question.amount)
    });
    Some(if paid_us { OnChain::Used(transaction.to_owned()) } else { OnChain::Elsewhere })
}
