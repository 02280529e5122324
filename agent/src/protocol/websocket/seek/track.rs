//! One beginning that a search follows.

use super::{Kept, Sought};
use crate::protocol::websocket::frame::{Form, HEADER_MAX_BYTES, Header, opcode};

/// Bytes kept of it: then frames that are over go, or else the payload of the one under way.
const KEPT_MAX_BYTES: usize = 16 * 1024;

/// Most that one transfer speaks for it: all of it may be a payload.
const TRANSFER_PROOF_MAX: u32 = 3;

/// Headers in a row that make a beginning in the middle of a transfer.
pub(super) const CHAIN: u32 = 3;

/// Frames from one that may begin.
#[derive(Debug, Default)]
pub(super) struct Track {
    /// Whether they are masked, once a header has said.
    masked: Option<bool>,
    /// All from where a frame begins, but what is left out behind the header of the first.
    kept: Vec<u8>,
    left_out: u64,
    /// How many of these nobody saw.
    lost: u64,
    /// Where in it the last header begins, and its length; none was read yet if that is 0.
    last: usize,
    last_bytes: usize,
    /// Bytes of a header at its end that is not whole.
    partial: usize,
    /// Bytes of payload to come.
    ahead: u64,
    /// Whether a message is under way, if that is known.
    goes_on: Option<bool>,
    proof: u32,
    /// What of it the transfer under way has added.
    gained: u32,
}

impl Track {
    /// What speaks for it.
    pub(super) const fn proof(&self) -> u32 {
        self.proof
    }

    /// Whether its frames are masked, once a header has said.
    pub(super) const fn masked(&self) -> Option<bool> {
        self.masked
    }

    /// Whether a frame is over, and the next begins.
    pub(super) const fn is_due(&self) -> bool {
        self.ahead == 0 && self.partial == 0
    }

    /// Whether both say the same of what is to come.
    pub(super) fn is_where(&self, other: &Self) -> bool {
        (self.ahead, self.partial, self.masked) == (other.ahead, other.partial, other.masked)
    }

    /// Memory it holds beyond its own size, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.kept.capacity()
    }

    /// What it keeps.
    pub(super) fn into_kept(mut self) -> Kept {
        let rest = if self.left_out > 0 {
            self.kept.split_off(self.last_bytes.min(self.kept.len()))
        } else {
            Vec::new()
        };
        Kept {
            front: self.kept,
            left_out: self.left_out,
            lost: self.lost,
            rest,
        }
    }

    /// Takes `bytes`; whether it is still one.
    pub(super) fn push(&mut self, bytes: &[u8], first: bool, sought: Sought) -> bool {
        if first {
            self.gained = 0;
        }
        let mut begins = first && self.is_due();
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.ahead > 0 {
                let n = usize::try_from(self.ahead).unwrap_or(usize::MAX);
                let (payload, behind) = rest.split_at_checked(n).unwrap_or((rest, &[]));
                self.keep(payload);
                self.ahead -= payload.len() as u64;
                rest = behind;
                continue;
            }
            let at = self.kept.len() - self.partial;
            let room = HEADER_MAX_BYTES.saturating_sub(self.partial);
            let front = rest.get(..room.min(rest.len())).unwrap_or_default();
            self.kept.extend_from_slice(front);
            let Some(header) = Header::read(self.kept.get(at..).unwrap_or_default()) else {
                self.partial += front.len();
                return true;
            };
            self.kept.truncate(at + header.bytes);
            rest = rest
                .get(header.bytes.saturating_sub(self.partial)..)
                .unwrap_or_default();
            if !self.header(&header, at, begins, sought) {
                return false;
            }
            begins = false;
        }
        true
    }

    /// The next `n` bytes are not there, `lost` of them because nobody saw them; whether all of them are of
    /// a payload.
    pub(super) fn pass(&mut self, n: u64, lost: u64) -> bool {
        if n > self.ahead {
            return false;
        }
        if n == 0 {
            return true;
        }
        self.ahead -= n;
        self.leave_out(n);
        self.lost = self.lost.saturating_add(lost);
        true
    }

    /// A header has come, which stands at `at` of what is kept.
    fn header(&mut self, header: &Header, at: usize, begins: bool, sought: Sought) -> bool {
        if !self.follows(header, sought) {
            return false;
        }
        let (is_first, mut at) = (self.last_bytes == 0, at);
        if self.left_out > 0 || self.kept.len() > KEPT_MAX_BYTES {
            self.kept.drain(..at);
            (at, self.left_out, self.lost) = (0, 0, 0);
        }
        (self.last, self.last_bytes) = (at, header.bytes);
        (self.partial, self.ahead) = (0, header.length);
        if !header.is_empty_part() {
            let worth = if begins && !is_first { 2 } else { 1 };
            let more = TRANSFER_PROOF_MAX.saturating_sub(self.gained).min(worth);
            self.gained += more;
            self.proof = self.proof.saturating_add(more);
        }
        true
    }

    /// Whether `header` can come next.
    fn follows(&mut self, header: &Header, sought: Sought) -> bool {
        let masked = self.masked.or(sought.masked);
        let masked = *self.masked.insert(masked.unwrap_or(header.mask.is_some()));
        let form = Form {
            masked,
            compressed: sought.compressed,
        };
        if !header.is_valid(form) {
            return false;
        }
        if header.is_control() {
            return true;
        }
        let continues = header.opcode == opcode::CONTINUATION;
        let fits = self.goes_on.is_none_or(|goes_on| goes_on == continues);
        self.goes_on = Some(!header.fin);
        fits
    }

    /// Keeps bytes of a payload, as far as there is room.
    fn keep(&mut self, payload: &[u8]) {
        let is_full = |kept: &Vec<u8>| kept.len() + payload.len() > KEPT_MAX_BYTES;
        if is_full(&self.kept) {
            self.kept.drain(..self.last);
            self.last = 0;
        }
        if self.left_out > 0 || is_full(&self.kept) {
            self.leave_out(payload.len() as u64);
        } else {
            self.kept.extend_from_slice(payload);
        }
    }

    /// Keeps of the frame under way its header alone: `n` more bytes of its payload are not there.
    fn leave_out(&mut self, n: u64) {
        self.kept.drain(..self.last);
        self.last = 0;
        let had = self.kept.len().saturating_sub(self.last_bytes);
        self.kept.truncate(self.last_bytes);
        self.left_out = self.left_out.saturating_add(had as u64 + n);
    }
}

/// How many headers in `bytes` follow on each other from their front, counted up to [`CHAIN`].
pub(super) fn chain(bytes: &[u8], sought: Sought) -> u32 {
    let (mut track, mut rest, mut count) = (Track::default(), bytes, 0);
    // Parts without content may be among them, but not for long.
    for _ in 0..2 * CHAIN {
        let Some(header) = Header::read(rest) else {
            break;
        };
        if !track.follows(&header, sought) {
            return 0;
        }
        count += u32::from(!header.is_empty_part());
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        let end = header.bytes.saturating_add(length);
        rest = rest.get(end..).unwrap_or_default();
    }
    count.min(CHAIN)
}
