//! Libraries that nobody had before: found as they come into memory, in whichever mount namespace, under
//! whichever name, and let go of when nobody has them any more. What clients with a copy of OpenSSL of their
//! own ask is what the server logged.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use eaves_tests::agent::{Agent, Mode};
use eaves_tests::compare::{Entry, Expect, compare};
use eaves_tests::event::Exchange;
use eaves_tests::peer::{Certificate, Nginx, Place, Server, nginx};
use eaves_tests::process::{Process, text};
use eaves_tests::sandbox::{Sandbox, program};
use eaves_tests::trial::under;
use eaves_tests::wait;
use libtest_mimic::Trial;

use crate::https::{hearing, must_be_tls};
use crate::servers::of;

/// Short processes in the burst.
const BURST: usize = 10_000;
/// By how much more the agent may have in memory after it.
const GROWTH_KIB: u64 = 24 << 10;
/// Bytes of the large library's symbols, and of their names.
const TABLE_BYTES: u64 = 240 << 20;
/// Symbols that it has in truth.
const SYMBOLS: usize = 1 << 20;
/// What looking through it may take.
const LARGE_KIB: u64 = 64 << 10;
/// Clients until the agent must have caught up with what ran before it.
const WARM_MAX: usize = 5;
/// Requests of one client.
const REQUESTS: usize = 20;

/// All tests of this module: which tap hears makes no difference to them.
pub(crate) fn trials() -> Vec<Trial> {
    let socket = Mode::Socket;
    vec![
        under("discovery::a_library_of_its_own", socket, own_library),
        under("discovery::a_library_that_is_loaded_late", socket, late),
        under("discovery::another_mount_namespace", socket, elsewhere),
        under("discovery::a_library_that_was_replaced", socket, replaced),
        under("discovery::half_a_gigabyte_of_symbols", socket, large),
        under("discovery::ten_thousand_short_processes", socket, burst),
    ]
}

/// `client.py PORT NAME COUNT INODE LOAD ASK`: loads OpenSSL, which must be that file, when the file LOAD is
/// there, and asks 0.1 s after ASK is; for `-` it does not wait.
const CLIENT: &str = r#"
import os, sys, time
port, name, count, inode, load, ask = sys.argv[1:]
def wait(path):
    while path != "-" and not os.path.exists(path):
        time.sleep(0.005)
wait(load)
import http.client, ssl
mapped = {line.split()[4] for line in open("/proc/self/maps") if "libssl" in line}
assert mapped == {inode}, mapped
print("loaded", flush=True)
wait(ask)
time.sleep(0.1)
context = ssl._create_unverified_context()
conn = http.client.HTTPSConnection("127.0.0.1", int(port), context=context)
for number in range(int(count)):
    conn.request("GET", "/size/600?id=%s-%d." % (name, number))
    conn.getresponse().read()
"#;

/// What is waited for before OpenSSL is loaded, and before something is asked.
type Files<'a> = [Option<&'a Path>; 2];

/// nginx with the host's library, and a script that asks it.
struct Host {
    server: Server,
    place: Place,
    script: PathBuf,
    /// The host's library.
    library: PathBuf,
}

impl Host {
    fn start(sandbox: &Sandbox) -> Result<Self> {
        let tls = Some(Certificate::new(sandbox)?);
        let options = Nginx {
            tls,
            ..Nginx::default()
        };
        let mut server = nginx(sandbox, "nginx", &options)?;
        let maps = text(format!("/proc/{}/maps", server.process().pid()).as_ref());
        let library = maps.lines().find_map(|line| {
            let path = line.split_whitespace().nth(5)?;
            path.contains("/libssl.so").then_some(path)
        });
        Ok(Self {
            place: server.place().clone(),
            server,
            script: sandbox.write("client.py", CLIENT)?,
            library: library.context("nginx has no libssl")?.into(),
        })
    }

    /// A copy of the library in a folder `name`.
    fn copy(&self, sandbox: &Sandbox, name: &str) -> Result<PathBuf> {
        let file = self.library.file_name().context("no name")?;
        let name = format!("{name}/{}", file.to_string_lossy());
        sandbox.write(&name, fs::read(&self.library)?)
    }

    /// The client with `copy` as its library, waiting for these files.
    fn client(&self, name: &str, copy: &Path, files: Files<'_>) -> Result<Command> {
        let mut command = Command::new(program("python3", "python3")?);
        let folder = copy.parent().context("no folder")?;
        command.env("LD_LIBRARY_PATH", folder);
        self.arguments(&mut command, name, copy, files)?;
        Ok(command)
    }

