//! `eaves run` from real traffic through its journal to real far ends, through an outage and a kill.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::read_to_string;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use eaves_tests::agent::{Agent, Mode, command};
use eaves_tests::compare::{Expect, compare};
use eaves_tests::event::{Event, parse};
use eaves_tests::far::{self, Authority};
use eaves_tests::load::plan;
use eaves_tests::peer::{Client, Collector, Manner, Nginx, Server, nginx};
use eaves_tests::sandbox::{Sandbox, port};
use eaves_tests::trial::under;
use eaves_tests::wait::until_true;
use eaves_tests::wire::connect;
use libtest_mimic::Trial;
use rustix::process::Signal;
use serde_json::Value;

use super::lifecycle::{at, get};

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    // What sinks do does not hang on the tap; this one every kernel has.
    vec![
        under(
            "sinks::an_outage_and_a_kill_lose_nothing_that_was_heard",
            Mode::Syscall,
            outage,
        ),
        under(
            "sinks::bodies_are_kept_of_what_findings_are_about",
            Mode::Syscall,
            bodies,
        ),
    ]
}

/// What a query of SQL in a parameter looks like.
const ATTACK: &str = "/size/180?q=1%27%20UNION%20SELECT%20login%2C%20password%20FROM%20users--%20";

/// By default the journal has the bodies of exchanges that fire a detector or count toward an incident, and of
/// no others.
fn bodies(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let server = nginx(sandbox, "nginx", &Nginx::default())?;
    let own = server.place().port()?;
    let file = sandbox.file("events.jsonl");
    let yaml = format!(
        "capture: {{ mode: {} }}\njournal: {{ dir: {}, min_free: 1MiB }}\nsinks: {{ file: {{ file: {{ path: {} }} }} }}\n",
        mode.name(),
        sandbox.file("journal").display(),
        file.display(),
    );
    let mut agent = Agent::run(sandbox, &yaml, &file)?;
    let mut stream = connect(own)?;
    for number in 0..5 {
        get(&mut stream, &format!("/size/180?id=before-{number}"))?;
        get(&mut stream, ATTACK)?;
        get(&mut stream, &format!("/size/600?id=after-{number}"))?;
    }
    agent.settle(|reported| at(reported, own).len() >= 15)?;
    agent.stop()?.balanced()?;
    let mut with = 0;
    for line in query(&sandbox.file("eaves.yaml"))? {
        let Event::Exchange(exchange) = parse(&line)? else {
            continue;
        };
        if exchange.server_port != Some(own) {
            continue;
        }
        let about = exchange.value.get("findings").is_some();
        let body = exchange.value.pointer("/http/response/body").is_some();
        let attacks = exchange.target.contains("UNION");
        ensure!(about == attacks && body == about, "{}", exchange.value);
        with += usize::from(body);
    }
    ensure!(with == 5, "{with} with bodies");
    for (name, word) in [("findings", "inj-01"), ("endpoints", "/size/")] {
        let output = command([name, "--json", "--config"])?
            .arg(sandbox.file("eaves.yaml"))
            .output()?;
        let told = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success() && told.contains(word),
            "{name}: {output:?}"
        );
    }
    Ok(())
}

/// Requests before the kill, and after.
const REQUESTS: usize = 80;

/// Two agents, one after the other, on one journal. The first is killed while one of its three sinks cannot be
/// reached; that one comes up late in the second's life.
fn outage(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let server = nginx(sandbox, "nginx", &Nginx::default())?;
    let messages = sandbox.file("messages");
    let hook = port()?;
    let file = sandbox.file("events.jsonl");
    let (yaml, _rsyslog) = three_sinks(sandbox, mode, hook, &messages, &file)?;
    let mut agent = Agent::run(sandbox, &yaml, &file)?;
    ask(sandbox, "first", &server)?;
    let there = server.logged(REQUESTS)?.len();
    let own = server.place().port()?;
    agent.settle(|reported| at(reported, own).len() >= there)?;
    let config = sandbox.file("eaves.yaml");
    let standing = |name: &str| standing(&config, name);
    until_true("the hook fails", || {
        Ok(standing("hook")?["last_error"].is_string())
    })?;
    let lag = standing("hook")?["lag_events"].as_u64();
    ensure!(lag >= Some(there as u64), "the hook is {lag:?} behind");
    agent.process().signal(Signal::KILL)?;
    agent.process().wait()?;
    let mut agent = Agent::run(sandbox, &yaml, &file)?;
    ask(sandbox, "second", &server)?;
    let log = server.logged(2 * REQUESTS)?;
    agent.settle(|reported| at(reported, own).len() >= log.len())?;
    let collector = Collector::start(hook, Vec::new(), |_| (200, String::new()))?;
    until_true("the hook has all", || {
        let standing = standing("hook")?;
        Ok(standing["lag_events"] == 0 && standing["failing"] == false)
    })?;
    agent.stop()?.balanced()?;
    let kept = query(&config)?;
    let exchanges = kept.iter().filter_map(|line| match parse(line) {
        Ok(Event::Exchange(exchange)) => Some(*exchange),
        _ => None,
    });
    compare(
        &at(&exchanges.collect::<Vec<_>>(), own),
        &log,
        Expect::Whole,
    )?;
    let mut hooked = Vec::new();
    for got in collector.taken() {
        let events: Vec<Value> = serde_json::from_slice(&got.plain()?)?;
        hooked.extend(events.into_iter().map(|event| event.to_string()));
    }
    told(&kept, &hooked, &file, &messages)?;
    for name in ["file", "hook", "siem"] {
        let standing = standing(name)?;
        ensure!(
            standing["lag_events"] == 0 && standing["dead_letters"] == 0,
            "{standing}"
        );
        let accepted = standing["accepted"].as_u64().context("no number")?;
        ensure!(accepted >= kept.len() as u64, "{standing}");
    }
    let journal = sandbox.file("journal");
    let verified = command(["verify"])?.arg(journal).output()?;
    ensure!(verified.status.success(), "{verified:?}");
    Ok(())
}

