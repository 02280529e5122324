//! Go's `net/http`, built with whichever Go is installed.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, Result, bail};

use super::Server;
use super::script::listening;
use crate::sandbox::{Sandbox, program};

/// Starts Go's server on an MPTCP listener.
///
/// # Errors
/// Go is not installed, the program does not build or does not come up.
pub fn go_server(sandbox: &Sandbox, name: &str) -> Result<Server> {
    let mut command = Command::new(binary()?);
    command.arg("server");
    listening(sandbox, name, command)
}

/// Starts Go's server of HTTP/2 in clear, likewise.
///
/// # Errors
/// As [`go_server`], or Go is older than 1.24.
pub fn go_http2_server(sandbox: &Sandbox, name: &str) -> Result<Server> {
    let mut command = Command::new(binary()?);
    command.arg("http2");
    listening(sandbox, name, command)
}

/// The program, built once a run.
///
/// # Errors
/// Go is not installed or the program does not build.
pub(super) fn binary() -> Result<PathBuf> {
    static BUILT: Mutex<Option<PathBuf>> = Mutex::new(None);
    let mut built = BUILT
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(path) = built.as_ref() {
        return Ok(path.clone());
    }
    let path = build()?;
    *built = Some(path.clone());
    Ok(path)
}

fn build() -> Result<PathBuf> {
    let go = program("go", "golang-go")?;
    let own = std::env::current_exe()?;
    let folder = own
        .ancestors()
        .nth(3)
        .context("no target folder")?
        .join("go-peer");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("go.mod"), "module peer\n\ngo 1.19\n")?;
    for (name, text) in [
        ("main.go", include_str!("go/main.go")),
        ("http1.go", include_str!("go/http1.go")),
        ("http2.go", include_str!("go/http2.go")),
    ] {
        std::fs::write(folder.join(name), text)?;
    }
    let output = Command::new(go)
        .args(["build", "-o", "peer", "."])
        .current_dir(&folder)
        .env("GOFLAGS", "-mod=mod")
        .env("GOPROXY", "off")
        .env("GOTOOLCHAIN", "local")
        .env("GOCACHE", folder.join("cache"))
        .env("CGO_ENABLED", "0")
        .output()?;
    if !output.status.success() {
        bail!("go build: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(folder.join("peer"))
}
