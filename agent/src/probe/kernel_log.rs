//! Carries what the kernel programs log into `tracing`, in builds with the feature `kernel-log`.
//!
//! The lines come through a ring of their own. A thread looks there by the clock: to be woken for
//! each line would slow what is heard by more than the line does.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use aya::{Ebpf, EbpfLoader};
use aya_log::{EbpfLogger, LEVEL, Level};
use log::{Log, Metadata, Record};
use tracing::{debug, enabled, error, info, trace, warn};

use crate::guard::{Need, keeping};
use crate::telemetry::watched;

/// The thread.
const NAME: &str = "kernel-log";

/// Where the lines appear in the log.
const TARGET: &str = "eaves::probe::kernel";

/// aya-log's ring.
const RING: &str = "AYA_LOGS";
/// Its size, bytes: some thousand lines. What finds it full is lost.
const RING_BYTES: u32 = 1 << 20;

/// Between two looks.
const TICK: Duration = Duration::from_millis(50);

/// The most detailed level that our own log lets through: what is more the programs leave out.
pub(super) struct Wanted(u8);

impl Wanted {
    /// As the log is set up now.
    pub(super) fn now() -> Self {
        let level = if enabled!(target: TARGET, tracing::Level::TRACE) {
            Level::Trace.into()
        } else if enabled!(target: TARGET, tracing::Level::DEBUG) {
            Level::Debug.into()
        } else if enabled!(target: TARGET, tracing::Level::INFO) {
            Level::Info.into()
        } else if enabled!(target: TARGET, tracing::Level::WARN) {
            Level::Warn.into()
        } else if enabled!(target: TARGET, tracing::Level::ERROR) {
            Level::Error.into()
        } else {
            0
        };
        Self(level)
    }

    /// Tells the programs, before they are loaded.
    pub(super) fn tell<'a>(&'a self, loader: &mut EbpfLoader<'a>) {
        loader
            .override_global(LEVEL, &self.0, false)
            .map_max_entries(RING, RING_BYTES);
    }
}

/// The thread that reads the lines; ends when this is dropped, after what is there by then.
pub(super) struct KernelLog {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<bool>>,
}

impl KernelLog {
    /// Reads the lines of these programs from now on. That an object has none is said, and no more.
    pub(super) fn of(kernel: &mut Ebpf) -> Option<Self> {
        let mut lines = match EbpfLogger::init_with_logger(kernel, Lines) {
            Ok(lines) => lines,
            Err(error) => {
                warn!(%error, "the kernel object was built without feature kernel-log: it logs nothing");
                return None;
            }
        };
        let (stop, stopped) = mpsc::channel();
        let read = move || {
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                lines.flush();
            }
            lines.flush();
        };
        match thread::Builder::new()
            .name(NAME.into())
            .spawn(keeping([Need::Maps], watched(NAME, read)))
        {
            Ok(thread) => Some(Self {
                stop: Some(stop),
                thread: Some(thread),
            }),
            Err(error) => {
                warn!(%error, "no thread for what the kernel programs log");
                None
            }
        }
    }
}

impl Drop for KernelLog {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It panics on lines of another version of aya-log, which is told.
            let _ = thread.join();
        }
    }
}

/// Hands lines on to `tracing`, under one target, each at its own level.
struct Lines;

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = record.args().to_string();
        // Names come padded.
        let line = line.trim_end();
        match record.level() {
            log::Level::Error => error!(target: TARGET, "{line}"),
            log::Level::Warn => warn!(target: TARGET, "{line}"),
            log::Level::Info => info!(target: TARGET, "{line}"),
            log::Level::Debug => debug!(target: TARGET, "{line}"),
            log::Level::Trace => trace!(target: TARGET, "{line}"),
        }
    }

    fn flush(&self) {}
}
