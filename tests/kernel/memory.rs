//! TLS on memory: the application carries the ciphertext between socket and library, and the records tell
//! whose socket it is. A server in C receives from all its sockets before it gives anything to a
//! session, and then in the other order.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};
use eaves_tests::agent::Mode;
use eaves_tests::compare::{Entry, Expect, compare};
use eaves_tests::event::Exchange;
use eaves_tests::peer::{Certificate, Server, Works, linked_program, linked_server};
use eaves_tests::process::Process;
use eaves_tests::sandbox::{Sandbox, program};
use eaves_tests::trial::under_both_taps;
use libtest_mimic::Trial;

use crate::https::{hearing, must_be_tls};
use crate::servers::of;

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    [
        under_both_taps("tls::memory::sessions_of_equal_lengths", equal_lengths),
        under_both_taps("tls::memory::what_was_received_twice", received_twice),
        under_both_taps("tls::memory::what_is_sent_twice", sent_twice),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn server(sandbox: &Sandbox, works: Works) -> Result<Server> {
    let tls = Certificate::new(sandbox)?;
    linked_server(sandbox, "linked", linked_program()?, works, &tls)
}

fn run(sandbox: &Sandbox, name: &str, text: &str, server: &Server) -> Result<()> {
    let script: PathBuf = sandbox.write(&format!("{name}.py"), text)?;
    let mut command = Command::new(program("python3", "python3")?);
    command.arg(script).arg(server.place().port()?.to_string());
    Process::start(sandbox, name, command)?.finish()
}

/// Eight connections that send requests of one length at one time, answered with one length: each has
/// the port of its own.
fn equal_lengths(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    each_has_its_port(sandbox, mode, EQUAL, 8 * 25)
}

/// Somebody sends what he sends on one connection on another as well, which is received just before: what
/// he sends says nothing.
fn received_twice(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    each_has_its_port(sandbox, mode, TWICE, 3)
}

fn each_has_its_port(sandbox: &Sandbox, mode: Mode, client: &str, requests: usize) -> Result<()> {
    let mut server = server(sandbox, Works::OnMemory)?;
    let place = server.place().clone();
    let mut agent = hearing(sandbox, mode, "linked-server")?;
    run(sandbox, "client", client, &server)?;
    let log = server.logged(requests)?;
    server.stop()?;
    agent.settle(|reported| of(reported, "server", &place).len() >= log.len())?;
    let report = agent.stop()?;
    let reported = of(&report.exchanges, "server", &place);
    compare(&reported, &log, Expect::Whole)?;
    must_be_tls(&reported)?;
    report.balanced()
}

/// What goes out on two sockets belongs to neither: the exchanges are heard, without addresses.
fn sent_twice(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let mut server = server(sandbox, Works::OnMemoryTwice)?;
    let mut agent = hearing(sandbox, mode, "linked-server")?;
    run(sandbox, "client", TWICE, &server)?;
    let log = server.logged(3)?;
    server.stop()?;
    let id = format!("twice{}", server.place().port()?);
    let ours = |reported: &[Exchange]| -> Vec<Exchange> {
        let is_ours = |one: &&Exchange| one.role == "server" && one.target.contains(&id);
        reported.iter().filter(is_ours).cloned().collect()
    };
    agent.settle(|reported| ours(reported).len() >= log.len())?;
    let report = agent.stop()?;
    let reported = ours(&report.exchanges);
    let entry = |entry: Entry| Entry {
        client_port: None,
        ..entry
    };
    compare(
        &reported,
        &log.into_iter().map(entry).collect::<Vec<_>>(),
        Expect::Whole,
    )?;
    ensure!(
        reported.iter().all(|one| one.value.get("server").is_none()),
        "some have addresses"
    );
    must_be_tls(&reported)?;
    report.balanced()
}

/// `equal.py PORT`.
const EQUAL: &str = r#"
import socket, ssl, sys
port = int(sys.argv[1])
context = ssl._create_unverified_context()
conns = [context.wrap_socket(socket.create_connection(("127.0.0.1", port))) for _ in range(8)]
for turn in range(25):
    for number, conn in enumerate(conns):
        conn.sendall(b"GET /size/600?id=equal-%02d-%02d HTTP/1.1\r\nHost: h\r\n\r\n" % (turn, number))
    for conn in conns:
        got = b""
        while b"\r\n\r\n" not in got or len(got.split(b"\r\n\r\n", 1)[1]) < 600:
            got += conn.recv(65536)
"#;

/// `twice.py PORT`: three requests on one connection; whatever it sends, another has sent before. One
/// that has sent something else before is needed for each: of a socket's first bytes nothing is kept.
const TWICE: &str = r#"
import socket, ssl, sys, time
port = int(sys.argv[1])
def connect():
    conn = socket.create_connection(("127.0.0.1", port))
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return conn
own = connect()
own.settimeout(10)
others = [connect() for _ in range(8)]
for other in others:
    other.sendall(b"\x16")
    time.sleep(0.05)
got, out = ssl.MemoryBIO(), ssl.MemoryBIO()
session = ssl._create_unverified_context().wrap_bio(got, out)
def send():
    data = out.read()
    if data:
        others.pop().sendall(data)
        own.sendall(data)
def over(call, *args):
    while True:
        try:
            return call(*args)
        except ssl.SSLWantReadError:
            send()
            got.write(own.recv(65536))
        finally:
            send()
over(session.do_handshake)
time.sleep(0.2)
for turn in range(3):
    session.write(b"GET /size/600?id=twice%d-%d HTTP/1.1\r\nHost: h\r\n\r\n" % (port, turn))
    send()
    answer = b""
    while b"\r\n\r\n" not in answer or len(answer.split(b"\r\n\r\n", 1)[1]) < 600:
        answer += over(session.read, 65536)
"#;
