//! `check --rpc`: what a token's contract says of itself, against what the document says.

use serde_json::{Value, json};
use x402_edge::{
    evm::{Address, Eip712Domain},
    network::Network,
    prices::{PriceTable, Rule, Terms},
    schemes::{PERMIT2, exact},
    x402::PaymentRequirements,
};

use super::http;
use crate::failure::Failure;

/// A token that the document is paid in, and what it says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Claim {
    network: Network,
    address: Address,
    /// Nothing where the document has only atomic units of it.
    decimals: Option<u8>,
    ticker: String,
    name: String,
    version: String,
    /// Whether it is moved by Permit2, and not by EIP-3009.
    by_permit2: bool,
}

/// What the chain says of a token.
pub(crate) struct Finding {
    claim: Claim,
    /// What is wrong with the document, one text each.
    pub(crate) contradictions: Vec<String>,
}

impl Finding {
    /// What to call the token.
    pub(crate) fn name(&self) -> String {
        let Claim { network, ticker, address, .. } = &self.claim;
        if ticker.is_empty() { format!("{address} on {network}") } else { format!("{ticker} ({address}) on {network}") }
    }

    /// For programs.
    pub(crate) fn to_json(&self) -> Value {
        let Claim { network, address, ticker, .. } = &self.claim;
        json!({
            "network": network.to_string(),
            "asset": address.to_string(),
            "ticker": ticker,
            "contradictions": self.contradictions,
        })
    }
}

/// Compares every token that the document uses on the chain behind `url`.
pub(crate) fn compare(table: &PriceTable, url: &str) -> Result<Vec<Finding>, Failure> {
    let chain = Chain::at(url)?;
    let claims = claims(table, chain.network);
    if claims.is_empty() {
        return Err(Failure::usage(format!("{url} is {}, where nothing in the document is paid", chain.network)));
    }
    claims.into_iter().map(|claim| Ok(Finding { contradictions: chain.contradictions(&claim)?, claim })).collect()
}

/// The tokens that are declared or paid in on a network, each as often as it is described differently.
fn claims(table: &PriceTable, network: Network) -> Vec<Claim> {
    let offers: Vec<_> = table
        .routes()
        .flat_map(|route| std::iter::once(route.terms()).chain(route.rules().iter().map(Rule::terms)))
        .flat_map(Terms::accepts)
        .collect();
    let by_permit2 = |offer: &PaymentRequirements| offer.extra(exact::ASSET_TRANSFER_METHOD) == Some("permit2");
    let only_by_permit2 = |network, address| {
        let mut paid_in =
            offers.iter().filter(|offer| offer.network() == network && offer.asset() == address).peekable();
        paid_in.peek().is_some() && paid_in.all(|offer| by_permit2(offer))
    };
    let declared = table.tokens().iter().map(|token| Claim {
        network: token.network,
        address: token.address,
        decimals: Some(token.decimals),
        ticker: token.ticker.clone(),
        name: token.name.clone(),
        version: token.version.clone(),
        by_permit2: only_by_permit2(token.network, token.address),
    });
    let offered = offers.iter().map(|offer| {
        let known = table.ticker_and_decimals(offer.network(), offer.asset());
        Claim {
            network: offer.network(),
            address: offer.asset(),
            decimals: known.map(|(_, decimals)| decimals),
            ticker: known.map(|(ticker, _)| ticker.to_owned()).unwrap_or_default(),
            name: offer.extra("name").unwrap_or_default().to_owned(),
            version: offer.extra("version").unwrap_or_default().to_owned(),
            by_permit2: by_permit2(offer),
        }
    });
    let mut claims: Vec<Claim> = Vec::new();
    for claim in declared.chain(offered).filter(|claim| claim.network == network) {
        if !claims.contains(&claim) {
            claims.push(claim);
        }
    }
    claims
}

/// First four bytes of the Keccak-256 of each signature.
const NAME: &str = "0x06fdde03";
const VERSION: &str = "0x54fd4d50";
const DECIMALS: &str = "0x313ce567";
const DOMAIN_SEPARATOR: &str = "0x3644e515";
const AUTHORIZATION_STATE: &str = "0xe94a0102";

/// One chain, asked over JSON-RPC.
struct Chain<'a> {
    url: &'a str,
    network: Network,
}

