//! Makes links durable, in order, beside the thread that writes them.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::disk::{Disk, DiskFile};
use super::folder;
use super::state::replace;
use super::writer::Journal;
use crate::clock::Moment;
use crate::guard::{May, Need, keeping};
use crate::telemetry::tried;

/// The thread.
const NAME: &str = "eaves-journal";

/// How far the journal is synced: for sinks, which may pass on nothing else.
#[derive(Clone)]
pub struct Synced(Arc<Progress>);

#[derive(Default)]
struct Progress {
    /// Links before this sequence are durable.
    durable: AtomicU64,
    told: Mutex<()>,
    changed: Condvar,
}

impl std::fmt::Debug for Synced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Synced").field(&self.before()).finish()
    }
}

impl Synced {
    /// A journal that is synced up to, and without, the link `sequence`.
    pub(super) fn up_to(sequence: u64) -> Self {
        let progress = Progress::default();
        progress.durable.store(sequence, Ordering::Release);
        Self(Arc::new(progress))
    }

    /// Links before this sequence are durable.
    #[must_use]
    pub fn before(&self) -> u64 {
        self.0.durable.load(Ordering::Acquire)
    }

    /// Waits at most `wait` until the link `sequence` is durable: how far the journal is synced then.
    #[must_use]
    pub fn wait(&self, sequence: u64, wait: Duration) -> u64 {
        let told = lock(&self.0.told);
        let pending = |(): &mut ()| self.before() <= sequence;
        let waited = self.0.changed.wait_timeout_while(told, wait, pending);
        drop(waited);
        self.before()
    }

    /// Tells those who wait.
    pub(super) fn advance(&self, sequence: u64) {
        let told = lock(&self.0.told);
        self.0.durable.fetch_max(sequence, Ordering::AcqRel);
        drop(told);
        self.0.changed.notify_all();
    }

    /// What was durable is the beginning of another chain.
    pub(super) fn reset(&self, sequence: u64) {
        self.0.durable.store(sequence, Ordering::Release);
    }
}

/// What is to be done, in order.
pub(super) enum Job {
    /// Syncs a file, and with it all links before a sequence.
    Sync {
        /// The file.
        file: Arc<dyn DiskFile>,
        /// Whether its name is new too.
        names: bool,
        /// Links before this sequence are durable then.
        before: u64,
        /// Records in those.
        records: u64,
        /// What is written into the file that remembers the last checkpoint.
        last: Option<Vec<u8>>,
    },
    /// Deletes a segment. All syncs before it have been done: the chain says so durably.
    Remove {
        /// Its number.
        number: u64,
    },
}

/// What came of the jobs since the last time.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// Syncs that succeeded.
    pub(super) syncs: u64,
    /// Why a sync failed. What was to be done after it was not.
    pub(super) failed: Option<io::Error>,
    /// Records of the chain that are durable, if a sync succeeded.
    pub(super) records: u64,
    /// Segments that were deleted.
    pub(super) removed: Vec<u64>,
    /// Why a segment could not be deleted.
    pub(super) kept: Option<io::Error>,
    /// The last checkpoint could not be noted.
    pub(super) forgot: Option<io::Error>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    done: Done,
    /// The thread is at work.
    busy: bool,
    /// A sync failed: nothing is done until the journal has mended it.
    failed: bool,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does jobs, on a thread of its own or at once.
pub(super) struct Syncer {
    worker: Worker,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone)]
struct Worker {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// The file that remembers the last checkpoint.
    last: PathBuf,
    synced: Synced,
}

