//! Calls into OpenSSL's shared library, by a process that has both ends of a session.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use eaves_tests::agent::Agent;
use eaves_tests::peer::{Certificate, pair_program};
use eaves_tests::wait;

/// Bytes of one call.
const SIZES: [&str; 3] = ["64", "1024", "16384"];

/// What ECOSYSTEM.md has for a call, by ways in and out that the kernel need not single-step.
const PLAN: &str = "+1 to 2 µs";

/// A row: its name, what was planned, nanoseconds of a call.
pub(super) type Row = (String, &'static str, f64);

/// Nanoseconds of SSL_write and SSL_read, by size; with `agent`, once it hears the library.
pub(super) fn measure(
    tls: &Certificate,
    agent: Option<&mut Agent>,
    time: Duration,
) -> Result<Vec<Row>> {
    let mut child = Command::new(pair_program()?)
        .args([&tls.certificate, &tls.key])
        .arg(time.as_millis().to_string())
        .args(SIZES)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    if let Some(agent) = agent {
        wait::until_true("probes in libssl", || {
            let said = agent.process().stderr();
            let mut lines = said.lines();
            Ok(lines.any(|line| line.contains("TLS is heard") && line.contains("libssl")))
        })?;
    }
    let stdin = child.stdin.take();
    stdin.context("no pipe")?.write_all(b"go\n")?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "pair ended with {}", output.status);
    let mut rows = Vec::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let mut words = line.split(' ');
        let size = words.next().context("no size")?;
        for call in ["SSL_write", "SSL_read"] {
            let ns = words.next().context("no time")?.parse()?;
            rows.push((format!("{call} {size} B, Unix, heard"), PLAN, ns));
        }
    }
    Ok(rows)
}
