//! What upper rooms have learnt, each under a name, with the place in the journal it stands for.
//!
//! A file of JSON for each name, `state/NAME.json` in the journal's folder, written beside and
//! renamed: there is always a whole one, the old or the new.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::JournalError;
use super::disk::{Disk, Open, RealDisk, read_up_to, write_all};

/// A place in the journal: of the next record that is to be read.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Cursor {
    /// Number of the segment; 0 for the first there is.
    pub segment: u64,
    /// Sequence of the frame in the chain.
    pub frame: u64,
    /// The record in the frame, from 0.
    pub record: u32,
}

impl Cursor {
    /// Behind all there will be.
    pub const END: Self = Self {
        segment: u64::MAX,
        frame: u64::MAX,
        record: 0,
    };
}

/// Longest name, bytes.
const NAME_MAX_BYTES: usize = 64;

/// Most bytes of one state.
const STATE_MAX_BYTES: u64 = 64 << 20;

const FOLDER: &str = "state";
const SUFFIX: &str = ".json";

/// What is kept under a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved<T> {
    /// The place it stands for: all before it is taken in.
    pub cursor: Cursor,
    /// What was learnt.
    pub state: T,
}

/// The states of one journal. Each name has one owner.
#[derive(Clone)]
pub struct State {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
}

impl State {
    /// Those of the journal in `dir`. Nothing is made until something is kept.
    #[must_use]
    pub fn of(dir: &Path) -> Self {
        Self::on(dir, Arc::new(RealDisk))
    }

    /// As [`State::of`], on another disk.
    #[must_use]
    pub fn on(dir: &Path, disk: Arc<dyn Disk>) -> Self {
        Self {
            dir: dir.join(FOLDER),
            disk,
        }
    }

    /// What was last kept under `name`; `None` if nothing was.
    ///
    /// # Errors
    /// It cannot be read, or is not what was kept.
    pub fn load<T: DeserializeOwned>(&self, name: &str) -> Result<Option<Saved<T>>, JournalError> {
        let path = self.path(name)?;
        let failed = |source| JournalError::State {
            path: path.clone(),
            source,
        };
        let bytes = match read(&*self.disk, &path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let saved = serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))?;
        Ok(Some(saved))
    }

    /// The place that is kept under `name`, whatever else is; `None` if nothing is.
    ///
    /// # Errors
    /// As for [`State::load`].
    pub fn cursor(&self, name: &str) -> Result<Option<Cursor>, JournalError> {
        let saved = self.load::<serde::de::IgnoredAny>(name)?;
        Ok(saved.map(|saved| saved.cursor))
    }

    /// Keeps `state` under `name`, durably.
    ///
    /// # Errors
    /// It cannot be written; what was kept before still is.
    pub fn save(
        &self,
        name: &str,
        cursor: Cursor,
        state: &impl Serialize,
    ) -> Result<(), JournalError> {
        let path = self.path(name)?;
        let failed = |source| JournalError::State {
            path: path.clone(),
            source,
        };
        let saved = Saved { cursor, state };
        let bytes = serde_json::to_vec(&saved).map_err(|error| failed(error.into()))?;
        self.disk
            .make_dir(&self.dir)
            .and_then(|()| replace(&*self.disk, &path, &bytes))
            .map_err(failed)
    }

    /// Forgets what is kept under `name`.
    ///
    /// # Errors
    /// It cannot be deleted.
    pub fn forget(&self, name: &str) -> Result<(), JournalError> {
        let path = self.path(name)?;
        let removed = self.disk.remove(&path);
        match removed.and_then(|()| self.disk.sync_dir(&self.dir)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(JournalError::State {
                path,
                source: error,
            }),
            _ => Ok(()),
        }
    }

    /// Every name under which something is kept, in order.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn names(&self) -> Result<Vec<String>, JournalError> {
        let files = match self.disk.list(&self.dir) {
            Ok(files) => files,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => {
                let path = self.dir.clone();
                return Err(JournalError::State { path, source });
            }
        };
        let name = |(name, _): &(String, u64)| name.strip_suffix(SUFFIX).map(str::to_owned);
        let mut names: Vec<_> = files
            .iter()
            .filter_map(name)
            .filter(|n| is_name(n))
            .collect();
        names.sort();
        Ok(names)
    }

    fn path(&self, name: &str) -> Result<PathBuf, JournalError> {
        if !is_name(name) {
            return Err(JournalError::StateName {
                name: name.to_owned(),
            });
        }
        Ok(self.dir.join(format!("{name}{SUFFIX}")))
    }
}

/// Whether a file may be called so, in this folder and no other.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=NAME_MAX_BYTES).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(plain)
}

/// The whole of a small file.
pub(super) fn read(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path, Open::Read)?;
    let len = file.bytes()?;
    if len > STATE_MAX_BYTES {
        return Err(ErrorKind::FileTooLarge.into());
    }
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    let read = read_up_to(|bytes, at| file.read_at(bytes, at), &mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Puts `bytes` in the place of the file at `path`, durably: at any moment the file is the old
/// one or the new one.
pub(super) fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    match disk.remove(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.open(&beside, Open::New)?;
    write_all(&*file, bytes, 0)?;
    file.sync()?;
    disk.rename(&beside, path)?;
    match path.parent() {
        Some(dir) => disk.sync_dir(dir),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, State};
    use crate::journal::testing::Folder;

    const AT: Cursor = Cursor {
        segment: 3,
        frame: 99,
        record: 7,
    };

    #[test]
    fn what_is_kept_is_read_again_and_forgotten() {
        let folder = Folder::new();
        let state = State::of(folder.path());
        assert!(state.load::<u32>("siem").unwrap().is_none());
        state.save("siem", AT, &41).unwrap();
        state.save("siem", AT, &42).unwrap();
        state.save("other", Cursor::default(), &"text").unwrap();
        let saved = state.load::<u32>("siem").unwrap().unwrap();
        assert_eq!((saved.cursor, saved.state), (AT, 42));
        assert_eq!(state.cursor("siem").unwrap(), Some(AT));
        assert_eq!(state.names().unwrap(), ["other", "siem"]);
        state.forget("siem").unwrap();
        state.forget("siem").unwrap();
        assert_eq!(state.cursor("siem").unwrap(), None);
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        let folder = Folder::new();
        let state = State::of(folder.path());
        for name in ["", "../x", "a/b", ".hidden", &"x".repeat(65)] {
            assert!(state.save(name, AT, &0).is_err(), "{name}");
            assert!(state.load::<u32>(name).is_err(), "{name}");
        }
    }

    #[test]
    fn what_is_not_a_state_is_told_and_can_be_replaced() {
        let folder = Folder::new();
        let state = State::of(folder.path());
        state.save("siem", AT, &42).unwrap();
        std::fs::write(folder.path().join("state/siem.json"), "{").unwrap();
        assert!(state.load::<u32>("siem").is_err());
        state.save("siem", AT, &43).unwrap();
        assert_eq!(state.load::<u32>("siem").unwrap().unwrap().state, 43);
    }
}
