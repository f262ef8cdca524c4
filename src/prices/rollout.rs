//! Charging a share of all clients first: `rollout: 0.1` is a tenth.

use std::{fmt, ops::Deref};

use sha2::{Digest, Sha256};

use crate::client::Client;

use super::{Diagnosis, json::Node};

/// A share of clients, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rollout {
    millionths: u32,
}

const ONE: u32 = 1_000_000;

/// Makes these hashes different from everybody else's.
const KEY: &[u8] = b"x402-edge rollout\n";

impl Default for Rollout {
    fn default() -> Self {
        Self { millionths: ONE }
    }
}

impl Rollout {
    pub(super) fn read(node: &Node<'_>) -> Result<Self, Diagnosis> {
        // Read as text: a decimal has no exact float.
        let text = node.number().filter(|text| !text.starts_with('-'));
        let (whole, fraction) = text.map(|text| text.split_once('.').unwrap_or((text, ""))).unwrap_or_default();
        let fraction = fraction.trim_end_matches('0');
        let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let millionths = format!("{whole}{fraction:0<6}").parse().ok().filter(|millionths| *millionths <= ONE);
        match millionths {
            Some(millionths) if digits(whole) && digits(fraction) && !whole.is_empty() && fraction.len() <= 6 => {
                Ok(Self { millionths })
            }
            _ => Err(node.problem("expected a share from 0 to 1 with at most 6 decimals, such as 0.1 for a tenth")),
        }
    }

    /// Whether this client is charged: always the same clients, and those of a smaller share are in each greater
    /// one. A client without an address is charged.
    pub fn includes(self, client: &dyn Deref<Target = Client>) -> bool {
        if self.millionths >= ONE {
            return true;
        }
        let Some(prefix) = client.prefix() else { return true };
        let hash = Sha256::new().chain_update(KEY).chain_update(prefix.to_string()).finalize();
        let (mut position, bytes) = (0_u64, hash.iter().take(8));
        bytes.for_each(|byte| position = position << 8 | u64::from(*byte));
        // position / 2^64 < millionths / 10^6
        u128::from(position) * u128::from(ONE) < u128::from(self.millionths) << 64
    }

    /// Whether all clients are charged.
    pub const fn is_everybody(self) -> bool {
        self.millionths == ONE
    }
}

impl fmt::Display for Rollout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:06}", self.millionths / ONE, self.millionths % ONE);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        Rollout::read(&Node::document(text).unwrap()).ok().map(|rollout| rollout.to_string())
    }

    #[test]
    fn a_share_is_an_exact_decimal() {
        for (text, share) in
            [("0.1", "0.1"), ("1", "1"), ("0", "0"), ("0.000001", "0.000001"), ("1.0", "1"), ("0.10000000", "0.1")]
        {
            assert_eq!(read(text).as_deref(), Some(share), "{text}");
        }
        for text in ["-0.1", "1.1", "2", "0.0000001", "1e-1", "\"0.1\"", "true", "99999999999"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_share_is_about_as_large_as_it_says_and_grows_without_losing_anybody() {
        let client = |n: u8, m: u8| Client { ip: Some([203, n, m, 7].into()), ..Client::default() };
        let share = |millionths| {
            let charged = move |client: &Client| Rollout { millionths }.includes(&client);
            (0..100).flat_map(|n| (0..100).map(move |m| client(n, m))).filter(charged).count()
        };
        assert!((900..1100).contains(&share(100_000)), "{}", share(100_000));
        assert_eq!((share(0), share(ONE)), (0, 10_000));
        let (small, great) = (Rollout { millionths: 100_000 }, Rollout { millionths: 200_000 });
        assert!((0..255).all(|n| !small.includes(&&client(n, n)) || great.includes(&&client(n, n))));
        assert!(Rollout { millionths: 0 }.includes(&&Client::default()));
    }

    #[test]
    fn an_ipv6_client_stays_itself_within_its_64() {
        let charged = |n: u16| {
            let ip = std::net::Ipv6Addr::new(0x2001, 0xdb8, 1, 2, n, 0, 0, n);
            Rollout { millionths: 500_000 }.includes(&&Client { ip: Some(ip.into()), ..Client::default() })
        };
        assert!((1..50).all(|n| charged(n) == charged(0)));
    }
}
