//! What the kernel programs log, in a build made for it (`--features kernel-log`).

use std::path::PathBuf;

use anyhow::{Result, ensure};
use eaves_tests::agent::{Agent, Mode};
use eaves_tests::peer::{Nginx, nginx};
use eaves_tests::process::Process;
use eaves_tests::sandbox::{Sandbox, Skip};
use eaves_tests::trial::under_both_taps;
use eaves_tests::wait;
use eaves_tests::wire::connect;
use libtest_mimic::Trial;

use crate::lifecycle::get;

/// Names the agent built with the feature.
const AGENT: &str = "EAVES_LOG_BIN";
/// Names the kernel object built with it.
const OBJECT: &str = "EAVES_LOG_OBJECT";

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    under_both_taps("kernel_log::programs_log_into_the_agents_log", into_the_log)
}

fn into_the_log(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let mut server = nginx(sandbox, "nginx", &Nginx::default())?;
    let (port, master) = (server.place().port()?, server.process().pid());
    let object = built(OBJECT)?;
    let mut command = std::process::Command::new(built(AGENT)?);
    command
        .args(["watch", "--json", "--mode", mode.name(), "--ebpf-object"])
        .arg(object)
        .env("EAVES_LOG", "warn,eaves::probe::kernel=trace")
        .env("NO_COLOR", "1");
    let process = Process::start(sandbox, "agent", command)?;
    let mut agent = Agent::hearing(process, sandbox.file("agent.out"))?;
    let mut stream = connect(port)?;
    get(&mut stream, "/size/180?id=logged")?;
    drop(stream);
    agent.settle(|reported| reported.iter().any(|one| one.target.contains("id=logged")))?;
    // Our own end is the client's, which is not heard by default; the server's is. Each is told
    // apart by what else is said of the same socket.
    let socket = wait::until("the line of a conn that is heard", || {
        let said = agent.process().stderr();
        let heard = lines(&said).find_map(|(level, line)| {
            let (socket, process) = line.split_once(" announced, of process ")?;
            (level == "DEBUG" && is_worker(process, master)).then(|| socket.to_owned())
        });
        Ok(heard)
    })?;
    wait::until_true("the lines of its end, and of what is not heard", || {
        let said = agent.process().stderr();
        let has = |level, line: &str| lines(&said).any(|one| one == (level, line));
        let ends = |words: &str| lines(&said).any(|(_, line)| line.ends_with(words));
        Ok(has("DEBUG", &format!("{socket} end told: closed"))
            && ends("not heard: role")
            && lines(&said).any(|(level, line)| level == "TRACE" && line.contains("not sent: ")))
    })?;
    let own = format!("process {}: ", agent.process().pid());
    let said = agent.process().stderr();
    ensure!(
        lines(&said).all(|(_, line)| !line.starts_with(&own)),
        "it logs what the agent itself moves:\n{said}"
    );
    agent.stop()?.balanced()
}

/// What the step that starts these tests has built.
fn built(variable: &str) -> Result<PathBuf> {
    let path = std::env::var_os(variable).ok_or_else(|| {
        Skip(format!(
            "{variable} is not set: run it by cargo xtask test kernel"
        ))
    })?;
    Ok(path.into())
}

/// Level and text of each line that came from the kernel.
fn lines(said: &str) -> impl Iterator<Item = (&str, &str)> {
    said.lines().filter_map(|line| {
        let (head, line) = line.split_once(" eaves::probe::kernel: ")?;
        Some((head.rsplit(' ').next()?, line))
    })
}

/// Whether `process` is a worker of the server `master`.
fn is_worker(process: &str, master: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"));
    let parent = format!("PPid:\t{master}\n");
    status.is_ok_and(|status| status.contains(&parent))
}
