//! What became of a Permit2 nonce. Permit2 says whether it is spent, but not in which transaction: that is found
//! by the transfer itself and by the nonce in the transaction's call.

use serde_json::{Value, json};

use crate::{
    ports::Fetch,
    schemes::{PERMIT2, exact, upto},
};

use super::{
    authorization::{LOOK_BACK_BLOCKS, OnChain, Question},
    rpc::{ASK_WITHIN, Hex, ask, block_number},
};

/// Transfers of one payer to one payee and of one amount whose transactions are looked at, the newest first.
const TRANSACTIONS_LOOKED_AT: usize = 20;

pub(super) async fn ask_one(fetch: &impl Fetch, url: &str, question: &Question<'_>) -> Option<OnChain> {
    let permit2 = PERMIT2.to_string();
    let nonce = Hex::read_word(&format!("0x{}", Hex::word(question.nonce)))?;
    // Permit2 keeps 256 nonces in one word, by their last byte.
    let mut word = nonce.to_be_bytes();
    let bit = std::mem::take(&mut word[31]);
    word.rotate_right(1);
    let (payer, word) = (Hex::word(question.payer), hex::encode(word));
    let call =
        json!({ "to": permit2, "data": format!("0x{}{payer}{word}", Hex::selector("nonceBitmap(address,uint256)")) });
    let spent = ask(fetch, url, "eth_call", &json!([call, "latest"]), ASK_WITHIN).await?;
    // No word: there is no Permit2 on this chain, and this says nothing.
    if !Hex::read_word(spent.as_str()?)?.bit(bit) {
        return Some(OnChain::Unused);
    }
    let latest = block_number(fetch, url).await?;
    let oldest = Hex::quantity(latest.saturating_sub(LOOK_BACK_BLOCKS));
    let transfers = json!([{
        "address": question.asset, "fromBlock": oldest, "toBlock": "latest",
        "topics": [
            Hex::topic("Transfer(address,address,uint256)"),
            format!("0x{payer}"),
            format!("0x{}", Hex::word(question.pay_to)),
        ],
    }]);
    let transfers = ask(fetch, url, "eth_getLogs", &transfers, ASK_WITHIN).await?;
    let amount = |log: &&Value| {
        let word = log["data"].as_str().and_then(Hex::read_word);
        word.is_some_and(|word| word.to_string() == question.amount)
    };
    let mut complete = true;
    for (looked_at, log) in transfers.as_array()?.iter().rev().filter(amount).enumerate() {
        if looked_at == TRANSACTIONS_LOOKED_AT {
            complete = false;
            break;
        }
        let transaction = log["transactionHash"].as_str()?;
        let found = ask(fetch, url, "eth_getTransactionByHash", &json!([transaction]), ASK_WITHIN).await?;
        let (to, input) = (found["to"].as_str().unwrap_or_default(), found["input"].as_str().unwrap_or_default());
        if spends(input, question) {
            // Through another contract a payer could show a nonce that was not spent there: nobody knows then.
            let direct = [exact::PROXY, upto::PROXY].iter().any(|proxy| proxy.to_string().eq_ignore_ascii_case(to));
            return direct.then(|| OnChain::Used(transaction.to_owned()));
        }
        if input.to_ascii_lowercase().contains(&hex::encode(nonce.to_be_bytes())) {
            complete = false;
        }
    }
    let revoked = json!([{
        "address": permit2, "fromBlock": oldest, "toBlock": "latest",
        "topics": [Hex::topic("UnorderedNonceInvalidation(address,uint256,uint256)"), format!("0x{payer}")],
    }]);
    let revoked = ask(fetch, url, "eth_getLogs", &revoked, ASK_WITHIN).await?;
    if revoked.as_array()?.iter().any(|log| revokes(log, &word, bit)) {
        return Some(OnChain::Canceled);
    }
    // Spent, and not by paying us, if all that can have happened since was looked through.
    let since = match question.begun_at {
        Some(begun_at) => began(fetch, url, &oldest).await.is_some_and(|time| time <= begun_at),
        None => false,
    };
    match (complete, since) {
        (true, true) => Some(OnChain::Elsewhere),
        (true, false) => Some(OnChain::Used(String::new())),
        (false, _) => None,
    }
}

/// Whether a call of a proxy is for this payment: `settle(permit, …, owner, …)` or `settleWithPermit(permit2612, permit,
/// …, owner, …)`, where `permit` is token, amount, nonce and deadline.
fn spends(input: &str, question: &Question<'_>) -> bool {
    let arguments = input.strip_prefix("0x").and_then(|input| input.get(8..)).unwrap_or_default().to_ascii_lowercase();
    let word = |index: usize| arguments.get(index * 64..(index + 1) * 64);
    let is = |index: usize, text: &str| word(index) == Some(Hex::word(text).as_str());
    [0, 5].into_iter().any(|permit| {
        let owner = is(permit + 4, question.payer) || is(permit + 5, question.payer);
        is(permit, question.asset) && is(permit + 2, question.nonce) && owner
    })
}

/// `UnorderedNonceInvalidation(owner, word, mask)`: whether it is this word and the mask has the bit.
fn revokes(log: &Value, word: &str, bit: u8) -> bool {
    let data = log["data"].as_str().and_then(|data| data.strip_prefix("0x")).unwrap_or_default();
    let (Some(of), Some(mask)) = (data.get(..64), data.get(64..128)) else { return false };
    of.eq_ignore_ascii_case(word) && Hex::read_word(&format!("0x{mask}")).is_some_and(|mask| mask.bit(bit))
}

/// When a block was made; Unix seconds.
async fn began(fetch: &impl Fetch, url: &str, block: &str) -> Option<u64> {
    let block = ask(fetch, url, "eth_getBlockByNumber", &json!([block, false]), ASK_WITHIN).await?;
    Hex::read_quantity(&block["timestamp"])
}
