//! What tests of HTTPS have in common: an agent that hears a library, loads through a server at either end,
//! and what is said of a session.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use eaves_tests::agent::{Agent, Mode, Report};
use eaves_tests::compare::{Entry, Expect, compare};
use eaves_tests::event::Exchange;
use eaves_tests::load::plan;
use eaves_tests::peer::{Client, Manner, Place, Server};
use eaves_tests::process::Process;
use eaves_tests::sandbox::{Sandbox, program};
use eaves_tests::wait;

use crate::servers::of;

/// Ways of working of the clients: connections at a time, kept or not, requests.
const LOADS: [(usize, bool, usize); 2] = [(4, true, 200), (4, false, 40)];

/// Either end.
pub(crate) const ENDS: [&str; 2] = ["server", "client"];

/// Places of servers, with their logs.
type Logs = Vec<(Place, Vec<Entry>)>;

/// A server from before the agent, and what a client asks of it: each of `ends` is reported as it was logged,
/// and is `right`.
pub(crate) fn of_server(
    sandbox: &Sandbox,
    mut agent: Agent,
    mut server: Server,
    client: &Client,
    ends: &[&str],
    right: impl Fn(&[Exchange]) -> Result<()>,
) -> Result<()> {
    let logs = driven(sandbox, [&mut server], client)?;
    settle(&mut agent, &logs, ends)?;
    as_logged(agent.stop()?, &logs, ends, right)
}

/// Asks a server whose library works on memory until what that hands on is seen; what is asked here counts
/// nowhere.
pub(crate) fn warm(
    sandbox: &Sandbox,
    agent: &mut Agent,
    server: &Server,
    client: &Client,
) -> Result<()> {
    let manner = Manner {
        connections: 1,
        keep: false,
    };
    let mut turn = 0;
    wait::until_true("probes on what the library hands on", || {
        turn += 1;
        let name = format!("{WARM}-{turn}");
        let plan = plan(&name, 4, server.features());
        client.run(sandbox, &name, server.place(), &plan, manner)?;
        Ok(agent
            .process()
            .stderr()
            .contains("what it hands on is seen"))
    })
}

/// What ids of requests begin with that count nowhere.
const WARM: &str = "warm";

fn is_warm(target: &str) -> bool {
    target.contains(&format!("id={WARM}-"))
}

/// What was reported of a role at a place, as far as it counts.
fn counting(reported: &[Exchange], role: &str, place: &Place) -> Vec<Exchange> {
    let mut all = of(reported, role, place);
    all.retain(|one| !is_warm(&one.target));
    all
}

/// Two servers, one from before the agent and one from after, each with clients that come and go: both ends of
/// both, likewise.
pub(crate) fn before_and_after(
    sandbox: &Sandbox,
    mode: Mode,
    library: &str,
    start: impl Fn(&str) -> Result<Server>,
    client: &Client,
    right: impl Fn(&[Exchange]) -> Result<()>,
) -> Result<()> {
    let mut before = start("before")?;
    let mut agent = hearing(sandbox, mode, library)?;
    let mut after = start("after")?;
    let logs = driven(sandbox, [&mut before, &mut after], client)?;
    settle(&mut agent, &logs, &ENDS)?;
    as_logged(agent.stop()?, &logs, &ENDS, right)
}

fn driven<const N: usize>(
    sandbox: &Sandbox,
    servers: [&mut Server; N],
    client: &Client,
) -> Result<Logs> {
    let each = servers.into_iter().map(|server| {
        let place = server.place().clone();
        let mut log = drive(sandbox, server, client)?;
        log.retain(|entry| !is_warm(&entry.target));
        Ok((place, log))
    });
    each.collect()
}

/// Waits until as much is reported as was logged.
fn settle(agent: &mut Agent, logs: &Logs, ends: &[&str]) -> Result<()> {
    agent.settle(|reported| {
        logs.iter().all(|(place, log)| {
            let mut ends = ends.iter();
            ends.all(|role| counting(reported, role, place).len() >= log.len())
        })
    })
}

fn as_logged(
    report: Report,
    logs: &Logs,
    ends: &[&str],
    right: impl Fn(&[Exchange]) -> Result<()>,
) -> Result<()> {
    for (place, log) in logs {
        for &role in ends {
            let mut reported = counting(&report.exchanges, role, place);
            if role == "client" {
                without_retries(&mut reported)?;
            }
            compare(&reported, log, Expect::Whole).with_context(|| role.to_owned())?;
            right(&reported).with_context(|| role.to_owned())?;
        }
    }
    report.balanced()
}

/// A client that keeps its connections from before the agent was there: of what it asks afterwards all that is
/// `heard` is reported of the server as it was logged, and is `right`.
pub(crate) fn kept(
    sandbox: &Sandbox,
    mode: Mode,
    library: &str,
    mut server: Server,
    heard: impl Fn(&Entry) -> bool,
    right: impl Fn(&[Exchange]) -> Result<()>,
) -> Result<()> {
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
    let mut agent = hearing(sandbox, mode, library)?;
    std::fs::write(&go_on, "")?;
    client.finish()?;
    server.logged(24)?;
    server.stop()?;
    let mut log = server.log()?;
    log.retain(|entry| entry.target.contains("after") && heard(entry));
    let logs = vec![(place, log)];
    settle(&mut agent, &logs, &["server"])?;
    as_logged(agent.stop()?, &logs, &["server"], right)
}

/// `kept.py PORT FILE`: four connections, one request on each; once the file is there, five more.
const KEPT: &str = r#"
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

/// The same, and the agent says more.
pub(crate) fn hearing_aloud(sandbox: &Sandbox, mode: Mode, library: &str) -> Result<Agent> {
    let log = "info,eaves::probe=debug";
    hearing_with(sandbox, mode, library, (log, &ENDS))
}

/// The same, of these roles.
pub(crate) fn hearing_roles(
    sandbox: &Sandbox,
    mode: Mode,
    library: &str,
    roles: &[&str],
) -> Result<Agent> {
    hearing_with(sandbox, mode, library, ("info", roles))
}

fn hearing_with(
    sandbox: &Sandbox,
    mode: Mode,
    library: &str,
    (log, roles): (&str, &[&str]),
) -> Result<Agent> {
    let mut arguments = vec!["--log", log];
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
