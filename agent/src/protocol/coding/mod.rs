//! Content codings taken off a body (RFC 9110 §8.4.1, RFC 7932, RFC 8878).
//!
//! In: what the Content-Encoding field names, and the first bytes of a body. Out: what they decode
//! to, up to a limit. A body that was cut gives what can be decoded of it. What a bomb would swell
//! to is neither kept nor waited for: decoding ends at the limit, or a little beyond where few bytes
//! have given many.

use std::cell::Cell;
use std::io::{self, BufRead, ErrorKind, Read};

/// Codings in a row beyond which a body is left as it is: more than one is rare, more than three
/// serve nobody.
const CODINGS_MAX: usize = 4;
/// Bytes kept between two codings.
const BETWEEN_MAX_BYTES: usize = 256 * 1024;
/// How many times the bytes read may decode to before that is odd: JSON and HTML shrink by 5 to 20.
const RATIO_MAX: usize = 100;
/// How far beyond the limit decoding goes on where few bytes have given many, to tell a bomb.
const BEYOND_MAX_BYTES: usize = 256 * 1024;
/// Bytes decoded at a time.
const PIECE_BYTES: usize = 8 * 1024;
/// Bytes that Brotli's decoder takes at a time: what it has read ahead counts as read.
const READ_BYTES: usize = 512;

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
    use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
    let taken = &Cell::new(0);
    let from = Counted { rest: body, taken };
    match coding {
        Coding::Gzip => drain(MultiGzDecoder::new(from), taken, most),
        // Two things go by that name: the RFC's, in zlib's wrapping, and without it.
        Coding::Deflate if is_zlib(body) => drain(ZlibDecoder::new(from), taken, most),
        Coding::Deflate => drain(DeflateDecoder::new(from), taken, most),
        Coding::Brotli => {
            let reader = brotli_decompressor::Decompressor::new(from, READ_BYTES);
            drain(reader, taken, most)
        }
        Coding::Zstd => match ruzstd::decoding::StreamingDecoder::new(from) {
            Ok(reader) => drain(reader, taken, most),
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

/// A body of which is counted how much was read.
struct Counted<'b> {
    rest: &'b [u8],
    taken: &'b Cell<usize>,
}

impl Read for Counted<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.rest.read(to)?;
        self.taken.set(self.taken.get() + read);
        Ok(read)
    }
}

impl BufRead for Counted<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.rest)
    }

    fn consume(&mut self, amount: usize) {
        self.rest.consume(amount);
        self.taken.set(self.taken.get() + amount);
    }
}

/// Reads up to `most` bytes; `taken`: how many coded ones were read for them.
fn drain(mut reader: impl Read, taken: &Cell<usize>, most: usize) -> Decoded {
    let mut content = Vec::new();
    let mut piece = [0; PIECE_BYTES];
    let mut passed = 0;
    let is_odd = |passed: usize| passed > most && passed / RATIO_MAX > taken.get();
    let ended = loop {
        match reader.read(&mut piece) {
            Ok(0) if passed > most => break Ended::Limit,
            Ok(0) => break Ended::Whole,
            Ok(n) => {
                let room = (most - content.len()).min(n);
                content.extend_from_slice(piece.get(..room).unwrap_or_default());
                passed += n;
                if passed > most && (!is_odd(passed) || passed > most + BEYOND_MAX_BYTES) {
                    break Ended::Limit;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) if passed > most => break Ended::Limit,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break Ended::Short,
            Err(_) => break Ended::Broken,
        }
    };
    Decoded {
        content,
        ended,
        swells: is_odd(passed),
    }
}

#[cfg(test)]
mod tests;
