//! Files that wait to be looked into, those first that are likeliest to be TLS libraries.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use super::records::Record;
use super::scan::{self, FileId, Mapped};

/// Most files that wait.
const WAITING_MAX: usize = 1024;

/// One that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// A process that has it.
    pub(super) pid: u32,
    /// The file.
    pub(super) file: Mapped,
    /// As [`Record`] has it; `None` where it was found in `/proc`, which does not tell.
    pub(super) generation: Option<u64>,
}

impl Candidate {
    /// The one that was recorded.
    pub(super) fn of(record: &Record<'_>) -> Self {
        let (pid, (start, end)) = (record.pid, record.range);
        let path = OsStr::from_bytes(record.path).into();
        Self {
            pid,
            file: Mapped {
                id: record.id,
                is_program: scan::program(pid).as_ref() == Some(&path),
                path,
                link: format!("/proc/{pid}/map_files/{start:x}-{end:x}").into(),
            },
            generation: Some(record.generation),
        }
    }
}

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// By rank, then in the order in which they came.
    queue: BTreeMap<(u8, u64), Candidate>,
    files: HashSet<FileId>,
    came: u64,
}

impl Waiting {
    /// Adds one that does not wait yet; `false` if there is no room.
    pub(super) fn add(&mut self, id: FileId, candidate: impl FnOnce() -> Candidate) -> bool {
        if self.files.contains(&id) {
            return true;
        }
        if self.is_full() {
            return false;
        }
        let candidate = candidate();
        self.files.insert(id);
        self.came += 1;
        let place = (candidate.file.rank(), self.came);
        self.queue.insert(place, candidate);
        true
    }

    /// The next.
    pub(super) fn next(&mut self) -> Option<Candidate> {
        let (_, candidate) = self.queue.pop_first()?;
        self.files.remove(&candidate.file.id);
        Some(candidate)
    }

    /// Whether the next is a TLS library by its name.
    pub(super) fn is_urgent(&self) -> bool {
        matches!(self.queue.first_key_value(), Some(((0, _), _)))
    }

    pub(super) fn is_full(&self) -> bool {
        self.queue.len() >= WAITING_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::{Candidate, WAITING_MAX, Waiting};
    use crate::probe::uprobe::scan::{FileId, Mapped};

    fn add(waiting: &mut Waiting, inode: u64, path: &str, is_program: bool) -> bool {
        let id = FileId {
            device: (8, 1),
            inode,
        };
        waiting.add(id, || Candidate {
            pid: 7,
            file: Mapped {
                id,
                path: path.into(),
                is_program,
                link: "/proc/7/map_files/1-2".into(),
            },
            generation: None,
        })
    }

    fn next(waiting: &mut Waiting) -> Option<u64> {
        waiting.next().map(|candidate| candidate.file.id.inode)
    }

    #[test]
    fn libraries_by_name_come_first_and_each_file_once() {
        let mut waiting = Waiting::default();
        assert!(add(&mut waiting, 1, "/lib/libc.so.6", false) && !waiting.is_urgent());
        assert!(add(&mut waiting, 2, "/bin/curl", true));
        assert!(add(&mut waiting, 3, "/lib/libssl.so.3", false) && waiting.is_urgent());
        assert!(add(&mut waiting, 3, "/other/libssl.so.3", false));
        assert!(add(&mut waiting, 4, "/lib/libgnutls.so.30", false));
        let order: Vec<_> = std::iter::from_fn(|| next(&mut waiting)).collect();
        assert_eq!(order, [3, 4, 2, 1]);
        assert!(add(&mut waiting, 3, "/lib/libssl.so.3", false), "again");
        assert_eq!(next(&mut waiting), Some(3));
    }

    #[test]
    fn they_are_bounded() {
        let mut waiting = Waiting::default();
        let most = WAITING_MAX as u64;
        assert!((0..most).all(|inode| add(&mut waiting, inode, "/x", false)));
        assert!(waiting.is_full() && !add(&mut waiting, most, "/x", false));
        assert!(add(&mut waiting, 0, "/x", false), "it waits already");
        assert_eq!(next(&mut waiting), Some(0));
        assert!(add(&mut waiting, most, "/x", false));
    }
}
