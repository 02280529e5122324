//! The thread that asks others about containers and pods: runtimes by their sockets, Kubernetes by
//! its API server. What /proc says is told first, this follows.

use std::cell::RefCell;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::LocalSet;

use super::place::{Container, Pod};
use super::pods::{Pods, PodsOptions};
use super::process::{Answer, Closed, Mask};
use super::runtime::{RuntimeError, inspect};
use super::table::{Bounds, Table};
use crate::guard::{May, Need, keeping};
use crate::telemetry::{kept, tried_beside, with_causes};

/// The thread.
const NAME: &str = "eaves-describe";

/// Answers that may wait to be added to; those beyond go without.
const DRAFTS: usize = 256;

/// Questions under way at once.
const AT_ONCE: usize = 16;

/// Containers that are remembered.
const CONTAINERS: Bounds = Bounds {
    entries: 512,
    bytes: 1 << 20,
};

/// How long what a runtime said is believed. Names and labels of a container do not change while it
/// lives, but one that is just being made may not be known yet.
const BELIEVED: Duration = Duration::from_secs(30);

/// How often a pod that is not known yet is looked for again, and how long in between: the API server
/// tells of a new one within a second or so.
const POD_TRIES: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(80),
    Duration::from_millis(400),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// After this time pods are watched again, if that fell.
const PODS_AGAIN: Duration = Duration::from_secs(60);

/// How often a runtime that does not answer is told of.
const TELL_EVERY: Duration = Duration::from_secs(600);

/// Who is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// Sockets of the Docker Engine API, asked in this order.
    pub runtimes: Vec<PathBuf>,
    /// The API server, where it is asked.
    pub pods: Option<PodsOptions>,
}

impl Others {
    /// Whether nobody is.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        self.runtimes.is_empty() && self.pods.is_none()
    }
}

/// Containers by id: when each was asked for, and what is known of it.
type Known = Table<String, (Instant, Option<Arc<Container>>)>;

struct Desk {
    others: Others,
    mask: Arc<dyn Mask>,
    containers: RefCell<Known>,
    pods: Rc<RefCell<Pods>>,
    told: RefCell<Option<Instant>>,
}

/// Starts the thread; what it is given comes out at `to`, added to.
///
/// # Errors
/// It cannot be started.
pub(super) fn start(
    others: &Others,
    mask: &Arc<dyn Mask>,
    to: &SyncSender<Answer>,
) -> io::Result<mpsc::Sender<Answer>> {
    let (drafts, mut from) = mpsc::channel(DRAFTS);
    let may = may(others);
    let (others, mask, to) = (others.clone(), Arc::clone(mask), to.clone());
    let running = kept(NAME, || false, move || run(&others, &mask, &mut from, &to));
    thread::Builder::new()
        .name(NAME.into())
        .spawn(keeping(may, running))?;
    Ok(drafts)
}

/// What asking these takes.
fn may(others: &Others) -> May {
    let mut may = May::from([Need::Write, Need::Local]);
    if let Some(pods) = &others.pods {
        // The client looks the API server's name up by itself.
        may = may.needing(Need::Net).needing(Need::Names);
        let files = super::pods::files(pods);
        may = files.iter().fold(may, May::reading);
    }
    may
}

/// Hands `answer` to who waits for it, and if there is more to be asked to who asks.
pub(super) fn hand_on(
    describer: &mpsc::Sender<Answer>,
    to: &SyncSender<Answer>,
    answer: Answer,
) -> Result<(), Closed> {
    if answer.place.container.is_none() && answer.place.pod.is_none() {
        return Closed::send(to, answer);
    }
    let part = Answer {
        complete: false,
        ..answer.clone()
    };
    Closed::send(to, part)?;
    match describer.try_send(answer) {
        Ok(()) => Ok(()),
        Err(TrySendError::Full(answer) | TrySendError::Closed(answer)) => Closed::send(to, answer),
    }
}

