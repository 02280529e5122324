//! What a container's runtime says of it: of one that podman runs, asked by the socket of its API.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use eaves_tests::agent::{Agent, Mode};
use eaves_tests::event::Exchange;
use eaves_tests::process::Process;
use eaves_tests::sandbox::{Sandbox, port, program};
use eaves_tests::trial::under_both_taps;
use eaves_tests::wait;
use eaves_tests::wire::{connect, read_to_end};
use libtest_mimic::Trial;
use serde_json::Value;

use super::place::text;

/// All tests of this module.
pub(crate) fn trials() -> Vec<Trial> {
    under_both_taps("container::what_podman_says", named)
}

/// The image, of which the container has no file: what runs in it lies on this host.
const IMAGE: &str = "localhost/shop:1.4";

/// Folders of an image that others are mounted on.
const FOLDERS: [&str; 8] = ["proc", "sys", "dev", "etc", "usr", "bin", "lib", "lib64"];

/// Where this host's programs and their libraries are.
const PROGRAMS: [&str; 4] = ["/usr", "/bin", "/lib", "/lib64"];

/// podman, with all that it keeps in the sandbox.
struct Podman {
    program: PathBuf,
    options: Vec<String>,
    socket: PathBuf,
    /// Above the cgroup of its container.
    parent: String,
}

