//! Kernel → record bytes: the only room with aya.
//!
//! In: [`Options`]. Out: a [`Probe`], which is a [`Source`] of records, and [`Note`]s on what it
//! can hear and why not. It does not read what is in the records.

mod btf;
mod error;
mod held;
mod hooks;
mod kernel;
#[cfg(feature = "kernel-log")]
mod kernel_log;
mod leaving;
mod maps;
mod misses;
mod object;
mod pace;
mod pulse;
mod ring;
mod uprobe;

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use aya::{Ebpf, EbpfLoader};
use eaves_common::{
    ABI_VERSION, CAPTURE_MAX_BYTES, COPIES_MAX, ConnId, Flow, NEAR_BYTES, Offsets, Role, Settings,
    work_rows,
};

use crate::capture::{KernelCounters, RingFill, Source};
use crate::clock::Ktime;
use crate::guard;

pub use btf::{Absent, Btf, BtfError, Need, VMLINUX, offsets, read_vmlinux};
pub use error::ProbeError;
pub use held::Held;
pub use hooks::{Note, State};
pub use kernel::{Check, Ends, Group, Report, Status, Trial, examine};
pub use object::is_embedded;
pub use uprobe::{FINDER_THREAD, Speakers, Speaks, Unheard, Verdict};

use error::load_error;
use hooks::{Hook, Refusal};
use leaving::{Leaving, Off};
use maps::Maps;
use misses::{Misses, READINGS};
use pulse::Pulse;
use ring::Ring;
use uprobe::{Ciphers, Finder, Kernel};

/// Which tap is to be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The socket tap, or the syscall tap where the kernel refuses it.
    #[default]
    Auto,
    /// The socket tap.
    Socket,
    /// The syscall tap.
    Syscall,
}

/// A way into the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tap {
    /// Tracepoints at the socket layer, Linux 6.3 and later.
    Socket,
    /// The exit of system calls, Linux 5.10 and later.
    Syscall,
}

impl Tap {
    /// Its name in configuration and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Syscall => "syscall",
        }
    }
}

/// What is to be heard, and with how much memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which tap.
    pub mode: Mode,
    /// Ends of conns that are heard.
    pub roles: Vec<Role>,
    /// Conns with one of these ports at either end are not heard.
    pub exclude_ports: Vec<u16>,
    /// Processes of these names are not heard; as in `/proc/PID/comm`, 15 bytes.
    pub exclude_processes: Vec<String>,
    /// Nor are processes in these cgroups and below: ids in the v2 hierarchy.
    pub exclude_cgroups: Vec<u64>,
    /// Size of the ring; made a power of two of pages.
    pub ring_bytes: u32,
    /// Most bytes copied of one call, at most [`CAPTURE_MAX_BYTES`] and a quarter of the ring.
    pub copy_per_call_bytes: u32,
    /// Most bytes of a body that are kept: of a longer one a large call copies no more than these, with
    /// room for its head.
    pub body_bytes: u32,
    /// Bytes pending at which a busy reader is woken before its time; at most a quarter of the ring.
    pub wake_bytes: u32,
    /// Conns whose state the kernel keeps at most.
    pub connections: u32,
    /// Whether TLS is heard in the processes' libraries.
    pub tls: bool,
    /// Kernel object to load instead of the embedded one.
    pub object: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::Auto,
            roles: vec![Role::Server],
            exclude_ports: Vec::new(),
            exclude_processes: Vec::new(),
            exclude_cgroups: Vec::new(),
            ring_bytes: 8 << 20,
            copy_per_call_bytes: CAPTURE_MAX_BYTES,
            body_bytes: 16 << 10,
            wake_bytes: WAKE_BYTES,
            connections: 65_536,
            tls: true,
            object: None,
        }
    }
}

/// Programs in the kernel, and the ring they write. Dropped, it hears no more.
pub struct Probe {
    kernel: Kernel,
    /// Looks for TLS libraries.
    finder: Option<Finder>,
    /// Ciphertext that is not heard.
    unheard: Option<Receiver<Unheard>>,
    /// Goes after the programs: it reads what they logged last.
    #[cfg(feature = "kernel-log")]
    _log: Option<kernel_log::KernelLog>,
    maps: Maps,
    misses: Misses,
    /// Whether the programs of the tap are off.
    closed: bool,
    ring: Ring,
    pulse: Pulse,
    /// Takes the programs off; after all who give it something.
    leaving: Leaving,
    tap: Tap,
    copies: u32,
    notes: Vec<Note>,
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probe")
            .field("tap", &self.tap)
            .field("notes", &self.notes)
            .finish_non_exhaustive()
    }
}

