//! HTTPS: what is reported is what the servers logged, in clear, with the right ports, heard in the
//! TLS library of either end.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use eaves_tests::agent::{Agent, Mode};
use eaves_tests::compare::{Entry, Expect, compare};
use eaves_tests::event::Exchange;
use eaves_tests::expect::{Expected, Half, body};
use eaves_tests::load::plan;
use eaves_tests::peer::{
    Certificate, Client, Manner, Nginx, Place, Server, Works, haproxy, linked_program,
    linked_server, nginx, node_tls_server, python_tls_server,
};
use eaves_tests::process::Process;
use eaves_tests::sandbox::{Sandbox, port, program};
use eaves_tests::trial::under_both_taps;
use eaves_tests::wait;
use libtest_mimic::Trial;

use crate::servers::of;

/// Ways of working of the clients: connections at a time, kept or not, requests.
const LOADS: [(usize, bool, usize); 2] = [(4, true, 200), (4, false, 40)];

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    [
        under_both_taps("tls::nginx", |sandbox, mode| {
            let tls = Some(Certificate::new(sandbox)?);
            let options = Nginx {
                tls,
                ..Nginx::default()
            };
            let server = nginx(sandbox, "nginx", &options)?;
            both_ends(sandbox, mode, server, "libssl")
        }),
        under_both_taps("tls::haproxy", |sandbox, mode| {
            let behind = nginx(sandbox, "behind", &Nginx::default())?;
            let tls = Certificate::new(sandbox)?;
            let front = haproxy(sandbox, "haproxy", behind.place(), Some(&tls))?;
            both_ends(sandbox, mode, front, "libssl")
        }),
        under_both_taps("tls::python", |sandbox, mode| {
            let server = python_tls_server(sandbox, "python", &Certificate::new(sandbox)?)?;
            both_ends(sandbox, mode, server, "libssl")
        }),
        under_both_taps("tls::node", node),
        under_both_taps("tls::linked", |sandbox, mode| {
            let tls = Certificate::new(sandbox)?;
            let works = Works::OnSockets;
            let server = linked_server(sandbox, "linked", linked_program()?, works, &tls)?;
            // curl's library may be nobody's until curl runs.
            ends_of(sandbox, mode, server, "linked-server", &["server"])
        }),
        under_both_taps("tls::sessions_that_were_open_before", open_before),
        under_both_taps("tls::what_is_written_by_one_large_call", large),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Server and client, curl, both with OpenSSL's shared library.
fn both_ends(sandbox: &Sandbox, mode: Mode, server: Server, library: &str) -> Result<()> {
    ends_of(sandbox, mode, server, library, &["server", "client"])
}

/// Those ends of the same that are in `ends`.
fn ends_of(
    sandbox: &Sandbox,
    mode: Mode,
    mut server: Server,
    library: &str,
    ends: &[&str],
) -> Result<()> {
    let place = server.place().clone();
    let mut agent = hearing(sandbox, mode, library)?;
    let log = drive(sandbox, &mut server, &Client::Curl)?;
    agent.settle(|reported| {
        ends.iter()
            .all(|role| of(reported, role, &place).len() >= log.len())
    })?;
    let report = agent.stop()?;
    for &role in ends {
        let mut reported = of(&report.exchanges, role, &place);
        if role == "client" {
            without_retries(&mut reported)?;
        }
        compare(&reported, &log, Expect::Whole)?;
        must_be_tls(&reported)?;
        must_be_agreed(&reported)?;
    }
    report.balanced()
}

/// Node as server and as client, its library part of the program. That works on memory: whose socket it
/// is the records tell.
fn node(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let mut server = node_tls_server(sandbox, "node", &Certificate::new(sandbox)?)?;
    let place = server.place().clone();
    let mut agent = hearing(sandbox, mode, "/node")?;
    let log = drive(sandbox, &mut server, &Client::Node)?;
    let ends = ["server", "client"];
    agent.settle(|reported| {
        let mut ends = ends.iter();
        ends.all(|role| of(reported, role, &place).len() >= log.len())
    })?;
    let report = agent.stop()?;
    for role in ends {
        let reported = of(&report.exchanges, role, &place);
        compare(&reported, &log, Expect::Whole).with_context(|| role.to_owned())?;
        must_be_tls(&reported)?;
        must_be_agreed(&reported)?;
    }
    report.balanced()
}

/// curl asks anew, on another connection, what it asked on one that the server had closed by then:
/// what has no answer there has one here.
fn without_retries(reported: &mut Vec<Exchange>) -> Result<()> {
    let all = reported.clone();
    reported.retain(|exchange| {
        exchange.response_seen != "none"
            || !all
                .iter()
                .any(|other| other.target == exchange.target && other.response_seen != "none")
    });
    let retries = all.len() - reported.len();
    ensure!(retries <= all.len() / 8, "{retries} were asked twice");
    Ok(())
}

/// One client keeps its connections from before the agent was there: what it asks afterwards is
/// heard, with the right ports.
fn open_before(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let tls = Some(Certificate::new(sandbox)?);
    let options = Nginx {
        tls,
        ..Nginx::default()
    };
    let mut server = nginx(sandbox, "nginx", &options)?;
    let place = server.place().clone();
    let script = sandbox.write("kept.py", KEPT)?;
    let go_on = sandbox.file("go-on");
    let mut command = Command::new(program("python3", "python3")?);
    command
        .arg(script)
        .arg(place.port()?.to_string())
        .arg(&go_on);
    let mut client = Process::start(sandbox, "kept", command)?;
    server.logged(4)?;
    let mut agent = hearing(sandbox, mode, "libssl")?;
    std::fs::write(&go_on, "")?;
    client.finish()?;
    server.logged(24)?;
    server.stop()?;
    let log = server.log()?;
    let after: Vec<Entry> = log
        .iter()
        .filter(|entry| entry.target.contains("after"))
        .cloned()
        .collect();
    agent.settle(|reported| of(reported, "server", &place).len() >= after.len())?;
    let report = agent.stop()?;
    let reported = of(&report.exchanges, "server", &place);
    compare(&reported, &after, Expect::Whole)?;
    must_be_tls(&reported)?;
    // Nobody saw what they agreed upon.
    let said = |one: &Exchange| {
        one.value
            .pointer("/tls")
            .and_then(|tls| Some(tls.as_object()?.len()))
    };
    ensure!(
        reported.iter().all(|one| said(one) == Some(1)),
        "more is said of a session than its library"
    );
    report.balanced()
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
    let (place, ends) = (Place::Tls(port), ["server", "client"]);
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

/// `kept.py PORT FILE`: four connections, one request on each; once the file is there, five more.
pub(crate) const KEPT: &str = r#"
import http.client, os, ssl, sys, time
context = ssl._create_unverified_context()
conns = [http.client.HTTPSConnection("127.0.0.1", int(sys.argv[1]), context=context) for _ in range(4)]
def ask(conn, target):
    conn.request("GET", target)
    conn.getresponse().read()
for number, conn in enumerate(conns):
    ask(conn, "/size/13?id=before-%d" % number)
while not os.path.exists(sys.argv[2]):
    time.sleep(0.01)
for turn in range(5):
    for number, conn in enumerate(conns):
        ask(conn, "/size/600?id=after-%d-%d" % (turn, number))
"#;

/// An agent that has found the library whose path has `library` in it.
pub(crate) fn hearing(sandbox: &Sandbox, mode: Mode, library: &str) -> Result<Agent> {
    hearing_roles(sandbox, mode, library, &["server", "client"])
}

/// The same, of these roles.
pub(crate) fn hearing_roles(
    sandbox: &Sandbox,
    mode: Mode,
    library: &str,
    roles: &[&str],
) -> Result<Agent> {
    let mut arguments = vec!["--log", "info"];
    for role in roles {
        arguments.extend(["--role", *role]);
    }
    let mut agent = Agent::watch(sandbox, mode, &arguments)?;
    wait::until_true(&format!("probes in {library}"), || {
        let said = agent.process().stderr();
        Ok(said
            .lines()
            .any(|line| line.contains("TLS is heard") && line.contains(library)))
    })?;
    Ok(agent)
}

/// Puts a client's loads through a server, stops it, and gives its log.
pub(crate) fn drive(sandbox: &Sandbox, server: &mut Server, client: &Client) -> Result<Vec<Entry>> {
    let mut asked = 0;
    for (number, (connections, keep, requests)) in LOADS.into_iter().enumerate() {
        let name = format!("load{number}");
        let plan = plan(&name, requests, server.features());
        let manner = Manner { connections, keep };
        client.run(sandbox, &name, server.place(), &plan, manner)?;
        asked += plan.len();
    }
    server.logged(asked)?;
    server.stop()?;
    server.log()
}

pub(crate) fn must_be_tls(reported: &[Exchange]) -> Result<()> {
    must_be_tls_of(reported, "openssl")
}

/// All are HTTPS, heard in this library.
pub(crate) fn must_be_tls_of(reported: &[Exchange], of: &str) -> Result<()> {
    let library = |e: &Exchange| e.value.pointer("/tls/library").cloned();
    let scheme = |e: &Exchange| e.value.pointer("/url/scheme").cloned();
    let is_https = |e: &&Exchange| {
        library(e).is_some_and(|library| library == of)
            && scheme(e).is_some_and(|scheme| scheme == "https")
    };
    let right = reported.iter().filter(is_https).count();
    ensure!(
        right == reported.len(),
        "{right} of {} say that they are HTTPS",
        reported.len()
    );
    Ok(())
}

/// All say by which version and cipher suite, as sessions do that began while the agent was there.
pub(crate) fn must_be_agreed(reported: &[Exchange]) -> Result<()> {
    let says = |one: &Exchange, what: &str| one.value.pointer(what).is_some();
    let wrong = reported
        .iter()
        .find(|one| !says(one, "/tls/version") || !says(one, "/tls/cipher"));
    ensure!(
        wrong.is_none(),
        "what was agreed upon is not said: {:?}",
        wrong.and_then(|one| one.value.pointer("/tls"))
    );
    Ok(())
}
