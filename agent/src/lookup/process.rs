//! The thread that looks at processes: asked for one, it answers with its [`Place`].

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::{Duration, Instant};

use super::cgroup::{CgroupPlace, cgroup_place};
use super::cgroups::{self, Cgroups};
use super::place::{Container, Place, Pod, Process, ProcessKey};
use super::proc::ProcFolder;
use super::table::{Bounds, Table};
use super::users::Users;
use crate::telemetry::tried;

/// The thread.
pub(super) const NAME: &str = "eaves-lookup";

/// A process that is asked for twice within this time is looked at once: whoever hears of it first
/// asks, and so does who needs it.
const TWICE: Duration = Duration::from_secs(1);

/// Answers that are kept for that.
const ANSWERS: Bounds = Bounds {
    entries: 256,
    bytes: 256 << 10,
};

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Who is meant.
    pub key: ProcessKey,
    /// It was looked at before, and is to be looked at again.
    pub again: bool,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Who was meant.
    pub key: ProcessKey,
    /// What is known of it.
    pub place: Arc<Place>,
    /// Whether it was still there.
    pub living: bool,
    /// Nothing more comes.
    pub complete: bool,
}

/// Masks what a process or a container says of itself, before anybody else sees it.
pub trait Mask: Send + Sync {
    /// The arguments, each ended by NUL, without their secrets.
    fn command_line(&self, arguments: &[u8]) -> Vec<u8>;

    /// The value of a label, without its secrets.
    fn label(&self, name: &str, value: String) -> String;
}

/// Where it is looked.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The host's /proc.
    pub proc: PathBuf,
    /// Where its cgroup v2 hierarchy may be mounted.
    pub cgroups: Vec<PathBuf>,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            proc: PathBuf::from("/proc"),
            cgroups: cgroups::MOUNTS.iter().map(PathBuf::from).collect(),
        }
    }
}

/// Looks at processes.
struct Looker {
    proc: PathBuf,
    mask: Arc<dyn Mask>,
    cgroups: Cgroups,
    users: Users,
    answered: Table<ProcessKey, (Instant, Answer)>,
}

/// Answers until nobody asks, or nobody listens.
pub(super) fn serve(
    sources: &Sources,
    mask: &Arc<dyn Mask>,
    asks: &Receiver<Ask>,
    mut answer: impl FnMut(Answer) -> Result<(), Closed>,
) {
    let mut looker = Looker::new(sources, Arc::clone(mask));
    while let Ok(ask) = asks.recv() {
        // Who waits for one that it falls over goes on without, after a while.
        let found = tried(NAME, || looker.look(ask, Instant::now()));
        if found.is_some_and(|found| answer(found).is_err()) {
            break;
        }
    }
}

/// Nobody listens any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closed;

impl Closed {
    /// Hands `answer` to who waits for it; a queue that is full is waited for, and so are we.
    pub(super) fn send(to: &SyncSender<Answer>, answer: Answer) -> Result<(), Self> {
        to.send(answer).map_err(|_| Self)
    }
}

impl Looker {
    fn new(sources: &Sources, mask: Arc<dyn Mask>) -> Self {
        let mounts: Vec<&Path> = sources.cgroups.iter().map(PathBuf::as_path).collect();
        Self {
            proc: sources.proc.clone(),
            mask,
            cgroups: Cgroups::new(&mounts),
            users: Users::default(),
            answered: Table::new(ANSWERS),
        }
    }

    fn look(&mut self, ask: Ask, now: Instant) -> Answer {
        let key = ask.key;
        if let Some((when, answer)) = self.answered.get(&key)
            && !ask.again
            && now.duration_since(*when) < TWICE
        {
            return answer.clone();
        }
        let answer = match ProcFolder::open(&self.proc, &key) {
            Some(folder) => {
                let cgroup = folder.cgroup();
                self.cgroups.learn(key.cgroup, &cgroup);
                let mut process = folder.process(&self.proc, &mut self.users);
                if !process.command_line.is_empty() {
                    process.command_line = self.mask.command_line(&process.command_line);
                }
                answer(key, process, cgroup_place(&cgroup), true)
            }
            None => {
                let cgroup = self.cgroups.find(key.cgroup, now);
                answer(key, Process::default(), cgroup, false)
            }
        };
        let bytes = answer.place.bytes();
        self.answered.insert(key, (now, answer.clone()), bytes);
        answer
    }
}

fn answer(key: ProcessKey, mut process: Process, cgroup: CgroupPlace, living: bool) -> Answer {
    process.unit = cgroup.unit;
    let container = cgroup.container.map(|id| {
        Arc::new(Container {
            id,
            ..Container::default()
        })
    });
    let pod = cgroup.pod.map(|uid| {
        Arc::new(Pod {
            uid,
            ..Pod::default()
        })
    });
    Answer {
        key,
        place: Arc::new(Place {
            process,
            container,
            pod,
        }),
        living,
        complete: true,
    }
}