/// By default a busy reader is woken at so many bytes: `cargo xtask hits` compares.
const WAKE_BYTES: u32 = 256 << 10;
/// Processes whose ciphertext is not heard that wait to be told of.
const UNHEARD_MAX: usize = 256;
/// Bytes moved one way in a row after which the kernel looks for the agent's word: two or three
/// small messages pass without that look-up.
const REACH_AFTER_BYTES: u32 = 16 << 10;
/// What a head may take in front of a body of which all is to be copied that is kept.
const HEAD_BYTES: u32 = 16 << 10;
/// Entries of a map that the tap in use has no need of.
const UNUSED_ENTRIES: u32 = 64;
/// Smallest ring, bytes: the largest record has to fit.
const RING_MIN_BYTES: u32 = 64 << 10;
/// Largest, bytes: the kernel's own bound is twice that.
const RING_MAX_BYTES: u32 = 1 << 30;
/// Least entries of the map by which the agent tells how far to skip.
const REACH_ENTRIES_MIN: u32 = 1024;

/// Between two readings of what the kernel passed over, once the programs are off.
const SETTLE: Duration = Duration::from_millis(10);

/// Loads and attaches the programs of the tap that `options` ask for.
///
/// # Errors
/// [`ProbeError`] says what the user can do.
pub fn start(options: &Options) -> Result<Probe, ProbeError> {
    let object = object::bytes(options.object.as_deref())?;
    let blob = read_vmlinux()?;
    let (offsets, copies) = {
        let btf = Btf::parse(&blob)?;
        let preempted = btf.has_preemptible_tracepoints();
        (btf.offsets()?, if preempted { COPIES_MAX } else { 1 })
    };
    let btf = aya::Btf::parse(&blob, aya::Endianness::default())
        .map_err(|error| load_error(error.into()))?;
    let taps: &[Tap] = match options.mode {
        Mode::Auto => &[Tap::Socket, Tap::Syscall],
        Mode::Socket => &[Tap::Socket],
        Mode::Syscall => &[Tap::Syscall],
    };
    let mut notes = Vec::new();
    let mut attached = None;
    let mut refused = None;
    for tap in taps {
        if attached.is_some() {
            notes.extend(Hook::of(*tap).map(|hook| hook.note(State::NotNeeded, String::new())));
            continue;
        }
        if let Some(refusal) = lacks(*tap, &offsets) {
            notes.extend(
                Hook::of(*tap).map(|hook| hook.note(State::Refused, refusal.reason.clone())),
            );
            refused = Some((*tap, refusal));
            continue;
        }
        let mut kernel = load(
            &object,
            &btf,
            *tap,
            settings(offsets, copies, options),
            options,
        )?;
        match attach(&mut kernel, &btf, (*tap, copies), &mut notes) {
            Ok(programs) => attached = Some((*tap, kernel, programs)),
            Err(refusal) => refused = Some((*tap, refusal)),
        }
    }
    match (attached, refused) {
        (Some((tap, mut kernel, programs)), _) => {
            let maps = Maps::take(&mut kernel)?;
            guard::maps(|| maps.can_be_read());
            let ring = Ring::new(&maps, ring_bytes(options.ring_bytes))?;
            let failed = |error: io::Error| ProbeError::Load {
                source: error.into(),
            };
            #[cfg(feature = "kernel-log")]
            let log = kernel_log::KernelLog::of(&mut kernel);
            let leaving = Leaving::begin().map_err(failed)?;
            let (kernel, finder, unheard) = find(kernel, options, leaving.off())?;
            Ok(Probe {
                #[cfg(feature = "kernel-log")]
                _log: log,
                kernel,
                finder,
                unheard,
                maps,
                misses: Misses::of(programs),
                closed: false,
                ring,
                pulse: Pulse::new().map_err(failed)?,
                leaving,
                tap,
                copies,
                notes,
            })
        }
        (None, Some((_, refusal))) if refusal.is_permission() => Err(ProbeError::NotPermitted {
            source: refusal.reason.into(),
        }),
        (None, refused) => Err(ProbeError::Refused {
            tap: refused.as_ref().map_or("", |(tap, _)| tap.name()),
            reason: refused.map_or_else(String::new, |(_, refusal)| refusal.reason),
            notes,
        }),
    }
}

/// Where it is said whose ciphertext is not heard.
type Told = Option<Receiver<Unheard>>;

