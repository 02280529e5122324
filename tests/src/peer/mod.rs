//! Real servers and clients, each with a configuration of its own in the sandbox, on ports of its
//! own, and the servers' own access logs read back.
//!
//! Debian 12 packages: `nginx`, `apache2`, `haproxy`, `lighttpd`, `gunicorn`, `python3`, `nodejs`, `golang-go`
//! (any Go from 1.19 on does, also in `/usr/local/go`), `curl`, `wrk`. The hyper server and client
//! are a binary of this package.
//!
//! Every server understands the targets of [`load`](crate::load) and writes its log as lines of
//! tab-separated method, target, status, body bytes and client port.

mod apache;
mod asyncio;
mod built;
mod certificate;
mod client;
mod collector;
mod drive;
mod go;
mod haproxy;
mod java;
mod lighttpd;
mod linked;
mod modern;
mod nginx;
mod nss;
mod odd;
mod pair;
mod rust;
mod script;
mod shop;
mod waits;
mod websocket;

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::compare::Entry;
use crate::load::{Features, size_of_target};
use crate::process::{Process, text};
use crate::wait;

pub use apache::{Mpm, apache, apache_http2_tls, apache_tls};
pub use asyncio::{Httpx, aiohttp, hypercorn, uvicorn};
pub use certificate::Certificate;
pub use client::{Client, Manner, Wrk, wrk};
pub use collector::{Collector, Fault, Got};
pub use drive::drive;
pub use go::{GoBuild, go_http2_server, go_program, go_server, go_tls_server};
pub use haproxy::{haproxy, haproxy_http2, haproxy_http2_tls};
pub use java::netty;
pub use lighttpd::lighttpd;
pub use linked::{Works, linked_program, linked_server};
pub use modern::{Call, Calls, calls, event_server, grpc, node_http2_server};
pub use nginx::{Nginx, nginx};
pub use nss::{nss_program, nss_server};
pub use odd::{Way, odd_program, odd_server};
pub use pair::pair_program;
pub use rust::{RustBuild, rust_program, rust_tls_server};
pub use script::{
    gunicorn, hyper_server, node_server, node_tls_server, python_server, python_tls_server,
};
pub use shop::Shop;
pub use waits::{Served, Waiting, Waits};
pub use websocket::{Conversation, Said, WebSockets, converse, converse_late};

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A port of 127.0.0.1.
    Tcp(u16),
    /// The same, where TLS is spoken.
    Tls(u16),
    /// A Unix stream socket.
    Unix(PathBuf),
}

impl Place {
    /// As the client programs take it: `127.0.0.1:PORT` or `unix:PATH`.
    #[must_use]
    pub fn argument(&self) -> String {
        match self {
            Self::Tcp(port) | Self::Tls(port) => format!("127.0.0.1:{port}"),
            Self::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// The port.
    ///
    /// # Errors
    /// It is a Unix socket.
    pub fn port(&self) -> Result<u16> {
        match self {
            Self::Tcp(port) | Self::Tls(port) => Ok(*port),
            Self::Unix(path) => bail!("{} has no port", path.display()),
        }
    }

    fn answers(&self) -> bool {
        match self {
            Self::Tcp(port) | Self::Tls(port) => {
                TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, *port))).is_ok()
            }
            Self::Unix(path) => UnixStream::connect(path).is_ok(),
        }
    }
}

/// What a server's log counts as body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counts {
    /// The body.
    Body,
    /// The chunks' framing too, or what a HEAD would have got: the target tells what it was.
    Framing,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    process: Process,
    place: Place,
    log: PathBuf,
    counts: Counts,
    features: Features,
    gentle: Signal,
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// What it understands.
    #[must_use]
    pub const fn features(&self) -> Features {
        self.features
    }

    /// Its process.
    pub const fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Waits until it takes connections.
    fn ready(mut self) -> Result<Self> {
        wait::until_true("a listening server", || {
            self.process.must_live()?;
            Ok(self.place.answers())
        })?;
        Ok(self)
    }

    /// Its access log so far.
    ///
    /// # Errors
    /// A line of it cannot be read.
    pub fn log(&self) -> Result<Vec<Entry>> {
        let log = text(&self.log);
        let whole = log
            .rfind('\n')
            .and_then(|end| log.get(..end))
            .unwrap_or_default();
        // What HAProxy says of itself goes the same way.
        let entries = whole.lines().filter(|line| !line.starts_with("Proxy "));
        entries.map(|line| self.entry(line)).collect()
    }

    fn entry(&self, line: &str) -> Result<Entry> {
        let mut entry = Entry::from_tsv(line)
            .with_context(|| format!("line of {}: {line:?}", self.log.display()))?;
        if self.counts == Counts::Framing {
            if entry.method == "HEAD" {
                entry.body_bytes = 0;
            } else if entry.status == Some(200) && entry.target.starts_with("/chunked/") {
                entry.body_bytes = size_of_target(&entry.target).context("size of a target")?;
            }
        }
        Ok(entry)
    }

    /// Waits until the log has `count` entries: a client may be done before the server has
    /// written its line.
    ///
    /// # Errors
    /// They do not come within the deadline.
    pub fn logged(&self, count: usize) -> Result<Vec<Entry>> {
        let mut have = 0;
        wait::until(&format!("{count} lines of {}", self.log.display()), || {
            let log = self.log()?;
            have = log.len();
            Ok((have >= count).then_some(log))
        })
        .with_context(|| format!("it has {have}"))
    }

    /// Ends it in good order: requests under way are answered and logged.
    ///
    /// # Errors
    /// It does not end within the deadline.
    pub fn stop(&mut self) -> Result<()> {
        self.process.signal(self.gentle)?;
        self.process.wait()?;
        Ok(())
    }
}

/// Path as a configuration file holds it.
fn utf8(path: &Path) -> Result<&str> {
    path.to_str().context("path is not UTF-8")
}
