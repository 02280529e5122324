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
/// The kernel's verifier follows each branch with what is known of each number by then, so whole
/// words are compared, and `len` only where the bytes end.
#[inline(always)]
#[must_use]
pub fn sniff(head: &[u8; SNIFF_BYTES], len: usize) -> Sniff {
    let head = Words::of(head, len);
    if let Some(whole) = head.starts(*b"HTTP/1.\0\0\0\0\0\0\0\0\0", 7) {
        return if whole { Sniff::Response } else { Sniff::Open };
    }
    if let Some(whole) = head.starts(*b"PRI * HTTP/2.0\r\n", 16) {
        return if whole { Sniff::Http2 } else { Sniff::Open };
    }
    if let Some(whole) = head.starts(*b"PROXY \0\0\0\0\0\0\0\0\0\0", 6) {
        return if whole { Sniff::Proxy } else { Sniff::Open };
    }
    if let Some(whole) = head.starts(*b"\r\n\r\n\0\r\nQUIT\n\0\0\0\0", 12) {
        return if whole { Sniff::Proxy } else { Sniff::Open };
    }
    head.request()
}

/// Whether a space and a slash follow each other in the first `len` bytes: of what [`sniff`] takes
/// for a request, hardly anything but HTTP names a path right behind its first word.
#[inline(always)]
#[must_use]
pub const fn names_path(head: &[u8; SNIFF_BYTES], len: usize) -> bool {
    let head = Words::of(head, len);
    let (low, high) = (equal(head.low, b' '), equal(head.high, b' '));
    let behind = [low << 8, high << 8 | low >> 56];
    behind[0] & equal(head.low, b'/') | behind[1] & equal(head.high, b'/') != 0
}

/// The top bit of each byte of `word` that is `byte`.
#[inline(always)]
const fn equal(word: u64, byte: u8) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let other = word ^ u64::from_ne_bytes([byte; 8]);
    !(((other & LOW) + LOW) | other) & !LOW
}

/// The bytes as two numbers, the first byte lowest; zero where there are none.
struct Words {
    low: u64,
    high: u64,
    len: u64,
}

const _: () = assert!(SNIFF_BYTES == 16);

impl Words {
    #[inline(always)]
    const fn of(head: &[u8; SNIFF_BYTES], len: usize) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *head;
        let len = len as u64;
        Self {
            low: u64::from_le_bytes([a, b, c, d, e, f, g, h]) & first(len),
            high: u64::from_le_bytes([i, j, k, l, m, n, o, p]) & first(len.saturating_sub(8)),
            len,
        }
    }

    /// Whether what there is and the first `count` bytes of `word` agree, and if so, whether all
    /// of those are there.
    #[inline(always)]
    const fn starts(&self, word: [u8; SNIFF_BYTES], count: u64) -> Option<bool> {
        let word = Self::of(&word, SNIFF_BYTES);
        let low = (self.low ^ word.low) & first(self.len) & first(count);
        let high = (self.high ^ word.high)
            & first(self.len.saturating_sub(8))
            & first(count.saturating_sub(8));
        if low | high == 0 {
            Some(self.len >= count)
        } else {
            None
        }
    }

    /// Empty lines, a token, a space, and a byte that can begin a target.
    #[inline(always)]
    const fn request(&self) -> Sniff {
        // Two bits, not counts: see `sniff`.
        let mut token = false;
        let mut space = false;
        let mut at = 0;
        while at < SNIFF_BYTES as u64 {
            let word = if at < 8 { self.low } else { self.high };
            let byte = (word >> (at % 8 * 8)) as u8;
            if space && begins_target(byte) {
                return Sniff::Request;
            }
            if byte == b' ' && token && !space {
                space = true;
            } else if is_tchar(byte) && !space {
                token = true;
            } else if (byte == b'\r' || byte == b'\n') && !token {
                // An empty line before the request.
            } else if byte == 0 && at >= self.len {
                return Sniff::Open;
            } else {
                return Sniff::Other;
            }
            at += 1;
        }
        Sniff::Open
    }
}

/// The lowest `count` bytes of a number.
#[inline(always)]
const fn first(count: u64) -> u64 {
    if count >= 8 {
        u64::MAX
    } else {
        (1 << (count * 8)) - 1
    }
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
    use super::{SNIFF_BYTES, Sniff, is_tchar, names_path, sniff};

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
    fn a_path_right_behind_a_word_is_found_wherever_it_lies() {
        for at in 0..SNIFF_BYTES - 1 {
            let mut head = [b'x'; SNIFF_BYTES];
            head[at] = b' ';
            assert!(!names_path(&head, SNIFF_BYTES));
            head[at + 1] = b'/';
            assert!(names_path(&head, SNIFF_BYTES), "{at}");
            assert!(names_path(&head, at + 2));
            assert!(!names_path(&head, at + 1));
            head.swap(at, at + 1);
            assert!(!names_path(&head, SNIFF_BYTES));
        }
    }

    #[test]
    fn tchar_is_the_set_of_the_rfc() {
        let set = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        for byte in 0..=255u8 {
            assert_eq!(is_tchar(byte), set.contains(&byte), "{byte:#x}");
        }
    }
}
