//! One sink's way from the journal to its far end: read, choose, deliver, and only then pass on.
//!
//! The cursor is kept when every event before it has been acknowledged or lies among the dead letters;
//! so whatever ends the agent, what was not acknowledged is sent after the next start, and what was may
//! be sent once more under the same id. It stands between frames: that is all that comes twice.
//!
//! A pump holds one batch at a time, retries included, and has a thread of its own: a slow far end slows
//! no other sink, and nothing before the journal.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::batch::{Batch, Head, Kind, Part};
use super::dead::DeadLetters;
use super::deliver::{Course, Deliver, Outcome, Problem};
use super::feed::{Feed, Kept, Unread};
use super::format::Format;
use super::retry::Retry;
use crate::clock::WallTime;
use crate::event::Severity;

/// How long is waited for events before anything else is looked at.
const WAIT: Duration = Duration::from_millis(200);

/// How long a finding or a notice waits for others while there is more to read.
const URGENT_DELAY: Duration = Duration::from_millis(50);

/// How often the cursor is kept while nothing that is wanted comes, and a failure is told again.
const KEEP_EVERY: Duration = Duration::from_secs(2);

/// How often a sink is called that must do something though no event comes.
const IDLE_EVERY: Duration = Duration::from_secs(1);

/// Whether an event is wanted, by its line.
pub type Predicate = Box<dyn Fn(&[u8]) -> bool + Send>;

/// What goes to a sink, and how.
pub struct PumpOptions {
    /// The sink's name.
    pub name: String,
    /// Kinds that go there.
    pub kinds: Vec<Kind>,
    /// Least severity of findings and notices.
    pub min_severity: Option<Severity>,
    /// Which events, by their lines.
    pub filter: Option<Predicate>,
    /// In which words.
    pub format: Format,
    /// Bytes after which a batch is sent.
    pub batch_bytes: usize,
    /// Most events in one request.
    pub batch_events: usize,
    /// How long an exchange may wait for others. Findings and notices do not wait.
    pub batch_delay: Duration,
}

/// Whether pumps are to go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Deliver what comes.
    #[default]
    Run,
    /// Deliver what is there, however long it takes, then end.
    Empty,
    /// End behind the batch that is under way; end at once where the far end fails.
    Leave,
    /// Deliver what is there, then end; end at once where the far end fails.
    Drain,
    /// End now.
    Halt,
}

/// What all pumps are told.
#[derive(Clone, Debug)]
pub struct Control {
    /// Whether to go on.
    pub phase: watch::Receiver<Phase>,
    /// Grows when files are to be opened anew.
    pub reopen: Arc<AtomicU32>,
}

/// What a pump counts, read by others while it runs.
#[derive(Debug, Default)]
pub struct Tally {
    /// Events given to the far end that were acknowledged or refused.
    pub settled: AtomicU64,
    /// Events acknowledged.
    pub accepted: AtomicU64,
    /// Events refused for good.
    pub refused: AtomicU64,
    /// Attempts that failed.
    pub retries: AtomicU64,
}

/// What a pump has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The far end fails: why.
    Down(String),
    /// It is well again.
    Up,
    /// So many events were refused; the last one's reason.
    Refused(u64, String),
}

/// One sink's way.
pub struct Pump {
    options: PumpOptions,
    feed: Box<dyn Feed>,
    deliver: Box<dyn Deliver>,
    letters: DeadLetters,
    tell: Box<dyn FnMut(News) + Send>,
    tally: Arc<Tally>,
    kept: Kept,
    retry: Retry,
    runtime: Runtime,
    batch: Batch,
    /// Events of the batch that the format has no place for, each with why.
    misfits: Vec<(Vec<u8>, String)>,
    /// When the oldest event of the batch was read.
    since: Option<Instant>,
    /// Whether an event of the batch does not wait.
    urgent: bool,
    kept_at: Instant,
    idle_at: Instant,
    reopened: u32,
    down: bool,
    /// What of the journal the last try could not read.
    stuck: Option<String>,
    window: (Instant, u64),
}

/// A pump was told to end before a batch was delivered.
struct Halted;

