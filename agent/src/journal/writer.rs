//! The journal as the agent writes it: append, closing of frames, sync, checkpoints, and what is
//! done when the disk does not.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use super::chain::{Chain, Ready};
use super::disk::Disk;
use super::happened::Happened;
use super::index::{Counts, IndexBuilder, RecordKind};
use super::mend::mend;
use super::open::LAST;
use super::record::{Pressure, Record, Worth};
use super::retention::Retiring;
use super::segment::LINE_MAX_BYTES;
use super::space::{Space, Taken};
use super::sync::{Job, Synced, Syncer};
use super::timing::{Timing, ns};
use super::{FRAME_AGE, FRAME_BYTES, JournalError, Options, Sync};
use crate::clock::{Ktime, Moment};
use crate::telemetry::{Counter, Counters};

/// Least time between two frames that close for a finding: at most 20 a second.
const FINDING_EVERY: Duration = Duration::from_millis(50);

/// How often all is signed; less than a minute by what a caller may be late.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(50);

/// Bytes that wait in memory while nothing can be written: of findings and notices, and up to half of it of
/// exchanges that matter.
const WAITING_MAX_BYTES: usize = 1 << 20;

/// Longest wait between two tries, seconds.
const RETRY_MAX_S: u64 = 30;

/// Why exchanges are shed.
#[derive(Debug)]
enum Trouble {
    /// The journal cannot be opened.
    Opening,
    /// A link cannot be written.
    Writing,
    /// What was written cannot be synced.
    Syncing,
    /// There is no room that may be used.
    Full,
}

/// A trouble, and when the next try is due.
#[derive(Debug)]
struct Degraded {
    trouble: Trouble,
    failures: u32,
    tried: Ktime,
    /// Records shed before it began.
    shed_before: u64,
}

impl Degraded {
    fn is_due(&self, now: Ktime) -> bool {
        let doublings = self.failures.saturating_sub(1).min(10);
        let wait_s = (1 << doublings).min(RETRY_MAX_S);
        now.since(self.tried) >= wait_s * 1_000_000_000
    }
}

/// The one writer of a journal.
pub struct Journal {
    pub(super) options: Options,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) syncer: Syncer,
    pub(super) counters: Counters,
    pub(super) happened: Vec<Happened>,
    pub(super) chain: Option<Chain>,
    pub(super) space: Space,
    pub(super) timing: Timing,
    /// The segment that is about to be deleted.
    pub(super) retiring: Option<Retiring>,
    /// Held while it writes.
    pub(super) lock: Option<fs::File>,
    /// Records before which all are durable.
    pub(super) durable_records: u64,
    lines: Vec<u8>,
    pub(super) index: IndexBuilder,
    /// When the frame was begun.
    begun: Ktime,
    degraded: Option<Degraded>,
}

impl Journal {
    /// Opens the journal, recovers it, and goes on in its chain; begins one where there is none.
    ///
    /// What the disk does not allow now is tried again later, and told.
    ///
    /// # Errors
    /// Only what a person must mend: another agent writes to it, or a file is no key.
    pub fn open(options: Options, disk: Arc<dyn Disk>, now: Moment) -> Result<Self, JournalError> {
        let io = |source| JournalError::Io {
            path: options.dir.clone(),
            source,
        };
        let last = options.key.file.with_file_name(LAST);
        let syncer = Syncer::new(
            Arc::clone(&disk),
            options.dir.clone(),
            last,
            options.threaded,
        );
        let mut journal = Self {
            syncer: syncer.map_err(io)?,
            disk,
            counters: Counters::default(),
            happened: Vec::new(),
            chain: None,
            space: Space::of(&options),
            timing: Timing::begin(now),
            retiring: None,
            lock: None,
            durable_records: 0,
            lines: Vec::with_capacity(FRAME_BYTES + (FRAME_BYTES >> 2)),
            index: IndexBuilder::default(),
            begun: now.steady,
            degraded: None,
            options,
        };
        match journal.begin(now) {
            Ok(()) => {}
            Err(error @ (JournalError::Locked { .. } | JournalError::KeyForm { .. })) => {
                return Err(error);
            }
            Err(error) => journal.degrade(Trouble::Opening, &error, now),
        }
        journal.hand_over(now);
        Ok(journal)
    }

