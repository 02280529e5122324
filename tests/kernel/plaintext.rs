//! Every call and odd case, one by one: what `eaves-calls` did against what was reported of it.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use eaves_tests::agent::{Agent, Mode, refused_exits};
use eaves_tests::expect::{Outcome, REFUSED};
use eaves_tests::sandbox::{Sandbox, port};
use eaves_tests::trial::under_both_taps;
use libtest_mimic::Trial;

mod hello;

/// The program that does it.
const CALLS: &str = env!("CARGO_BIN_EXE_eaves-calls");

/// Set to a part of a case's name, only such cases run.
const ONLY: &str = "EAVES_CALLS";

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    let mut all = under_both_taps("plaintext::every_call_is_reported_as_it_was", every_call);
    all.extend(under_both_taps(
        "plaintext::first_bytes_of_a_handshake_are_told",
        hello::told,
    ));
    all
}

/// Runs a case may take on a kernel that passes programs over: what it missed and counted may be
/// any case's, and no case may fail each time.
const ROUNDS: usize = 3;

fn every_call(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let mut cases = cases()?;
    // The other tap hangs on none. To ask takes as long as some cases together.
    let refused = match mode {
        Mode::Socket => &refused_exits()?.join(","),
        Mode::Syscall => "",
    };
    for round in 1..=ROUNDS {
        let name = format!("round-{round}");
        let (faults, missed) = hear(sandbox, &name, (mode, refused), &cases)?;
        if faults.is_empty() {
            return Ok(());
        }
        let mut text = String::new();
        for (name, differences) in &faults {
            let _ = write!(text, "{name}:\n{differences}");
        }
        ensure!(
            missed > 0 && round < ROUNDS,
            "not reported as it was, and {missed} calls missed\n{text}"
        );
        eprintln!("{missed} calls missed, once more:\n{text}");
        cases.retain(|(name, _)| faults.iter().any(|(faulty, _)| faulty == name));
    }
    Ok(())
}

/// Runs these cases; gives those that were not reported as they were, with the differences, and how
/// many calls the kernel is known to have passed over.
fn hear(
    sandbox: &Sandbox,
    round: &str,
    (mode, refused): (Mode, &str),
    cases: &[(String, bool)],
) -> Result<(Vec<(String, String)>, u64)> {
    let excluded = port()?;
    let folder = |name: &str| folder(sandbox, &format!("{round}/{name}"));
    let mut early = Vec::new();
    for (name, _) in cases.iter().filter(|(_, early)| *early) {
        early.push((
            name,
            Early::start(command(&folder(name)?, name, mode, excluded), refused)?,
        ));
    }
    let events = sandbox.file(&format!("{round}.jsonl"));
    let yaml = format!(
        "capture:\n  mode: {}\n  tls: false\n  ring: 64MiB\n  roles: [server, client]\n  exclude:\n    ports: [{excluded}]\n\
         sinks:\n  events:\n    file:\n      path: {}\n",
        mode.name(),
        events.display(),
    );
    let mut agent = Agent::run(sandbox, &yaml, &events)?.of_every_port();
    let mut outcomes = Vec::new();
    for (name, case) in early {
        outcomes.push((name, case.go_on()?));
    }
    for (name, _) in cases.iter().filter(|(_, early)| !*early) {
        outcomes.push((
            name,
            run(command(&folder(name)?, name, mode, excluded), refused)?,
        ));
    }
    let expected = outcomes
        .iter()
        .map(|(_, outcome)| outcome.exchanges.len())
        .sum();
    agent.settle(|reported| reported.len() >= expected)?;
    let report = agent.stop()?;
    let mut faults = Vec::new();
    for (name, outcome) in outcomes {
        if let Some(why) = &outcome.skipped {
            eprintln!("{name}: skipped: {why}");
        }
        let differences = outcome.differences(&report.exchanges);
        if !differences.is_empty() {
            faults.push((name.clone(), differences));
        }
    }
    report.balanced()?;
    Ok((faults, report.ledger()?.get("kernel", "missed")?))
}

/// Names of the cases, and whether they begin before the agent.
fn cases() -> Result<Vec<(String, bool)>> {
    let list = Command::new(CALLS).arg("--list").output()?;
    let only = std::env::var(ONLY).unwrap_or_default();
    let list = String::from_utf8(list.stdout)?;
    let cases = list.lines().map(|line| match line.strip_suffix(" early") {
        Some(name) => (name.to_owned(), true),
        None => (line.to_owned(), false),
    });
    let cases: Vec<_> = cases.filter(|(name, _)| name.contains(&only)).collect();
    ensure!(!cases.is_empty(), "no cases");
    Ok(cases)
}

/// The program for one case, not yet run.
fn command(folder: &Path, name: &str, mode: Mode, excluded: u16) -> Command {
    let mut command = Command::new(CALLS);
    command
        .args([name, mode.name(), &excluded.to_string()])
        .arg(folder);
    command
}

/// A folder of its own for a case's Unix sockets.
fn folder(sandbox: &Sandbox, name: &str) -> Result<std::path::PathBuf> {
    let folder = sandbox.file(name);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Runs one case to its end.
fn run(mut command: Command, refused: &str) -> Result<Outcome> {
    let output = command
        .env(REFUSED, refused)
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        bail!(
            "{command:?} ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A case that has opened its conns and waits.
struct Early {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Early {
    fn start(mut command: Command, refused: &str) -> Result<Self> {
        let mut child = command
            .env(REFUSED, refused)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stdout = BufReader::new(child.stdout.take().context("no pipe")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        ensure!(line == "ready\n", "{command:?} said {line:?}");
        Ok(Self { child, stdout })
    }

    fn go_on(mut self) -> Result<Outcome> {
        self.child
            .stdin
            .take()
            .context("no pipe")?
            .write_all(b"go\n")?;
        let mut said = Vec::new();
        self.stdout.read_to_end(&mut said)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "it ended with {status}");
        Ok(serde_json::from_slice(&said)?)
    }
}
