//! The file operations of the journal, as traits that tests make fail.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

/// A folder's files, and the room on their file system.
pub trait Disk: Send + Sync {
    /// Names and lengths of the files in `dir`.
    ///
    /// # Errors
    /// Those of the system, as for all that follow.
    fn list(&self, dir: &Path) -> io::Result<Vec<(String, u64)>>;
    /// Makes `dir` and what is above it, for the agent's group to read.
    ///
    /// # Errors
    /// As above.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;
    /// Opens a file.
    ///
    /// # Errors
    /// As above.
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn DiskFile>>;
    /// Deletes a file.
    ///
    /// # Errors
    /// As above.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Renames a file, over one that may be there.
    ///
    /// # Errors
    /// As above.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the names in `dir` durable.
    ///
    /// # Errors
    /// As above.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Bytes that are free for the agent on the file system of `dir`.
    ///
    /// # Errors
    /// As above.
    fn free_bytes(&self, dir: &Path) -> io::Result<u64>;
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// To read.
    Read,
    /// To read and write.
    Write,
    /// To read and write; it must not be there yet.
    New,
}

/// An open file. It has no position: every call names the place.
pub trait DiskFile: Send + Sync {
    /// Writes some of `bytes` at `at`: how many.
    ///
    /// # Errors
    /// Those of the system, as for all that follow.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize>;
    /// Reads into `bytes` from `at`: how many, 0 at the end.
    ///
    /// # Errors
    /// As above.
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize>;
    /// Cuts the file to `len`.
    ///
    /// # Errors
    /// As above.
    fn cut(&self, len: u64) -> io::Result<()>;
    /// How long it is.
    ///
    /// # Errors
    /// As above.
    fn bytes(&self) -> io::Result<u64>;
    /// Makes what was written durable.
    ///
    /// # Errors
    /// As above. What was written since the last success may then be lost, whatever a later call
    /// says: the kernel forgets pages that it could not write.
    fn sync(&self) -> io::Result<()>;
}

/// Writes all of `bytes` at `at`.
///
/// # Errors
/// The first that is no interruption; some of the bytes may then be there.
pub(super) fn write_all(file: &dyn DiskFile, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, at) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(some) => {
                bytes = bytes.get(some..).unwrap_or_default();
                at += some as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Fills `bytes` from `at`, as far as the file goes: how many there were.
///
/// # Errors
/// The first that is no interruption.
pub(super) fn read_up_to(
    read: impl Fn(&mut [u8], u64) -> io::Result<usize>,
    bytes: &mut [u8],
    at: u64,
) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match read(rest, at + filled as u64) {
            Ok(0) => break,
            Ok(some) => filled += some,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The file systems of this host.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn list(&self, dir: &Path) -> io::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            // A file may be gone by now; one whose name is not text is none of ours.
            if let (Ok(name), Ok(about)) = (entry.file_name().into_string(), entry.metadata())
                && about.is_file()
            {
                files.push((name, about.len()));
            }
        }
        Ok(files)
    }

    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt as _;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(dir)
    }

    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(how != Open::Read)
            .create_new(how == Open::New)
            .mode(0o640)
            .open(path)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        let state = rustix::fs::statvfs(dir)?;
        Ok(state.f_bavail.saturating_mul(state.f_frsize))
    }
}

struct RealFile(File);

impl DiskFile for RealFile {
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        self.0.write_at(bytes, at)
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        self.0.read_at(bytes, at)
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
