//! HTTP/2 over TLS on Python's asyncio, whose TLS works on memory buffers: hypercorn and httpx.

use anyhow::{Result, bail};

use super::script::with_tls;
use super::{Certificate, Server};
use crate::far::python;
use crate::sandbox::Sandbox;

/// Starts hypercorn.
///
/// # Errors
/// It is not here, or does not come up.
pub fn hypercorn(sandbox: &Sandbox, name: &str, tls: &Certificate) -> Result<Server> {
    let script = include_str!("python/hypercorn.py");
    let command = python(sandbox, "serve", script)?;
    with_tls(sandbox, name, command, tls)
}

/// Lets httpx ask a server for `requests` one after the other, and for as many several at a time.
///
/// # Errors
/// It is not here, or an answer is not what it should be.
pub fn httpx(sandbox: &Sandbox, server: &Server, requests: usize) -> Result<()> {
    let mut command = python(sandbox, "ask", include_str!("python/httpx.py"))?;
    command.arg(server.place().port()?.to_string());
    let output = command.arg(requests.to_string()).output()?;
    if !output.status.success() {
        bail!("httpx: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
