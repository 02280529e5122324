//! What a thread may do beside reading bytes: capabilities are a thread's own (capabilities(7)), so each
//! begins by keeping what its work needs and giving up the rest, for good.
//!
//! In: [`Need`]s. Out: a thread with these capabilities, where the agent had them, and no others; with
//! `no_new_privs`, so that no program it would start has more. Threads inherit: who starts one has at
//! least what that one keeps. It is no wall between threads, which share memory: it is what a mistake,
//! or a path that somebody else chose, can't reach.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{Access, access};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs,
};

/// What a thread's work needs beyond the files of the agent's own user and sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Loading programs, hanging them into processes, and all that finds the place for them.
    Attach,
    /// `/proc` of other users' processes.
    Processes,
    /// The kernel's maps by their descriptors: nothing, but where the kernel asks for it ([`maps`]).
    Maps,
    /// Files that the configuration names to be read, whoever's they are.
    Read,
    /// The rules, which are read again as they change: nothing, but where other users' files are among
    /// them ([`rules`]).
    Rules,
    /// Files that are written: nothing, but where these are in other users' folders ([`files`]).
    Write,
}

/// Files in the folder of rules that are looked at; there may be no more rules than so many.
const RULE_FILES_MAX: usize = 1024;

/// Whether these needs come to anything here: told once, at the start.
static MAPS: AtomicBool = AtomicBool::new(false);
static RULES: AtomicBool = AtomicBool::new(false);
static WRITE: AtomicBool = AtomicBool::new(false);

impl Need {
    fn set(self) -> CapabilitySet {
        let where_told = |told: &AtomicBool, set| match told.load(Ordering::Relaxed) {
            true => set,
            false => CapabilitySet::empty(),
        };
        match self {
            // `docs/install.md` says what for; a test compares.
            Self::Attach => {
                CapabilitySet::BPF
                    | CapabilitySet::PERFMON
                    | CapabilitySet::SYS_ADMIN
                    | CapabilitySet::SYS_PTRACE
                    | CapabilitySet::DAC_READ_SEARCH
                    | CapabilitySet::CHECKPOINT_RESTORE
                    | CapabilitySet::SYS_RESOURCE
            }
            Self::Processes => CapabilitySet::SYS_PTRACE | CapabilitySet::DAC_READ_SEARCH,
            Self::Maps => where_told(&MAPS, CapabilitySet::BPF),
            Self::Read => CapabilitySet::DAC_READ_SEARCH,
            Self::Rules => where_told(&RULES, CapabilitySet::DAC_READ_SEARCH),
            Self::Write => where_told(&WRITE, CapabilitySet::DAC_OVERRIDE),
        }
    }
}

/// The body of a thread that keeps these, and nothing else.
pub fn keeping<T>(needs: &'static [Need], body: impl FnOnce() -> T) -> impl FnOnce() -> T {
    move || {
        keep(needs);
        body()
    }
}

/// The body of a thread that keeps nothing.
pub fn bare<T>(body: impl FnOnce() -> T) -> impl FnOnce() -> T {
    keeping(&[], body)
}

/// From now on this thread has these, and nothing else. That it can't be done is logged: the agent is
/// then as it would be without.
pub fn keep(needs: &[Need]) {
    let sets = needs.iter().map(|need| need.set());
    if let Err(error) = lower(sets.fold(CapabilitySet::empty(), CapabilitySet::union)) {
        let name = thread::current().name().unwrap_or_default().to_owned();
        tracing::warn!(thread = name, %error, "capabilities that are not needed stay");
    }
}

/// Does it on a thread that has nothing; `None` if there is none to be had, or it panics.
fn without<T: Send>(body: impl FnOnce() -> T + Send) -> Option<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("eaves-try".into());
        let thread = thread.spawn_scoped(scope, bare(body)).ok()?;
        thread.join().ok()
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

