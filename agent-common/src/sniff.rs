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
    /// The header of a frame of HTTP/2, as it stands where a conn that was joined late goes on, or at
    /// the front of what its server sends. Whose it is, it does not tell.
    Frames,
    /// The head of the PROXY protocol, version 1 or 2.
    Proxy,
    /// A prefix of one of these, too short to tell.
    Open,
    /// None of these.
    Other,
}

/// Guesses from the first `len` bytes of `head` (at most [`SNIFF_BYTES`]; the rest is not looked at).
///
/// Leading CR and LF are passed over, as servers do (RFC 9112 §2.2). The kernel's verifier follows
/// each branch with what is known of each number by then: so whole words are compared, and a
/// request line is judged by sets of places, without a loop.
#[inline(always)]
#[must_use]
pub const fn sniff(head: &[u8; SNIFF_BYTES], len: usize) -> Sniff {
    let head = Words::of(head, len);
    if let Some(whole) = head.starts(*b"HTTP/1.\0\0\0\0\0\0\0\0\0", 7) {
        return if whole { Sniff::Response } else { Sniff::Open };
    }
    // Go reads just so much of it at first, and nothing else begins like that.
    if let Some(whole) = head.starts(*b"PRI * HTTP/2.0\0\0", 14) {
        return if whole { Sniff::Http2 } else { Sniff::Open };
    }
    if let Some(whole) = head.starts(*b"PROXY \0\0\0\0\0\0\0\0\0\0", 6) {
        return if whole { Sniff::Proxy } else { Sniff::Open };
    }
    if let Some(whole) = head.starts(*b"\r\n\r\n\0\r\nQUIT\n\0\0\0\0", 12) {
        return if whole { Sniff::Proxy } else { Sniff::Open };
    }
    if head.frame() {
        return Sniff::Frames;
    }
    head.request()
}

/// Whether a transfer of so many bytes that begins with `head` is just one frame that a client of
/// WebSocket sends (RFC 6455 §5.2): the last or only one of a text or binary message, a ping or a pong,
/// masked, its length written as it must be. Other bytes are that once in ten thousand.
///
/// It tells of a conn that was open before anyone listened: its handshake is over, and what a server
/// sends, unmasked, looks like much else.
#[inline(always)]
#[must_use]
pub const fn is_masked_frame(head: &[u8; SNIFF_BYTES], transfer_bytes: u64) -> bool {
    let [first, second, third, fourth, ..] = *head;
    let (opcode, flags) = (first & 0x0f, first & 0xf0);
    let data = opcode == 1 || opcode == 2;
    let control = opcode == 9 || opcode == 10;
    // The bit for compressed messages (RFC 7692 §6) is of data alone.
    let is_one = flags == 0x80 && (data || control) || flags == 0xc0 && data;
    let short = (second & 0x7f) as u64;
    let long = (third as u64) << 8 | fourth as u64;
    let length = if short == 126 { long + 8 } else { short + 6 };
    is_one && second & 0x80 != 0 && short != 127 && length == transfer_bytes
}

/// What a record of TLS holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cipher {
    /// A message of the handshake, in clear.
    Handshake,
    /// Application data; in TLS 1.3 whatever is encrypted.
    Application,
}

/// The record of TLS whose header (RFC 8446 §5.1) the first `len` bytes begin with; of alerts and the
/// change of ciphers nothing is to be learnt.
///
/// Other bytes are that once in a hundred million.
#[inline(always)]
#[must_use]
pub const fn cipher(head: &[u8; SNIFF_BYTES], len: usize) -> Option<Cipher> {
    // 2^14, and 2048 for what TLS 1.2 adds to it (RFC 5246 §6.2.3).
    const MOST_BYTES: u32 = 18_432;
    let [kind, major, minor, high, low, ..] = *head;
    let bytes = (high as u32) << 8 | low as u32;
    if len < 5 || major != 3 || minor > 4 || bytes == 0 || bytes > MOST_BYTES {
        return None;
    }
    match kind {
        22 => Some(Cipher::Handshake),
        23 => Some(Cipher::Application),
        _ => None,
    }
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
pub(crate) const fn equal(word: u64, byte: u8) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let other = word ^ u64::from_ne_bytes([byte; 8]);
    !(((other & LOW) + LOW) | other) & !LOW
}

