//! `passes`: which of the passes that were sold are no good any more.

use std::collections::HashSet;

use crate::evm::Address;

use super::{Diagnosis, diagnosis::keep, json::Node};

const KEYS: [&str; 2] = ["revoked", "epoch"];

const MAX_REVOKED: usize = 10_000;
const MAX_EPOCH: u64 = 1_000_000_000;
/// Digits of a pass's id; the payment's, of which they are the first, has twice as many.
const ID_DIGITS: usize = 32;

/// Passes that are void though they are in time.
#[derive(Debug, Default)]
pub struct Revoked {
    epoch: u64,
    /// Ids, and payers as EIP-55 texts.
    named: HashSet<String>,
}

impl Revoked {
    /// The document's epoch: passes that were sold in an earlier one are void.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether a pass with this id, of this payer (EIP-55), sold in this epoch, is void.
    pub fn voids(&self, id: &str, payer: &str, epoch: u64) -> bool {
        epoch < self.epoch || self.named.contains(id) || self.named.contains(payer)
    }

    /// Ids of passes and addresses of payers, in alphabetical order.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.named.iter().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// Reads `passes`.
    pub(super) fn read(node: &Node<'_>, problems: &mut Vec<Diagnosis>) -> Self {
        let Some(members) = node.members(&KEYS, problems) else { return Self::default() };
        let epoch = members.read("epoch", read_epoch, problems).unwrap_or_default();
        let entries = members.get("revoked").map_or_else(Vec::new, |node| {
            let entries = keep(node.array(), problems).unwrap_or_default();
            if entries.len() > MAX_REVOKED {
                problems.push(node.problem(format!("at most {MAX_REVOKED} entries; a higher epoch voids all passes")));
            }
            entries
        });
        let named = entries.iter().take(MAX_REVOKED).filter_map(|entry| keep(read_name(entry), problems)).collect();
        Self { epoch, named }
    }
}

fn read_epoch(node: &Node<'_>) -> Result<u64, Diagnosis> {
    let epoch = node.number().and_then(|text| text.parse().ok()).filter(|epoch| *epoch <= MAX_EPOCH);
    epoch.ok_or_else(|| {
        node.problem(format!("expected a whole number, 0 to {MAX_EPOCH}: passes sold in an earlier epoch are void"))
    })
}

/// A payer's address, the id of a pass, or that of the payment it was sold with.
fn read_name(node: &Node<'_>) -> Result<String, Diagnosis> {
    let text = node.string()?;
    if text.starts_with("0x") {
        let payer: Address = text.parse().map_err(|error| node.problem(format!("not a payer's address: {error}")))?;
        return Ok(payer.to_string());
    }
    if [ID_DIGITS, 2 * ID_DIGITS].contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(text[..ID_DIGITS].to_ascii_lowercase());
    }
    Err(node.problem(
        "expected a payer's address (0x…), or the id of a pass or of its payment (32 or 64 hexadecimal digits)",
    ))
}
