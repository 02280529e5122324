//! Exchanges that last longer than a minute: long polls and uploads in many chunks are told as they go, and at
//! their end as their servers wrote them down.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use eaves_tests::agent::{Agent, Mode};
use eaves_tests::event::Exchange;
use eaves_tests::peer::{Served, Waiting, Waits};
use eaves_tests::process::Process;
use eaves_tests::sandbox::{Sandbox, program};
use eaves_tests::trial::under;
use libtest_mimic::Trial;
use serde_json::Value;

use crate::servers::of;

/// How long each lasts: a little longer than the minute after which it is first told.
const SECONDS: u64 = 70;

/// Most that the agent's duration may differ from the server's, which begins with the parsed head.
const APART: Duration = Duration::from_secs(2);

const ENDS: [&str; 2] = ["server", "client"];

/// All tests of this module. How bytes were heard makes no difference here, and each run takes over a minute.
pub(crate) fn trials() -> Vec<Trial> {
    vec![under(
        "lasting::polls_and_uploads",
        Mode::Socket,
        polls_and_uploads,
    )]
}

/// curl, which waits for news.
fn poll(sandbox: &Sandbox, number: usize, from: &Waiting) -> Result<Process> {
    let mut command = Command::new(program("curl", "curl")?);
    let port = from.place.port()?;
    command.args(["-s", "-S"]);
    command.arg(format!("http://127.0.0.1:{port}/poll?seconds={SECONDS}"));
    Process::start(sandbox, &format!("curl-{number}"), command)
}

fn polls_and_uploads(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let mut servers = [Waits::Python.serve(sandbox)?, Waits::Node.serve(sandbox)?];
    let both = ["--role", "server", "--role", "client"];
    let mut agent = Agent::watch_clear(sandbox, mode, &both)?;
    let [python, node] = &servers;
    let mut clients = vec![
        poll(sandbox, 0, python)?,
        poll(sandbox, 1, node)?,
        Waits::Node.upload(sandbox, python, SECONDS)?,
        Waits::Python.upload(sandbox, node, SECONDS)?,
    ];
    std::thread::sleep(Duration::from_secs(SECONDS - 9));
    agent.settle(|reported| {
        let mut places = servers.iter().map(|one| &one.place);
        places.all(|place| ENDS.iter().all(|role| of(reported, role, place).len() >= 2))
    })?;
    for server in &mut servers {
        let served = server.served()?;
        ensure!(served.is_empty(), "it was over before: {served:?}");
        for role in ENDS {
            let under_way = of(agent.reported()?, role, &server.place);
            is_told(&under_way, role)?;
        }
    }
    for client in &mut clients {
        client.finish()?;
    }
    let over = |reported: &[Exchange], role: &str, server: &Waiting| {
        let all = of(reported, role, &server.place).into_iter();
        all.filter(|one| !one.partial).collect::<Vec<_>>()
    };
    agent.settle(|reported| {
        let mut servers = servers.iter();
        servers.all(|server| {
            ENDS.iter()
                .all(|role| over(reported, role, server).len() == 2)
        })
    })?;
    let report = agent.stop()?;
    for server in &mut servers {
        let served = server.served()?;
        ensure!(served.len() == 2, "{served:?}");
        for role in ENDS {
            let told = over(&report.exchanges, role, server);
            let all = of(&report.exchanges, role, &server.place);
            ensure!(told.len() == 2, "{role}: {} are over", told.len());
            for exchange in &told {
                is_what_was_served(exchange, &served)
                    .and_then(|()| names_its_first(exchange, &all))
                    .with_context(|| exchange.line())?;
            }
        }
    }
    report.balanced()
}

/// Both exchanges are told while they last, with what has come so far.
fn is_told(under_way: &[Exchange], role: &str) -> Result<()> {
    ensure!(under_way.len() >= 2, "{role}: {} are told", under_way.len());
    for one in under_way {
        ensure!(one.partial && one.status.is_none(), "{}", one.line());
    }
    let upload = under_way.iter().find(|one| one.target.contains("/upload"));
    let upload = upload.context("no upload is told")?;
    // A chunk has 102 bytes on the average, and comes five times a second.
    ensure!(
        upload.request_bytes >= Some(20_000) && upload.request_seen != "whole",
        "{}",
        upload.line()
    );
    let poll = under_way.iter().find(|one| one.target.contains("/poll"));
    let poll = poll.context("no poll is told")?;
    ensure!(
        poll.request_seen == "whole" && poll.response_seen == "none",
        "{}",
        poll.line()
    );
    Ok(())
}

/// What is told of an exchange that is over is what its server wrote down.
fn is_what_was_served(exchange: &Exchange, served: &[Served]) -> Result<()> {
    let mut served = served.iter();
    let one = served.find(|one| one.target == exchange.target);
    let one = one.context("nobody asked for it")?;
    let told = (
        exchange.status,
        exchange.request_bytes.unwrap_or(0),
        exchange.response_bytes,
        exchange.client_port,
    );
    let truth = (
        Some(one.status),
        one.request_bytes,
        Some(one.response_bytes),
        Some(one.client_port),
    );
    ensure!(told == truth, "told {told:?} of {truth:?}");
    let duration = exchange.value.get("duration_ns").and_then(Value::as_u64);
    let duration = Duration::from_nanos(duration.context("no duration")?);
    let lasted = Duration::from_millis(one.lasted_ms);
    ensure!(
        duration.abs_diff(lasted) < APART,
        "told {duration:?} of {lasted:?}"
    );
    let seen = [&*exchange.request_seen, &*exchange.response_seen];
    // Of a body longer than what is kept the rest is counted.
    let kept = if exchange.target.contains("/upload") {
        "truncated"
    } else {
        "whole"
    };
    ensure!(seen == [kept, "whole"], "it is {seen:?}");
    Ok(())
}

/// The last record names the first.
fn names_its_first(last: &Exchange, all: &[Exchange]) -> Result<()> {
    let first = last.value.get("first").and_then(Value::as_str);
    let first = first.context("it names no first")?;
    let mut all = all.iter();
    let is_it = |one: &Exchange| one.id == first && one.partial && one.target == last.target;
    ensure!(all.any(is_it), "nothing is told of {first}");
    Ok(())
}
