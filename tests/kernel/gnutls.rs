//! HTTPS by GnuTLS: what is reported of either end is what the servers logged, or what they were asked.

use std::fmt::Write as _;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use eaves_tests::agent::Mode;
use eaves_tests::compare::{Expect, compare};
use eaves_tests::event::Exchange;
use eaves_tests::peer::{Certificate, Client, Nginx, Place, lighttpd, nginx, python_server};
use eaves_tests::process::Process;
use eaves_tests::sandbox::{Sandbox, port, program};
use eaves_tests::trial::under;
use eaves_tests::wait;
use libtest_mimic::Trial;

use crate::https::{before_and_after, hearing, must_be_agreed, must_be_tls_of};
use crate::servers::of;

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    vec![
        under(
            "gnutls::lighttpd_and_curl",
            Mode::Syscall,
            lighttpd_and_curl,
        ),
        under("gnutls::wget", Mode::Socket, wget),
        under("gnutls::its_own_tools", Mode::Syscall, own_tools),
    ]
}

fn right(reported: &[Exchange]) -> Result<()> {
    must_be_tls_of(reported, "gnutls")?;
    must_be_agreed(reported)
}

/// lighttpd before Python's server, and curl's library in Python.
fn lighttpd_and_curl(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let tls = Certificate::new(sandbox)?;
    let behind = python_server(sandbox, "behind")?;
    let start = |name: &str| lighttpd(sandbox, name, "mod_gnutls", behind.place(), &tls);
    before_and_after(sandbox, mode, "libgnutls", start, &Client::PyCurl, right)
}

/// Many by one wget, which keeps its connection, then some by one each.
fn wget(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    const KEPT: usize = 100;
    const SINGLE: usize = 10;
    let options = Nginx {
        tls: Some(Certificate::new(sandbox)?),
        tls13: true,
        ..Nginx::default()
    };
    let mut server = nginx(sandbox, "nginx", &options)?;
    let place = server.place().clone();
    // Somebody has the library before wget does, which is quick.
    let mut holder = Command::new("sleep");
    holder.arg("600").env("LD_PRELOAD", "libgnutls.so.30");
    let mut holder = Process::start(sandbox, "holder", holder)?;
    let mut agent = hearing(sandbox, mode, "libgnutls")?;
    let port = place.port()?;
    let url = |id: &str| format!("https://127.0.0.1:{port}/size/600?id={id}");
    let mut list = String::new();
    for number in 0..KEPT {
        writeln!(list, "{}", url(&format!("kept-{number}")))?;
    }
    let list = sandbox.write("list", list)?;
    let wget = || -> Result<Command> {
        let mut command = Command::new(program("wget", "wget")?);
        command.args(["-q", "--no-check-certificate", "-O", "/dev/null"]);
        Ok(command)
    };
    let mut kept = wget()?;
    kept.arg("-i").arg(list);
    Process::start(sandbox, "kept", kept)?.finish()?;
    for number in 0..SINGLE {
        let mut single = wget()?;
        single.arg(url(&format!("single-{number}")));
        Process::start(sandbox, "single", single)?.finish()?;
    }
    let log = server.logged(KEPT + SINGLE)?;
    server.stop()?;
    holder.stop()?;
    agent.settle(|reported| of(reported, "client", &place).len() >= log.len())?;
    let report = agent.stop()?;
    let reported = of(&report.exchanges, "client", &place);
    compare(&reported, &log, Expect::Whole)?;
    right(&reported)?;
    report.balanced()
}

/// GnuTLS's own server and client: a page about each connection, many times.
fn own_tools(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    const ASKED: usize = 100;
    let tls = Certificate::new(sandbox)?;
    let port = port()?;
    let mut command = Command::new(program("gnutls-serv", "gnutls-bin")?);
    command.args(["--http", "--quiet", "--port", &port.to_string()]);
    command.arg("--x509keyfile").arg(&tls.key);
    command.arg("--x509certfile").arg(&tls.certificate);
    let mut server = Process::start(sandbox, "gnutls-serv", command)?;
    wait::until_true("gnutls-serv", || {
        server.must_live()?;
        Ok(eaves_tests::far::listens(port))
    })?;
    let mut agent = hearing(sandbox, mode, "libgnutls")?;
    let script = sandbox.write("ask.py", ASK)?;
    let mut client = Command::new(program("python3", "python3")?);
    client
        .arg(script)
        .args([port.to_string(), ASKED.to_string()]);
    // Bytes of each page, as they came.
    let got = client.output()?;
    ensure!(
        got.status.success(),
        "{}",
        String::from_utf8_lossy(&got.stderr)
    );
    let got = String::from_utf8(got.stdout)?;
    let pages: Vec<u64> = got.lines().map(str::parse).collect::<Result<_, _>>()?;
    ensure!(pages.len() == ASKED, "{} pages came", pages.len());
    let place = Place::Tls(port);
    agent.settle(|reported| {
        let mut ends = crate::https::ENDS.iter();
        ends.all(|role| of(reported, role, &place).len() >= ASKED)
    })?;
    server.stop()?;
    let report = agent.stop()?;
    for role in crate::https::ENDS {
        let reported = of(&report.exchanges, role, &place);
        ensure!(reported.len() == ASKED, "{role}: {}", reported.len());
        right(&reported)?;
        for (number, page) in pages.iter().enumerate() {
            let target = format!("/page/{number}");
            let one = reported.iter().find(|one| one.target == target);
            let one = one.with_context(|| format!("{role}: {target} is not reported"))?;
            ensure!(
                (one.status, one.response_bytes) == (Some(200), Some(*page))
                    && one.client_port.is_some(),
                "{role}: {page} bytes came: {}",
                one.line()
            );
        }
    }
    report.balanced()
}

/// `ask.py PORT COUNT`: a gnutls-cli for each page; writes how many bytes each had behind its head.
const ASK: &str = r#"
import subprocess, sys
for number in range(int(sys.argv[2])):
    client = subprocess.Popen(
        ["gnutls-cli", "--insecure", "--logfile=/dev/null", "--port", sys.argv[1], "127.0.0.1"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    client.stdin.write(b"GET /page/%d HTTP/1.0\r\nHost: h\r\n\r\n" % number)
    client.stdin.flush()
    got = b""
    while more := client.stdout.read1():
        got += more
    client.stdin.close()
    client.wait()
    head, page = got.split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1."), got
    print(len(page))
"#;
