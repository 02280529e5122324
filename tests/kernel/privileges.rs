//! Capabilities: once the taps are attached only threads that look at processes, attach, or read what
//! the configuration names have any, and all goes on that needs them. And walls: what a thread has no use for
//! it can't do, though it is made to try.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use eaves::guard::Wall;
use eaves_tests::agent::{Agent, Mode};
use eaves_tests::event::Exchange;
use eaves_tests::load::plan;
use eaves_tests::peer::{
    Certificate, Client, Collector, Manner, Nginx, Server, Works, linked_program, linked_server,
    nginx,
};
use eaves_tests::process::text;
use eaves_tests::sandbox::{Sandbox, program};
use eaves_tests::trial::under_both_taps;
use eaves_tests::wait::until_true;
use libtest_mimic::Trial;
use rustix::process::Signal;

#[cfg(target_arch = "x86_64")]
use crate::made::{Stopped, TEXT};
use crate::servers::of;
use crate::service::ask;

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    [
        under_both_taps("privileges::threads_have_what_they_need_and_go_on", few),
        under_both_taps("privileges::folders_of_another_user_are_written", foreign),
        under_both_taps(
            "privileges::what_leads_beyond_the_walls_is_not_followed",
            led,
        ),
        #[cfg(target_arch = "x86_64")]
        under_both_taps("privileges::threads_that_are_made_to_try_cannot", made_to),
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

/// Those that open files wherever they lie.
const EVERYWHERE: [&str; 4] = ["eaves-tls", "eaves-lookup", "eaves-quic", "eaves-reload"];

/// Those that speak to others.
const SPEAK: [&str; 3] = ["eaves-names", "eaves-reload", "sink-hook"];

/// Those that write where it is their work.
const WRITE: [&str; 6] = [
    "eaves",
    "eaves-journal",
    "eaves-reload",
    "sink-hook",
    "sink-other",
    "sink-out",
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
const BARE: [&str; 6] = [
    "eaves-capture",
    "eaves-read",
    "eaves-guess",
    "eaves-names",
    "eaves-off",
    "eaves-signals",
];

/// A number in hexadecimal of `/proc/PID/status` (proc(5)).
fn hexadecimal(status: &str, name: &str) -> Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.with_context(|| format!("no {name}"))?;
    Ok(u64::from_str_radix(number.trim(), 16)?)
}

/// A number of `/proc/PID/status`; 0 where that is not told.
fn number(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim().parse().ok())
        .unwrap_or_default()
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
        // That one has none with which it could take the bound of who began it from what a reload begins.
        let begun = if name == "sink-more" {
            DAC_READ_SEARCH
        } else {
            0
        };
        let beside = !(odd | writes | begun);
        ensure!(
            !binds || bound & beside == expected & beside,
            "{name}: CapBnd: {bound:x}, not {expected:x}"
        );
        ensure!(
            status.contains("NoNewPrivs:\t1\n"),
            "{name}: new privileges"
        );
        ensure!(status.contains("Seccomp:\t2\n"), "{name}: all system calls");
        // Since Linux 5.9 it is told how many there are; what begins this process may have one too.
        let filters = |status: &str| Some(number(status, "Seccomp_filters:"));
        let before = own
            .contains("Seccomp_filters:")
            .then(|| filters(&own))
            .flatten();
        if let Some(before) = before {
            // One that a reload begins has that thread's too.
            let more = filters(&status).unwrap_or_default() - before;
            let most = if name == "sink-more" { 2 } else { 1 };
            ensure!(more == most, "{name}: {more} filters");
        }
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

/// An agent whose folders are its own, with a server it hears and a far end it speaks to.
struct Walled {
    server: Server,
    hook: Collector,
    agent: Agent,
    config: PathBuf,
    events: PathBuf,
    api: PathBuf,
    yaml: String,
}

impl Walled {
    /// `link` is a folder for a sink's file, beside those of the agent.
    fn begin(sandbox: &Sandbox, mode: Mode) -> Result<Self> {
        let [state, logs, run, rules, outside] =
            ["state", "logs", "run", "rules", "outside"].map(|name| sandbox.file(name));
        for folder in [&state, &logs, &run, &rules, &outside] {
            fs::create_dir(folder)?;
        }
        fs::write(outside.join("secret"), "nobody's business\n")?;
        symlink(&logs, sandbox.file("link"))?;
        let server = nginx(sandbox, "nginx", &Nginx::default())?;
        let hook = Collector::start(0, Vec::new(), |_| (200, String::new()))?;
        let (api, events) = (run.join("eaves.sock"), logs.join("events.jsonl"));
        let yaml = format!(
            "capture: {{ mode: {} }}
journal: {{ dir: {}, min_free: 1MiB }}
api: {{ listen: 'unix:{}' }}
detect: {{ rules: {} }}
sinks:
  out: {{ file: {{ path: {} }} }}
  hook: {{ webhook: {{ url: 'http://localhost:{}/' }}, batch: {{ delay: 50ms }} }}
",
            mode.name(),
            state.join("journal").display(),
            api.display(),
            rules.display(),
            events.display(),
            hook.port(),
        );
        let other = format!(
            "  other: {{ file: {{ path: {} }} }}\n",
            sandbox.file("link/other.jsonl").display()
        );
        let agent = Agent::run(sandbox, &format!("{yaml}{other}"), &events)?;
        Ok(Self {
            server,
            hook,
            agent,
            config: sandbox.file("eaves.yaml"),
            events,
            api,
            yaml,
        })
    }

    /// All goes on: exchanges are heard, and come to every sink.
    fn goes_on(&mut self, sandbox: &Sandbox, name: &str) -> Result<()> {
        let told = self.hook.taken().len();
        let server = (&self.server, Client::Python);
        heard(sandbox, &mut self.agent, server, (name, 3))?;
        until_true("the far end is told", || Ok(self.hook.taken().len() > told))?;
        ensure!(ask(&self.api, "/readyz")?.starts_with("HTTP/1.0 200 "));
        Ok(())
    }

    fn says(&mut self, word: &str) -> Result<()> {
        until_true(word, || Ok(self.agent.process().stderr().contains(word)))
    }

    fn end(self) -> Result<()> {
        let report = self.agent.stop()?;
        ensure!(report.ledger()?.get("journal", "write_failures")? == 0);
        ensure!(!self.api.exists(), "the socket is left");
        report.balanced()
    }
}

fn has_landlock() -> bool {
    matches!(eaves::guard::walls().files, Wall::Stands(_))
}

/// Somebody who may change what lies where the agent looks leads it elsewhere.
fn led(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let mut walled = Walled::begin(sandbox, mode)?;
    walled.goes_on(sandbox, "first")?;
    let (link, outside) = (sandbox.file("link"), sandbox.file("outside"));
    // The file of a sink: it is opened anew, and lies where the folder now leads.
    fs::remove_file(&link)?;
    symlink(&outside, &link)?;
    walled.agent.process().signal(Signal::USR1)?;
    let landlock = has_landlock();
    if landlock {
        walled.says("Permission denied")?;
    }
    // A rule: it is read as it comes.
    let rule = outside.join("rule.yaml");
    fs::write(&rule, "not: a rule\n")?;
    symlink(&rule, sandbox.file("rules/rule.yaml"))?;
    let unread = match landlock {
        true => "rule.yaml: Permission denied",
        false => "rule.yaml",
    };
    walled.says(unread)?;
    walled.goes_on(sandbox, "led")?;
    ensure!(
        outside.join("other.jsonl").exists() != landlock,
        "it was led there"
    );

    // A configuration that names other folders: what it can't have before a restart is told, the rest is in force.
    let more = format!(
        "{}  other: {{ file: {{ path: {} }} }}\n  more: {{ file: {{ path: {} }} }}\n",
        walled.yaml,
        outside.join("elsewhere.jsonl").display(),
        sandbox.file("logs/more.jsonl").display(),
    );
    fs::write(&walled.config, more)?;
    walled.agent.process().signal(Signal::HUP)?;
    walled.says("was read again and is in force")?;
    if landlock {
        walled.says("is in force; these need a restart: sinks.other")?;
    }
    walled.goes_on(sandbox, "last")?;
    until_true("events in the new file", || {
        Ok(!text(&sandbox.file("logs/more.jsonl")).is_empty())
    })?;
    ensure!(outside.join("elsewhere.jsonl").exists() != landlock);
    threads(&mut walled.agent, 0)?;
    ensure!(walled.events.exists());
    walled.end()
}

/// Each thread is made to open, write, run and speak.
#[cfg(target_arch = "x86_64")]
fn made_to(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let mut walled = Walled::begin(sandbox, mode)?;
    walled.goes_on(sandbox, "first")?;
    let pid = walled.agent.process().pid();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?;
        let name = text(&task.path().join("comm")).trim_end().to_owned();
        let thread = task.file_name().to_string_lossy().parse()?;
        let stopped = Stopped::of(pid, thread).with_context(|| name.clone())?;
        tries(sandbox, &name, &stopped).with_context(|| name.clone())?;
        drop(stopped);
    }
    ensure!(!sandbox.file("outside/new").exists());
    walled.goes_on(sandbox, "last")?;
    walled.end()
}

