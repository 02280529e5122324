//! A file system of a few kilobytes, to be full.

use std::ffi::CString;
use std::path::PathBuf;

use anyhow::{Context, Result};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::sandbox::Sandbox;

/// A tmpfs in the sandbox, unmounted at the end.
#[derive(Debug)]
pub struct Tmpfs {
    /// Where it is mounted.
    pub path: PathBuf,
}

impl Tmpfs {
    /// Mounts one of `size`, as tmpfs(5) takes it. Needs root.
    ///
    /// # Errors
    /// It cannot be mounted.
    pub fn mount(sandbox: &Sandbox, size: &str) -> Result<Self> {
        let path = sandbox.file("disk");
        std::fs::create_dir_all(&path)?;
        let options = CString::new(format!("size={size},mode=0755"))?;
        mount(
            "tmpfs",
            &path,
            "tmpfs",
            MountFlags::empty(),
            Some(options.as_c_str()),
        )
        .context("cannot mount a tmpfs")?;
        Ok(Self { path })
    }

    /// Bytes that are free on it.
    ///
    /// # Errors
    /// It is not there.
    pub fn free(&self) -> Result<u64> {
        let state = rustix::fs::statvfs(&self.path)?;
        Ok(state.f_bavail * state.f_frsize)
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = unmount(&self.path, UnmountFlags::DETACH);
    }
}
