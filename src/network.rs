//! Networks: CAIP-2 ids (`eip155:8453`) in x402 v2, names (`base`) in v1.

use std::{fmt, str::FromStr};

/// An EVM chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network {
    chain_id: u64,
}

/// Why a text is not a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a CAIP-2 id such as \"eip155:8453\"")]
pub struct ParseNetworkError;

/// The v1 names, and whether `x402-fetch` 1.2 knows them: it fails on a whole 402 that names another.
const V1_NAMES: &[(&str, u64, bool)] = &[
    ("ethereum", 1, false),
    ("sepolia", 11_155_111, false),
    ("base", 8453, true),
    ("base-sepolia", 84532, true),
    ("avalanche", 43114, true),
    ("avalanche-fuji", 43113, true),
    ("polygon", 137, true),
    ("polygon-amoy", 80002, true),
    ("sei", 1329, true),
    ("sei-testnet", 1328, true),
    ("iotex", 4689, true),
    ("peaq", 3338, true),
    ("story", 1514, true),
    ("educhain", 41923, true),
    ("abstract", 2741, true),
    ("abstract-testnet", 11124, true),
    ("skale-base-sepolia", 324_705_682, true),
    ("megaeth", 4326, false),
    ("monad", 143, false),
    ("stable", 988, false),
    ("stable-testnet", 2201, false),
    ("celo", 42220, false),
    ("flare", 14, false),
];

impl Network {
    /// The chain with this EIP-155 id.
    pub const fn eip155(chain_id: u64) -> Self {
        Self { chain_id }
    }

    /// The EIP-155 chain id.
    pub const fn chain_id(self) -> u64 {
        self.chain_id
    }

    /// The network a v1 message names, such as `base-sepolia`.
    pub fn from_v1_name(name: &str) -> Option<Self> {
        V1_NAMES.iter().find(|(known, ..)| *known == name).map(|(_, id, _)| Self::eip155(*id))
    }

    /// The v1 name, where the official v1 client knows one.
    pub fn v1_name(self) -> Option<&'static str> {
        V1_NAMES.iter().find(|(_, id, in_client)| *id == self.chain_id && *in_client).map(|(name, ..)| *name)
    }
}

impl FromStr for Network {
    type Err = ParseNetworkError;

    /// Takes a CAIP-2 id of the namespace `eip155`; the reference is a decimal number from 1 to 2^64 - 1.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let reference = text.strip_prefix("eip155:").ok_or(ParseNetworkError)?;
        let plain = !reference.starts_with('0') && reference.bytes().all(|b| b.is_ascii_digit());
        match reference.parse() {
            Ok(chain_id) if plain => Ok(Self::eip155(chain_id)),
            _ => Err(ParseNetworkError),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "eip155:{}", self.chain_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_has_one_spelling() {
        assert_eq!("eip155:8453".parse(), Ok(Network::eip155(8453)));
        for text in [
            "",
            "base",
            "eip155:",
            "eip155:0",
            "eip155:08453",
            "eip155:+1",
            "eip155:-1",
            "EIP155:1",
            "eip155:1 ",
            "eip155:99999999999999999999",
            "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp",
        ] {
            assert_eq!(text.parse::<Network>(), Err(ParseNetworkError), "{text:?}");
        }
    }

    #[test]
    fn v1_names_lead_both_ways_where_the_v1_client_knows_them() {
        assert_eq!(Network::from_v1_name("base-sepolia"), Some(Network::eip155(84532)));
        assert_eq!(Network::eip155(84532).v1_name(), Some("base-sepolia"));
        assert_eq!(Network::from_v1_name("monad"), Some(Network::eip155(143)));
        assert_eq!(Network::eip155(143).v1_name(), None);
        assert_eq!(Network::from_v1_name("eip155:8453"), None);
    }
}
