//! Go's `net/http`, built with whichever Go is installed.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::built::Built;
use super::script::{listening, with_tls};
use super::{Certificate, Server};
use crate::sandbox::{Sandbox, Skip, program};

/// How the program is built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct GoBuild {
    /// Without symbols and debugging information.
    pub stripped: bool,
    /// To be loaded anywhere.
    pub moved: bool,
    /// By this version of Go, as `go1.20.14`, which the one that is installed fetches; if none is named,
    /// by that one.
    pub version: Option<&'static str>,
}

/// Starts Go's server on an MPTCP listener.
///
/// # Errors
/// Go is not installed, the program does not build or does not come up.
pub fn go_server(sandbox: &Sandbox, name: &str) -> Result<Server> {
    let mut command = Command::new(go_program(GoBuild::default())?);
    command.arg("server");
    listening(sandbox, name, command)
}

/// Starts Go's server of HTTP/2 in clear, likewise.
///
/// # Errors
/// As [`go_server`], or Go is older than 1.24.
pub fn go_http2_server(sandbox: &Sandbox, name: &str) -> Result<Server> {
    let mut command = Command::new(go_program(GoBuild::default())?);
    command.arg("http2");
    listening(sandbox, name, command)
}

/// Starts Go's server of HTTPS: of HTTP/2, or of HTTP/1 alone.
///
/// # Errors
/// It does not come up.
pub fn go_tls_server(
    sandbox: &Sandbox,
    name: &str,
    program: PathBuf,
    http2: bool,
    tls: &Certificate,
) -> Result<Server> {
    let mut command = Command::new(program);
    command.arg(if http2 { "http2" } else { "server" });
    with_tls(sandbox, name, command, tls)
}

/// The program, built once a run.
///
/// # Errors
/// Go is not installed or the program does not build; [`Skip`] if that version cannot be fetched.
pub fn go_program(how: GoBuild) -> Result<PathBuf> {
    static BUILT: Built<GoBuild> = Built::new();
    BUILT.get(how, build)
}

fn build(how: GoBuild) -> Result<PathBuf> {
    let go = program("go", "golang-go")?;
    let own = std::env::current_exe()?;
    let folder = own
        .ancestors()
        .nth(3)
        .context("no target folder")?
        .join("go-peer");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(
        folder.join("go.mod"),
        "module example.com/peer\n\ngo 1.19\n",
    )?;
    for (name, text) in [
        ("main.go", include_str!("go/main.go")),
        ("http1.go", include_str!("go/http1.go")),
        ("http2.go", include_str!("go/http2.go")),
    ] {
        std::fs::write(folder.join(name), text)?;
    }
    let mut name = "peer".to_owned();
    let mut command = Command::new(go);
    command.arg("build");
    if how.stripped {
        name.push_str("-stripped");
        command.arg("-ldflags=-s -w");
    }
    if how.moved {
        name.push_str("-moved");
        command.arg("-buildmode=pie");
    }
    if let Some(version) = how.version {
        name = format!("{name}-{version}");
    }
    let output = command
        .args(["-o", &name, "."])
        .current_dir(&folder)
        .env("GOFLAGS", "-mod=mod")
        .env("GOTOOLCHAIN", how.version.unwrap_or("local"))
        .env("GOCACHE", folder.join("cache"))
        .env("CGO_ENABLED", "0")
        .output()?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        if let Some(version) = how.version
            && why.contains(&format!("go: download {version}"))
        {
            return Err(Skip(format!("{version} cannot be fetched: {why}")).into());
        }
        bail!("go build: {why}");
    }
    Ok(folder.join(name))
}
