//! SIGHUP: another configuration while traffic goes on.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use eaves_tests::agent::{Agent, Mode, command};
use eaves_tests::compare::{Expect, compare};
use eaves_tests::load::plan;
use eaves_tests::peer::{Client, Manner, Nginx, nginx};
use eaves_tests::process::Process;
use eaves_tests::sandbox::Sandbox;
use eaves_tests::trial::{under, under_both_taps};
use eaves_tests::wait::{until, until_true};
use eaves_tests::wire::{connect, read_response};
use libtest_mimic::Trial;
use rustix::process::Signal;
use serde_json::Value;

use super::lifecycle::at;
use super::service::ask;

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    trials.extend(under_both_taps(
        "reload::a_hundred_under_load_miss_and_repeat_nothing",
        hundred,
    ));
    // What is told does not hang on the tap; this one every kernel has.
    trials.push(under(
        "reload::without_a_journal_nothing_is_missed",
        Mode::Syscall,
        without_journal,
    ));
    trials.push(under(
        "reload::what_is_wrong_or_needs_a_restart_is_told",
        Mode::Syscall,
        told,
    ));
    trials
}

/// How often the agent says that another configuration is in force.
const IN_FORCE: &str = "the configuration was read again and is in force";

/// Writes the configuration, and waits until the agent has it for the `count`th time.
fn reload(agent: &mut Agent, file: &Path, yaml: &str, count: usize) -> Result<()> {
    fs::write(file, yaml)?;
    agent.process().signal(Signal::HUP)?;
    let what = format!("reload {count}");
    until_true(&what, || {
        agent.process().must_live()?;
        Ok(agent.process().stderr().matches(IN_FORCE).count() >= count)
    })
}

/// Reloads in each of the tests under load.
const TIMES: usize = 100;

/// Requests that go on meanwhile.
const REQUESTS: usize = 20_000;

/// Loads nginx while two configurations take turns; the agent's report, with the sinks' lines.
fn under_load(
    sandbox: &Sandbox,
    turns: [&str; 2],
    events: &Path,
) -> Result<eaves_tests::agent::Report> {
    let server = nginx(sandbox, "nginx", &Nginx::default())?;
    let port = server.place().port()?;
    let mut agent = Agent::run(sandbox, turns[0], events)?;
    let file = sandbox.file("eaves.yaml");
    let wants = plan("turns", REQUESTS, server.features());
    let manner = Manner {
        connections: 4,
        keep: true,
    };
    let (over, agent_ref) = (AtomicBool::new(false), &mut agent);
    let mut done = std::thread::scope(|scope| -> Result<usize> {
        let turns = scope.spawn(|| -> Result<usize> {
            let mut done = 0;
            // More follow after the hundredth, as long as the load goes on: all of it is under way.
            while done < TIMES || !over.load(Ordering::Relaxed) {
                done += 1;
                reload(agent_ref, &file, turns[done % 2], done)?;
                // A frame of the journal closes after a quarter of a second.
                std::thread::sleep(Duration::from_millis(if done % 10 == 1 { 600 } else { 20 }));
            }
            Ok(done)
        });
        let ran = Client::Python.run(sandbox, "client", server.place(), &wants, manner);
        over.store(true, Ordering::Relaxed);
        let turns = turns.join();
        ran?;
        turns.map_err(|_| anyhow::anyhow!("the turns panicked"))?
    })?;
    // The last is the second one of the two, which has all sinks.
    if done % 2 == 0 {
        done += 1;
        reload(&mut agent, &file, turns[1], done)?;
    }
    let log = server.logged(wants.len())?;
    agent.settle(|reported| at(reported, port).len() >= log.len())?;
    let report = agent.stop()?;
    compare(&at(&report.exchanges, port), &log, Expect::Whole)?;
    report.balanced()?;
    let reloads = report.notices.iter().filter(|(name, _)| name == "reload");
    let reloads: Vec<_> = reloads.map(|(_, notice)| notice).collect();
    ensure!(
        reloads.len() == done,
        "{} of {done} were told",
        reloads.len()
    );
    for notice in reloads {
        ensure!(notice.pointer("/detail/state") == Some(&"done".into()));
        ensure!(notice.pointer("/detail/restart").is_none(), "{notice}");
    }
    ensure!(report.ledger()?.get("config", "reloads")? == done as u64);
    Ok(report)
}

/// The ids of all events in a file, in their order.
fn ids(file: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let id = |line: &str| -> Result<String> {
        let event: Value = serde_json::from_str(line)?;
        let id = event.get("id").and_then(Value::as_str);
        Ok(id.context("no id")?.to_owned())
    };
    text.lines().map(id).collect()
}