impl Pump {
    /// From `feed` to `deliver`; `kept` is what was last kept with the cursor.
    ///
    /// # Errors
    /// The system gives no means to wait for sockets.
    pub fn new(
        options: PumpOptions,
        feed: Box<dyn Feed>,
        mut deliver: Box<dyn Deliver>,
        letters: DeadLetters,
        kept: Kept,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        deliver.remember(kept.memory.clone());
        let seed = WallTime::now().0 ^ u64::from(std::process::id()) << 32;
        let name = options.name.bytes();
        let seed = name.fold(seed, |seed, byte| seed.rotate_left(7) ^ u64::from(byte));
        Ok(Self {
            batch: Batch::new(options.format),
            options,
            feed,
            deliver,
            letters,
            tell: Box::new(|_| {}),
            tally: Arc::default(),
            window: (Instant::now(), kept.accepted),
            kept,
            retry: Retry::new(seed),
            runtime,
            misfits: Vec::new(),
            since: None,
            urgent: false,
            kept_at: Instant::now(),
            idle_at: Instant::now(),
            reopened: 0,
            down: false,
            stuck: None,
        })
    }

    /// Who is told of changes.
    #[must_use]
    pub fn telling(mut self, tell: impl FnMut(News) + Send + 'static) -> Self {
        self.tell = Box::new(tell);
        self
    }

    /// Counts on in `tally`.
    #[must_use]
    pub fn counting(self, tally: Arc<Tally>) -> Self {
        Self { tally, ..self }
    }

    /// What it counts.
    #[must_use]
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// Delivers until told to end.
    pub fn run(&mut self, control: &Control) {
        loop {
            let phase = *control.phase.borrow();
            // What was read and not sent is read again by whoever goes on.
            if matches!(phase, Phase::Halt | Phase::Leave) {
                return;
            }
            let reopen = control.reopen.load(Ordering::Relaxed);
            if reopen != self.reopened {
                self.reopened = reopen;
                self.deliver.reopen();
            }
            if self.resend(control).is_err() {
                return;
            }
            let more = self.read();
            let full = self.is_full();
            let delay = if self.urgent {
                URGENT_DELAY.min(self.options.batch_delay)
            } else {
                self.options.batch_delay
            };
            let waited = self.since.is_some_and(|since| since.elapsed() >= delay);
            // With nothing more to read there is no reason to wait, if somebody waits.
            let alone = !more && (self.urgent || phase != Phase::Run);
            // What was under way is sent as it was: with all of it at once.
            let awaited = more && self.batch.len() < self.deliver.awaits();
            let ready = (full || waited || alone) && !awaited;
            if ready && !(self.batch.is_empty() && self.misfits.is_empty()) {
                if self.send(control).is_err() {
                    return;
                }
                continue;
            }
            if more {
                continue;
            }
            if phase != Phase::Run {
                self.keep();
                return;
            }
            self.idle(control);
            let left = self.since.map_or(WAIT, |since| {
                self.options.batch_delay.saturating_sub(since.elapsed())
            });
            self.feed.wait(left.clamp(Duration::from_millis(1), WAIT));
        }
    }

    fn is_full(&self) -> bool {
        self.batch.bytes() >= self.options.batch_bytes && self.batch.len() >= self.deliver.awaits()
    }

    /// Reads one more frame into the batch: whether there was one.
    fn read(&mut self) -> bool {
        if self.is_full() {
            return true;
        }
        let Self {
            options,
            feed,
            batch,
            misfits,
            since,
            urgent,
            ..
        } = self;
        let next = feed.next(&mut |line| {
            let Some(head) = Head::of(line) else {
                since.get_or_insert_with(Instant::now);
                misfits.push((line.to_vec(), "not an event".to_owned()));
                return;
            };
            if !options.wants(&head, line) {
                return;
            }
            *urgent |= head.kind != Kind::Exchange;
            since.get_or_insert_with(Instant::now);
            if let Err(error) = batch.push(&head, line) {
                misfits.push((line.to_vec(), error.to_string()));
            }
        });
        let sink = &self.options.name;
        match next {
            Ok(there) => {
                self.stuck = None;
                there
            }
            Err(Unread { what, passed: true }) => {
                tracing::error!(%sink, "a part of the journal cannot be read, it is passed over: {what}");
                self.kept.damaged += 1;
                true
            }
            // It is tried again with what comes next, as when there was nothing.
            Err(Unread { what, .. }) => {
                if self.stuck.as_ref() != Some(&what) {
                    tracing::error!(%sink, "the journal cannot be read, it is tried again: {what}");
                }
                self.stuck = Some(what);
                false
            }
        }
    }

