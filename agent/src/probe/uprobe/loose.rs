//! Processes whose library works on memory: what hands ciphertext on is probed in each of them alone.
//!
//! Where OpenSSL is shared, `BIO_write` is everybody's, and a probe on it would cost those most whose
//! library has no need of it. So it is a breakpoint in the memory of one process, once the kernel
//! programs have seen that plaintext of a session there moved and nothing moved on a socket.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::num::NonZeroU32;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use aya::maps::{HashMap as KernelMap, MapData};
use aya::programs::uprobe::UProbeScope;
use eaves_common::LOOSE_MAX;
use tracing::debug;

use super::library::Point;
use super::scan::{self, FileId, Mapped};
use super::waiting::Candidate;
use super::{Files, Links, detach, lock};

/// Processes that have such probes, at most: each adds a comparison to a call of any other of them.
const PROCESSES_MAX: usize = 128;
/// Files with such places that are kept in mind.
const FILES_MAX: usize = 1024;
/// Rounds after which a process that is still noted is looked at again: it may have loaded another library.
const AGAIN_ROUNDS: u32 = 20;

/// The kernel's map of such processes.
pub(in super::super) type LooseMap = KernelMap<MapData, u32, u32>;

/// What is probed in single processes.
pub(super) struct Loose {
    map: LooseMap,
    /// Places in files.
    places: HashMap<FileId, Vec<Point>>,
    processes: HashMap<u32, Process>,
}

/// A process with such probes.
struct Process {
    /// Its name, of that process and of none that gets its number: it cannot be read once it is gone.
    name: File,
    files: HashSet<FileId>,
    links: Links,
    /// The round in which its files were looked at.
    looked: u32,
}

impl Process {
    fn is_gone(&self) -> bool {
        self.name.read_at(&mut [0], 0).is_err()
    }
}

impl Files {
    /// Probes what hands ciphertext on in processes whose library works on memory.
    pub(super) fn tie(&mut self) {
        for pid in self.loose.noted(self.round) {
            let mapped = scan::mapped(pid).unwrap_or_default();
            for file in &mapped {
                let (file, generation) = (file.clone(), None);
                self.know(&Candidate {
                    pid,
                    file,
                    generation,
                });
            }
            let Some(scope) = NonZeroU32::new(pid).map(UProbeScope::OneProcess) else {
                continue;
            };
            let mut probes = 0;
            for (link, points) in self.loose.wanted(pid, &mapped, self.round) {
                match self.attach(&link, &points, scope) {
                    Ok(links) => {
                        probes += links.len();
                        self.loose.add(pid, links);
                    }
                    Err(error) => {
                        let error: &dyn std::error::Error = &error;
                        debug!(pid, error, "what its TLS hands on is not seen");
                    }
                }
            }
            if probes > 0 {
                debug!(
                    pid,
                    probes, "its TLS works on memory: what it hands on is seen"
                );
            }
        }
        let gone = self.loose.gone();
        if !gone.is_empty()
            && let Some(kernel) = lock(&self.kernel).as_mut()
        {
            detach(kernel, gone, &self.off);
        }
    }
}

impl Loose {
    pub(super) fn new(map: LooseMap) -> Self {
        Self {
            map,
            places: HashMap::new(),
            processes: HashMap::new(),
        }
    }

    /// Keeps the places of a file in mind.
    pub(super) fn places(&mut self, file: FileId, points: Vec<Point>) {
        if !points.is_empty() && self.places.len() < FILES_MAX {
            self.places.insert(file, points);
        }
    }

    /// Has `file` the places of its twin.
    pub(super) fn share(&mut self, twin: &FileId, file: FileId) {
        if let Some(points) = self.places.get(twin).cloned() {
            self.places(file, points);
        }
    }

    /// Forgets the places of one file.
    pub(super) fn forget(&mut self, file: &FileId) {
        self.places.remove(file);
    }

    /// Forgets the places of files that nobody has any more.
    pub(super) fn keep(&mut self, is_used: impl Fn(&FileId) -> bool) {
        self.places.retain(|file, _| is_used(file));
    }

    /// The processes that the kernel programs noted since, as far as they are to be looked at.
    pub(super) fn noted(&mut self, round: u32) -> Vec<u32> {
        let noted = self.map.keys().take(LOOSE_MAX as usize);
        let mut noted: Vec<u32> = noted.filter_map(Result::ok).collect();
        for pid in &noted {
            // The kernel may have evicted it.
            let _ = self.map.remove(pid);
        }
        noted.retain(|pid| match self.processes.get(pid) {
            Some(process) => round.wrapping_sub(process.looked) >= AGAIN_ROUNDS,
            None => self.processes.len() < PROCESSES_MAX,
        });
        noted
    }

    /// What is to be probed in process `pid`, which has these files in memory, by the way to each file.
    pub(super) fn wanted(
        &mut self,
        pid: u32,
        mapped: &[Mapped],
        round: u32,
    ) -> Vec<(PathBuf, Vec<Point>)> {
        if !self.processes.contains_key(&pid) {
            let Ok(name) = File::open(format!("/proc/{pid}/comm")) else {
                return Vec::new();
            };
            let process = Process {
                name,
                files: HashSet::new(),
                links: Links::new(),
                looked: round,
            };
            if self.processes.len() >= PROCESSES_MAX {
                return Vec::new();
            }
            self.processes.insert(pid, process);
        }
        let Some(process) = self.processes.get_mut(&pid) else {
            return Vec::new();
        };
        process.looked = round;
        let new = mapped.iter().filter_map(|file| {
            let points = self.places.get(&file.id)?;
            let is_new = process.files.insert(file.id);
            is_new.then(|| (file.link.clone(), points.clone()))
        });
        new.collect()
    }

    /// Probes hang in process `pid`.
    pub(super) fn add(&mut self, pid: u32, links: Links) {
        if let Some(process) = self.processes.get_mut(&pid) {
            process.links.extend(links);
        }
    }

    /// Probes of processes that are gone.
    pub(super) fn gone(&mut self) -> Links {
        let gone = self.processes.extract_if(|_, process| process.is_gone());
        gone.flat_map(|(_, process)| process.links).collect()
    }
}
