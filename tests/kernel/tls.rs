//! HTTPS: what is reported is what the servers logged, in clear, with the right ports, heard in the
//! TLS library of either end.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use eaves_tests::agent::Mode;
use eaves_tests::event::Exchange;
use eaves_tests::expect::{Expected, Half, body};
use eaves_tests::peer::{
    Certificate, Client, Nginx, Place, Server, Way, Works, apache_tls, haproxy, linked_program,
    linked_server, netty, nginx, node_tls_server, nss_program, nss_server, odd_program, odd_server,
    python_tls_server,
};
use eaves_tests::process::Process;
use eaves_tests::sandbox::{Sandbox, port, program};
use eaves_tests::trial::{under, under_both_taps};
use libtest_mimic::Trial;

use crate::https::{
    ENDS, before_and_after, hearing, hearing_aloud, kept, must_be_agreed, must_be_tls,
    must_be_tls_of, of_server, warm,
};
use crate::servers::of;

/// All tests of this module: under both taps what shows how a socket is tied to its session, under one what
/// differs in the library.
pub(crate) fn trials() -> Vec<Trial> {
    [
        under_both_taps("tls::nginx", |sandbox, mode| {
            let tls = Some(Certificate::new(sandbox)?);
            let options = Nginx {
                tls,
                ..Nginx::default()
            };
            let server = nginx(sandbox, "nginx", &options)?;
            both_ends(sandbox, mode, server)
        }),
        vec![under("tls::apache", Mode::Syscall, apache)],
        vec![under("tls::haproxy", Mode::Socket, |sandbox, mode| {
            let behind = nginx(sandbox, "behind", &Nginx::default())?;
            let tls = Certificate::new(sandbox)?;
            let front = haproxy(sandbox, "haproxy", behind.place(), Some(&tls))?;
            both_ends(sandbox, mode, front)
        })],
        vec![under("tls::python", Mode::Syscall, |sandbox, mode| {
            let server = python_tls_server(sandbox, "python", &Certificate::new(sandbox)?)?;
            both_ends(sandbox, mode, server)
        })],
        under_both_taps("tls::node", node),
        vec![under("tls::netty", Mode::Syscall, netty_server)],
        vec![under("tls::linked", Mode::Socket, |sandbox, mode| {
            let tls = Certificate::new(sandbox)?;
            let works = Works::OnSockets;
            let server = linked_server(sandbox, "linked", linked_program()?, works, &tls)?;
            // curl's library may be nobody's until curl runs.
            let agent = hearing(sandbox, mode, "linked-server")?;
            of_server(sandbox, agent, server, &Client::Curl, &["server"], right)
        })],
        vec![under("tls::nss", Mode::Socket, nss)],
        under_both_taps("tls::sessions_that_were_open_before", open_before),
        under_both_taps("tls::what_is_written_by_one_large_call", large),
    ]
    .into_iter()
    .flatten()
    .chain(Way::ALL.map(odd))
    .collect()
}

/// A test of one odd way, under one tap.
fn odd(way: Way) -> Trial {
    let mode = match way {
        Way::Bytes | Way::Retry | Way::Resume | Way::Seccomp => Mode::Socket,
        Way::Peek | Way::Renegotiate | Way::Fork => Mode::Syscall,
    };
    let name = format!("tls::odd_{}", way.name());
    under(&name, mode, move |sandbox, mode| {
        let program = odd_program()?;
        let tls = Certificate::new(sandbox)?;
        let start = |name: &str| odd_server(sandbox, name, &program, way, &tls);
        let client = Client::Odd(program.clone(), way);
        before_and_after(sandbox, mode, "libssl", start, &client, right)
    })
}

/// Server and client, curl, both with OpenSSL's shared library.
fn both_ends(sandbox: &Sandbox, mode: Mode, server: Server) -> Result<()> {
    let agent = hearing(sandbox, mode, "libssl")?;
    of_server(sandbox, agent, server, &Client::Curl, &ENDS, right)
}

/// Node as server and as client, its library part of the program. That works on memory: whose socket it
/// is the records tell.
fn node(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let server = node_tls_server(sandbox, "node", &Certificate::new(sandbox)?)?;
    let agent = hearing(sandbox, mode, "/node")?;
    of_server(sandbox, agent, server, &Client::Node, &ENDS, right)
}

