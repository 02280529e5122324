//! Signals, as requests to the pipeline.

use std::sync::Arc;
use std::thread;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::guard::bare;
use crate::pipeline::Requests;

/// Listens for signals until it is dropped.
pub(super) struct Signals {
    done: Option<oneshot::Sender<()>>,
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
        let (done, mut ended) = oneshot::channel();
        let requests = Arc::clone(requests);
        let listen = async move {
            loop {
                let stop = tokio::select! {
                    _ = &mut ended => return,
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
            .name("eaves-signals".into())
            .spawn(bare(move || runtime.block_on(listen)))
            .context("cannot start a thread for signals")?;
        Ok(Self {
            done: Some(done),
            thread: Some(thread),
        })
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            // The thread may have ended before.
            let _ended = done.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}
