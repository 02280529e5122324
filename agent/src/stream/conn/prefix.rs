//! The first bytes of a flow, set aside while they are too few to tell what they begin.

use crate::clock::Ktime;
use crate::protocol::{Opening, opening};
use crate::telemetry::{Counter, Counters};

/// Bytes of a flow that are kept while its opening is too short to tell.
pub(super) const PREFIX_MAX_BYTES: usize = 160;
/// Bytes of a status line up to its code (RFC 9112 §4).
const STATUS_BYTES: usize = 12;

/// The first bytes of a flow.
#[derive(Default)]
pub(super) struct Prefix {
    pub(super) bytes: Vec<u8>,
    pub(super) time: Ktime,
}

impl Prefix {
    /// What the flow opens with, `bytes` added.
    ///
    /// `strict`: something else is looked for, of which each message of two words begins like a request,
    /// so a message is one of HTTP only if its first line is. One that is cut off waits for what comes next.
    pub(super) fn look(&self, bytes: &[u8], first: bool, strict: bool) -> Opening {
        let is_alone = self.bytes.is_empty();
        let guess = |bytes: &[u8]| match opening(bytes) {
            Opening::Request if strict && !is_request_line(bytes) => {
                if is_alone && !has_line(bytes) {
                    Opening::Short
                } else {
                    Opening::Other
                }
            }
            Opening::Response if strict && !is_status_line(bytes) => {
                if is_alone && bytes.len() < STATUS_BYTES {
                    Opening::Short
                } else {
                    Opening::Other
                }
            }
            guess => guess,
        };
        if self.bytes.is_empty() {
            return if first { guess(bytes) } else { Opening::Other };
        }
        if self.bytes.len() + bytes.len() > PREFIX_MAX_BYTES {
            let mut front = self.bytes.clone();
            front.extend(bytes.iter().take(PREFIX_MAX_BYTES));
            if strict && !has_line(&front) {
                // A line may be long: so much as came of it.
                front.extend(bytes.iter().skip(PREFIX_MAX_BYTES));
            }
            return match guess(&front) {
                Opening::Short => Opening::Other,
                clear => clear,
            };
        }
        guess(&[&self.bytes, bytes].concat())
    }

    /// Takes it out.
    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Gives it up, and counts what goes.
    pub(super) fn forget(&mut self, counters: &mut Counters) {
        counters.add(Counter::StreamBytesUndecided, self.bytes.len() as u64);
        self.bytes = Vec::new();
    }
}

/// What comes first but for empty lines, which a server passes over (RFC 9112 §2.2).
fn behind_empty_lines(bytes: &[u8]) -> &[u8] {
    let is_empty = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let begins = bytes.iter().position(|byte| !is_empty(byte));
    bytes
        .get(begins.unwrap_or(bytes.len())..)
        .unwrap_or_default()
}

/// Whether the first line is whole.
fn has_line(bytes: &[u8]) -> bool {
    behind_empty_lines(bytes).contains(&b'\n')
}

/// Whether the first line ends as a request line of HTTP/1 does.
pub(super) fn is_request_line(bytes: &[u8]) -> bool {
    let line = behind_empty_lines(bytes)
        .split(|byte| *byte == b'\n')
        .next();
    let line = line.unwrap_or_default().trim_ascii_end();
    let version = line.len().checked_sub(9).and_then(|at| line.get(at..));
    version.is_some_and(|version| version.starts_with(b" HTTP/1."))
}

/// Whether a status line begins here, its code included: a request line may be cut before its
/// version.
pub(super) fn is_status_line(bytes: &[u8]) -> bool {
    let code = bytes.get(8..STATUS_BYTES);
    code.is_some_and(|code| code.starts_with(b" ") && code.iter().skip(1).all(u8::is_ascii_digit))
}
