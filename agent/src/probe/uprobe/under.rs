//! Files that are one: an overlay shows a file of the layers below it as its own, each mount as that of another
//! device, and probes hang on the layer's. Probed once for each, its plaintext would be heard twice.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt as _;

use rustix::fs::fstatfs;

use super::scan::FileId;

/// The type of overlayfs as statfs(2) tells it (`OVERLAYFS_SUPER_MAGIC`).
const OVERLAYFS: u64 = 0x794c_7630;
/// Bits of an inode number in which an overlay may tell the layer (`xino`).
const LAYER_BITS: u32 = 16;

/// What an overlay leaves of a file as it is below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Face {
    inode: u64,
    size: u64,
    /// When its content was changed, and its inode, in seconds and nanoseconds.
    changed: [(i64, i64); 2],
    is_overlay: bool,
}

impl Face {
    /// Of a file that is open; `None` if the system does not tell.
    pub(super) fn of(file: &File) -> Option<Self> {
        let meta = file.metadata().ok()?;
        let kind = fstatfs(file).ok()?.f_type;
        Some(Self {
            inode: meta.ino() << LAYER_BITS >> LAYER_BITS,
            size: meta.size(),
            changed: [
                (meta.mtime(), meta.mtime_nsec()),
                (meta.ctime(), meta.ctime_nsec()),
            ],
            is_overlay: u64::try_from(kind).is_ok_and(|kind| kind == OVERLAYFS),
        })
    }

    /// The same as another sees it that looks through an overlay, or through none.
    const fn other(self) -> Self {
        Self {
            is_overlay: !self.is_overlay,
            ..self
        }
    }
}

/// The files that are known, by their faces.
#[derive(Default)]
pub(super) struct Under(HashMap<Face, FileId>);

impl Under {
    /// The file that is known already and is the same as one with that face. Of two that are in no overlay
    /// none is: file systems are copied whole, with numbers and times.
    pub(super) fn twin(&self, face: &Face) -> Option<FileId> {
        let same = face.is_overlay.then(|| self.0.get(face)).flatten();
        same.or_else(|| self.0.get(&face.other())).copied()
    }

    /// Keeps one in mind that has no twin.
    pub(super) fn add(&mut self, face: Face, file: FileId) {
        self.0.entry(face).or_insert(file);
    }

    /// Keeps only those in mind.
    pub(super) fn keep(&mut self, is_known: impl Fn(&FileId) -> bool) {
        self.0.retain(|_, file| is_known(file));
    }
}

#[cfg(test)]
mod tests {
    use super::{Face, Under};
    use crate::probe::uprobe::scan::FileId;

    fn face(is_overlay: bool) -> Face {
        Face {
            inode: 7,
            size: 100,
            changed: [(1, 2), (3, 4)],
            is_overlay,
        }
    }

    const fn file(minor: u32) -> FileId {
        FileId {
            device: (0, minor),
            inode: 7,
        }
    }

    #[track_caller]
    fn check(known: Face, new: Face, is_twin: bool) {
        let mut under = Under::default();
        under.add(known, file(1));
        assert_eq!(under.twin(&new), is_twin.then_some(file(1)));
        under.keep(|_| false);
        assert_eq!(under.twin(&new), None);
    }

    #[test]
    fn one_file_may_be_seen_through_several_overlays() {
        check(face(true), face(true), true);
        check(face(true), face(false), true);
        check(face(false), face(true), true);
    }

    #[test]
    fn file_systems_that_are_copies_have_files_of_their_own() {
        check(face(false), face(false), false);
    }

    #[test]
    fn another_file_is_another() {
        for other in [
            Face {
                inode: 8,
                ..face(true)
            },
            Face {
                size: 101,
                ..face(true)
            },
            Face {
                changed: [(1, 2), (3, 5)],
                ..face(true)
            },
        ] {
            check(face(true), other, false);
        }
    }
}