/// A configuration with a file, a webhook on the port `hook`, and an rsyslog, which runs, and writes to `messages`.
fn three_sinks(
    sandbox: &Sandbox,
    mode: Mode,
    hook: u16,
    messages: &Path,
    file: &Path,
) -> Result<(String, far::Far)> {
    let authority = Authority::new(sandbox)?;
    let (certificate, key) = authority.sign("logs.example")?;
    let rsyslog = far::rsyslog(
        sandbox,
        &authority.certificate,
        &certificate,
        &key,
        messages,
    )?;
    let (ours, our_key) = authority.sign("agent.example")?;
    let yaml = format!(
        "capture: {{ mode: {mode}, exclude: {{ ports: [{hook}] }} }}
journal: {{ dir: {journal}, min_free: 1MiB, bodies: all }}
sinks:
  file: {{ file: {{ path: {file} }} }}
  hook: {{ webhook: {{ url: 'http://127.0.0.1:{hook}/in', secret: s3cret }}, compression: gzip }}
  siem:
    syslog: {{ address: 'tls://127.0.0.1:{syslog}' }}
    tls: {{ ca: {ca}, server_name: logs.example, certificate: {ours}, key: {our_key} }}
",
        mode = mode.name(),
        journal = sandbox.file("journal").display(),
        file = file.display(),
        syslog = rsyslog.port,
        ca = authority.certificate.display(),
        ours = ours.display(),
        our_key = our_key.display(),
    );
    Ok((yaml, rsyslog))
}

/// Checks that each of the three was told what is kept.
fn told(kept: &[String], hooked: &[String], file: &Path, messages: &Path) -> Result<()> {
    let kept = ids(kept.iter().map(String::as_str))?;
    ensure!(kept.values().all(|times| *times == 1), "{kept:?}");
    same(&kept, "hook", hooked.iter().map(String::as_str))?;
    same(&kept, "file", read_to_string(file)?.lines())?;
    let mut told = String::new();
    until_true("rsyslog has written all", || {
        told = read_to_string(messages)?;
        Ok(told.lines().count() >= kept.len())
    })?;
    // A message that is not all ASCII has the mark in front that RFC 5424 asks for (§6.4).
    let message = |line| {
        let message = str::rsplit(line, '\t').next().unwrap_or_default();
        message.trim_start_matches('\u{feff}')
    };
    same(&kept, "siem", told.lines().map(message))
}

fn ask(sandbox: &Sandbox, name: &str, server: &Server) -> Result<()> {
    let manner = Manner {
        connections: 4,
        keep: true,
    };
    let wants = plan(name, REQUESTS, server.features());
    Client::Curl.run(sandbox, name, server.place(), &wants, manner)
}

/// Where the sink `name` stands, as `eaves sinks` says.
fn standing(config: &Path, name: &str) -> Result<Value> {
    let output = command(["sinks", "--json", "--config"])?
        .arg(config)
        .output()?;
    ensure!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout)?;
    let mut lines = text.lines().map(serde_json::from_str::<Value>);
    let of_name = |line: &Value| line["sink"] == name;
    let found = lines.find(|line| line.as_ref().map_or(true, of_name));
    Ok(found.with_context(|| format!("no sink {name}"))??)
}

/// All that the journal holds, a line each.
fn query(config: &Path) -> Result<Vec<String>> {
    let output = command(["query", "--json", "--config"])?
        .arg(config)
        .output()?;
    ensure!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// How often each id is there.
fn ids<'a>(lines: impl Iterator<Item = &'a str>) -> Result<BTreeMap<String, usize>> {
    let mut ids = BTreeMap::new();
    for line in lines {
        let event: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let id = event["id"].as_str().context("an event without id")?;
        *ids.entry(id.to_owned()).or_default() += 1;
    }
    Ok(ids)
}

/// Checks that a sink was told just what is kept; a kill may have made a few come twice.
fn same<'a>(
    kept: &BTreeMap<String, usize>,
    sink: &str,
    lines: impl Iterator<Item = &'a str>,
) -> Result<()> {
    let told = ids(lines)?;
    let [kept, there] =
        [kept, &told].map(|ids| ids.keys().map(String::as_str).collect::<BTreeSet<_>>());
    ensure!(
        kept == there,
        "{sink}: {} missing, {} invented",
        kept.difference(&there).count(),
        there.difference(&kept).count()
    );
    Ok(())
}
