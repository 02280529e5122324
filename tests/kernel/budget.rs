//! Under a flood the agent stays within `limits.cpu`, and tells all the same who came in and what failed;
//! then it recovers.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use eaves_tests::agent::{Agent, Mode, Report};
use eaves_tests::load::Want;
use eaves_tests::peer::{Nginx, Server, Wrk, nginx, wrk};
use eaves_tests::process::text;
use eaves_tests::sandbox::Sandbox;
use eaves_tests::trial::under_both_taps;
use eaves_tests::wait;
use eaves_tests::wire::connect;
use libtest_mimic::Trial;
use serde_json::Value;

use crate::lifecycle::{at, get};

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    [under_both_taps(
        "budget::a_flood_is_shed_by_value_and_undone",
        flood,
    )]
    .into_iter()
    .flatten()
    .collect()
}

/// Ticks a second of `/proc/PID/stat` (proc(5)).
const TICKS_PER_S: f64 = 100.0;

/// The share of what the flood costs without a limit that is allowed.
const ALLOWED: f64 = 0.5;

/// How far above the limit the mean of some seconds may lie: ticks are coarse, and what a look finds is a
/// quarter of a second old.
const TOLERANCE: f64 = 1.15;

/// Seconds of the flood until the agent has found its place.
const SETTLES_S: u64 = 4;

/// Seconds for which it is measured then.
const MEASURED_S: u64 = 5;

/// Processor time that a process has used, seconds.
fn cpu_s(pid: u32) -> Result<f64> {
    let stat = text(format!("/proc/{pid}/stat").as_ref());
    let (_, behind) = stat.rsplit_once(')').context("no stat")?;
    let fields = behind.split_whitespace().skip(11).take(2);
    let ticks = fields.map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / TICKS_PER_S)
}

/// The flood: plain answers with bodies, each of many targets again and again.
fn targets() -> Vec<Want> {
    let want = |target: String| Want {
        method: "GET",
        target,
        body_bytes: 0,
        chunked: false,
        conditional: false,
    };
    let of = |path: &'static str| (0..50).map(move |number| format!("{path}?n={number}"));
    let paths = ["/size/600", "/size/4000", "/size/1024"];
    paths.into_iter().flat_map(of).map(want).collect()
}

/// wrk for so many seconds.
fn pour(sandbox: &Sandbox, port: u16, seconds: u64) -> Result<()> {
    let load = Wrk {
        connections: 24,
        seconds: u32::try_from(seconds)?,
        delay_ms: 0,
    };
    wrk(sandbox, port, &targets(), load)
}

/// An agent that writes what is not the flood, and may use so many cores.
fn agent(sandbox: &Sandbox, mode: Mode, cores: f64, events: &Path) -> Result<Agent> {
    let yaml = format!(
        "capture:\n  mode: {}\n  tls: false\nlimits: {{ cpu: {cores:.3} }}\nsinks:\n  events:\n    \
         file: {{ path: {} }}\n    where: 'kind == notice or query contains \"keep\"'\n",
        mode.name(),
        events.display()
    );
    Agent::run_limited(sandbox, &yaml, events)
}

/// Cores that the agent uses while the flood lasts, once it has settled.
fn measured(pid: u32) -> Result<f64> {
    thread::sleep(Duration::from_secs(SETTLES_S));
    let (began, before) = (Instant::now(), cpu_s(pid)?);
    thread::sleep(Duration::from_secs(MEASURED_S));
    Ok((cpu_s(pid)? - before) / began.elapsed().as_secs_f64())
}

/// What is asked beside the flood, a few times a second until it ends: who comes in, what fails, and what
/// is neither. How often each was.
fn beside(port: u16, ends: Instant) -> Result<usize> {
    let mut stream = connect(port)?;
    let mut number = 0;
    while Instant::now() < ends {
        for path in ["/size/login", "/status/403", "/status/500", "/size/4096"] {
            get(&mut stream, &format!("{path}?keep={number}"))?;
        }
        number += 1;
        thread::sleep(Duration::from_millis(50));
    }
    Ok(number)
}

/// What the flood costs where it may cost what it likes.
fn unlimited(sandbox: &Sandbox, mode: Mode, server: &Server) -> Result<f64> {
    let port = server.place().port()?;
    let events = sandbox.file("unlimited.jsonl");
    let mut agent = agent(sandbox, mode, 64.0, &events)?;
    let pid = agent.process().pid();
    let used = thread::scope(|scope| {
        let used = scope.spawn(|| measured(pid));
        pour(sandbox, port, SETTLES_S + MEASURED_S + 1)?;
        used.join().ok().context("what is used")?
    })?;
    let report = agent.stop()?;
    // On a busy host more may be heard than is worked on in time; that is no limit's doing.
    let mut causes = notices(&report, "shed").map(|notice| notice.pointer("/detail/cause"));
    ensure!(
        causes.all(|cause| cause.is_some_and(|cause| cause == "backlog")),
        "shed below the limit"
    );
    report.balanced()?;
    Ok(used)
}

