//! Networks and tokens: those built in, and those that the document adds.

use std::cell::RefCell;

use crate::{
    evm::Address,
    money::{KnownAsset, TransferMethod, default_asset, known_asset, known_symbol},
    network::Network,
};

use super::{
    Diagnosis,
    fnv::FnvMap,
    json::{Members, Node},
    offer::read_pay_to,
    url::read_urls,
};

const NETWORK_KEYS: [&str; 2] = ["name", "rpc"];
const TOKEN_KEYS: [&str; 4] = ["address", "decimals", "name", "version"];

/// No token has more; more would make every price overflow.
const MAX_DECIMALS: u8 = 36;
const MAX_NAME_BYTES: usize = 64;
const MAX_TICKER_CHARS: usize = 16;

/// A token that the document declares. Without EIP-3009 `transferWithAuthorization` its offers say
/// `assetTransferMethod: "permit2"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its chain.
    pub network: Network,
    /// As in `0.01 USDC`.
    pub ticker: String,
    /// The contract.
    pub address: Address,
    /// Digits after the point.
    pub decimals: u8,
    /// EIP-712 `name`.
    pub name: String,
    /// EIP-712 `version`.
    pub version: String,
}

/// What is known of a token, built in or declared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) ticker: &'a str,
    pub(super) address: Address,
    pub(super) decimals: u8,
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    pub(super) permit2: bool,
}

/// What the document adds to the networks and tokens built in.
#[derive(Debug, Clone, Default)]
pub(super) struct Tokens {
    pub(super) declared: Vec<Token>,
    names: Vec<(String, Network)>,
    pub(super) rpc: Vec<(Network, Vec<String>)>,
    /// Addresses as they are written: checksums take time, and most offers name the same two.
    written: RefCell<FnvMap<Address, String>>,
}

impl Tokens {
    /// Reads `networks`, `tokens` and `rpc`.
    pub(super) fn read(members: &Members<'_>, problems: &mut Vec<Diagnosis>) -> Self {
        let mut tokens = Self::default();
        for (key, node) in entries(members.get("networks"), problems) {
            tokens.read_network(&key, &node, problems);
        }
        for (key, node) in entries(members.get("rpc"), problems) {
            let urls = read_urls(&node, problems);
            match key.parse() {
                Ok(network) => tokens.add_rpc(network, urls, &node, problems),
                Err(_) => problems
                    .push(Diagnosis::new(&node.pointer, "the keys of rpc are CAIP-2 ids such as \"eip155:8453\"")),
            }
        }
        for (key, node) in entries(members.get("tokens"), problems) {
            let network = tokens.network(&key);
            if network.is_none() {
                problems.push(Diagnosis::new(
                    &node.pointer,
                    "the keys of tokens are networks such as \"eip155:2366\", each with {\"TICKER\": {address, decimals, name, version}}",
                ));
            }
            for (ticker, node) in entries(Some(&node), problems) {
                if let Some(token) = tokens.read_token(network, ticker, &node, problems) {
                    tokens.declared.push(token);
                }
            }
        }
        tokens
    }

    fn read_network(&mut self, key: &str, node: &Node<'_>, problems: &mut Vec<Diagnosis>) {
        let network: Option<Network> = key.parse().ok();
        if network.is_none() {
            let message = "the keys of networks are CAIP-2 ids such as \"eip155:2366\"";
            problems.push(Diagnosis::new(&node.pointer, message));
        }
        let Some(members) = node.members(&NETWORK_KEYS, problems) else { return };
        let name = members.read("name", |node| read_network_name(node, network), problems);
        let rpc = members.get("rpc").map(|node| (node, read_urls(node, problems)));
        let Some(network) = network else { return };
        if let Some(name) = name {
            if self.names.iter().any(|(known, other)| *known == name && *other != network) {
                problems.push(node.problem("two networks have this name"));
            }
            self.names.push((name, network));
        }
        if let Some((node, urls)) = rpc {
            self.add_rpc(network, urls, node, problems);
        }
    }

    fn add_rpc(&mut self, network: Network, urls: Vec<String>, node: &Node<'_>, problems: &mut Vec<Diagnosis>) {
        if self.rpc.iter().any(|(known, _)| *known == network) {
            problems.push(Diagnosis::new(&node.pointer, "this network's rpc is written twice; keep one"));
        }
        self.rpc.push((network, urls));
    }

