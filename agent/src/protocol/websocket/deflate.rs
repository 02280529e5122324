//! permessage-deflate taken off (RFC 7692 §7.2.2): one window a direction, bounded output.

use flate2::{Decompress, FlushDecompress, Status};

/// What a sender leaves off the end of a message.
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// Bytes decompressed at a time.
const PIECE_BYTES: usize = 4096;
/// How many times a message's bytes it may swell to: JSON shrinks by 5 to 20.
const RATIO_MAX: u64 = 100;
/// What any message may swell to.
const ANY_MAX_BYTES: u64 = 256 * 1024;

/// Memory that a window takes, with what surrounds it.
const WINDOW_BYTES: usize = 44 * 1024;

/// Why a message cannot be decompressed further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// It is not coded so.
    Broken,
    /// It swells as no text does.
    Swells,
    /// There is more of it behind its last block.
    Ended,
}

/// Decompresses the messages of one direction.
#[derive(Debug)]
pub(super) struct Inflater {
    /// The window of one message serves the next.
    takes_over: bool,
    /// What it holds is not known: bytes of it never came.
    is_adrift: bool,
    state: Option<Box<Decompress>>,
    /// The message under way had its last block.
    is_done: bool,
    /// Bytes of the message under way, before and after.
    taken: u64,
    made: u64,
}

impl Inflater {
    pub(super) const fn new(takes_over: bool) -> Self {
        Self {
            takes_over,
            is_adrift: false,
            state: None,
            is_done: false,
            taken: 0,
            made: 0,
        }
    }

    /// Whether messages can be left out without harm to later ones.
    pub(super) const fn can_skip(&self) -> bool {
        !self.takes_over || self.is_adrift
    }

    /// A compressed message begins; whether it can be decompressed.
    pub(super) fn begin(&mut self) -> bool {
        (self.taken, self.made, self.is_done) = (0, 0, false);
        if self.takes_over && self.is_adrift {
            return false;
        }
        if !self.takes_over {
            self.state = None;
        }
        true
    }

    /// Bytes of the message under way: gives what they decompress to.
    pub(super) fn push(
        &mut self,
        input: &[u8],
        give: &mut impl FnMut(&[u8]),
    ) -> Result<(), Failed> {
        self.taken += input.len() as u64;
        let result = self.run(input, give);
        if result.is_err() {
            self.forget();
        }
        result
    }

    /// The message is over.
    pub(super) fn end(&mut self, give: &mut impl FnMut(&[u8])) -> Result<(), Failed> {
        let mut result = Ok(());
        if !self.is_done {
            result = self.run(&TAIL, give);
        }
        if result.is_err() {
            self.forget();
        }
        if !self.takes_over {
            self.state = None;
        }
        result
    }

    /// Bytes never came, or memory is needed: what is compressed against them cannot be told.
    pub(super) fn forget(&mut self) {
        self.state = None;
        self.is_adrift = true;
    }

    /// Memory it holds beyond its own size, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        match self.state {
            Some(_) => WINDOW_BYTES,
            None => 0,
        }
    }

    fn run(&mut self, mut input: &[u8], give: &mut impl FnMut(&[u8])) -> Result<(), Failed> {
        if self.is_done {
            return only_padding(input);
        }
        let most = self.taken.saturating_mul(RATIO_MAX).max(ANY_MAX_BYTES);
        let state = self
            .state
            .get_or_insert_with(|| Box::new(Decompress::new(false)));
        let mut piece = [0; PIECE_BYTES];
        loop {
            let (read, made) = (state.total_in(), state.total_out());
            let status = state.decompress(input, &mut piece, FlushDecompress::Sync);
            let read = (state.total_in() - read) as usize;
            let made = (state.total_out() - made) as usize;
            input = input.get(read..).unwrap_or_default();
            give(piece.get(..made).unwrap_or_default());
            self.made += made as u64;
            if self.made > most {
                return Err(Failed::Swells);
            }
            // What was made before the fault was found counts too, however the bytes were cut.
            if status.map_err(|_| Failed::Broken)? == Status::StreamEnd {
                // A last block, which RFC 7692 §7.2.3.4 lets a message have: its window cannot be
                // had any more, so what refers to it is not decoded.
                self.forget();
                self.is_done = true;
                return only_padding(input);
            }
            if (read == 0 && made == 0) || (input.is_empty() && made < PIECE_BYTES) {
                return Ok(());
            }
        }
    }
}

/// Behind a last block stands a zero byte (RFC 7692 §7.2.3.4).
fn only_padding(input: &[u8]) -> Result<(), Failed> {
    if input.iter().all(|byte| *byte == 0) {
        Ok(())
    } else {
        Err(Failed::Ended)
    }
}
