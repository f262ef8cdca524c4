//! Ethereum JSON-RPC over HTTP: one question, one answer.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    evm::{Uint256, keccak256},
    ports::Fetch,
};

/// RPC providers answer in well under a second, or not at all.
pub(super) const ASK_WITHIN: Duration = Duration::from_secs(2);

/// Words and quantities as JSON-RPC writes them.
#[derive(Debug)]
pub struct Hex;

impl Hex {
    /// A quantity, such as `0x1a`.
    pub fn quantity(value: u64) -> String {
        format!("{value:#x}")
    }

    /// Reads a quantity of at most 64 bits.
    pub fn read_quantity(value: &Value) -> Option<u64> {
        u64::from_str_radix(value.as_str()?.strip_prefix("0x")?, 16).ok()
    }

    /// The 64 digits of a 32-byte word: addresses and nonces filled up on the left, lower case.
    pub fn word(text: &str) -> String {
        format!("{:0>64}", text.trim_start_matches("0x").to_ascii_lowercase())
    }

    /// Reads a 32-byte word as a number.
    pub fn read_word(text: &str) -> Option<Uint256> {
        let mut word = [0; 32];
        hex::decode_to_slice(text.strip_prefix("0x")?, &mut word).ok()?;
        Some(Uint256::from_be_bytes(word))
    }

    /// The topic of an event, by its signature.
    pub fn topic(signature: &str) -> String {
        format!("0x{}", hex::encode(keccak256(signature.as_bytes())))
    }

    /// The selector of a function, by its signature.
    pub fn selector(signature: &str) -> String {
        hex::encode(&keccak256(signature.as_bytes())[..4])
    }
}

/// Asks; nothing where there is no answer, or an error in its place.
pub(super) async fn ask(
    fetch: &impl Fetch,
    url: &str,
    method: &str,
    parameters: &Value,
    within: Duration,
) -> Option<Value> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": parameters }).to_string();
    let reply = fetch.post_json(url, body, within).await.ok()?;
    let mut answer: Value = serde_json::from_str(&reply.body).ok()?;
    Some(answer["result"].take()).filter(|result| !result.is_null())
}

/// The newest block's number.
pub async fn block_number(fetch: &impl Fetch, url: &str) -> Option<u64> {
    Hex::read_quantity(&ask(fetch, url, "eth_blockNumber", &json!([]), ASK_WITHIN).await?)
}
