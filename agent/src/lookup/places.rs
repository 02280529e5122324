//! The table of processes, and who waits for it.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::place::{Place, ProcessKey};
use super::process::{Answer, Ask, Closed, Mask, NAME, Sources, serve};
use super::table::{Bounds, Table};
use super::{Options, describe};
use crate::guard::{Need, keeping};
use crate::telemetry::{Counter, Counters, kept};

/// Questions that may wait. One takes about 0.1 ms to answer.
const ASKS: usize = 1024;

/// Answers that may wait; more make who answers wait.
const ANSWERS: usize = 256;

/// What is known of processes. One takes about 1 KiB, 16 KiB at most: 4 MiB in all.
const PLACES: Bounds = Bounds {
    entries: 4096,
    bytes: 2 << 20,
};

/// After this time what is known of a living process is looked up anew: labels change, and a program
/// may begin another under its own name.
const AGAIN: Duration = Duration::from_secs(60);

/// Processes that the side that hears remembers to have asked for.
const ASKED: Bounds = Bounds {
    entries: 1024,
    bytes: usize::MAX,
};

/// Of the time that passes, the part that may be spent on waiting: a fifth. So look-ups that stand
/// still do not hold up everything.
const WAITING_ONE_IN: u32 = 4;

/// Asks for processes as soon as their conns are heard of: many are gone when their first exchange
/// is over.
#[derive(Debug)]
pub struct Asking {
    to: SyncSender<Ask>,
    asked: Table<ProcessKey, ()>,
    counters: Counters,
}

impl Asking {
    /// Has `key` looked up, unless that was asked for lately. Never waits.
    pub fn ask(&mut self, key: ProcessKey) {
        if self.asked.get(&key).is_some() {
            return;
        }
        self.asked.insert(key, (), 0);
        ask(&self.to, Ask { key, again: false }, &mut self.counters);
    }

    /// What it counted.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }
}

/// Whether there was room for the question.
fn ask(to: &SyncSender<Ask>, ask: Ask, counters: &mut Counters) -> bool {
    match to.try_send(ask) {
        Ok(()) => true,
        Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
            counters.add(Counter::LookupRefused, 1);
            false
        }
    }
}

/// What is known of one process.
#[derive(Debug)]
struct Entry {
    place: Option<Arc<Place>>,
    /// When it was asked for last.
    asked: Instant,
    /// Nothing more comes of that.
    complete: bool,
    /// It was waited for in vain: not again.
    late: bool,
}

/// The table of processes.
pub struct Places {
    table: Table<ProcessKey, Entry>,
    asks: SyncSender<Ask>,
    answers: Receiver<Answer>,
    wait: Duration,
    /// How long may be waited now, and when that was reckoned.
    credit: (Duration, Instant),
    counters: Counters,
}

