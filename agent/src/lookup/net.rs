//! Processes and the sockets of their network namespaces, as `/proc` has them (proc(5)).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

/// Lines that are read of one table of sockets.
const LINES_MAX: usize = 16_384;

/// Open files that are looked at of one process.
const FILES_MAX: usize = 8_192;

/// Network namespaces whose tables are read.
const NAMESPACES_MAX: usize = 256;

/// A process.
pub(super) struct Process {
    /// Its id.
    pub(super) pid: u32,
    folder: PathBuf,
}

impl Process {
    /// Its name.
    pub(super) fn name(&self) -> String {
        let name = fs::read_to_string(self.folder.join("comm")).unwrap_or_default();
        name.trim_end().to_owned()
    }

    /// The inodes of the sockets that it has open.
    pub(super) fn sockets(&self) -> impl Iterator<Item = u64> + use<> {
        let files = fs::read_dir(self.folder.join("fd")).into_iter().flatten();
        let links = files.take(FILES_MAX).flatten();
        links.filter_map(|file| inode(&fs::read_link(file.path()).ok()?))
    }
}

/// Goes through the processes below `proc`, each with what `read` made of its network namespace's tables,
/// until `take` says that it has enough.
pub(super) fn each<T>(
    proc: &Path,
    read: impl Fn(&Path) -> T,
    mut take: impl FnMut(&Process, &T) -> bool,
) {
    let mut namespaces: BTreeMap<OsString, T> = BTreeMap::new();
    for pid in processes(proc) {
        let folder = proc.join(pid.to_string());
        // Kernel threads, and processes that are gone, have none.
        let Ok(namespace) = fs::read_link(folder.join("ns/net")) else {
            continue;
        };
        let namespace = namespace.into_os_string();
        if !namespaces.contains_key(&namespace) {
            if namespaces.len() >= NAMESPACES_MAX {
                continue;
            }
            namespaces.insert(namespace.clone(), read(&folder.join("net")));
        }
        if let Some(of) = namespaces.get(&namespace)
            && !take(&Process { pid, folder }, of)
        {
            break;
        }
    }
}

fn processes(proc: &Path) -> Vec<u32> {
    let number = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    let entries = fs::read_dir(proc).into_iter().flatten();
    let mut all: Vec<u32> = entries.filter_map(number).collect();
    all.sort_unstable();
    all
}

/// The lines of a table of sockets without its heading; one that cannot be read is `None`.
pub(super) fn table(path: &Path) -> impl Iterator<Item = Option<String>> + use<> {
    let lines = File::open(path)
        .ok()
        .map(|file| BufReader::new(file).lines());
    let lines = lines.into_iter().flatten().skip(1);
    lines.take(LINES_MAX).map(Result::ok)
}

/// The inode that a link `socket:[N]` names.
fn inode(link: &Path) -> Option<u64> {
    let number = link.to_str()?.strip_prefix("socket:[")?;
    number.strip_suffix(']')?.parse().ok()
}
