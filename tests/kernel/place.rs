//! Which process an exchange is of, and where that runs: in cgroups made as systemd and container
//! runtimes make them.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use eaves_tests::agent::{Agent, Mode};
use eaves_tests::event::Exchange;
use eaves_tests::process::Process;
use eaves_tests::sandbox::{Sandbox, Skip, program};
use eaves_tests::trial::under_both_taps;
use eaves_tests::wire::{join, read_until, serve};
use libtest_mimic::Trial;
use rustix::process::Signal;
use serde_json::Value;

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    [
        under_both_taps("place::a_living_process_is_described", living),
        under_both_taps(
            "place::a_process_that_is_gone_keeps_what_was_recorded",
            gone,
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Folders of the cgroup v2 hierarchy that go with the test.
pub(crate) struct Cgroup {
    /// From the hierarchy's root down.
    folders: Vec<PathBuf>,
}

impl Cgroup {
    /// The cgroup `path`, made with all above it that is not there.
    pub(crate) fn make(path: &str) -> Result<Self> {
        let mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
        let mut mounts = mounts.into_iter();
        let mount = mounts.find(|mount| mount.join("cgroup.controllers").exists());
        let mount = mount.ok_or_else(|| Skip("no cgroup v2 hierarchy is mounted".to_owned()))?;
        let mut made = Self {
            folders: Vec::new(),
        };
        let mut folder = mount.to_owned();
        for name in path.split('/') {
            folder.push(name);
            if !folder.exists() {
                fs::create_dir(&folder).with_context(|| format!("{}", folder.display()))?;
                made.folders.push(folder.clone());
            }
        }
        ensure!(
            made.folders.last() == Some(&folder),
            "{path} is there already"
        );
        Ok(made)
    }

    fn path(&self) -> Result<&Path> {
        self.folders
            .last()
            .map(PathBuf::as_path)
            .context("no folder")
    }

    /// Has the process `pid` and its children go on in it.
    pub(crate) fn take(&self, pid: u32) -> Result<()> {
        let procs = self.path()?.join("cgroup.procs");
        let enter = |pid: &str| {
            fs::write(&procs, pid).with_context(|| format!("{pid} to {}", procs.display()))
        };
        // Children that it has from here on begin in the cgroup; those from before are listed.
        enter(&pid.to_string())?;
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        children.split_whitespace().try_for_each(enter)?;
        Ok(())
    }

    /// A command that enters the cgroup and becomes `program`.
    pub(crate) fn enter(&self, program: &Path) -> Result<Command> {
        let mut command = Command::new("/bin/sh");
        let script = "echo $$ > \"$0/cgroup.procs\" && exec \"$@\"";
        command.args(["-c", script]).arg(self.path()?).arg(program);
        Ok(command)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for folder in self.folders.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// An id that no container has.
pub(crate) fn container_id() -> String {
    format!("{:064x}", u64::from(std::process::id()) << 32 | 0xea4e5)
}

/// A server of `connections` conns with one answer each.
fn answering(connections: usize) -> Result<(u16, std::thread::JoinHandle<Result<()>>)> {
    serve(connections, |mut stream| {
        read_until(&mut stream, b"\r\n\r\n")?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")?;
        Ok(())
    })
}

/// The exchanges of clients with a server on `port`.
fn of_clients(reported: &[Exchange], port: u16) -> Vec<Value> {
    let there =
        |exchange: &&Exchange| exchange.role == "client" && exchange.server_port == Some(port);
    let found = reported.iter().filter(there);
    found
        .map(|exchange| Value::clone(&exchange.value))
        .collect()
}

pub(crate) fn text<'v>(value: &'v Value, path: &str) -> Result<&'v str> {
    let found = value.pointer(path).and_then(Value::as_str);
    found.with_context(|| format!("no {path} in {value}"))
}

fn check(value: &Value, path: &str, expected: &str) -> Result<()> {
    let found = text(value, path)?;
    ensure!(
        found == expected,
        "{path} is {found}, not {expected}: {value}"
    );
    Ok(())
}

/// One that asks, and stays until it is told to go.
fn living(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let python = program("python3", "python3")?;
    let id = container_id();
    let cgroup = Cgroup::make(&format!(
        "eaves-{}.slice/docker-{id}.scope/system.slice/shop.service",
        mode.name()
    ))?;
    let (port, server) = answering(1)?;
    let mut agent = Agent::watch_clear(sandbox, mode, &["--role", "client"])?;
    let script = "import http.client, sys, time\n\
                  conn = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]))\n\
                  conn.request('GET', '/')\n\
                  conn.getresponse().read()\n\
                  time.sleep(600)";
    let script = sandbox.write("client.py", script)?;
    let mut command = cgroup.enter(&python)?;
    command
        .arg(&script)
        .arg(port.to_string())
        .args(["--password=hunter2", "--verbose"]);
    let mut client = Process::start(sandbox, "client", command)?;
    join(server)?;
    agent.settle(|reported| !of_clients(reported, port).is_empty())?;
    client.must_live()?;
    let report = agent.stop()?;
    let pid = client.pid();
    let executable = fs::read_link(format!("/proc/{pid}/exe"))?;
    client.signal_group(Signal::KILL)?;
    client.wait()?;
    let exchanges = of_clients(&report.exchanges, port);
    let [exchange] = exchanges.as_slice() else {
        bail!("{} exchanges", exchanges.len());
    };
    let said = |path: &str, expected: &str| check(exchange, path, expected);
    said("/process/executable", &executable.display().to_string())?;
    // What `python3` is found as may be a script that becomes the real one.
    let behind = format!(
        " {} {port} --password=[masked:argument:hmac:",
        script.display()
    );
    let told = text(exchange, "/process/command_line")?;
    ensure!(
        told.contains(&behind) && told.ends_with("] --verbose") && !told.contains("hunter2"),
        "{told}"
    );
    said("/process/user", "root")?;
    said("/process/unit", "shop.service")?;
    said("/container/id", &id)?;
    let own = fs::read_to_string("/proc/self/comm")?;
    said("/process/parent/name", own.trim_end())?;
    let parent = exchange
        .pointer("/process/parent/pid")
        .and_then(Value::as_u64);
    ensure!(parent == Some(std::process::id().into()), "{exchange}");
    let pid = Some(u64::from(pid));
    ensure!(exchange.pointer("/process/pid").and_then(Value::as_u64) == pid);
    report.balanced()
}

/// One that is gone before the agent has read a single record of it.
fn gone(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let curl = program("curl", "curl")?;
    let id = container_id();
    let cgroup = Cgroup::make(&format!("eaves-{}.slice/libpod-{id}.scope", mode.name()))?;
    let (port, server) = answering(1)?;
    let mut agent = Agent::watch_clear(sandbox, mode, &["--role", "client"])?;
    agent.process().signal(Signal::STOP)?;
    let mut command = cgroup.enter(&curl)?;
    command
        .args(["-s", "-o", "/dev/null"])
        .arg(format!("http://127.0.0.1:{port}/"));
    let mut client = Process::start(sandbox, "client", command)?;
    let pid = client.pid();
    client.finish()?;
    join(server)?;
    agent.process().signal(Signal::CONT)?;
    agent.settle(|reported| !of_clients(reported, port).is_empty())?;
    let report = agent.stop()?;
    let exchanges = of_clients(&report.exchanges, port);
    let [exchange] = exchanges.as_slice() else {
        bail!("{} exchanges", exchanges.len());
    };
    check(exchange, "/process/name", "curl")?;
    let found = exchange.pointer("/process/pid").and_then(Value::as_u64);
    ensure!(found == Some(pid.into()), "{exchange}");
    text(exchange, "/process/start")?;
    for path in [
        "/process/executable",
        "/process/command_line",
        "/process/user",
    ] {
        ensure!(exchange.pointer(path).is_none(), "{path}: {exchange}");
    }
    check(exchange, "/container/id", &id)?;
    report.balanced()
}
