//! The real binary: started, asked what it has reported so far, stopped; its ledger.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use eaves_common::DropReason;
use serde_json::Value;

use crate::event::{Event, Exchange, is_foreign, parse};
use crate::process::{Process, tail};
use crate::sandbox::{Sandbox, Skip, is_ours};
use crate::wait;

/// How long exchanges that are expected may take to be written; after it the comparison tells
/// what is not there.
const SETTLE: Duration = Duration::from_secs(8);

/// Bytes of output that are read at once.
const READ_BYTES: u64 = 4 << 20;

/// Longest the taps may take: a fraction of a second, but an emulated machine beside other work
/// takes a hundred times as long for the verifier.
const TAPS_DEADLINE: Duration = Duration::from_secs(150);

/// Word on standard error once the taps are attached.
const READY: &str = "hearing";

/// A tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Typed tracepoints at the socket layer, Linux 6.3 and later.
    Socket,
    /// `sys_exit`.
    Syscall,
}

impl Mode {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Socket, Self::Syscall];

    /// As `--mode` names it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Syscall => "syscall",
        }
    }

    /// Those that this kernel has; of the others it prints why not.
    #[must_use]
    pub fn present() -> Vec<Self> {
        let is_here = |mode: &Self| match mode.must_exist() {
            Ok(()) => true,
            Err(why) => {
                println!("skipped: {}: {why:#}", mode.name());
                false
            }
        };
        Self::ALL.into_iter().filter(is_here).collect()
    }

    /// Checks that this kernel has it.
    ///
    /// # Errors
    /// [`Skip`] with what is missing.
    pub fn must_exist(self) -> Result<()> {
        let blob = std::fs::read("/sys/kernel/btf/vmlinux")
            .map_err(|_| Skip("the kernel has no BTF (/sys/kernel/btf/vmlinux)".to_owned()))?;
        let name: &[u8] = match self {
            Self::Socket => b"btf_trace_sock_send_length\0",
            Self::Syscall => b"btf_trace_sys_exit\0",
        };
        if !blob.windows(name.len()).any(|window| window == name) {
            let mode = self.name();
            return Err(Skip(format!("this kernel has no tracepoint for the {mode} tap")).into());
        }
        Ok(())
    }
}

/// The binary: `EAVES_BIN`, else `eaves` in the release or debug folder beside this test.
///
/// # Errors
/// [`Skip`] if there is none.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("EAVES_BIN") {
        let path = PathBuf::from(path);
        if path.is_file() {
            return Ok(std::path::absolute(path)?);
        }
        bail!("EAVES_BIN names no file: {}", path.display());
    }
    let own = std::env::current_exe()?;
    let target = own.ancestors().nth(3).unwrap_or(Path::new("target"));
    ["release/eaves", "debug/eaves"]
        .map(|name| target.join(name))
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| {
            let target = target.display();
            Skip(format!("no eaves under {target}: run cargo xtask build")).into()
        })
}

/// A command of the binary, not yet run.
///
/// # Errors
/// There is no binary.
pub fn command<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<Command> {
    let mut command = Command::new(binary()?);
    command
        .args(arguments)
        .env_remove("RUST_LOG")
        .env("NO_COLOR", "1");
    Ok(command)
}

/// The variable that says how many cores an agent may use, and a number that sheds nothing however
/// slow the machine.
const CORES: (&str, &str) = ("EAVES_LIMITS__CPU", "1000");

fn watch(mode: Mode, more: &[&str]) -> Result<Command> {
    let arguments = ["watch", "--json", "--mode", mode.name()];
    let mut command = command(arguments.into_iter().chain(more.iter().copied()))?;
    command.env(CORES.0, CORES.1);
    Ok(command)
}

/// `eaves run --config FILE` with this configuration.
fn run(sandbox: &Sandbox, yaml: &str) -> Result<Command> {
    let config = sandbox.write("eaves.yaml", yaml)?;
    command([
        "run",
        "--config",
        config.to_str().context("path is not UTF-8")?,
    ])
}

/// Functions of the kernel on whose exits the agent would hang and the kernel does not let it: of
/// all `eaves doctor` tells, what a kernel that can be heard may refuse.
///
/// # Errors
/// There is no binary, or it told nothing.
pub fn refused_exits() -> Result<Vec<String>> {
    let output = command(["doctor", "--json"])?.output()?;
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let checks = report.get("checks").and_then(Value::as_array);
    let checks = checks.context("no checks")?;
    let refused = checks
        .iter()
        .filter(|check| check.get("status").is_none_or(|status| status != "good"));
    let exit = |check: &Value| {
        let name = check.get("name")?.as_str()?.strip_prefix("fexit ")?;
        Some(name.to_owned())
    };
    Ok(refused.filter_map(exit).collect())
}