#[cfg(target_arch = "x86_64")]
fn tries(sandbox: &Sandbox, name: &str, stopped: &Stopped) -> Result<()> {
    let denied = [-i64::from(libc::EACCES), -i64::from(libc::ENOSYS)];
    let unknown = -i64::from(libc::ENOSYS);
    let at = libc::AT_FDCWD as u64;
    let path = |name: &str| sandbox.file(name).display().to_string();
    let open = |file: &str, flags: i32| {
        let opened = stopped.make(
            libc::SYS_openat,
            &path(file),
            [at, TEXT, flags as u64, 0o600],
        )?;
        if opened >= 0 {
            stopped.make(libc::SYS_close, "", [opened as u64, 0, 0, 0])?;
        }
        anyhow::Ok(opened)
    };
    let may = |names: &[&str]| names.contains(&name);
    let check = |what: &str, found: i64, is_well: bool| {
        ensure!(is_well, "{what}: {found}");
        Ok(())
    };
    // Nothing is there: were the call allowed, that would be what is wrong with it.
    for (what, call, arguments) in [
        ("execve", libc::SYS_execve, [TEXT, 0, 0, 0]),
        ("unshare", libc::SYS_unshare, [0, 0, 0, 0]),
        ("mount", libc::SYS_mount, [TEXT, TEXT, TEXT, 0]),
        ("ptrace", libc::SYS_ptrace, [u64::MAX >> 1, 1, 0, 0]),
        ("kill", libc::SYS_kill, [1, 0, 0, 0]),
        ("setns", libc::SYS_setns, [9999, 0, 0, 0]),
        ("keyctl", libc::SYS_keyctl, [0, 0, 0, 0]),
        ("chmod", libc::SYS_chmod, [TEXT, 0, 0, 0]),
        ("io_uring_setup", libc::SYS_io_uring_setup, [0, 0, 0, 0]),
        ("process_vm_readv", libc::SYS_process_vm_readv, [1, 0, 0, 0]),
    ] {
        let made = stopped.make(call, "/no/such/thing", arguments)?;
        check(what, made, made == unknown)?;
    }
    let landlock = has_landlock();
    let read = open("outside/secret", libc::O_RDONLY)?;
    let reads = may(&EVERYWHERE) || !landlock && !denied.contains(&read);
    check(
        "reading outside",
        read,
        (read >= 0) == reads && (reads || denied.contains(&read)),
    )?;
    let written = open("outside/new", libc::O_WRONLY | libc::O_CREAT)?;
    check(
        "writing outside",
        written,
        denied.contains(&written) || !landlock && may(&WRITE),
    )?;
    let own = open(
        &format!("state/journal/{name}"),
        libc::O_WRONLY | libc::O_CREAT,
    )?;
    check("writing where it does", own, (own >= 0) == may(&WRITE))?;
    let [family, kind] = [libc::AF_INET, libc::SOCK_STREAM].map(|word| word as u64);
    let socket = stopped.make(libc::SYS_socket, "", [family, kind, 0, 0])?;
    check(
        "a socket",
        socket,
        (socket >= 0) == may(&SPEAK) && (socket >= 0 || socket == unknown),
    )?;
    if socket >= 0 {
        stopped.make(libc::SYS_close, "", [socket as u64, 0, 0, 0])?;
    }
    let map = stopped.make(libc::SYS_bpf, "", [0, 0, 0, 0])?;
    check("a map", map, map == unknown || name == "eaves-tls")
}
