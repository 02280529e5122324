//! Sets of addresses: `10.0.0.0/8`, `192.0.2.1`, `2001:db8::/32`, `loopback`, `private`.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize, Serializer};

/// Addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Those that share the first `bits` bits of `address`.
    const fn new(address: IpAddr, bits: u32) -> Self {
        Self { address, bits }
    }

    /// Reads an address, or one with the length of its prefix: `10.0.0.0/8`, `2001:db8::/32`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let written: IpAddr = address.parse().ok()?;
        let most = if written.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) => bits.parse().ok()?,
            Some(_) => return None,
        };
        let address = written.to_canonical();
        // IPv4 in IPv6 is written as IPv4: its prefix counts from the first bit of that.
        let bits = if address.is_ipv4() && written.is_ipv6() {
            u32::checked_sub(bits, 96)?
        } else {
            bits
        };
        (bits <= most).then_some(Self { address, bits })
    }

    /// The one address of it, if there is but one.
    #[must_use]
    pub fn single(self) -> Option<IpAddr> {
        let most = if self.address.is_ipv4() { 32 } else { 128 };
        (self.bits == most).then_some(self.address)
    }

    /// Whether `address` is in it; IPv4 in IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        let (differing, most) = match (self.address, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits() ^ b.to_bits()), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits(), 128),
            _ => return false,
        };
        differing.checked_shr(most - self.bits).unwrap_or(0) == 0
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.single() {
            Some(address) => write!(f, "{address}"),
            None => write!(f, "{}/{}", self.address, self.bits),
        }
    }
}

/// Addresses, as a person names them: a network, an address, or a word for some networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// `loopback`: `127.0.0.0/8` and `::1`.
    Loopback,
    /// `private`: `10.0.0.0/8`, `172.16.0.0/12`, `192.168.0.0/16` (RFC 1918), `fc00::/7` (RFC 4193).
    Private,
    /// A network or one address.
    Network(Network),
}

const LOOPBACK: &[Network] = &[
    Network::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    Network::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
];

const PRIVATE: &[Network] = &[
    Network::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
    Network::new(IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
    Network::new(IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
    Network::new(IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
];

impl Addresses {
    /// What it looks like, for messages.
    pub const ALLOWED: &'static str =
        "an address, a network such as 10.0.0.0/8 or 2001:db8::/32, loopback, or private";

    /// Whether `address` is among them; IPv4 in IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let networks = match self {
            Self::Loopback => LOOPBACK,
            Self::Private => PRIVATE,
            Self::Network(network) => return network.contains(address),
        };
        networks.iter().any(|network| network.contains(address))
    }
}

impl FromStr for Addresses {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "loopback" => Ok(Self::Loopback),
            "private" => Ok(Self::Private),
            _ => Network::read(text)
                .map(Self::Network)
                .ok_or("is no address and no network"),
        }
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback => f.write_str("loopback"),
            Self::Private => f.write_str("private"),
            Self::Network(network) => network.fmt(f),
        }
    }
}

impl Serialize for Addresses {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|why| {
            let allowed = Self::ALLOWED;
            de::Error::custom(format!("`{text}` {why}; allowed: {allowed}"))
        })
    }
}

impl JsonSchema for Addresses {
    fn schema_name() -> Cow<'static, str> {
        "Addresses".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "x-check": "addresses" })
    }
}

#[cfg(test)]
mod tests {
    use super::{Addresses, Network};

    #[track_caller]
    fn check(of: &str, inside: &[&str], outside: &[&str]) {
        let addresses: Addresses = of.parse().unwrap();
        assert_eq!(addresses.to_string(), of);
        for address in inside {
            assert!(addresses.contains(address.parse().unwrap()), "{address}");
        }
        for address in outside {
            assert!(!addresses.contains(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn words_and_networks_hold_their_addresses() {
        check(
            "loopback",
            &["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"],
            &["128.0.0.1", "::2", "0.0.0.0"],
        );
        check(
            "private",
            &["10.1.2.3", "172.31.0.1", "192.168.1.1", "fd00::1"],
            &["172.32.0.1", "11.0.0.1", "fe80::1", "127.0.0.1"],
        );
        check(
            "10.0.0.0/8",
            &["10.255.0.1", "::ffff:10.0.0.1"],
            &["11.0.0.1", "::a00:1"],
        );
        check("2001:db8::/32", &["2001:db8:1::"], &["2001:db9::"]);
        check("192.0.2.7", &["192.0.2.7"], &["192.0.2.8"]);
        check("0.0.0.0/0", &["1.2.3.4"], &["::1"]);
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "a/8",
            "10.0.0.0/+8",
            "localhost",
        ] {
            assert!(text.parse::<Addresses>().is_err(), "{text}");
        }
        assert_eq!(
            Network::read("::ffff:10.0.0.0/104"),
            Network::read("10.0.0.0/8")
        );
    }
}
