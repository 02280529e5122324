//! A folder a test owns, ports nobody else listens on, and programs that must be installed.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, anyhow};

/// First of the ports that tests listen on: below the range the kernel gives to clients
/// (`net.ipv4.ip_local_port_range`, 32768 on), so that no client takes one.
const FIRST_PORT: u16 = 20_000;

/// How many ports from [`FIRST_PORT`] on.
const PORTS: u16 = 12_000;

/// A folder under the temporary one, removed at the end unless [`Sandbox::keep`] was called.
#[derive(Debug)]
pub struct Sandbox {
    path: PathBuf,
    keep: AtomicBool,
}

impl Sandbox {
    /// Makes one, readable by everybody: servers give up root.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new() -> Result<Self> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("eaves-tests-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(Self {
            path,
            keep: AtomicBool::new(std::env::var_os("EAVES_KEEP").is_some()),
        })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A name in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file in it, folders included; gives its path.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.file(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// Leaves the folder where it is.
    pub fn keep(&self) {
        self.keep.store(true, Ordering::Relaxed);
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if !self.keep.load(Ordering::Relaxed) && !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// A port on which nothing listens, given out once in a run.
///
/// # Errors
/// None is free.
pub fn port() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let offset = u16::try_from(std::process::id() % u32::from(PORTS)).unwrap_or(0);
    for _ in 0..PORTS {
        let next = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(offset);
        let port = FIRST_PORT + next % PORTS;
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            GIVEN
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(port);
            return Ok(port);
        }
    }
    Err(anyhow!("no port from {FIRST_PORT} on is free"))
}

/// Ports given out in this run.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Whether this run gave out `port`: the agent hears everybody on the host.
#[must_use]
pub fn is_ours(port: u16) -> bool {
    GIVEN
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .contains(&port)
}

/// Why a test cannot run here; it is an error where `CI` or `EAVES_REQUIRE_PEERS` is set.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Skip(pub String);

/// Whether whatever is missing is a failure.
#[must_use]
pub fn everything_is_required() -> bool {
    std::env::var_os("CI").is_some() || std::env::var_os("EAVES_REQUIRE_PEERS").is_some()
}

/// Finds `program` on the path and where Debian puts servers and Go.
///
/// # Errors
/// [`Skip`], naming the Debian package that has it.
pub fn program(program: &str, package: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/go/bin", "/usr/lib/go/bin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .ok_or_else(|| Skip(format!("{program} is missing: install {package}")).into())
}