/// Begins to look for TLS libraries, where TLS is to be heard.
///
/// # Errors
/// There is no such map, or no thread to be had.
fn find(
    mut kernel: Ebpf,
    options: &Options,
    off: Option<Off>,
) -> Result<(Kernel, Option<Finder>, Told), ProbeError> {
    let Some(off) = off.filter(|_| options.tls) else {
        return Ok((Kernel::new(Mutex::new(Some(kernel))), None, None));
    };
    let ciphers = maps::take(&mut kernel, "CIPHERS")?;
    let loose = maps::take(&mut kernel, "TLS_LOOSE")?;
    let kernel = Kernel::new(Mutex::new(Some(kernel)));
    let (to, unheard) = sync_channel(UNHEARD_MAX);
    let ciphers = Ciphers::new(ciphers, to);
    let finder = Finder::start(Kernel::clone(&kernel), ciphers, loose, off);
    let finder = finder.map_err(|error| ProbeError::Load {
        source: error.into(),
    })?;
    Ok((kernel, Some(finder), Some(unheard)))
}

/// Why `tap` cannot be, if a member that its programs read without asking is not in this kernel.
fn lacks(tap: Tap, offsets: &Offsets) -> Option<Refusal> {
    let needs = |need| match need {
        Need::Always => true,
        Need::Syscall => tap == Tap::Syscall,
        Need::Detail(_) => false,
    };
    let mut lacking = Btf::absent(offsets).filter(|absent| needs(absent.need));
    let absent = lacking.next()?;
    Some(Refusal::new(format!(
        "the kernel's BTF has no {}.{} as this tap reads it",
        absent.structure, absent.member
    )))
}

/// Creates the maps, sized and filled, and makes the programs ready to load.
fn load(
    object: &[u8],
    btf: &aya::Btf,
    tap: Tap,
    settings: Settings,
    options: &Options,
) -> Result<Ebpf, ProbeError> {
    let name = format!("SETTINGS_{ABI_VERSION}");
    let entries = options.connections.max(UNUSED_ENTRIES);
    let (conns, messages) = match tap {
        Tap::Socket => (UNUSED_ENTRIES, (entries / 64).max(REACH_ENTRIES_MIN)),
        Tap::Syscall => (entries, UNUSED_ENTRIES),
    };
    #[cfg(feature = "kernel-log")]
    let wanted = kernel_log::Wanted::now();
    let mut loader = EbpfLoader::new();
    #[cfg(feature = "kernel-log")]
    wanted.tell(&mut loader);
    let mut kernel = loader
        .btf(Some(btf))
        .override_global(&name, &settings, true)
        .map_max_entries("RECORDS", ring_bytes(options.ring_bytes))
        .map_max_entries("CONNS", conns)
        .map_max_entries("MMSG", messages)
        .map_max_entries("WORK", work_rows(settings.copies.max(1)))
        .map_max_entries(
            "TLS_CONNS",
            if options.tls { entries } else { UNUSED_ENTRIES },
        )
        .map_max_entries(
            "TLS_SOCKS",
            if options.tls { entries } else { UNUSED_ENTRIES },
        )
        .map_max_entries(
            "RUSTLS_NAMES",
            if options.tls { entries / 4 } else { 0 }.max(UNUSED_ENTRIES),
        )
        .map_max_entries("REACH", (entries / 4).max(REACH_ENTRIES_MIN))
        .load(object)
        .map_err(load_error)?;
    maps::exclude(&mut kernel, options)?;
    Ok(kernel)
}

/// Attaches the hooks of `tap`, so many copies of each, and notes what became of them. Gives the
/// first program of each.
///
/// # Errors
/// The refusal of one that is needed; those after it are not attached.
fn attach(
    kernel: &mut Ebpf,
    btf: &aya::Btf,
    (tap, copies): (Tap, u32),
    notes: &mut Vec<Note>,
) -> Result<Vec<OwnedFd>, Refusal> {
    let mut loaded = Hook::load_all(kernel, btf, (tap, copies));
    let mut programs = Vec::new();
    for hook in Hook::of(tap) {
        if hook.is_needless(btf) {
            notes.push(hook.note(State::NotNeeded, String::new()));
            continue;
        }
        match hook.attach(kernel, &mut loaded, copies) {
            Ok(program) => {
                programs.push(program);
                notes.push(hook.note(State::Attached, String::new()));
            }
            Err(refusal) => {
                notes.push(hook.note(State::Refused, refusal.reason.clone()));
                if hook.needed {
                    return Err(refusal);
                }
            }
        }
    }
    Ok(programs)
}

fn settings(offsets: Offsets, copies: u32, options: &Options) -> Settings {
    let roles = options
        .roles
        .iter()
        .fold(0, |bits, role| bits | *role as u32);
    let excludes = u32::from(!options.exclude_ports.is_empty())
        | u32::from(!options.exclude_processes.is_empty()) << 1
        | u32::from(!options.exclude_cgroups.is_empty()) << 2;
    // One call must not take the ring from all others.
    let most = CAPTURE_MAX_BYTES.min(ring_bytes(options.ring_bytes) / 4);
    let copy_bytes = options.copy_per_call_bytes.min(most);
    let body_bytes = options.body_bytes.saturating_add(HEAD_BYTES);
    Settings {
        abi_version: ABI_VERSION,
        own_tgid: std::process::id(),
        roles,
        copy_bytes,
        near_bytes: NEAR_BYTES.max(body_bytes).min(copy_bytes),
        wake_bytes: options.wake_bytes.min(options.ring_bytes / 4),
        reach_after_bytes: REACH_AFTER_BYTES,
        excludes,
        copies,
        tls: u32::from(options.tls),
        offsets,
    }
}

