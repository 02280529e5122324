//! A block of header fields, decoded: pseudo-header fields apart, the others as a head keeps them.

use crate::protocol::http1::Limits;
use crate::protocol::{Anomalies, Anomaly, Head, Span};

/// What a block says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Method, target, scheme, authority and fields.
    pub head: Head,
    /// `:status`, if there is one that can be read.
    pub status: Option<u16>,
    /// A pseudo-header field is among them.
    pub pseudo: bool,
    /// Some field is among them that the table's unseen part hides.
    pub unknown: bool,
    /// What is odd about it.
    pub anomalies: Anomalies,
}

impl Block {
    /// Adds a field, within limits.
    pub(super) fn add(&mut self, name: &[u8], value: &[u8], limits: &Limits) {
        let room = limits.head_bytes.saturating_sub(self.head.buffer.len());
        if name.len() + value.len() > room {
            self.anomalies.add(Anomaly::HeadTooLong);
            return;
        }
        if name.first() == Some(&b':') {
            return self.pseudo(name, value);
        }
        if self.head.fields.len() >= limits.fields {
            self.anomalies.add(Anomaly::TooManyFields);
            return;
        }
        if !is_name(name) {
            self.anomalies.add(Anomaly::InvalidField);
        }
        if value
            .iter()
            .any(|byte| matches!(byte, b'\0' | b'\r' | b'\n'))
        {
            self.anomalies.add(Anomaly::ControlByte);
        }
        if self.head.buffer.capacity() == 0 {
            self.head.buffer.reserve_exact(512);
            self.head.fields.reserve_exact(12);
        }
        let field = (self.head.keep(name), self.head.keep(value));
        self.head.fields.push(field);
    }

    /// Adds a pseudo-header field (RFC 9113 §8.3, RFC 8441 §4): the first of each name holds.
    fn pseudo(&mut self, name: &[u8], value: &[u8]) {
        self.pseudo = true;
        if !self.head.fields.is_empty() {
            self.anomalies.add(Anomaly::OddPseudoField);
        }
        if name == b":status" {
            let status = str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse().ok());
            let status = status.filter(|status| value.len() == 3 && *status >= 100);
            let odd = self.status.is_some() || status.is_none();
            if odd {
                self.anomalies.add(Anomaly::OddPseudoField);
            }
            self.status = self.status.or(status);
            return;
        }
        if self.head.buffer.capacity() == 0 {
            self.head.buffer.reserve_exact(512);
            self.head.fields.reserve_exact(12);
        }
        let kept = self.head.keep(value);
        let some = |place: &mut Option<Span>| place.replace(kept).map(|had| *place = Some(had));
        let repeated = match name {
            b":method" => keep_first(&mut self.head.word, kept),
            b":path" => keep_first(&mut self.head.target, kept),
            b":scheme" => some(&mut self.head.scheme).is_some(),
            b":authority" => some(&mut self.head.authority).is_some(),
            b":protocol" => some(&mut self.head.protocol).is_some(),
            _ => true,
        };
        if repeated {
            self.anomalies.add(Anomaly::OddPseudoField);
        }
    }
}

/// Sets a span that is still empty; whether it was not.
const fn keep_first(place: &mut Span, span: Span) -> bool {
    if place.len > 0 {
        return true;
    }
    *place = span;
    false
}

/// Whether it can be a field's name: a token without capitals (RFC 9113 §8.2.1).
fn is_name(name: &[u8]) -> bool {
    let fits = |byte: &u8| eaves_common::is_tchar(*byte) && !byte.is_ascii_uppercase();
    !name.is_empty() && name.iter().all(fits)
}
