//! The agent as a service: what it tells systemd, whom it answers, who else may run.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use eaves_tests::agent::{Agent, Mode, command};
use eaves_tests::process::{Process, text};
use eaves_tests::sandbox::Sandbox;
use eaves_tests::trial::under_both_taps;
use eaves_tests::wait;
use libtest_mimic::Trial;

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    let trials = [under_both_taps(
        "service::it_tells_systemd_and_whoever_asks_how_it_does",
        told,
    )];
    trials.into_iter().flatten().collect()
}

/// Waits until `word` stands on a line of what systemd is told.
fn hear(socket: &UnixDatagram, word: &str) -> Result<()> {
    let what = format!("{word} for systemd");
    wait::until(&what, || {
        let mut told = [0; 4096];
        let Ok(len) = socket.recv(&mut told) else {
            return Ok(None);
        };
        let told = String::from_utf8_lossy(&told[..len]).into_owned();
        Ok(told.lines().any(|line| line == word).then_some(()))
    })
}

/// What the agent answers.
pub(crate) fn ask(path: &Path, what: &str) -> Result<String> {
    let mut stream = UnixStream::connect(path)?;
    write!(stream, "GET {what} HTTP/1.0\r\n\r\n")?;
    let mut answered = String::new();
    stream.read_to_string(&mut answered)?;
    Ok(answered)
}

/// Size of the ring by default.
const RING_BYTES: f64 = (8 << 20) as f64;

/// One of the `metrics`.
fn figure(metrics: &str, name: &str) -> Result<f64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    let value = line.with_context(|| format!("no {name} in {metrics}"))?;
    Ok(value.trim().parse()?)
}

/// How long the kernel programs ran is told where the kernel counts it.
fn run_time(api: &Path) -> Result<()> {
    let switch = Path::new("/proc/sys/kernel/bpf_stats_enabled");
    let before = text(switch);
    fs::write(switch, "1")?;
    let told = wait::until("the programs' run time", || {
        let metrics = ask(api, "/metrics")?;
        Ok(figure(&metrics, "eaves_kernel_programs_runs_total").ok())
    });
    fs::write(switch, before)?;
    ensure!(told? > 0.0, "no program ran");
    Ok(())
}

fn told(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let (dir, api) = (sandbox.file("journal"), sandbox.file("eaves.sock"));
    let events = sandbox.file("events.jsonl");
    let yaml = format!(
        "capture: {{ mode: {} }}\njournal: {{ dir: {} }}\napi: {{ listen: 'unix:{}' }}\nsinks: {{ out: {{ file: {{ path: {} }} }} }}\n",
        mode.name(),
        dir.display(),
        api.display(),
        events.display(),
    );
    let file = sandbox.write("eaves.yaml", yaml)?;
    let config = file.to_str().context("path is not UTF-8")?;
    let notify = sandbox.file("notify");
    let systemd = UnixDatagram::bind(&notify)?;
    systemd.set_read_timeout(Some(Duration::from_millis(100)))?;
    let mut run = command(["run", "--config", config])?;
    run.env("NOTIFY_SOCKET", &notify)
        .env("WATCHDOG_USEC", "2000000")
        .env_remove("WATCHDOG_PID");
    let mut agent = Agent::hearing(Process::start(sandbox, "agent", run)?, events)?;
    hear(&systemd, "READY=1")?;
    hear(&systemd, "WATCHDOG=1")?;
    // An idle host has beats too.
    hear(&systemd, "WATCHDOG=1")?;

    ensure!(ask(&api, "/readyz")?.starts_with("HTTP/1.0 200 "));
    let metrics = ask(&api, "/metrics")?;
    ensure!(metrics.contains("\neaves_hears 1.0\n"), "{metrics}");
    ensure!(
        metrics.contains("\neaves_sink_lag_events{sink=\"out\"} "),
        "{metrics}"
    );
    for of_the_kernel in ["eaves_ring_size_bytes", "eaves_kernel_memory_bytes"] {
        let bytes = figure(&metrics, of_the_kernel)?;
        ensure!(bytes >= RING_BYTES, "{of_the_kernel} {bytes}");
    }
    let filled = figure(&metrics, "eaves_ring_fill_bytes")?;
    ensure!(filled <= RING_BYTES, "{filled} bytes in the ring");
    let learnt = figure(&metrics, "eaves_detector_state_bytes{part=\"auth\"}")?;
    ensure!(learnt > 0.0, "detectors have nothing");
    run_time(&api)?;
    let output = command(["status", "--config", config])?.output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{said}");
    let pid = agent.process().pid();
    ensure!(said.contains(&format!("process {pid}, ")), "{said}");
    // A kernel that refuses a hook leaves capture degraded.
    ensure!(said.contains("  capture "), "{said}");
    ensure!(said.contains("  journal              ok\n"), "{said}");

    let second = command(["run", "--config", config])?.output()?;
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    ensure!(second.status.code() == Some(4), "{said}");
    ensure!(
        said.contains(&pid.to_string()),
        "who is first is not said: {said}"
    );

    agent.stop()?.balanced()?;
    hear(&systemd, "STOPPING=1")?;
    ensure!(!api.exists(), "the socket is left");
    let output = command(["status", "--config", config])?.output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.code() == Some(4) && said.contains("is it running"),
        "{said}"
    );
    Ok(())
}
