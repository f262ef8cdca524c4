//! Networks of addresses: `203.0.113.0/24`, and the prefix that stands for one client.

use std::{fmt, net::IpAddr, str::FromStr};

/// An address range in CIDR notation; a single address is its own range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IpNet {
    first: IpAddr,
    bits: u8,
}

/// Why a text is not an address range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseIpNetError {
    /// Nothing like it.
    #[error("expected an address or a range such as \"203.0.113.0/24\" or \"2001:db8::/32\"")]
    Form,
    /// Bits are set behind the prefix.
    #[error("the range has bits behind its prefix; its first address is {0}")]
    NotFirst(IpAddr),
}

impl IpNet {
    /// Whether the address lies in the range. An IPv4 address mapped into IPv6 counts as what it is.
    pub fn contains(&self, ip: IpAddr) -> bool {
        first_of(ip.to_canonical(), self.bits) == Some(self.first)
    }
}

impl FromStr for IpNet {
    type Err = ParseIpNetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let ip: IpAddr = address.parse().map_err(|_| ParseIpNetError::Form)?;
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) => {
                bits.parse().map_err(|_| ParseIpNetError::Form)?
            }
            Some(_) => return Err(ParseIpNetError::Form),
        };
        let first = first_of(ip, bits).ok_or(ParseIpNetError::Form)?;
        if first != ip {
            return Err(ParseIpNetError::NotFirst(first));
        }
        if ip.to_canonical() != ip {
            // ::ffff:0:0/96 in any length: no client's address looks like it.
            return Err(ParseIpNetError::Form);
        }
        Ok(Self { first, bits })
    }
}

impl fmt::Display for IpNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

/// The first address with the same leading bits; nothing where the address is shorter.
fn first_of(ip: IpAddr, bits: u8) -> Option<IpAddr> {
    let bits = u32::from(bits);
    Some(match ip {
        IpAddr::V4(ip) => {
            let behind = 32_u32.checked_sub(bits)?;
            IpAddr::V4((u32::from(ip) & u32::MAX.checked_shl(behind).unwrap_or(0)).into())
        }
        IpAddr::V6(ip) => {
            let behind = 128_u32.checked_sub(bits)?;
            IpAddr::V6((u128::from(ip) & u128::MAX.checked_shl(behind).unwrap_or(0)).into())
        }
    })
}

/// What stands for one client: an IPv4 address, or the /64 of an IPv6 one, within which a client moves freely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IpPrefix(IpNet);

impl IpPrefix {
    /// The prefix of an address.
    pub fn of(ip: IpAddr) -> Self {
        let ip = ip.to_canonical();
        let bits = if ip.is_ipv4() { 32 } else { 64 };
        Self(IpNet { first: first_of(ip, bits).unwrap_or(ip), bits })
    }
}

impl fmt::Display for IpPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(net: &str, ip: &str) -> bool {
        net.parse::<IpNet>().unwrap().contains(ip.parse().unwrap())
    }

    #[test]
    fn a_range_contains_what_shares_its_prefix() {
        for (net, ip) in [
            ("203.0.113.0/24", "203.0.113.255"),
            ("203.0.113.7", "203.0.113.7"),
            ("0.0.0.0/0", "255.1.2.3"),
            ("203.0.113.0/24", "::ffff:203.0.113.9"),
            ("2001:db8::/32", "2001:db8:ffff::1"),
            ("::/0", "2001::"),
        ] {
            assert!(contains(net, ip), "{ip} in {net}");
        }
        for (net, ip) in [
            ("203.0.113.0/24", "203.0.114.0"),
            ("203.0.113.7", "203.0.113.6"),
            ("0.0.0.0/0", "2001::"),
            ("::/0", "1.2.3.4"),
            ("2001:db8::/32", "2001:db9::"),
        ] {
            assert!(!contains(net, ip), "{ip} not in {net}");
        }
    }

    #[test]
    fn other_texts_are_no_range() {
        for text in ["", "1.2.3", "1.2.3.4/33", "::/129", "1.2.3.4/", "1.2.3.4/+8", "1.2.3.4/-1", "x", "::ffff:1.2.3.4"]
        {
            assert_eq!(text.parse::<IpNet>(), Err(ParseIpNetError::Form), "{text}");
        }
        let told = "203.0.113.7/24".parse::<IpNet>().unwrap_err().to_string();
        assert_eq!(told, "the range has bits behind its prefix; its first address is 203.0.113.0");
    }

    #[test]
    fn a_client_is_an_ipv4_address_or_an_ipv6_64() {
        let prefix = |ip: &str| IpPrefix::of(ip.parse().unwrap()).to_string();
        assert_eq!(prefix("203.0.113.7"), "203.0.113.7/32");
        assert_eq!(prefix("::ffff:203.0.113.7"), "203.0.113.7/32");
        assert_eq!(prefix("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
    }
}
