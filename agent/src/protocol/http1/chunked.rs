//! The chunked transfer coding (RFC 9112 §7.1), a byte at a time where it frames, in runs where it
//! carries.

use crate::protocol::{Anomalies, Anomaly};

/// Bytes of a chunk's line, extensions included, beyond which it is none.
const LINE_MAX_BYTES: u32 = 16 * 1024;

/// Where in the coding a body stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunked {
    /// In a chunk's line.
    Line {
        /// Size so far.
        size: u64,
        /// Bytes of the line so far.
        len: u32,
        /// What comes next in it.
        part: Part,
    },
    /// In a chunk's data.
    Data {
        /// Bytes of it to come.
        left: u64,
    },
    /// After a chunk's data: its CR and LF.
    After {
        /// The CR has come.
        cr: bool,
    },
    /// In the trailers, which another keeps: up to the empty line.
    Trailers,
}

/// Part of a chunk's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Digits,
    /// Whitespace after them.
    Blank,
    Extension,
    /// CR came.
    Cr,
}

impl Chunked {
    pub(super) const START: Self = Self::line();

    const fn line() -> Self {
        Self::Line {
            size: 0,
            len: 0,
            part: Part::Digits,
        }
    }

    /// Takes bytes that frame off the front of `input`, until data, trailers or its end: how many.
    ///
    /// # Errors
    /// What is wrong with the framing; the body's end cannot be known.
    pub(super) fn frame(
        &mut self,
        input: &[u8],
        anomalies: &mut Anomalies,
    ) -> Result<usize, Anomaly> {
        let mut taken = 0;
        for byte in input {
            match *self {
                Self::Line { size, len, part } => {
                    *self = line(size, len + 1, part, *byte, anomalies)?;
                }
                Self::After { cr } => *self = after(cr, *byte, anomalies)?,
                Self::Data { .. } | Self::Trailers => break,
            }
            taken += 1;
        }
        Ok(taken)
    }

    /// Bytes of data to come in this chunk.
    pub(super) const fn left(self) -> u64 {
        match self {
            Self::Data { left } => left,
            _ => 0,
        }
    }

    /// `n` bytes of data passed, at most those left.
    pub(super) const fn pass(&mut self, n: u64) {
        if let Self::Data { left } = self {
            *left = left.saturating_sub(n);
            if *left == 0 {
                *self = Self::After { cr: false };
            }
        }
    }
}

/// One byte of a chunk's line.
fn line(
    size: u64,
    len: u32,
    part: Part,
    byte: u8,
    anomalies: &mut Anomalies,
) -> Result<Chunked, Anomaly> {
    if len > LINE_MAX_BYTES {
        return Err(Anomaly::InvalidChunk);
    }
    let (size, part) = match (part, byte) {
        (Part::Digits, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
            let digit = char::from(byte).to_digit(16).unwrap_or_default();
            // The top bit stays free: lengths beyond it are an attack on someone's arithmetic.
            if size >> 59 != 0 {
                return Err(Anomaly::ChunkSizeTooLarge);
            }
            (size << 4 | u64::from(digit), Part::Digits)
        }
        (Part::Digits, _) if len == 1 => return Err(Anomaly::InvalidChunk),
        (Part::Digits | Part::Blank | Part::Extension | Part::Cr, b'\n') => {
            if part != Part::Cr {
                anomalies.add(Anomaly::BareLf);
            }
            return Ok(match size {
                0 => Chunked::Trailers,
                left => Chunked::Data { left },
            });
        }
        (Part::Cr, _) => return Err(Anomaly::InvalidChunk),
        (_, b'\r') => (size, Part::Cr),
        (Part::Extension, _) => (size, Part::Extension),
        (Part::Digits | Part::Blank, b';') => {
            anomalies.add(Anomaly::ChunkExtension);
            (size, Part::Extension)
        }
        (Part::Digits | Part::Blank, b' ' | b'\t') => (size, Part::Blank),
        (Part::Digits | Part::Blank, _) => return Err(Anomaly::InvalidChunk),
    };
    Ok(Chunked::Line { size, len, part })
}

/// One byte after a chunk's data.
fn after(cr: bool, byte: u8, anomalies: &mut Anomalies) -> Result<Chunked, Anomaly> {
    match (cr, byte) {
        (false, b'\r') => Ok(Chunked::After { cr: true }),
        (true, b'\n') => Ok(Chunked::line()),
        (false, b'\n') => {
            anomalies.add(Anomaly::BareLf);
            Ok(Chunked::line())
        }
        _ => Err(Anomaly::InvalidChunk),
    }
}
