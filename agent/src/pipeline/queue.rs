//! A bounded channel that counts what it drops: from the capture thread by way of the one that
//! reads contents to the one that seals.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use super::budget::News;
use super::proving::Proving;
use super::{Change, Reading};
use crate::capture::Act;
use crate::exchange::Exchange;
use crate::telemetry::{Counter, Counters};

/// Acts that wait at most, of some hundred bytes each.
const ACTS_MAX: u64 = 16_384;

/// The part of the room that anything may take; the rest is for what matters.
const RESERVE: u64 = 2;

/// What goes through.
#[derive(Debug)]
pub(super) enum Message {
    /// Exchanges of one read, in order, and the bytes they hold.
    Exchanges(Vec<Exchange>, u64),
    /// What servers did before the exchanges behind it ended; it goes as far as contents are read.
    Acts(Vec<Act>),
    /// What the capture side has counted so far.
    Counted(Box<super::Counted>),
    /// Another configuration, for all that comes behind it.
    Change(Box<Change>),
    /// What there is to tell of shedding.
    Shed(Box<News>),
}

/// What is to be done where contents are read.
pub(super) enum Work<'a> {
    /// Read this.
    Read(&'a mut Exchange),
    /// Go on by this configuration.
    Change(&'a Change),
    /// Mark this anew: it was read before the change and goes on behind it.
    Again(&'a mut Exchange),
}

/// The end that exchanges go into. Never waits.
#[derive(Debug)]
pub(super) struct QueueIn {
    to: Sender<Message>,
    held: Arc<AtomicU64>,
    /// Acts that wait.
    acts: Arc<AtomicU64>,
    /// What was counted lies in it: an output that stands still for days must not let that add up.
    counted: Arc<AtomicBool>,
    limit_bytes: u64,
    counters: Counters,
}

/// Between the two: where each exchange is worked on, and may grow by it.
#[derive(Debug)]
pub(super) struct QueueThrough {
    from: Receiver<Message>,
    to: Sender<Message>,
    held: Arc<AtomicU64>,
    acts: Arc<AtomicU64>,
    /// Tokens whose secrets could not be tried.
    refused: Arc<AtomicU64>,
}

/// The end they come out of.
#[derive(Debug)]
pub(super) struct QueueOut {
    from: Receiver<Message>,
    held: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
    counted: Arc<AtomicBool>,
    counters: Counters,
}

/// A queue whose exchanges hold at most `limit_bytes` in all.
#[must_use]
pub(super) fn queue(limit_bytes: u64) -> (QueueIn, QueueThrough, QueueOut) {
    let (to, between) = mpsc::channel();
    let (on, from) = mpsc::channel();
    let held = Arc::new(AtomicU64::new(0));
    let acts = Arc::new(AtomicU64::new(0));
    let refused = Arc::new(AtomicU64::new(0));
    let counted = Arc::new(AtomicBool::new(false));
    (
        QueueIn {
            to,
            held: Arc::clone(&held),
            acts: Arc::clone(&acts),
            counted: Arc::clone(&counted),
            limit_bytes,
            counters: Counters::default(),
        },
        QueueThrough {
            from: between,
            to: on,
            held: Arc::clone(&held),
            acts,
            refused: Arc::clone(&refused),
        },
        QueueOut {
            from,
            held,
            refused,
            counted,
            counters: Counters::default(),
        },
    )
}

impl QueueIn {
    /// Passes on those of `exchanges` that there is room for; the newest are dropped and counted. Half
    /// of the room is for those that `matter`.
    pub(super) fn push(
        &mut self,
        exchanges: &mut Vec<Exchange>,
        matters: impl Fn(&Exchange) -> bool,
    ) {
        if exchanges.is_empty() {
            return;
        }
        let offered = exchanges.len();
        self.counters.add(Counter::QueueOffered, offered as u64);
        let held = self.held.load(Ordering::Relaxed);
        let mut bytes = 0;
        exchanges.retain(|exchange| {
            let more = bytes + exchange.held_bytes() as u64;
            let fits = match held + more {
                all if all <= self.limit_bytes / RESERVE => true,
                all => all <= self.limit_bytes && matters(exchange),
            };
            bytes = if fits { more } else { bytes };
            fits
        });
        let fit = exchanges.len();
        self.counters
            .add(Counter::QueueFull, (offered - fit) as u64);
        if exchanges.is_empty() {
            return;
        }
        self.held.fetch_add(bytes, Ordering::Relaxed);
        let batch = Message::Exchanges(std::mem::take(exchanges), bytes);
        if self.to.send(batch).is_err() {
            self.counters.add(Counter::QueueClosed, fit as u64);
        }
    }

    /// Passes on acts, before the exchanges of the same read. They take no room that exchanges need:
    /// as many as fit a small share of it wait.
    pub(super) fn acts(&mut self, acts: &mut Vec<Act>) {
        if acts.is_empty() {
            return;
        }
        let acts = std::mem::take(acts);
        let count = acts.len() as u64;
        let waiting = self.acts.fetch_add(count, Ordering::Relaxed);
        if waiting + count > ACTS_MAX {
            self.counters.add(Counter::QueueActsFull, count);
            self.acts.fetch_sub(count, Ordering::Relaxed);
            return;
        }
        // Nobody reads on: what is held against them is dropped and counted itself.
        let _gone = self.to.send(Message::Acts(acts));
    }

    /// Passes on another configuration; of no use to anybody once the other end is gone.
    pub(super) fn change(&mut self, change: Box<Change>) {
        let _gone = self.to.send(Message::Change(change));
    }

    /// Tells of shedding; of no use to anybody once the other end is gone.
    pub(super) fn shed(&mut self, news: News) {
        let _gone = self.to.send(Message::Shed(Box::new(news)));
    }

    /// Bytes that wait, and those for which there is room whether they matter or not.
    pub(super) fn fill(&self) -> (u64, u64) {
        (
            self.held.load(Ordering::Relaxed),
            self.limit_bytes / RESERVE,
        )
    }

    /// Whether what was counted before has been taken.
    pub(super) fn wants_counted(&self) -> bool {
        !self.counted.load(Ordering::Relaxed)
    }

    /// Sends what was counted; of no use to anybody once the other end is gone.
    pub(super) fn counted(&mut self, counted: super::Counted) {
        self.counted.store(true, Ordering::Relaxed);
        let _gone = self.to.send(Message::Counted(Box::new(counted)));
    }

    /// What was offered and dropped.
    pub(super) const fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl QueueThrough {
    /// Reads all that goes through, in order, until either end is gone; what `proving` waits for
    /// follows as soon as it is settled.
    pub(super) fn run(self, proving: &mut Proving, mut reading: Reading) {
        let work = |work: Work<'_>, reading: &mut Reading| match work {
            Work::Read(exchange) => reading.read(exchange),
            Work::Change(change) => reading.set(change.redactor()),
            Work::Again(exchange) => reading.mark_again(exchange),
        };
        while self.pass(proving, |one| work(one, &mut reading)) {
            let refused = proving.take_refused();
            if refused > 0 {
                self.refused.fetch_add(refused, Ordering::Relaxed);
                reading.guess_again();
            }
        }
    }

    /// Waits for one message and passes on what is settled; false once either end is gone.
    fn pass(&self, proving: &mut Proving, mut work: impl FnMut(Work<'_>)) -> bool {
        let message = match proving.patience() {
            Some(patience) => self.from.recv_timeout(patience),
            None => self.from.recv().map_err(RecvTimeoutError::from),
        };
        let mut before = proving.held_bytes();
        let mut goes_on = true;
        match message {
            Ok(Message::Exchanges(exchanges, bytes)) => {
                before += bytes;
                for mut exchange in exchanges {
                    work(Work::Read(&mut exchange));
                    proving.take(exchange);
                }
            }
            Ok(Message::Acts(acts)) => {
                self.acts.fetch_sub(acts.len() as u64, Ordering::Relaxed);
                proving.acts(acts);
            }
            Ok(Message::Change(change)) => {
                work(Work::Change(&change));
                proving.waiting().for_each(|one| work(Work::Again(one)));
                goes_on = self.to.send(Message::Change(change)).is_ok();
            }
            Ok(message) => goes_on = self.to.send(message).is_ok(),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                proving.finish();
                goes_on = false;
            }
        }
        proving.look();
        let settled = proving.settled();
        let bytes = held_bytes(&settled);
        self.held
            .fetch_add(bytes + proving.held_bytes(), Ordering::Relaxed);
        self.held.fetch_sub(before, Ordering::Relaxed);
        goes_on & (settled.is_empty() || self.to.send(Message::Exchanges(settled, bytes)).is_ok())
    }
}

fn held_bytes(exchanges: &[Exchange]) -> u64 {
    let held = exchanges
        .iter()
        .map(|exchange| exchange.held_bytes() as u64);
    held.sum()
}

impl QueueOut {
    /// The next message, after at most `wait`.
    ///
    /// # Errors
    /// [`RecvTimeoutError`] if there was none, or if there will be none.
    pub(super) fn next(&mut self, wait: Duration) -> Result<Message, RecvTimeoutError> {
        let refused = self.refused.swap(0, Ordering::Relaxed);
        self.counters.add(Counter::SecretsRefused, refused);
        let message = self.from.recv_timeout(wait)?;
        match &message {
            Message::Exchanges(exchanges, bytes) => {
                self.held.fetch_sub(*bytes, Ordering::Relaxed);
                self.counters
                    .add(Counter::QueueTaken, exchanges.len() as u64);
            }
            Message::Counted(_) => self.counted.store(false, Ordering::Relaxed),
            Message::Acts(_) | Message::Change(_) | Message::Shed(_) => {}
        }
        Ok(message)
    }

    /// What came out.
    pub(super) const fn counters(&self) -> &Counters {
        &self.counters
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use super::{Message, Proving, Work, queue};
    use crate::clock::Ktime;
    use crate::exchange::Exchange;
    use crate::pipeline::Counted;
    use crate::pipeline::recorded::requests;
    use crate::telemetry::Counter;

    #[test]
    fn what_was_counted_does_not_add_up_while_nobody_takes_it() {
        let (mut to, through, mut from) = queue(0);
        let counted = |seconds| Counted {
            last: Ktime(seconds),
            ..Counted::default()
        };
        let mut taken = |count| {
            for _ in 0..count {
                assert!(through.pass(&mut Proving::new(false), |_| ()));
            }
            let mut times = Vec::new();
            while let Ok(Message::Counted(counted)) = from.next(Duration::ZERO) {
                times.push(counted.last.0);
            }
            times
        };
        for seconds in 0..100 {
            if to.wants_counted() {
                to.counted(counted(seconds));
            }
        }
        assert_eq!(taken(1), [0]);
        assert!(to.wants_counted());
        to.counted(counted(100));
        to.counted(counted(101));
        assert_eq!(taken(2), [100, 101], "the last is sent in any case");
        drop(to);
        assert!(!through.pass(&mut Proving::new(false), |_| ()));
    }

    #[test]
    fn what_grows_on_the_way_counts_until_it_is_out() {
        let one = || {
            let line = br#"{"method":"POST","path":"/a","body":"0123456789"}"#;
            requests(line, 0).unwrap().exchange
        };
        let bytes = one().held_bytes() as u64;
        let (mut to, through, mut from) = queue(bytes * 2);
        to.push(&mut vec![one(), one(), one()], |_| true);
        assert_eq!(to.counters().get(Counter::QueueFull), 1, "the newest");
        let held = || to.held.load(Ordering::Relaxed);
        assert_eq!(held(), bytes * 2);
        let grow = |work: Work<'_>| {
            let Work::Read(exchange) = work else {
                panic!("nothing else was sent");
            };
            let request = exchange.request.as_mut().unwrap();
            request.body.content.reserve(1_000);
        };
        assert!(through.pass(&mut Proving::new(false), grow));
        let grown = held();
        assert!(grown > bytes * 2, "{grown}");
        from.next(Duration::ZERO).unwrap();
        assert_eq!(held(), 0);
        assert_eq!(from.counters().get(Counter::QueueTaken), 2);
    }

    #[test]
    fn half_the_room_is_for_what_matters() {
        let one = |path: &str| {
            let line = format!("{{\"method\":\"GET\",\"path\":\"{path}\"}}");
            requests(line.as_bytes(), 0).unwrap().exchange
        };
        let bytes = one("/login").held_bytes() as u64;
        let (mut to, _through, _from) = queue(bytes * 4);
        let target = |exchange: &Exchange| {
            let head = &exchange.request.as_ref().unwrap().head;
            head.get(head.target).to_vec()
        };
        let mut push = |paths: &[&str]| {
            let mut some: Vec<_> = paths.iter().map(|path| one(path)).collect();
            to.push(&mut some, |exchange| target(exchange) == b"/login");
            let full = to.counters().get(Counter::QueueFull);
            (full, to.fill().0 / bytes, to.fill().1 / bytes)
        };
        assert_eq!(push(&["/plain", "/plain", "/plain"]), (1, 2, 2));
        assert_eq!(push(&["/plain", "/login", "/plain"]), (3, 3, 2));
        assert_eq!(push(&["/login", "/login", "/plain"]), (5, 4, 2));
    }
}
