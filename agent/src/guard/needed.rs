//! Whether needs come to anything on this host: tried at the start, on a thread that has nothing.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{Access, access};
use rustix::thread::CapabilitySet;

use super::{Need, keep};

/// Files in the folder of rules that are looked at; there may be no more rules than so many.
const RULE_FILES_MAX: usize = 1024;

/// Whether these needs come to anything here: told once, at the start.
static MAPS: AtomicBool = AtomicBool::new(false);
static RULES: AtomicBool = AtomicBool::new(false);
static WRITE: AtomicBool = AtomicBool::new(false);

/// What such a need keeps on this host.
pub(super) fn capabilities(need: Need) -> CapabilitySet {
    let (told, set) = match need {
        Need::Maps => (&MAPS, CapabilitySet::BPF),
        Need::Rules => (&RULES, CapabilitySet::DAC_READ_SEARCH),
        Need::Write => (&WRITE, CapabilitySet::DAC_OVERRIDE),
        _ => return CapabilitySet::empty(),
    };
    match told.load(Ordering::Relaxed) {
        true => set,
        false => CapabilitySet::empty(),
    }
}

/// Does it on a thread that has nothing; `None` if there is none to be had, or it panics.
pub(super) fn without<T: Send>(body: impl FnOnce() -> T + Send) -> Option<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("eaves-try".into());
        let bare = move || {
            // What is tried is what the kernel allows, whatever walls there will be.
            keep([]);
            body()
        };
        thread.spawn_scoped(scope, bare).ok()?.join().ok()
    })
}

/// Has maps read without a capability, to see whether the kernel asks for one: before Linux 5.19 it does
/// where `kernel.unprivileged_bpf_disabled` is set (bpf(2)). Then [`Need::Maps`] is `CAP_BPF`.
pub fn maps(can_be_read: impl FnOnce() -> bool + Send) {
    MAPS.store(!without(can_be_read).unwrap_or(false), Ordering::Relaxed);
}

/// Looks whether these files can be written, or made, without a capability. If one can't, [`Need::Write`]
/// is `CAP_DAC_OVERRIDE`, where the agent has it.
pub fn files(paths: &[PathBuf]) {
    let denied = without(|| paths.iter().find(|path| is_denied(path)).cloned());
    if let Some(Some(path)) = &denied {
        tracing::info!(path = %path.display(), "another user's: threads that write keep CAP_DAC_OVERRIDE");
    }
    WRITE.store(denied.is_none_or(|path| path.is_some()), Ordering::Relaxed);
}

/// Looks whether the rules at `path`, a file or a folder of files, can be read without a capability. If
/// not, [`Need::Rules`] is `CAP_DAC_READ_SEARCH`.
pub fn rules(path: &Path) {
    let readable = without(|| is_readable(path)).unwrap_or(false);
    RULES.store(!readable, Ordering::Relaxed);
}

pub(super) fn is_readable(path: &Path) -> bool {
    let denied = |path: &Path, how| access(path, how) == Err(rustix::io::Errno::ACCESS);
    if denied(path, Access::READ_OK) {
        return false;
    }
    let Ok(files) = fs::read_dir(path) else {
        // A file, or nothing.
        return true;
    };
    let files = files.take(RULE_FILES_MAX).flatten();
    !denied(path, Access::EXEC_OK)
        && !files
            .map(|file| file.path())
            .any(|file| denied(&file, Access::READ_OK))
}

/// Whether this thread may not write `path`: what is there of it, and the folder that it is in, or would
/// be made in.
pub(super) fn is_denied(path: &Path) -> bool {
    let denied = |path: &Path, how| access(path, how) == Err(rustix::io::Errno::ACCESS);
    if denied(path, Access::WRITE_OK) {
        return true;
    }
    let mut above = path.ancestors().skip(1);
    let folder = above.find(|path| path.as_os_str() != OsStr::new("") && !is_missing(path));
    folder.is_some_and(|folder| denied(folder, Access::WRITE_OK | Access::EXEC_OK))
}

fn is_missing(path: &Path) -> bool {
    access(path, Access::EXISTS) == Err(rustix::io::Errno::NOENT)
}
