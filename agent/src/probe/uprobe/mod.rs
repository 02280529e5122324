//! TLS tap: libraries found, attached and forgotten, in a thread of its own.
//!
//! A probe hangs on a file, so all processes that have it in memory are heard, those that start
//! later too. What remains to be found are files that nobody had before: processes are looked at as
//! they come, and again in turn, since libraries are loaded late too.

mod ciphers;
mod elf;
mod go;
mod handshake;
mod library;
mod loose;
mod marks;
mod nss;
mod place;
mod rustls;
mod scan;
mod table;
mod verdict;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use aya::Ebpf;
use aya::programs::uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeLinkId, UProbeScope};
use aya::programs::{ProgramError, UProbe};
use tracing::{debug, info, warn};

use super::hooks::Refusal;
use crate::guard::{Need, keeping};
use crate::telemetry::{kept, tried};
use ciphers::Marks;
use eaves_common::{CipherKey, CipherValue};
use elf::ElfError;
use library::{APART, Library, PROGRAMS, Point};
use loose::Loose;
use scan::{FileId, Mapped};
use verdict::{Inside, judge};

pub(super) use ciphers::Ciphers;
pub use ciphers::{Speakers, Unheard};
pub(super) use loose::LooseMap;
pub use verdict::{Speaks, Verdict};

/// How often processes are looked for.
const EVERY: Duration = Duration::from_millis(500);
/// Processes that were looked at before and are looked at again, each time.
const AGAIN: usize = 32;
/// Rounds without a user after which a file is forgotten.
const UNUSED_ROUNDS: u32 = 120;
/// Rounds after which it is told whose ciphertext is not heard: five seconds.
const TELL_ROUNDS: u32 = 10;
/// Most files that are kept in mind.
const FILES_MAX: usize = 16_384;

/// Why a file is not looked into whose reading panicked.
const FELL_OVER: &str = "the agent fell over it, by a mistake of its own";

/// The programs of all taps; the thread that attaches and the one that detaches share them.
pub(super) type Kernel = Arc<Mutex<Option<Ebpf>>>;

/// Name of the thread that looks for TLS libraries.
pub const FINDER_THREAD: &str = "eaves-tls";

/// The thread that looks for libraries. Dropped, it ends; what it attached stays with the programs.
pub(super) struct Finder {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Finder {
    /// Begins to look.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub(super) fn start(
        kernel: Kernel,
        ciphers: Ciphers,
        loose: LooseMap,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut files = Files::new(kernel, ciphers, loose, Arc::clone(&stop));
        let told = Arc::clone(&stop);
        let over = move || told.load(Ordering::Relaxed);
        // What it knows of files stays: none is probed twice.
        let look = kept(FINDER_THREAD, over, move || files.run());
        let thread = thread::Builder::new()
            .name(FINDER_THREAD.into())
            .spawn(keeping([Need::Attach], look))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }

    /// Looks no more.
    pub(super) fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It says itself what went wrong.
            let _ = thread.join();
        }
    }
}