    /// Delivers the batch, all of it, and keeps the cursor.
    fn send(&mut self, control: &Control) -> Result<(), Halted> {
        let batch = std::mem::replace(&mut self.batch, Batch::new(self.options.format));
        for (line, why) in std::mem::take(&mut self.misfits) {
            self.bury(&line, &why, control)?;
        }
        self.deliver_all(&batch, control)?;
        let last = batch.len().checked_sub(1).and_then(|last| batch.get(last));
        if let Some(last) = last {
            self.kept.event_time = last.time_ns;
        }
        self.batch = batch;
        self.batch.clear();
        (self.since, self.urgent) = (None, false);
        self.keep();
        Ok(())
    }

    /// Delivers until every event of `batch` is acknowledged or refused.
    fn deliver_all(&mut self, batch: &Batch, control: &Control) -> Result<(), Halted> {
        let probes = self.deliver.probes();
        let at_once = if self.deliver.whole() {
            usize::MAX
        } else {
            self.options.batch_events
        };
        let mut course = Course::of(batch.len(), at_once);
        loop {
            let Some(places) = course.next(self.retry.down() && probes) else {
                return Ok(());
            };
            let places = places.to_vec();
            let outcome = self.attempt(Part::new(batch, &places), control)?;
            let before = course.accepted;
            let problem = course.settle(outcome);
            let accepted = course.accepted - before;
            let refused = course.take_refused();
            for (place, why) in &refused {
                if let Some(item) = batch.get(*place) {
                    self.bury(item.line, why, control)?;
                }
            }
            self.count(accepted);
            match problem {
                None => self.well(),
                Some(problem) => self.wait_after(problem, accepted > 0, control)?,
            }
        }
    }

    /// One attempt; ends early if told to.
    fn attempt(&mut self, part: Part<'_>, control: &Control) -> Result<Outcome, Halted> {
        let mut phase = control.phase.clone();
        let deliver = &mut self.deliver;
        let prepared = self.runtime.block_on(async {
            tokio::select! {
                prepared = deliver.prepare(part) => Ok(prepared),
                () = reached(&mut phase, |phase| phase == Phase::Halt) => Err(Halted),
            }
        })?;
        match prepared {
            Err(problem) => return Ok(Outcome::Retry(problem)),
            Ok(true) => self.write_down(),
            Ok(false) => {}
        }
        let deliver = &mut self.deliver;
        self.runtime.block_on(async {
            tokio::select! {
                outcome = deliver.deliver(part) => Ok(outcome),
                () = reached(&mut phase, |phase| phase == Phase::Halt) => Err(Halted),
            }
        })
    }

    fn count(&mut self, accepted: u64) {
        self.kept.accepted += accepted;
        self.tally.accepted.fetch_add(accepted, Ordering::Relaxed);
        self.tally.settled.fetch_add(accepted, Ordering::Relaxed);
    }

    fn well(&mut self) {
        self.retry.succeeded();
        self.kept.failing = false;
        if std::mem::take(&mut self.down) {
            tracing::info!(sink = %self.options.name, "sink is well again");
            (self.tell)(News::Up);
        }
    }

    /// Waits after a failure, as long as is right; with an end in sight it does not.
    fn wait_after(
        &mut self,
        problem: Problem,
        progress: bool,
        control: &Control,
    ) -> Result<(), Halted> {
        if progress {
            self.retry.succeeded();
        }
        let wait = self.retry.failed(problem.retry_after);
        self.tally.retries.fetch_add(1, Ordering::Relaxed);
        self.kept.retries += 1;
        self.kept.failing = true;
        self.kept.error = Some((WallTime::now().0, problem.what.clone()));
        let sink = &self.options.name;
        tracing::debug!(%sink, ?wait, "sink failed: {}", problem.what);
        if self.retry.down() && !self.down {
            self.down = true;
            tracing::error!(%sink, "sink is down: {}", problem.what);
            (self.tell)(News::Down(problem.what));
        }
        if self.kept_at.elapsed() >= KEEP_EVERY || self.kept.retries == 1 {
            // The place is still that of the last batch: only what went wrong is new.
            self.write_down();
        }
        self.pause(wait, control)
    }

    fn pause(&mut self, wait: Duration, control: &Control) -> Result<(), Halted> {
        let mut phase = control.phase.clone();
        self.runtime.block_on(async {
            tokio::select! {
                () = tokio::time::sleep(wait) => Ok(()),
                () = reached(&mut phase, |phase| matches!(phase, Phase::Leave | Phase::Drain | Phase::Halt)) => Err(Halted),
            }
        })
    }

