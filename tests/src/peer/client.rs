//! Clients that work through a plan.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::odd::odd;
use super::script;
use super::{GoBuild, Place, Way, go_program, utf8};
use crate::load::{Want, body, text};
use crate::process::Process;
use crate::sandbox::{Sandbox, program};

/// A client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Client {
    /// curl: one process a connection, one connection for all its requests.
    Curl,
    /// Python's `http.client`, a thread a connection.
    Python,
    /// Node's `http` or `https`.
    Node,
    /// Go's `net/http` over MPTCP.
    Go,
    /// The same over TLS.
    GoTls {
        /// The program.
        program: PathBuf,
        /// Whether it asks for HTTP/2.
        http2: bool,
    },
    /// hyper, by this package's binary.
    Hyper(PathBuf),
    /// The same over rustls, by a binary built by itself.
    RustTls(PathBuf),
    /// The program in C that does it oddly, over TLS.
    Odd(PathBuf, Way),
    /// Python's `pycurl`, whose libcurl works with GnuTLS: as curl, a thread a connection.
    PyCurl,
    /// A program with NSS.
    Nss(PathBuf),
}

/// How a client goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// Connections at a time.
    pub connections: usize,
    /// Whether they are kept for the next request.
    pub keep: bool,
}

impl Client {
    /// Works through `plan`; every request has its answer when this returns.
    ///
    /// # Errors
    /// The client is not installed or could not get its answers.
    pub fn run(
        &self,
        sandbox: &Sandbox,
        name: &str,
        place: &Place,
        plan: &[Want],
        manner: Manner,
    ) -> Result<()> {
        let mut commands = match self {
            Self::Curl => curl(sandbox, name, place, plan, manner)?,
            Self::Python => {
                let script =
                    script::python(sandbox, "client.py", include_str!("python/client.py"))?;
                let mut command = Command::new(program("python3", "python3")?);
                command.arg(script);
                vec![command]
            }
            Self::Node => {
                let script = sandbox.write("client.js", include_str!("node/client.js"))?;
                let mut command = Command::new(program("node", "nodejs")?);
                command.arg(script);
                if matches!(place, Place::Tls(_)) {
                    command.env("EAVES_TLS", "1");
                }
                vec![command]
            }
            Self::Go => vec![Command::new(go_program(GoBuild::default())?)],
            Self::GoTls { program, http2 } => {
                let mut command = Command::new(program);
                command.env("EAVES_TLS", "1");
                command.env("EAVES_HTTP2", if *http2 { "1" } else { "0" });
                vec![command]
            }
            Self::Hyper(program) | Self::Nss(program) => vec![Command::new(program)],
            Self::RustTls(program) => {
                let mut command = Command::new(program);
                command.env("EAVES_TLS", "1");
                vec![command]
            }
            Self::Odd(program, way) => vec![odd(program, *way)],
            Self::PyCurl => {
                let script =
                    script::python(sandbox, "libcurl.py", include_str!("python/libcurl.py"))?;
                // Debian's, which has its modules.
                let mut command = Command::new(program("/usr/bin/python3", "python3-pycurl")?);
                command.arg(script);
                vec![command]
            }
        };
        let of_words = matches!(
            self,
            Self::Go
                | Self::GoTls { .. }
                | Self::Hyper(_)
                | Self::RustTls(_)
                | Self::Odd(..)
                | Self::Nss(_)
        );
        if of_words && let Some(command) = commands.first_mut() {
            command.arg("client");
        }
        if *self != Self::Curl
            && let Some(command) = commands.first_mut()
        {
            let plan = sandbox.write(&format!("{name}.plan"), text(plan))?;
            command.arg(place.argument()).arg(plan);
            command.arg(manner.connections.to_string());
            command.arg(if manner.keep { "keep" } else { "close" });
        }
        let mut running = Vec::new();
        for (number, command) in commands.into_iter().enumerate() {
            running.push(Process::start(
                sandbox,
                &format!("{name}-{number}"),
                command,
            )?);
        }
        running.iter_mut().try_for_each(Process::finish)
    }
}

