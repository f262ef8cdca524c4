//! What an offer of the scheme `batch-settlement` says beside its price, and when channels are claimed.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::{
    evm::Address,
    money::{Amount, Decimal},
    network::Network,
    schemes::batch_settlement::{
        DEFAULT_WITHDRAW_DELAY, MIN_DEPOSIT, MIN_DEPOSIT_PRICES, RECEIVER_AUTHORIZER, WITHDRAW_DELAY, WITHDRAW_DELAYS,
    },
};

use super::{
    Diagnosis,
    each_token::InEachToken,
    json::{Members, Node},
    offer::read_amount,
    token::Tokens,
};

/// The keys of an offer that only this scheme has.
pub(super) const KEYS: [&str; 2] = [WITHDRAW_DELAY, MIN_DEPOSIT];

/// The keys of `claims`.
const CLAIMS_KEYS: [&str; 3] = ["every", "idle", "threshold"];

/// Who claims more often than this pays more for gas than comes in.
const MIN_CLAIM_SECONDS: u64 = 10;
/// The longest delay of a channel.
const MAX_CLAIM_SECONDS: u64 = 2_592_000;

/// Writes the channel's terms into an offer's `extra`; `wanted` are the offer's members.
pub(super) fn fill(
    wanted: &Members<'_>,
    (pointer, tokens): (&str, &Tokens),
    (network, asset, amount): (Network, Address, Amount),
    extra: &mut Map<String, Value>,
    problems: &mut Vec<Diagnosis>,
) {
    if let Some(node) = wanted.get(WITHDRAW_DELAY) {
        match node.number().and_then(|text| text.parse::<u64>().ok()) {
            Some(seconds) => drop(extra.insert(WITHDRAW_DELAY.to_owned(), json!(seconds))),
            None => problems.push(node.problem(DELAY_FORM)),
        }
    }
    let delay = extra.entry(WITHDRAW_DELAY).or_insert_with(|| json!(DEFAULT_WITHDRAW_DELAY));
    if !delay.as_u64().is_some_and(|seconds| WITHDRAW_DELAYS.contains(&seconds)) {
        let pointer = wanted.get(WITHDRAW_DELAY).map_or(pointer, |node| &node.pointer);
        problems.push(Diagnosis::new(pointer, DELAY_FORM));
    }
    if let Some(node) = wanted.get(MIN_DEPOSIT) {
        match read_money(node, network, asset, tokens) {
            Ok(least) => drop(extra.insert(MIN_DEPOSIT.to_owned(), json!(least.to_string()))),
            Err(problem) => problems.push(problem),
        }
    }
    let least = extra.entry(MIN_DEPOSIT).or_insert_with(|| json!(times(amount, MIN_DEPOSIT_PRICES).to_string()));
    let enough = |least: Amount| least >= amount && least.units().fits_in_128_bits();
    if !least.as_str().and_then(|text| text.parse().ok()).is_some_and(enough) {
        let pointer = wanted.get(MIN_DEPOSIT).map_or(pointer, |node| &node.pointer);
        problems.push(Diagnosis::new(
            pointer,
            "minDeposit is what a client should put into its channel at once, such as \"$1\": not less than the price, and below 2^128 atomic units",
        ));
    }
    let key = extra.get(RECEIVER_AUTHORIZER);
    let is_key = |text: &str| text.parse::<Address>().is_ok_and(|address| address != Address::ZERO);
    if key.is_some_and(|value| !value.as_str().is_some_and(is_key)) {
        problems.push(Diagnosis::new(
            pointer,
            "receiverAuthorizer is the address whose key signs claims; leave it out to use the secret RECEIVER_AUTHORIZER_KEY, or the facilitator's",
        ));
    }
}

const DELAY_FORM: &str = "withdrawDelay is whole seconds, 900 to 2592000: how long a payer who leaves has to wait";

/// `"$1"`, `"1 USDC"`, a number, or `{"amount": "1000000"}` in atomic units.
fn read_money(node: &Node<'_>, network: Network, asset: Address, tokens: &Tokens) -> Result<Amount, Diagnosis> {
    if node.is_object() {
        let mut problems = Vec::new();
        let members = node.members(&["amount"], &mut problems);
        if let Some(problem) = problems.into_iter().next() {
            return Err(problem);
        }
        let amount = members.as_ref().and_then(|members| members.get("amount"));
        return read_amount(amount.ok_or_else(|| node.problem("amount is missing: atomic units"))?);
    }
    let text = match node.number() {
        Some(number) => number.to_owned(),
        None => node.string()?,
    };
    let decimal = Decimal::parse(&text).map_err(|error| node.problem(error.to_string()))?;
    let known = tokens
        .by_address(network, &asset)
        .ok_or_else(|| node.problem("this token's decimals are unknown: write {\"amount\": …} in atomic units"))?;
    if decimal.ticker().is_some_and(|ticker| !ticker.eq_ignore_ascii_case(known.ticker)) {
        return Err(node.problem(format!("the price is in {}", known.ticker)));
    }
    decimal.to_amount(known.decimals).map_err(|error| node.problem(format!("{}: {error}", known.ticker)))
}

fn times(amount: Amount, factor: u8) -> Amount {
    let sum = (0..factor).try_fold(Amount::ZERO.units(), |sum, _| sum.checked_add(amount.units()));
    Amount::new(sum.unwrap_or_else(|| amount.units()))
}

/// When what channels owe is claimed: the key `claims` at the top.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    every: Option<u64>,
    idle: Option<u64>,
    threshold: Option<InEachToken>,
}

impl Claims {
    pub(super) fn read(node: &Node<'_>, problems: &mut Vec<Diagnosis>) -> Self {
        let Some(members) = node.members(&CLAIMS_KEYS, problems) else { return Self::default() };
        Self {
            every: members.read("every", read_seconds, problems),
            idle: members.read("idle", read_seconds, problems),
            threshold: members.read("threshold", read_threshold, problems),
        }
    }

    /// So long after the first charge that is not claimed, in seconds; nothing: as long as the channel's delay allows.
    pub const fn every(&self) -> Option<u64> {
        self.every
    }

    /// So long after a channel's last request, in seconds.
    pub const fn idle(&self) -> Option<u64> {
        self.idle
    }

    /// As soon as a channel owes so much, in a token with so many decimals; nothing where the token cannot say it.
    pub fn threshold(&self, decimals: u8) -> Option<Amount> {
        self.threshold.as_ref()?.units(decimals)
    }
}

impl fmt::Display for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said =
            |seconds: Option<u64>| seconds.map_or_else(|| "default".to_owned(), |seconds| format!("{seconds} s"));
        let threshold = self.threshold.as_ref().map_or("none", InEachToken::as_str);
        write!(f, "every {}, idle {}, threshold {threshold}", said(self.every), said(self.idle))
    }
}

fn read_seconds(node: &Node<'_>) -> Result<u64, Diagnosis> {
    let seconds = node.number().and_then(|text| text.parse().ok());
    seconds
        .filter(|seconds| (MIN_CLAIM_SECONDS..=MAX_CLAIM_SECONDS).contains(seconds))
        .ok_or_else(|| node.problem(format!("expected whole seconds, {MIN_CLAIM_SECONDS} to {MAX_CLAIM_SECONDS}")))
}

fn read_threshold(node: &Node<'_>) -> Result<InEachToken, Diagnosis> {
    InEachToken::read(node, "expected a text", "the threshold is in each channel's own token: write \"$10\"")
}