    /// Appends a record. What finds no room is shed and counted; the caller is never held up for
    /// longer than a write takes.
    pub fn append(&mut self, record: &Record<'_>, now: Moment) {
        self.counters.add(Counter::JournalOffered, 1);
        let line = record.line;
        let body = line.strip_suffix(b"\n").unwrap_or_default();
        if body.first() != Some(&b'{') || line.len() > LINE_MAX_BYTES || body.contains(&b'\n') {
            self.counters.add(Counter::JournalRefused, 1);
            return;
        }
        if !self.admits(record, now) {
            self.shed(record.kind, 1);
            return;
        }
        if self.lines.is_empty() {
            self.begun = now.steady;
        }
        self.lines.extend_from_slice(line);
        let (severity, time) = (record.severity, record.time);
        self.index
            .add(record.kind, severity, time, line, &record.keys);
        if self.lines.len() >= FRAME_BYTES || self.is_due(now.steady) {
            self.close_frame(now);
        }
    }

    /// Lets time pass: closes what is old, syncs, signs, deletes what is over. To be called a few
    /// times a second.
    pub fn tick(&mut self, now: Moment) {
        if let Some(by_ns) = self.timing.passed(now) {
            self.happened.push(Happened::ClockSet { by_ns });
        }
        self.take_done(now);
        self.measure(now);
        self.hand_over(now);
        if self.is_due(now.steady) {
            self.close_frame(now);
        }
        if self.timing.checkpoint_is_due(now.steady, CHECKPOINT_EVERY) {
            self.close_frame(now);
            self.checkpoint(now);
        }
        self.retire(now);
        if let Sync::Every(period) = self.options.sync
            && self.timing.sync_is_due(now.steady, period)
        {
            self.sync(None);
        }
    }

    /// Ends in good order: closes the frame, signs and syncs. What cannot be written is counted as
    /// shed.
    pub fn close(&mut self, now: Moment) {
        if let Some(degraded) = &mut self.degraded {
            // The last try is due.
            degraded.tried = Ktime(0);
            degraded.failures = 0;
        }
        self.close_frame(now);
        self.checkpoint(now);
        self.sync(None);
        self.syncer.drain();
        self.take_done(now);
        self.shed_counts(self.index.counts());
        self.lines.clear();
        self.index.finish(0, &mut Vec::new());
        if let Some(chain) = self.chain.take() {
            self.shed_counts(
                chain
                    .ready()
                    .map_or_else(Counts::default, |ready| ready.counts),
            );
            let undurable = chain.records().saturating_sub(self.durable_records);
            self.counters.add(Counter::JournalUnsynced, undurable);
            self.durable_records = chain.records();
        }
        self.lock = None;
    }

    /// How far it is synced, for sinks.
    #[must_use]
    pub fn synced(&self) -> Synced {
        self.syncer.synced().clone()
    }

    /// What it has to tell since the last call.
    pub fn happened(&mut self) -> Vec<Happened> {
        std::mem::take(&mut self.happened)
    }

    /// What it counted.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What the caller should leave out now.
    #[must_use]
    pub fn pressure(&self) -> Pressure {
        match self.degraded {
            Some(_) => Pressure::Exchanges,
            None => self.space.pressure(self.taken()),
        }
    }

    /// Bytes that are taken.
    pub(super) fn taken(&self) -> Taken {
        let ready = self.chain.as_ref().and_then(Chain::ready);
        Taken {
            written: self.chain.as_ref().map_or(0, Chain::bytes),
            waiting: self.lines.len() as u64 + ready.map_or(0, Ready::bytes),
        }
    }

    /// Whether there is room for a record, by what it is worth.
    fn admits(&mut self, record: &Record<'_>, now: Moment) -> bool {
        let bytes = record.line.len();
        let waits = |most: usize| self.lines.len() + bytes <= most;
        let worth = record.worth();
        let mut taken = self.taken();
        taken.waiting += bytes as u64;
        let room = self.space.admits(worth, taken);
        match (&self.degraded, worth) {
            (None, _) => {
                if !room && worth > Worth::Asset {
                    self.tell_if_full(now);
                }
                room
            }
            (Some(_), Worth::Asset | Worth::Common) => false,
            (
                Some(Degraded {
                    trouble: Trouble::Full,
                    ..
                }),
                _,
            ) => room,
            (Some(_), Worth::Important) => waits(WAITING_MAX_BYTES / 2),
            (Some(_), Worth::Told) => waits(WAITING_MAX_BYTES),
        }
    }

    fn shed(&mut self, kind: RecordKind, records: u64) {
        let counter = match kind {
            RecordKind::Exchange => Counter::JournalShedExchanges,
            RecordKind::Finding => Counter::JournalShedFindings,
            RecordKind::Notice => Counter::JournalShedNotices,
        };
        self.counters.add(counter, records);
    }

    fn shed_counts(&mut self, counts: Counts) {
        self.shed(RecordKind::Exchange, counts.exchanges.into());
        self.shed(RecordKind::Finding, counts.findings.into());
        self.shed(RecordKind::Notice, counts.notices.into());
    }

