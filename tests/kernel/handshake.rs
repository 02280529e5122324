//! What the handshake of a TLS session said in clear, as curl and OpenSSL name it: heard on the sockets of both
//! ends, put on the exchanges heard in their libraries.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use eaves_tests::agent::Mode;
use eaves_tests::event::Exchange;
use eaves_tests::peer::{
    Certificate, Nginx, Place, Works, linked_program, linked_server, nginx, python_tls_server,
};
use eaves_tests::process::Process;
use eaves_tests::sandbox::{Sandbox, program};
use eaves_tests::trial::under_both_taps;
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::https::hearing;
use crate::servers::of;

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    [
        under_both_taps("handshake::nginx_and_curl", nginx_and_curl),
        under_both_taps("handshake::read_in_pieces", read_in_pieces),
        under_both_taps("handshake::within_a_read", within_a_read),
        under_both_taps("handshake::seen_by_one_role_alone", one_role),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// How curl asks.
#[derive(Clone, Copy, Debug)]
struct Ask {
    /// Version of TLS.
    version: &'static str,
    /// Whether it asks by name or by address, which is none (RFC 6066 §3).
    by_name: bool,
    /// Protocols that it offers, in its order.
    offered: &'static [&'static str],
}

const NAME: &str = "api.eaves.test";

/// All that curl can be asked for, but for suites of its own choice.
const ASKS: [Ask; 6] = [
    ask("1.2", true, &["http/1.1"]),
    ask("1.2", true, &["h2", "http/1.1"]),
    ask("1.2", false, &[]),
    ask("1.3", true, &["http/1.1"]),
    ask("1.3", true, &["h2", "http/1.1"]),
    ask("1.3", false, &[]),
];

const fn ask(version: &'static str, by_name: bool, offered: &'static [&'static str]) -> Ask {
    Ask {
        version,
        by_name,
        offered,
    }
}

/// Asks `place` once for `target`; gives what the event's `tls` must say, by curl's own words.
fn curl(sandbox: &Sandbox, place: &Place, target: &str, ask: Ask) -> Result<Value> {
    let port = place.port()?;
    let host = if ask.by_name { NAME } else { "127.0.0.1" };
    let mut command = Command::new(program("curl", "curl")?);
    command
        .args(["--disable", "--silent", "--show-error", "--verbose"])
        .args(["--insecure", "--output", "/dev/null"])
        .args(["--resolve", &format!("{NAME}:{port}:127.0.0.1")])
        .args([&format!("--tlsv{}", ask.version), "--tls-max", ask.version])
        .args(match ask.offered {
            [] => ["--http1.1", "--no-alpn"].as_slice(),
            ["http/1.1"] => &["--http1.1"],
            _ => &["--http2"],
        })
        .arg(format!("https://{host}:{port}{target}"));
    let mut curl = Process::start(sandbox, &format!("curl-{port}-{}", target.len()), command)?;
    curl.finish()?;
    let said = curl.stderr();
    let suite = said
        .lines()
        .find_map(|line| line.split_once(&format!("SSL connection using TLSv{} / ", ask.version)))
        .and_then(|(_, suite)| suite.split_whitespace().next())
        .with_context(|| format!("curl does not name the suite: {said}"))?;
    let mut tls = json!({
        "library": "openssl",
        "version": ask.version,
        "cipher": iana(suite)?,
    });
    let fields = tls.as_object_mut().context("an object")?;
    if ask.by_name {
        fields.insert("server_name".to_owned(), NAME.into());
    }
    if !ask.offered.is_empty() {
        fields.insert("offered_protocols".to_owned(), json!(ask.offered));
    }
    // In TLS 1.3 it is encrypted.
    let accepted = said
        .lines()
        .find_map(|line| line.split_once("server accepted "));
    if let (Some((_, accepted)), "1.2") = (accepted, ask.version) {
        let accepted = accepted.trim_start_matches("to use ");
        fields.insert("next_protocol".to_owned(), accepted.into());
    }
    Ok(tls)
}

/// IANA's name of a suite that OpenSSL has another for.
fn iana(suite: &str) -> Result<String> {
    let mut command = Command::new(program("openssl", "openssl")?);
    command.args(["ciphers", "-stdname", "ALL:COMPLEMENTOFALL"]);
    let listed = String::from_utf8(command.output()?.stdout)?;
    let name = listed.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        (words.nth(1) == Some(suite)).then(|| name.to_owned())
    });
    name.with_context(|| format!("OpenSSL does not list {suite}"))
}