/// A running agent whose events go to a file of the sandbox.
#[derive(Debug)]
pub struct Agent {
    process: Process,
    output: Output,
}

impl Agent {
    /// `eaves watch --json --mode MODE` with `more` arguments; waits until it hears.
    ///
    /// # Errors
    /// It does not start, or does not hear within the deadline.
    pub fn watch(sandbox: &Sandbox, mode: Mode, more: &[&str]) -> Result<Self> {
        Self::watching(sandbox, watch(mode, more)?)
    }

    /// The same without TLS, for traffic that has none: to let go of the probes in the libraries of
    /// all that runs on this machine takes the kernel two seconds at the end of each test.
    ///
    /// # Errors
    /// As [`Agent::watch`].
    pub fn watch_clear(sandbox: &Sandbox, mode: Mode, more: &[&str]) -> Result<Self> {
        let mut command = watch(mode, more)?;
        command.env("EAVES_CAPTURE__TLS", "false");
        Self::watching(sandbox, command)
    }

    fn watching(sandbox: &Sandbox, command: Command) -> Result<Self> {
        let process = Process::start(sandbox, "agent", command)?;
        Self::hearing(process, sandbox.file("agent.out"))
    }

    /// `eaves run --config FILE` with a configuration whose one file sink writes to `events`. It
    /// may use as many cores as it likes.
    ///
    /// # Errors
    /// As [`Agent::watch`].
    pub fn run(sandbox: &Sandbox, yaml: &str, events: &Path) -> Result<Self> {
        let mut command = run(sandbox, yaml)?;
        command.env(CORES.0, CORES.1);
        let process = Process::start(sandbox, "agent", command)?;
        Self::hearing(process, events.to_owned())
    }

    /// As [`Agent::run`], but on the cores that its configuration grants.
    ///
    /// # Errors
    /// As [`Agent::watch`].
    pub fn run_limited(sandbox: &Sandbox, yaml: &str, events: &Path) -> Result<Self> {
        let process = Process::start(sandbox, "agent", run(sandbox, yaml)?)?;
        Self::hearing(process, events.to_owned())
    }

    /// Waits until a started agent says that its taps are attached.
    ///
    /// # Errors
    /// It ended or did not say so within the deadline.
    pub fn hearing(mut process: Process, events: PathBuf) -> Result<Self> {
        wait::until_within(TAPS_DEADLINE, "the agent's taps", || {
            process.must_live()?;
            Ok(process.stderr().contains(READY).then_some(()))
        })?;
        Ok(Self {
            process,
            output: Output::new(events),
        })
    }

    /// Reads exchanges of servers on any port: of programs that choose their own.
    #[must_use]
    pub const fn of_every_port(mut self) -> Self {
        self.output.every_port = true;
        self
    }

    /// The agent's process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// What has been reported so far.
    ///
    /// # Errors
    /// A line is no event, or the agent is gone.
    pub fn reported(&mut self) -> Result<&[Exchange]> {
        self.process.must_live()?;
        self.output.read()?;
        Ok(&self.output.exchanges)
    }

    /// Waits until `enough` holds of what was reported, or nothing comes any more that could make
    /// it hold: whoever compares then says what is not there.
    ///
    /// # Errors
    /// As [`Agent::reported`].
    pub fn settle(&mut self, mut enough: impl FnMut(&[Exchange]) -> bool) -> Result<()> {
        let began = Instant::now();
        while !enough(self.reported()?) && began.elapsed() < SETTLE {
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Stops it in good order.
    ///
    /// # Errors
    /// It does not stop, fails, or wrote what is no event.
    pub fn stop(mut self) -> Result<Report> {
        let status = self.process.stop()?;
        self.output.read()?;
        if !self.output.rest.is_empty() {
            bail!("the output ends in the middle of a line");
        }
        let report = Report {
            exchanges: self.output.exchanges,
            notices: self.output.notices,
            status,
            stderr: self.process.stderr(),
        };
        if !status.success() {
            bail!("the agent ended with {status}: {}", tail(&report.stderr));
        }
        Ok(report)
    }
}

/// A growing file of events, without those of servers whose ports are not this run's.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    /// Whatever port its server has, an exchange is read.
    every_port: bool,
    position: u64,
    rest: Vec<u8>,
    exchanges: Vec<Exchange>,
    notices: Vec<(String, Value)>,
}

impl Output {
    /// Of this file, which need not be there yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            every_port: false,
            position: 0,
            rest: Vec::new(),
            exchanges: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// The exchanges of a whole file.
    ///
    /// # Errors
    /// It cannot be read, or a line is no event.
    pub fn read_all(path: &Path) -> Result<Vec<Exchange>> {
        let mut output = Self::new(path.to_owned());
        output.read()?;
        Ok(output.exchanges)
    }

