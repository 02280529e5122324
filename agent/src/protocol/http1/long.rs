//! A head beyond the limit: what came before it is kept, the rest is only read for what frames.

use super::head::Parsed;
use super::lenient::{content, ended_bare, field};
use super::step::Limits;
use crate::protocol::Anomaly;

/// Bytes of a line that are looked at.
const LINE_BYTES: usize = 256;
/// Fields that are kept from beyond the limit, whose number is bounded too: the names that frame.
const NAMES: [&[u8]; 4] = [
    b"content-length",
    b"transfer-encoding",
    b"connection",
    b"upgrade",
];
/// Most of them.
const EXTRA_FIELDS: usize = 16;

/// A head that goes on.
#[derive(Debug)]
pub(super) struct Long {
    pub(super) parsed: Parsed,
    /// Bytes of the head so far.
    pub(super) bytes: u64,
    line: Vec<u8>,
    /// Bytes of the line so far, those not kept too.
    line_bytes: u64,
    /// The line began before the limit.
    cut: bool,
    extra: usize,
}

impl Long {
    /// Goes on from a head of `bytes` bytes; `in_line` if the last line is not over.
    pub(super) fn new(mut parsed: Parsed, bytes: u64, in_line: bool) -> Self {
        parsed.anomalies.add(Anomaly::HeadTooLong);
        Self {
            parsed,
            bytes,
            line: Vec::with_capacity(LINE_BYTES),
            line_bytes: u64::from(in_line),
            cut: in_line,
            extra: 0,
        }
    }

    /// Takes bytes off the front of `input`: how many, and whether the head is over.
    pub(super) fn take(&mut self, input: &[u8], limits: &Limits) -> (usize, bool) {
        let mut rest = input;
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == b'\n');
            let len = end.map_or(rest.len(), |at| at + 1);
            let part = rest.get(..len).unwrap_or_default();
            rest = rest.get(len..).unwrap_or_default();
            self.bytes += len as u64;
            self.line_bytes = self.line_bytes.saturating_add(len as u64);
            let room = LINE_BYTES.saturating_sub(self.line.len());
            self.line
                .extend_from_slice(part.get(..room.min(len)).unwrap_or_default());
            if end.is_some() && self.line_over(limits) {
                return (input.len() - rest.len(), true);
            }
        }
        (input.len(), false)
    }

    /// Ends a line; whether it was the empty one.
    fn line_over(&mut self, limits: &Limits) -> bool {
        let whole = self.line_bytes == self.line.len() as u64;
        let line = content(&self.line);
        let empty = line.is_empty() && whole && !self.cut;
        if whole && !self.cut && !empty {
            ended_bare(&self.line, &mut self.parsed.anomalies);
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
            let name = name.trim_ascii_end();
            if NAMES.iter().any(|wanted| name.eq_ignore_ascii_case(wanted))
                && self.extra < EXTRA_FIELDS
            {
                self.extra += 1;
                let Parsed {
                    head, anomalies, ..
                } = &mut self.parsed;
                field(line, head, anomalies, limits.fields + EXTRA_FIELDS);
            }
        }
        self.line.clear();
        self.line_bytes = 0;
        self.cut = false;
        empty
    }
}
