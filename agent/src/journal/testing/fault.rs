//! A disk that fails: writes that stop in the middle, syncs that lose pages, a loss of power.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::super::{Disk, DiskFile, Open, RealDisk};

/// Bytes that reach the disk as one, or not.
const PAGE: usize = 64;

/// What goes wrong from now on.
#[derive(Clone, Copy, Default)]
pub(in crate::journal) struct Faults {
    /// Writes fail so, after so many bytes.
    pub(in crate::journal) write: Option<(ErrorKind, usize)>,
    /// Files cannot be opened to write.
    pub(in crate::journal) read_only: bool,
    /// Syncs fail, and the kernel forgets what was to be written.
    pub(in crate::journal) sync: bool,
    /// What is read of a file from here on is zeros.
    pub(in crate::journal) unreadable: bool,
    /// Bytes that are free, instead of those that are.
    pub(in crate::journal) free: Option<u64>,
    /// After so many operations the process is dead: nothing is done any more.
    pub(in crate::journal) dies_after: Option<u64>,
}

/// What of a file has reached the disk.
#[derive(Default)]
struct Image {
    bytes: Vec<u8>,
    /// Whether its name has.
    named: bool,
    /// It is deleted, and that may not have reached the disk.
    removed: bool,
    /// Pages that the kernel has yet to write.
    dirty: BTreeSet<usize>,
    /// Whether its length is.
    resized: bool,
}

struct State {
    faults: Faults,
    operations: u64,
    images: BTreeMap<PathBuf, Image>,
    random: u64,
}

impl State {
    fn alive(&mut self) -> io::Result<()> {
        self.operations += 1;
        match self.faults.dies_after {
            Some(last) if self.operations > last => Err(io::Error::other("dead")),
            _ => Ok(()),
        }
    }

    /// A number below `below`.
    fn random(&mut self, below: usize) -> usize {
        // Xorshift64 (Marsaglia, 2003).
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % below.max(1) as u64) as usize
    }

    fn image(&mut self, path: &Path) -> &mut Image {
        self.images.entry(path.to_owned()).or_insert_with(|| Image {
            bytes: fs::read(path).unwrap_or_default(),
            named: path.exists(),
            ..Image::default()
        })
    }
}

/// The real disk, with faults.
#[derive(Clone)]
pub(in crate::journal) struct FaultDisk(Arc<Mutex<State>>);

impl FaultDisk {
    pub(in crate::journal) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            faults: Faults::default(),
            operations: 0,
            images: BTreeMap::new(),
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        })))
    }

    pub(in crate::journal) fn set(&self, faults: Faults) {
        self.0.lock().unwrap().faults = faults;
    }

    /// Dies after `operations` more.
    pub(in crate::journal) fn dies_after(&self, operations: u64) {
        let mut state = self.0.lock().unwrap();
        state.faults.dies_after = Some(state.operations + operations);
    }

    pub(in crate::journal) fn random(&self, below: usize) -> usize {
        self.0.lock().unwrap().random(below)
    }

    /// Power is lost: of what was not synced, any pages are there or not, in any order.
    pub(in crate::journal) fn lose_power(&self) {
        let mut state = self.0.lock().unwrap();
        state.faults = Faults::default();
        let images = std::mem::take(&mut state.images);
        for (path, image) in images {
            let seen = fs::read(&path).ok();
            let stays = match (image.named, image.removed) {
                (true, false) => true,
                (_, _) => state.random(2) == 0,
            };
            if !stays {
                let _ = fs::remove_file(&path);
                continue;
            }
            let mut bytes = image.bytes;
            let seen = seen.unwrap_or_default();
            if image.resized && !image.removed {
                let (least, most) = (bytes.len().min(seen.len()), bytes.len().max(seen.len()));
                let len = [
                    bytes.len(),
                    seen.len(),
                    least + state.random(most - least + 1),
                ];
                let chosen = state.random(3);
                bytes.resize(len[chosen], 0);
            }
            for page in image.dirty {
                let (start, end) = (
                    page * PAGE,
                    bytes.len().min((page + 1) * PAGE).min(seen.len()),
                );
                if start < end && state.random(2) == 0 {
                    bytes[start..end].copy_from_slice(&seen[start..end]);
                }
            }
            fs::write(&path, bytes).unwrap();
        }
    }
}

