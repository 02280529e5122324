//! Capabilities: once the taps are attached only threads that look at processes, attach, or read what
//! the configuration names have any, and all goes on that needs them.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use eaves_tests::agent::{Agent, Mode};
use eaves_tests::event::Exchange;
use eaves_tests::load::plan;
use eaves_tests::peer::{
    Certificate, Client, Manner, Nginx, Server, Works, linked_program, linked_server, nginx,
};
use eaves_tests::process::text;
use eaves_tests::sandbox::{Sandbox, program};
use eaves_tests::trial::under_both_taps;
use eaves_tests::wait::until_true;
use libtest_mimic::Trial;
use rustix::process::Signal;

use crate::servers::of;
use crate::service::ask;

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    [
        under_both_taps("privileges::threads_have_what_they_need_and_go_on", few),
        under_both_taps("privileges::folders_of_another_user_are_written", foreign),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Bits of capabilities, by their numbers (linux/capability.h).
const DAC_OVERRIDE: u64 = 1 << 1;
const DAC_READ_SEARCH: u64 = 1 << 2;
const SETPCAP: u64 = 1 << 8;
const SYS_PTRACE: u64 = 1 << 19;
const SYS_ADMIN: u64 = 1 << 21;
const SYS_RESOURCE: u64 = 1 << 24;
const PERFMON: u64 = 1 << 38;
const BPF: u64 = 1 << 39;
const CHECKPOINT_RESTORE: u64 = 1 << 40;

const PROCESSES: u64 = SYS_PTRACE | DAC_READ_SEARCH;
const ATTACH: u64 = PROCESSES | SYS_ADMIN | SYS_RESOURCE | PERFMON | BPF | CHECKPOINT_RESTORE;

/// User and group that nothing is theirs of what the agent has.
const NOBODY: u32 = 65534;

/// What the threads keep that keep anything.
const KEPT: [(&str, u64); 4] = [
    ("eaves-tls", ATTACH),
    ("eaves-lookup", PROCESSES),
    ("eaves-quic", PROCESSES),
    ("eaves-reload", DAC_READ_SEARCH),
];

/// Those that write files.
const WRITERS: [&str; 5] = [
    "eaves",
    "eaves-journal",
    "eaves-api",
    "sink-",
    "eaves-reload",
];

/// Some that keep nothing.
const BARE: [&str; 4] = [
    "eaves-capture",
    "eaves-read",
    "eaves-guess",
    "eaves-signals",
];

/// A number in hexadecimal of `/proc/PID/status` (proc(5)).
fn hexadecimal(status: &str, name: &str) -> Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.with_context(|| format!("no {name}"))?;
    Ok(u64::from_str_radix(number.trim(), 16)?)
}

/// Whether this kernel wants `CAP_BPF` of who reads a map by its descriptor: before 5.19, unless that
/// is for everybody.
fn maps_want_it() -> bool {
    let release = text(Path::new("/proc/sys/kernel/osrelease"));
    let mut numbers = release
        .split('.')
        .map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next(), numbers.next());
    let closed = text(Path::new("/proc/sys/kernel/unprivileged_bpf_disabled"));
    version < (Some(5), Some(19)) && closed.trim() != "0"
}

/// What the thread of this name is to have, where `writes` is what those that write have.
fn expected(name: &str, writes: u64) -> u64 {
    let kept = KEPT.iter().find(|(kept, _)| *kept == name);
    let mut set = kept.map_or(0, |(_, set)| *set);
    let is_writer = |writer: &&str| match writer.strip_suffix('-') {
        Some(_) => name.starts_with(*writer),
        None => name == *writer,
    };
    if WRITERS.iter().any(is_writer) {
        set |= writes;
    }
    if name == "eaves-capture" && maps_want_it() {
        set |= BPF;
    }
    set
}