/// NSS at both ends, which looks at what is there before it takes it: nothing comes twice.
fn nss(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let program = nss_program()?;
    let tls = Certificate::new(sandbox)?;
    let server = nss_server(sandbox, "nss", program.clone(), &tls)?;
    let agent = hearing(sandbox, mode, "libssl3")?;
    of_server(
        sandbox,
        agent,
        server,
        &Client::Nss(program),
        &ENDS,
        |reported| {
            must_be_tls_of(reported, "nss")?;
            must_be_agreed(reported)
        },
    )
}

/// Apache, whose module carries ciphertext between library and socket itself.
fn apache(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let server = apache_tls(sandbox, "apache", &Certificate::new(sandbox)?)?;
    let mut agent = hearing_aloud(sandbox, mode, "libssl")?;
    warm(sandbox, &mut agent, &server, &Client::Curl)?;
    of_server(sandbox, agent, server, &Client::Curl, &ENDS, right)
}

/// Netty, whose library lies in a file that it makes of its jar and takes away again.
fn netty_server(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let server = netty(sandbox, "netty", &Certificate::new(sandbox)?)?;
    let agent = hearing(sandbox, mode, "libnetty_tcnative")?;
    of_server(sandbox, agent, server, &Client::Curl, &["server"], right)
}

/// All are heard in OpenSSL, with what was agreed upon.
fn right(reported: &[Exchange]) -> Result<()> {
    must_be_tls(reported)?;
    must_be_agreed(reported)
}

/// One client keeps its connections from before the agent was there: what it asks afterwards is
/// heard, with the right ports.
fn open_before(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let tls = Some(Certificate::new(sandbox)?);
    let options = Nginx {
        tls,
        ..Nginx::default()
    };
    let server = nginx(sandbox, "nginx", &options)?;
    // Nobody saw what they agreed upon.
    let said = |one: &Exchange| {
        let tls = one.value.pointer("/tls");
        tls.and_then(|tls| Some(tls.as_object()?.len()))
    };
    kept(
        sandbox,
        mode,
        "libssl",
        server,
        |_| true,
        |reported| {
            must_be_tls(reported)?;
            ensure!(
                reported.iter().all(|one| said(one) == Some(1)),
                "more is said of a session than its library"
            );
            Ok(())
        },
    )
}

/// A server and its client that write a megabyte by one call, and read little by many: a response, a request,
/// and a hundred responses.
fn large(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let certificate = Certificate::new(sandbox)?;
    let script = sandbox.write("large.py", LARGE)?;
    let (port, go) = (port()?, sandbox.file("go"));
    let mut command = Command::new(program("python3", "python3")?);
    command
        .arg(script)
        .args([&certificate.certificate, &certificate.key])
        .arg(port.to_string())
        .arg(&go);
    let mut peer = Process::start(sandbox, "large", command)?;
    let mut agent = hearing(sandbox, mode, "libssl")?;
    std::fs::write(&go, "")?;
    peer.finish()?;
    let megabyte = body(1 << 20);
    let mut expected = vec![
        ("/download".to_owned(), Vec::new(), megabyte.clone()),
        ("/upload".to_owned(), megabyte, b"done".to_vec()),
        ("/last".to_owned(), Vec::new(), b"last".to_vec()),
    ];
    let answer = |number: usize| {
        (
            format!("/at-once/{number}"),
            Vec::new(),
            body(8000 + 8 * number),
        )
    };
    expected.extend((0..100_usize).map(answer));
    let (place, ends) = (Place::Tls(port), ENDS);
    agent.settle(|reported| {
        ends.iter()
            .all(|role| of(reported, role, &place).len() >= expected.len())
    })?;
    let report = agent.stop()?;
    for role in ends {
        let reported = of(&report.exchanges, role, &place);
        ensure!(
            reported.len() == expected.len(),
            "{role}: {} heard",
            reported.len()
        );
        must_be_tls(&reported)?;
        for exchange in &reported {
            let found = Expected::from(exchange);
            let (_, asked, answered) = expected
                .iter()
                .find(|(target, ..)| *target == found.target)
                .with_context(|| format!("nobody asked so: {}", exchange.line()))?;
            let halves = [Half::whole(asked), Half::whole(answered)];
            ensure!(
                [&found.request, &found.response] == [&halves[0], &halves[1]],
                "{role}: {}",
                exchange.line()
            );
            ensure!(
                (found.missing_bytes, found.status) == (0, Some(200))
                    && exchange.anomalies.is_empty(),
                "{role}: {}",
                exchange.line()
            );
        }
    }
    report.balanced()
}

/// See there.
const LARGE: &str = include_str!("../src/peer/python/large.py");
