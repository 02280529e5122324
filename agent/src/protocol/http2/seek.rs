//! Finding frames again after a loss, and telling which end sends them.
//!
//! A search begins where a transfer begins, since both ends mostly write and read whole frames there,
//! and a body cannot forge that as it could frames in its middle. What begins so is believed when
//! the headers that follow, each where the one before says, are plausible too, and the more if another
//! transfer begins just there. The bytes are kept meanwhile, so that nothing of them is lost.

use super::frame::{HEADER_BYTES, Header, flag, kind, unpadded};

/// Most bytes kept while boundaries are uncertain: three frames of the usual size.
const KEPT_MAX_BYTES: usize = 52 * 1024;

/// What must speak for the boundaries: plausible headers in a row, and those of them that begin a
/// transfer once more.
const PROOF: u32 = 3;

/// A search.
#[derive(Debug, Default)]
pub(super) struct Seek {
    /// All from where the search began.
    kept: Vec<u8>,
    /// Where in it the next header begins.
    next: usize,
    proof: u32,
    /// A block of this stream must go on.
    goes_on: Option<u32>,
}

impl Seek {
    /// Takes `bytes`; all that was kept, if the boundaries are beyond doubt now.
    pub(super) fn take(&mut self, bytes: &[u8], first: bool) -> Option<Vec<u8>> {
        if first && self.kept.len() != self.next {
            // A transfer may begin inside a frame, but then it proves nothing.
            if Header::read(bytes).is_some_and(|header| header.is_plausible())
                && self.proof < 2
                && !self.is_inside()
            {
                self.restart();
            }
        } else if first && !self.kept.is_empty() {
            self.proof += 1;
        }
        if self.kept.is_empty() && !first {
            return None;
        }
        let whole_before = self.kept.len();
        self.kept.extend_from_slice(bytes);
        loop {
            let rest = self.kept.get(self.next..).unwrap_or_default();
            let Some(header) = Header::read(rest) else {
                break;
            };
            if !self.follows(&header) {
                let (begins, failed_before) = (first && whole_before > 0, whole_before);
                let last = self.kept.split_off(failed_before);
                self.restart();
                return if begins { self.take(&last, true) } else { None };
            }
            self.proof += 1;
            self.next += HEADER_BYTES + header.length as usize;
        }
        if self.proof >= PROOF {
            return Some(std::mem::take(&mut self.kept));
        }
        if self.kept.len() > KEPT_MAX_BYTES {
            self.restart();
        }
        None
    }

    /// Memory it holds, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        size_of::<Self>() + self.kept.capacity()
    }

    /// Whether a frame is under way.
    const fn is_inside(&self) -> bool {
        self.next > self.kept.len()
    }

    /// Whether `header` can come next.
    fn follows(&mut self, header: &Header) -> bool {
        let fits = match self.goes_on {
            Some(stream) => header.kind == kind::CONTINUATION && header.stream == stream,
            None => header.kind != kind::CONTINUATION,
        };
        let blocks = matches!(
            header.kind,
            kind::HEADERS | kind::PUSH_PROMISE | kind::CONTINUATION
        );
        self.goes_on = (blocks && !header.has(flag::END_HEADERS)).then_some(header.stream);
        fits && header.is_plausible()
    }

    fn restart(&mut self) {
        *self = Self::default();
    }
}

/// What the first bytes of a transfer on a conn that was joined late say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A frame's header that could be.
    Frame,
    /// A server's first frame could be: its settings.
    Settings,
    /// Frames with the head of a request.
    Request,
    /// Frames with the head of a response.
    Response,
    /// No frame.
    None,
}

/// Looks at the first bytes of a transfer: whether they are frames, and whose.
///
/// Whose they are, static entries of the table tell at the front of a block, where its
/// pseudo-header fields stand (RFC 9113 §8.3).
#[must_use]
pub fn evidence(bytes: &[u8]) -> Evidence {
    let mut rest = bytes;
    let mut seen = Evidence::None;
    while let Some(header) = Header::read(rest) {
        if !header.is_plausible() || header.kind == kind::CONTINUATION {
            return Evidence::None;
        }
        if seen == Evidence::None {
            seen = match header.kind {
                kind::SETTINGS if !header.has(flag::ACK) => Evidence::Settings,
                _ => Evidence::Frame,
            };
        }
        let behind = rest.get(HEADER_BYTES..).unwrap_or_default();
        let end = (header.length as usize).min(behind.len());
        let (payload, after) = behind.split_at_checked(end).unwrap_or((behind, &[]));
        if header.kind == kind::PUSH_PROMISE {
            return Evidence::Response;
        }
        if header.kind == kind::HEADERS
            && payload.len() == header.length as usize
            && let Some(block) = unpadded(&header, payload)
            && let Some(whose) = whose(block)
        {
            return whose;
        }
        rest = after;
    }
    seen
}

/// Whose block this is, by the static entries at its front.
fn whose(block: &[u8]) -> Option<Evidence> {
    for byte in block.iter().take(8) {
        match byte {
            // Size updates, and entries of the dynamic table: they may be anything.
            0x20..=0x3e | 0xbe..=0xfe => {}
            // :method, :path, :scheme, whole or by name; a literal may hold any byte behind it.
            0x82..=0x87 | 0x41..=0x47 | 0x01..=0x07 | 0x11..=0x17 => {
                return Some(Evidence::Request);
            }
            // :status.
            0x88..=0x8e | 0x48..=0x4e | 0x08..=0x0e | 0x18..=0x1e => {
                return Some(Evidence::Response);
            }
            _ => return None,
        }
    }
    None
}
