//! How far a call's first message or chunk reaches by what it says itself: of a large call the kernel
//! copies no more of a long body than is kept, and what follows on it.
//!
//! It believes nobody more than it must: what is odd in any way says nothing, and what a call hides
//! behind a wrong length is what it hid when nothing behind the first bytes of a call was read at all.
//! The parts are functions of whole words, so that the kernel's verifier looks at each once.

use crate::sniff::{equal, is_hex_digit};

/// Bytes at the front of a call in which a head must end to be understood.
pub const HEAD_SCAN_BYTES: u64 = 4096;
/// Lines that it may have.
const LINES_MAX: u64 = 64;
/// Bytes of a word.
pub const WORD_BYTES: u64 = 8;
/// Words in which a line must end to be passed over: 2 KiB.
const LINE_WORDS_MAX: u64 = 256;
/// Where the status of a response begins (RFC 9112 §4).
pub const STATUS: u64 = 9;

/// What goes on until the conn ends.
const ENDLESS: u64 = 1 << 60;
/// Digits of the longest body that is believed.
const DIGITS_MAX: u64 = 12;
/// Digits of the longest chunk that is.
const HEX_DIGITS_MAX: u64 = 10;
/// No length was said.
const NONE: u64 = u64::MAX;

/// What a call's first bytes are.
#[repr(u64)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// The head of a request.
    Request = 1,
    /// The head of a response.
    Response = 2,
    /// Neither: perhaps the line that begins a chunk.
    Other = 3,
}

/// What a line of a head is: [`END`] to [`ODD`], and in the bits above [`KIND`] the length it says.
const KIND: u64 = 7;
/// The empty line behind the last field.
const END: u64 = 1;
/// Transfer-Encoding, of `chunked` alone.
const CODING: u64 = 2;
/// Content-Length.
const LENGTH: u64 = 3;
/// Content-Length with what is no length, or another coding.
const ODD: u64 = 4;

/// Where the first message or chunk of a call ends, which begins with a [`Front`] of this number; 0 if
/// it does not say, and far beyond any call if it goes on until the conn ends.
///
/// `status` gives the word at [`STATUS`]; `next` where the line ends that begins at some place, 0 if that
/// is not to be had; `field` and `chunk` what [`head_line`] and [`chunk_line`] say of the line there.
#[inline(always)]
pub fn extent(
    front: u64,
    status: impl Fn() -> u64,
    next: impl Fn(u64) -> u64,
    field: impl Fn(u64) -> u64,
    chunk: impl Fn(u64) -> u64,
) -> u64 {
    if front == Front::Other as u64 {
        return chunk(0);
    }
    let (mut at, mut length, mut chunked) = (0, NONE, false);
    let mut lines = 0;
    while lines < LINES_MAX {
        lines += 1;
        let end = next(at);
        if end == 0 || end > HEAD_SCAN_BYTES {
            return 0;
        }
        at = end;
        let line = field(at);
        let kind = line & KIND;
        if kind == END {
            let body = at + 2;
            if front == Front::Response as u64 && has_no_body(status()) {
                return body;
            }
            // Whatever a length says beside it (RFC 9112 §6.3).
            if chunked {
                let end = chunk(body);
                return if end == 0 { 0 } else { body + end };
            }
            if length != NONE {
                return body + length;
            }
            return if front == Front::Response as u64 {
                ENDLESS
            } else {
                body
            };
        }
        if kind == ODD || (kind == LENGTH && length != NONE) {
            return 0;
        }
        if kind == LENGTH {
            length = line >> 3;
        }
        if kind == CODING {
            chunked = true;
        }
    }
    0
}

/// Whether a response has no body whatever its fields say (RFC 9112 §6.3), by the word at [`STATUS`], its
/// first byte lowest.
#[inline(always)]
const fn has_no_body(word: u64) -> bool {
    const NO_CONTENT: u64 = number(*b"204");
    const NOT_MODIFIED: u64 = number(*b"304");
    let status = word & 0xff_ffff;
    status == NO_CONTENT || status == NOT_MODIFIED || status as u8 == b'1'
}