/// One sink stays, one comes and goes, one has its filter changed each time: each tells everything that
/// is its own once, in order.
fn hundred(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let [journal, events, comes, changes] =
        ["journal", "events.jsonl", "comes.jsonl", "changes.jsonl"].map(|name| sandbox.file(name));
    let yaml = |more: &str, sinks: &str, changes_where: &str| {
        format!(
            "capture: {{ mode: {} }}
journal: {{ dir: {}, min_free: 1MiB }}
{more}
sinks:
  stays: {{ file: {{ path: {} }} }}
  changes: {{ file: {{ path: {} }}, where: '{changes_where}' }}
{sinks}
",
            mode.name(),
            journal.display(),
            events.display(),
            changes.display(),
        )
    };
    let first = yaml(
        "redact: { names: [x-one] }\nidentity: { trusted_hops: 1 }",
        "",
        "duration_ns >= 0",
    );
    let second = yaml(
        "detect: { detectors: { auth-01: { threshold: 9 } } }\nidentity: { routes: ['/size/{n}'] }",
        &format!(
            "  comes: {{ file: {{ path: {} }}, batch: {{ delay: 10ms }} }}",
            comes.display()
        ),
        "duration_ns > 0",
    );
    under_load(sandbox, [&first, &second], &events)?;
    let all = ids(&events)?;
    // What comes and goes goes on where it was: it has all from its first moment on.
    let came = ids(&comes)?;
    let first = came.first().context("nothing came")?;
    let since = all.iter().position(|id| id == first).context("unknown")?;
    ensure!(
        came == all[since..],
        "{} events came and {} were to come",
        came.len(),
        all.len() - since
    );
    let timed = |line: &str| line.contains("\"duration_ns\":");
    let text = fs::read_to_string(&events)?;
    let expected = text.lines().filter(|line| timed(line)).count();
    let changed = ids(&changes)?;
    let mut once = changed.clone();
    once.sort();
    once.dedup();
    ensure!(
        changed.len() == expected && once.len() == expected,
        "{} events, {} of them once, and {expected} were to come",
        changed.len(),
        once.len()
    );
    Ok(())
}

/// The same for sinks that are told as events come.
fn without_journal(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let events = sandbox.file("events.jsonl");
    let more = sandbox.file("more.jsonl");
    let yaml = |sinks: &str| {
        format!(
            "capture: {{ mode: {} }}\nsinks:\n  stays: {{ file: {{ path: {} }} }}\n{sinks}\n",
            mode.name(),
            events.display()
        )
    };
    let with = format!("  more: {{ file: {{ path: {} }} }}", more.display());
    under_load(sandbox, [&yaml(""), &yaml(&with)], &events)?;
    let (all, some) = (ids(&events)?, ids(&more)?);
    ensure!(!some.is_empty() && some.len() < all.len());
    let mut rest = all.iter();
    for id in &some {
        ensure!(rest.any(|other| other == id), "{id} is twice, or misplaced");
    }
    Ok(())
}

/// The next message for systemd that has this line.
fn hear(socket: &UnixDatagram, word: &str) -> Result<String> {
    let what = format!("{word} for systemd");
    until(&what, || {
        let mut told = [0; 8192];
        let Ok(len) = socket.recv(&mut told) else {
            return Ok(None);
        };
        let told = String::from_utf8_lossy(&told[..len]).into_owned();
        Ok(told.lines().any(|line| line == word).then_some(told))
    })
}

/// What is said once a reload is over.
fn after(agent: &mut Agent, systemd: &UnixDatagram, file: &Path, yaml: &str) -> Result<String> {
    fs::write(file, yaml)?;
    agent.process().signal(Signal::HUP)?;
    let began = hear(systemd, "RELOADING=1")?;
    ensure!(began.contains("MONOTONIC_USEC="), "{began}");
    hear(systemd, "READY=1")
}

/// Asks nginx with a header field, and gives the value that is reported.
fn asked(agent: &mut Agent, port: u16, id: &str) -> Result<String> {
    use std::io::Write as _;
    let mut stream = connect(port)?;
    let head =
        format!("GET /size/13?id={id} HTTP/1.1\r\nHost: a\r\nX-Team-Word: plainly-{id}\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    read_response(&mut stream)?;
    let target = format!("/size/13?id={id}");
    let found = |reported: &[eaves_tests::event::Exchange]| {
        let one = reported.iter().find(|one| one.target == target)?;
        one.header("request", "x-team-word").map(str::to_owned)
    };
    agent.settle(|reported| found(reported).is_some())?;
    found(agent.reported()?).context("the exchange is missing")
}

/// It is told to people too, though nothing can be read in the file that would say where to ask.
fn status_tells(api: &Path, config: &str) -> Result<()> {
    let place = format!("unix:{}", api.display());
    let output = command(["status", "--listen", &place])?.output()?;
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let room = |line: &str| line.trim_start().starts_with("config ") && line.contains(" degraded ");
    ensure!(
        output.status.success() && shown.lines().any(room),
        "{shown}"
    );
    let output = command(["status", "--config", config])?.output()?;
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.code() == Some(2) && why.contains("redact.nmaes"),
        "{why}"
    );
    Ok(())
}