    /// Puts an event among the dead letters; the cursor does not pass it before it lies there.
    fn bury(&mut self, line: &[u8], why: &str, control: &Control) -> Result<(), Halted> {
        while let Err(error) = self.letters.add(line, why, WallTime::now()) {
            let sink = &self.options.name;
            tracing::error!(%sink, "a dead letter cannot be written, the sink waits: {error}");
            self.kept.failing = true;
            self.kept.error = Some((WallTime::now().0, format!("dead letters: {error}")));
            self.pause(KEEP_EVERY, control)?;
        }
        self.kept.refused += 1;
        self.kept.error = Some((WallTime::now().0, why.to_owned()));
        self.tally.refused.fetch_add(1, Ordering::Relaxed);
        self.tally.settled.fetch_add(1, Ordering::Relaxed);
        (self.tell)(News::Refused(1, why.to_owned()));
        Ok(())
    }

    /// Sends dead letters again, if that was asked for.
    fn resend(&mut self, control: &Control) -> Result<(), Halted> {
        let letters = match self.letters.to_resend() {
            Ok(None) => return Ok(()),
            Ok(Some(letters)) => letters,
            Err(error) => {
                tracing::error!(sink = %self.options.name, "dead letters cannot be read: {error}");
                return Ok(());
            }
        };
        let mut batch = Batch::new(self.options.format);
        for line in letters {
            let Ok(line) = line else { break };
            let Some(head) = Head::of(&line) else {
                self.bury(&line, "not an event", control)?;
                continue;
            };
            if let Err(error) = batch.push(&head, &line) {
                self.bury(&line, &error.to_string(), control)?;
            }
            if batch.bytes() >= self.options.batch_bytes {
                self.deliver_all(&batch, control)?;
                self.deliver.passed();
                batch.clear();
            }
        }
        self.deliver_all(&batch, control)?;
        self.deliver.passed();
        if let Err(error) = self.letters.resent() {
            tracing::error!(sink = %self.options.name, "dead letters cannot be deleted: {error}");
        }
        Ok(())
    }

    /// What is to be done though nothing comes.
    fn idle(&mut self, control: &Control) {
        if self.idle_at.elapsed() >= IDLE_EVERY {
            self.idle_at = Instant::now();
            let deliver = &mut self.deliver;
            let mut phase = control.phase.clone();
            let outcome = self.runtime.block_on(async {
                tokio::select! {
                    outcome = deliver.idle() => outcome,
                    () = reached(&mut phase, |phase| phase == Phase::Halt) => Outcome::Accepted,
                }
            });
            if let Outcome::Retry(problem) = outcome {
                self.kept.error = Some((WallTime::now().0, problem.what));
            }
        }
        // What was passed over unwanted is behind the cursor too, or it would hold segments back.
        let nothing = self.batch.is_empty() && self.misfits.is_empty();
        if nothing && self.kept_at.elapsed() >= KEEP_EVERY && self.feed.advance() {
            self.write_down();
        }
    }

    /// Keeps the cursor: everything read has been delivered.
    fn keep(&mut self) {
        self.feed.advance();
        self.deliver.passed();
        self.write_down();
    }

    /// Writes down the cursor, and what is known of the sink.
    fn write_down(&mut self) {
        let now = Instant::now();
        let (since, accepted) = self.window;
        let seconds = now.duration_since(since).as_secs_f64();
        if seconds > 0.0 {
            self.kept.rate = (self.kept.accepted - accepted) as f64 / seconds;
        }
        if seconds > 60.0 {
            self.window = (now, self.kept.accepted);
        }
        self.kept.at = WallTime::now().0;
        self.kept.memory = self.deliver.memory();
        self.kept_at = now;
        if let Err(what) = self.feed.keep(&self.kept) {
            tracing::error!(sink = %self.options.name, "the cursor cannot be kept: {what}");
        }
    }
}

impl PumpOptions {
    fn wants(&self, head: &Head<'_>, line: &[u8]) -> bool {
        is_wanted(head, &self.kinds, self.min_severity)
            && self.filter.as_ref().is_none_or(|filter| filter(line))
    }
}

/// Whether an event of this head goes to a sink of these kinds, as far as the head tells.
#[must_use]
pub fn is_wanted(head: &Head<'_>, kinds: &[Kind], least: Option<Severity>) -> bool {
    let severe = |least| head.severity.is_none_or(|severity| severity >= least);
    kinds.contains(&head.kind) && least.is_none_or(severe)
}

/// Waits until the phase is one of those, or nobody tells any more.
async fn reached(phase: &mut watch::Receiver<Phase>, end: impl Fn(Phase) -> bool) {
    // An error says that nobody tells any more: then it is over too.
    let _ = phase.wait_for(|phase| end(*phase)).await;
}

#[cfg(test)]
mod tests;