    fn arguments(
        &self,
        command: &mut Command,
        name: &str,
        copy: &Path,
        files: Files<'_>,
    ) -> Result<()> {
        let inode = fs::metadata(copy)?.ino();
        command.arg(&self.script);
        command.args([self.place.port()?.to_string(), name.to_owned()]);
        command.args([REQUESTS.to_string(), inode.to_string()]);
        command.args(files.map(|file| file.unwrap_or(Path::new("-"))));
        Ok(())
    }

    /// An agent that has looked at all that ran before: what is new is found at once.
    fn hearing(&self, sandbox: &Sandbox, mode: Mode, library: &str) -> Result<Agent> {
        let mut agent = hearing(sandbox, mode, library)?;
        for number in 0..WARM_MAX {
            let name = format!("warm{number}");
            let copy = self.copy(sandbox, &name)?;
            let client = self.client(&name, &copy, [None; 2])?;
            Process::start(sandbox, &name, client)?.finish()?;
            let log = self.logged(&name)?;
            let all = |reported: &[Exchange]| self.heard(reported, &name).len() == log.len();
            agent.settle(all)?;
            if all(agent.reported()?) {
                return Ok(agent);
            }
        }
        bail!("of {WARM_MAX} clients with a library of their own none was heard whole")
    }

    /// What is reported of the client `name`.
    fn heard(&self, reported: &[Exchange], name: &str) -> Vec<Exchange> {
        let id = format!("id={name}-");
        let mut ours = of(reported, "client", &self.place);
        ours.retain(|one| one.target.contains(&id));
        ours
    }

    /// What the client `name` asked, as the server logged it.
    fn logged(&self, name: &str) -> Result<Vec<Entry>> {
        let id = format!("id={name}-");
        wait::until(&format!("requests of {name}"), || {
            let mut log = self.server.log()?;
            log.retain(|entry| entry.target.contains(&id));
            Ok((log.len() >= REQUESTS).then_some(log))
        })
    }

    /// All that the client `name` asked was heard at its end.
    fn must_be_heard(&self, agent: &mut Agent, name: &str) -> Result<()> {
        let log = self.logged(name)?;
        agent.settle(|reported| self.heard(reported, name).len() >= log.len())?;
        let reported = self.heard(agent.reported()?, name);
        compare(&reported, &log, Expect::Whole).with_context(|| name.to_owned())?;
        must_be_tls(&reported)
    }
}

/// Probes that an agent tells of: those that it hung up, without those that it took off.
fn told(said: &str) -> i64 {
    let of = |line: &str| -> Option<i64> {
        let (_, number) = line.rsplit_once("probes=")?;
        let number: i64 = number.split_whitespace().next()?.parse().ok()?;
        let off = line.contains("its probes are off");
        (off || line.contains("TLS is heard")).then_some(if off { -number } else { number })
    };
    said.lines().filter_map(of).sum()
}

/// Programs that a process has hung somewhere.
fn links(pid: u32) -> Result<i64> {
    let links = fs::read_dir(format!("/proc/{pid}/fd"))?.flatten();
    let targets = links.filter_map(|link| fs::read_link(link.path()).ok());
    // A link holds each since Linux 5.15, before that the event itself.
    let names = ["anon_inode:bpf_link", "anon_inode:[perf_event]"].map(Path::new);
    let is_probe = |target: &PathBuf| names.contains(&target.as_path());
    Ok(i64::try_from(targets.filter(is_probe).count())?)
}

/// Has the kernel forget how much a process had in memory at most (proc_pid_clear_refs(5)).
fn forget_most(pid: u32) -> Result<()> {
    Ok(fs::write(format!("/proc/{pid}/clear_refs"), "5")?)
}

/// Kibibytes that a process has in memory, at most since its start or [`forget_most`].
fn most_kib(pid: u32) -> Result<u64> {
    let status = text(format!("/proc/{pid}/status").as_ref());
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.context("no VmHWM")
}

/// A process that starts with a library that nobody has had, and asks 0.1 s later, is heard from its first
/// request on; when it has ended, the probes go.
fn own_library(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let host = Host::start(sandbox)?;
    let mut agent = host.hearing(sandbox, mode, "libssl")?;
    let copy = host.copy(sandbox, "own")?;
    // Links of the tap's own programs, which stay.
    let others = links(agent.process().pid())? - told(&agent.process().stderr());
    for name in ["first", "second"] {
        let client = host.client(name, &copy, [None; 2])?;
        let mut client = Process::start(sandbox, name, client)?;
        client.finish()?;
        host.must_be_heard(&mut agent, name)?;
    }
    let path = copy.display().to_string();
    wait::until_true("probes that are taken off", || {
        let said = agent.process().stderr();
        let is_it = |line: &str| line.contains("its probes are off") && line.contains(&path);
        Ok(said.lines().any(is_it))
    })?;
    // All that it says of its probes is so, whatever else came and went on this machine.
    wait::until_true("as many links as it tells of", || {
        let (pid, said) = (agent.process().pid(), agent.process().stderr());
        Ok(links(pid)? == others + told(&said))
    })?;
    // One that comes back is heard again; not at once: to take a library's probes off takes the kernel about
    // a second, in which nothing new is looked into.
    std::thread::sleep(Duration::from_secs(3));
    let client = host.client("third", &copy, [None; 2])?;
    Process::start(sandbox, "third", client)?.finish()?;
    host.must_be_heard(&mut agent, "third")?;
    agent.stop()?.balanced()
}

