//! Protocol guess from the first bytes of a transfer: the kernel drops by it, the agent picks a parser.

use crate::limits::SNIFF_BYTES;

/// What the first bytes look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sniff {
    /// A request line: a token, a space, and the beginning of a target (RFC 9112 §3).
    Request,
    /// A status line: `HTTP/1.` (RFC 9112 §4).
    Response,
    /// The client preface of HTTP/2 (RFC 9113 §3.4).
    Http2,
    /// The head of the PROXY protocol, version 1 or 2.
    Proxy,
    /// A prefix of one of these, too short to tell.
    Open,
    /// None of these.
    Other,
}

/// Guesses from the first `len` bytes of `head` (at most [`SNIFF_BYTES`]; the rest is not looked at).
///
/// Leading CR and LF are passed over, as servers do (RFC 9112 §2.2). Bounded: one pass, no look-back.
#[inline(always)]
#[must_use]
pub fn sniff(head: &[u8; SNIFF_BYTES], len: usize) -> Sniff {
    let len = if len < SNIFF_BYTES { len } else { SNIFF_BYTES };
    if starts(head, len, b"HTTP/1.") {
        return if len >= 7 {
            Sniff::Response
        } else {
            Sniff::Open
        };
    }
    if starts(head, len, b"PRI * HTTP/2.0\r\n") {
        return if len >= 16 { Sniff::Http2 } else { Sniff::Open };
    }
    if starts(head, len, b"PROXY ") {
        return if len >= 6 { Sniff::Proxy } else { Sniff::Open };
    }
    if starts(head, len, b"\r\n\r\n\0\r\nQUIT\n") {
        return if len >= 12 { Sniff::Proxy } else { Sniff::Open };
    }
    request(head, len)
}

/// Whether what there is of `head` and `word` agree.
#[inline(always)]
fn starts<const N: usize>(head: &[u8; SNIFF_BYTES], len: usize, word: &[u8; N]) -> bool {
    let mut at = 0;
    while at < N && at < SNIFF_BYTES {
        if at >= len {
            return len > 0;
        }
        let (Some(have), Some(want)) = (head.get(at), word.get(at)) else {
            return false;
        };
        if *have != *want {
            return false;
        }
        at += 1;
    }
    true
}

/// Empty lines, a token, a space, and a byte that can begin a target.
#[inline(always)]
fn request(head: &[u8; SNIFF_BYTES], len: usize) -> Sniff {
    let mut token = 0u32;
    let mut space = false;
    let mut at = 0;
    while at < SNIFF_BYTES {
        if at >= len {
            return Sniff::Open;
        }
        let Some(&byte) = head.get(at) else {
            return Sniff::Open;
        };
        if space {
            return if begins_target(byte) {
                Sniff::Request
            } else {
                Sniff::Other
            };
        }
        if byte == b' ' {
            if token == 0 {
                return Sniff::Other;
            }
            space = true;
        } else if is_tchar(byte) {
            token += 1;
        } else if token == 0 && (byte == b'\r' || byte == b'\n') {
            // An empty line before the request.
        } else {
            return Sniff::Other;
        }
        at += 1;
    }
    Sniff::Open
}

/// A byte that can begin a request target: origin, absolute, authority or asterisk form
/// (RFC 9112 §3.2), an IPv6 literal, or bytes beyond ASCII that real clients send.
#[inline(always)]
const fn begins_target(byte: u8) -> bool {
    byte == b'/'
        || byte == b'*'
        || byte == b'['
        || byte == b'%'
        || byte == b'?'
        || byte >= 0x80
        || byte.is_ascii_alphanumeric()
}

/// `tchar` (RFC 9110 §5.6.2), as two words of bits so that the kernel needs no table in memory.
#[inline(always)]
const fn is_tchar(byte: u8) -> bool {
    const LOW: u64 = bits(0);
    const HIGH: u64 = bits(64);
    if byte < 64 {
        LOW >> byte & 1 == 1
    } else {
        byte < 128 && HIGH >> (byte - 64) & 1 == 1
    }
}

/// The 64 answers from `from` on.
const fn bits(from: u8) -> u64 {
    let mut set = 0u64;
    let mut at = 0u8;
    while at < 64 {
        let byte = from + at;
        let symbol = matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        );
        if symbol || byte.is_ascii_alphanumeric() {
            set |= 1 << at;
        }
        at += 1;
    }
    set
}

#[cfg(test)]
mod tests {
    use super::{SNIFF_BYTES, Sniff, is_tchar, sniff};

    #[track_caller]
    fn check(input: &[u8], expected: Sniff) {
        let mut head = [0; SNIFF_BYTES];
        let len = input.len().min(SNIFF_BYTES);
        head[..len].copy_from_slice(&input[..len]);
        assert_eq!(
            sniff(&head, input.len()),
            expected,
            "{}",
            input.escape_ascii()
        );
    }

    #[test]
    fn messages_are_known_by_their_first_bytes() {
        check(b"GET / HTTP/1.1\r\n", Sniff::Request);
        check(b"GET /", Sniff::Request);
        check(b"\r\n\r\nGET / HTTP/1.1\r\n", Sniff::Request);
        check(b"OPTIONS * HTTP/1.1", Sniff::Request);
        check(b"CONNECT a:443 HTTP/1.1", Sniff::Request);
        check(b"GET http://a/ HTTP/1.0", Sniff::Request);
        check(b"M-SEARCH /x HTTP/1.1", Sniff::Request);
        check(b"HTTP/1.1 200 OK\r\n", Sniff::Response);
        check(b"HTTP/1.", Sniff::Response);
        check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Sniff::Http2);
        check(b"PROXY TCP4 10.0.0.1", Sniff::Proxy);
        check(b"\r\n\r\n\0\r\nQUIT\n\x21\x11", Sniff::Proxy);
    }

    #[test]
    fn short_prefixes_stay_open() {
        for whole in [
            &b"GET /"[..],
            b"HTTP/1.",
            b"PROXY ",
            b"\r\n\r\n\0\r\nQUIT\n",
        ] {
            for cut in 0..whole.len() {
                check(&whole[..cut], Sniff::Open);
            }
        }
        check(b"AVERYLONGMETHODNAME /", Sniff::Open);
        check(b"SSH-2.0-OpenSSH_9.2p1 Debian", Sniff::Open);
    }

    #[test]
    fn other_protocols_are_told_apart() {
        check(b"\x16\x03\x01\x02\x00\x01", Sniff::Other);
        check(b"\x00\x00\x00\x08\x04\xd2\x16\x2f", Sniff::Other);
        check(b"*1\r\n$4\r\nPING\r\n", Sniff::Other);
        check(b"PING\r\n", Sniff::Other);
        check(b"\x4a\x00\x00\x00\x0a8.0.36", Sniff::Other);
        check(b"{\"a\":1}", Sniff::Other);
        check(b" GET / HTTP/1.1", Sniff::Other);
        check(b"GET  / HTTP/1.1", Sniff::Other);
    }

    #[test]
    fn tchar_is_the_set_of_the_rfc() {
        let set = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        for byte in 0..=255u8 {
            assert_eq!(is_tchar(byte), set.contains(&byte), "{byte:#x}");
        }
    }
}