/// Checks every thread of the agent.
fn threads(agent: &mut Agent, writes: u64) -> Result<()> {
    let own = text(Path::new("/proc/self/status"));
    // The agent has what this process has, which in a container is less than all.
    let had = hexadecimal(&own, "CapEff:")?;
    let binds = had & SETPCAP != 0;
    let tasks = format!("/proc/{}/task", agent.process().pid());
    let mut seen = BTreeMap::new();
    for task in fs::read_dir(tasks)? {
        let status = text(&task?.path().join("status"));
        let Some(name) = status.lines().find_map(|line| line.strip_prefix("Name:\t")) else {
            // It has ended.
            continue;
        };
        let expected = expected(name, writes) & had;
        for set in ["CapEff:", "CapPrm:"] {
            let found = hexadecimal(&status, set)?;
            ensure!(
                found == expected,
                "{name}: {set} {found:x}, not {expected:x}"
            );
        }
        for set in ["CapInh:", "CapAmb:"] {
            ensure!(hexadecimal(&status, set)? == 0, "{name}: {set}");
        }
        let bound = hexadecimal(&status, "CapBnd:")?;
        // The main thread was to start one that needs it.
        let odd = if maps_want_it() { BPF } else { 0 };
        ensure!(
            !binds || bound & !odd & !writes == expected & !odd & !writes,
            "{name}: CapBnd: {bound:x}, not {expected:x}"
        );
        ensure!(
            status.contains("NoNewPrivs:\t1\n"),
            "{name}: new privileges"
        );
        seen.insert(name.to_owned(), expected);
    }
    let named = KEPT.iter().map(|(name, _)| *name).chain(BARE);
    for name in named.chain(["eaves", "eaves-journal", "eaves-api", "sink-out"]) {
        ensure!(seen.contains_key(name), "no thread {name}: {seen:?}");
    }
    Ok(())
}

/// The sinks' files, the socket and the configuration with them, all below `dir`.
struct Set {
    events: PathBuf,
    other: PathBuf,
    api: PathBuf,
    mode: Mode,
    dir: PathBuf,
}

impl Set {
    fn below(dir: &Path, mode: Mode) -> Self {
        Self {
            events: dir.join("events.jsonl"),
            other: dir.join("other.jsonl"),
            api: dir.join("eaves.sock"),
            mode,
            dir: dir.to_owned(),
        }
    }

    fn yaml(&self, more: &str) -> String {
        format!(
            "capture: {{ mode: {} }}
journal: {{ dir: {}, min_free: 1MiB }}
api: {{ listen: 'unix:{}' }}
sinks:
  out: {{ file: {{ path: {} }} }}
  other: {{ file: {{ path: {} }} }}
{more}",
            self.mode.name(),
            self.dir.join("journal").display(),
            self.api.display(),
            self.events.display(),
            self.other.display(),
        )
    }

    /// What logrotate does.
    fn rotate(&self, agent: &mut Agent) -> Result<()> {
        fs::rename(&self.other, self.other.with_extension("1"))?;
        agent.process().signal(Signal::USR1)?;
        let path = self.other.clone();
        until_true("the file that is opened anew", || Ok(path.exists()))
    }
}

/// Asks `server` `count` times, and gives what was heard of it.
fn heard(
    sandbox: &Sandbox,
    agent: &mut Agent,
    (server, client): (&Server, Client),
    (name, count): (&str, usize),
) -> Result<Vec<Exchange>> {
    let wants = plan(name, count, server.features());
    let manner = Manner {
        connections: 1,
        keep: true,
    };
    let before = of(agent.reported()?, "server", server.place()).len();
    client.run(sandbox, name, server.place(), &wants, manner)?;
    agent.settle(|reported| of(reported, "server", server.place()).len() >= before + count)?;
    let heard = of(agent.reported()?, "server", server.place());
    ensure!(
        heard.len() == before + count,
        "{name}: {} of {count} were heard",
        heard.len() - before
    );
    Ok(heard)
}

