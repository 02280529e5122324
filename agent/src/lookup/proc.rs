//! One process's files in /proc, read through its folder: that stays the process's own, so that
//! nothing is ever read of another that got its id.

use std::io::{self, Read as _};
use std::path::Path;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat, openat2, readlinkat};

use super::place::{Parent, Process, ProcessKey};
use super::users::{self, Users};

/// Longest command line that is kept, bytes: what tells one process from another stands in front.
pub(super) const COMMAND_LINE_MAX_BYTES: usize = 4096;

/// Longest path of an executable that is kept, bytes; the kernel's PATH_MAX.
const EXECUTABLE_MAX_BYTES: usize = 4096;

/// Most that is read of the small files, bytes.
const FILE_MAX_BYTES: usize = 64 << 10;

/// Nanoseconds in which the kernel tells a process's start in /proc (`USER_HZ` is 100).
const TICK_NS: u64 = 10_000_000;

/// What the kernel puts behind the path of a file that is no more.
const DELETED: &[u8] = b" (deleted)";

/// A process that is there, and is the one that was meant.
#[derive(Debug)]
pub(super) struct ProcFolder {
    folder: OwnedFd,
    parent: u32,
    /// It has the name it had.
    same_name: bool,
}

impl ProcFolder {
    /// The folder of `key`'s process below `proc`.
    ///
    /// `None` if it is gone, or if another process bears its id.
    pub(super) fn open(proc: &Path, key: &ProcessKey) -> Option<Self> {
        // Without a start nobody can tell one process from another.
        if key.start.0 == 0 {
            return None;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let path = proc.join(key.pid.to_string());
        let folder = rustix::fs::open(path, flags, Mode::empty()).ok()?;
        let stat = read(&folder, "stat", FILE_MAX_BYTES).ok()?;
        let (name, parent, start) = stat_of(&stat)?;
        (start == key.start.0 / TICK_NS).then(|| Self {
            same_name: name == key.name(),
            folder,
            parent,
        })
    }

    /// The text of its `cgroup`.
    pub(super) fn cgroup(&self) -> Vec<u8> {
        read(&self.folder, "cgroup", FILE_MAX_BYTES).unwrap_or_default()
    }

    /// What else is known of it; `proc` is where its parent is looked for.
    ///
    /// A process that has become another by `exec` since is not described by what it executes now.
    pub(super) fn process(&self, proc: &Path, users: &mut Users) -> Process {
        let mut process = Process {
            user: self.user(users),
            parent: self.parent(proc),
            ..Process::default()
        };
        if self.same_name {
            let command_line = read(&self.folder, "cmdline", COMMAND_LINE_MAX_BYTES);
            process.executable = self.executable();
            process.command_line = command_line.unwrap_or_default();
        }
        process
    }

    fn executable(&self) -> Option<Vec<u8>> {
        let path = readlinkat(&self.folder, "exe", Vec::new()).ok()?;
        let path = path.into_bytes();
        let path = path.strip_suffix(DELETED).unwrap_or(&path);
        (!path.is_empty() && path.len() <= EXECUTABLE_MAX_BYTES).then(|| path.to_vec())
    }

    /// The user whose rights it has, by the names of its own root.
    fn user(&self, users: &mut Users) -> Option<String> {
        let status = read(&self.folder, "status", FILE_MAX_BYTES).ok()?;
        let uid = users::effective_uid(&status)?;
        let map = read(&self.folder, "uid_map", FILE_MAX_BYTES).unwrap_or_default();
        let inside = users::inside(&map, uid);
        let named = inside.and_then(|inside| {
            let file = self.below_root("etc/passwd")?;
            users.name(file, inside)
        });
        Some(named.unwrap_or_else(|| uid.to_string()))
    }

    /// A file of the process's root, which may be a container's: it cannot lead outside, and cannot
    /// make us wait.
    fn below_root(&self, path: &str) -> Option<std::fs::File> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(&self.folder, "root", flags, Mode::empty()).ok()?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let file = openat2(root, path, flags, Mode::empty(), resolve).ok()?;
        Some(file.into())
    }

    fn parent(&self, proc: &Path) -> Option<Parent> {
        if self.parent == 0 {
            return None;
        }
        let name = std::fs::File::open(proc.join(self.parent.to_string()).join("comm"));
        let mut name = name.and_then(|file| all(file, FILE_MAX_BYTES)).ok()?;
        if name.last() == Some(&b'\n') {
            name.pop();
        }
        Some(Parent {
            pid: self.parent,
            name,
        })
    }
}

