//! Builds that begin before their step: the compiler spends much of its time on one crate, and one
//! processor, and the tests of servers much of theirs waiting.

use std::process::Command;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context as _, Result};

use super::{Context, Step, Tally, steps, unseen};
use crate::setup::packages;

/// A build that goes on, by the step that it is for.
type Piece = (&'static str, Receiver<Result<Tally>>);

/// The builds, one after the other, and after all others that want the processor.
#[derive(Default)]
pub(super) struct Ahead {
    pieces: Mutex<Vec<Piece>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Ahead {
    /// Begins those that these steps need, but for what the first one does itself.
    ///
    /// # Errors
    /// What they are built with cannot be had.
    pub(super) fn begin(&self, context: &Context<'_>, steps: &[&Step]) -> Result<()> {
        let wanted = |name| steps.iter().skip(1).any(|step| step.name == name);
        let mut builds: Vec<(_, Command, _)> = Vec::new();
        let mut pieces = Vec::new();
        for (name, log, build) in steps::BUILDS {
            if !wanted(*name) {
                continue;
            }
            let (sender, receiver) = mpsc::channel();
            builds.push((*log, build(context, Command::new("nice"))?, sender));
            pieces.push((*name, receiver));
        }
        if wanted("fuzz") {
            packages(steps::FUZZ, "the fuzz targets are built with them")?;
        }
        let logs = context.logs.clone();
        let thread = thread::spawn(move || {
            for (log, mut command, sender) in builds {
                // Whoever asks is told; a run that ended meanwhile does not.
                let _ = sender.send(unseen(&logs, log, &mut command));
            }
        });
        *lock(&self.pieces) = pieces;
        *lock(&self.thread) = Some(thread);
        Ok(())
    }

    /// Waits until all have ended: what floods a server and counts must have the machine for itself.
    pub(super) fn wait(&self) {
        if let Some(thread) = lock(&self.thread).take() {
            // What went wrong is told where its step asks.
            let _ = thread.join();
        }
    }

    /// What became of the build for the step `name`, when it has ended; nothing if it was not begun.
    pub(super) fn take(&self, name: &str) -> Option<Result<Tally>> {
        let mut pieces = lock(&self.pieces);
        let place = pieces.iter().position(|(step, _)| *step == name)?;
        let (_, receiver) = pieces.swap_remove(place);
        drop(pieces);
        let ended = receiver.recv().context("a build ahead has no end");
        Some(ended.and_then(|built| built))
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
