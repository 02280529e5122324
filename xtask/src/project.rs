//! Where things of this project lie on this machine.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Folders and files by what they are for.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    /// The workspace's root.
    pub(crate) root: PathBuf,
    /// Cargo's target folder; everything xtask makes or fetches lies below it.
    pub(crate) target: PathBuf,
}

impl Project {
    /// Finds the root from where this crate was built, and the target folder as Cargo does.
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask lies in no workspace")?
            .to_path_buf();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => env::current_dir()?.join(folder),
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// Tools installed for this project alone.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// The binary that users run.
    pub(crate) fn release_binary(&self) -> PathBuf {
        self.target.join("release/eaves")
    }
}

/// Cargo itself: the one that runs us, else the one in `PATH`.
pub(crate) fn cargo() -> PathBuf {
    let ours = env::var_os("CARGO").map(PathBuf::from);
    ours.or_else(|| which("cargo"))
        .unwrap_or_else(|| PathBuf::from("cargo"))
}

/// Whether a file that can be executed answers to `name` in `PATH` or where Debian keeps what
/// root runs, and where.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| is_executable(file))
}

/// Whether `file` is a regular file with an execute bit.
pub(crate) fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