/// A process that was there for long loads its library.
fn late(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let host = Host::start(sandbox)?;
    let copy = host.copy(sandbox, "own")?;
    let load = sandbox.file("load");
    let client = host.client("late", &copy, [Some(&load), None])?;
    let mut client = Process::start(sandbox, "client", client)?;
    let mut agent = host.hearing(sandbox, mode, "libssl")?;
    fs::write(&load, "")?;
    client.finish()?;
    host.must_be_heard(&mut agent, "late")?;
    agent.stop()?.balanced()
}

/// A process in a mount namespace of its own, where another file has the host's library's path.
fn elsewhere(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let host = Host::start(sandbox)?;
    let mut agent = host.hearing(sandbox, mode, "libssl")?;
    let copy = host.copy(sandbox, "own")?;
    let mut command = Command::new(program("unshare", "util-linux")?);
    let script = "mount --bind \"$1\" \"$2\" && shift 2 && exec \"$@\"";
    command.args(["-m", "sh", "-c", script, "sh"]);
    command.arg(&copy).arg(fs::canonicalize(&host.library)?);
    command.arg(program("python3", "python3")?);
    host.arguments(&mut command, "elsewhere", &copy, [None; 2])?;
    Process::start(sandbox, "client", command)?.finish()?;
    host.must_be_heard(&mut agent, "elsewhere")?;
    agent.stop()?.balanced()
}

/// A library that is replaced while it is in use, before the agent comes: those who have the old one, which
/// has no name any more, are heard, and those who take the new one.
fn replaced(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let host = Host::start(sandbox)?;
    let old = host.copy(sandbox, "own")?;
    let ask = sandbox.file("ask");
    let client = host.client("old", &old, [None, Some(&ask)])?;
    let mut has_old = Process::start(sandbox, "old", client)?;
    let out = sandbox.file("old.out");
    wait::until_true("a client with its library", || {
        has_old.must_live()?;
        Ok(text(&out).contains("loaded"))
    })?;
    fs::rename(host.copy(sandbox, "new")?, &old)?;
    let mut agent = host.hearing(sandbox, mode, "(deleted)")?;
    let client = host.client("new", &old, [None; 2])?;
    Process::start(sandbox, "new", client)?.finish()?;
    host.must_be_heard(&mut agent, "new")?;
    fs::write(&ask, "")?;
    has_old.finish()?;
    host.must_be_heard(&mut agent, "old")?;
    agent.stop()?.balanced()
}

/// A library with half a gigabyte of symbols is looked through in little memory, and heard.
fn large(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let host = Host::start(sandbox)?;
    let copy = host.copy(sandbox, "large")?;
    with_symbols(&copy)?;
    let mut agent = hearing(sandbox, mode, "libssl")?;
    forget_most(agent.process().pid())?;
    let before = most_kib(agent.process().pid())?;
    let ask = sandbox.file("ask");
    let client = host.client("large", &copy, [None, Some(&ask)])?;
    let mut client = Process::start(sandbox, "client", client)?;
    let path = copy.display().to_string();
    wait::until_true("the large library", || {
        client.must_live()?;
        let said = agent.process().stderr();
        let is_it = |line: &str| line.contains("TLS is heard") && line.contains(&path);
        Ok(said.lines().any(is_it))
    })?;
    let grown = most_kib(agent.process().pid())?.saturating_sub(before);
    println!("{} bytes: {grown} KiB more", fs::metadata(&copy)?.len());
    ensure!(grown <= LARGE_KIB, "{grown} KiB more, of {before}");
    fs::write(&ask, "")?;
    client.finish()?;
    host.must_be_heard(&mut agent, "large")?;
    agent.stop()?.balanced()
}