/// The bytes as two numbers, the first byte lowest; zero where there are none.
struct Words {
    low: u64,
    high: u64,
    /// The bytes that there are, in `low` and in `high`.
    there: [u64; 2],
    len: u64,
}

const _: () = assert!(SNIFF_BYTES == 16);

impl Words {
    #[inline(always)]
    const fn of(head: &[u8; SNIFF_BYTES], len: usize) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *head;
        let len = if len < SNIFF_BYTES { len } else { SNIFF_BYTES } as u64;
        let there = [first(len), first(len.saturating_sub(8))];
        Self {
            low: u64::from_le_bytes([a, b, c, d, e, f, g, h]) & there[0],
            high: u64::from_le_bytes([i, j, k, l, m, n, o, p]) & there[1],
            there,
            len,
        }
    }

    /// Whether what there is and the first `count` bytes of `word` agree, and if so, whether all
    /// of those are there.
    #[inline(always)]
    const fn starts(&self, word: [u8; SNIFF_BYTES], count: u64) -> Option<bool> {
        let word = Self::of(&word, count as usize);
        let low = (self.low ^ word.low) & self.there[0] & word.there[0];
        let high = (self.high ^ word.high) & self.there[1] & word.there[1];
        if low | high == 0 {
            Some(self.len >= count)
        } else {
            None
        }
    }

    /// A frame's header (RFC 9113 §4.1) as peers send them: a type with the flags, the length and the
    /// stream that it may have (§6). CONTINUATION begins no transfer by itself.
    #[inline(always)]
    const fn frame(&self) -> bool {
        // What each type may have, a byte a type, that of DATA lowest; WINDOW_UPDATE is the ninth.
        const FLAGS: u64 = 0x00_01_0c_01_00_00_2d_09;
        const EXACT_BYTES: u64 = 0x00_08_00_00_04_05_00_00;
        const LEAST_BYTES: u64 = 0x08_08_05_00_04_05_01_00;
        // The first byte is the lowest, so the other way round they are numbers as sent.
        let sent = self.low.swap_bytes();
        let (length, kind, flags) = (sent >> 40, sent >> 32 & 0xff, sent >> 24 & 0xff);
        let stream = (sent & 0xff_ffff) << 8 | self.high & 0xff;
        let place = (kind & 7) * 8;
        let update = kind == 8;
        let allowed = if update { 0 } else { (FLAGS >> place) & 0xff };
        let exact = if update {
            4
        } else {
            (EXACT_BYTES >> place) & 0xff
        };
        let least = if update {
            4
        } else {
            (LEAST_BYTES >> place) & 0xff
        };
        let settings = kind == 4;
        let of_conn = settings || kind == 6 || kind == 7;
        let most = if settings { 64 * 6 } else { 16_384 };
        self.len >= 9
            && kind <= 8
            && flags & !allowed == 0
            && (exact == 0 || length == exact)
            && length >= least
            && length <= most
            && !(settings && length % 6 != 0)
            && stream >> 31 == 0
            && (update || of_conn == (stream == 0))
    }

    /// Empty lines, a token, a space, and a byte that can begin a target.
    #[inline(always)]
    const fn request(&self) -> Sniff {
        let sets = self.sets();
        let there = (1 << self.len) - 1;
        // The first place behind the empty lines: of a run of ones, one more is the place behind.
        let token = ((sets.line & there) + 1) & !(sets.line & there);
        // A number with a run of ones, plus the run's first: the run is gone, the place behind set.
        let tchars = sets.tchar & there & !(token - 1);
        let space = (tchars + token) & !tchars;
        let target = space << 1;
        if space == token {
            // No token: all empty lines so far, or a byte that neither can have.
            return if token & there == 0 {
                Sniff::Open
            } else {
                Sniff::Other
            };
        }
        if space & there == 0 {
            return Sniff::Open;
        }
        if space & sets.space == 0 {
            return Sniff::Other;
        }
        if target & there == 0 {
            return Sniff::Open;
        }
        if target & sets.target == 0 {
            return Sniff::Other;
        }
        Sniff::Request
    }

    /// At which of the sixteen places a byte of each kind stands, the first place lowest.
    #[inline(always)]
    const fn sets(&self) -> Sets {
        let mut sets = Sets {
            line: 0,
            tchar: 0,
            space: 0,
            target: 0,
        };
        let mut at = 0;
        while at < SNIFF_BYTES as u64 {
            let word = if at < 8 { self.low } else { self.high };
            let byte = (word >> (at % 8 * 8)) as u8;
            sets.line |= member(byte, 0x2400, 0) << at;
            sets.tchar |= member(byte, TCHAR[0], TCHAR[1]) << at;
            sets.space |= member(byte, 1 << b' ', 0) << at;
            sets.target |= (member(byte, TARGET[0], TARGET[1]) | (byte >> 7) as u64) << at;
            at += 1;
        }
        sets
    }
}

