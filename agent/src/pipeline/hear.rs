//! The capture side: a source's records through the shard into the queue, on one thread.

use std::io;
use std::time::{Duration, Instant};

use super::budget::Budget;
use super::queue::QueueIn;
use super::shard::{Outcome, Shard};
use super::{Counted, Requests};
use crate::capture::{RingFill, Source};
use crate::clock::Ktime;
use crate::lookup::Asking;
use crate::stream::Word;

/// How long a quiet source is waited for before requests and timeouts are looked at.
const WAIT: Duration = Duration::from_millis(200);

/// How often timeouts are looked for, at most, and held pieces given up.
const TICK: Duration = Duration::from_millis(5);

/// How often what was counted is told.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// Reads in a row without a record after which a closed source is taken to be empty.
const QUIET_READS: u32 = 3;

/// Runs until the source ends or a stop is asked for; then drains it, gives up what is open, and
/// tells what was counted.
///
/// # Errors
/// What the source could not read, after all that was heard before has been passed on.
pub(super) fn hear(
    source: &mut dyn Source,
    mut shard: Shard,
    mut queue: QueueIn,
    (asking, budget): (Option<Asking>, Option<Budget>),
    requests: &Requests,
) -> io::Result<Counted> {
    let mut side = Side {
        source,
        shard: &mut shard,
        queue: &mut queue,
        asking,
        budget,
        out: Outcome::default(),
        last: Ktime(0),
        ring: None,
        ring_before: 0,
    };
    let ended = side.run(requests);
    side.source.close();
    let drained = side.drain();
    let now = side.now();
    side.shard.finish(now, &mut side.out);
    side.pass_on();
    let counted = side.counted();
    queue.counted(counted.clone());
    ended.and(drained).map(|()| counted)
}

struct Side<'a> {
    source: &'a mut dyn Source,
    shard: &'a mut Shard,
    queue: &'a mut QueueIn,
    asking: Option<Asking>,
    budget: Option<Budget>,
    out: Outcome,
    last: Ktime,
    /// How full the ring was since it was last told.
    ring: Option<RingFill>,
    /// Most bytes it held before the last look at it.
    ring_before: u64,
}

impl Side<'_> {
    fn run(&mut self, requests: &Requests) -> io::Result<()> {
        let mut ticked = Instant::now();
        let mut told = None::<Instant>;
        while !requests.stopping() {
            let began = self.budget.as_ref().and_then(Budget::begins);
            if self.read(WAIT)?.is_none() {
                break;
            }
            if let Some(change) = requests.take_change() {
                // Behind all that was read before: each stage switches at this place in the order.
                self.shard.set(change.exchange());
                if let Some(budget) = &mut self.budget {
                    budget.set(&change.exchange().login_routes);
                }
                self.queue.change(change);
            }
            let now = Instant::now();
            if now.duration_since(ticked) >= TICK {
                ticked = now;
                let now = self.now();
                self.shard.tick(now, &mut self.out);
                self.pass_on();
            }
            self.keep_within(now, began);
            let due = told.is_none_or(|told| now.duration_since(told) >= COUNT_EVERY);
            if due && self.queue.wants_counted() {
                told = Some(now);
                let counted = self.counted();
                self.queue.counted(counted);
            }
        }
        Ok(())
    }

    /// Looks at what the agent uses, and sheds what is to be; rests, if it worked since `began` on what
    /// it may not.
    fn keep_within(&mut self, now: Instant, began: Option<Duration>) {
        if self
            .budget
            .as_ref()
            .is_some_and(|budget| budget.is_due(now))
        {
            self.look(now);
        }
        if let (Some(budget), Some(began)) = (&mut self.budget, began) {
            std::thread::sleep(budget.pause(began));
        }
    }

    fn look(&mut self, now: Instant) {
        let ring = self.look_at_ring().unwrap_or_default();
        // Full once is a pause of the host's, full twice in a row is too much.
        let before = std::mem::replace(&mut self.ring_before, ring.most_bytes);
        let ring = (ring.most_bytes.min(before), ring.size_bytes.max(1));
        let waiting = [ring, self.queue.fill()];
        let Some(budget) = &mut self.budget else {
            return;
        };
        let looked = budget.look(now, self.shard.counters(), &waiting);
        self.shard.shorten_bodies(budget.shorter());
        if let Some(news) = looked.news {
            self.queue.shed(news);
        }
        if looked.memory_grows {
            self.shard.give_up(&mut self.out);
        }
    }

    /// How full the ring was since it was last looked at.
    fn look_at_ring(&mut self) -> Option<RingFill> {
        let fill = self.source.ring_fill()?;
        let told = self.ring.get_or_insert(fill);
        told.most_bytes = told.most_bytes.max(fill.most_bytes);
        Some(fill)
    }

    fn drain(&mut self) -> io::Result<()> {
        let mut quiet = 0;
        while quiet < QUIET_READS {
            match self.read(Duration::from_millis(1))? {
                None => break,
                Some(0) => quiet += 1,
                Some(_) => quiet = 0,
            }
        }
        Ok(())
    }

    fn read(&mut self, wait: Duration) -> io::Result<Option<u64>> {
        let Self {
            source,
            shard,
            out,
            last,
            ..
        } = self;
        let read = source.read(wait, &mut |record| {
            if let Some(time) = record.get(8..16).and_then(|bytes| bytes.try_into().ok()) {
                *last = (*last).max(Ktime(u64::from_ne_bytes(time)));
            }
            shard.push(record, out);
        });
        self.pass_on();
        read
    }

    fn pass_on(&mut self) {
        for word in self.out.words.drain(..) {
            match word {
                Word::SkipTo { conn, flow, until } => self.source.skip(conn, flow, until),
                Word::NotHttp { conn } => self.source.not_http(conn),
                Word::Unknown { conn } => self.source.unknown(conn),
            }
        }
        for key in self.out.processes.drain(..) {
            if let Some(asking) = &mut self.asking {
                asking.ask(key);
            }
        }
        self.queue.acts(&mut self.out.acts);
        if let Some(budget) = &mut self.budget {
            budget.sift(&mut self.out.exchanges);
        }
        let budget = self.budget.as_ref();
        let matters = |one: &_| budget.is_none_or(|budget| budget.keeps(one));
        self.queue.push(&mut self.out.exchanges, matters);
    }

    fn now(&self) -> Ktime {
        self.source.now().unwrap_or(self.last).max(self.last)
    }

    fn counted(&mut self) -> Counted {
        self.look_at_ring();
        let mut counters = self.shard.counters().clone();
        counters.absorb(self.queue.counters());
        if let Some(asking) = &self.asking {
            counters.absorb(asking.counters());
        }
        if let Some(budget) = &self.budget {
            counters.absorb(&budget.counters());
        }
        Counted {
            counters,
            kernel: self.source.kernel_counters(),
            ring: self.ring.take(),
            conns: self.shard.conns() as u64,
            held_bytes: self.shard.bytes_held(),
            last: self.last,
        }
    }
}
