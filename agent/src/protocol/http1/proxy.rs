//! The head a proxy sends before the first request (haproxy `doc/proxy-protocol.txt`): who asked it.
//!
//! ```text
//! v1   "PROXY " … CR LF                                   at most 107 bytes
//! v2   signature [u8; 12] │ version and command u8 │ family u8 │ length u16 (network order) │ …
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Most bytes of a version 1 head.
const V1_MAX_BYTES: usize = 107;
/// First bytes of a version 2 head.
const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes of a version 2 head before what its length counts.
const V2_FIXED_BYTES: usize = 16;

/// How long the head at the front of `bytes` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proxy {
    /// So many bytes.
    Length(usize),
    /// Too few bytes to tell.
    Short,
    /// It is none.
    None,
}

/// Measures the head at the front of `bytes`.
pub(super) fn measure(bytes: &[u8]) -> Proxy {
    if let Some(rest) = bytes.strip_prefix(V2_SIGNATURE) {
        return match rest {
            [version, _, high, low, ..] if version >> 4 == 2 => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                Proxy::Length(V2_FIXED_BYTES + length)
            }
            [] | [_] | [_, _] | [_, _, _] => Proxy::Short,
            _ => Proxy::None,
        };
    }
    if V2_SIGNATURE.starts_with(bytes) {
        return Proxy::Short;
    }
    let line = bytes.get(..V1_MAX_BYTES).unwrap_or(bytes);
    match line.iter().position(|byte| *byte == b'\n') {
        Some(at) => Proxy::Length(at + 1),
        None if bytes.len() >= V1_MAX_BYTES => Proxy::None,
        None => Proxy::Short,
    }
}

/// Who asked, by the whole head: address and port. `None` where the proxy speaks for itself or for
/// something without an IP address, and where it makes no sense.
pub(super) fn source(head: &[u8]) -> Option<(IpAddr, u16)> {
    match head.strip_prefix(V2_SIGNATURE) {
        Some(rest) => source_v2(rest),
        None => source_v1(head),
    }
}

fn source_v1(head: &[u8]) -> Option<(IpAddr, u16)> {
    let line = str::from_utf8(head).ok()?.trim_end_matches(['\r', '\n']);
    let mut words = line.split(' ');
    let [magic, family, from, to, port, to_port] = std::array::from_fn(|_| words.next());
    if magic != Some("PROXY") || to.is_none() || to_port.is_none() || words.next().is_some() {
        return None;
    }
    let address: IpAddr = match family? {
        "TCP4" => from?.parse::<Ipv4Addr>().ok()?.into(),
        "TCP6" => from?.parse::<Ipv6Addr>().ok()?.into(),
        _ => return None,
    };
    Some((address, port?.parse().ok()?))
}

/// What stands behind the signature.
fn source_v2(rest: &[u8]) -> Option<(IpAddr, u16)> {
    const PROXIED: u8 = 0x21;
    const TCP4: u8 = 0x11;
    const TCP6: u8 = 0x21;
    let [PROXIED, family, _, _, addresses @ ..] = rest else {
        return None;
    };
    let port = |at: usize| {
        let bytes = addresses.get(at..)?.first_chunk()?;
        Some(u16::from_be_bytes(*bytes))
    };
    match *family {
        TCP4 => {
            let address: [u8; 4] = *addresses.first_chunk()?;
            Some((Ipv4Addr::from(address).into(), port(8)?))
        }
        TCP6 => {
            let address: [u8; 16] = *addresses.first_chunk()?;
            Some((Ipv6Addr::from(address).into(), port(32)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Proxy, measure, source};

    #[track_caller]
    fn check(input: &[u8], expected: Proxy) {
        assert_eq!(measure(input), expected);
        let Proxy::Length(length) = expected else {
            return;
        };
        for cut in 0..length.min(16).min(input.len()) {
            assert_eq!(measure(&input[..cut]), Proxy::Short, "cut at byte {cut}");
        }
    }

    #[test]
    fn both_versions_are_measured() {
        let v1 = b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\nGET / HTTP/1.1\r\n";
        check(v1, Proxy::Length(40));
        check(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", Proxy::Length(28));
        check(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0GET", Proxy::Length(16));
    }

    #[test]
    fn what_is_too_long_or_of_another_version_is_none() {
        check(&[b'P'; 107], Proxy::None);
        check(b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c", Proxy::None);
    }

    #[track_caller]
    fn check_source(head: &[u8], expected: Option<(&str, u16)>) {
        let expected = expected.map(|(ip, port)| (ip.parse().unwrap(), port));
        assert_eq!(source(head), expected);
        for cut in 0..head.len() {
            let _ = source(&head[..cut]);
        }
    }

    #[test]
    fn who_asked_is_told_by_both_versions() {
        let v1 = b"PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\n";
        check_source(v1, Some(("192.0.2.1", 5000)));
        let v1 = b"PROXY TCP6 2001:db8::1 ::1 5000 80\r\n";
        check_source(v1, Some(("2001:db8::1", 5000)));
        let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x13\x88\0\x50";
        check_source(v2, Some(("192.0.2.1", 5000)));
        let mut v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24".to_vec();
        v2.extend(
            "2001:db8::1"
                .parse::<std::net::Ipv6Addr>()
                .unwrap()
                .octets(),
        );
        v2.extend([0; 16]);
        v2.extend([0x13, 0x88, 0, 80]);
        check_source(&v2, Some(("2001:db8::1", 5000)));
    }

    #[test]
    fn a_proxy_that_speaks_for_itself_or_makes_no_sense_names_nobody() {
        for head in [
            &b"PROXY UNKNOWN\r\n"[..],
            b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n",
            b"PROXY TCP4 2001:db8::1 ::1 5000 80\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 99999 80\r\n",
            b"PROXY TCP4 192.0.2.1 5000\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x20\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\x13\x88\0\x50",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x31\0\x02ab",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x02ab",
        ] {
            check_source(head, None);
        }
    }
}
