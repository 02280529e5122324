//! Finding frames where nobody says where one begins: after a loss, or on a conn that was joined late.
//!
//! Most ends write whole frames, so a transfer mostly begins with one. But some write a header and its
//! payload apart, payloads may begin as frames do, and who reads slowly begins anywhere. So several
//! beginnings are followed at a time ([`Track`]): those where a transfer begins, and those in its middle
//! from which several frames follow on each other. One is believed when the headers behind it, each
//! where the one before says, are valid in several transfers, and more when they begin them; and only if
//! no other has half as much that speaks for it, as in a payload that somebody made of frames.

mod track;

use self::track::{CHAIN, Track, chain};
use super::frame::Header;

/// Beginnings that are followed at a time.
const TRACKS_MAX: usize = 4;

/// What must speak for one: 2 for each transfer that begins with a header that was due, 1 for any
/// other valid header, no more than 3 for a transfer. Of random bytes one in forty begins like a frame.
pub(super) const PROOF: u32 = 4;

/// What speaks for one that may well be: a header, and another that was due where a transfer began.
const LIKELY: u32 = 3;

/// What frames are held against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sought {
    /// Whether they are masked, if that is known.
    pub(super) masked: Option<bool>,
    /// The bit for compressed messages has a meaning.
    pub(super) compressed: bool,
}

/// A search.
#[derive(Debug, Default)]
pub(super) struct Seek {
    /// Oldest first; one alone if it is proven.
    tracks: Vec<Track>,
    is_proven: bool,
}

/// The bytes from where a frame begins.
#[derive(Debug, Default)]
pub struct Kept {
    /// The header of the first frame, if bytes behind it are left out; else all.
    pub front: Vec<u8>,
    /// How many are left out.
    pub left_out: u64,
    /// How many of these nobody saw.
    pub lost: u64,
    /// Those behind.
    pub rest: Vec<u8>,
}

impl Seek {
    /// Takes `bytes`; what is kept, if the boundaries are beyond doubt now.
    pub(super) fn take(&mut self, bytes: &[u8], first: bool, sought: Sought) -> Option<Kept> {
        self.walk(bytes, first, sought);
        self.is_proven.then(|| std::mem::take(self).into_kept())
    }

    /// Takes `bytes`. `first`: a transfer begins with them.
    pub(super) fn walk(&mut self, bytes: &[u8], first: bool, sought: Sought) {
        let mut taken = false;
        self.tracks.retain_mut(|track| {
            let is_due = track.is_due();
            let goes_on = track.push(bytes, first, sought);
            taken |= is_due && goes_on;
            goes_on
        });
        self.is_proven &= !self.tracks.is_empty();
        if self.is_proven {
            return;
        }
        if first && !taken {
            self.begin(bytes, true, sought);
        }
        if self.tracks.iter().all(|track| track.proof() < 2) {
            self.look_inside(bytes, sought);
        }
        self.join();
        self.settle();
    }

    /// Bytes never came, nobody knows how many if `n` is absent.
    pub(super) fn gap(&mut self, n: Option<u64>) {
        self.tracks
            .retain_mut(|track| n.is_some_and(|n| track.pass(n, n)));
        self.is_proven &= !self.tracks.is_empty();
    }

    /// So many bytes were left out on purpose.
    pub(super) fn skip(&mut self, n: u64) {
        self.tracks.retain_mut(|track| track.pass(n, 0));
        self.is_proven &= !self.tracks.is_empty();
    }

    /// Whether the frames are masked, if they are beyond doubt.
    pub(super) fn proven(&self) -> Option<bool> {
        let track = self.tracks.first().filter(|_| self.is_proven)?;
        track.masked()
    }

    /// Whether a second header came just where it was due.
    pub(super) fn is_likely(&self) -> bool {
        self.tracks.iter().any(|track| track.proof() >= LIKELY)
    }

    /// Whether a frame or its header is under way, and another before it speaks for that.
    pub(super) fn is_inside(&self) -> bool {
        let best = self.tracks.iter().max_by_key(|track| track.proof());
        best.is_some_and(|track| track.proof() >= 2 && !track.is_due())
    }