/// Places in the first bytes.
struct Sets {
    /// CR and LF.
    line: u64,
    /// What a token has (`tchar`).
    tchar: u64,
    /// A space.
    space: u64,
    /// What can begin a target.
    target: u64,
}

/// 1 if `byte` is one of the set whose bytes below 64 are the bits of `low` and whose others below
/// 128 those of `high`, else 0. Without a branch, and without a table in memory.
#[inline(always)]
const fn member(byte: u8, low: u64, high: u64) -> u64 {
    let place = byte & 63;
    let upper = ((byte >> 6) & 1) as u64;
    let ascii = (byte >> 7) as u64 ^ 1;
    ((low >> place) & (upper ^ 1) | (high >> place) & upper) & ascii
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

/// `tchar` (RFC 9110 §5.6.2), as [`member`] takes it.
const TCHAR: [u64; 2] = [bits(0, b"!#$%&'*+-.^_`|~"), bits(64, b"!#$%&'*+-.^_`|~")];

/// Whether `byte` is a `tchar` (RFC 9110 §5.6.2): one of those that names and methods consist of.
#[must_use]
pub const fn is_tchar(byte: u8) -> bool {
    member(byte, TCHAR[0], TCHAR[1]) == 1
}

/// Whether `byte` is a hexadecimal digit.
#[inline(always)]
pub(crate) const fn is_hex_digit(byte: u8) -> bool {
    const HEX: [u64; 2] = [0x03ff << 48, 0x7e | 0x7e << 32];
    member(byte, HEX[0], HEX[1]) == 1
}

/// What can begin a request target besides bytes beyond ASCII, which real clients send: origin,
/// absolute, authority or asterisk form (RFC 9112 §3.2), or an IPv6 literal.
const TARGET: [u64; 2] = [bits(0, b"/*[%?"), bits(64, b"/*[%?")];

/// Which of the 64 bytes from `from` on are letters, digits or among `symbols`.
const fn bits(from: u8, symbols: &[u8]) -> u64 {
    let mut set = 0;
    let mut at = 0;
    while at < 64 {
        let byte = from + at;
        let mut is_in = byte.is_ascii_alphanumeric();
        let mut rest = symbols;
        while let [first, behind @ ..] = rest {
            is_in |= *first == byte;
            rest = behind;
        }
        set |= (is_in as u64) << at;
        at += 1;
    }
    set
}

#[cfg(test)]
mod tests {
    use super::{Cipher, SNIFF_BYTES, Sniff, cipher, is_masked_frame, is_tchar, names_path, sniff};

    #[test]
    fn a_record_of_tls_is_known_by_its_header() {
        let of = |front: &[u8]| {
            let mut head = [0; SNIFF_BYTES];
            head[..front.len()].copy_from_slice(front);
            let found = cipher(&head, front.len());
            // Nothing else takes it for its own.
            assert!(found.is_none() || sniff(&head, front.len()) == Sniff::Other);
            assert!(found.is_none() || !is_masked_frame(&head, front.len() as u64));
            found
        };
        assert_eq!(of(b"\x16\x03\x01\x02\x00\x01"), Some(Cipher::Handshake));
        assert_eq!(of(b"\x16\x03\x03\x00\x7a"), Some(Cipher::Handshake));
        assert_eq!(of(b"\x17\x03\x03\x40\x11"), Some(Cipher::Application));
        assert_eq!(of(b"\x17\x03\x03\x48\x00"), Some(Cipher::Application));
        // Each wrong in one way: too short, version, empty, too long, alert, change of ciphers.
        assert_eq!(of(b"\x17\x03\x03\x40"), None);
        assert_eq!(of(b"\x17\x02\x03\x00\x20"), None);
        assert_eq!(of(b"\x17\x03\x05\x00\x20"), None);
        assert_eq!(of(b"\x17\x03\x03\x00\x00"), None);
        assert_eq!(of(b"\x17\x03\x03\x48\x01"), None);
        assert_eq!(of(b"\x15\x03\x03\x00\x02"), None);
        assert_eq!(of(b"\x14\x03\x03\x00\x01"), None);
    }

    #[test]
    fn a_frame_of_a_client_is_known_by_its_header_and_length() {
        let is = |front: &[u8], bytes| {
            let mut head = [0; SNIFF_BYTES];
            head[..front.len()].copy_from_slice(front);
            is_masked_frame(&head, bytes)
        };
        assert!(is(b"\x81\x85abcdhello", 11));
        assert!(is(b"\xc2\xfe\x01\x00abcd", 264));
        assert!(is(b"\x8a\x80abcd", 6));
        assert!(is(b"\x89\x84abcdping", 10));
        // Each wrong in one way: length, mask, opcode, reserved bits, a fragment, too long.
        assert!(!is(b"\x81\x85abcdhello", 12));
        assert!(!is(b"\x81\x05hello", 7));
        assert!(!is(b"\x83\x85abcdhello", 11));
        assert!(!is(b"\xa1\x85abcdhello", 11));
        assert!(!is(b"\xca\x80abcd", 6));
        assert!(!is(b"\x01\x85abcdhello", 11));
        assert!(!is(b"\x81\xff\0\0\0\0\0\x01\0\0abcd", 65_550));
        assert!(!is(b"GET / HTTP/1.1\r\n", 16));
    }

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
        check(b"PRI * HTTP/2.0", Sniff::Http2);
        check(b"PROXY TCP4 10.0.0.1", Sniff::Proxy);
        check(b"\r\n\r\n\0\r\nQUIT\n\x21\x11", Sniff::Proxy);
    }

    #[test]
    fn frames_are_known_by_their_header() {
        check(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64", Sniff::Frames);
        check(b"\0\0\0\x04\x01\0\0\0\0", Sniff::Frames);
        check(b"\0\0\x26\x01\x05\0\0\0\x05\x82\x86", Sniff::Frames);
        check(b"\0\x40\0\0\0\0\0\x01\x01body", Sniff::Frames);
        check(b"\0\0\x04\x08\0\0\0\0\0\0\0\xff\xff", Sniff::Frames);
        check(b"\0\0\x08\x06\0\0\0\0\0abcdefg", Sniff::Frames);
        // Each wrong in one way: length, flags, stream, type, too short.
        check(b"\0\0\x13\x04\0\0\0\0\0\0\x03", Sniff::Other);
        check(b"\0\0\x07\x06\0\0\0\0\0abcdefg", Sniff::Other);
        check(b"\0\x40\x01\0\0\0\0\0\x01body", Sniff::Other);
        check(b"\0\0\x26\x01\x02\0\0\0\x05\x82\x86", Sniff::Other);
        check(b"\0\0\x26\x01\x05\0\0\0\0\x82\x86", Sniff::Other);
        check(b"\0\0\x08\x06\0\0\0\0\x01abcdefg", Sniff::Other);
        check(b"\0\0\x26\x01\x05\x80\0\0\x05\x82\x86", Sniff::Other);
        check(b"\0\0\x04\x0a\0\0\0\0\0\0\0\xff\xff", Sniff::Other);
        check(b"\0\0\x12\x04\0\0\0\0", Sniff::Other);
    }

    #[test]
    fn short_prefixes_stay_open() {
        for whole in [
            &b"GET /"[..],
            b"HTTP/1.",
            b"PROXY ",
            b"PRI * HTTP/2.0",
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
            let is_in = is_tchar(byte);
            assert_eq!(is_in, set.contains(&byte), "{byte:#x}");
        }
    }
}
