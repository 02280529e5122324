//! HTTP over TLS between servers on Python's asyncio and httpx, both heard in OpenSSL: what is reported at
//! either end is what the server logged, with the right client port.
//!
//! On asyncio the library works on memory, and what its thread does on sockets it does between its calls.
//! Whose socket it is the records tell, once the process was seen to work so: what it moves before that is
//! heard without addresses, and is what httpx asks for until it may begin.

use anyhow::{Context, Result, ensure};
use eaves_tests::agent::{Agent, Mode};
use eaves_tests::compare::{Entry, Expect, compare};
use eaves_tests::event::Exchange;
use eaves_tests::peer::{Certificate, Httpx, Server, aiohttp, hypercorn, uvicorn};
use eaves_tests::sandbox::Sandbox;
use eaves_tests::trial::under;
use eaves_tests::wait;
use libtest_mimic::Trial;

use crate::http2::is_http2;
use crate::https::{hearing_aloud, must_be_tls};

/// Requests of each client.
const REQUESTS: usize = 60;
/// Clients.
const CLIENTS: [&str; 3] = ["?id=sync-", "?id=async-", "?id=apart-"];

/// Starts a server.
type Start = fn(&Sandbox, &str, &Certificate) -> Result<Server>;

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    // The tap sees what httpx and any server send, by the same calls.
    let servers: [(&str, Mode, Start, &str); 4] = [
        ("hypercorn", Mode::Socket, hypercorn, "HTTP/2"),
        ("hypercorn", Mode::Syscall, hypercorn, "HTTP/2"),
        ("uvicorn", Mode::Syscall, uvicorn, "HTTP/1.1"),
        ("aiohttp", Mode::Socket, aiohttp, "HTTP/1.1"),
    ];
    let trial = |(name, mode, start, version): (&'static str, Mode, Start, &'static str)| {
        under(&format!("asyncio::{name}"), mode, move |sandbox, mode| {
            let server = start(sandbox, name, &Certificate::new(sandbox)?)?;
            both_ends(sandbox, mode, server, version)
        })
    };
    servers.into_iter().map(trial).collect()
}

fn is_ours(target: &str) -> bool {
    CLIENTS.iter().any(|id| target.contains(id))
}

/// The exchanges of one role that are over and that httpx asked for when it might.
fn ours(reported: &[Exchange], role: &str) -> Vec<Exchange> {
    let is_it = |one: &&Exchange| one.role == role && !one.partial && is_ours(&one.target);
    reported.iter().filter(is_it).cloned().collect()
}

/// What the server logged of that.
fn log_of(server: &Server) -> Result<Vec<Entry>> {
    let log = server.log()?.into_iter();
    Ok(log.filter(|entry| is_ours(&entry.target)).collect())
}

/// Waits until what these processes hand on is seen.
fn seen(agent: &mut Agent, processes: [u32; 2]) -> Result<()> {
    wait::until_true("probes in server and client alone", || {
        agent.process().must_live()?;
        let said = agent.process().stderr();
        let of = |pid: &u32| {
            let pid = format!("pid={pid} ");
            let mut lines = said.lines();
            lines.any(|line| line.contains("works on memory") && line.contains(&pid))
        };
        Ok(processes.iter().all(of))
    })
}

fn both_ends(sandbox: &Sandbox, mode: Mode, mut server: Server, version: &str) -> Result<()> {
    let mut agent = hearing_aloud(sandbox, mode, "libssl")?;
    let client = Httpx::start(sandbox, &server, version, REQUESTS)?;
    seen(&mut agent, [server.process().pid(), client.process.pid()])?;
    client.run()?;
    let all = CLIENTS.len() * REQUESTS;
    wait::until_true("the server's log", || Ok(log_of(&server)?.len() >= all))?;
    server.stop()?;
    let log = log_of(&server)?;
    ensure!(log.len() == all, "{} were logged", log.len());
    let ends = ["server", "client"];
    agent.settle(|reported| {
        let mut ends = ends.iter();
        ends.all(|role| ours(reported, role).len() >= all)
    })?;
    let report = agent.stop()?;
    for role in ends {
        let reported = ours(&report.exchanges, role);
        compare(&reported, &log, Expect::Whole).with_context(|| role.to_owned())?;
        must_be_tls(&reported)?;
        let as_asked = |one: &Exchange| is_http2(one) == (version == "HTTP/2");
        ensure!(reported.iter().all(as_asked), "not all are of {version}");
    }
    let all = report.exchanges.iter();
    let untied = all.filter(|one| one.client_port.is_none() && one.server_port.is_none());
    let (untied, counted) = (
        untied.count() as u64,
        report.ledger()?.get("seal", "untied")?,
    );
    ensure!(
        untied > 0 && untied == counted,
        "{untied} without addresses, {counted} counted"
    );
    report.balanced()
}
