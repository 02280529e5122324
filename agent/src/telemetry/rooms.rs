//! Threads that fall: one whose state allows it is begun again, of the others it is told.
//!
//! In: the bodies of threads. Out: the same, which a panic does not end in silence; and [`Falls`], which
//! the host side turns into notices and posts. What the panic was stands on standard error already, as
//! [`quiet_panics`](super::quiet_panics) writes it. Those without which nothing is heard or written are
//! not run so: where one of them falls, the agent ends.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often a thread is begun again.
const TIMES: u32 = 5;

/// How long is waited before the first time; each further time twice as long.
const PAUSE: Duration = Duration::from_secs(1);

/// A thread that has run so long is well: its falls before are forgotten.
const WELL: Duration = Duration::from_secs(3600);

/// What fell and was begun again is told once in so long: what makes a thread fall may come in floods.
const TOLD_EVERY: Duration = Duration::from_secs(600);

/// How often is looked, while it pauses, whether a thread is to end.
const LOOK: Duration = Duration::from_millis(50);

/// Names that are kept; there are as many threads, and sinks.
const NAMES_MAX: usize = 256;

/// What became of a thread that fell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It goes on, without what it was at.
    BegunAgain,
    /// It does no more until the agent is restarted.
    Fallen,
}

/// What fell, for who tells of it.
#[derive(Debug, Default)]
pub struct Falls(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    pending: BTreeMap<String, Fate>,
    told: BTreeMap<String, (Fate, Instant)>,
}

/// Those of this process.
pub static FALLS: Falls = Falls(Mutex::new(Inner {
    pending: BTreeMap::new(),
    told: BTreeMap::new(),
}));

impl Falls {
    /// The thread `name` fell at `now`.
    pub fn note(&self, name: &str, fate: Fate, now: Instant) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = |told: Instant| now.saturating_duration_since(told) < TOLD_EVERY;
        let is_told = |(before, told): &(Fate, Instant)| *before >= fate && recent(*told);
        let is_new = !inner.told.contains_key(name);
        if inner.told.get(name).is_some_and(is_told) || is_new && inner.told.len() >= NAMES_MAX {
            return;
        }
        inner.told.insert(name.to_owned(), (fate, now));
        inner.pending.insert(name.to_owned(), fate);
    }

    /// What fell since the last call, each once.
    #[must_use]
    pub fn take(&self) -> Vec<(String, Fate)> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut inner.pending).into_iter().collect()
    }
}

/// How often, and after which pauses, something is begun again.
#[derive(Debug, Default)]
pub struct Tries(u32);

impl Tries {
    /// It fell after it `ran` so long: the pause before it is begun again, unless it is not any more.
    pub fn fell(&mut self, ran: Duration) -> Option<Duration> {
        if ran >= WELL {
            self.0 = 0;
        }
        let pause = (self.0 < TIMES).then(|| PAUSE * 2_u32.pow(self.0));
        self.0 += u32::from(pause.is_some());
        pause
    }
}

/// The body of a thread that is run again when it panics, after a pause, unless it is `over`. What it
/// works on must bear being left at any place.
pub fn kept(
    name: impl Into<Cow<'static, str>>,
    over: impl Fn() -> bool,
    body: impl FnMut(),
) -> impl FnOnce() {
    let name = name.into();
    let wait = move |pause: Duration| {
        let until = Instant::now() + pause;
        while !over() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            thread::sleep(left.min(LOOK));
        }
        false
    };
    move || keep(&FALLS, &name, wait, body)
}

fn keep(falls: &Falls, name: &str, mut wait: impl FnMut(Duration) -> bool, mut body: impl FnMut()) {
    let mut tries = Tries::default();
    loop {
        let began = Instant::now();
        // Who keeps a body so says that what it leaves behind can be worked on.
        if catch_unwind(AssertUnwindSafe(&mut body)).is_ok() {
            return;
        }
        let now = Instant::now();
        let Some(pause) = tries.fell(now.duration_since(began)) else {
            tracing::error!(thread = name, "it fell too often and is not begun again");
            return falls.note(name, Fate::Fallen, now);
        };
        tracing::error!(thread = name, ?pause, "it fell, and is begun again");
        falls.note(name, Fate::BegunAgain, now);
        if !wait(pause) {
            return;
        }
    }
}

/// The body of a thread that can't be begun again: that it fell is told. Whether it did not.
pub fn watched(name: impl Into<Cow<'static, str>>, body: impl FnOnce()) -> impl FnOnce() -> bool {
    let name = name.into();
    move || watch(&FALLS, &name, body)
}

fn watch(falls: &Falls, name: &str, body: impl FnOnce()) -> bool {
    // Nobody works on what it leaves behind.
    let stood = catch_unwind(AssertUnwindSafe(body)).is_ok();
    if !stood {
        tracing::error!(thread = name, "it fell, and is not begun again");
        falls.note(name, Fate::Fallen, Instant::now());
    }
    stood
}

