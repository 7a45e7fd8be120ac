//! Ranges of addresses.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// `10.1.0.0/16`, without bits behind the prefix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet {
    first: IpAddr,
    prefix_bits: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network such as 10.1.0.0/16")]
pub struct BadSubnet(pub String);

impl Subnet {
    /// Of all that begin alike.
    pub fn around(address: IpAddr, prefix_bits: u8) -> Option<Subnet> {
        let bits = u32::from(prefix_bits);
        let first = match address {
            IpAddr::V4(it) => {
                let mask = u32::MAX.checked_shl(32_u32.checked_sub(bits)?).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from(u32::from(it) & mask))
            }
            IpAddr::V6(it) => {
                let mask = u128::MAX.checked_shl(128_u32.checked_sub(bits)?).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from(u128::from(it) & mask))
            }
        };
        Some(Subnet { first, prefix_bits })
    }

    pub fn first(self) -> IpAddr {
        self.first
    }

    pub fn prefix_bits(self) -> u8 {
        self.prefix_bits
    }

    /// How many bits are left for addresses.
    pub fn host_bits(self) -> u8 {
        let all = if self.first.is_ipv4() { 32 } else { 128 };
        all - self.prefix_bits
    }

    pub fn contains(self, address: IpAddr) -> bool {
        Subnet::around(address, self.prefix_bits) == Some(self)
            && address.is_ipv4() == self.first.is_ipv4()
    }

    pub fn overlaps(self, other: Subnet) -> bool {
        self.contains(other.first) || other.contains(self.first)
    }

    pub fn covers(self, other: Subnet) -> bool {
        self.contains(other.first) && self.prefix_bits <= other.prefix_bits
    }
}

impl FromStr for Subnet {
    type Err = BadSubnet;
    fn from_str(text: &str) -> Result<Subnet, BadSubnet> {
        let parsed = text
            .split_once('/')
            .and_then(|(address, bits)| Subnet::around(address.parse().ok()?, bits.parse().ok()?));
        parsed.ok_or_else(|| BadSubnet(text.to_owned()))
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix_bits)
    }
}

impl fmt::Debug for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Subnet {
    type Error = BadSubnet;
    fn try_from(text: String) -> Result<Subnet, BadSubnet> {
        text.parse()
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> String {
        subnet.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().expect(text)
    }

    #[test]
    fn what_is_written_is_read_without_the_rest() {
        for (text, shown) in [
            ("10.1.2.3/16", Some("10.1.0.0/16")),
            ("10.1.2.3/32", Some("10.1.2.3/32")),
            ("10.1.2.3/0", Some("0.0.0.0/0")),
            ("fd00:1::5/64", Some("fd00:1::/64")),
            ("::1/0", Some("::/0")),
            ("10.1.2.3/33", None),
            ("fd00::/129", None),
            ("10.1.2.3", None),
            ("10.1.2/24", None),
            ("/8", None),
        ] {
            let found = text.parse::<Subnet>().ok().map(|it| it.to_string());
            assert_eq!(found.as_deref(), shown, "{text}");
        }
    }

    #[test]
    fn neighbours_and_parents() {
        for (one, other, overlaps, covers) in [
            ("10.1.0.0/16", "10.1.9.0/24", true, true),
            ("10.1.9.0/24", "10.1.0.0/16", true, false),
            ("10.1.0.0/16", "10.2.0.0/16", false, false),
            ("0.0.0.0/0", "fd00::/8", false, false),
            ("::/0", "0.0.0.0/0", false, false),
            ("fd00::/8", "fd00:1::/64", true, true),
        ] {
            assert_eq!(subnet(one).overlaps(subnet(other)), overlaps, "{one} {other}");
            assert_eq!(subnet(one).covers(subnet(other)), covers, "{one} {other}");
        }
        assert!(subnet("10.1.0.0/16").contains([10, 1, 255, 255].into()));
        assert_eq!(subnet("10.1.0.0/24").host_bits(), 8);
    }
}
