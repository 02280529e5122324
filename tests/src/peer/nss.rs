//! An HTTPS server and a client in C with NSS.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::Result;

use super::linked::in_c;
use super::script::with_tls;
use super::{Certificate, Server};
use crate::load::Features;
use crate::sandbox::Sandbox;

/// Builds it, once a run: the program.
///
/// # Errors
/// There is no compiler or no NSS, or it does not build.
pub fn nss_program() -> Result<PathBuf> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let source = include_str!("c/nss.c");
    let flags = [
        "-I/usr/include/nss",
        "-I/usr/include/nspr",
        "-lssl3",
        "-lsmime3",
        "-lnss3",
        "-lnssutil3",
        "-lnspr4",
    ];
    in_c(&BUILT, "nss-peer", source, &flags, "libnss3-dev")
}

/// Starts `program`, [`nss_program`], as a server.
///
/// # Errors
/// It does not come up.
pub fn nss_server(
    sandbox: &Sandbox,
    name: &str,
    program: PathBuf,
    tls: &Certificate,
) -> Result<Server> {
    let mut command = Command::new(program);
    command.arg("server");
    let mut server = with_tls(sandbox, name, command, tls)?;
    server.features = Features::default();
    Ok(server)
}