/// One curl a connection, each with its share of the plan in a configuration file.
fn curl(
    sandbox: &Sandbox,
    name: &str,
    place: &Place,
    plan: &[Want],
    manner: Manner,
) -> Result<Vec<Command>> {
    let curl = program("curl", "curl")?;
    let share = plan.len().div_ceil(manner.connections.max(1)).max(1);
    let mut commands = Vec::new();
    for (number, wants) in plan.chunks(share).enumerate() {
        let transfers: Result<Vec<_>> = wants
            .iter()
            .map(|want| transfer(sandbox, place, want, manner.keep))
            .collect();
        let config = transfers?.join("next\n");
        let config = sandbox.write(&format!("{name}-{number}.curl"), config)?;
        let mut command = Command::new(&curl);
        command.arg("--disable").arg("--config").arg(config);
        commands.push(command);
    }
    Ok(commands)
}

fn transfer(sandbox: &Sandbox, place: &Place, want: &Want, keep: bool) -> Result<String> {
    let base = match place {
        Place::Tcp(port) | Place::Tls(port) => format!("127.0.0.1:{port}"),
        Place::Unix(_) => "localhost".to_owned(),
    };
    let scheme = match place {
        Place::Tls(_) => "https",
        _ => "http",
    };
    let mut lines = format!(
        "url = \"{scheme}://{base}{}\"\noutput = \"/dev/null\"\ninsecure\nhttp1.1\n",
        want.target
    );
    lines.push_str("silent\nshow-error\nglobbing = false\nheader = \"Expect:\"\n");
    if let Place::Unix(path) = place {
        let _ = writeln!(lines, "unix-socket = \"{}\"", utf8(path)?);
    }
    match want.method {
        "HEAD" => lines.push_str("head\n"),
        method => {
            let _ = writeln!(lines, "request = \"{method}\"");
        }
    }
    if want.body_bytes > 0 {
        let file = body_file(sandbox, want.body_bytes)?;
        let _ = writeln!(lines, "data-binary = \"@{}\"", utf8(&file)?);
    }
    if want.chunked {
        lines.push_str("header = \"Transfer-Encoding: chunked\"\n");
    }
    if want.conditional {
        lines.push_str("header = \"If-None-Match: *\"\n");
    }
    if !keep {
        lines.push_str("header = \"Connection: close\"\n");
    }
    Ok(lines)
}

fn body_file(sandbox: &Sandbox, bytes: usize) -> Result<PathBuf> {
    let path = sandbox.file(&format!("bodies/{bytes}"));
    if path.is_file() {
        return Ok(path);
    }
    sandbox.write(&format!("bodies/{bytes}"), body(bytes))
}

/// wrk over the targets of `plan`, in turn, as fast as `delay_ms` between two requests of a
/// connection lets it; for GET alone, since it cannot read an answer to HEAD.
///
/// It stops at a time and not at a count: its last requests may have no answer.
///
/// # Errors
/// It is not installed or fails.
pub fn wrk(sandbox: &Sandbox, port: u16, plan: &[Want], load: Wrk) -> Result<()> {
    let wrk = program("wrk", "wrk")?;
    let targets: String = plan
        .iter()
        .filter(|want| want.method == "GET" && !want.conditional)
        .fold(String::new(), |all, want| all + &want.target + "\n");
    let targets = sandbox.write("wrk.targets", targets)?;
    let script = sandbox.write("wrk.lua", include_str!("wrk.lua"))?;
    let mut command = Command::new(wrk);
    command
        .args(["-t", "1", "-c", &load.connections.to_string()])
        .args(["-d", &format!("{}s", load.seconds)])
        .arg("-s")
        .arg(script)
        .arg(format!("http://127.0.0.1:{port}"))
        .args(["--", utf8(&targets)?, &load.delay_ms.to_string()]);
    Process::start(sandbox, "wrk", command)?.finish()
}

/// How much wrk does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrk {
    /// Connections.
    pub connections: u32,
    /// For how long.
    pub seconds: u32,
    /// Pause before each request of a connection; 0 for none.
    pub delay_ms: u32,
}
