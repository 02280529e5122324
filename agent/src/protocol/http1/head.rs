//! A head by httparse, where it is as it should be; anything else goes to [`super::lenient`].

use std::mem::MaybeUninit;

use httparse::{Request, Response, Status};

use super::lenient::target_is_odd;
use super::step::{Limits, Side};
use crate::protocol::{Anomalies, Anomaly, Head, Span, Version};

/// Fields for which there is room on the stack; a head with more is read leniently.
const FIELDS_FAST: usize = 96;

/// A head, read.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    pub(super) head: Head,
    pub(super) version: Option<Version>,
    pub(super) status: u16,
    pub(super) anomalies: Anomalies,
}

/// What httparse said.
pub(super) enum Strict {
    /// A whole head, and how long it is.
    Complete(Parsed, usize),
    /// Faultless so far, but not whole.
    Partial,
    /// Not a head by the book.
    Refused,
}

/// Reads a head off the front of `input`, which begins with its first byte. Copies it once.
pub(super) fn strict(side: Side, input: &[u8], limits: &Limits) -> Strict {
    let mut fields = [const { MaybeUninit::uninit() }; FIELDS_FAST];
    let parsed = match side {
        Side::Request => {
            let mut request = Request::new(&mut []);
            match request.parse_with_uninit_headers(input, &mut fields) {
                Ok(Status::Complete(len)) => {
                    let word = request.method.unwrap_or_default().as_bytes();
                    let target = request.path.unwrap_or_default().as_bytes();
                    let version = request.version.unwrap_or_default();
                    Some((len, word, target, version, 0, request.headers))
                }
                Ok(Status::Partial) => return Strict::Partial,
                Err(_) => None,
            }
        }
        Side::Response => {
            let mut response = Response::new(&mut []);
            let config = httparse::ParserConfig::default();
            match config.parse_response_with_uninit_headers(&mut response, input, &mut fields) {
                Ok(Status::Complete(len)) => {
                    let version = response.version.unwrap_or_default();
                    let code = response.code.unwrap_or_default();
                    Some((
                        len,
                        reason(input),
                        &b""[..],
                        version,
                        code,
                        response.headers,
                    ))
                }
                Ok(Status::Partial) => return Strict::Partial,
                Err(_) => None,
            }
        }
    };
    let Some((len, word, target, version, status, fields)) = parsed else {
        return Strict::Refused;
    };
    let no_status = side == Side::Response && status < 100;
    if no_status || len > limits.head_bytes || fields.len() > limits.fields {
        return Strict::Refused;
    }
    let bytes = input.get(..len).unwrap_or_default();
    let at = |part: &[u8]| span(bytes, part);
    let mut anomalies = Anomalies::default();
    if bare_lf(bytes, fields) {
        anomalies.add(Anomaly::BareLf);
    }
    if target_is_odd(target) {
        anomalies.add(Anomaly::TargetNotAscii);
    }
    let fields = fields.iter();
    let fields = fields.map(|field| (at(field.name.as_bytes()), at(field.value)));
    let head = Head {
        scheme: None,
        authority: None,
        protocol: None,
        word: at(word),
        target: at(target),
        fields: fields.collect(),
        buffer: bytes.to_vec(),
    };
    let version = Some(if version == 0 {
        Version::Http10
    } else {
        Version::Http11
    });
    Strict::Complete(
        Parsed {
            head,
            version,
            status,
            anomalies,
        },
        len,
    )
}

/// The reason phrase of a status line that was accepted: `HTTP/1.x NNN`, a space, and the rest.
/// (httparse gives none where it holds bytes beyond ASCII.)
fn reason(input: &[u8]) -> &[u8] {
    let line = input
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let rest = line.get(12..).unwrap_or_default();
    let rest = rest.strip_suffix(b"\r").unwrap_or(rest);
    rest.strip_prefix(b" ").unwrap_or(rest)
}

/// Where `part`, a slice of `whole`, lies in it.
fn span(whole: &[u8], part: &[u8]) -> Span {
    let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
    if part.is_empty() || start > whole.len() {
        return Span::default();
    }
    Span::between(start, start + part.len())
}

/// Whether a line ends in LF alone: looked for before each name and at the end.
fn bare_lf(bytes: &[u8], fields: &[httparse::Header<'_>]) -> bool {
    let ends_bare = |end: usize| end.checked_sub(2).and_then(|at| bytes.get(at)) != Some(&b'\r');
    if !bytes.ends_with(b"\r\n\r\n") {
        return true;
    }
    let starts = fields
        .iter()
        .map(|field| span(bytes, field.name.as_bytes()));
    starts
        .into_iter()
        .any(|name| ends_bare(name.start as usize))
}
