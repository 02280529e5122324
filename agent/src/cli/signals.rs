//! Signals, as requests to the pipeline.

use std::sync::Arc;
use std::thread;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::guard::bare;
use crate::pipeline::Requests;
use crate::telemetry::kept;

/// The thread.
const NAME: &str = "eaves-signals";

/// Listens for signals until it is dropped.
pub(super) struct Signals {
    done: Option<watch::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Signals {
    /// SIGTERM and SIGINT ask for a stop, SIGUSR1 for files to be opened anew; SIGHUP, sent when a
    /// terminal closes, asks for a stop where nothing is given to be done `at_hangup`. A second request
    /// to stop ends the process at once.
    ///
    /// # Errors
    /// Signals cannot be listened to, or no thread can be started.
    pub(super) fn listen(
        requests: &Arc<Requests>,
        at_hangup: Option<impl Fn() + Send + 'static>,
    ) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let guard = runtime.enter();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut reopen = signal(SignalKind::user_defined1())?;
        drop(guard);
        let (done, ended) = watch::channel(());
        let is_ended = ended.clone();
        let over = move || is_ended.has_changed().is_err();
        let requests = Arc::clone(requests);
        let mut listen = async move || {
            let mut ended = ended.clone();
            loop {
                let stop = tokio::select! {
                    _ = ended.changed() => return,
                    _ = terminate.recv() => true,
                    _ = hangup.recv() => match &at_hangup {
                        None => true,
                        Some(act) => {
                            act();
                            continue;
                        }
                    },
                    _ = interrupt.recv() => true,
                    _ = reopen.recv() => false,
                };
                if !stop {
                    requests.reopen();
                } else if requests.stopping() {
                    // Asked twice: the person at the keyboard does not want to wait for the rest.
                    std::process::exit(i32::from(super::Exit::Failed as u8));
                } else {
                    requests.stop();
                }
            }
        };
        let thread = thread::Builder::new()
            .name(NAME.into())
            .spawn(bare(kept(NAME, over, move || runtime.block_on(listen()))))
            .context("cannot start a thread for signals")?;
        Ok(Self {
            done: Some(done),
            thread: Some(thread),
        })
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        drop(self.done.take());
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}
