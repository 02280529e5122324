//! A child process that never outlives its test.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::sandbox::Sandbox;
use crate::wait;

/// Bytes of a child's output that a failure shows.
const TAIL_BYTES: usize = 3000;

/// A child and whatever it forks, in a process group of its own.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stderr: PathBuf,
}

impl Process {
    /// Starts `command`; its standard error, and unless set otherwise its output, go to files of
    /// the sandbox named after it.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(sandbox: &Sandbox, name: &str, mut command: Command) -> Result<Self> {
        let stdout = sandbox.file(&format!("{name}.out"));
        command.stdout(File::create(&stdout)?);
        Self::start_with_output(sandbox, name, command)
    }

    /// As [`Process::start`], with the command's own standard output.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start_with_output(sandbox: &Sandbox, name: &str, mut command: Command) -> Result<Self> {
        let stderr = sandbox.file(&format!("{name}.err"));
        let child = command
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stderr(File::create(&stderr)?)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}: {command:?}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            stderr,
        })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The child itself.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// What it wrote to standard error.
    #[must_use]
    pub fn stderr(&self) -> String {
        text(&self.stderr)
    }

    /// Sends a signal to it alone.
    ///
    /// # Errors
    /// It is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.raw_pid()?, signal).with_context(|| format!("signal to {}", self.name))
    }

    /// Sends a signal to it and whatever it forked.
    ///
    /// # Errors
    /// They are gone.
    pub fn signal_group(&self, signal: Signal) -> Result<()> {
        kill_process_group(self.raw_pid()?, signal)
            .with_context(|| format!("signal to group of {}", self.name))
    }

    /// Fails if it has ended.
    ///
    /// # Errors
    /// It ended; with the end of what it said.
    pub fn must_live(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!(
                "{} ended with {status}: {}",
                self.name,
                tail(&self.stderr())
            );
        }
        Ok(())
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// It does not within the deadline.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let what = format!("end of {}", self.name);
        let child = &mut self.child;
        wait::until(&what, || Ok(child.try_wait()?))
            .with_context(|| format!("{} said: {}", self.name, tail(&text(&self.stderr))))
    }

    /// Waits until it ends by itself, which must be with success.
    ///
    /// # Errors
    /// It fails or does not end.
    pub fn finish(&mut self) -> Result<()> {
        let status = self.wait()?;
        if !status.success() {
            bail!(
                "{} ended with {status}: {}",
                self.name,
                tail(&self.stderr())
            );
        }
        Ok(())
    }

    /// Asks it to end and waits until it has.
    ///
    /// # Errors
    /// It does not within the deadline.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        self.signal(Signal::TERM)?;
        self.wait()
    }

    fn raw_pid(&self) -> Result<Pid> {
        let pid = i32::try_from(self.child.id())?;
        Pid::from_raw(pid).context("process id 0")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A master that is asked stops its workers itself; what is left of the group is killed.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.signal(Signal::TERM);
            let asked = std::time::Instant::now();
            while matches!(self.child.try_wait(), Ok(None)) && asked.elapsed().as_millis() < 1500 {
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
        }
        let _ = self.signal_group(Signal::KILL);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file's text; empty if there is none.
#[must_use]
pub fn text(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// The end of a text, for messages.
#[must_use]
pub fn tail(text: &str) -> &str {
    let mut from = text.len().saturating_sub(TAIL_BYTES);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    text.get(from..).unwrap_or_default()
}
