//! How the journal begins: the folder, its lock, the key, and where the chain goes on.

use std::fs::{self, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{major, minor};

use super::JournalError;
use super::chain::Chain;
use super::happened::{Checkpoint, Happened, body};
use super::key::PublicKey;
use super::recover::{Recovered, recover, seal_at};
use super::segment::NO_HASH;
use super::state;
use super::writer::Journal;
use crate::clock::Moment;
use crate::telemetry::Counter;

/// Name of the file in the state directory that remembers the last checkpoint: it tells a journal
/// that was put back from a copy.
pub(super) const LAST: &str = "journal.last";

impl Journal {
    /// Opens what is there and makes the link that says that writing begins.
    pub(super) fn begin(&mut self, now: Moment) -> Result<(), JournalError> {
        let dir = self.options.dir.clone();
        let io = |source| JournalError::Io {
            path: dir.clone(),
            source,
        };
        self.disk.make_dir(&dir).map_err(io)?;
        if self.lock.is_none() {
            self.lock = Some(lock(&dir)?);
        }
        let recovered = recover(&*self.disk, &dir).map_err(io)?;
        let signing = self.signing(&recovered)?;
        let known = self.missing(&recovered).map_err(io)?;
        let mut start = body::Start {
            date: now.date,
            nonce: nonce().map_err(io)?,
            cut_records: recovered.cut_records,
            cut_bytes: recovered.cut_bytes,
            known: 0,
            seal: NO_HASH,
        };
        let (found, records) = (recovered.sequence, recovered.records);
        let told = [
            Some(Happened::Started {
                clean: recovered.clean,
                cut_records: recovered.cut_records,
                cut_bytes: recovered.cut_bytes,
            }),
            recovered
                .damaged
                .map(|segment| Happened::Damaged { segment }),
            known.as_ref().map(|known| Happened::Rewound {
                known: known.sequence,
                found,
            }),
            signing.before.map(|from| Happened::KeyChanged {
                from: PublicKey(from),
                to: PublicKey::of(&signing.key),
                handed_over: false,
            }),
        ];
        let mut chain =
            Chain::open(Arc::clone(&self.disk), dir.clone(), signing.key, recovered).map_err(io)?;
        if let Some(heir) = signing.heir {
            chain.bequeath(heir);
        }
        if let Some(known) = known {
            start.known = known.sequence + 1;
            start.seal = known.seal;
            chain.skip_to(start.known);
        }
        self.space.measure(&*self.disk, &dir);
        self.syncer.synced().reset(found);
        self.durable_records = records;
        self.counters
            .add(Counter::JournalCutRecords, start.cut_records);
        self.happened.extend(told.into_iter().flatten());
        chain.seal_start(&start, found);
        self.chain = Some(chain);
        Ok(())
    }

    /// The checkpoint that was signed here last, if it is not in the chain that was found.
    fn missing(&self, found: &Recovered) -> io::Result<Option<Checkpoint>> {
        let path = self.options.key.file.with_file_name(LAST);
        let bytes = match state::read(&*self.disk, &path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let Ok(known) = serde_json::from_slice::<Checkpoint>(&bytes) else {
            tracing::warn!(path = %path.display(), "what was noted of the last checkpoint cannot be read");
            return Ok(None);
        };
        if known.sequence >= found.sequence {
            return Ok(Some(known));
        }
        let seal = seal_at(
            &*self.disk,
            &self.options.dir,
            &found.segments,
            known.sequence,
        )?;
        Ok(seal.is_some_and(|seal| seal != known.seal).then_some(known))
    }
}

/// Sixteen random bytes.
fn nonce() -> io::Result<[u8; 16]> {
    let mut nonce = [0; 16];
    rustix::rand::getrandom(&mut nonce, rustix::rand::GetRandomFlags::empty())?;
    Ok(nonce)
}

/// Name of the file that is locked by who writes.
const LOCK: &str = "lock";

/// Whether somebody writes to the journal in `dir` now, as far as the kernel's table of locks tells: nothing
/// is locked to find out, or an agent that starts meanwhile would find its journal taken. Where a file system
/// has other device numbers for files than for itself, as btrfs does, nobody seems to.
#[must_use]
pub fn is_written(dir: &Path) -> bool {
    writer(dir).is_some()
}

/// The process that [`is_written`] sees.
fn writer(dir: &Path) -> Option<u32> {
    let about = fs::metadata(dir.join(LOCK)).ok()?;
    let (dev, inode) = (about.dev(), about.ino());
    let place = format!("{:02x}:{:02x}:{inode}", major(dev), minor(dev));
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| holder(line, &place))
}

/// Who holds the lock on the file at `place`, if a line of `/proc/locks` (proc(5)) tells of that.
fn holder(line: &str, place: &str) -> Option<u32> {
    let mut words = line.split_ascii_whitespace().skip(1);
    if words.next() != Some("FLOCK") {
        return None;
    }
    let pid = words.nth(2)?.parse().ok()?;
    (words.next() == Some(place)).then_some(pid)
}

/// A process, behind what was said of it.
pub(super) fn of_pid(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(", process {pid}"))
}

/// Keeps other writers out, as long as the file is open.
fn lock(dir: &Path) -> Result<fs::File, JournalError> {
    let path = dir.join(LOCK);
    let file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    let file = file.map_err(|source| JournalError::Io { path, source })?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(JournalError::Locked {
            dir: dir.to_owned(),
            pid: writer(dir),
        }),
        // A file system without locks: nobody else can be kept out.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

#[cfg(test)]
mod tests {
    use super::{holder, is_written, lock};

    #[test]
    fn who_writes_is_seen_without_a_lock_of_ones_own() {
        let dir = std::env::temp_dir().join(format!("eaves-lock-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        assert!(!is_written(&dir));
        let locked = lock(&dir).unwrap();
        assert!(is_written(&dir));
        drop(locked);
        assert!(!is_written(&dir));
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn locks_are_told_apart() {
        let check = |line: &str, expected| {
            assert_eq!(holder(line, "fe:01:77"), expected, "{line}");
        };
        check("1: FLOCK  ADVISORY  WRITE 812 fe:01:77 0 EOF", Some(812));
        check("1: FLOCK  ADVISORY  WRITE 812 fe:01:775 0 EOF", None);
        check("2: POSIX  ADVISORY  WRITE 812 fe:01:77 0 EOF", None);
        check("1: FLOCK  ADVISORY  WRITE x fe:01:77 0 EOF", None);
        check("", None);
    }
}
