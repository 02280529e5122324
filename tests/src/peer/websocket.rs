//! WebSocket peers: programs of one file that speak to themselves and write down what they said.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::far::{fetched, python};
use crate::process::{Process, text};
use crate::sandbox::{Sandbox, port, program};
use crate::wait::until_true;

/// Which library speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebSockets {
    /// Python's `websockets`, over HTTP/1.
    Python,
    /// Node's `ws`, over HTTP/1.
    Node,
    /// The same over HTTP/2.
    NodeHttp2,
}

/// What one end of a connection said, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The client's port; 0 where the library does not tell.
    pub port: u16,
    /// `server` or `client`: the end it goes to.
    pub to: String,
    /// `text` or `binary`.
    pub opcode: String,
    /// What was said.
    pub content: Vec<u8>,
}

/// A conversation that is over.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// The server's port.
    pub port: u16,
    /// The messages.
    pub said: Vec<Said>,
    /// The client's ports, each with the code that it closed with.
    pub closed: Vec<(u16, u16)>,
}

/// Lets both ends speak until they have nothing more to say.
///
/// # Errors
/// The library is not here, or the program fails.
pub fn converse(sandbox: &Sandbox, library: WebSockets) -> Result<Conversation> {
    let (port, log) = (port()?, sandbox.file("websocket.log"));
    let output = command(sandbox, library, port, &log)?.output()?;
    if !output.status.success() {
        bail!("{library:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    read(port, &log)
}

/// The program of `library`, about to run.
fn command(sandbox: &Sandbox, library: WebSockets, port: u16, log: &Path) -> Result<Command> {
    let mut command = match library {
        WebSockets::Python => python(sandbox, "websocket", include_str!("python/websocket.py"))?,
        WebSockets::Node | WebSockets::NodeHttp2 => {
            let mut command = Command::new(program("node", "nodejs")?);
            let script = include_str!("node/websocket.js");
            command.arg(sandbox.write("websocket.js", script)?);
            command
        }
    };
    command.arg(port.to_string()).arg(log);
    if library != WebSockets::Python {
        command.arg(fetched("ws")?.join("node_modules/ws"));
        command.arg(if library == WebSockets::Node {
            "h1"
        } else {
            "h2"
        });
    }
    Ok(command)
}

/// Opens connections, then calls `join`, and lets both ends speak only then.
///
/// # Errors
/// As [`converse`], or what `join` fails with.
pub fn converse_late<T>(
    sandbox: &Sandbox,
    library: WebSockets,
    join: impl FnOnce() -> Result<T>,
) -> Result<(Conversation, T)> {
    let (port, log) = (port()?, sandbox.file("websocket.log"));
    let mut command = command(sandbox, library, port, &log)?;
    command.arg("late");
    let mut process = Process::start(sandbox, "websocket", command)?;
    let beside = |end: &str| sandbox.file(&format!("websocket.log.{end}"));
    until_true("open WebSockets", || {
        process.must_live()?;
        Ok(beside("open").exists())
    })?;
    let joined = join()?;
    std::fs::write(beside("go"), "")?;
    process.finish()?;
    Ok((read(port, &log)?, joined))
}

fn read(port: u16, log: &Path) -> Result<Conversation> {
    let mut conversation = Conversation {
        port,
        said: Vec::new(),
        closed: Vec::new(),
    };
    for line in text(log).lines() {
        let words: Vec<&str> = line.split('\t').collect();
        match words[..] {
            [port, "close", code] => conversation.closed.push((port.parse()?, code.parse()?)),
            [port, to, opcode, content] => conversation.said.push(Said {
                port: port.parse()?,
                to: to.to_owned(),
                opcode: opcode.to_owned(),
                content: bytes(content).with_context(|| format!("no bytes: {content}"))?,
            }),
            _ => bail!("no line of a conversation: {line}"),
        }
    }
    ensure!(!conversation.closed.is_empty(), "nothing was said");
    Ok(conversation)
}

/// Bytes in hexadecimal.
fn bytes(hex: &str) -> Option<Vec<u8>> {
    let byte = |at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    (0..hex.len()).step_by(2).map(byte).collect()
}