/// Does one piece of a thread's work; `None` if it panics, which is told, and the thread goes on.
pub fn tried<T>(name: &str, work: impl FnOnce() -> T) -> Option<T> {
    // As for `keep`: who asks for this says so.
    let done = catch_unwind(AssertUnwindSafe(work)).ok();
    if done.is_none() {
        stumbled(name);
    }
    done
}

/// Does one piece of work of a thread as a task beside its others, on the runtime that the thread has
/// for itself; otherwise as [`tried`].
pub async fn tried_beside<T: 'static>(
    name: &str,
    work: impl Future<Output = T> + 'static,
) -> Option<T> {
    match tokio::task::spawn_local(work).await {
        Ok(done) => Some(done),
        Err(error) => {
            if error.is_panic() {
                stumbled(name);
            }
            None
        }
    }
}

fn stumbled(name: &str) {
    tracing::error!(thread = name, "it fell over one piece of work, and goes on");
    FALLS.note(name, Fate::BegunAgain, Instant::now());
}

#[cfg(test)]
mod tests {
    use super::{
        Falls, Fate, NAMES_MAX, PAUSE, TIMES, TOLD_EVERY, Tries, WELL, keep, tried, watch,
    };
    use std::time::{Duration, Instant};

    /// Runs a body that panics `panics` times: how often it ran, how long was waited, what is told.
    #[track_caller]
    fn check(panics: usize, runs: usize, pauses: &[u64], told: &[Fate]) {
        let falls = Falls::default();
        let (mut ran, mut waited, mut seen) = (0, Vec::new(), Vec::new());
        let body = || {
            ran += 1;
            assert!(ran > panics, "a test's");
        };
        let wait = |pause: Duration| {
            waited.push(pause.as_secs());
            seen.extend(falls.take());
            true
        };
        keep(&falls, "one", wait, body);
        seen.extend(falls.take());
        assert_eq!((ran, &*waited), (runs, pauses));
        let expected: Vec<_> = told.iter().map(|fate| ("one".to_owned(), *fate)).collect();
        assert_eq!(seen, expected);
        assert_eq!(falls.take(), []);
    }

    #[test]
    fn a_thread_that_falls_goes_on_and_is_told_of_once() {
        check(0, 1, &[], &[]);
        check(1, 2, &[1], &[Fate::BegunAgain]);
        check(2, 3, &[1, 2], &[Fate::BegunAgain]);
    }

    #[test]
    fn one_that_always_falls_is_left_and_both_are_told() {
        let fates = [Fate::BegunAgain, Fate::Fallen];
        check(usize::MAX, 6, &[1, 2, 4, 8, 16], &fates);
    }

    #[test]
    fn one_that_is_to_end_is_not_begun_again() {
        let falls = Falls::default();
        let mut ran = 0;
        let body = || {
            ran += 1;
            panic!("a test's");
        };
        keep(&falls, "one", |_| false, body);
        assert_eq!(ran, 1);
        assert_eq!(falls.take(), [("one".to_owned(), Fate::BegunAgain)]);
    }

    #[test]
    fn pauses_are_bounded_and_a_long_run_makes_up() {
        let mut tries = Tries::default();
        let short = Duration::from_secs(1);
        let pauses: Vec<_> = std::iter::from_fn(|| tries.fell(short)).collect();
        assert_eq!(pauses.len(), TIMES as usize);
        assert!(pauses.iter().sum::<Duration>() < Duration::from_secs(60));
        assert_eq!(tries.fell(short), None);
        assert_eq!(tries.fell(WELL), Some(PAUSE));
    }

    #[test]
    fn one_that_is_watched_ends_and_is_told_of() {
        let falls = Falls::default();
        assert!(watch(&falls, "well", || ()));
        assert!(!watch(&falls, "ill", || panic!("a test's")));
        assert_eq!(falls.take(), [("ill".to_owned(), Fate::Fallen)]);
        assert_eq!(tried("of a test", || 7), Some(7));
    }

    #[test]
    fn floods_are_told_once_and_worse_at_once() {
        let falls = Falls::default();
        let begin = Instant::now();
        let all = |name: &str, fate| vec![(name.to_owned(), fate)];
        for _ in 0..100 {
            falls.note("one", Fate::BegunAgain, begin);
        }
        assert_eq!(falls.take(), all("one", Fate::BegunAgain));
        falls.note("one", Fate::BegunAgain, begin + TOLD_EVERY / 2);
        assert_eq!(falls.take(), []);
        falls.note("one", Fate::Fallen, begin + TOLD_EVERY / 2);
        assert_eq!(falls.take(), all("one", Fate::Fallen));
        falls.note("one", Fate::BegunAgain, begin + TOLD_EVERY * 2);
        assert_eq!(falls.take(), all("one", Fate::BegunAgain));
        for number in 0..NAMES_MAX * 2 {
            falls.note(&number.to_string(), Fate::Fallen, begin);
        }
        assert_eq!(falls.take().len(), NAMES_MAX - 1);
    }
}
