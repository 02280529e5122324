//! Content codings taken off a body (RFC 9110 §8.4.1, RFC 7932, RFC 8878).
//!
//! In: what the Content-Encoding field names, and the first bytes of a body. Out: what they decode
//! to, up to a limit. A body that was cut gives what can be decoded of it. What a bomb would swell
//! to is neither kept nor waited for: decoding ends a little beyond the limit.

use std::io::{ErrorKind, Read};

/// Codings in a row beyond which a body is left as it is: more than one is rare, more than three
/// serve nobody.
const CODINGS_MAX: usize = 4;
/// Bytes kept between two codings.
const BETWEEN_MAX_BYTES: usize = 256 * 1024;
/// How many times the bytes given may decode to before that is odd: JSON and HTML shrink by 5 to 20.
const RATIO_MAX: usize = 100;
/// How far beyond the limit decoding goes on, to tell a bomb.
const BEYOND_MAX_BYTES: usize = 256 * 1024;
/// Bytes decoded at a time.
const PIECE_BYTES: usize = 8 * 1024;

/// How a body was taken to be coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// What a body decodes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The first bytes of it.
    pub content: Vec<u8>,
    /// How it ended.
    pub ended: Ended,
    /// It swells as no text does.
    pub swells: bool,
}

/// How decoding ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With the body.
    Whole,
    /// There is more than is kept.
    Limit,
    /// The coded bytes end too early.
    Short,
    /// They are not coded so.
    Broken,
}

/// Takes the codings that `field`, the value of a Content-Encoding field, names off `body`, and keeps
/// at most `most` bytes. `None` if it names none, or one that is not known.
#[must_use]
pub fn decode(field: &[u8], body: &[u8], most: usize) -> Option<Decoded> {
    let codings = codings(field)?;
    let mut codings = codings.iter().rev();
    let layer = |coding: &Coding, body: &[u8], last: bool| {
        let most = if last { most } else { BETWEEN_MAX_BYTES };
        take_off(*coding, body, most)
    };
    let first = codings.next()?;
    let mut decoded = layer(first, body, codings.len() == 0);
    while let Some(coding) = codings.next() {
        let next = layer(coding, &decoded.content, codings.len() == 0);
        let ended = match (decoded.ended, next.ended) {
            // What is missing is missing further in.
            (Ended::Whole, ended) | (_, ended @ (Ended::Broken | Ended::Limit)) => ended,
            (Ended::Limit, _) => Ended::Limit,
            (ended, _) => ended,
        };
        decoded = Decoded {
            content: next.content,
            ended,
            swells: decoded.swells || next.swells,
        };
    }
    Some(decoded)
}

/// The codings of a field's value, in the order in which they were applied.
fn codings(field: &[u8]) -> Option<Vec<Coding>> {
    let mut found = Vec::new();
    for word in field.split(|byte| *byte == b',') {
        let word = word.trim_ascii();
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        let coding = if is(b"gzip") || is(b"x-gzip") {
            Coding::Gzip
        } else if is(b"deflate") {
            Coding::Deflate
        } else if is(b"br") {
            Coding::Brotli
        } else if is(b"zstd") {
            Coding::Zstd
        } else if is(b"identity") || word.is_empty() {
            continue;
        } else {
            return None;
        };
        found.push(coding);
    }
    (1..=CODINGS_MAX).contains(&found.len()).then_some(found)
}

fn take_off(coding: Coding, body: &[u8], most: usize) -> Decoded {
    match coding {
        Coding::Gzip => drain(flate2::bufread::MultiGzDecoder::new(body), body, most),
        // Two things go by that name: the RFC's, in zlib's wrapping, and without it.
        Coding::Deflate if is_zlib(body) => {
            drain(flate2::bufread::ZlibDecoder::new(body), body, most)
        }
        Coding::Deflate => drain(flate2::bufread::DeflateDecoder::new(body), body, most),
        Coding::Brotli => {
            let reader = brotli_decompressor::Decompressor::new(body, PIECE_BYTES);
            drain(reader, body, most)
        }
        Coding::Zstd => match ruzstd::decoding::StreamingDecoder::new(body) {
            Ok(reader) => drain(reader, body, most),
            Err(_) => Decoded {
                content: Vec::new(),
                ended: if body.len() < 18 {
                    Ended::Short
                } else {
                    Ended::Broken
                },
                swells: false,
            },
        },
    }
}

/// Whether a zlib header stands in front (RFC 1950 §2.2).
fn is_zlib(body: &[u8]) -> bool {
    let Some([method, flags]) = body.first_chunk() else {
        return true;
    };
    method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
}

fn drain(mut reader: impl Read, body: &[u8], most: usize) -> Decoded {
    let mut content = Vec::new();
    let mut piece = [0; PIECE_BYTES];
    let mut passed = 0;
    let odd = body.len().saturating_mul(RATIO_MAX).max(most);
    let ended = loop {
        match reader.read(&mut piece) {
            Ok(0) if passed > most => break Ended::Limit,
            Ok(0) => break Ended::Whole,
            Ok(n) => {
                let room = (most - content.len()).min(n);
                content.extend_from_slice(piece.get(..room).unwrap_or_default());
                passed += n;
                if passed > most && (passed > odd || passed > most + BEYOND_MAX_BYTES) {
                    break Ended::Limit;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) if passed > most => break Ended::Limit,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break Ended::Short,
            Err(_) => break Ended::Broken,
        }
    };
    let swells = passed > odd;
    Decoded {
        content,
        ended,
        swells,
    }
}

#[cfg(test)]
mod tests;