    fn read(&mut self) -> Result<()> {
        let Ok(mut file) = File::open(&self.path) else {
            return Ok(());
        };
        file.seek(SeekFrom::Start(self.position))?;
        loop {
            let read = file.by_ref().take(READ_BYTES).read_to_end(&mut self.rest)?;
            if read == 0 {
                return Ok(());
            }
            self.position += read as u64;
            let end = self.rest.iter().rposition(|byte| *byte == b'\n');
            let lines: Vec<u8> = self.rest.drain(..end.map_or(0, |end| end + 1)).collect();
            let lines = String::from_utf8(lines).context("the output is not UTF-8")?;
            let every_port = self.every_port;
            let ours = |line: &&str| every_port || !is_foreign(line, is_ours);
            for line in lines.lines().filter(ours) {
                match parse(line)? {
                    Event::Exchange(exchange) => self.exchanges.push(*exchange),
                    Event::Notice(name, value) => self.notices.push((name, value)),
                    // What the detectors make of the load is not these tests' question.
                    Event::Finding(_) => {}
                }
            }
        }
    }
}

/// What an agent left when it stopped.
#[derive(Debug)]
pub struct Report {
    /// Its exchanges, in the order of its output.
    pub exchanges: Vec<Exchange>,
    /// Its notices, by name.
    pub notices: Vec<(String, Value)>,
    /// How it ended.
    pub status: ExitStatus,
    /// What it said to people.
    pub stderr: String,
}

impl Report {
    /// The last notice of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn notice(&self, name: &str) -> Result<&Value> {
        let of_name = |notice: &&(String, Value)| notice.0 == name;
        let notice = self.notices.iter().rev().find(of_name);
        notice
            .map(|(_, value)| value)
            .with_context(|| format!("no notice {name}"))
    }

    /// What every stage counted, from the stop notice.
    ///
    /// # Errors
    /// There is none.
    pub fn ledger(&self) -> Result<Ledger> {
        let counts = self
            .notice("stop")?
            .pointer("/detail/ledger")
            .and_then(Value::as_array);
        let counts = counts.context("no ledger in the stop notice")?;
        let mut ledger = BTreeMap::new();
        for count in counts {
            let word = |name: &str| count.get(name).and_then(Value::as_str).map(str::to_owned);
            let number = count.get("count").and_then(Value::as_u64);
            let (Some(stage), Some(name), Some(number)) = (word("stage"), word("name"), number)
            else {
                bail!("no count: {count}");
            };
            ledger.insert((stage, name), number);
        }
        Ok(Ledger(ledger))
    }

    /// Checks that every stage's ledger is even: what went in came out or was dropped.
    ///
    /// # Errors
    /// A stage's is not.
    pub fn balanced(&self) -> Result<()> {
        self.ledger()?.balanced()?;
        // The agent knows sums of its own, and says which does not hold.
        if self.stderr.contains("DOES NOT HOLD") {
            bail!("{}", tail(&self.stderr));
        }
        Ok(())
    }
}

/// Counts by stage and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger(BTreeMap<(String, String), u64>);

impl Ledger {
    /// One count.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn get(&self, stage: &str, name: &str) -> Result<u64> {
        let count = self.0.get(&(stage.to_owned(), name.to_owned()));
        count
            .copied()
            .with_context(|| format!("no {stage}.{name} in the ledger"))
    }

    /// Sums of the kernel's and the reader's stage.
    fn balanced(&self) -> Result<()> {
        let kernel = |name: &str| self.get("kernel", name);
        let mut transfers = kernel("transfers_sent")?;
        for reason in DropReason::ALL {
            transfers += kernel(reason.name())?;
        }
        let read = self.get("reader", "records_read")?;
        let sums = [
            ("transfers", kernel("transfers")?, transfers),
            (
                "misses",
                kernel("recursion_misses")?,
                kernel("stood_in")? + kernel("missed")?,
            ),
            (
                "records",
                kernel("records")?,
                kernel("records_sent")? + kernel("records_lost")?,
            ),
            (
                "bytes",
                kernel("bytes")?,
                kernel("bytes_copied")? + kernel("bytes_named")? + kernel("bytes_lost")?,
            ),
            ("records read", kernel("records_sent")?, read),
            (
                "records decoded",
                read,
                self.get("reader", "records_decoded")?
                    + self.get("reader", "records_undecodable")?,
            ),
        ];
        for (name, whole, parts) in sums {
            ensure!(
                whole == parts,
                "{name}: {whole} went in, {parts} came out: {:?}",
                self.0
            );
        }
        Ok(())
    }
}