fn flood(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    sandbox.write("nginx/root/size/login", "welcome")?;
    let server = nginx(sandbox, "nginx", &Nginx::default())?;
    let port = server.place().port()?;
    let cores = unlimited(sandbox, mode, &server)? * ALLOWED;
    let events = sandbox.file("events.jsonl");
    let mut agent = agent(sandbox, mode, cores, &events)?;
    let pid = agent.process().pid();
    let seconds = SETTLES_S + MEASURED_S + 1;
    let ends = Instant::now() + Duration::from_secs(seconds);
    let (used, asked) = thread::scope(|scope| {
        let beside = scope.spawn(|| beside(port, ends));
        let used = scope.spawn(|| measured(pid));
        pour(sandbox, port, seconds)?;
        let asked = beside.join().ok().context("what is asked beside it")??;
        anyhow::Ok((used.join().ok().context("what is used")??, asked))
    })?;
    wait::until_true("the end of shedding", || {
        agent.process().must_live()?;
        Ok(text(&events).contains("\"state\":\"ended\""))
    })?;
    let mut stream = connect(port)?;
    for number in 0..20 {
        get(&mut stream, &format!("/size/4096?keep=after-{number}"))?;
    }
    let after = |target: &str| target.contains("after");
    agent.settle(|reported| reported.iter().filter(|one| after(&one.target)).count() >= 20)?;
    let report = agent.stop()?;
    println!(
        "{}: {used:.3} cores of {cores:.3}, {} without a limit; {}",
        mode.name(),
        cores / ALLOWED,
        summary(&report)?
    );
    ensure!(
        used <= cores * TOLERANCE,
        "{used:.3} cores used, the limit is {cores:.3}"
    );
    all_that_matters(&report, port, asked)?;
    let whole = at(&report.exchanges, port);
    let whole = whole.iter().filter(|one| after(&one.target));
    let whole = whole.filter(|one| one.is_whole() && one.body("response").is_some());
    ensure!(whole.count() == 20, "it does not recover");
    told(&report)?;
    report.balanced()
}

/// Every sign-in and every error is there, once and whole, with its body.
fn all_that_matters(report: &Report, port: u16, asked: usize) -> Result<()> {
    let reported = at(&report.exchanges, port);
    ensure!(asked > 20, "{asked} rounds beside the flood");
    for (path, status) in [
        ("/size/login", 200),
        ("/status/403", 403),
        ("/status/500", 500),
    ] {
        for number in 0..asked {
            let target = format!("{path}?keep={number}");
            let found: Vec<_> = reported.iter().filter(|one| one.target == target).collect();
            let [one] = found.as_slice() else {
                anyhow::bail!("{target} is reported {} times", found.len());
            };
            ensure!(one.status == Some(status), "{}", one.line());
            ensure!(one.is_whole() && one.reasons.is_empty(), "{}", one.line());
            ensure!(one.body("response").is_some(), "{}", one.line());
        }
    }
    Ok(())
}

/// What was shed, by its counters.
fn summary(report: &Report) -> Result<String> {
    let ledger = report.ledger()?;
    let counts = [
        ("exchange", "reported"),
        ("exchange", "bodies_shed"),
        ("budget", "repeats"),
        ("budget", "alike"),
        ("budget", "pauses"),
        ("queue", "full"),
        ("kernel", "ring_full"),
    ];
    let one = |(stage, name)| Ok(format!("{name} {}", ledger.get(stage, name)?));
    let all = counts.into_iter().map(one).collect::<Result<Vec<_>>>()?;
    Ok(all.join(", "))
}

/// The notices of this name.
fn notices<'a>(report: &'a Report, name: &str) -> impl Iterator<Item = &'a Value> {
    let named = report.notices.iter().filter(move |(one, _)| one == name);
    named.map(|(_, notice)| notice)
}

/// What was shed is told, by counters, in events and by notices.
fn told(report: &Report) -> Result<()> {
    let ledger = report.ledger()?;
    ensure!(
        ledger.get("exchange", "bodies_shed")? > 0,
        "no body is shed"
    );
    ensure!(ledger.get("budget", "pauses")? == 0, "hearing was too dear");
    let states: Vec<_> = notices(report, "shed")
        .filter_map(|notice| notice.pointer("/detail/state").and_then(Value::as_str))
        .collect();
    ensure!(
        states.first() == Some(&"begun") && states.last() == Some(&"ended"),
        "{states:?}"
    );
    let plain = report.exchanges.iter();
    let plain = plain.filter(|one| one.target.starts_with("/size/4096"));
    let shed = plain.filter(|one| one.reasons == ["shed"]).count() as u64;
    let left_out = ledger.get("budget", "repeats")? + ledger.get("budget", "alike")?;
    ensure!(shed + left_out > 0, "no event says that its body was shed");
    Ok(())
}