    fn read_token(
        &self,
        network: Option<Network>,
        ticker: String,
        node: &Node<'_>,
        problems: &mut Vec<Diagnosis>,
    ) -> Option<Token> {
        let before = problems.len();
        let members = node.members(&TOKEN_KEYS, problems)?;
        for key in TOKEN_KEYS.iter().filter(|key| !members.has(key)) {
            problems.push(Diagnosis::new(
                &node.pointer,
                format!("{key} is missing: a token is {{address, decimals, name, version}}, as the contract says them"),
            ));
        }
        let legal = |c: char| c.is_alphanumeric() || c == '.' || c == '₮';
        if ticker.is_empty() || ticker.chars().count() > MAX_TICKER_CHARS || !ticker.chars().all(legal) {
            let message = format!("a ticker has 1 to {MAX_TICKER_CHARS} letters, digits and points");
            problems.push(Diagnosis::new(&node.pointer, message));
        }
        let address = members.read("address", read_pay_to, problems);
        let decimals = members.read("decimals", read_decimals, problems);
        let name = members.read("name", read_domain_text, problems);
        let version = members.read("version", read_domain_text, problems);
        let (network, address, decimals) = (network?, address?, decimals?);
        let chain = network.chain_id();
        if known_symbol(chain, &ticker).is_some_and(|known| known.contract() != Some(address)) {
            problems
                .push(Diagnosis::new(&node.pointer, "this ticker is built in with another address; choose another"));
        }
        match known_asset(chain, &address) {
            Some(known) if known.decimals != decimals => {
                problems.push(Diagnosis::new(&node.pointer, format!("this token has {} decimals", known.decimals)));
            }
            _ => {}
        }
        let same = |other: &&Token| {
            other.network == network && (other.ticker.eq_ignore_ascii_case(&ticker) || other.address == address)
        };
        if self.declared.iter().any(|other| same(&other)) {
            problems.push(Diagnosis::new(&node.pointer, "this token is declared twice; keep one"));
        }
        (problems.len() == before).then_some(())?;
        Some(Token { network, ticker, address, decimals, name: name?, version: version? })
    }

    /// A network by CAIP-2 id, by v1 name, or by the name the document gives it.
    pub(super) fn network(&self, text: &str) -> Option<Network> {
        let declared = || self.names.iter().find(|(name, _)| name == text).map(|(_, network)| *network);
        text.parse().ok().or_else(|| Network::from_v1_name(text)).or_else(declared)
    }

    /// An address with its checksum.
    pub(super) fn written(&self, address: Address) -> String {
        self.written.borrow_mut().entry(address).or_insert_with(|| address.to_string()).clone()
    }

    fn on(&self, network: Network) -> impl Iterator<Item = &Token> {
        self.declared.iter().filter(move |token| token.network == network)
    }

    pub(super) fn by_address(&self, network: Network, address: &Address) -> Option<Known<'_>> {
        let built_in = known_asset(network.chain_id(), address).and_then(built_in);
        let declared = self
            .on(network)
            .find(|token| token.address == *address)
            .map(|token| Known { permit2: built_in.is_some_and(|known| known.permit2), ..Known::from(token) });
        declared.or(built_in)
    }

    pub(super) fn by_ticker(&self, network: Network, ticker: &str) -> Option<Known<'_>> {
        let declared = self.on(network).find(|token| token.ticker.eq_ignore_ascii_case(ticker)).map(Known::from);
        declared.or_else(|| known_symbol(network.chain_id(), ticker).and_then(built_in))
    }

    /// What `$` means on a chain: its first built-in token, else the only one declared for it.
    pub(super) fn default_of(&self, network: Network) -> Option<Known<'_>> {
        if let Some(known) = default_asset(network.chain_id()) {
            return self.by_address(network, &known.contract()?);
        }
        let mut declared = self.on(network);
        let first = declared.next()?;
        declared.next().is_none().then(|| Known::from(first))
    }

    /// The tickers that can be written for a network.
    pub(super) fn tickers(&self, network: Network) -> Vec<&str> {
        let built_in = crate::money::KNOWN_ASSETS.iter().filter(|known| known.chain_id == network.chain_id());
        self.on(network).map(|token| token.ticker.as_str()).chain(built_in.map(|known| known.symbol)).collect()
    }
}

impl<'a> From<&'a Token> for Known<'a> {
    fn from(token: &'a Token) -> Self {
        let Token { network: _, ticker, address, decimals, name, version } = token;
        Self { ticker, address: *address, decimals: *decimals, name, version, permit2: false }
    }
}

fn built_in(known: &'static KnownAsset) -> Option<Known<'static>> {
    Some(Known {
        ticker: known.symbol,
        address: known.contract()?,
        decimals: known.decimals,
        name: known.name,
        version: known.version,
        permit2: known.transfer == TransferMethod::Permit2,
    })
}

fn entries<'a>(node: Option<&Node<'a>>, problems: &mut Vec<Diagnosis>) -> Vec<(String, Node<'a>)> {
    node.and_then(|node| node.object(problems)).map(|members| members.iter().cloned().collect()).unwrap_or_default()
}

fn read_network_name(node: &Node<'_>, network: Option<Network>) -> Result<String, Diagnosis> {
    let name = node.string()?;
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(legal) {
        return Err(node.problem("a network's name is lower-case letters, digits and hyphens, such as \"kite-ai\""));
    }
    match (Network::from_v1_name(&name), network) {
        (Some(known), Some(network)) if known != network => {
            Err(node.problem(format!("this name is built in for {known}; choose another")))
        }
        _ => Ok(name),
    }
}

fn read_decimals(node: &Node<'_>) -> Result<u8, Diagnosis> {
    let decimals = node.number().and_then(|text| text.parse().ok());
    decimals.filter(|decimals| *decimals <= MAX_DECIMALS).ok_or_else(|| {
        node.problem(format!("expected a whole number, 0 to {MAX_DECIMALS}, as decimals() of the contract says"))
    })
}

fn read_domain_text(node: &Node<'_>) -> Result<String, Diagnosis> {
    let text = node.string()?;
    if text.is_empty() || text.len() > MAX_NAME_BYTES {
        return Err(node.problem(format!("expected 1 to {MAX_NAME_BYTES} bytes, exactly as the contract says them")));
    }
    Ok(text)
}