/// The kernel wants a power of two, and whole pages.
fn ring_bytes(wanted: u32) -> u32 {
    wanted
        .clamp(RING_MIN_BYTES, RING_MAX_BYTES)
        .next_power_of_two()
}

impl Probe {
    /// The tap that hears.
    #[must_use]
    pub const fn tap(&self) -> Tap {
        self.tap
    }

    /// Copies of each program, one behind the other: see [`Btf::has_preemptible_tracepoints`].
    #[must_use]
    pub const fn copies(&self) -> u32 {
        self.copies
    }

    /// Where it says whose ciphertext is not heard; once.
    pub const fn take_unheard(&mut self) -> Option<Receiver<Unheard>> {
        self.unheard.take()
    }

    /// Whether probes can be hung in processes, tried on this one; by name libraries that the kernel
    /// takes no programs for, and what it has against them.
    ///
    /// # Errors
    /// They cannot.
    fn try_probes(&self) -> Result<Vec<(&'static str, Refusal)>, Refusal> {
        let refused = uprobe::probing(&self.kernel).map_err(|error| Refusal::from(&error))?;
        let words = refused.iter();
        let words = words.map(|(library, error)| (*library, Refusal::from(error)));
        Ok(words.collect())
    }

    /// What the kernel programs, and the kernel itself, counted so far.
    fn count(&mut self) -> KernelCounters {
        let misses = self.misses.read();
        let mut counters = self.maps.counters();
        self.misses.fill(misses, &mut counters);
        counters
    }

    /// What became of every hook that was thought of.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }
}

impl Source for Probe {
    fn read(&mut self, wait: Duration, each: &mut dyn FnMut(&[u8])) -> io::Result<Option<u64>> {
        self.ring.read(&mut self.maps, wait, each).map(Some)
    }

    fn now(&self) -> Option<Ktime> {
        Some(Ktime::now())
    }

    fn skip(&mut self, conn: ConnId, flow: Flow, until: u64) {
        self.maps.skip(conn, flow, until);
    }

    fn not_http(&mut self, conn: ConnId) {
        self.maps.not_http(conn);
    }

    fn unknown(&mut self, conn: ConnId) {
        self.maps.unknown(conn);
    }

    fn ring_fill(&mut self) -> Option<RingFill> {
        Some(self.ring.take_fill())
    }

    /// Detaches every program; the ring stays.
    fn close(&mut self) {
        self.closed = true;
        if let Some(mut finder) = self.finder.take() {
            finder.stop();
        }
        if let Some(mut kernel) = uprobe::lock(&self.kernel).take() {
            Hook::of(self.tap).for_each(|hook| hook.detach(&mut kernel));
            self.maps.hear_no_more();
            // It waits for nothing else.
            if let Some(off) = self.leaving.off() {
                let _ = off.send(Box::new(kernel));
            }
        }
    }

    /// Makes a transfer of its own first, so that the count of those rises while the tap is at work.
    fn kernel_counters(&mut self) -> Option<KernelCounters> {
        self.pulse.beat();
        let mut counters = self.count();
        // The programs are off and no reading comes later: who is on the way is waited for.
        for _ in 1..READINGS {
            if !self.closed || self.misses.settled() {
                break;
            }
            thread::sleep(SETTLE);
            counters = self.count();
        }
        Some(counters)
    }
}

#[cfg(test)]
mod tests {
    use super::{Tap, lacks};
    use eaves_common::Offsets;

    #[track_caller]
    fn check(absent: &[&str], tap: Tap, expected: Option<&str>) {
        let mut offsets = Offsets::default();
        for name in absent {
            let mut members = Offsets::MEMBERS.iter();
            let index = members.position(|member| member.0 == *name).unwrap();
            offsets.set(index, Offsets::ABSENT);
        }
        let found = lacks(tap, &offsets);
        assert_eq!(found.map(|refusal| refusal.reason).as_deref(), expected);
    }

    #[test]
    fn a_tap_is_refused_for_what_it_needs_alone() {
        let why = "the kernel's BTF has no files_struct.fdt as this tap reads it";
        check(&["files_fdt"], Tap::Syscall, Some(why));
        check(&["files_fdt"], Tap::Socket, None);
        check(&["skc_net", "unix_peer"], Tap::Syscall, None);
        check(&[], Tap::Syscall, None);
    }
}
