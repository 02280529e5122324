//! Addresses and ids under another name: the same one each time, on this host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::keyed::HashKey;

/// The address that stands for `address`. Two addresses that share their first bytes (two, in IPv6)
/// share those of their pseudonyms, and no more: networks can be told, hosts cannot be named.
/// Loopback and unspecified addresses stay.
pub(super) fn address(address: IpAddr, key: &HashKey) -> IpAddr {
    if address.is_loopback() || address.is_unspecified() {
        return address;
    }
    match address {
        IpAddr::V4(v4) => Ipv4Addr::from(bytes(v4.octets(), 1, key)).into(),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => Ipv4Addr::from(bytes(v4.octets(), 1, key)).into(),
            None => Ipv6Addr::from(bytes(v6.octets(), 2, key)).into(),
        },
    }
}

/// Each group of `width` bytes, mixed with the hash of those in front of it: a permutation.
fn bytes<const N: usize>(mut bytes: [u8; N], width: usize, key: &HashKey) -> [u8; N] {
    let original = bytes;
    for start in (0..N).step_by(width) {
        let mut before = [0; 18];
        let front = original.get(..start).unwrap_or_default();
        // The length keeps ::1 and 0.0.0.1 apart, and a prefix from a longer one of zeros.
        before[0] = N as u8;
        before[1] = start as u8;
        for (to, from) in before.iter_mut().skip(2).zip(front) {
            *to = *from;
        }
        let mix = key.hash(&before).0.to_be_bytes();
        for (byte, mix) in bytes.iter_mut().skip(start).take(width).zip(mix) {
            *byte ^= mix;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::address;
    use crate::keyed::HashKey;
    use std::collections::BTreeSet;
    use std::net::IpAddr;

    fn check(text: &str) -> IpAddr {
        address(text.parse().unwrap(), &HashKey::new(b"key"))
    }

    #[test]
    fn addresses_of_one_network_stay_in_one() {
        let (a, b, c) = (
            check("203.0.113.7"),
            check("203.0.113.8"),
            check("203.0.114.7"),
        );
        let octets = |address: IpAddr| match address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        assert_eq!(octets(a)[..3], octets(b)[..3]);
        assert_eq!(octets(a)[..2], octets(c)[..2]);
        assert_ne!(octets(a)[2], octets(c)[2]);
        assert_ne!(a, check("203.0.113.9"));
        let (a, b) = (check("2001:db8::1"), check("2001:db8::2"));
        assert_eq!(octets(a)[..14], octets(b)[..14]);
        assert_ne!(a, b);
        assert_eq!(check("::ffff:203.0.113.7"), check("203.0.113.7"));
        assert_eq!(check("127.0.0.1").to_string(), "127.0.0.1");
    }

    #[test]
    fn no_two_addresses_share_a_pseudonym() {
        let all: BTreeSet<_> = (0..=255)
            .map(|last| check(&format!("10.0.0.{last}")))
            .collect();
        assert_eq!(all.len(), 256);
    }
}
