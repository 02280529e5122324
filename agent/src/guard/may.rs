//! What the work of a thread needs.

use std::path::{Path, PathBuf};

use rustix::thread::CapabilitySet;

use super::needed;

/// What a thread's work needs beyond memory, and files and sockets that are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Loading programs, hanging them into processes, and all that finds the place for them.
    Attach,
    /// `/proc` of other users' processes.
    Processes,
    /// The kernel's maps by their descriptors: nothing, but where the kernel asks for it ([`maps`](super::maps)).
    Maps,
    /// Taking programs off.
    Detach,
    /// Files that the configuration names to be read, whoever's they are.
    Read,
    /// The rules, which are read again as they change: nothing, but where other users' files are among
    /// them ([`rules`](super::rules)).
    Rules,
    /// Files that are written: nothing, but where these are in other users' folders ([`files`](super::files)).
    Write,
    /// What the kernel tells of this process.
    Own,
    /// Connections to others, by Unix sockets too.
    Net,
    /// Connections to Unix sockets.
    Local,
    /// Connections from others, where it listens already.
    Answer,
    /// The system's resolver of names, with all that it reads and loads.
    Names,
    /// Threads that are begun, and have walls of their own within this one's.
    Begin,
}

impl Need {
    /// The capabilities that are kept for it.
    pub(super) fn capabilities(self) -> CapabilitySet {
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
            Self::Read => CapabilitySet::DAC_READ_SEARCH,
            Self::Maps | Self::Rules | Self::Write => needed::capabilities(self),
            Self::Detach
            | Self::Own
            | Self::Net
            | Self::Local
            | Self::Answer
            | Self::Names
            | Self::Begin => CapabilitySet::empty(),
        }
    }
}

/// What a thread may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct May {
    needs: Vec<Need>,
    reads: Vec<PathBuf>,
    writes: Vec<PathBuf>,
}

impl<const N: usize> From<[Need; N]> for May {
    fn from(needs: [Need; N]) -> Self {
        Self {
            needs: needs.into(),
            ..Self::default()
        }
    }
}

impl May {
    /// This too.
    #[must_use]
    pub fn needing(mut self, need: Need) -> Self {
        self.needs.push(need);
        self
    }

    /// Read what is at this path, and what takes its place: a folder with all below it, or a file and what
    /// lies beside it. What is not there when the walls are put up stays closed.
    #[must_use]
    pub fn reading(mut self, path: impl AsRef<Path>) -> Self {
        self.reads.extend(around(path.as_ref()));
        self
    }

    /// Write there likewise: make, rename and delete files too.
    #[must_use]
    pub fn writing(mut self, path: impl AsRef<Path>) -> Self {
        self.writes.extend(around(path.as_ref()));
        self
    }

    pub(super) fn needs(&self) -> &[Need] {
        &self.needs
    }

    pub(super) fn has(&self, need: Need) -> bool {
        self.needs.contains(&need)
    }

    /// Whether it looks at other processes, which Landlock forbids whatever it is told: there is no wall
    /// around the files of such a thread.
    pub(super) fn is_everywhere(&self) -> bool {
        self.has(Need::Attach) || self.has(Need::Processes)
    }

    pub(super) fn reads(&self) -> &[PathBuf] {
        &self.reads
    }

    pub(super) fn writes(&self) -> &[PathBuf] {
        &self.writes
    }

    /// Whether what is at this path may be read, as the file system is now.
    #[must_use]
    pub fn may_read(&self, path: &Path) -> bool {
        holds(self.reads.iter().chain(&self.writes), path)
    }

    /// Whether what is at this path may be written, as the file system is now.
    #[must_use]
    pub fn may_write(&self, path: &Path) -> bool {
        holds(self.writes.iter(), path)
    }
}

/// The folders of what is at `path`, by their real names: where it is named, and where it lies if that name leads
/// elsewhere. A folder that is not there keeps the name it was given.
fn around(path: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let folder = |path: &Path| match path.parent() {
        _ if path.is_dir() => Some(path.to_owned()),
        Some(folder) if folder.as_os_str().is_empty() => Some(PathBuf::from(".")),
        folder => folder.map(Path::to_owned),
    };
    let there = path.canonicalize().ok();
    let folders = [folder(path), there.as_deref().and_then(folder)];
    let real = |folder: PathBuf| folder.canonicalize().unwrap_or(folder);
    folders.into_iter().flatten().map(real)
}

/// Whether the folders of `path` are below some of `folders`.
fn holds<'f>(folders: impl Iterator<Item = &'f PathBuf> + Clone, path: &Path) -> bool {
    let below = |folder: PathBuf| folders.clone().any(|open| folder.starts_with(open));
    around(path).all(below)
}
