//! HAProxy in front of another server.

use std::process::Command;

use anyhow::Result;
use rustix::process::Signal;

use super::{Certificate, Counts, Place, Server, utf8};
use crate::load::Features;
use crate::process::Process;
use crate::sandbox::{Sandbox, port, program};

/// Starts HAProxy in the sandbox, with everything going on to `behind`; it speaks TLS to clients
/// if it has a certificate.
///
/// Its log tells bytes with the head, so the body's length is taken from the field that says it;
/// where the body goes chunked, from the target.
///
/// # Errors
/// It is not installed or does not come up.
pub fn haproxy(
    sandbox: &Sandbox,
    name: &str,
    behind: &Place,
    tls: Option<&Certificate>,
) -> Result<Server> {
    let how = match tls {
        Some(tls) => format!("ssl crt {}", utf8(&tls.both)?),
        None => String::new(),
    };
    start(sandbox, name, behind, &how, tls.is_some())
}

/// The same, with HTTP/2 in clear to clients.
///
/// # Errors
/// As [`haproxy`].
pub fn haproxy_http2(sandbox: &Sandbox, name: &str, behind: &Place) -> Result<Server> {
    start(sandbox, name, behind, "proto h2", false)
}

/// The same, within TLS.
///
/// # Errors
/// As [`haproxy`].
pub fn haproxy_http2_tls(
    sandbox: &Sandbox,
    name: &str,
    behind: &Place,
    tls: &Certificate,
) -> Result<Server> {
    let how = format!("ssl crt {} alpn h2", utf8(&tls.both)?);
    start(sandbox, name, behind, &how, true)
}

fn start(sandbox: &Sandbox, name: &str, behind: &Place, how: &str, is_tls: bool) -> Result<Server> {
    let haproxy = program("haproxy", "haproxy")?;
    let port = port()?;
    let log = sandbox.file(&format!("{name}.out"));
    let config = format!(
        "global
  # One thread: with two, a line that finds the log taken is dropped by haproxy.
  nbthread 1
  log stdout format raw local0
  maxconn 2000
defaults
  mode http
  log global
  option dontlognull
  option http-keep-alive
  timeout connect 10s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend front
  bind 127.0.0.1:{port} {how}
  capture response header Content-Length len 12
  log-format \"%HM\\t%HU\\t%ST\\t%[capture.res.hdr(0)]\\t%cp\"
  default_backend back
backend back
  server one {behind}
",
        behind = match behind {
            Place::Tcp(port) | Place::Tls(port) => format!("127.0.0.1:{port}"),
            Place::Unix(path) => format!("unix@{}", utf8(path)?),
        },
    );
    let config = sandbox.write(&format!("{name}.conf"), config)?;
    let mut command = Command::new(haproxy);
    command.arg("-db").arg("-f").arg(&config);
    Server {
        process: Process::start(sandbox, name, command)?,
        place: if is_tls {
            Place::Tls(port)
        } else {
            Place::Tcp(port)
        },
        log,
        counts: Counts::Framing,
        features: Features {
            chunked: true,
            chunked_requests: true,
            post_only: false,
        },
        gentle: Signal::USR1,
    }
    .ready()
}