    fn shed_so_far(&self) -> u64 {
        let shed = [
            Counter::JournalShedExchanges,
            Counter::JournalShedFindings,
            Counter::JournalShedNotices,
        ];
        shed.into_iter()
            .map(|counter| self.counters.get(counter))
            .sum()
    }

    /// Whether the frame is to be closed by now.
    fn is_due(&self, now: Ktime) -> bool {
        let old = now.since(self.begun) >= ns(FRAME_AGE);
        let finding =
            self.index.counts().findings > 0 && self.timing.finding_is_due(now, FINDING_EVERY);
        !self.lines.is_empty() && (old || finding)
    }

    /// Seals what was appended, and writes it.
    pub(super) fn close_frame(&mut self, now: Moment) {
        if self.lines.is_empty() || !self.flush(now) || !self.rotate(now) {
            return;
        }
        let Some(chain) = &mut self.chain else { return };
        let counts = self.index.counts();
        let (lines, index) = (&self.lines, &mut self.index);
        let raw_bytes = lines.len() as u32;
        let durable = self.syncer.synced().before();
        let sealed = chain.seal_data(
            lines,
            counts,
            |out| index.finish(raw_bytes, out),
            durable,
            now.date,
        );
        if sealed.is_err() {
            // Only for want of memory: the next frame may be smaller.
            self.index.finish(0, &mut Vec::new());
            self.shed_counts(counts);
        }
        if counts.findings > 0 {
            self.timing.finding_closed(now.steady);
        }
        self.lines.clear();
        self.flush(now);
    }

    /// Ends the segment if it is large or old: whether the next link can be sealed.
    fn rotate(&mut self, now: Moment) -> bool {
        let Some(chain) = &mut self.chain else {
            return false;
        };
        let Some((bytes, opened)) = chain.active() else {
            return true;
        };
        if !self.space.is_full_segment(bytes, opened, now.date) {
            return true;
        }
        if !chain.ends_in_checkpoint() {
            chain.seal_checkpoint(self.syncer.synced().before(), now.date);
            if !self.flush(now) {
                return false;
            }
        }
        // This sync covers all of the old file; later ones go to the new.
        self.sync(None);
        if let Some(chain) = &mut self.chain {
            chain.rotate();
        }
        true
    }

    /// Signs all that is written: whether it could.
    pub(super) fn checkpoint(&mut self, now: Moment) -> bool {
        if !self.flush(now) || !self.space.admits_link(self.taken()) {
            return false;
        }
        let Some(chain) = &mut self.chain else {
            return false;
        };
        self.timing.checkpointed(now.steady);
        chain.seal_checkpoint(self.syncer.synced().before(), now.date);
        self.flush(now)
    }

    /// Writes the link that waits, if a try is due: whether another can be sealed.
    pub(super) fn flush(&mut self, now: Moment) -> bool {
        if let Some(degraded) = &self.degraded
            && !matches!(degraded.trouble, Trouble::Full)
        {
            if !degraded.is_due(now.steady) {
                return false;
            }
            let tried = match degraded.trouble {
                Trouble::Opening => self.begin(now).map_err(|error| (Trouble::Opening, error)),
                Trouble::Syncing => self.mend().map_err(|error| (Trouble::Syncing, error)),
                Trouble::Writing | Trouble::Full => Ok(()),
            };
            if let Err((trouble, error)) = tried {
                self.degrade(trouble, &error, now);
                return false;
            }
        }
        let Some(chain) = &mut self.chain else {
            return false;
        };
        match chain.write() {
            Ok(written) => {
                if let Some(ready) = written {
                    self.written(ready, now);
                }
                self.resume();
                true
            }
            Err(source) => {
                let path = self.options.dir.clone();
                self.degrade(Trouble::Writing, &JournalError::Io { path, source }, now);
                false
            }
        }
    }

    /// Counts a link that was written, and has it synced when its time is.
    fn written(&mut self, ready: Ready, now: Moment) {
        let counters = &mut self.counters;
        counters.add(Counter::JournalAccepted, ready.counts.total().into());
        counters.add(Counter::JournalLinks, 1);
        counters.add(Counter::JournalBytes, ready.bytes());
        self.space.written(ready.bytes());
        self.timing.written(now.steady);
        let last = ready.checkpoint.as_ref().and_then(|checkpoint| {
            self.counters.add(Counter::JournalCheckpoints, 1);
            self.timing.checkpointed(now.steady);
            self.happened.push(Happened::Checkpoint(checkpoint.clone()));
            serde_json::to_vec(checkpoint).ok()
        });
        if ready.urgent || self.options.sync == Sync::Always {
            self.sync(last);
        }
        if let Some(retire) = &ready.retire {
            self.retired(retire);
        }
        if let Some(chain) = &mut self.chain {
            chain.recycle(ready);
        }
    }

