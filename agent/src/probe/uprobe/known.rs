//! What is known of files that were looked into, and when it is forgotten.

use std::collections::HashSet;
use std::path::PathBuf;

use tracing::info;

use super::scan::{self, FileId, Mapped};
use super::verdict::Inside;
use super::waiting::Candidate;
use super::{Files, Links, detach, lock};

/// Rounds without a user after which a file is forgotten, if all processes were looked at meanwhile: what
/// is run every few seconds keeps its probes.
const UNUSED_ROUNDS: u32 = 40;
/// Looks at all processes that must have ended since a file was seen last: one that was under way may have
/// been past its user.
const WHOLE_TURNS: u32 = 2;
/// Most files that are kept in mind.
const FILES_MAX: usize = 16_384;

/// What a look into a file gave.
#[derive(Default)]
pub(super) struct Found {
    pub(super) links: Links,
    /// What is in it.
    pub(super) inside: Inside,
    /// The file that was looked into in its place, being the same.
    pub(super) twin: Option<FileId>,
}

impl Found {
    pub(super) fn new(links: Links, inside: Inside) -> Self {
        let twin = None;
        Self {
            links,
            inside,
            twin,
        }
    }
}

/// A file that was looked at.
#[derive(Default)]
pub(super) struct Known {
    pub(super) links: Links,
    /// What is in it.
    pub(super) inside: Inside,
    /// The file that has the probes, being the same.
    pub(super) twin: Option<FileId>,
    /// The round in which it was looked into.
    pub(super) since: u32,
    /// The last round in which a process had it, and how often all had been looked at by then.
    pub(super) used: (u32, u32),
    /// As [`records::Record`] has it, as soon as one tells.
    pub(super) generation: Option<u64>,
    /// Where it was found.
    pub(super) path: PathBuf,
}

impl Known {
    /// Whether it is the file of such a generation. The inode number of one that is deleted comes back.
    pub(super) fn is_of(&mut self, generation: u64) -> bool {
        *self.generation.get_or_insert(generation) == generation
    }
}

impl Files {
    /// Looks into a file, if that was not done yet.
    pub(super) fn know(&mut self, candidate: &Candidate) {
        let Candidate {
            pid,
            file,
            generation,
        } = candidate;
        if let Some(known) = self.files.get_mut(&file.id) {
            if generation.is_none_or(|generation| known.is_of(generation)) {
                return;
            }
            self.drop_known(&file.id);
        }
        if self.files.len() >= FILES_MAX && !self.make_room() {
            return;
        }
        // The process may be gone, and the way to the file with it.
        if let Some(found) = self.reach(*pid, file) {
            let known = Known {
                links: found.links,
                inside: found.inside,
                twin: found.twin,
                since: self.round,
                used: (self.round, self.turns),
                generation: *generation,
                path: file.path.clone(),
            };
            self.files.insert(file.id, known);
        }
    }

    /// Looks into a file where the process has it now: loaders lay one part of it over another after
    /// it was mapped.
    fn reach(&mut self, pid: u32, file: &Mapped) -> Option<Found> {
        if let Some(found) = self.file(pid, file) {
            return Some(found);
        }
        let mut mapped = scan::mapped(pid).ok()?.into_iter();
        let again = mapped.find(|again| again.id == file.id && again.link != file.link)?;
        self.file(pid, &again)
    }

    /// Forgets the file that is not probed and was used longest ago; `false` if all are probed.
    fn make_room(&mut self) -> bool {
        let plain = self
            .files
            .iter()
            .filter(|(_, known)| known.links.is_empty());
        let oldest = plain.min_by_key(|(_, known)| known.used);
        let Some(id) = oldest.map(|(id, _)| *id) else {
            return false;
        };
        self.files.remove(&id);
        self.under.keep(|file| self.files.contains_key(file));
        true
    }

    /// Forgets one file, and takes its probes off.
    fn drop_known(&mut self, id: &FileId) {
        let Some(known) = self.files.remove(id) else {
            return;
        };
        self.loose.forget(id);
        // Who has it by another name is looked at again.
        self.files.retain(|_, other| other.twin != Some(*id));
        self.under.keep(|file| self.files.contains_key(file));
        if let Some(kernel) = lock(&self.kernel).as_mut() {
            detach(kernel, known.links, &self.off);
        }
    }

    /// Takes the probes off files that nobody has had in memory for a while, all having been looked at.
    pub(super) fn forget(&mut self) {
        let now = (self.round, self.turns);
        let unused = |known: &Known| {
            now.0.wrapping_sub(known.used.0) > UNUSED_ROUNDS
                && now.1.wrapping_sub(known.used.1) >= WHOLE_TURNS
        };
        if !self.files.values().any(unused) {
            return;
        }
        let used = self.files.values().filter(|known| !unused(known));
        let held: HashSet<FileId> = used.filter_map(|known| known.twin).collect();
        let mut kernel = lock(&self.kernel);
        self.files.retain(|id, known| {
            let gone = unused(known) && !held.contains(id);
            if gone && let Some(kernel) = kernel.as_mut() {
                let links = std::mem::take(&mut known.links);
                if !links.is_empty() {
                    let path = known.path.display();
                    info!(%path, probes = links.len(), "nobody has it any more: its probes are off");
                }
                detach(kernel, links, &self.off);
            }
            !gone
        });
        self.loose.keep(|file| self.files.contains_key(file));
        self.under.keep(|file| self.files.contains_key(file));
    }
}
