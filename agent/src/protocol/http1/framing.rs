//! How long a message's body is (RFC 9112 §6.3), as common servers frame it.

use super::head::Parsed;
use super::step::{Asked, Side};
use crate::protocol::{Anomalies, Anomaly, Version};

/// Where a message ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// With its head.
    None,
    /// After so many bytes of body.
    Length(u64),
    /// With its last chunk.
    Chunked,
    /// With the direction.
    UntilClose,
    /// It does not: after this head the conn is no longer HTTP (CONNECT, Upgrade).
    Tunnel,
}

/// Decides by the head, and for a response by what was asked for.
pub(super) fn framing(side: Side, parsed: &mut Parsed, asked: Asked) -> Framing {
    let found = look(parsed);
    let mut anomalies = Anomalies::default();
    let framing = match side {
        Side::Request => request(&found, &mut anomalies),
        Side::Response => response(&found, parsed.status, asked, &mut anomalies),
    };
    if found.coding != Coding::None && parsed.version == Some(Version::Http10) {
        anomalies.add(Anomaly::TransferCodingInHttp10);
    }
    parsed.anomalies.absorb(anomalies);
    framing
}

/// What the fields say.
struct Found {
    length: Length,
    coding: Coding,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    None,
    Some(u64),
    Repeated(u64),
    Conflicting(u64),
    Invalid,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    None,
    /// `chunked` and nothing else.
    Chunked,
    /// Several, the last of them `chunked`, or oddly written.
    OddChunked,
    /// Without `chunked` at the end.
    Other,
}

fn look(parsed: &Parsed) -> Found {
    let mut found = Found {
        length: Length::None,
        coding: Coding::None,
    };
    for (name, value) in parsed.head.fields() {
        match name.len() {
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                for one in value.split(|byte| *byte == b',') {
                    found.length = found.length.with(number(one.trim_ascii()));
                }
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                found.coding = found.coding.with(value);
            }
            _ => {}
        }
    }
    found
}

impl Length {
    /// Adds one more value: the first holds.
    fn with(self, next: Option<u64>) -> Self {
        match (self, next) {
            (Self::None, Some(next)) => Self::Some(next),
            (Self::None, None) | (Self::Invalid, _) => Self::Invalid,
            (Self::Some(had) | Self::Repeated(had), Some(next)) if had == next => {
                Self::Repeated(had)
            }
            (Self::Some(had) | Self::Repeated(had) | Self::Conflicting(had), _) => {
                Self::Conflicting(had)
            }
        }
    }
}

impl Coding {
    /// Adds one more line.
    fn with(self, value: &[u8]) -> Self {
        let last = value
            .rsplit(|byte| *byte == b',')
            .next()
            .unwrap_or_default();
        let chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
        match (self, chunked) {
            (Self::None, true) if value.eq_ignore_ascii_case(b"chunked") => Self::Chunked,
            (_, true) => Self::OddChunked,
            (Self::Chunked | Self::OddChunked, false) if last.trim_ascii().is_empty() => {
                Self::OddChunked
            }
            (_, false) => Self::Other,
        }
    }
}

/// Decimal digits and nothing else, below 2^63.
fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() || !word.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = word.iter().try_fold(0u64, |sum, digit| {
        sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })?;
    (value <= i64::MAX as u64).then_some(value)
}

fn request(found: &Found, anomalies: &mut Anomalies) -> Framing {
    coded(found, anomalies).unwrap_or_else(|| length(found, Framing::None, anomalies))
}

fn response(found: &Found, status: u16, asked: Asked, anomalies: &mut Anomalies) -> Framing {
    match (status, asked) {
        (101, _) | (200..=299, Asked::Connect) => return Framing::Tunnel,
        (100..=199 | 204 | 304, _) | (_, Asked::Head) => return Framing::None,
        _ => {}
    }
    coded(found, anomalies).unwrap_or_else(|| length(found, Framing::UntilClose, anomalies))
}

/// By transfer coding, if there is one. A coding that does not end in `chunked` ends with the
/// direction, in a request as well: a server that takes it reads so, one that refuses it closes.
fn coded(found: &Found, anomalies: &mut Anomalies) -> Option<Framing> {
    if found.coding != Coding::None && found.length != Length::None {
        anomalies.add(Anomaly::LengthAndChunked);
    }
    match found.coding {
        Coding::None => None,
        Coding::Chunked => Some(Framing::Chunked),
        Coding::OddChunked => {
            anomalies.add(Anomaly::OddTransferCoding);
            Some(Framing::Chunked)
        }
        Coding::Other => {
            anomalies.add(Anomaly::OddTransferCoding);
            Some(Framing::UntilClose)
        }
    }
}

/// By length, or else `without`.
fn length(found: &Found, without: Framing, anomalies: &mut Anomalies) -> Framing {
    match found.length {
        Length::None => without,
        Length::Some(length) => Framing::Length(length),
        Length::Repeated(length) => {
            anomalies.add(Anomaly::RepeatedLength);
            Framing::Length(length)
        }
        Length::Conflicting(length) => {
            anomalies.add(Anomaly::ConflictingLength);
            Framing::Length(length)
        }
        Length::Invalid => {
            anomalies.add(Anomaly::InvalidLength);
            without
        }
    }
}