    /// Asks that all that is written be synced.
    pub(super) fn sync(&mut self, last: Option<Vec<u8>>) {
        if let Some(chain) = &mut self.chain
            && let Some((file, names)) = chain.file_to_sync()
        {
            self.timing.sync_asked();
            self.syncer.give(Job::Sync {
                file,
                names,
                before: chain.sequence(),
                records: chain.records(),
                last,
            });
        }
    }

    /// Takes note of what the other thread has done.
    pub(super) fn take_done(&mut self, now: Moment) {
        let done = self.syncer.done();
        self.counters.add(Counter::JournalSyncs, done.syncs);
        let durable = done.records.saturating_sub(self.durable_records);
        self.counters.add(Counter::JournalDurable, durable);
        self.durable_records += durable;
        for number in done.removed {
            self.removed(number);
        }
        if let Some(error) = done.kept {
            tracing::warn!(%error, "segment cannot be deleted, tried again");
        }
        if let Some(error) = done.forgot {
            tracing::warn!(%error, "last checkpoint cannot be noted in the state directory");
        }
        if let Some(source) = done.failed {
            self.counters.add(Counter::JournalSyncFailures, 1);
            let path = self.options.dir.clone();
            self.degrade(Trouble::Syncing, &JournalError::Io { path, source }, now);
        }
    }

    /// Makes durable what a failed sync may have lost.
    fn mend(&mut self) -> Result<(), JournalError> {
        let Some(chain) = &mut self.chain else {
            return Ok(());
        };
        let before = self.syncer.synced().before();
        let path = self.options.dir.clone();
        let mended = mend(&*self.disk, &self.options.dir, chain, before);
        let mended = mended.map_err(|source| JournalError::Io { path, source })?;
        if mended.lost > 0 {
            self.counters.add(Counter::JournalLost, mended.lost);
            let records = mended.lost;
            self.happened.push(Happened::Lost { records });
        }
        if mended.rewound {
            // What the chain said of a deletion may be among what is lost.
            self.retiring = None;
        }
        let durable = chain.records().saturating_sub(self.durable_records);
        self.counters.add(Counter::JournalDurable, durable);
        self.durable_records += durable;
        self.syncer.synced().advance(chain.sequence());
        self.syncer.resume();
        if let Some(dropped) = mended.dropped {
            self.shed_counts(dropped.counts);
        }
        Ok(())
    }

    fn degrade(&mut self, trouble: Trouble, error: &JournalError, now: Moment) {
        if matches!(trouble, Trouble::Writing | Trouble::Opening) {
            self.counters.add(Counter::JournalWriteFailures, 1);
        }
        let cause = std::error::Error::source(error).map(ToString::to_string);
        let reason = cause.unwrap_or_else(|| error.to_string());
        self.fall(trouble, reason, now);
    }

    /// Sheds exchanges from here on.
    fn fall(&mut self, trouble: Trouble, reason: String, now: Moment) {
        let shed_before = self.shed_so_far();
        match &mut self.degraded {
            Some(degraded) => {
                degraded.trouble = trouble;
                degraded.failures = degraded.failures.saturating_add(1);
                degraded.tried = now.steady;
            }
            None => {
                self.degraded = Some(Degraded {
                    trouble,
                    failures: 1,
                    tried: now.steady,
                    shed_before,
                });
                self.happened.push(Happened::Degraded { reason });
            }
        }
    }

    /// Takes exchanges again, unless there is no room for them.
    fn resume(&mut self) {
        let Some(degraded) = &mut self.degraded else {
            return;
        };
        let before = degraded.shed_before;
        if self.space.is_relieved(self.taken()) {
            self.degraded = None;
            let shed = self.shed_so_far() - before;
            self.happened.push(Happened::Resumed { shed });
        } else if let Some(degraded) = &mut self.degraded {
            degraded.trouble = Trouble::Full;
        }
    }

    /// Looks how much room there is.
    fn measure(&mut self, now: Moment) {
        if self.timing.measure_is_due(now.steady) {
            self.space.measure(&*self.disk, &self.options.dir);
        }
        if self.space.pressure(self.taken()) == Pressure::Exchanges {
            self.tell_if_full(now);
        }
    }

    /// Sheds exchanges until there is more room again, if that is what is wanting.
    fn tell_if_full(&mut self, now: Moment) {
        let taken = self.taken();
        if self.degraded.is_none() && self.chain.is_some() && !self.space.is_relieved(taken) {
            let reason = self.space.reason(taken);
            self.fall(Trouble::Full, reason.to_owned(), now);
        }
    }
}
