//! TLS tap: libraries found, attached and forgotten, in a thread of its own.
//!
//! A probe hangs on a file, so all processes that have it in memory are heard, those that start
//! later too. What remains to be found are files that nobody had before: the kernel records each that
//! comes into memory. Processes are looked at as well: all at the start and after records were lost, those
//! that are new and others in turn for the agent's life, for what no record tells: which files are still in use.

mod ciphers;
mod elf;
mod go;
mod handshake;
mod known;
mod library;
mod look;
mod loose;
mod marks;
mod nss;
mod place;
mod records;
mod rustls;
mod scan;
mod table;
mod under;
mod verdict;
mod waiting;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use aya::Ebpf;
use aya::programs::uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeLinkId, UProbeScope};
use aya::programs::{ProgramError, UProbe};
use mio::{Poll, Waker};
use tracing::{debug, info, warn};

use super::hooks::Refusal;
use super::leaving::Off;
use crate::guard::{Need, keeping};
use crate::telemetry::{kept, tried};
use ciphers::Marks;
use eaves_common::{CipherKey, CipherValue};
use elf::ElfError;
use known::{Found, Known};
use library::{APART, Library, PROGRAMS, Point};
use look::STOP;
use loose::Loose;
use records::Records;
use scan::{FileId, Mapped};
use under::{Face, Under};
use verdict::{Inside, judge};
use waiting::{Candidate, Waiting};

pub(super) use ciphers::Ciphers;
pub use ciphers::{Speakers, Unheard};
pub(super) use look::try_records;
pub(super) use loose::LooseMap;
pub use verdict::{Speaks, Verdict};

/// Rounds after which it is told whose ciphertext is not heard: five seconds.
const TELL_ROUNDS: u32 = 10;

/// Why a file is not looked into whose reading panicked.
const FELL_OVER: &str = "the agent fell over it, by a mistake of its own";

/// The programs of all taps; the thread that attaches and the one that detaches share them.
pub(super) type Kernel = Arc<Mutex<Option<Ebpf>>>;

/// Name of the thread that looks for TLS libraries.
pub const FINDER_THREAD: &str = "eaves-tls";

/// The thread that looks for libraries. Dropped, it ends; what it attached stays with the programs.
pub(super) struct Finder {
    stop: Arc<AtomicBool>,
    waker: Waker,
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
        off: Off,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), STOP)?;
        let to = (loose, off);
        let mut files = Files::new(kernel, ciphers, to, Arc::clone(&stop), poll);
        let told = Arc::clone(&stop);
        let over = move || told.load(Ordering::Relaxed);
        // What it knows of files stays: none is probed twice.
        let look = kept(FINDER_THREAD, over, move || files.run());
        let thread = thread::Builder::new()
            .name(FINDER_THREAD.into())
            .spawn(keeping([Need::Attach], look))?;
        Ok(Self {
            stop,
            waker,
            thread: Some(thread),
        })
    }

    /// Looks no more.
    pub(super) fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A thread that is not woken ends with its round.
            let _ = self.waker.wake();
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

struct Files {
    kernel: Kernel,
    off: Off,
    ciphers: Ciphers,
    marks: Marks,
    loose: Loose,
    stop: Arc<AtomicBool>,
    /// Whether the kernel took the programs; `None` before that was tried.
    loaded: Option<bool>,
    files: HashMap<FileId, Known>,
    under: Under,
    waiting: Waiting,
    poll: Poll,
    /// What the kernel records; `None` where it does not.
    records: Option<Records>,
    /// Whether all processes are to be looked at: some records were lost.
    all: bool,
    /// Before then they are not: it takes a while.
    not_before: Instant,
    /// Files that were probed so far: the number by which programs know one.
    probed: u64,
    /// Processes that were looked at.
    seen: HashSet<u32>,
    /// The last of them that was looked at again, and how often all were.
    turn: u32,
    turns: u32,
    round: u32,
}

impl Files {
    fn new(
        kernel: Kernel,
        ciphers: Ciphers,
        (loose, off): (LooseMap, Off),
        stop: Arc<AtomicBool>,
        poll: Poll,
    ) -> Self {
        Self {
            kernel,
            off,
            ciphers,
            marks: Marks::default(),
            loose: Loose::new(loose),
            stop,
            loaded: None,
            files: HashMap::new(),
            under: Under::default(),
            waiting: Waiting::default(),
            poll,
            records: None,
            all: false,
            not_before: Instant::now(),
            probed: 0,
            seen: HashSet::new(),
            turn: 0,
            turns: 0,
            round: 0,
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
            let candidate = Candidate {
                pid,
                file,
                generation: None,
            };
            self.know(&candidate);
            let file = candidate.file;
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

    /// Looks into a file, and probes the library that is in it; `None` if it cannot be reached by
    /// this process.
    fn file(&mut self, pid: u32, file: &Mapped) -> Option<Found> {
        let path = file.path.display();
        let open = File::open(&file.link).ok()?;
        if let Some(face) = Face::of(&open) {
            if let Some(twin) = self.under.twin(&face)
                && let Some(known) = self.files.get(&twin)
            {
                debug!(pid, %path, twin = %known.path.display(), "a file that is known, by another name");
                self.loose.share(&twin, file.id);
                return Some(Found {
                    links: Links::new(),
                    inside: known.inside.clone(),
                    twin: Some(twin),
                });
            }
            self.under.add(face, file.id);
        }
        // One that it falls over is known like any other that can't be read, and not looked into again.
        let plan = tried(FINDER_THREAD, || library::plan(&open));
        let plan = plan.unwrap_or_else(|| Err(std::io::Error::other(FELL_OVER).into()));
        let mut plan = match plan {
            Ok(plan) => plan,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                debug!(pid, %path, error, "not looked into");
                return Some(Found::new(Links::new(), Inside::unreadable(error)));
            }
        };
        let inside = Inside::of(&plan);
        self.loose.places(file.id, std::mem::take(&mut plan.alone));
        let Some(library) = plan.library else {
            return Some(Found::new(Links::new(), inside));
        };
        for (function, why) in &plan.refused {
            debug!(%path, function, %why, "not probed");
        }
        if !plan.hears() {
            let go = plan.go.as_deref();
            let why = plan.why_not();
            warn!(pid, %path, library = library.name(), go, why, "its TLS cannot be heard");
            return Some(Found::new(Links::new(), inside));
        }
        self.probed += 1;
        // By the file itself: the process may have ended.
        let link = PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()));
        match self.attach(&link, &plan.points, UProbeScope::AllProcesses) {
            Ok(links) => {
                let probes = links.len();
                if let Some(go) = &plan.go {
                    debug!(pid, %path, go, "built by Go");
                }
                info!(pid, %path, library = library.name(), probes, "TLS is heard");
                Some(Found::new(links, inside))
            }
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
                Some(Found::new(Links::new(), refused))
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
                    detach(kernel, links, &self.off);
                    return Err(error);
                }
            }
        }
        Ok(links)
    }
}

/// Has probes taken off, which the kernel takes a second for.
fn detach(kernel: &mut Ebpf, links: Links, off: &Off) {
    for (name, link) in links {
        if let Some(Ok(program)) = kernel.program_mut(name).map(<&mut UProbe>::try_from)
            && let Ok(link) = program.take_link(link)
        {
            // Where nobody takes it off, dropping it does.
            let _ = off.send(Box::new(link));
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
