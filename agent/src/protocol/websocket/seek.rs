//! Finding frames again after a loss.
//!
//! A search begins where a transfer begins, since both ends mostly write whole frames there. What
//! begins so is believed when the headers that follow, each where the one before says, are valid
//! too, and the more if another transfer begins just there. The bytes are kept meanwhile, so that
//! nothing of them is lost.

use super::frame::{Form, Header, opcode};

/// Most bytes kept while boundaries are uncertain.
const KEPT_MAX_BYTES: usize = 64 * 1024;

/// What must speak for the boundaries: valid headers in a row, and those of them that begin a
/// transfer once more. Of random bytes one in forty begins like a frame.
pub(super) const PROOF: u32 = 4;

/// A search.
#[derive(Debug, Default)]
pub(super) struct Seek {
    /// All from where the search began.
    kept: Vec<u8>,
    /// Where in it the last header begins, and where the next will.
    last: usize,
    next: usize,
    proof: u32,
    /// Whether a message is under way, if that is known.
    goes_on: Option<bool>,
}

impl Seek {
    /// Takes `bytes`; all that was kept, if the boundaries are beyond doubt now.
    pub(super) fn take(&mut self, bytes: &[u8], first: bool, form: Form) -> Option<Vec<u8>> {
        self.walk(bytes, first, form);
        if self.proof >= PROOF {
            return Some(std::mem::take(&mut self.kept));
        }
        if self.kept.len() > KEPT_MAX_BYTES {
            self.restart();
        }
        None
    }

    /// What speaks for the boundaries so far.
    pub(super) const fn proof(&self) -> u32 {
        self.proof
    }

    /// Whether a frame or its header is under way.
    pub(super) const fn is_inside(&self) -> bool {
        self.kept.len() != self.next
    }

    /// Takes `bytes`.
    pub(super) fn walk(&mut self, bytes: &[u8], first: bool, form: Form) {
        // The next header begins this transfer.
        let begins = first && !self.kept.is_empty() && self.kept.len() == self.next;
        if first
            && !self.kept.is_empty()
            && !begins
            && self.proof < 2
            && Header::read(bytes).is_some_and(|one| one.is_valid(form))
        {
            // This one is as good a beginning as the last.
            self.restart();
        }
        if self.kept.is_empty() && !first {
            return;
        }
        let before = self.kept.len();
        self.kept.extend_from_slice(bytes);
        while let Some(header) = Header::read(self.kept.get(self.next..).unwrap_or_default()) {
            if !self.follows(&header, form) {
                self.restart();
                if first && before > 0 {
                    self.walk(bytes, true, form);
                }
                return;
            }
            if !header.is_empty_part() {
                self.proof += if begins && self.next == before { 2 } else { 1 };
            }
            self.last = self.next;
            let length = usize::try_from(header.length).unwrap_or(usize::MAX);
            self.next = self
                .next
                .saturating_add(header.bytes)
                .saturating_add(length);
        }
    }

    /// Where too much is kept: gives up all frames but the last, if the boundaries are beyond doubt,
    /// else the search.
    pub(super) fn make_room(&mut self) {
        if self.kept.len() <= KEPT_MAX_BYTES {
            return;
        }
        if self.proof < PROOF || self.kept.len() - self.last > KEPT_MAX_BYTES {
            return self.restart();
        }
        self.kept.drain(..self.last);
        self.next -= self.last;
        self.last = 0;
    }

    /// How many bytes it keeps.
    pub(super) const fn bytes_kept(&self) -> usize {
        self.kept.len()
    }

    /// What it keeps.
    pub(super) fn into_kept(self) -> Vec<u8> {
        self.kept
    }

    /// Memory it holds, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        size_of::<Self>() + self.kept.capacity()
    }

    /// Whether `header` can come next.
    fn follows(&mut self, header: &Header, form: Form) -> bool {
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

    fn restart(&mut self) {
        *self = Self::default();
    }
}
