//! What a direction begins with: the guess of [`eaves_common::sniff`], carried on where a long
//! method leaves it open.

use super::http2::{Evidence, evidence};
use eaves_common::{SNIFF_BYTES, Sniff, is_tchar, sniff};

/// Bytes of a method beyond which nothing is taken for a request.
const METHOD_MAX_BYTES: usize = 64;

/// CR and LF before a message beyond which nothing is taken for one.
pub(super) const BLANK_MAX_BYTES: usize = 64;

/// What the first bytes of a direction are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opening {
    /// A request line begins here.
    Request,
    /// A status line begins here.
    Response,
    /// HTTP/2's client preface.
    Http2,
    /// Frames of HTTP/2, a request's head among them.
    FramesToServer,
    /// Frames of HTTP/2, a response's head among them.
    FramesToClient,
    /// Frames of HTTP/2 that do not tell whose they are: a body's, those of flow control, heads that
    /// name what was said before.
    Frames,
    /// What could be the first frame of an HTTP/2 server, its settings.
    Settings,
    /// The head of the PROXY protocol, before a request.
    Proxy,
    /// Too few bytes to tell.
    Short,
    /// None of these.
    Other,
}

/// Looks at the first bytes of a direction: a few dozen, and where they are frames at those.
#[must_use]
pub fn opening(bytes: &[u8]) -> Opening {
    let mut head = [0; SNIFF_BYTES];
    let len = bytes.len().min(SNIFF_BYTES);
    for (to, from) in head.iter_mut().zip(bytes) {
        *to = *from;
    }
    match sniff(&head, len) {
        Sniff::Request => Opening::Request,
        Sniff::Response => Opening::Response,
        Sniff::Http2 => Opening::Http2,
        Sniff::Proxy => Opening::Proxy,
        Sniff::Frames => frames(bytes),
        Sniff::Other => Opening::Other,
        Sniff::Open if bytes.len() < SNIFF_BYTES => Opening::Short,
        Sniff::Open => long_method(bytes),
    }
}

/// What frames of HTTP/2 that begin here tell.
fn frames(bytes: &[u8]) -> Opening {
    match evidence(bytes) {
        Evidence::Request => Opening::FramesToServer,
        Evidence::Response => Opening::FramesToClient,
        Evidence::Settings => Opening::Settings,
        Evidence::Frame => Opening::Frames,
        Evidence::None => Opening::Other,
    }
}

/// A token that goes on beyond what the kernel looks at, judged by the same guess: a part of it at
/// a time, with a letter for what came before.
fn long_method(bytes: &[u8]) -> Opening {
    let blank = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let start = bytes.iter().position(|byte| !blank(byte));
    if start.unwrap_or(bytes.len()) > BLANK_MAX_BYTES {
        return Opening::Other;
    }
    let line = start.and_then(|start| bytes.get(start..));
    let Some((first, mut rest)) = line.and_then(<[u8]>::split_first) else {
        return Opening::Short;
    };
    let method = rest.iter().take(METHOD_MAX_BYTES);
    let too_long = rest.len() >= METHOD_MAX_BYTES && !method.into_iter().any(|byte| *byte == b' ');
    if too_long || !is_tchar(*first) {
        return Opening::Other;
    }
    loop {
        let mut head = [b'X'; SNIFF_BYTES];
        for (to, from) in head.iter_mut().skip(1).zip(rest) {
            *to = *from;
        }
        let len = SNIFF_BYTES.min(1 + rest.len());
        match sniff(&head, len) {
            Sniff::Request => return Opening::Request,
            Sniff::Open if len < SNIFF_BYTES => return Opening::Short,
            // The last byte is looked at again: it may be the space before the target.
            Sniff::Open => rest = rest.get(SNIFF_BYTES - 2..).unwrap_or_default(),
            _ => return Opening::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Opening, opening};

    #[track_caller]
    fn check(input: &[u8], expected: Opening) {
        assert_eq!(opening(input), expected, "{}", input.escape_ascii());
        for cut in 0..input.len() {
            let short = opening(&input[..cut]);
            assert!(
                short == Opening::Short || short == expected,
                "{short:?} of {}",
                input[..cut].escape_ascii()
            );
        }
    }

    #[test]
    fn a_long_method_is_still_a_request() {
        check(b"UPDATEREDIRECTREFERENCE /x HTTP/1.1\r\n", Opening::Request);
        check(
            b"\r\n\r\nUPDATEREDIRECTREFERENCE /x HTTP/1.1\r\n",
            Opening::Request,
        );
        check(b"GET / HTTP/1.1\r\n\r\n", Opening::Request);
    }

    #[test]
    fn methods_are_judged_alike_however_long_they_are() {
        for len in 1..=70 {
            let method = "M".repeat(len);
            let fits = |opening| if len <= 64 { opening } else { Opening::Other };
            for (rest, expected) in [
                (" /x HTTP/1.1\r\n", Opening::Request),
                (" * HTTP/1.1\r\n", Opening::Request),
                (" \u{1}", Opening::Other),
                ("  /x HTTP/1.1\r\n", Opening::Other),
                (": value\r\n", Opening::Other),
                ("/1.1 200 OK\r\n", Opening::Other),
            ] {
                let line = format!("{method}{rest}");
                check(line.as_bytes(), fits(expected));
                check(format!("\r\n\r\n{line}").as_bytes(), fits(expected));
            }
        }
        check(b"XXXXXXXXXXXXXXXPRI * HTTP/2.0\r\n", Opening::Request);
    }

    #[test]
    fn what_is_no_token_is_no_request() {
        check(b"SSH-2.0-OpenSSH_9.2p1\r\n", Opening::Other);
        check(b"\r\r\n\nxxxx4xx&x|~x \r", Opening::Other);
        check(
            &[&[b'\r'; 19][..], b" /2345678901234"].concat(),
            Opening::Other,
        );
        check(&[b'A'; 65], Opening::Other);
        check(b"HTTP/1.1 200 OK\r\n", Opening::Response);
        check(&[b'\n'; 80], Opening::Other);
    }
}
