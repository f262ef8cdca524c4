//! What the settlement contract holds of a channel (`batch-settlement`).

use serde_json::{Value, json};

use crate::{evm::Uint256, ports::Fetch, schemes::batch_settlement::CONTRACT};

use super::rpc::{ASK_WITHIN, Hex};

/// So many of the owner's URLs are tried.
const URLS_TRIED: usize = 2;

/// A channel on chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelOnChain {
    /// Deposited, less what was given back.
    pub balance: Uint256,
    /// Claimed in all.
    pub total_claimed: Uint256,
    /// When its payer asked for the rest; 0: not.
    pub withdraw_requested_at: u64,
    /// The counter of refunds.
    pub refund_nonce: u64,
}

/// Asks the contract for channels, by their ids (`0x` and 64 digits), in one call to one URL after the other. Nothing
/// where none gives a whole answer.
pub async fn channels(fetch: &impl Fetch, rpc: &[String], ids: &[String]) -> Option<Vec<ChannelOnChain>> {
    for url in rpc.iter().take(URLS_TRIED) {
        if let Some(known) = ask_one(fetch, url, ids).await {
            return Some(known);
        }
    }
    None
}

/// The contract's views for one channel.
const VIEWS: [&str; 3] = ["channels(bytes32)", "pendingWithdrawals(bytes32)", "refundNonce(bytes32)"];

/// A batch of JSON-RPC: all of it is answered by one node at about one time.
async fn ask_one(fetch: &impl Fetch, url: &str, ids: &[String]) -> Option<Vec<ChannelOnChain>> {
    let selectors = VIEWS.map(Hex::selector);
    let calls =
        ids.iter().flat_map(|id| selectors.iter().map(move |selector| format!("0x{selector}{}", Hex::word(id))));
    let batch: Vec<Value> = calls
        .enumerate()
        .map(|(number, data)| {
            let call = json!({ "to": CONTRACT.to_string(), "data": data });
            json!({ "jsonrpc": "2.0", "id": number, "method": "eth_call", "params": [call, "latest"] })
        })
        .collect();
    let reply = fetch.post_json(url, Value::Array(batch).to_string(), ASK_WITHIN).await.ok()?;
    let answers: Vec<Value> = serde_json::from_str(&reply.body).ok()?;
    // In any order.
    let words = |number: usize, count: usize| {
        let answer = answers.iter().find(|answer| answer["id"].as_u64() == u64::try_from(number).ok())?;
        let data = answer["result"].as_str()?.strip_prefix("0x")?;
        (data.len() == count * 64 && data.is_ascii()).then(|| {
            (0..count)
                .filter_map(|word| Hex::read_word(&format!("0x{}", data.get(word * 64..(word + 1) * 64)?)))
                .collect()
        })
    };
    (0..ids.len())
        .map(|index| {
            let [channel, withdrawal, nonce]: [Vec<Uint256>; 3] =
                [words(index * 3, 2)?, words(index * 3 + 1, 2)?, words(index * 3 + 2, 1)?];
            Some(ChannelOnChain {
                balance: *channel.first()?,
                total_claimed: *channel.get(1)?,
                withdraw_requested_at: withdrawal.get(1)?.to_u64()?,
                refund_nonce: nonce.first()?.to_u64()?,
            })
        })
        .collect()
}
