//! What became of an authorization, by EIP-3009 or Permit2: the last word on an unknown settlement.

use serde_json::json;

use crate::{money::TransferMethod, ports::Fetch, x402::SettleAttempt};

use super::{
    permit2,
    rpc::{ASK_WITHIN, Hex, ask, block_number},
};

/// So many of the owner's URLs are tried: a handful of questions each, about 16 s in all.
const URLS_TRIED: usize = 2;

/// How far back the event is looked for: RPC providers refuse wider ranges. On a chain with 2 s blocks, 5 hours.
pub(super) const LOOK_BACK_BLOCKS: u64 = 9_000;

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
    /// Who pays.
    pub payer: &'a str,
    /// Who is paid.
    pub pay_to: &'a str,
    /// What is charged: atomic units, decimal.
    pub amount: &'a str,
    /// The nonce.
    pub nonce: &'a str,
    /// How the money is moved.
    pub transfer: TransferMethod,
    /// Since when it can have been moved, where that is known; Unix seconds.
    pub begun_at: Option<u64>,
}

impl<'a> From<&'a SettleAttempt> for Question<'a> {
    fn from(attempt: &'a SettleAttempt) -> Self {
        let SettleAttempt { rpc, asset, payer, pay_to, amount, nonce, transfer, begun_at, .. } = attempt;
        Self { rpc, asset, payer, pay_to, amount, nonce, transfer: *transfer, begun_at: Some(*begun_at) }
    }
}

/// Asks the chain, one URL after the other. Nothing where none answers.
pub async fn authorization(fetch: &impl Fetch, question: &Question<'_>) -> Option<OnChain> {
    for url in question.rpc.iter().take(URLS_TRIED) {
        let answer = match question.transfer {
            TransferMethod::Eip3009 => ask_one(fetch, url, question).await,
            TransferMethod::Permit2 => permit2::ask_one(fetch, url, question).await,
        };
        if answer.is_some() {
            return answer;
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
