//! An HTTPS server in C with OpenSSL linked in.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

use super::script::with_tls;
use super::{Certificate, Server};
use crate::load::Features;
use crate::sandbox::{Sandbox, Skip, program};

/// How it works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Works {
    /// The library moves the bytes on the socket itself.
    OnSockets,
    /// It works on memory: first all there is is received from every socket, then given to the
    /// sessions in the other order.
    OnMemory,
    /// The same, and what is sent goes on another socket before.
    OnMemoryTwice,
}

/// Builds it, once a run: the program.
///
/// # Errors
/// There is no compiler or no static OpenSSL, or it does not build.
pub fn linked_program() -> Result<PathBuf> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let source = include_str!("c/server.c");
    let flags = ["-static", "-lssl", "-lcrypto"];
    in_c(&BUILT, "linked-server", source, &flags, OPENSSL)
}

/// The package that programs with OpenSSL take.
pub(super) const OPENSSL: &str = "libssl-dev";

/// Builds a program in C, which takes that package's library.
///
/// # Errors
/// There is no compiler or no such library, or it does not build.
pub(super) fn in_c(
    built: &OnceLock<PathBuf>,
    name: &str,
    source: &str,
    flags: &[&str],
    package: &str,
) -> Result<PathBuf> {
    if let Some(built) = built.get() {
        return Ok(built.clone());
    }
    let compiler = program("cc", "gcc")?;
    let own = std::env::current_exe()?;
    let folder = own.parent().context("no folder of this test")?;
    let file = folder.join(name).with_extension("c");
    std::fs::write(folder.join("answer.h"), include_str!("c/answer.h"))?;
    std::fs::write(&file, source)?;
    let path = folder.join(name);
    let mut command = Command::new(&compiler);
    command.args(["-O2", "-o"]).arg(&path);
    command.arg(&file).args(flags);
    let output = command.output()?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        if why.contains("cannot find -l") || why.contains("No such file or directory") {
            return Err(Skip(format!("{package} is not installed: {why}")).into());
        }
        bail!("cc: {why}");
    }
    Ok(built.get_or_init(|| path).clone())
}

/// Starts `program`, [`linked_program`] or what was made of it.
///
/// # Errors
/// It does not come up.
pub fn linked_server(
    sandbox: &Sandbox,
    name: &str,
    program: PathBuf,
    works: Works,
    tls: &Certificate,
) -> Result<Server> {
    let mut command = Command::new(program);
    if works != Works::OnSockets {
        command.env("EAVES_MEMORY", "1");
    }
    if works == Works::OnMemoryTwice {
        command.env("EAVES_COPY", "1");
    }
    let mut server = with_tls(sandbox, name, command, tls)?;
    server.features = Features::default();
    Ok(server)
}
