//! One way to pay, as the owner wrote it, turned into the `PaymentRequirements` that clients see.

use serde_json::{Map, Value, json};

use crate::{
    evm::Address,
    money::{Amount, Decimal},
    network::Network,
    schemes::{batch_settlement, exact, upto},
    x402::PaymentRequirements,
};

use super::{
    Diagnosis, channel,
    diagnosis::{keep, meant},
    json::{Members, Node},
    token::{Known, Tokens},
};

/// The keys of an offer, in an entry of `accepts` or directly on a route.
pub(super) const KEYS: [&str; 9] = [
    "scheme",
    "price",
    "network",
    "payTo",
    "asset",
    "maxTimeoutSeconds",
    "extra",
    batch_settlement::WITHDRAW_DELAY,
    batch_settlement::MIN_DEPOSIT,
];

/// `maxTimeoutSeconds` where the document is silent: the official packages' value.
const DEFAULT_TIMEOUT_SECONDS: u64 = 300;

/// Shortest validity that leaves time for anything after the facilitators' 6 seconds.
const MIN_TIMEOUT_SECONDS: u64 = 10;
/// One day: an authorization lost in the meantime can be settled that long by whoever holds it.
const MAX_TIMEOUT_SECONDS: u64 = 86_400;

/// What an offer takes from the document where it is silent; each is valid already.
#[derive(Debug, Clone, Default)]
pub(super) struct Defaults {
    pub(super) pay_to: Option<Address>,
    pub(super) network: Option<Network>,
    pub(super) asset: Option<Asset>,
    pub(super) max_timeout_seconds: Option<u64>,
}

/// A token by address or by ticker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asset {
    Address(Address),
    Symbol(String),
}

/// The offer's nodes; the pointer is where the offer stands.
pub(super) struct Draft<'a> {
    pub(super) pointer: &'a str,
    pub(super) members: &'a Members<'a>,
    pub(super) tokens: &'a Tokens,
}

