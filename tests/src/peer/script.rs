//! Servers written for these tests: Python's `http.server`, a gunicorn application, Node, hyper.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use rustix::process::Signal;

use super::{Certificate, Counts, Place, Server, utf8};
use crate::load::Features;
use crate::process::Process;
use crate::sandbox::{Sandbox, Skip, port, program};

/// Starts Python's `http.server` with a thread a connection.
///
/// # Errors
/// Python is not installed or it does not come up.
pub fn python_server(sandbox: &Sandbox, name: &str) -> Result<Server> {
    let script = python(sandbox, "server.py", include_str!("python/server.py"))?;
    let mut command = Command::new(program("python3", "python3")?);
    command.arg("-u").arg(script);
    listening(sandbox, name, command)
}

/// The same, with Python's `ssl`.
///
/// # Errors
/// As [`python_server`].
pub fn python_tls_server(sandbox: &Sandbox, name: &str, tls: &Certificate) -> Result<Server> {
    let script = python(sandbox, "server.py", include_str!("python/server.py"))?;
    let mut command = Command::new(program("python3", "python3")?);
    command.arg("-u").arg(script);
    with_tls(sandbox, name, command, tls)
}

/// Starts Node's `http`.
///
/// # Errors
/// Node is not installed or it does not come up.
pub fn node_server(sandbox: &Sandbox, name: &str) -> Result<Server> {
    let script = sandbox.write("server.js", include_str!("node/server.js"))?;
    let mut command = Command::new(program("node", "nodejs")?);
    command.arg(script);
    listening(sandbox, name, command)
}

/// Starts Node's `https`: the library is in the program, and works on memory.
///
/// # Errors
/// As [`node_server`]; [`Skip`] where the library is not in the program.
pub fn node_tls_server(sandbox: &Sandbox, name: &str, tls: &Certificate) -> Result<Server> {
    let node = program("node", "nodejs")?;
    let asked = Command::new(&node)
        .args(["-p", "process.config.variables.node_shared_openssl"])
        .output()?;
    if asked.stdout.starts_with(b"true") {
        return Err(Skip("this node shares OpenSSL: it takes Node's own build".to_owned()).into());
    }
    let script = sandbox.write("server.js", include_str!("node/server.js"))?;
    let mut command = Command::new(node);
    command.arg(script);
    with_tls(sandbox, name, command, tls)
}

/// Starts the hyper server, `program` being this package's binary.
///
/// # Errors
/// It does not come up.
pub fn hyper_server(sandbox: &Sandbox, name: &str, program: &Path) -> Result<Server> {
    let mut command = Command::new(program);
    command.arg("server");
    listening(sandbox, name, command)
}

/// Starts gunicorn with two processes of four threads on a Unix socket.
///
/// # Errors
/// It is not installed or does not come up.
pub fn gunicorn(sandbox: &Sandbox, name: &str) -> Result<Server> {
    let application = python(
        sandbox,
        "application.py",
        include_str!("python/application.py"),
    )?;
    let folder = application.parent().map(Path::to_owned).unwrap_or_default();
    let socket = sandbox.file(&format!("{name}.sock"));
    let log = sandbox.file(&format!("{name}.log"));
    let mut command = Command::new(program("gunicorn", "gunicorn")?);
    command
        .args(["--bind", &format!("unix:{}", utf8(&socket)?)])
        .args(["--workers", "2", "--threads", "4", "--keep-alive", "30"])
        .arg("--chdir")
        .arg(&folder)
        .arg("application:application")
        .env("EAVES_LOG", &log);
    let process = Process::start(sandbox, name, command)?;
    server(process, Place::Unix(socket), log).ready()
}

/// Writes a script, and beside it what it has in common with others.
///
/// # Errors
/// It cannot be written.
pub(super) fn python(sandbox: &Sandbox, name: &str, script: &str) -> Result<PathBuf> {
    sandbox.write("peer.py", include_str!("python/peer.py"))?;
    sandbox.write(name, script)
}

/// A server that takes its port and its log as arguments.
pub(super) fn listening(sandbox: &Sandbox, name: &str, mut command: Command) -> Result<Server> {
    let port = port()?;
    let log = sandbox.file(&format!("{name}.log"));
    command.arg(port.to_string()).arg(&log);
    let process = Process::start(sandbox, name, command)?;
    server(process, Place::Tcp(port), log).ready()
}

/// As [`listening`], with certificate and key as further arguments.
pub(super) fn with_tls(
    sandbox: &Sandbox,
    name: &str,
    mut command: Command,
    tls: &Certificate,
) -> Result<Server> {
    let port = port()?;
    let log = sandbox.file(&format!("{name}.log"));
    command.arg(port.to_string()).arg(&log);
    command.arg(&tls.certificate).arg(&tls.key);
    let process = Process::start(sandbox, name, command)?;
    server(process, Place::Tls(port), log).ready()
}

fn server(process: Process, place: Place, log: PathBuf) -> Server {
    Server {
        process,
        place,
        log,
        counts: Counts::Body,
        features: Features {
            chunked: true,
            chunked_requests: true,
            post_only: false,
        },
        gentle: Signal::TERM,
    }
}
