//! Much at once: memory stays inside its limit, and what is heard beside it is right.

use std::io::Write;
use std::net::TcpStream;

use anyhow::{Context, Result, ensure};
use eaves_tests::agent::{Agent, Mode};
use eaves_tests::compare::{Expect, compare};
use eaves_tests::event::Exchange;
use eaves_tests::peer::{Nginx, nginx};
use eaves_tests::process::text;
use eaves_tests::sandbox::Sandbox;
use eaves_tests::trial::under_both_taps;
use eaves_tests::wait;
use eaves_tests::wire::connect;
use libtest_mimic::Trial;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::lifecycle::{at, get, to_file};

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    [
        under_both_taps("bounds::ten_thousand_idle_connections", idle_connections),
        under_both_taps("bounds::a_flood_of_half_requests", half_requests),
        under_both_taps(
            "bounds::connections_beyond_the_limit_are_heard_again",
            beyond_the_limit,
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// `limits.memory` of the test that exceeds what it follows, MiB.
const MEMORY_MIB: u64 = 64;
/// That of ten thousand connections, each of them followed: some 55 are the agent's own at rest.
const IDLE_MEMORY_MIB: u64 = 80;

/// Other tests' programs are not looked into meanwhile: that takes memory too.
const NO_TLS: &str = "  tls: false";

/// What the agent has of its own and the ring's default size, MiB. The ring is not part of what
/// it has of its own, but of its limit.
fn used_mib(pid: u32) -> Result<u64> {
    const RING_MIB: u64 = 16;
    let status = text(format!("/proc/{pid}/status").as_ref());
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kib.context("no RssAnon")?.trim().parse::<u64>()? / 1024 + RING_MIB)
}

/// Lets this process and the servers it starts open as many files as the host allows.
fn many_files() -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    )?;
    Ok(())
}

fn idle_connections(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    const CONNECTIONS: usize = 10_000;
    // What waits to be worked on has little room here.
    const AT_ONCE: usize = 500;
    many_files()?;
    let server = nginx(sandbox, "nginx", &Nginx::default())?;
    let port = server.place().port()?;
    let events = sandbox.file("events.jsonl");
    let limits = format!("limits:\n  memory: {IDLE_MEMORY_MIB}MiB");
    let mut agent = Agent::run(sandbox, &to_file(mode, NO_TLS, &limits, &events), &events)?;
    let mut streams = Vec::with_capacity(CONNECTIONS);
    for number in 0..CONNECTIONS {
        let mut stream = connect(port)?;
        get(&mut stream, &format!("/size/13?id=open-{number}"))?;
        streams.push(stream);
        let asked = streams.len();
        if asked.is_multiple_of(AT_ONCE) {
            agent.settle(|reported| reported.len() >= asked)?;
        }
    }
    // Each once more, after all have been idle beside the others.
    for (number, stream) in streams.iter_mut().enumerate() {
        get(stream, &format!("/size/13?id=again-{number}"))?;
        let asked = CONNECTIONS + number + 1;
        if asked.is_multiple_of(AT_ONCE) {
            agent.settle(|reported| reported.len() >= asked)?;
        }
    }
    let log = server.logged(2 * CONNECTIONS)?;
    agent.settle(|reported| reported.len() >= log.len())?;
    let used = used_mib(agent.process().pid())?;
    let report = agent.stop()?;
    compare(&at(&report.exchanges, port), &log, Expect::Whole)?;
    ensure!(
        used <= IDLE_MEMORY_MIB,
        "{used} MiB used, the limit is {IDLE_MEMORY_MIB}"
    );
    report.balanced()
}