impl Drop for Finder {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Probes on a file, and the program of each.
type Links = Vec<(&'static str, UProbeLinkId)>;

/// A file that was looked at.
#[derive(Default)]
struct Known {
    links: Links,
    /// What is in it.
    inside: Inside,
    /// The round in which it was looked into.
    since: u32,
    /// The last round in which a process had it.
    used: u32,
}

struct Files {
    kernel: Kernel,
    ciphers: Ciphers,
    marks: Marks,
    loose: Loose,
    stop: Arc<AtomicBool>,
    /// Whether the kernel took the programs; `None` before that was tried.
    loaded: Option<bool>,
    files: HashMap<FileId, Known>,
    /// Files that were probed so far: the number by which programs know one.
    probed: u64,
    /// Processes that were looked at, and those of them that have a file that is probed.
    seen: HashSet<u32>,
    turn: usize,
    round: u32,
}

impl Files {
    fn new(kernel: Kernel, ciphers: Ciphers, loose: LooseMap, stop: Arc<AtomicBool>) -> Self {
        Self {
            kernel,
            ciphers,
            marks: Marks::default(),
            loose: Loose::new(loose),
            stop,
            loaded: None,
            files: HashMap::new(),
            probed: 0,
            seen: HashSet::new(),
            turn: 0,
            round: 0,
        }
    }

    fn run(&mut self) {
        let loaded = match self.loaded {
            Some(loaded) => loaded,
            None => self.try_to_load(),
        };
        self.loaded = Some(loaded);
        while !self.is_stopped() {
            self.round = self.round.wrapping_add(1);
            if loaded {
                self.look();
            }
            if self.round.is_multiple_of(TELL_ROUNDS) {
                self.tell(loaded);
            }
            thread::park_timeout(EVERY);
        }
    }

    /// Whether the kernel takes the programs.
    fn try_to_load(&mut self) -> bool {
        let loaded = self.load();
        if let Err(error) = &loaded {
            let error: &dyn std::error::Error = error;
            warn!(
                error,
                "the kernel takes no probes in processes: TLS is not heard"
            );
        }
        loaded.is_ok()
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Loads the programs, all at once.
    fn load(&mut self) -> Result<(), ProgramError> {
        match lock(&self.kernel).as_mut().map(load).transpose()? {
            Some(refused) => {
                for (library, error) in refused {
                    let error: &dyn std::error::Error = &error;
                    warn!(
                        error,
                        library, "the kernel does not take it: its TLS is not heard"
                    );
                }
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// One round: new processes, and some of those that were there before.
    fn look(&mut self) {
        let Ok(mut processes) = scan::processes() else {
            return;
        };
        processes.sort_unstable();
        let own = std::process::id();
        let (new, old): (Vec<u32>, Vec<u32>) = processes
            .iter()
            .filter(|pid| **pid != own)
            .partition(|pid| !self.seen.contains(*pid));
        self.seen = processes.iter().copied().collect();
        let first = self.turn;
        let turn =
            (first..first + AGAIN.min(old.len())).filter_map(|at| old.get(at % old.len()).copied());
        let mut found = Vec::new();
        for pid in new.into_iter().chain(turn) {
            found.extend(self.unknown(pid));
        }
        self.turn = (self.turn + AGAIN) % old.len().max(1);
        // Most files have no library in them, and those whose name says so do not take long.
        found.sort_by_key(|(_, file)| file.rank());
        for (pid, file) in found {
            if self.is_stopped() {
                return;
            }
            self.know(pid, &file);
        }
        self.tie();
        self.forget();
    }

    /// Looks into a file, if that was not done yet.
    fn know(&mut self, pid: u32, file: &Mapped) {
        if self.files.len() >= FILES_MAX || self.files.contains_key(&file.id) {
            return;
        }
        // The process may be gone, and the way to the file with it.
        if let Some((links, inside)) = self.file(pid, file) {
            let known = Known {
                links,
                inside,
                since: self.round,
                used: self.round,
            };
            self.files.insert(file.id, known);
        }
    }

    /// Tells of ciphertext that flowed and was not heard.
    fn tell(&mut self, probes: bool) {
        for (key, value) in self.ciphers.take() {
            if self.is_stopped() {
                return;
            }
            if let Some(unheard) = self.unheard(key, value, probes) {
                self.ciphers.tell(unheard);
            }
        }
    }

    /// What there is to tell of the process of `key`. Its files are looked into first: it may have
    /// taken in its library just now.
    fn unheard(&mut self, key: CipherKey, value: CipherValue, probes: bool) -> Option<Unheard> {
        let pid = key.tgid;
        if !probes {
            let name = ciphers::name(pid)?;
            return ciphers::unheard(key, value, name, Speaks::without_probes());
        }
        let mapped = scan::mapped(pid).unwrap_or_default();
        // After its files: one that is gone by now may have none.
        let name = ciphers::name(pid)?;
        let mut files = Vec::new();
        for file in mapped {
            self.know(pid, &file);
            let known = self.files.get(&file.id);
            // What went before it was probed says nothing.
            let is_new = |known: &&Known| self.round.wrapping_sub(known.since) < TELL_ROUNDS;
            if known.filter(is_new).is_some_and(|known| known.inside.heard) {
                return None;
            }
            let inside = known.map(|known| known.inside.clone());
            files.push((file, inside.unwrap_or_default()));
        }
        let speaks = judge(&files, |file| self.marks.of(file));
        ciphers::unheard(key, value, name, speaks)
    }

    /// Files with code in a process's memory that were not looked at yet.
    fn unknown(&mut self, pid: u32) -> Vec<(u32, Mapped)> {
        let mut unknown = scan::mapped(pid).unwrap_or_default();
        unknown.retain(|file| match self.files.get_mut(&file.id) {
            Some(known) => {
                known.used = self.round;
                false
            }
            None => true,
        });
        unknown.into_iter().map(|file| (pid, file)).collect()
    }

    /// Looks into a file, and probes the library that is in it; `None` if it cannot be reached by
    /// this process.
    fn file(&mut self, pid: u32, file: &Mapped) -> Option<(Links, Inside)> {
        let path = file.path.display();
        let open = File::open(&file.link).ok()?;
        // One that it falls over is known like any other that can't be read, and not looked into again.
        let plan = tried(FINDER_THREAD, || library::plan(&open));
        let plan = plan.unwrap_or_else(|| Err(std::io::Error::other(FELL_OVER).into()));
        let mut plan = match plan {
            Ok(plan) => plan,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                debug!(pid, %path, error, "not looked into");
                return Some((Links::new(), Inside::unreadable(error)));
            }
        };
        let inside = Inside::of(&plan);
        self.loose.places(file.id, std::mem::take(&mut plan.alone));
        let Some(library) = plan.library else {
            return Some((Links::new(), inside));
        };
        for (function, why) in &plan.refused {
            debug!(%path, function, %why, "not probed");
        }
        if !plan.hears() {
            let go = plan.go.as_deref();
            let why = plan.why_not();
            warn!(pid, %path, library = library.name(), go, why, "its TLS cannot be heard");
            return Some((Links::new(), inside));
        }
        self.probed += 1;
        match self.attach(&file.link, &plan.points, UProbeScope::AllProcesses) {
            Ok(links) => {
                let probes = links.len();
                if let Some(go) = &plan.go {
                    debug!(pid, %path, go, "built by Go");
                }
                info!(pid, %path, library = library.name(), probes, "TLS is heard");
                Some((links, inside))
            }
            Err(_) if !file.link.exists() => None,
            Err(error) => {
                let refusal = Refusal::from(&error);
                let why = &refusal.reason;
                warn!(pid, %path, library = library.name(), why, "its TLS cannot be heard");
                let refused = Inside {
                    heard: false,
                    denied: refusal.is_denied(),
                    why: Some(refusal.reason),
                    ..inside
                };
                Some((Links::new(), refused))
            }
        }
    }

    /// Attaches the programs at a file's places; all of them or none.
    fn attach(
        &self,
        link: &Path,
        points: &[Point],
        scope: UProbeScope,
    ) -> Result<Links, ProgramError> {
        let mut kernel = lock(&self.kernel);
        let Some(kernel) = kernel.as_mut() else {
            return Ok(Vec::new());
        };
        let mut links = Vec::new();
        for point in points {
            let Some(Ok(program)) = kernel
                .program_mut(point.program)
                .map(<&mut UProbe>::try_from)
            else {
                continue;
            };
            let at = UProbeAttachPoint {
                location: UProbeAttachLocation::AbsoluteOffset(point.offset),
                cookie: point
                    .extent
                    .map(|extent| self.probed << 16 | u64::from(extent)),
            };
            match program.attach(at, link, scope) {
                Ok(id) => links.push((point.program, id)),
                Err(error) => {
                    detach(kernel, links);
                    return Err(error);
                }
            }
        }
        Ok(links)
    }

    /// Takes the probes off files that nobody has had in memory for a while.
    fn forget(&mut self) {
        let round = self.round;
        let unused = |known: &Known| round.saturating_sub(known.used) > UNUSED_ROUNDS;
        if !self.files.values().any(unused) {
            return;
        }
        let mut kernel = lock(&self.kernel);
        self.files.retain(|_, known| {
            let gone = unused(known);
            if gone && let Some(kernel) = kernel.as_mut() {
                detach(kernel, std::mem::take(&mut known.links));
            }
            !gone
        });
        self.loose.keep(|file| self.files.contains_key(file));
    }
}

fn detach(kernel: &mut Ebpf, links: Links) {
    for (name, link) in links {
        if let Some(Ok(program)) = kernel.program_mut(name).map(<&mut UProbe>::try_from) {
            // What fails here goes with the object.
            let _ = program.detach(link);
        }
    }
}

/// By name libraries that the kernel takes no programs for, and what it has against them.
pub(super) type Apart = Vec<(&'static str, ProgramError)>;

/// Loads the programs; what the kernel has against those for one library, if anything: the others do
/// without them, and what is not loaded is not attached.
///
/// # Errors
/// It takes none of the rest.
fn load(kernel: &mut Ebpf) -> Result<Apart, ProgramError> {
    let mut refused = Apart::new();
    for name in PROGRAMS {
        let Some(program) = kernel.program_mut(name) else {
            continue;
        };
        let of = |(_, beginning): &&(Library, &str)| name.starts_with(beginning);
        let apart = APART.iter().find(of).map(|(library, _)| library.name());
        // One that is refused speaks for the library's others, which may be dear to look at.
        if refused.iter().any(|(known, _)| Some(*known) == apart) {
            continue;
        }
        let program: &mut UProbe = program.try_into()?;
        if let Err(error) = program.load() {
            let Some(library) = apart else {
                return Err(error);
            };
            refused.push((library, error));
        }
    }
    Ok(refused)
}

/// Loads the programs, and hangs one for a moment on the first instruction of this process's own
/// executable, which is over: whether TLS can be heard. What the kernel has against the programs for
/// one library.
///
/// # Errors
/// The kernel takes no probes in processes.
pub(super) fn probing(kernel: &Kernel) -> Result<Apart, ProgramError> {
    const NAME: &str = "tls_free";
    const OWN: &str = "/proc/self/exe";
    let mut kernel = lock(kernel);
    let Some(kernel) = kernel.as_mut() else {
        return Ok(Apart::new());
    };
    let refused = load(kernel)?;
    let entry = File::open(OWN).map_err(ElfError::from);
    let entry = entry.and_then(|file| elf::entry(&file));
    if let (Ok(offset), Some(program)) = (entry, kernel.program_mut(NAME)) {
        let program: &mut UProbe = program.try_into()?;
        let at = UProbeAttachPoint {
            location: UProbeAttachLocation::AbsoluteOffset(offset),
            cookie: None,
        };
        let link = program.attach(at, OWN, UProbeScope::AllProcesses)?;
        program.detach(link)?;
    }
    Ok(refused)
}

/// A thread that panicked with the programs left them as they were.
pub(super) fn lock(kernel: &Kernel) -> std::sync::MutexGuard<'_, Option<Ebpf>> {
    kernel.lock().unwrap_or_else(PoisonError::into_inner)
}