impl Places {
    /// Starts the thread that looks processes up in `sources`.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(
        options: &Options,
        sources: Sources,
        mask: Arc<dyn Mask>,
    ) -> io::Result<(Self, Asking)> {
        let (asks, asked) = sync_channel(ASKS);
        let (to, answers) = sync_channel(ANSWERS);
        let others = &options.others;
        let describer = (!others.is_nobody()).then(|| describe::start(others, &mask, &to));
        let describer = describer.transpose()?;
        let serving = move || {
            serve(&sources, &mask, &asked, |answer| match &describer {
                Some(describer) => describe::hand_on(describer, &to, answer),
                None => Closed::send(&to, answer),
            });
        };
        thread::Builder::new()
            .name(NAME.into())
            .spawn(keeping([Need::Processes], kept(NAME, || false, serving)))?;
        Ok(Self::new(options, asks, answers))
    }

    /// A table that asks and is answered by these channels.
    #[must_use]
    pub fn new(
        options: &Options,
        asks: SyncSender<Ask>,
        answers: Receiver<Answer>,
    ) -> (Self, Asking) {
        let asking = Asking {
            to: asks.clone(),
            asked: Table::new(ASKED),
            counters: Counters::default(),
        };
        let places = Self {
            table: Table::new(PLACES),
            asks,
            answers,
            wait: options.wait,
            credit: (options.wait, Instant::now()),
            counters: Counters::default(),
        };
        (places, asking)
    }

    /// What is known of `key`, for an exchange that is handled now.
    ///
    /// A process that was never asked for is waited for, but no longer than the options say, and
    /// with all others together no more than a fifth of the time.
    pub fn of(&mut self, key: &ProcessKey, now: Instant) -> Option<Arc<Place>> {
        self.counters.add(Counter::LookupExchanges, 1);
        if let Some(entry) = self.table.get(key)
            && entry.complete
        {
            let place = entry.place.clone();
            if now.duration_since(entry.asked) >= AGAIN {
                entry.asked = now;
                let again = Ask {
                    key: *key,
                    again: true,
                };
                ask(&self.asks, again, &mut self.counters);
            }
            self.counters.add(Counter::LookupHits, 1);
            return place;
        }
        self.counters.add(Counter::LookupMisses, 1);
        self.missed(key)
    }

    fn missed(&mut self, key: &ProcessKey) -> Option<Arc<Place>> {
        self.take();
        let now = Instant::now();
        let known = self
            .table
            .get(key)
            .map(|entry| (entry.complete, entry.late));
        match known {
            Some((true, _)) => {}
            Some((false, late)) => {
                if !late {
                    self.wait_for(key, now);
                }
            }
            None => {
                let question = Ask {
                    key: *key,
                    again: false,
                };
                if ask(&self.asks, question, &mut self.counters) {
                    let entry = Entry {
                        place: None,
                        asked: now,
                        complete: false,
                        late: false,
                    };
                    self.table.insert(*key, entry, 0);
                    self.wait_for(key, now);
                }
            }
        }
        let entry = self.table.get(key);
        let complete = entry.as_ref().is_some_and(|entry| entry.complete);
        let counter = if complete {
            Counter::LookupFound
        } else {
            Counter::LookupTimeouts
        };
        self.counters.add(counter, 1);
        entry.and_then(|entry| entry.place.clone())
    }

    /// Takes answers until that for `key` is there, or the time is over.
    fn wait_for(&mut self, key: &ProcessKey, began: Instant) {
        let (credit, reckoned) = self.credit;
        let earned = began.saturating_duration_since(reckoned) / WAITING_ONE_IN;
        let credit = (credit + earned).min(self.wait);
        let mut now = began;
        while let Some(entry) = self.table.get(key) {
            let left = credit.saturating_sub(now.duration_since(began));
            if entry.complete || left.is_zero() {
                entry.late = !entry.complete;
                break;
            }
            match self.answers.recv_timeout(left) {
                Ok(answer) => self.put(answer),
                Err(_) => {
                    if let Some(entry) = self.table.get(key) {
                        entry.late = true;
                    }
                    break;
                }
            }
            now = Instant::now();
        }
        let now = Instant::now();
        self.credit = (credit.saturating_sub(now.duration_since(began)), now);
    }

    /// Takes the answers that are there.
    pub fn take(&mut self) {
        while let Ok(answer) = self.answers.try_recv() {
            self.put(answer);
        }
    }

    fn put(&mut self, answer: Answer) {
        let Answer {
            key,
            place,
            living,
            complete,
        } = answer;
        let before = self.table.get(&key);
        let asked = before
            .as_ref()
            .map_or_else(Instant::now, |entry| entry.asked);
        // While more is asked for, what was known wholly stays.
        if !complete && before.as_ref().is_some_and(|entry| entry.complete) {
            return;
        }
        if complete && !living {
            self.counters.add(Counter::LookupGone, 1);
        }
        // What was known before it ended, or became another, stays true of what it did.
        if place.process.executable.is_none()
            && let Some(entry) = before
            && let Some(known) = &entry.place
            && known.process.executable.is_some()
        {
            entry.complete |= complete;
            return;
        }
        let bytes = place.bytes();
        let entry = Entry {
            place: Some(place),
            asked,
            complete,
            late: false,
        };
        self.table.insert(key, entry, bytes);
        self.counters
            .add(Counter::LookupEvictions, self.table.take_forgotten());
    }

    /// What it counted.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }
}

#[cfg(test)]
mod tests;
