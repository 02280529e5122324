//! HTTPS as few do it, by a program in C with OpenSSL's shared library: server and client.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::Result;

use super::linked::{OPENSSL, in_c};
use super::script::with_tls;
use super::{Certificate, Server};
use crate::load::Features;
use crate::sandbox::Sandbox;

/// How it does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// What comes is read one byte at a time.
    Bytes,
    /// It is looked at first, and both ways go by the `_ex` functions.
    Peek,
    /// Sockets that do not block, and hold little.
    Retry,
    /// Another handshake before every third request, in TLS 1.2.
    Renegotiate,
    /// Sessions go on over other conns, in TLS 1.2.
    Resume,
    /// A child serves the session that its parent began.
    Fork,
    /// The same, and the kernel kills it at any system call but a few.
    Seccomp,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Bytes,
        Self::Peek,
        Self::Retry,
        Self::Renegotiate,
        Self::Resume,
        Self::Fork,
        Self::Seccomp,
    ];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Peek => "peek",
            Self::Retry => "retry",
            Self::Renegotiate => "renegotiate",
            Self::Resume => "resume",
            Self::Fork => "fork",
            Self::Seccomp => "seccomp",
        }
    }
}

/// Builds it, once a run: the program.
///
/// # Errors
/// There is no compiler or no OpenSSL, or it does not build.
pub fn odd_program() -> Result<PathBuf> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let source = include_str!("c/odd.c");
    let flags = ["-Wall", "-Wextra", "-lssl", "-lcrypto", "-lpthread"];
    in_c(&BUILT, "odd", source, &flags, OPENSSL)
}

/// The program, to be server or client in that way.
pub(super) fn odd(program: &Path, way: Way) -> Command {
    let mut command = Command::new(program);
    command.env("EAVES_WAY", way.name());
    command
}

/// Starts the server.
///
/// # Errors
/// It does not come up.
pub fn odd_server(
    sandbox: &Sandbox,
    name: &str,
    program: &Path,
    way: Way,
    tls: &Certificate,
) -> Result<Server> {
    let mut command = odd(program, way);
    command.arg("server");
    let mut server = with_tls(sandbox, name, command, tls)?;
    server.features = Features::default();
    Ok(server)
}
