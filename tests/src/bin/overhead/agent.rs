//! Eaves in one of its settings, and what it uses.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use eaves_tests::agent::{Mode, command};
use eaves_tests::process::{Process, tail};
use eaves_tests::sandbox::Sandbox;
use eaves_tests::wait;

use crate::measure::{cpu, memory};

/// How much of Eaves is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Depth {
    /// Records are read and counted.
    Capture,
    /// Exchanges are put together and written as JSON lines to a file.
    Everything,
}

/// What is measured against no Eaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Setting {
    pub(super) mode: Mode,
    pub(super) depth: Depth,
}

impl Setting {
    /// For column heads.
    pub(super) fn name(self) -> String {
        let depth = match self.depth {
            Depth::Capture => "capture",
            Depth::Everything => "all",
        };
        format!("{} {depth}", self.mode.name())
    }
}

/// A running agent.
pub(super) struct Agent {
    process: Process,
    events: PathBuf,
    /// From its start until it says that it hears.
    pub(super) ready_after: Duration,
}

/// What an agent said when it stopped.
pub(super) struct Stopped {
    /// What it wrote to standard error: the ledger.
    pub(super) said: String,
    /// Where its events are.
    pub(super) events: PathBuf,
}

impl Agent {
    /// Starts it and waits until it hears.
    pub(super) fn start(sandbox: &Sandbox, setting: Setting) -> Result<Self> {
        let events = sandbox.file("events.jsonl");
        let mode = setting.mode.name();
        let mut command = match setting.depth {
            Depth::Capture => command(["record", "--raw", "--mode", mode, "/dev/null"])?,
            Depth::Everything => command(["watch", "--json", "--mode", mode])?,
        };
        match setting.depth {
            Depth::Capture => command.stdout(Stdio::null()),
            Depth::Everything => command.stdout(File::create(&events)?),
        };
        let began = Instant::now();
        let mut process = Process::start_with_output(sandbox, "agent", command)?;
        wait::until_true("the agent's taps", || {
            process.must_live()?;
            Ok(process.stderr().contains("hearing"))
        })?;
        Ok(Self {
            process,
            events,
            ready_after: began.elapsed(),
        })
    }

    /// CPU it has used so far, user and system.
    pub(super) fn cpu(&self) -> Result<Duration> {
        cpu(self.process.pid())
    }

    /// Its resident memory now and at most, in bytes.
    pub(super) fn memory(&self) -> Result<(u64, u64)> {
        memory(self.process.pid())
    }

    /// Run time of all its threads, to the nanosecond; of threads that live.
    pub(super) fn fine_cpu(&self) -> Result<Duration> {
        let mut total_ns = 0;
        for thread in fs::read_dir(format!("/proc/{}/task", self.process.pid()))? {
            let stat = fs::read_to_string(thread?.path().join("schedstat"))?;
            let first = stat
                .split_whitespace()
                .next()
                .context("schedstat is empty")?;
            total_ns += first.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(total_ns))
    }

    /// Waits until it has nothing more to do: its CPU time stands still.
    pub(super) fn drain(&self) -> Result<()> {
        let mut before = self.fine_cpu()?;
        wait::until_true("the agent to come to rest", || {
            std::thread::sleep(Duration::from_millis(100));
            let now = self.fine_cpu()?;
            let rested = now.saturating_sub(before) < Duration::from_millis(2);
            before = now;
            Ok(rested)
        })
    }

    /// The first event it has written, if it has.
    pub(super) fn first_event(&self) -> Result<bool> {
        Ok(fs::read_to_string(&self.events)?.contains("\"kind\":\"exchange\""))
    }

    /// Stops it in good order.
    pub(super) fn stop(mut self) -> Result<Stopped> {
        let status = self.process.stop()?;
        let said = self.process.stderr();
        if !status.success() {
            bail!("the agent ended with {status}: {}", tail(&said));
        }
        Ok(Stopped {
            said,
            events: self.events,
        })
    }
}
