//! Bytes moved on stream sockets, by size, by what becomes of them.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::table::median;

/// Sizes of one transfer, and what ECOSYSTEM.md has for a record of that size.
const SIZES: [(usize, &str); 5] = [
    (64, "no copy +128 ns"),
    (256, "+282 ns"),
    (1024, "+313 ns"),
    (4096, "+509 ns"),
    (16_384, "+790 ns"),
];

/// Most bytes of one batch: what a socket holds without anybody reading, with room to spare.
const BATCH_BYTES: usize = 16_384;

/// Transfers after which a conn on which nothing looked like HTTP is not looked at again.
const UNHEARD_TRANSFERS: usize = 100;

/// What carries the bytes.
#[derive(Clone, Copy)]
enum Transport {
    Unix,
    Tcp,
}

impl Transport {
    const fn name(self) -> &'static str {
        match self {
            Self::Unix => "Unix",
            Self::Tcp => "TCP",
        }
    }

    /// Both ends of a new conn: who asks, who answers.
    fn pair(self) -> Result<[File; 2]> {
        let ends: [OwnedFd; 2] = match self {
            Self::Unix => {
                let (client, server) = UnixStream::pair()?;
                [client.into(), server.into()]
            }
            Self::Tcp => {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                let client = TcpStream::connect(listener.local_addr()?)?;
                let (server, _) = listener.accept()?;
                client.set_nodelay(true)?;
                server.set_nodelay(true)?;
                [client.into(), server.into()]
            }
        };
        Ok(ends.map(File::from))
    }
}

/// Bytes that go one way, batch by batch: both ends are timed.
pub(super) struct Step {
    from: File,
    to: File,
    size: usize,
    /// What is said of the sending and of the receiving call.
    names: [String; 2],
    plan: &'static str,
}

impl Step {
    /// Nanoseconds of a send and of a receive.
    pub(super) fn measure(mut self, time: Duration) -> Result<Vec<(String, &'static str, f64)>> {
        let calls = (BATCH_BYTES / self.size).max(1);
        let mut bytes = vec![0; self.size];
        let (mut sends, mut receives) = (Vec::new(), Vec::new());
        let began = Instant::now();
        while sends.is_empty() || began.elapsed() < time {
            let start = Instant::now();
            for _ in 0..calls {
                self.from.write_all(&bytes)?;
            }
            sends.push(start.elapsed().as_nanos() as f64 / calls as f64);
            let start = Instant::now();
            for _ in 0..calls {
                self.to.read_exact(&mut bytes)?;
            }
            receives.push(start.elapsed().as_nanos() as f64 / calls as f64);
        }
        let [send, receive] = self.names;
        Ok(vec![
            (send, self.plan, median(&sends)),
            (receive, self.plan, median(&receives)),
        ])
    }
}

/// All of them, each on a conn of its own, so that the taps know what it is.
pub(super) fn steps() -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for transport in [Transport::Unix, Transport::Tcp] {
        for (size, plan) in SIZES {
            let name = |call: &str, what: &str| {
                let transport = transport.name();
                format!("{call} {size} B, {transport}, {what}")
            };
            let [client, server] = http(transport)?;
            steps.push(Step {
                from: server,
                to: client,
                size,
                names: [name("send", "heard"), name("receive", "role not wanted")],
                plan,
            });
            let [client, server] = http(transport)?;
            steps.push(Step {
                from: client,
                to: server,
                size,
                names: [name("send", "role not wanted"), name("receive", "heard")],
                plan,
            });
            let [client, server] = no_http(transport)?;
            steps.push(Step {
                from: client,
                to: server,
                size,
                names: [name("send", "not HTTP"), name("receive", "not HTTP")],
                plan: "–",
            });
        }
    }
    Ok(steps)
}

/// A conn in the middle of both bodies of an exchange.
fn http(transport: Transport) -> Result<[File; 2]> {
    let [mut client, mut server] = transport.pair()?;
    let length = u64::MAX >> 2;
    let request = format!("POST /hits HTTP/1.1\r\nHost: here\r\nContent-Length: {length}\r\n\r\n");
    pass(&mut client, &mut server, request.as_bytes())?;
    let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    pass(&mut server, &mut client, response.as_bytes())?;
    Ok([client, server])
}

/// A conn that is known not to be HTTP.
fn no_http(transport: Transport) -> Result<[File; 2]> {
    let [mut client, mut server] = transport.pair()?;
    for _ in 0..UNHEARD_TRANSFERS {
        pass(&mut client, &mut server, &[0; 16])?;
        pass(&mut server, &mut client, &[0; 16])?;
    }
    Ok([client, server])
}

fn pass(from: &mut File, to: &mut File, bytes: &[u8]) -> Result<()> {
    from.write_all(bytes)?;
    let mut there = vec![0; bytes.len()];
    to.read_exact(&mut there).context("the other end is gone")
}