impl Syncer {
    /// For the journal in `dir`. Without a thread, jobs are done as they are given.
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        last: PathBuf,
        threaded: bool,
    ) -> io::Result<Self> {
        let worker = Worker {
            disk,
            dir,
            last,
            synced: Synced::up_to(0),
        };
        let shared = Arc::new(Shared::default());
        let thread = threaded.then(|| {
            let (worker, shared) = (worker.clone(), Arc::clone(&shared));
            // The other is written beside it and renamed.
            let beside = worker.last.parent().unwrap_or(&worker.dir);
            let may = May::from([Need::Write])
                .writing(&worker.dir)
                .writing(beside);
            thread::Builder::new()
                .name(NAME.into())
                .spawn(keeping(may, move || work(&worker, &shared)))
        });
        Ok(Self {
            worker,
            shared,
            thread: thread.transpose()?,
        })
    }

    /// How far all is synced.
    pub(super) const fn synced(&self) -> &Synced {
        &self.worker.synced
    }

    /// Has a job done.
    pub(super) fn give(&self, job: Job) {
        let mut queue = lock(&self.shared.queue);
        if queue.failed {
            return;
        }
        if self.thread.is_none() {
            let done = self.worker.perform(job);
            note(&mut queue, done);
            return;
        }
        match (queue.jobs.back_mut(), job) {
            // One sync does for two of the same file.
            (
                Some(Job::Sync {
                    file,
                    names,
                    before,
                    records,
                    last,
                }),
                Job::Sync {
                    file: newer,
                    names: new_names,
                    before: more,
                    records: more_records,
                    last: new_last,
                },
            ) if Arc::ptr_eq(file, &newer) => {
                *names |= new_names;
                *before = more;
                *records = more_records;
                *last = new_last.or_else(|| last.take());
            }
            (_, job) => queue.jobs.push_back(job),
        }
        drop(queue);
        self.shared.changed.notify_all();
    }

    /// What was done since the last call.
    pub(super) fn done(&self) -> Done {
        std::mem::take(&mut lock(&self.shared.queue).done)
    }

    /// Goes on after a failed sync was mended.
    pub(super) fn resume(&self) {
        lock(&self.shared.queue).failed = false;
    }

    /// Waits until all is done that was given.
    pub(super) fn drain(&self) {
        let queue = lock(&self.shared.queue);
        let pending = |queue: &mut Queue| queue.busy || !queue.jobs.is_empty();
        let drained = self.shared.changed.wait_while(queue, pending);
        drop(drained);
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        lock(&self.shared.queue).closed = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // It does not panic; if it had, there would be nobody to tell.
            let _ = thread.join();
        }
    }
}

fn work(worker: &Worker, shared: &Shared) {
    let mut queue = lock(&shared.queue);
    loop {
        if let Some(job) = queue.jobs.pop_front() {
            queue.busy = true;
            drop(queue);
            // As a sync that failed, one that it falls over is mended by who writes.
            let done = tried(NAME, || worker.perform(job)).unwrap_or_else(|| Done {
                failed: Some(io::Error::other("the agent fell over it")),
                ..Done::default()
            });
            queue = lock(&shared.queue);
            note(&mut queue, done);
            queue.busy = false;
            shared.changed.notify_all();
        } else if queue.closed {
            return;
        } else {
            queue = shared
                .changed
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Adds what one job came to.
fn note(queue: &mut Queue, done: Done) {
    queue.done.syncs += done.syncs;
    queue.done.records = queue.done.records.max(done.records);
    queue.done.removed.extend(done.removed);
    queue.done.kept = done.kept.or(queue.done.kept.take());
    queue.done.forgot = done.forgot.or(queue.done.forgot.take());
    if done.failed.is_some() {
        queue.failed = true;
        queue.jobs.clear();
        queue.done.failed = done.failed;
    }
}

impl Worker {
    fn perform(&self, job: Job) -> Done {
        let mut done = Done::default();
        match job {
            Job::Sync {
                file,
                names,
                before,
                records,
                last,
            } => {
                let synced = file.sync().and_then(|()| {
                    if names {
                        self.disk.sync_dir(&self.dir)
                    } else {
                        Ok(())
                    }
                });
                match synced {
                    Ok(()) => {
                        done.syncs = 1;
                        done.records = records;
                        self.synced.advance(before);
                        done.forgot =
                            last.and_then(|last| replace(&*self.disk, &self.last, &last).err());
                    }
                    Err(error) => done.failed = Some(error),
                }
            }
            Job::Remove { number } => match self.disk.remove(&folder::path(&self.dir, number)) {
                Err(error) if error.kind() != ErrorKind::NotFound => done.kept = Some(error),
                _ => done.removed.push(number),
            },
        }
        done
    }
}

impl Journal {
    /// Closes the frame and waits, at most `within`, until all is durable: what is counted then adds up.
    pub fn settle(&mut self, within: Duration, now: Moment) {
        self.close_frame(now);
        self.sync(None);
        if let Some(chain) = &self.chain {
            let _ = self
                .syncer
                .synced()
                .wait(chain.sequence().saturating_sub(1), within);
        }
        self.take_done(now);
    }
}