/// Three digits as the lowest bytes of a word.
const fn number([first, second, third]: [u8; 3]) -> u64 {
    first as u64 | (second as u64) << 8 | (third as u64) << 16
}

/// Where the line ends that begins at `at`; 0 if it is too long, or not within `len`.
///
/// `word` gives the word at some place, zero where there is nothing; `further` the place a word behind
/// another.
#[inline(always)]
pub fn next_line(
    at: u64,
    len: u64,
    word: impl Fn(u64) -> u64,
    further: impl Fn(u64) -> u64,
) -> u64 {
    let mut at = at;
    let mut step = 0;
    while step < LINE_WORDS_MAX {
        step += 1;
        if at >= len {
            return 0;
        }
        let end = line_end(word(at));
        if end != 0 {
            return at + end;
        }
        at = further(at);
    }
    0
}

/// How many bytes of `word`, the first one lowest, a line has that ends within; 0 if it does not.
#[inline(always)]
const fn line_end(word: u64) -> u64 {
    // The top bit of each byte that is one; of these the lowest alone, at the bottom of its byte.
    let found = equal(word, b'\n');
    let lowest = (found & found.wrapping_neg()) >> 7;
    // As many bytes up as it lies, the product has that byte of this number at its top.
    lowest.wrapping_mul(0x0102_0304_0506_0708) >> 56
}

/// What a line of a head is of which these are the first bytes, the first one lowest.
#[inline(always)]
#[must_use]
pub const fn head_line(words: [u64; 5]) -> u64 {
    const LENGTH_NAME: [u64; 2] = small(*b"content-length:\0");
    const CODING_NAME: [u64; 2] = small(*b"transfer-encodin");
    const CHUNKED: [u64; 2] = small(*b"g: chunked\r\n\0\0\0\0");
    const LAST: u64 = 0xff << 56;
    let [first, second, third, fourth, fifth] = words;
    if first & 0xffff == 0x0a0d {
        return END;
    }
    let (low, high) = (in_small(first), in_small(second));
    if low == CODING_NAME[0] && high == CODING_NAME[1] {
        let is_chunked =
            in_small(third) == CHUNKED[0] && in_small(fourth) & 0xffff_ffff == CHUNKED[1];
        // Another field's name may go on so.
        let is_field = in_small(third) & 0xffff == CHUNKED[0] & 0xffff;
        return if is_chunked {
            CODING
        } else if is_field {
            ODD
        } else {
            0
        };
    }
    if low != LENGTH_NAME[0] || high & !LAST != LENGTH_NAME[1] {
        return 0;
    }
    let (mut now, mut behind) = (second >> 56 | third << 8, third >> 56 | fourth << 8);
    let mut last = fourth >> 56 | fifth << 8;
    let (mut number, mut digits) = (0_u64, 0);
    let mut place = 0;
    while place < 24 {
        let byte = now as u8;
        now = now >> 8 | behind << 56;
        behind = behind >> 8 | last << 56;
        last >>= 8;
        place += 1;
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            number = number * 10 + digit as u64;
            digits += 1;
            if digits > DIGITS_MAX {
                return ODD;
            }
        } else if digits > 0 {
            return if byte == b'\r' {
                LENGTH | number << 3
            } else {
                ODD
            };
        } else if byte != b' ' && byte != b'\t' {
            return ODD;
        }
    }
    ODD
}

