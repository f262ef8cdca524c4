//! What the chain itself says of an EIP-3009 authorization: the last word on an unknown settlement.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{evm::keccak256, ports::Fetch, x402::SettleAttempt};

/// RPC providers answer in well under a second, or not at all.
const ASK_WITHIN: Duration = Duration::from_secs(2);

/// So many of the owner's URLs are tried: three questions each, 12 s in all.
const URLS_TRIED: usize = 2;

/// How far back the event is looked for: RPC providers refuse wider ranges. On a chain with 2 s blocks, 5 hours.
const LOOK_BACK_BLOCKS: u64 = 9_000;

/// What became of an authorization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OnChain {
    /// Money moved, by this transaction (empty: it is too long ago to find).
    Used(String),
    /// The payer has cancelled it: it never moves money.
    Canceled,
    /// Not used yet.
    Unused,
}

/// Asks the chain, one URL after the other. Nothing where none answers.
pub(super) async fn authorization(fetch: &impl Fetch, attempt: &SettleAttempt) -> Option<OnChain> {
    for url in attempt.rpc.iter().take(URLS_TRIED) {
        if let Some(answer) = ask(fetch, url, attempt).await {
            return Some(answer);
        }
    }
    None
}

async fn ask(fetch: &impl Fetch, url: &str, attempt: &SettleAttempt) -> Option<OnChain> {
    let word = |text: &str| format!("{:0>64}", text.trim_start_matches("0x"));
    let (payer, nonce) = (word(&attempt.payer).to_lowercase(), word(&attempt.nonce));
    // authorizationState(address,bytes32), EIP-3009
    let selector = hex::encode(&keccak256(b"authorizationState(address,bytes32)")[..4]);
    let call = json!({ "to": attempt.asset, "data": format!("0x{selector}{payer}{nonce}") });
    let state = rpc(fetch, url, "eth_call", &json!([call, "latest"])).await?;
    // One word: anything else is no token with EIP-3009, and says nothing.
    let state = state.as_str().filter(|state| state.len() == 66)?;
    if state.trim_start_matches("0x").bytes().all(|digit| digit == b'0') {
        return Some(OnChain::Unused);
    }
    let latest = rpc(fetch, url, "eth_blockNumber", &json!([])).await?;
    let latest = u64::from_str_radix(latest.as_str()?.trim_start_matches("0x"), 16).ok()?;
    let event = |signature: &str| format!("0x{}", hex::encode(keccak256(signature.as_bytes())));
    let used = event("AuthorizationUsed(address,bytes32)");
    let canceled = event("AuthorizationCanceled(address,bytes32)");
    let filter = json!({
        "address": attempt.asset,
        "fromBlock": format!("{:#x}", latest.saturating_sub(LOOK_BACK_BLOCKS)),
        "toBlock": "latest",
        "topics": [[used, canceled], format!("0x{payer}"), format!("0x{nonce}")],
    });
    let logs = rpc(fetch, url, "eth_getLogs", &json!([filter])).await?;
    let Some(log) = logs.get(0) else {
        // Used, and after our own attempt: it counts for the payer.
        return Some(OnChain::Used(String::new()));
    };
    if log["topics"][0].as_str() == Some(canceled.as_str()) {
        return Some(OnChain::Canceled);
    }
    Some(OnChain::Used(log["transactionHash"].as_str().unwrap_or_default().to_owned()))
}

async fn rpc(fetch: &impl Fetch, url: &str, method: &str, parameters: &Value) -> Option<Value> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters }).to_string();
    let reply = fetch.post_json(url, body, ASK_WITHIN).await.ok()?;
    let mut answer: Value = serde_json::from_str(&reply.body).ok()?;
    Some(answer["result"].take()).filter(|result| !result.is_null())
}