impl<'a> Chain<'a> {
    /// Asks which chain it is.
    fn at(url: &'a str) -> Result<Self, Failure> {
        let answer = http::post_json(url, &json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}))?;
        let id = answer["result"].as_str().and_then(|text| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok());
        match id {
            Some(id) if id > 0 => Ok(Self { url, network: Network::eip155(id) }),
            _ => Err(Failure::outside(format!("{url} does not answer eth_chainId: no JSON-RPC of a chain"))),
        }
    }

    /// What is wrong with a claim, one text each.
    fn contradictions(&self, claim: &Claim) -> Result<Vec<String>, Failure> {
        if !self.has_code(&claim.address)? {
            return Ok(vec!["there is no contract at this address".to_owned()]);
        }
        let mut found = Vec::new();
        if let (Some(ours), Some(theirs)) = (claim.decimals, self.call(claim, DECIMALS)?.and_then(|hex| word(&hex)))
            && theirs != u64::from(ours)
        {
            found.push(format!("the contract has {theirs} decimals, the document says {ours}: every price is wrong"));
        }
        if claim.by_permit2 {
            if !self.has_code(&PERMIT2)? {
                found.push(format!("there is no Permit2 contract at {PERMIT2} on this chain: nobody can pay by it"));
            }
            return Ok(found);
        }
        let forged = "every payment would look forged";
        for (key, selector, ours) in [("name", NAME, &claim.name), ("version", VERSION, &claim.version)] {
            if let Some(theirs) = self.call(claim, selector)?.and_then(|hex| text(&hex))
                && theirs != *ours
            {
                found.push(format!("the contract's {key} is {theirs:?}, the document says {ours:?}: {forged}"));
            }
        }
        // Some tokens answer name() for wallets and sign with another: the separator is what counts.
        if let Some(theirs) = self.call(claim, DOMAIN_SEPARATOR)?.filter(|hex| hex.len() == 66) {
            let domain = Eip712Domain {
                name: &claim.name,
                version: Some(&claim.version),
                chain_id: claim.network.chain_id(),
                verifying_contract: claim.address,
            };
            let agrees = theirs.eq_ignore_ascii_case(&format!("0x{}", hex::encode(domain.separator())));
            if agrees {
                found.retain(|text| !text.ends_with(forged));
            } else if !found.iter().any(|text| text.ends_with(forged)) {
                found.push(format!("the contract's DOMAIN_SEPARATOR is of another name or version: {forged}"));
            }
        }
        let state = format!("{AUTHORIZATION_STATE}{}", "0".repeat(128));
        if self.call(claim, &state)?.and_then(|hex| word(&hex)).is_none() {
            found.push("the contract has no authorizationState: it cannot be paid by EIP-3009".to_owned());
        }
        Ok(found)
    }

    fn has_code(&self, address: &Address) -> Result<bool, Failure> {
        let code = self.ask("eth_getCode", &json!([address.to_string(), "latest"]))?;
        Ok(code.is_some_and(|code| code != "0x"))
    }

    /// What a function without arguments gives back; nothing where the contract has none.
    fn call(&self, claim: &Claim, data: &str) -> Result<Option<String>, Failure> {
        let call = json!([{ "to": claim.address.to_string(), "data": data }, "latest"]);
        Ok(self.ask("eth_call", &call)?.filter(|hex| hex.len() > 2))
    }

    /// The result; nothing where the node answers with an error, such as a revert.
    fn ask(&self, method: &str, parameters: &Value) -> Result<Option<String>, Failure> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters});
        Ok(http::post_json(self.url, &body)?["result"].as_str().map(str::to_owned))
    }
}

/// A 32-byte word that fits.
fn word(hex: &str) -> Option<u64> {
    let digits = hex.strip_prefix("0x").filter(|digits| digits.len() == 64)?;
    let (high, low) = digits.split_at(48);
    if high.bytes().all(|b| b == b'0') { u64::from_str_radix(low, 16).ok() } else { None }
}

/// An ABI-encoded string; also the `bytes32` of some old tokens.
fn text(hex: &str) -> Option<String> {
    let bytes = hex::decode(hex.strip_prefix("0x")?).ok()?;
    if bytes.len() == 32 {
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(32);
        return String::from_utf8(bytes[..end].to_vec()).ok();
    }
    let number = |at: usize| {
        let word = bytes.get(at..at.checked_add(32)?)?;
        word[..28].iter().all(|b| *b == 0).then(|| u32::from_be_bytes([word[28], word[29], word[30], word[31]]))
    };
    let offset = usize::try_from(number(0)?).ok()?;
    let length = usize::try_from(number(offset)?).ok()?;
    let begin = offset.checked_add(32)?;
    String::from_utf8(bytes.get(begin..begin.checked_add(length)?)?.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abi_texts_are_read_and_nonsense_is_not() {
        let usdc = format!("0x{:064x}{:064x}{:0<64}", 32, 4, hex::encode("USDC"));
        assert_eq!(text(&usdc).as_deref(), Some("USDC"));
        assert_eq!(text(&format!("0x{:0<64}", hex::encode("MKR"))).as_deref(), Some("MKR"));
        for nonsense in ["", "0x", "0x12", &usdc[..134], &format!("0x{:064x}{:064x}", u32::MAX, 4), &"f".repeat(130)] {
            assert_eq!(text(nonsense), None, "{nonsense}");
        }
        assert_eq!(word(&format!("0x{:064x}", 18)), Some(18));
        assert_eq!(word(&format!("0x{}", "f".repeat(64))), None);
    }
}