/// Where the chunk ends whose line begins with these bytes (RFC 9112 §7.1), the first one lowest; 0 if
/// it is none, or has an extension.
#[inline(always)]
#[must_use]
pub const fn chunk_line(words: [u64; 2]) -> u64 {
    let [mut now, mut behind] = words;
    let (mut number, mut place) = (0_u64, 0);
    while place <= HEX_DIGITS_MAX {
        let byte = now as u8;
        now = now >> 8 | behind << 56;
        behind >>= 8;
        if !is_hex_digit(byte) {
            let is_end = place > 0 && byte == b'\r' && now as u8 == b'\n';
            return if is_end { place + 2 + number } else { 0 };
        }
        // Of letters the lowest four bits count from 1.
        number = number << 4 | ((byte & 15) + 9 * (byte >> 6)) as u64;
        place += 1;
    }
    0
}

/// The letters of `word` as small ones. Of what is no letter, some become what is none either.
#[inline(always)]
const fn in_small(word: u64) -> u64 {
    word | (word & 0x4040_4040_4040_4040) >> 1
}

/// Sixteen bytes as words, as [`in_small`] has them.
const fn small(bytes: [u8; 16]) -> [u64; 2] {
    let all = u128::from_le_bytes(bytes);
    [all as u64, (all >> 64) as u64]
}

#[cfg(test)]
mod tests {
    use super::{Front, STATUS, WORD_BYTES, chunk_line, extent, head_line, next_line};

    /// Words of `call` from `at` on, zero where there is nothing.
    fn words<const N: usize>(call: &[u8], at: u64) -> [u64; N] {
        let rest = call.get(usize::try_from(at).unwrap()..).unwrap_or_default();
        let byte = |at: usize| rest.get(at).copied().unwrap_or(0);
        std::array::from_fn(|word| {
            u64::from_le_bytes(std::array::from_fn(|place| byte(word * 8 + place)))
        })
    }

    /// Where the line ends that begins at `at`.
    fn line(call: &[u8], at: u64) -> u64 {
        let word = |at| words::<1>(call, at)[0];
        next_line(at, call.len() as u64, word, |at| at + WORD_BYTES)
    }

    fn end(front: Front, call: &[u8]) -> u64 {
        let next = |at| line(call, at);
        let field = |at| head_line(words(call, at));
        let status = || words::<1>(call, STATUS)[0];
        let chunk = |at| chunk_line(words(call, at));
        extent(front as u64, status, next, field, chunk)
    }

    /// What comes behind the head or line in `call` is of `expected` bytes by what it says; cut before,
    /// it says nothing.
    #[track_caller]
    fn check(front: Front, call: &str, expected: Option<u64>) {
        let whole = format!("{call}BODY");
        let told = expected.map_or(0, |length| call.len() as u64 + length);
        assert_eq!(end(front, whole.as_bytes()), told, "{call:?}");
        for cut in 0..call.len() {
            assert_eq!(end(front, &call.as_bytes()[..cut]), 0, "{call:?} to {cut}");
        }
    }

    #[test]
    fn a_length_is_read_wherever_it_stands() {
        for (fields, expected) in [
            ("Content-Length: 1000000\r\n", 1_000_000),
            ("content-length:7\r\nServer: x\r\n", 7),
            ("Date: today\r\nCONTENT-LENGTH: \t 0\r\nA: b\r\n", 0),
            ("X-Content-Length: 5\r\nContent-Length: 9\r\n", 9),
            ("A: content-length: 5\r\nContent-Length: 9\r\n", 9),
            ("Content-Length: 000000000009\r\n", 9),
            ("Content-Length: 999999999999\r\n", 999_999_999_999),
        ] {
            let response = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
            check(Front::Response, &response, Some(expected));
        }
        let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n";
        check(Front::Request, request, Some(12));
    }

    #[test]
    fn what_is_odd_says_nothing() {
        for fields in [
            "Content-Length: 1\r\nContent-Length: 1\r\n",
            "Content-Length:\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: 1, 1\r\n",
            "Content-Length: 1 \r\n",
            "Content-Length: 0x10\r\n",
            "Content-Length: 99999999999999999999999999\r\n",
            "Content-Length: 18446744073709551617\r\n",
            "Content-Length: 1\n",
            "Content-Length: 0000000000009\r\n",
        ] {
            let response = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
            check(Front::Response, &response, None);
        }
    }