fn run(
    others: &Others,
    mask: &Arc<dyn Mask>,
    drafts: &mut mpsc::Receiver<Answer>,
    to: &SyncSender<Answer>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        // Answers are complete without names then.
        while let Some(answer) = drafts.blocking_recv() {
            if to.send(complete(answer)).is_err() {
                return;
            }
        }
        return;
    };
    let pods = Rc::new(RefCell::new(Pods::default()));
    let watched = others.pods.clone();
    let desk = Rc::new(Desk {
        others: others.clone(),
        mask: Arc::clone(mask),
        containers: RefCell::new(Table::new(CONTAINERS)),
        pods: Rc::clone(&pods),
        told: RefCell::new(None),
    });
    LocalSet::new().block_on(&runtime, async move {
        if let Some(options) = watched {
            tokio::task::spawn_local(watch_pods(options, pods, Arc::clone(mask)));
        }
        let room = Arc::new(Semaphore::new(AT_ONCE));
        while let Some(answer) = drafts.recv().await {
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            let (desk, to) = (Rc::clone(&desk), to.clone());
            tokio::task::spawn_local(async move {
                let plain = answer.clone();
                let described = async move { desk.describe(answer).await };
                let answer = tried_beside(NAME, described).await;
                drop(permit);
                // Who would wait for it is gone when this fails.
                let _ = to.send(answer.unwrap_or_else(|| complete(plain)));
            });
        }
    });
}

/// Watches this node's pods, again when that falls.
async fn watch_pods(options: PodsOptions, pods: Rc<RefCell<Pods>>, mask: Arc<dyn Mask>) {
    let watch = || super::pods::watch(options.clone(), Rc::clone(&pods), Arc::clone(&mask));
    while tried_beside(NAME, watch()).await.is_none() {
        tokio::time::sleep(PODS_AGAIN).await;
    }
}

fn complete(mut answer: Answer) -> Answer {
    answer.complete = true;
    answer
}

impl Desk {
    async fn describe(&self, mut answer: Answer) -> Answer {
        let mut place = Arc::unwrap_or_clone(answer.place);
        if let Some(container) = &place.container
            && let Some(known) = self.container(&container.id).await
        {
            place.container = Some(known);
        }
        if let Some(pod) = &place.pod
            && self.others.pods.is_some()
            && let Some(known) = self.pod(&pod.uid).await
        {
            place.pod = Some(known);
        }
        answer.place = Arc::new(place);
        complete(answer)
    }

    async fn container(&self, id: &str) -> Option<Arc<Container>> {
        let now = Instant::now();
        if let Some((when, known)) = self.containers.borrow_mut().get(&id.to_owned())
            && now.duration_since(*when) < BELIEVED
        {
            return known.clone();
        }
        let mut found = None;
        for socket in &self.others.runtimes {
            match inspect(socket, id, &*self.mask).await {
                Ok(Some(container)) => {
                    found = Some(Arc::new(container));
                    break;
                }
                Ok(None) => {}
                Err(error) => self.tell(&error),
            }
        }
        let bytes = found.as_ref().map_or(64, |found| found.bytes());
        let value = (now, found.clone());
        self.containers
            .borrow_mut()
            .insert(id.to_owned(), value, bytes);
        found
    }

    fn tell(&self, error: &RuntimeError) {
        let now = Instant::now();
        let due = |told: Instant| now.duration_since(told) >= TELL_EVERY;
        let mut told = self.told.borrow_mut();
        if told.is_none_or(due) {
            *told = Some(now);
            let cause = with_causes(error);
            tracing::warn!(cause, "containers go without names");
        }
    }

    async fn pod(&self, uid: &str) -> Option<Arc<Pod>> {
        for wait in POD_TRIES {
            if let Some(pod) = self.pods.borrow().get(uid) {
                return Some(pod);
            }
            tokio::time::sleep(wait).await;
        }
        self.pods.borrow().get(uid)
    }
}