    /// Whether nothing is followed.
    pub(super) const fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }

    /// What it keeps of the one that has most that speaks for it.
    pub(super) fn into_kept(self) -> Kept {
        let best = self.tracks.into_iter().max_by_key(Track::proof);
        best.map(Track::into_kept).unwrap_or_default()
    }

    /// Memory it holds, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let kept: usize = self.tracks.iter().map(Track::bytes).sum();
        size_of::<Self>() + self.tracks.capacity() * size_of::<Track>() + kept
    }

    /// Follows what begins with `bytes`, if it can be a frame.
    fn begin(&mut self, bytes: &[u8], first: bool, sought: Sought) {
        let mut track = Track::default();
        if !track.push(bytes, first, sought) {
            return;
        }
        if self.tracks.len() >= TRACKS_MAX {
            // Of those that have least, the oldest; unless it may well be one, and has more.
            let least = self.tracks.iter().enumerate();
            let least = least.min_by_key(|(_, track)| track.proof());
            let Some((at, proof)) = least.map(|(at, track)| (at, track.proof())) else {
                return;
            };
            if proof >= LIKELY && proof > track.proof() {
                return;
            }
            self.tracks.remove(at);
        }
        self.tracks.push(track);
    }

    /// Looks for frames that follow on each other in the middle of `bytes`.
    fn look_inside(&mut self, bytes: &[u8], sought: Sought) {
        // Where the next header of each that was found stands: it is no beginning of another.
        let mut due = Vec::new();
        let mut at = 0;
        while let Some((_, rest)) = bytes.get(at..).and_then(<[u8]>::split_first) {
            at += 1;
            let Some(header) = Header::read(rest) else {
                continue;
            };
            let length = usize::try_from(header.length).unwrap_or(usize::MAX);
            let end = (at + header.bytes).saturating_add(length);
            if let Some(next) = due.iter_mut().find(|next| **next == at) {
                *next = end;
            } else if chain(rest, sought) >= CHAIN {
                self.begin(rest, false, sought);
                due.push(end);
                if due.len() == TRACKS_MAX {
                    return;
                }
            }
        }
    }

    /// Of those that have come to the same place the oldest stays, even if less speaks for it: the other
    /// may be a payload within it that somebody made of frames.
    fn join(&mut self) {
        let mut at = 1;
        while let Some(track) = self.tracks.get(at) {
            let older = self.tracks.iter().take(at);
            if older.into_iter().any(|older| older.is_where(track)) {
                self.tracks.remove(at);
            } else {
                at += 1;
            }
        }
    }

    /// Drops all others if one is beyond doubt.
    fn settle(&mut self) {
        let best = self.tracks.iter().enumerate();
        let Some((at, proof)) = best
            .map(|(at, track)| (at, track.proof()))
            .max_by_key(|(_, proof)| *proof)
        else {
            return;
        };
        let mut others = self.tracks.iter().enumerate();
        let is_rival = |(other, track): (usize, &Track)| other != at && track.proof() * 2 > proof;
        if proof < PROOF || others.any(is_rival) {
            return;
        }
        self.tracks.swap(0, at);
        self.tracks.truncate(1);
        self.is_proven = true;
    }
}

#[cfg(test)]
mod tests {
    use super::{Seek, Sought};

    const ANY: Sought = Sought {
        masked: None,
        compressed: true,
    };

    const SMALL: &[u8] = b"\x81\x03abc";

    /// A header that announces a payload of so many bytes.
    fn long(bytes: u16) -> Vec<u8> {
        [&[0x82, 126][..], &bytes.to_be_bytes()].concat()
    }

    #[test]
    fn one_that_may_well_be_is_not_given_up_for_a_newcomer() {
        let mut seek = Seek::default();
        // Each within the payload of those before, and longer.
        for bytes in [1000, 20_000, 30_000, 40_000] {
            let begin = [SMALL, SMALL, &long(bytes)].concat();
            seek.walk(&begin, true, ANY);
        }
        seek.walk(&[&long(60_000)[..], &[b'.'; 46]].concat(), true, ANY);
        // So much of the first one's payload is left.
        let passed = 3 * (2 * SMALL.len() + 4) + 50;
        seek.walk(&vec![b'.'; 1000 - passed], false, ANY);
        for _ in 0..2 {
            assert_eq!(seek.proven(), None);
            seek.walk(SMALL, true, ANY);
        }
        assert_eq!(seek.proven(), Some(false));
        assert!(seek.into_kept().front.starts_with(SMALL));
    }

    #[test]
    fn frames_behind_what_only_looks_like_them_are_found_too() {
        // Three headers in a payload that was joined in its middle, the last of a long one.
        let like = [b"...", SMALL, SMALL, &long(50_000)].concat();
        let mut seek = Seek::default();
        seek.walk(
            &[&like[..], &[b'.'; 20], &SMALL.repeat(4)].concat(),
            false,
            ANY,
        );
        let mut transfers = 0;
        while seek.proven().is_none() {
            seek.walk(SMALL, true, ANY);
            transfers += 1;
            assert!(transfers < 10);
        }
        assert_eq!(seek.into_kept().front, SMALL.repeat(4 + transfers));
    }
}