/// A target that no other request has, of as many bytes as its number says.
fn target(number: usize) -> String {
    format!("/size/13?id={}", "n".repeat(number + 1))
}

/// Each of `reported` says of its session what `expected` has at its number.
fn must_say(reported: &[Exchange], expected: &[Value]) -> Result<()> {
    ensure!(
        reported.len() == expected.len(),
        "{} heard of {}",
        reported.len(),
        expected.len()
    );
    for (number, expected) in expected.iter().enumerate() {
        let target = target(number);
        let exchange = reported
            .iter()
            .find(|one| one.target == target)
            .with_context(|| format!("{target} was not heard"))?;
        let said = exchange.value.pointer("/tls");
        ensure!(
            said == Some(expected),
            "{target}: {said:?}, and not {expected}"
        );
    }
    Ok(())
}

/// Each way to ask, at a server of HTTP/1 and at one of both.
fn nginx_and_curl(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let certificate = Certificate::new(sandbox)?;
    let mut servers = Vec::new();
    for http2 in [false, true] {
        let options = Nginx {
            tls: Some(certificate.clone()),
            tls13: true,
            http2,
            ..Nginx::default()
        };
        servers.push(nginx(sandbox, &format!("nginx-{http2}"), &options)?);
    }
    let mut agent = hearing(sandbox, mode, "libssl")?;
    let mut asked = Vec::new();
    for server in &servers {
        let asks = ASKS.into_iter().enumerate();
        let expected: Result<Vec<_>> = asks
            .map(|(number, ask)| curl(sandbox, server.place(), &target(number), ask))
            .collect();
        asked.push((server.place().clone(), expected?));
    }
    let ends = ["server", "client"];
    agent.settle(|reported| {
        asked.iter().all(|(place, expected)| {
            ends.iter()
                .all(|role| of(reported, role, place).len() >= expected.len())
        })
    })?;
    let report = agent.stop()?;
    for (place, expected) in &asked {
        for role in ends {
            let reported = of(&report.exchanges, role, place);
            must_say(&reported, expected).with_context(|| role.to_owned())?;
        }
    }
    for server in &mut servers {
        server.stop()?;
    }
    report.balanced()
}

/// A server that reads the header of each record, then what is in it, as OpenSSL does by itself.
fn read_in_pieces(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let mut server = python_tls_server(sandbox, "python", &Certificate::new(sandbox)?)?;
    one_by_one(sandbox, mode, "libssl", server.place())?;
    server.stop()?;
    Ok(())
}

/// A server that makes no handshake: the library does within its first read.
fn within_a_read(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let tls = Certificate::new(sandbox)?;
    let works = Works::OnSockets;
    let mut server = linked_server(sandbox, "linked", linked_program()?, works, &tls)?;
    one_by_one(sandbox, mode, "linked-server", server.place())?;
    server.stop()?;
    Ok(())
}

/// Both versions, at a server that takes no protocol.
fn one_by_one(sandbox: &Sandbox, mode: Mode, library: &str, place: &Place) -> Result<()> {
    let mut agent = hearing(sandbox, mode, library)?;
    let asks = ["1.2", "1.3"].map(|version| ask(version, true, &["http/1.1"]));
    let asks = asks.into_iter().enumerate();
    let expected: Result<Vec<_>> = asks
        .map(|(number, ask)| curl(sandbox, place, &target(number), ask))
        .collect();
    let expected = expected?;
    agent.settle(|reported| of(reported, "server", place).len() >= expected.len())?;
    let report = agent.stop()?;
    must_say(&of(&report.exchanges, "server", place), &expected)?;
    report.balanced()
}

/// Where servers alone are wanted, the clients' handshakes are not told.
fn one_role(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let options = Nginx {
        tls: Some(Certificate::new(sandbox)?),
        tls13: true,
        ..Nginx::default()
    };
    let mut server = nginx(sandbox, "nginx", &options)?;
    let place = server.place().clone();
    let mut agent = crate::https::hearing_roles(sandbox, mode, "libssl", &["server"])?;
    let expected = [curl(sandbox, &place, &target(0), ASKS[3])?];
    agent.settle(|reported| !of(reported, "server", &place).is_empty())?;
    let report = agent.stop()?;
    must_say(&of(&report.exchanges, "server", &place), &expected)?;
    let told = report.ledger()?.get("stream", "hellos")?;
    // One read, and one write, of which the first 1.5 KiB are told; then what the client says last.
    ensure!(
        (2..=4).contains(&told),
        "{told} records told of one handshake"
    );
    server.stop()?;
    report.balanced()
}
