//! `PaymentRequirements`: one way to pay (x402 v2 §5.1.2; v1 §5.1 under the same name).

use std::rc::Rc;

use serde_json::{Value, json};

use crate::{evm::Address, money::Amount, network::Network};

use super::X402Version;

/// One offer. The typed members are a reading of `wire`, which is what clients and facilitators get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRequirements {
    version: X402Version,
    wire: Rc<Value>,
    scheme: Rc<str>,
    network: Network,
    amount: Amount,
    asset: Address,
    pay_to: Address,
    max_timeout_seconds: u64,
}

/// The JSON is not a usable offer on an EVM network; the text names the member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("payment requirements: {0} is missing or malformed")]
pub struct InvalidRequirements(pub &'static str);

impl PaymentRequirements {
    /// Reads a v2 offer: CAIP-2 network, `amount`.
    pub fn from_v2(wire: Value) -> Result<Self, InvalidRequirements> {
        let network = text(&wire, "network")?.parse().map_err(|_| InvalidRequirements("network"))?;
        Self::read(X402Version::V2, wire, network, "amount")
    }

    /// Reads a v1 offer: named network, `maxAmountRequired`.
    pub fn from_v1(wire: Value) -> Result<Self, InvalidRequirements> {
        let network = Network::from_v1_name(text(&wire, "network")?).ok_or(InvalidRequirements("network"))?;
        Self::read(X402Version::V1, wire, network, "maxAmountRequired")
    }

    fn read(
        version: X402Version,
        wire: Value,
        network: Network,
        amount: &'static str,
    ) -> Result<Self, InvalidRequirements> {
        let timeout = wire.get("maxTimeoutSeconds").and_then(Value::as_u64).filter(|s| *s > 0);
        Ok(Self {
            version,
            scheme: text(&wire, "scheme")?.into(),
            network,
            amount: parsed(&wire, amount)?,
            asset: address(&wire, "asset")?,
            pay_to: address(&wire, "payTo")?,
            max_timeout_seconds: timeout.ok_or(InvalidRequirements("maxTimeoutSeconds"))?,
            wire: Rc::new(wire),
        })
    }

    /// The same offer with another text in `extra`.
    #[must_use]
    pub fn with_extra(&self, key: &str, text: &str) -> Self {
        self.with_extra_value(key, text.into())
    }

    /// The same offer with another member of `extra`.
    #[must_use]
    pub fn with_extra_value(&self, key: &str, value: Value) -> Self {
        let mut offer = self.clone();
        match &mut Rc::make_mut(&mut offer.wire)["extra"] {
            Value::Object(extra) => drop(extra.insert(key.to_owned(), value)),
            other => *other = json!({ key: value }),
        }
        offer
    }

    /// The same offer for another amount: what is settled of a v2 offer that may be charged less.
    #[must_use]
    pub fn with_amount(&self, amount: Amount) -> Self {
        let mut offer = self.clone();
        offer.amount = amount;
        Rc::make_mut(&mut offer.wire)["amount"] = amount.to_string().into();
        offer
    }

    /// The protocol version whose shape `wire` has.
    pub const fn version(&self) -> X402Version {
        self.version
    }

    /// The offer as it is sent.
    pub fn wire(&self) -> &Value {
        &self.wire
    }

    /// `scheme`, such as `exact`.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The chain to pay on.
    pub const fn network(&self) -> Network {
        self.network
    }

    /// What to pay, in atomic units.
    pub const fn amount(&self) -> Amount {
        self.amount
    }

    /// The token contract.
    pub const fn asset(&self) -> Address {
        self.asset
    }

    /// Who is paid.
    pub const fn pay_to(&self) -> Address {
        self.pay_to
    }

    /// Seconds the client's authorization should stay valid.
    pub const fn max_timeout_seconds(&self) -> u64 {
        self.max_timeout_seconds
    }

    /// A text in `extra`, such as the EIP-712 `name`.
    pub fn extra(&self, key: &str) -> Option<&str> {
        self.wire.get("extra")?.get(key)?.as_str()
    }
}

fn text<'a>(wire: &'a Value, key: &'static str) -> Result<&'a str, InvalidRequirements> {
    wire.get(key).and_then(Value::as_str).ok_or(InvalidRequirements(key))
}

/// In any mix of cases: clients compare an offer's addresses as text and contracts as bytes. The checksum was
/// asked of the owner who wrote it.
fn address(wire: &Value, key: &'static str) -> Result<Address, InvalidRequirements> {
    text(wire, key)?.to_ascii_lowercase().parse().map_err(|_| InvalidRequirements(key))
}

fn parsed<T: std::str::FromStr>(wire: &Value, key: &'static str) -> Result<T, InvalidRequirements> {
    text(wire, key)?.parse().map_err(|_| InvalidRequirements(key))
}