impl Podman {
    fn new(sandbox: &Sandbox, mode: Mode) -> Result<Self> {
        let place = |name: &str| sandbox.file(name).display().to_string();
        let mut options = ["vfs", "cgroupfs", "none"].map(str::to_owned).to_vec();
        let names = ["--storage-driver", "--cgroup-manager", "--events-backend"];
        options.extend(["root", "run", "tmp"].map(place));
        let names = names.into_iter().chain(["--root", "--runroot", "--tmpdir"]);
        let pairs = names
            .zip(options)
            .flat_map(|(name, value)| [name.to_owned(), value]);
        Ok(Self {
            program: program("podman", "podman")?,
            options: pairs.collect(),
            socket: sandbox.file("podman.sock"),
            parent: format!("eaves-{}-{}", mode.name(), std::process::id()),
        })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.options).args(arguments);
        command
    }

    /// What it answers.
    fn run(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command(arguments).output()?;
        ensure!(
            output.status.success(),
            "podman {arguments:?}: {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
    }

    /// Makes the image.
    fn import(&self, sandbox: &Sandbox) -> Result<()> {
        let root = sandbox.file("image");
        for folder in FOLDERS {
            fs::create_dir_all(root.join(folder))?;
        }
        let archive = sandbox.file("image.tar");
        let mut tar = Command::new(program("tar", "tar")?);
        let status = tar.arg("-C").arg(&root).arg("-cf").arg(&archive).arg(".");
        ensure!(status.status()?.success(), "tar");
        let label = "LABEL org.opencontainers.image.version=1.4";
        self.run(&[
            "import",
            "--change",
            label,
            &archive.display().to_string(),
            IMAGE,
        ])?;
        Ok(())
    }

    /// A server on `port` in a container; the container's id.
    fn serve(&self, port: u16) -> Result<String> {
        let mounts = PROGRAMS.map(|folder| format!("--volume={folder}:{folder}:ro"));
        let parent = format!("--cgroup-parent=/{}", self.parent);
        let port = port.to_string();
        // The host's network; limits as they are where podman may not raise them.
        let mut arguments = vec![
            "run",
            "--detach",
            "--name=shop-1",
            "--network=host",
            "--ipc=host",
        ];
        arguments.extend([
            "--ulimit=nofile=1024:1024",
            "--ulimit=nproc=4096:4096",
            &parent,
        ]);
        arguments.extend(["--label=team=payments", "--label=api_token=hunter2"]);
        arguments.extend(mounts.iter().map(String::as_str));
        arguments.extend([IMAGE, "/usr/bin/python3", "-m", "http.server"]);
        arguments.extend(["--directory", "/etc", "--bind", "127.0.0.1", &port]);
        let id = self.run(&arguments)?;
        wait::until_true("the server in the container", || {
            Ok(TcpStream::connect(("127.0.0.1", port.parse()?)).is_ok())
        })?;
        Ok(id)
    }

    /// Its API, until it is dropped.
    fn listen(&self, sandbox: &Sandbox) -> Result<Process> {
        let address = format!("unix://{}", self.socket.display());
        let command = self.command(&["system", "service", "--time=0", &address]);
        let mut process = Process::start(sandbox, "podman", command)?;
        wait::until_true("podman's socket", || {
            process.must_live()?;
            Ok(self.socket.exists())
        })?;
        Ok(process)
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let _ = self.run(&["rm", "--force", "--all", "--time=0"]);
        // What watched the container ends behind it.
        for _ in 0..100 {
            if hierarchies()
                .iter()
                .all(|mount| leave(&mount.join(&self.parent)))
            {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Where cgroups of either version are.
fn hierarchies() -> Vec<PathBuf> {
    let mount = Path::new("/sys/fs/cgroup");
    let below = fs::read_dir(mount).into_iter().flatten().flatten();
    below
        .map(|entry| entry.path())
        .chain([mount.to_owned()])
        .collect()
}

/// Takes a cgroup away with those in it; whether it is gone.
fn leave(cgroup: &Path) -> bool {
    for entry in fs::read_dir(cgroup).into_iter().flatten().flatten() {
        let _ = fs::remove_dir(entry.path());
    }
    let _ = fs::remove_dir(cgroup);
    !cgroup.exists()
}

/// Asks the server on `port`.
fn ask(port: u16) -> Result<()> {
    let mut stream = connect(port)?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let answer = read_to_end(&mut stream)?;
    ensure!(
        answer.starts_with(b"HTTP/1.0 200 "),
        "the server in the container did not answer"
    );
    Ok(())
}

/// What the server on `port` answered.
fn answered(reported: &[Exchange], port: u16) -> impl Iterator<Item = &Value> {
    let there = move |exchange: &&Exchange| exchange.server_port == Some(port);
    reported
        .iter()
        .filter(there)
        .map(|exchange| &*exchange.value)
}

/// The container's id at once; its name, its image and its labels, with the secret one masked, as
/// soon as podman has answered, and from then on.
fn named(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let podman = Podman::new(sandbox, mode)?;
    podman.import(sandbox)?;
    let port = port()?;
    let id = podman.serve(port)?;
    let api = podman.listen(sandbox)?;
    let events = sandbox.file("events.jsonl");
    let yaml = format!(
        "capture: {{ mode: {}, tls: false }}
lookup: {{ containers: [{}] }}
sinks: {{ local: {{ file: {{ path: {} }} }} }}
",
        mode.name(),
        podman.socket.display(),
        events.display()
    );
    let mut agent = Agent::run(sandbox, &yaml, &events)?;
    let is_named = |event: &Value| event.pointer("/container/name").is_some();
    let mut asked = 0;
    wait::until_true("the container's name", || {
        ask(port)?;
        asked += 1;
        agent.settle(|reported| answered(reported, port).count() >= asked)?;
        Ok(answered(agent.reported()?, port).any(is_named))
    })?;
    ask(port)?;
    agent.settle(|reported| answered(reported, port).count() > asked)?;
    let report = agent.stop()?;
    drop((api, podman));
    let events: Vec<_> = answered(&report.exchanges, port).collect();
    for event in &events {
        ensure!(text(event, "/container/id")? == id, "{event}");
        ensure!(text(event, "/process/name")? == "python3", "{event}");
    }
    let behind: Vec<_> = events.iter().skip_while(|event| !is_named(event)).collect();
    ensure!(
        behind.len() > 1,
        "{} of {} are named",
        behind.len(),
        events.len()
    );
    for event in behind {
        let said = [
            ("/container/name", "shop-1"),
            ("/container/image", IMAGE),
            ("/container/labels/team", "payments"),
            ("/container/labels/org.opencontainers.image.version", "1.4"),
        ];
        for (path, expected) in said {
            let found = text(event, path)?;
            ensure!(found == expected, "{path} is {found}: {event}");
        }
        let token = text(event, "/container/labels/api_token")?;
        ensure!(token.starts_with("[masked:"), "{token}");
    }
    report.balanced()
}
