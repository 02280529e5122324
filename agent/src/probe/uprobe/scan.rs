//! Which processes have which files with code in their memory.

use std::collections::HashSet;
use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::path::PathBuf;

/// A file, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct FileId {
    /// Device, as `/proc/PID/maps` and the kernel's records have it: that of the file system's superblock,
    /// which `stat` may tell otherwise (btrfs).
    pub(super) device: (u32, u32),
    /// Inode number.
    pub(super) inode: u64,
}

/// A file with code in a process's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapped {
    /// The file.
    pub(super) id: FileId,
    /// Its path, as the process sees it; ` (deleted)` behind it where it has none any more.
    pub(super) path: PathBuf,
    /// Whether it is the program that the process runs.
    pub(super) is_program: bool,
    /// The file by the kernel's own link, deleted or not, in whichever mount namespace.
    pub(super) link: PathBuf,
}

impl Mapped {
    /// How soon it is to be looked into: by its name a TLS library, a program, any other library.
    pub(super) fn rank(&self) -> u8 {
        if self.is_named() {
            0
        } else if self.is_program {
            1
        } else {
            2
        }
    }

    fn is_named(&self) -> bool {
        let name = self.path.file_name().unwrap_or_default().as_encoded_bytes();
        [b"libssl".as_slice(), b"libgnutls", b"libboringssl"]
            .iter()
            .any(|library| name.starts_with(library))
    }
}

/// Most lines of a process's maps that are read.
const LINES_MAX: usize = 16_384;

/// Processes there are.
pub(super) fn processes() -> io::Result<Vec<u32>> {
    let entries = fs::read_dir("/proc")?;
    let number = |entry: io::Result<fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    Ok(entries.filter_map(number).collect())
}

/// The path of the program that process `pid` runs.
pub(super) fn program(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/exe")).ok()
}

/// The files with code in the memory of process `pid`, each once.
///
/// # Errors
/// If the process is gone, or may not be looked at.
pub(super) fn mapped(pid: u32) -> io::Result<Vec<Mapped>> {
    let maps = fs::File::open(format!("/proc/{pid}/maps"))?;
    let program = program(pid);
    let mut seen = HashSet::new();
    let mut files = Vec::new();
    for line in BufReader::new(maps).split(b'\n').take(LINES_MAX) {
        let line = line?;
        if let Some((id, range, path)) = parse(&line)
            && seen.insert(id)
        {
            files.push(Mapped {
                id,
                is_program: program.as_ref() == Some(&path),
                path,
                link: format!("/proc/{pid}/map_files/{range}").into(),
            });
        }
    }
    Ok(files)
}

/// File, name in `map_files` and path of a line of `/proc/PID/maps` (proc_pid_maps(5)); `None` unless
/// it is a file's code.
fn parse(line: &[u8]) -> Option<(FileId, String, PathBuf)> {
    use std::os::unix::ffi::OsStrExt as _;
    let mut fields = line.splitn(6, |byte| *byte == b' ');
    let mut text = || str::from_utf8(fields.next()?).ok();
    let (range, mode, _, device, inode) = (text()?, text()?, text()?, text()?, text()?);
    if !mode.contains('x') {
        return None;
    }
    let (major, minor) = device.split_once(':')?;
    let id = FileId {
        device: (
            u32::from_str_radix(major, 16).ok()?,
            u32::from_str_radix(minor, 16).ok()?,
        ),
        inode: inode.parse().ok().filter(|inode| *inode != 0)?,
    };
    // There an address has no zeros in front: a program that is not to be moved lies at a low one.
    let (start, end) = range.split_once('-')?;
    let bare = |address: &str| address.trim_start_matches('0').to_owned();
    let range = format!("{}-{}", bare(start), bare(end));
    let path = fields.next()?.trim_ascii_start();
    path.starts_with(b"/").then(|| {
        let path = std::ffi::OsStr::from_bytes(path);
        (id, range, path.into())
    })
}

#[cfg(test)]
mod tests {
    use super::{FileId, parse};

    #[track_caller]
    fn check(line: &str, expected: Option<(u64, &str, &str)>) {
        let found = parse(line.as_bytes());
        let expected = expected.map(|(inode, range, path)| {
            let device = (0xfe, 1);
            (FileId { device, inode }, range.to_owned(), path.into())
        });
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn code_of_files_is_told_from_the_rest() {
        let file = "7f0-7f9 r-xp 0001f000 fe:01 4711                       /usr/lib/libssl.so.3";
        check(file, Some((4711, "7f0-7f9", "/usr/lib/libssl.so.3")));
        check(
            "7f0-7f9 r-xp 0 fe:01 4711 /tmp/a b (deleted)",
            Some((4711, "7f0-7f9", "/tmp/a b (deleted)")),
        );
        check(
            "00b72000-025fe000 r-xp 0 fe:01 4711   /usr/bin/node",
            Some((4711, "b72000-25fe000", "/usr/bin/node")),
        );
        check(&file.replace("r-xp", "r--p"), None);
        check(
            "7f0-7f9 r-xp 00000000 00:00 0                    [vdso]",
            None,
        );
        check("7f0-7f9 rwxp 00000000 00:00 0 ", None);
        check("", None);
        check("7f0-7f9 r-xp 0 fe:01 -1 /x", None);
    }
}
