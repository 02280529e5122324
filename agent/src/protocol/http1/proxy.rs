//! The head a proxy sends before the first request (haproxy `doc/proxy-protocol.txt`): passed over.
//!
//! ```text
//! v1   "PROXY " … CR LF                                   at most 107 bytes
//! v2   signature [u8; 12] │ version and command u8 │ family u8 │ length u16 (network order) │ …
//! ```

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

#[cfg(test)]
mod tests {
    use super::{Proxy, measure};

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
}
