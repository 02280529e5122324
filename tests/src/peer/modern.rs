//! Servers and clients of HTTP/2 and gRPC, and a server of events.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::script::listening;
use super::{Place, Server};
use crate::far::python;
use crate::process::{Process, text};
use crate::sandbox::{Sandbox, port, program};

/// Starts Node's `http2`, in clear.
///
/// # Errors
/// Node is not installed or it does not come up.
pub fn node_http2_server(sandbox: &Sandbox, name: &str) -> Result<Server> {
    let script = sandbox.write("server.js", include_str!("node/server.js"))?;
    let mut command = Command::new(program("node", "nodejs")?);
    command.arg(script).env("EAVES_HTTP2", "1");
    listening(sandbox, name, command)
}

/// Starts a server of events on Node: `/?count=N` tells N of them, ten a second.
///
/// # Errors
/// Node is not installed or it does not come up.
pub fn event_server(sandbox: &Sandbox, name: &str) -> Result<Server> {
    let script = sandbox.write("events.js", include_str!("node/events.js"))?;
    let mut command = Command::new(program("node", "nodejs")?);
    command.arg(script);
    listening(sandbox, name, command)
}

/// How long a client of gRPC calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// Each kind of call a few times.
    Once,
    /// Until it is stopped.
    UntilStopped,
}

/// One call, as its client or Eaves writes it down.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// The method.
    pub method: String,
    /// How it ended, if that went over the wire for certain.
    pub status: Option<u64>,
    /// Messages of the request, and their bytes.
    pub request: (u64, u64),
    /// The same of the response.
    pub response: (u64, u64),
}

/// Starts a gRPC server with its client: where it is, its log, its process.
///
/// # Errors
/// The library is not here, or it does not start.
pub fn grpc(sandbox: &Sandbox, how: Calls) -> Result<(Place, PathBuf, Process)> {
    let (port, log) = (port()?, sandbox.file("grpc.log"));
    let mut command = python(sandbox, "calls", include_str!("python/grpc.py"))?;
    command.arg(port.to_string()).arg(&log);
    command.arg(match how {
        Calls::Once => "once",
        Calls::UntilStopped => "busy",
    });
    let process = Process::start(sandbox, "grpc", command)?;
    Ok((Place::Tcp(port), log, process))
}

/// The calls that a client wrote down.
///
/// # Errors
/// A line is none.
pub fn calls(log: &Path) -> Result<Vec<Call>> {
    let call = |line: &str| {
        let words: Vec<&str> = line.split('\t').collect();
        let [method, status, sent, got, sent_bytes, got_bytes] = words[..] else {
            return None;
        };
        Some(Call {
            method: method.to_owned(),
            status: status.parse().ok(),
            request: (sent.parse().ok()?, sent_bytes.parse().ok()?),
            response: (got.parse().ok()?, got_bytes.parse().ok()?),
        })
    };
    let log = text(log);
    let lines = log.lines();
    lines
        .map(|line| call(line).with_context(|| format!("no call: {line}")))
        .collect()
}