fn is_readable(path: &Path) -> bool {
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
fn is_denied(path: &Path) -> bool {
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

fn lower(wanted: CapabilitySet) -> io::Result<()> {
    set_no_new_privs(true)?;
    let now = capabilities(None)?;
    let kept = now.permitted & wanted;
    clear_ambient_capability_set()?;
    // What the unit starts can't be lowered so, and has no more than the unit grants.
    if now.effective.contains(CapabilitySet::SETPCAP) {
        unbind(kept)?;
    }
    set_capabilities(
        None,
        CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        },
    )?;
    Ok(())
}

/// Takes all but `kept` out of the bounding set.
fn unbind(kept: CapabilitySet) -> io::Result<()> {
    let each = (0..u64::BITS).map(|bit| CapabilitySet::from_bits_retain(1 << bit));
    for capability in each {
        match capability_is_in_bounding_set(capability) {
            Ok(true) if !kept.contains(capability) => {
                remove_capability_from_bounding_set(capability)?;
            }
            Ok(_) => {}
            // The kernel knows no more.
            Err(_) => break,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, chown};
    use std::path::{Path, PathBuf};
    use std::thread;

    use rustix::process::geteuid;
    use rustix::thread::{CapabilitySet, capabilities, no_new_privs};

    use super::{Need, bare, is_denied, is_readable, keep, keeping, without};

    fn has() -> CapabilitySet {
        capabilities(None).unwrap().permitted
    }

    #[track_caller]
    fn check(needs: &'static [Need], most: CapabilitySet) {
        let had = has();
        let read = || {
            let sets = capabilities(None).unwrap();
            assert_eq!(sets.effective, sets.permitted);
            assert!(sets.inheritable.is_empty() && no_new_privs().unwrap());
            // One that it starts has no more, and gets none back.
            let inner = thread::spawn(|| {
                keep(&[Need::Attach]);
                has()
            });
            assert!(sets.permitted.contains(inner.join().unwrap()));
            sets.permitted
        };
        let kept = thread::spawn(keeping(needs, read)).join().unwrap();
        assert_eq!(kept, had & most);
        assert_eq!(has(), had, "who starts it keeps its own");
    }

    #[test]
    fn a_thread_has_what_it_needs_and_those_it_starts_no_more() {
        check(&[], CapabilitySet::empty());
        let looks = CapabilitySet::SYS_PTRACE | CapabilitySet::DAC_READ_SEARCH;
        check(&[Need::Processes], looks);
        check(&[Need::Read], CapabilitySet::DAC_READ_SEARCH);
        // Nobody has said that the kernel, or a folder, asks for more.
        check(&[Need::Maps, Need::Write], CapabilitySet::empty());
    }

    #[test]
    fn what_attaches_has_what_the_page_on_installing_lists() {
        let page = include_str!("../../docs/install.md");
        let rows = page.lines().filter(|line| line.starts_with("| `CAP_"));
        let named: Vec<_> = rows.flat_map(|row| row.split('`')).collect();
        let mut listed: Vec<_> = named
            .iter()
            .filter(|word| word.starts_with("CAP_"))
            .collect();
        listed.sort();
        let mut kept: Vec<_> = Need::Attach.set().iter_names().map(|one| one.0).collect();
        kept.sort_unstable();
        let listed: Vec<_> = listed
            .iter()
            .filter_map(|one| one.strip_prefix("CAP_"))
            .collect();
        assert_eq!(kept, listed);
    }

    #[test]
    fn one_that_panics_answers_nothing() {
        assert_eq!(without(|| 7), Some(7));
        assert_eq!(without(|| -> u8 { panic!("a test's") }), None);
    }

    #[test]
    fn a_folder_of_another_user_asks_for_more_and_one_to_be_made_does_not() {
        let dir = std::env::temp_dir().join(format!("eaves-guard-{}", std::process::id()));
        fs::create_dir_all(dir.join("theirs")).unwrap();
        fs::write(dir.join("file"), "").unwrap();
        fs::set_permissions(dir.join("theirs"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(dir.join("file"), fs::Permissions::from_mode(0o644)).unwrap();
        if geteuid().is_root() {
            chown(dir.join("theirs"), Some(65534), None).unwrap();
            chown(dir.join("file"), Some(65534), None).unwrap();
            let denied = |path: PathBuf| thread::spawn(bare(move || is_denied(&path)));
            let denied = |path: &str| denied(dir.join(path)).join().unwrap();
            assert!(denied("theirs/journal/0") && denied("theirs/journal") && denied("file"));
            assert!(!denied("ours/journal/0") && !denied("ours"));
            let readable = |path: &Path| {
                let path = path.to_owned();
                thread::spawn(bare(move || is_readable(&path)))
                    .join()
                    .unwrap()
            };
            assert!(readable(&dir) && readable(&dir.join("theirs")) && readable(&dir.join("none")));
            fs::set_permissions(dir.join("file"), fs::Permissions::from_mode(0o600)).unwrap();
            assert!(!readable(&dir) && !readable(&dir.join("file")));
        }
        assert!(!is_denied(&dir.join("a/b")) && !is_denied(Path::new("no-folder")));
        fs::remove_dir_all(&dir).unwrap();
    }
}