impl Disk for FaultDisk {
    fn list(&self, dir: &Path) -> io::Result<Vec<(String, u64)>> {
        self.0.lock().unwrap().alive()?;
        RealDisk.list(dir)
    }

    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.lock().unwrap().alive()?;
        RealDisk.make_dir(dir)
    }

    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.0.lock().unwrap();
        state.alive()?;
        if state.faults.read_only && how != Open::Read {
            return Err(ErrorKind::ReadOnlyFilesystem.into());
        }
        if how == Open::New {
            let removed = state.images.get(path).is_some_and(|image| image.removed);
            let named = removed || path.exists();
            let file = RealDisk.open(path, how)?;
            let image = Image {
                named,
                resized: true,
                ..Image::default()
            };
            state.images.insert(path.to_owned(), image);
            return Ok(self.file(path, file));
        }
        state.image(path);
        Ok(self.file(path, RealDisk.open(path, how)?))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.alive()?;
        if state.faults.read_only {
            return Err(ErrorKind::ReadOnlyFilesystem.into());
        }
        state.image(path);
        RealDisk.remove(path)?;
        let image = state.image(path);
        image.removed = true;
        image.dirty.clear();
        Ok(())
    }

    /// Reaches the disk at once: what is renamed was synced before.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.alive()?;
        RealDisk.rename(from, to)?;
        let mut image = state.images.remove(from).unwrap_or_default();
        image.named = true;
        state.images.insert(to.to_owned(), image);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.alive()?;
        if state.faults.sync {
            return Err(io::Error::other("sync failed"));
        }
        state
            .images
            .retain(|path, image| path.parent() != Some(dir) || !image.removed);
        for (path, image) in &mut state.images {
            image.named |= path.parent() == Some(dir);
        }
        Ok(())
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        match self.0.lock().unwrap().faults.free {
            Some(free) => Ok(free),
            None => RealDisk.free_bytes(dir),
        }
    }
}

impl FaultDisk {
    fn file(&self, path: &Path, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(FaultFile {
            state: Arc::clone(&self.0),
            path: path.to_owned(),
            file,
        })
    }
}

struct FaultFile {
    state: Arc<Mutex<State>>,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
}

impl DiskFile for FaultFile {
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        let mut state = self.state.lock().unwrap();
        let dies = state.alive();
        let (len, error) = match (dies, state.faults.write) {
            // The last thing the process did may be half a write.
            (Err(error), _) => {
                let last = state
                    .faults
                    .dies_after
                    .is_some_and(|last| state.operations == last + 1);
                let len = if last { state.random(bytes.len()) } else { 0 };
                (len, Some(error))
            }
            (Ok(()), Some((kind, most))) => (most.min(bytes.len()), Some(kind.into())),
            (Ok(()), None) => (bytes.len(), None),
        };
        let at_byte = usize::try_from(at).unwrap();
        self.file.write_at(&bytes[..len], at)?;
        if len > 0 {
            let image = state.image(&self.path);
            image
                .dirty
                .extend(at_byte / PAGE..=(at_byte + len - 1) / PAGE);
            image.resized = true;
        }
        error.map_or(Ok(len), Err)
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        let state = self.state.lock().unwrap();
        let read = self.file.read_at(bytes, at)?;
        if state.faults.unreadable {
            bytes[..read].fill(0);
        }
        Ok(read)
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.alive()?;
        if state.faults.write.is_some() {
            return Err(ErrorKind::ReadOnlyFilesystem.into());
        }
        self.file.cut(len)?;
        state.image(&self.path).resized = true;
        Ok(())
    }

    fn bytes(&self) -> io::Result<u64> {
        self.file.bytes()
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.alive()?;
        let fails = state.faults.sync;
        let seen = fs::read(&self.path).unwrap_or_default();
        let image = state.image(&self.path);
        let dirty = std::mem::take(&mut image.dirty);
        image.resized = false;
        if fails {
            return Err(io::Error::other("sync failed"));
        }
        image.bytes.resize(seen.len(), 0);
        for page in dirty {
            let (start, end) = (page * PAGE, seen.len().min((page + 1) * PAGE));
            if start < end {
                image.bytes[start..end].copy_from_slice(&seen[start..end]);
            }
        }
        Ok(())
    }
}
