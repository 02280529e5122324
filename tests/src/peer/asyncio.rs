//! HTTP over TLS on Python's asyncio, whose TLS works on memory buffers: hypercorn, uvicorn, aiohttp, and
//! httpx.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::script::with_tls;
use super::{Certificate, Server};
use crate::far::python;
use crate::process::Process;
use crate::sandbox::Sandbox;

/// Starts hypercorn: HTTP/2.
///
/// # Errors
/// It is not here, or does not come up.
pub fn hypercorn(sandbox: &Sandbox, name: &str, tls: &Certificate) -> Result<Server> {
    serve(sandbox, name, include_str!("python/hypercorn.py"), tls)
}

/// Starts uvicorn: HTTP/1.1.
///
/// # Errors
/// As [`hypercorn`].
pub fn uvicorn(sandbox: &Sandbox, name: &str, tls: &Certificate) -> Result<Server> {
    serve(sandbox, name, include_str!("python/uvicorn.py"), tls)
}

/// Starts aiohttp: HTTP/1.1.
///
/// # Errors
/// As [`hypercorn`].
pub fn aiohttp(sandbox: &Sandbox, name: &str, tls: &Certificate) -> Result<Server> {
    serve(sandbox, name, include_str!("python/aiohttp.py"), tls)
}

fn serve(sandbox: &Sandbox, name: &str, script: &str, tls: &Certificate) -> Result<Server> {
    sandbox.write("peer.py", include_str!("python/peer.py"))?;
    let command = python(sandbox, "serve", script)?;
    with_tls(sandbox, name, command, tls)
}

/// A client that asks until it may begin.
#[derive(Debug)]
pub struct Httpx {
    /// Its process.
    pub process: Process,
    go: PathBuf,
}

impl Httpx {
    /// Starts httpx, which then asks `server` for `requests` one after the other, for as many several at a
    /// time, and for as many on a connection each; in `version`.
    ///
    /// # Errors
    /// It is not here, or cannot be started.
    pub fn start(
        sandbox: &Sandbox,
        server: &Server,
        version: &str,
        requests: usize,
    ) -> Result<Self> {
        let go = sandbox.file("go");
        let mut command = python(sandbox, "ask", include_str!("python/httpx.py"))?;
        command.arg(server.place().port()?.to_string());
        command.arg(requests.to_string()).arg(version).arg(&go);
        let process = Process::start(sandbox, "httpx", command)?;
        Ok(Self { process, go })
    }

    /// Lets it begin, and waits for its end.
    ///
    /// # Errors
    /// An answer is not what it should be.
    pub fn run(mut self) -> Result<()> {
        std::fs::write(&self.go, "")?;
        let status = self.process.wait()?;
        if !status.success() {
            bail!("httpx: {}", self.process.stderr());
        }
        Ok(())
    }
}