fn told(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let server = nginx(sandbox, "nginx", &Nginx::default())?;
    let port = server.place().port()?;
    let [journal, api, events] =
        ["journal", "eaves.sock", "events.jsonl"].map(|name| sandbox.file(name));
    let yaml = |more: &str| {
        format!(
            "capture: {{ mode: {} }}
journal: {{ dir: {}, min_free: 1MiB }}
api: {{ listen: 'unix:{}' }}
sinks: {{ out: {{ file: {{ path: {} }} }} }}
{more}
",
            mode.name(),
            journal.display(),
            api.display(),
            events.display(),
        )
    };
    let notify = sandbox.file("notify");
    let systemd = UnixDatagram::bind(&notify)?;
    systemd.set_read_timeout(Some(Duration::from_millis(100)))?;
    let file: PathBuf = sandbox.write("eaves.yaml", yaml(""))?;
    let config = file.to_str().context("path is not UTF-8")?;
    let mut run = command(["run", "--config", config])?;
    run.env("NOTIFY_SOCKET", &notify);
    let mut agent = Agent::hearing(Process::start(sandbox, "agent", run)?, events.clone())?;
    hear(&systemd, "READY=1")?;
    ensure!(asked(&mut agent, port, "before")? == "plainly-before");

    let masks = "redact: { names: [x-team-word] }";
    let wrong = yaml("redact: { names: [x-team-word], nmaes: [] }\nlimits: { memory: plenty }");
    let said = after(&mut agent, &systemd, &file, &wrong)?;
    let status = "STATUS=hearing; config degraded: the one before is in force: ";
    ensure!(said.contains(status) && said.contains("nmaes"), "{said}");
    ensure!(said.contains("(and one more mistake)"), "{said}");
    let metrics = ask(&api, "/metrics")?;
    for line in [
        "eaves_config_reloads_refused_total 1.0",
        "eaves_config_reloads_total 0.0",
        "eaves_config_last_reload_successful 0.0",
        "eaves_room_state{room=\"config\"} 1.0",
    ] {
        ensure!(metrics.lines().any(|one| one == line), "{metrics}");
    }
    ensure!(ask(&api, "/readyz")?.starts_with("HTTP/1.0 200 "));
    status_tells(&api, config)?;
    let log = agent.process().stderr();
    ensure!(log.contains("is refused, the one before stays"), "{log}");
    ensure!(
        log.contains(&format!("{config}:5:33: redact.nmaes")),
        "{log}"
    );
    ensure!(log.contains("limits.memory"), "{log}");
    // The names of the refused file mask nothing: none of it is in force.
    ensure!(asked(&mut agent, port, "refused")? == "plainly-refused");

    // What can be is in force, and what is not is named.
    let mixed = yaml(&format!("{masks}\nlimits: {{ connections: 1000 }}"));
    let said = after(&mut agent, &systemd, &file, &mixed)?;
    let status = "STATUS=hearing; config ok: needs a restart: limits.connections";
    ensure!(said.lines().any(|line| line == status), "{said}");
    let masked = asked(&mut agent, port, "mixed")?;
    ensure!(masked.starts_with("[masked:"), "{masked}");
    let metrics = ask(&api, "/metrics")?;
    for line in [
        "eaves_config_reloads_total 1.0",
        "eaves_config_last_reload_successful 1.0",
        "eaves_room_state{room=\"config\"} 0.0",
    ] {
        ensure!(metrics.lines().any(|one| one == line), "{metrics}");
    }
    let said = after(&mut agent, &systemd, &file, &yaml(masks))?;
    ensure!(said.lines().any(|line| line == "STATUS=hearing"), "{said}");

    let report = agent.stop()?;
    report.balanced()?;
    noticed(&report)
}

/// One was refused, one was in force in part, one as a whole.
fn noticed(report: &eaves_tests::agent::Report) -> Result<()> {
    let reloads = report.notices.iter().filter(|(name, _)| name == "reload");
    let reloads: Vec<_> = reloads
        .map(|(_, notice)| (&notice["severity"], &notice["detail"]))
        .collect();
    let [refused, mixed, good] = reloads.as_slice() else {
        anyhow::bail!("{reloads:?}");
    };
    ensure!(*refused.0 == "medium" && refused.1["state"] == "refused");
    ensure!(
        refused.1["reason"]
            .as_str()
            .is_some_and(|why| why.contains("nmaes"))
    );
    let expected = serde_json::json!({
        "state": "done", "changed": ["redact.names"], "restart": ["limits.connections"],
    });
    ensure!(*mixed.0 == "low" && *mixed.1 == expected, "{mixed:?}");
    ensure!(*good.0 == "info" && *good.1 == serde_json::json!({ "state": "done" }));
    Ok(())
}