/// More connections than are followed at once: whichever speaks is heard, the others make room.
fn beyond_the_limit(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    const CONNECTIONS: usize = 24;
    const FOLLOWED: usize = 16;
    let server = nginx(sandbox, "nginx", &Nginx::default())?;
    let port = server.place().port()?;
    let events = sandbox.file("events.jsonl");
    let limits = format!("limits:\n  connections: {FOLLOWED}");
    let mut agent = Agent::run(sandbox, &to_file(mode, NO_TLS, &limits, &events), &events)?;
    let mut streams = (0..CONNECTIONS)
        .map(|_| connect(port))
        .collect::<Result<Vec<_>>>()?;
    // As fast as they can: some have to go while they speak.
    for round in 0..20 {
        for (number, stream) in streams.iter_mut().enumerate() {
            get(stream, &format!("/size/13?id=fast-{round}-{number}"))?;
        }
    }
    // From here on the agent has read of each exchange, and said whom it has forgotten, before the
    // next one is made.
    let mut said = |stream: &mut TcpStream, id: &str| {
        get(stream, &format!("/size/13?{id}"))?;
        agent.settle(|reported| reported.iter().any(|one| one.target.ends_with(id)))
    };
    said(&mut connect(port)?, "id=between")?;
    for round in 0..2 {
        for (number, stream) in streams.iter_mut().enumerate() {
            said(stream, &format!("id=slow-{round}-{number}"))?;
        }
    }
    let slow = |target: &str| target.contains("id=slow");
    let mut log = server.logged(CONNECTIONS * 22 + 1)?;
    log.retain(|one| slow(&one.target));
    let report = agent.stop()?;
    let mut reported = at(&report.exchanges, port);
    reported.retain(|one| slow(&one.target));
    compare(&reported, &log, Expect::Whole)?;
    report.balanced()
}

/// Heads and bodies that are begun and never ended, more of them than the limit holds.
fn half_requests(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    many_files()?;
    let server = nginx(
        sandbox,
        "nginx",
        &Nginx {
            long_heads: true,
            ..Nginx::default()
        },
    )?;
    let port = server.place().port()?;
    let events = sandbox.file("events.jsonl");
    let limits = format!("limits:\n  memory: {MEMORY_MIB}MiB");
    let mut agent = Agent::run(sandbox, &to_file(mode, NO_TLS, &limits, &events), &events)?;
    let flood = (0..3000)
        .map(|number| half(port, number))
        .collect::<Result<Vec<_>>>()?;
    let mut stream = connect(port)?;
    // While the flood waits to be worked on, and a while after it, what is plain may be shed.
    let mut before = 0;
    wait::until_true("a plain exchange is heard whole beside the flood", || {
        before += 1;
        let id = format!("before-{before}");
        get(&mut stream, &format!("/size/600?{id}"))?;
        let is_it = |one: &&Exchange| one.target.ends_with(&id);
        agent.settle(|reported| reported.iter().any(|one| is_it(&one)))?;
        let told = agent.reported()?.iter().find(is_it);
        Ok(told.is_some_and(Exchange::is_whole))
    })?;
    // No two are alike: of such some may be shed for a while.
    let right = |target: &str| target.contains("?right-");
    for number in 0..100 {
        get(&mut stream, &format!("/size/600?right-{number}"))?;
    }
    let mut log = server.logged(before + 100)?;
    log.retain(|one| right(&one.target));
    agent.settle(|reported| {
        let reported = reported.iter().filter(|one| right(&one.target));
        reported.count() >= log.len()
    })?;
    let used = used_mib(agent.process().pid())?;
    drop(flood);
    let report = agent.stop()?;
    let mut reported = at(&report.exchanges, port);
    reported.retain(|one| right(&one.target));
    compare(&reported, &log, Expect::Whole)?;
    for exchange in at(&report.exchanges, port) {
        let half = exchange.target.contains("flood=");
        ensure!(
            !half || !exchange.is_whole(),
            "half a request is whole: {}",
            exchange.line()
        );
    }
    ensure!(
        used <= MEMORY_MIB,
        "{used} MiB used, the limit is {MEMORY_MIB}"
    );
    report.balanced()
}

/// The first 60 KB of a head, or a body that lacks its last byte.
fn half(port: u16, number: usize) -> Result<TcpStream> {
    let mut stream = connect(port)?;
    let mut bytes =
        format!("POST /take?flood={number} HTTP/1.1\r\nHost: localhost\r\n").into_bytes();
    if number.is_multiple_of(2) {
        for field in 0..58 {
            bytes.extend_from_slice(format!("x-{field}: {}\r\n", "a".repeat(1000)).as_bytes());
        }
    } else {
        bytes.extend_from_slice(b"Content-Length: 60000\r\n\r\n");
        bytes.resize(bytes.len() + 59_999, b'b');
    }
    stream.write_all(&bytes)?;
    Ok(stream)
}