/// The first `max` bytes of a file of `folder`.
fn read(folder: &impl AsFd, name: &str, max: usize) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let file = openat(folder, name, flags, Mode::empty())?;
    all(file.into(), max)
}

fn all(file: std::fs::File, max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(max as u64).read_to_end(&mut bytes)?;
    bytes.shrink_to_fit();
    Ok(bytes)
}

/// Name, parent and start in ticks of a `/proc/PID/stat` (proc_pid_stat(5)).
///
/// The name stands in parentheses and may hold some itself, as well as spaces and line feeds.
fn stat_of(stat: &[u8]) -> Option<(&[u8], u32, u64)> {
    let begin = stat.iter().position(|byte| *byte == b'(')?;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let name = stat.get(begin + 1..end)?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    // Fields are counted from 1; what follows the name begins with the third.
    let mut fields = rest.split_ascii_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    let start = fields.nth(22 - 5)?.parse().ok()?;
    Some((name, parent, start))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{ProcFolder, TICK_NS, stat_of};
    use crate::clock::Ktime;
    use crate::lookup::place::{Process, ProcessKey};
    use crate::lookup::users::Users;

    /// This process, as a kernel record would name it.
    fn own() -> ProcessKey {
        let stat = std::fs::read("/proc/self/stat").unwrap();
        let (name, _, start) = stat_of(&stat).unwrap();
        ProcessKey::new(
            std::process::id(),
            Ktime(start * TICK_NS + TICK_NS / 2),
            0,
            name,
        )
    }

    fn process(key: &ProcessKey) -> Option<Process> {
        let proc = Path::new("/proc");
        let folder = ProcFolder::open(proc, key)?;
        Some(folder.process(proc, &mut Users::default()))
    }

    #[track_caller]
    fn check(stat: &str, expected: Option<(&str, u32, u64)>) {
        let expected = expected.map(|(name, parent, start)| (name.as_bytes(), parent, start));
        assert_eq!(stat_of(stat.as_bytes()), expected, "{stat}");
    }

    #[test]
    fn a_name_may_look_like_the_rest_of_the_line() {
        let rest = "S 7 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 11 12";
        check(&format!("42 (nginx) {rest}"), Some(("nginx", 7, 4711)));
        check(
            &format!("42 (a) S 1 (b) {rest}"),
            Some(("a) S 1 (b", 7, 4711)),
        );
        check(&format!("42 () {rest}"), Some(("", 7, 4711)));
        check("42 (nginx", None);
        check("42 (nginx) S 7 1", None);
        check("", None);
        check(")(", None);
    }

    #[test]
    fn a_process_that_is_there_is_described() {
        let process = process(&own()).unwrap();
        let executable = std::env::current_exe().unwrap();
        assert_eq!(
            process.executable.as_deref(),
            Some(executable.as_os_str().as_encoded_bytes())
        );
        let arguments: Vec<u8> = std::env::args()
            .flat_map(|argument| [argument.into_bytes(), vec![0]].concat())
            .collect();
        assert!(arguments.starts_with(&process.command_line));
        let parent = process.parent.unwrap();
        assert_eq!(parent.pid, std::os::unix::process::parent_id());
        assert!(!parent.name.is_empty());
        assert!(process.user.is_some());
    }

    #[test]
    fn another_process_of_the_same_id_is_not_taken_for_it() {
        let key = own();
        let start = Ktime(key.start.0 - TICK_NS);
        assert_eq!(process(&ProcessKey { start, ..key }), None);
        let start = Ktime(0);
        assert_eq!(process(&ProcessKey { start, ..key }), None);
    }

    #[test]
    fn what_it_has_become_since_is_not_told_as_what_it_was() {
        let key = own();
        let before = ProcessKey::new(key.pid, key.start, 0, b"before-exec");
        let process = process(&before).unwrap();
        assert_eq!(process.executable, None);
        assert!(process.command_line.is_empty());
        assert!(process.parent.is_some() && process.user.is_some());
    }

    #[test]
    fn a_process_that_is_gone_is_none() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let key = ProcessKey { pid, ..own() };
        assert_eq!(process(&key), None);
    }
}
