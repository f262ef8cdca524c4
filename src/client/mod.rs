//! Who asks, as the network in front of us knows it. Facts only; what follows from them is for `prices` to say.
//!
//! Nothing here is ever read from what a client can write itself.

mod net;

use std::net::IpAddr;

pub use net::{IpNet, IpPrefix, ParseIpNetError};

/// What is known of a client beside its request. What is not known is absent, and never matches a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Client {
    /// ISO 3166-1 alpha-2, upper case; `T1` for Tor.
    pub country: Option<String>,
    /// `AF`, `AN`, `AS`, `EU`, `NA`, `OC` or `SA`.
    pub continent: Option<String>,
    /// Number of its network.
    pub asn: Option<u32>,
    /// Its address.
    pub ip: Option<IpAddr>,
    /// 1 (certainly a bot) to 99 (certainly a person).
    pub bot_score: Option<u8>,
    /// Whether it is a bot that is what it says.
    pub verified_bot: Option<bool>,
}

impl Client {
    /// The part of its address that one client keeps.
    pub fn prefix(&self) -> Option<IpPrefix> {
        self.ip.map(IpPrefix::of)
    }
}