/// Gives a library a table of symbols and one of their names of [`TABLE_BYTES`] each, most of them holes, behind
/// all that it has.
fn with_symbols(path: &Path) -> Result<()> {
    const NAME: usize = 16;
    const SYMBOL: usize = 24;
    const HEADER: usize = 64;
    let whole = fs::read(path)?;
    let word = |at: usize| -> Result<u64> {
        let bytes = whole.get(at..at + 8).context("no ELF file")?;
        Ok(u64::from_le_bytes(bytes.try_into()?))
    };
    // Where its section headers are, and how many (elf(5)).
    let headers = usize::try_from(word(0x28)?)?;
    let count = usize::try_from(word(0x38)? >> 32 & 0xffff)?;
    let old = whole.get(headers..headers + count * HEADER);
    let strings = (whole.len() as u64).next_multiple_of(4096);
    let (symbols, end) = (strings + TABLE_BYTES, strings + 2 * TABLE_BYTES);
    let section = |kind: u32, offset: u64, link: usize| -> Result<Vec<u8>> {
        let mut header = vec![0; HEADER];
        header.splice(4..8, kind.to_le_bytes());
        header.splice(24..32, offset.to_le_bytes());
        header.splice(32..40, TABLE_BYTES.to_le_bytes());
        header.splice(40..44, u32::try_from(link)?.to_le_bytes());
        Ok(header)
    };
    let more = [section(3, strings, 0)?, section(2, symbols, count)?].concat();
    let names: String = (1..SYMBOLS)
        .map(|n| format!("SSL_made_{n:06x}\0"))
        .collect();
    let mut table = vec![0; SYMBOL];
    for number in 1..SYMBOLS {
        let mut symbol = vec![0; SYMBOL];
        symbol.splice(0..4, u32::try_from((number - 1) * NAME)?.to_le_bytes());
        // A function of the first section, at an address where no code is.
        symbol.splice(4..8, [2, 0, 1, 0]);
        table.extend(symbol);
    }
    let file = File::options().write(true).open(path)?;
    file.write_all_at(names.as_bytes(), strings)?;
    file.write_all_at(&table, symbols)?;
    file.write_all_at(&[old.context("no section headers")?, &more].concat(), end)?;
    file.write_all_at(&end.to_le_bytes(), 0x28)?;
    let count = u16::try_from(count + 2)?;
    file.write_all_at(&count.to_le_bytes(), 0x3c)?;
    Ok(())
}

/// While ten thousand processes come and go, a client's requests are heard one and all, and a library that is
/// new among them is found; the agent's memory does not grow by them.
fn burst(sandbox: &Sandbox, mode: Mode) -> Result<()> {
    let host = Host::start(sandbox)?;
    let mut agent = host.hearing(sandbox, mode, "libssl")?;
    let script = sandbox.write("burst.sh", SHORT)?;
    let (copy, ask) = (host.copy(sandbox, "own")?, sandbox.file("ask"));
    forget_most(agent.process().pid())?;
    let before = most_kib(agent.process().pid())?;
    let mut bursts = Vec::new();
    for number in 0..2 {
        let mut command = Command::new("/bin/sh");
        command.arg(&script).arg((BURST / 2).to_string());
        bursts.push(Process::start(sandbox, &format!("burst{number}"), command)?);
    }
    let mut during = 0;
    while bursts
        .iter_mut()
        .map(|burst| burst.child().try_wait())
        .collect::<Result<Vec<_>, _>>()?
        .iter()
        .any(Option::is_none)
    {
        let name = format!("during{during}");
        let own = host.copy(sandbox, &name)?;
        let client = host.client(&name, &own, [None; 2])?;
        Process::start(sandbox, &name, client)?.finish()?;
        during += 1;
    }
    ensure!(during > 0, "the burst was over at once");
    for burst in &mut bursts {
        burst.finish()?;
    }
    for number in 0..during {
        host.must_be_heard(&mut agent, &format!("during{number}"))?;
    }
    let grown = most_kib(agent.process().pid())?.saturating_sub(before);
    println!("{BURST} processes, {during} with new libraries: {grown} KiB more");
    ensure!(grown <= GROWTH_KIB, "{grown} KiB more, of {before}");
    let log = host.server.log()?;
    agent.settle(|reported| of(reported, "server", &host.place).len() >= log.len())?;
    let reported = of(agent.reported()?, "server", &host.place);
    compare(&reported, &log, Expect::Whole)?;
    // It is no further behind than before.
    std::thread::sleep(Duration::from_millis(100));
    let client = host.client("after", &copy, [None, Some(&ask)])?;
    let mut client = Process::start(sandbox, "after", client)?;
    fs::write(&ask, "")?;
    client.finish()?;
    host.must_be_heard(&mut agent, "after")?;
    agent.stop()?.balanced()
}

/// `burst.sh COUNT`.
const SHORT: &str = "i=0; while [ $i -lt $1 ]; do /bin/true; i=$((i + 1)); done";
