//! Servers and clients of exchanges that last: long polls, and uploads in many chunks.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::Place;
use crate::process::{Process, text};
use crate::sandbox::{Sandbox, port, program};
use crate::wait;

/// Which library serves or asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// Python's `http.server` and `http.client`.
    Python,
    /// Node's `http`.
    Node,
}

/// A server of exchanges that last.
#[derive(Debug)]
pub struct Waiting {
    /// Where it listens.
    pub place: Place,
    log: PathBuf,
    process: Process,
}

/// One exchange as its server wrote it down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Path and query.
    pub target: String,
    /// Status.
    pub status: u16,
    /// Bytes of the bodies.
    pub request_bytes: u64,
    /// The same of the response.
    pub response_bytes: u64,
    /// The client's port.
    pub client_port: u16,
    /// From the request's head to the end of the response.
    pub lasted_ms: u64,
}

impl Waits {
    fn command(self, sandbox: &Sandbox) -> Result<Command> {
        let (runs, package, name, script) = match self {
            Self::Python => {
                let script = include_str!("python/waits.py");
                ("python3", "python3", "waits.py", script)
            }
            Self::Node => ("node", "nodejs", "waits.js", include_str!("node/waits.js")),
        };
        let mut command = Command::new(program(runs, package)?);
        command.arg(sandbox.write(name, script)?);
        Ok(command)
    }

    /// Starts a server.
    ///
    /// # Errors
    /// It does not come up.
    pub fn serve(self, sandbox: &Sandbox) -> Result<Waiting> {
        let name = format!("serve-{self:?}");
        let (port, log) = (port()?, sandbox.file(&format!("{name}.log")));
        let mut command = self.command(sandbox)?;
        command.arg("serve").arg(port.to_string()).arg(&log);
        let mut process = Process::start(sandbox, &name, command)?;
        let place = Place::Tcp(port);
        wait::until_true("a listening server", || {
            process.must_live()?;
            Ok(place.answers())
        })?;
        Ok(Waiting {
            place,
            log,
            process,
        })
    }

    /// Begins to send a body in five chunks a second for `seconds`.
    ///
    /// # Errors
    /// It does not start.
    pub fn upload(self, sandbox: &Sandbox, to: &Waiting, seconds: u64) -> Result<Process> {
        let mut command = self.command(sandbox)?;
        command.arg("upload").arg(to.place.port()?.to_string());
        command.arg(seconds.to_string());
        Process::start(sandbox, &format!("upload-{self:?}"), command)
    }
}

impl Waiting {
    /// What it has answered so far.
    ///
    /// # Errors
    /// It is over, or a line cannot be read.
    pub fn served(&mut self) -> Result<Vec<Served>> {
        self.process.must_live()?;
        let log = text(&self.log);
        let served = |line: &str| {
            let words: Vec<&str> = line.split('\t').collect();
            let [_, target, status, request, response, port, lasted] = words[..] else {
                return None;
            };
            Some(Served {
                target: target.to_owned(),
                status: status.parse().ok()?,
                request_bytes: request.parse().ok()?,
                response_bytes: response.parse().ok()?,
                client_port: port.parse().ok()?,
                lasted_ms: lasted.parse().ok()?,
            })
        };
        let lines = log.lines();
        lines
            .map(|line| served(line).with_context(|| format!("no exchange: {line}")))
            .collect()
    }
}
