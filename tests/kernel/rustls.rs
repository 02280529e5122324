//! HTTPS of rustls, by hyper and tokio-rustls: what is reported of either end is what the servers logged,
//! with the right ports, however the program was built; and one without symbols is named.

use std::process::Command;

use anyhow::{Result, ensure};
use eaves_tests::agent::Mode;
use eaves_tests::compare::{Entry, Expect, compare};
use eaves_tests::event::Exchange;
use eaves_tests::peer::{Certificate, Client, RustBuild, rust_program, rust_tls_server};
use eaves_tests::process::Process;
use eaves_tests::sandbox::{Sandbox, program};
use eaves_tests::trial::{under, under_both_taps};
use libtest_mimic::Trial;

use crate::https::{before_and_after, hearing, kept, must_be_tls_of};
use crate::servers::of;

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    let mut all = under_both_taps("rustls::sessions_that_were_open_before", open_before);
    all.push(under(
        "rustls::keys_that_change",
        Mode::Syscall,
        keys_change,
    ));
    // What differs is where the functions are, not what they do.
    for (name, mode, how) in [
        ("debug", Mode::Syscall, RustBuild::Debug),
        ("release", Mode::Socket, RustBuild::Release),
        ("lto", Mode::Syscall, RustBuild::Lto),
        ("of_0_22", Mode::Socket, RustBuild::Of0_22),
        ("of_0_21", Mode::Socket, RustBuild::Of0_21),
    ] {
        let name = format!("rustls::{name}");
        all.push(under(&name, mode, move |sandbox, mode| {
            both_ends(sandbox, mode, how)
        }));
    }
    all
}

/// Two servers, one from before the agent and one from after, each with clients that come and go.
fn both_ends(sandbox: &Sandbox, mode: Mode, how: RustBuild) -> Result<()> {
    let program = rust_program(how)?;
    let certificate = Certificate::new(sandbox)?;
    let start = |name: &str| rust_tls_server(sandbox, name, &program, &certificate);
    let client = Client::RustTls(program.clone());
    before_and_after(sandbox, mode, how.name(), start, &client, |reported| {
        must_be_tls_of(reported, "rustls")?;
        ensure!(
            reported.iter().all(|one| one.value.get("client").is_some()),
            "some have no client"
        );
        Ok(())
    })
}

/// One client keeps its connections from before the agent was there: the first that it asks afterwards on
/// each shows whose they are, and what comes then is heard, with the right ports.
fn open_before(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let peer = rust_program(RustBuild::Release)?;
    let certificate = Certificate::new(sandbox)?;
    let server = rust_tls_server(sandbox, "before", &peer, &certificate)?;
    let heard = |entry: &Entry| !entry.target.contains("id=after-0-");
    let right = |reported: &[Exchange]| must_be_tls_of(reported, "rustls");
    let library = RustBuild::Release.name();
    kept(sandbox, mode, library, server, heard, right)
}

/// A client that has both ends change their keys between a request and its answer, and again: all is heard,
/// on one connection.
fn keys_change(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let peer = rust_program(RustBuild::Release)?;
    let certificate = Certificate::new(sandbox)?;
    let mut server = rust_tls_server(sandbox, "server", &peer, &certificate)?;
    let place = server.place().clone();
    let mut agent = hearing(sandbox, mode, RustBuild::Release.name())?;
    let script = sandbox.write("keys.py", KEYS)?;
    let mut command = Command::new(program("python3", "python3")?);
    command.arg(script).arg(place.port()?.to_string());
    Process::start(sandbox, "keys", command)?.finish()?;
    let log = server.logged(4)?;
    server.stop()?;
    agent.settle(|reported| of(reported, "server", &place).len() >= log.len())?;
    let report = agent.stop()?;
    let reported = of(&report.exchanges, "server", &place);
    compare(&reported, &log, Expect::Whole)?;
    must_be_tls_of(&reported, "rustls")?;
    report.balanced()
}

/// `keys.py PORT`: a line `K` has OpenSSL's client change its key, and ask the server to.
const KEYS: &str = r#"
import subprocess, sys
client = subprocess.Popen(
    ["openssl", "s_client", "-connect", "127.0.0.1:" + sys.argv[1], "-tls1_3"],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
def say(text, answer):
    client.stdin.write(text)
    client.stdin.flush()
    got = b""
    while answer not in got:
        more = client.stdout.read1()
        assert more, got
        got += more
def ask(id):
    say(b"GET /size/28?id=%s HTTP/1.1\r\nHost: h\r\n\r\n" % id, b"      28 bytes, at        0\n")
def key():
    say(b"K\n", b"KEYUPDATE")
ask(b"first")
key()
ask(b"second")
key()
key()
ask(b"third")
ask(b"fourth")
client.stdin.close()
client.wait()
"#;