impl<'a> Draft<'a> {
    fn get(&self, key: &str) -> Option<&Node<'a>> {
        self.members.get(key)
    }

    /// The offer, or all that is wrong with it.
    pub(super) fn resolve(&self, defaults: &Defaults, problems: &mut Vec<Diagnosis>) -> Option<PaymentRequirements> {
        let before = problems.len();
        let scheme = match self.get("scheme") {
            Some(node) => keep(read_scheme(node), problems),
            None => Some(exact::SCHEME),
        };
        let network = self.or_default(
            "network",
            |node| read_network(node, self.tokens),
            defaults.network,
            "such as \"eip155:8453\"",
            problems,
        );
        let pay_to = self.or_default("payTo", read_pay_to, defaults.pay_to, "the address that is paid", problems);
        let timeout = match self.get("maxTimeoutSeconds").map(read_timeout) {
            Some(result) => keep(result, problems),
            None => defaults.max_timeout_seconds.or(Some(DEFAULT_TIMEOUT_SECONDS)),
        };
        let mut extra = self.object("extra", problems);
        let token = network.and_then(|network| self.token(network, defaults, &mut extra, problems));
        let (scheme, network, pay_to, timeout, (asset, amount)) = (scheme?, network?, pay_to?, timeout?, token?);
        let only_permit2 = self.tokens.by_address(network, &asset).is_some_and(|known| known.permit2);
        if scheme == upto::SCHEME || only_permit2 {
            extra.entry(exact::ASSET_TRANSFER_METHOD).or_insert_with(|| PERMIT2.into());
        }
        if scheme == batch_settlement::SCHEME {
            let place = (self.pointer, self.tokens);
            channel::fill(self.members, place, (network, asset, amount), &mut extra, problems);
        } else {
            for (key, node) in self.members.only(&channel::KEYS).iter() {
                problems.push(node.problem(format!("{key} belongs to offers of the scheme \"batch-settlement\"")));
            }
        }
        self.check_extra(scheme, only_permit2, &extra, problems);
        if problems.len() > before {
            return None;
        }
        let wire = json!({
            "scheme": scheme,
            "network": network.to_string(),
            "amount": amount.to_string(),
            "asset": self.tokens.written(asset),
            "payTo": self.tokens.written(pay_to),
            "maxTimeoutSeconds": timeout,
            "extra": extra,
        });
        match PaymentRequirements::from_v2(wire) {
            Ok(requirements) => Some(requirements),
            Err(error) => {
                problems.push(Diagnosis::new(self.pointer, error.to_string()));
                None
            }
        }
    }

    fn or_default<T>(
        &self,
        key: &str,
        read: impl Fn(&Node<'_>) -> Result<T, Diagnosis>,
        default: Option<T>,
        what: &str,
        problems: &mut Vec<Diagnosis>,
    ) -> Option<T> {
        match self.get(key) {
            Some(node) => keep(read(node), problems),
            None if default.is_some() => default,
            None => {
                let message = format!("{key} is missing: write {what} here or at the top of the document");
                problems.push(Diagnosis::new(self.pointer, message));
                None
            }
        }
    }

    fn object(&self, key: &str, problems: &mut Vec<Diagnosis>) -> Map<String, Value> {
        self.get(key).map_or_else(Map::new, |node| read_object(node, problems))
    }

    /// The token and how much of it; fills the token's EIP-712 name and version into `extra`.
    fn token(
        &self,
        network: Network,
        defaults: &Defaults,
        extra: &mut Map<String, Value>,
        problems: &mut Vec<Diagnosis>,
    ) -> Option<(Address, Amount)> {
        let Some(price) = self.get("price") else {
            problems.push(Diagnosis::new(
                self.pointer,
                "price is missing: write \"$0.01\", or {asset, amount} in atomic units",
            ));
            return None;
        };
        let asset = match self.get("asset") {
            Some(node) => Some(keep(read_asset(node), problems)?),
            None => defaults.asset.clone(),
        };
        let result = if price.is_object() {
            if let Some(asset) = self.get("asset") {
                problems.push(asset.problem("a price in atomic units names its own asset; leave this one out"));
            }
            self.atomic_price(price, network, extra, problems)?
        } else {
            self.decimal_price(price, network, asset)
        };
        let (address, amount) = keep(result, problems)?;
        if let Some(known) = self.tokens.by_address(network, &address) {
            for (key, value) in [("name", known.name), ("version", known.version)] {
                if value.is_empty() {
                    continue;
                }
                extra.entry(key).or_insert_with(|| value.into());
            }
        }
        Some((address, amount))
    }

    fn check_extra(&self, scheme: &str, only_permit2: bool, extra: &Map<String, Value>, problems: &mut Vec<Diagnosis>) {
        let pointer = self.get("extra").map_or(self.pointer, |node| &node.pointer);
        let text = |key: &str| extra.get(key).and_then(Value::as_str);
        let by_permit2 = text(exact::ASSET_TRANSFER_METHOD) == Some(PERMIT2);
        // Permit2 has one domain for all tokens: their own names are needed for sponsored approvals only.
        for key in ["name", "version"].into_iter().filter(|_| !by_permit2) {
            if text(key).is_none_or(str::is_empty) {
                let message = format!(
                    "this token is not built in: declare it under tokens, or write its EIP-712 {key} into extra (read {key}() of the contract)"
                );
                problems.push(Diagnosis::new(pointer, message));
            }
        }
        let allowed: &[&str] = if scheme == upto::SCHEME || only_permit2 { &[PERMIT2] } else { &["eip3009", PERMIT2] };
        for (key, allowed) in [(exact::ASSET_TRANSFER_METHOD, allowed), ("paymentFlow", &["authorization"][..])] {
            if extra.get(key).is_some_and(|value| value.as_str().is_none_or(|text| !allowed.contains(&text))) {
                let allowed = allowed.join("\" or \"");
                problems.push(Diagnosis::new(pointer, format!("{key} can only be \"{allowed}\" here; leave it out")));
            }
        }
        let facilitator = extra.get(upto::FACILITATOR_ADDRESS);
        if facilitator.is_some_and(|value| value.as_str().is_none_or(|text| text.parse::<Address>().is_err())) {
            let message = "facilitatorAddress is the address from which the facilitator settles; leave it out to have it asked for";
            problems.push(Diagnosis::new(pointer, message));
        }
    }

    /// `"$0.01"`, `"0.01 USDC"`, or a number.
    fn decimal_price(
        &self,
        price: &Node<'_>,
        network: Network,
        asset: Option<Asset>,
    ) -> Result<(Address, Amount), Diagnosis> {
        let text = match price.number() {
            Some(number) => number.to_owned(),
            None => price.string().map_err(|_| price.problem("a price is a text, a number, or {asset, amount}"))?,
        };
        let decimal = Decimal::parse(&text).map_err(|error| price.problem(error.to_string()))?;
        let ticker = decimal.ticker().map(|ticker| Asset::Symbol(ticker.to_owned()));
        // A ticker in the price says more than the document's default, but must not contradict its own `asset`.
        let known = match (ticker, asset) {
            (Some(ticker), Some(asset)) if self.get("asset").is_some() => {
                let token = self.find(&ticker, network, price)?;
                if token.address != self.find(&asset, network, price)?.address {
                    return Err(price.problem("the ticker in the price and the asset are different tokens"));
                }
                token
            }
            (Some(wanted), _) | (None, Some(wanted)) => self.find(&wanted, network, price)?,
            (None, None) => self.tokens.default_of(network).ok_or_else(|| {
                let tickers = self.tokens.tickers(network);
                let message = if tickers.is_empty() {
                    format!(
                        "no token is built in for {network}: declare one under tokens, or write the price as {{asset, amount}} in atomic units"
                    )
                } else {
                    format!("{network} has several tokens: say which, as \"0.01 {}\" or by asset", tickers.join("\" or \"0.01 "))
                };
                price.problem(message)
            })?,
        };
        let amount =
            decimal.to_amount(known.decimals).map_err(|error| price.problem(format!("{}: {error}", known.ticker)))?;
        Ok((known.address, amount))
    }

    fn find(&self, asset: &Asset, network: Network, price: &Node<'_>) -> Result<Known<'a>, Diagnosis> {
        let (known, written) = match asset {
            Asset::Address(address) => (self.tokens.by_address(network, address), address.to_string()),
            Asset::Symbol(ticker) => (self.tokens.by_ticker(network, ticker), ticker.clone()),
        };
        known.ok_or_else(|| {
            let tickers = self.tokens.tickers(network);
            let hint = match meant(&written, &tickers) {
                Some(near) => format!("did you mean {near}?"),
                None => "declare it under tokens, or write the price as {asset, amount} in atomic units".to_owned(),
            };
            price.problem(format!("{written} is not built in for {network}, so its decimals are unknown: {hint}"))
        })
    }

    /// `{asset, amount}`, with the token's `extra` beside it where it is not built in.
    fn atomic_price(
        &self,
        price: &Node<'_>,
        network: Network,
        extra: &mut Map<String, Value>,
        problems: &mut Vec<Diagnosis>,
    ) -> Option<Result<(Address, Amount), Diagnosis>> {
        let (mut asset, mut amount) = (None, None);
        for (key, node) in price.object(problems)?.iter() {
            match key.as_str() {
                "asset" => asset = Some(keep(read_asset(node), problems)?),
                "amount" => amount = Some(keep(read_amount(node), problems)?),
                "extra" => {
                    for (key, value) in read_object(node, problems) {
                        extra.entry(key).or_insert(value);
                    }
                }
                _ => problems.push(Diagnosis::new(
                    &node.pointer,
                    "unknown key; a price in atomic units has asset, amount and extra",
                )),
            }
        }
        let (Some(asset), Some(amount)) = (asset, amount) else {
            return Some(Err(price.problem("a price in atomic units needs both asset and amount")));
        };
        let address = match &asset {
            Asset::Address(address) => Ok(*address),
            Asset::Symbol(_) => self.find(&asset, network, price).map(|known| known.address),
        };
        Some(address.map(|address| (address, amount)))
    }
}

pub(super) fn read_object(node: &Node<'_>, problems: &mut Vec<Diagnosis>) -> Map<String, Value> {
    let before = problems.len();
    let value: Option<Map<String, Value>> = node.value();
    if value.is_none() && node.object(problems).is_some() {
        problems.push(node.problem("this is nested too deeply"));
    }
    // Only what was not nested too deeply is looked through.
    if problems.len() == before {
        node.check_keys(problems);
    }
    value.unwrap_or_default()
}

/// `assetTransferMethod` by Permit2.
const PERMIT2: &str = "permit2";

fn read_scheme(node: &Node<'_>) -> Result<&'static str, Diagnosis> {
    match node.string()?.as_str() {
        exact::SCHEME => Ok(exact::SCHEME),
        upto::SCHEME => Ok(upto::SCHEME),
        batch_settlement::SCHEME => Ok(batch_settlement::SCHEME),
        _ => Err(node.problem(
            "the scheme must be \"exact\", \"upto\" or \"batch-settlement\"; others are not offered by this version",
        )),
    }
}

pub(super) fn read_network(node: &Node<'_>, tokens: &Tokens) -> Result<Network, Diagnosis> {
    let text = node.string()?;
    tokens.network(&text).ok_or_else(|| {
        node.problem("expected an EVM network: a CAIP-2 id such as \"eip155:8453\", or a name such as \"base\"")
    })
}

pub(super) fn read_pay_to(node: &Node<'_>) -> Result<Address, Diagnosis> {
    let address: Address = node.string()?.parse().map_err(|error| node.problem(format!("not an address: {error}")))?;
    if address == Address::ZERO {
        return Err(node.problem("money sent to the zero address is lost; write your own address"));
    }
    Ok(address)
}

pub(super) fn read_asset(node: &Node<'_>) -> Result<Asset, Diagnosis> {
    let text = node.string()?;
    if text.starts_with("0x") {
        let address = text.parse().map_err(|error| node.problem(format!("not a token address: {error}")))?;
        return Ok(Asset::Address(address));
    }
    Ok(Asset::Symbol(text))
}

pub(super) fn read_amount(node: &Node<'_>) -> Result<Amount, Diagnosis> {
    let amount: Amount =
        node.string()?.parse().map_err(|error| node.problem(format!("not an amount of atomic units: {error}")))?;
    if amount == Amount::ZERO {
        return Err(node.problem("a price cannot be zero; leave the route out of the document to make it free"));
    }
    Ok(amount)
}

pub(super) fn read_timeout(node: &Node<'_>) -> Result<u64, Diagnosis> {
    let seconds = node.number().and_then(|text| text.parse().ok());
    seconds
        .filter(|s| (MIN_TIMEOUT_SECONDS..=MAX_TIMEOUT_SECONDS).contains(s))
        .ok_or_else(|| node.problem(format!("expected whole seconds, {MIN_TIMEOUT_SECONDS} to {MAX_TIMEOUT_SECONDS}")))
}