    #[test]
    fn without_a_length_a_response_goes_on_and_a_request_has_no_body() {
        let response = b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\nBODY";
        assert!(end(Front::Response, response) > u64::from(u32::MAX));
        check(Front::Request, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", Some(0));
    }

    #[test]
    fn what_has_no_body_ends_with_its_head() {
        for status in ["304 Not Modified", "204 No Content", "101 x", "103 x"] {
            for field in [
                "",
                "Content-Length: 70000\r\n",
                "Transfer-Encoding: chunked\r\n",
            ] {
                let response = format!("HTTP/1.1 {status}\r\n{field}\r\n");
                check(Front::Response, &response, Some(0));
            }
        }
    }

    #[test]
    fn other_codings_say_nothing_and_other_fields_are_passed_over() {
        let response =
            |field: &str| format!("HTTP/1.1 200 OK\r\n{field}\r\nContent-Length: 7\r\n\r\n");
        for coding in ["identity", "gzip, chunked", "chunked, gzip", "chunkedx"] {
            check(
                Front::Response,
                &response(&format!("Transfer-Encoding: {coding}")),
                None,
            );
        }
        check(
            Front::Response,
            &response("Transfer-Encoding-X: chunked"),
            Some(7),
        );
        check(
            Front::Response,
            &response("Transfer-Encodings: chunked"),
            Some(7),
        );
    }

    #[test]
    fn a_head_that_is_too_long_says_nothing() {
        let field = |lines: usize, bytes: usize| {
            let lines = format!("A: {}\r\n", "a".repeat(bytes)).repeat(lines);
            format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: 5\r\n\r\n")
        };
        check(Front::Response, &field(60, 8), Some(5));
        check(Front::Response, &field(64, 8), None);
        check(Front::Response, &field(3, 1000), Some(5));
        check(Front::Response, &field(5, 1000), None);
    }

    #[test]
    fn a_line_of_more_than_2_kib_is_not_passed_over() {
        for front in [0, 1, 5, 8, 13] {
            let of = |bytes: usize| {
                let call = format!("{}{}\nrest", "a".repeat(front), "b".repeat(bytes - 1));
                line(call.as_bytes(), front as u64)
            };
            for bytes in [1, 7, 8, 9, 2047, 2048] {
                assert_eq!(
                    of(bytes),
                    (front + bytes) as u64,
                    "{bytes} bytes from {front}"
                );
            }
            assert_eq!((of(2049), of(4000)), (0, 0), "from {front}");
        }
        assert_eq!((line(b"a", 0), line(b"a\n", 2)), (0, 0));
        let head = |bytes: usize| {
            let field = format!("A: {}\r\n", "a".repeat(bytes - 5));
            format!("HTTP/1.1 200 OK\r\n{field}Content-Length: 5\r\n\r\n")
        };
        check(Front::Response, &head(2048), Some(5));
        check(Front::Response, &head(2049), None);
    }

    #[test]
    fn a_chunk_reaches_as_far_as_its_line_says() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";
        for (line, expected) in [
            ("8000\r\n", Some(0x8000)),
            ("aBc\r\n", Some(0xabc)),
            ("0\r\n", Some(0)),
            ("10;name=value\r\n", None),
            ("10 \r\n", None),
            ("\r\n", None),
            ("-1\r\n", None),
            ("g\r\n", None),
            ("10\n", None),
            ("00000000aF\r\n", Some(0xaf)),
            ("000000000aF\r\n", None),
            ("10000000000000000\r\n", None),
            ("ffffffffffffffff\r\n", None),
        ] {
            check(Front::Other, line, expected);
            let response = format!("{head}\r\n{line}");
            check(Front::Response, &response, expected);
            let both = format!("{head}Content-Length: 5\r\n\r\n{line}");
            check(Front::Response, &both, expected);
        }
        check(Front::Other, "<html>", None);
    }
}