/// A server of another user, whose TLS library is a part of a program that nobody ran before.
fn late(sandbox: &Sandbox) -> Result<Server> {
    let tls = Certificate::new(sandbox)?;
    fs::set_permissions(&tls.key, Permissions::from_mode(0o644))?;
    let late = sandbox.file("late-server");
    fs::copy(linked_program()?, &late)?;
    let log = sandbox.write("late.log", "")?;
    chown(&log, Some(NOBODY), None)?;
    let setpriv = program("setpriv", "util-linux")?;
    let script = format!(
        "#!/bin/sh\nexec {} --reuid {NOBODY} --regid {NOBODY} --clear-groups {} \"$@\"\n",
        setpriv.display(),
        late.display()
    );
    let script = sandbox.write("late.sh", script)?;
    fs::set_permissions(&script, Permissions::from_mode(0o755))?;
    linked_server(sandbox, "late", script, Works::OnSockets, &tls)
}

fn few(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let server = nginx(sandbox, "nginx", &Nginx::default())?;
    let set = Set::below(sandbox.path(), mode);
    let mut agent = Agent::run(sandbox, &set.yaml(""), &set.events)?;
    heard(sandbox, &mut agent, (&server, Client::Python), ("first", 3))?;
    threads(&mut agent, 0)?;

    // What comes now is found, looked into and attached to by what the threads kept.
    let late = late(sandbox)?;
    let program = sandbox.file("late-server");
    until_true("TLS of a library that came late", || {
        Ok(agent.process().stderr().lines().any(|line| {
            line.contains("TLS is heard") && line.contains(&program.display().to_string())
        }))
    })?;
    let exchanges = heard(sandbox, &mut agent, (&late, Client::Curl), ("late", 4))?;
    crate::https::must_be_tls(&exchanges)?;
    for exchange in &exchanges {
        let executable = exchange.value.pointer("/process/executable");
        let executable = executable.and_then(|path| path.as_str()).map(Path::new);
        ensure!(executable == Some(&*program), "{}", exchange.line());
    }

    // A configuration that is another user's, with one sink more.
    let more = sandbox.file("more.jsonl");
    let file = sandbox.file("eaves.yaml");
    let sink = format!("  more: {{ file: {{ path: {} }} }}\n", more.display());
    fs::write(&file, set.yaml(&sink))?;
    chown(&file, Some(NOBODY), Some(NOBODY))?;
    fs::set_permissions(&file, Permissions::from_mode(0o600))?;
    agent.process().signal(Signal::HUP)?;
    until_true("the reload", || {
        let said = agent.process().stderr();
        ensure!(!said.contains("is refused"), "{said}");
        Ok(said.contains("was read again and is in force"))
    })?;
    set.rotate(&mut agent)?;
    heard(sandbox, &mut agent, (&server, Client::Python), ("last", 3))?;
    until_true("events in the files that came later", || {
        Ok(!text(&more).is_empty() && !text(&set.other).is_empty())
    })?;
    ensure!(ask(&set.api, "/readyz")?.starts_with("HTTP/1.0 200 "));
    // The kernel's side is still read, and said to be.
    let metrics = ask(&set.api, "/metrics")?;
    let memory = metrics
        .lines()
        .find_map(|line| line.strip_prefix("eaves_kernel_memory_bytes "));
    ensure!(memory.is_some_and(|bytes| bytes != "0.0"), "{metrics}");
    threads(&mut agent, 0)?;
    agent.stop()?.balanced()
}

/// Started by root for somebody else: what is written goes on being written.
fn foreign(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let server = nginx(sandbox, "nginx", &Nginx::default())?;
    let theirs = sandbox.file("theirs");
    fs::create_dir(&theirs)?;
    chown(&theirs, Some(NOBODY), Some(NOBODY))?;
    let set = Set::below(&theirs, mode);
    let mut agent = Agent::run(sandbox, &set.yaml(""), &set.events)?;
    heard(sandbox, &mut agent, (&server, Client::Python), ("first", 3))?;
    threads(&mut agent, DAC_OVERRIDE)?;
    set.rotate(&mut agent)?;
    heard(sandbox, &mut agent, (&server, Client::Python), ("last", 3))?;
    until_true(
        "events in the new file",
        || Ok(!text(&set.other).is_empty()),
    )?;
    let report = agent.stop()?;
    ensure!(report.ledger()?.get("journal", "write_failures")? == 0);
    report.balanced()
}
