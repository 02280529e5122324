//! How much room there is, and for what.

use std::path::Path;
use std::time::Duration;

use super::Options;
use super::disk::Disk;
use super::happened::RetireReason;
use super::record::{Pressure, Worth};
use super::timing::ns;
use super::writer::Journal;
use crate::clock::WallTime;

/// Largest and least size at which a segment ends, bytes. Segments are deleted whole, so there are
/// to be some sixteen of them.
const SEGMENT_BYTES: (u64, u64) = (256 << 10, 64 << 20);

/// Largest and least reserve of findings and notices, bytes.
const RESERVE_BYTES: (u64, u64) = (256 << 10, 64 << 20);

/// Greatest age at which a segment ends.
const SEGMENT_AGE: Duration = Duration::from_secs(86_400);

/// Room that a link without data needs at most, bytes.
const LINK_BYTES: u64 = 4096;

/// Bytes that are taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    /// On the disk.
    pub(super) written: u64,
    /// In memory, to be written: not yet compressed, so more than will be.
    pub(super) waiting: u64,
}

impl Journal {
    /// Is kept as `options` say from now on; folder, key and threads stay as they are.
    pub fn set(&mut self, options: Options) {
        let Options { dir, key, .. } = self.options.clone();
        let threaded = self.options.threaded;
        self.options = Options {
            dir,
            key,
            threaded,
            ..options
        };
        let free = self.space.free.saturating_add(self.space.min_free);
        self.space = Space::of(&self.options);
        self.space.free = free.saturating_sub(self.space.min_free);
        self.space.measure(&*self.disk, &self.options.dir);
    }
}

/// The room that may be used.
#[derive(Debug)]
pub(super) struct Space {
    keep_bytes: u64,
    keep_age: Duration,
    min_free: u64,
    /// Bytes that findings, notices and exchanges that matter have for themselves.
    reserve: u64,
    segment_bytes: u64,
    segment_age: Duration,
    /// Bytes free beyond `min_free`, less what was written since they were counted.
    free: u64,
}

impl Space {
    /// As `options` want it; nothing is known of the disk yet.
    pub(super) fn of(options: &Options) -> Self {
        let share = |of: u64, (min, max)| (options.keep_bytes / of).clamp(min, max);
        Self {
            keep_bytes: options.keep_bytes,
            keep_age: options.keep_age,
            min_free: options.min_free,
            reserve: share(32, RESERVE_BYTES),
            segment_bytes: share(16, SEGMENT_BYTES),
            segment_age: SEGMENT_AGE.min(options.keep_age / 8),
            free: u64::MAX,
        }
    }

    /// Looks how much is free; a disk that does not say is taken to have what it had.
    pub(super) fn measure(&mut self, disk: &dyn Disk, dir: &Path) {
        if let Ok(free) = disk.free_bytes(dir) {
            self.free = free.saturating_sub(self.min_free);
        }
    }

    /// So much was written since.
    pub(super) const fn written(&mut self, bytes: u64) {
        self.free = self.free.saturating_sub(bytes);
    }

    /// So much was deleted since.
    pub(super) const fn freed(&mut self, bytes: u64) {
        self.free = self.free.saturating_add(bytes);
    }

    fn room(&self, taken: Taken) -> u64 {
        let kept = self.keep_bytes.saturating_sub(taken.written);
        kept.min(self.free).saturating_sub(taken.waiting)
    }

    /// Whether a record may be written if then so much is taken.
    pub(super) fn admits(&self, worth: Worth, taken: Taken) -> bool {
        let reserved = match worth {
            Worth::Asset => self.reserve * 2,
            Worth::Common => self.reserve,
            Worth::Important => self.reserve / 2,
            // The rest of it is for what the journal says in the chain.
            Worth::Told => self.reserve / 4,
        };
        self.room(taken) >= reserved
    }

    /// Whether a link without data may be written.
    pub(super) fn admits_link(&self, taken: Taken) -> bool {
        self.room(taken) >= LINK_BYTES
    }

    /// What should be left out.
    pub(super) fn pressure(&self, taken: Taken) -> Pressure {
        let room = self.room(taken);
        if room < self.reserve {
            Pressure::Exchanges
        } else if room < self.reserve * 4 {
            Pressure::Bodies
        } else {
            Pressure::None
        }
    }

    /// Whether exchanges that were shed for want of room are taken again: not for a few of them.
    pub(super) fn is_relieved(&self, taken: Taken) -> bool {
        self.room(taken) >= self.reserve * 2
    }

    /// What is reached, in words.
    pub(super) fn reason(&self, taken: Taken) -> &'static str {
        if self.keep_bytes.saturating_sub(taken.written) <= self.free {
            "journal.keep.bytes is reached"
        } else {
            "the file system has only journal.min_free left"
        }
    }

    /// Whether a segment of so many bytes, begun then, is to end.
    pub(super) fn is_full_segment(&self, bytes: u64, opened: WallTime, now: WallTime) -> bool {
        bytes >= self.segment_bytes || now.0.abs_diff(opened.0) >= ns(self.segment_age)
    }

    /// Whether the oldest segment is to be deleted for the room it takes, while there is still some.
    pub(super) fn retires(&self, taken: Taken) -> Option<RetireReason> {
        let wanted = self.reserve * 4 + self.segment_bytes;
        let kept = self
            .keep_bytes
            .saturating_sub(taken.written + taken.waiting);
        if kept < wanted {
            return Some(RetireReason::Bytes);
        }
        // What others put on the disk costs no more of the journal than three quarters.
        let free = self.free.saturating_sub(taken.waiting);
        (free < wanted && taken.written > self.keep_bytes / 4).then_some(RetireReason::Room)
    }

    /// Whether a segment whose last record was written then is over.
    pub(super) fn is_over(&self, ended: WallTime, now: WallTime) -> bool {
        now.0.saturating_sub(ended.0) >= ns(self.keep_age)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::clock::Moment;
    use crate::journal::{Journal, KeyPlace, Options, Pressure, RealDisk};

    #[test]
    fn how_much_is_kept_changes_and_where_does_not() {
        let dir = std::env::temp_dir().join(format!("eaves-set-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let key = |name: &str| KeyPlace {
            credential: None,
            file: dir.join(name),
        };
        let options = Options {
            min_free: 0,
            threaded: false,
            ..Options::new(dir.join("journal"), key("key"))
        };
        let now = Moment::now();
        let mut journal = Journal::open(options.clone(), Arc::new(RealDisk), now).unwrap();
        assert_eq!(journal.pressure(), Pressure::None);
        let set = Options {
            readers: vec!["sink.a".to_owned()],
            min_free: u64::MAX,
            ..Options::new(dir.join("elsewhere"), key("other"))
        };
        journal.set(set);
        assert_eq!(journal.pressure(), Pressure::Exchanges, "no room is left");
        assert_eq!(journal.options.readers, ["sink.a"]);
        assert_eq!(journal.dir(), dir.join("journal"));
        assert!(!journal.options.threaded);
        journal.set(options);
        assert_eq!(journal.pressure(), Pressure::None);
        journal.close(now);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
