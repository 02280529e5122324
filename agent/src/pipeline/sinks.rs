//! Every sink of the configuration, each with a thread that tells it what the journal holds.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::{NewSinks, Output, Route};
use crate::clock::WallTime;
use crate::config::{Config, SinkEntry, SinkKind};
use crate::event::{ApiEvent, Detail, Finding, Notice, Severity, SinkState};
use crate::guard::{May, Need, keeping};
use crate::journal::{Cursor, JournalError, Synced};
use crate::sink::{
    Alertmanager, Clickhouse, Control, DeadLetters, Deliver, Elasticsearch, FileOptions, FileSink,
    JournalFeed, Kafka, Lines, Loki, News, Otlp, Pagerduty, Phase, Pump, PumpOptions, SetupError,
    SinkError, Slack, SplunkHec, StdoutSink, Syslog, Tally, Webhook,
};
use crate::telemetry::{Counter, Counters, watched, with_causes};

/// Most news that wait to be told; beyond, the log alone has them.
const NEWS_MAX: usize = 256;

/// How long sinks may take at the end to deliver what is there.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Why a sink is told nothing whose thread fell; what it has not got waits in the journal.
const FELL: &str = "its thread fell, by a mistake of the agent's own: a restart begins it again";

/// Why sinks cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum SinksError {
    /// A sink's far end cannot be spoken to as it is configured.
    #[error("sinks.{name}")]
    Setup {
        /// The sink.
        name: String,
        /// Why.
        #[source]
        source: SetupError,
    },
    /// A file or standard output cannot be written.
    #[error("sinks.{name}")]
    Open {
        /// The sink.
        name: String,
        /// Why.
        #[source]
        source: SinkError,
    },
    /// The journal or a cursor in it cannot be read.
    #[error("sinks.{name}")]
    Journal {
        /// The sink.
        name: String,
        /// Why.
        #[source]
        source: JournalError,
    },
    /// Its dead letters cannot be read.
    #[error("dead letters of sinks.{name}")]
    DeadLetters {
        /// The sink.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The system gives no thread.
    #[error("no thread for sinks.{name}")]
    Thread {
        /// The sink.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The sinks, running.
pub struct Sinks {
    running: BTreeMap<String, Running>,
    leaving: Vec<Leaving>,
    tallies: BTreeMap<String, Arc<Tally>>,
    ground: Ground,
    news: mpsc::Receiver<(String, News)>,
}

/// What every sink stands on.
#[derive(Clone)]
struct Ground {
    dir: PathBuf,
    synced: Option<Synced>,
    reopen: Arc<AtomicU32>,
    tells: mpsc::SyncSender<(String, News)>,
}

/// One that is told.
struct Running {
    phase: watch::Sender<Phase>,
    thread: JoinHandle<()>,
}

/// One that is told no more, and is to end behind what is under way.
struct Leaving {
    name: String,
    phase: watch::Sender<Phase>,
    /// Taken by the sink of that name that comes after it.
    thread: Option<JoinHandle<()>>,
}

impl Sinks {
    /// Starts every sink of `config` on the journal in `dir`; with `synced` none reads further than what
    /// is synced. `host` is this host's name.
    ///
    /// # Errors
    /// [`SinksError`] if one cannot be used as it is configured.
    pub fn start(
        config: &Config,
        dir: &Path,
        synced: Option<&Synced>,
        host: &str,
    ) -> Result<Self, SinksError> {
        let (tells, news) = mpsc::sync_channel(NEWS_MAX);
        let ground = Ground {
            dir: dir.to_owned(),
            synced: synced.cloned(),
            reopen: Arc::default(),
            tells,
        };
        let mut pumps = Vec::new();
        for (name, entry) in &config.sinks {
            let opened = open(name, entry, host, |options| {
                FileSink::open(options, WallTime::now())
            })?;
            if let Some(deliver) = opened {
                let waiting = Waiting::start(name, entry, dir)?;
                pumps.push((name, waiting, ground.pump(name, entry, deliver)?));
            }
        }
        let mut sinks = Self {
            running: BTreeMap::new(),
            leaving: Vec::new(),
            tallies: BTreeMap::new(),
            ground,
            news,
        };
        // Only when all can be used is any of them told anything.
        for (name, waiting, pump) in pumps {
            sinks.begin(name, waiting, None, move || Ok(pump));
        }
        Ok(sinks)
    }

    /// Has a sink told by the thread that waits for it, once the one `before` it has ended.
    fn begin(
        &mut self,
        name: &str,
        waiting: Waiting,
        before: Option<JoinHandle<()>>,
        make: impl FnOnce() -> Result<Pump, SinksError> + Send + 'static,
    ) {
        let (phase, listens) = watch::channel(Phase::Run);
        let control = Control {
            phase: listens,
            reopen: Arc::clone(&self.ground.reopen),
        };
        let tally = Arc::clone(self.tallies.entry(name.to_owned()).or_default());
        let (named, tells) = (name.to_owned(), self.ground.tells.clone());
        let run = move || {
            if let Some(before) = before {
                // One that panicked has said so.
                let _ = before.join();
            }
            if matches!(*control.phase.borrow(), Phase::Halt | Phase::Leave) {
                return;
            }
            match make() {
                Ok(pump) => pump.counting(tally).run(&control),
                Err(error) => {
                    let why = with_causes(&error);
                    tracing::error!("{why}");
                    let _ = tells.try_send((named, News::Down(why)));
                }
            }
        };
        let (run, fell) = (watched(called(name), run), self.ground.tells.clone());
        let own = name.to_owned();
        let run = move || {
            if !run() {
                let _ = fell.try_send((own, News::Down(FELL.to_owned())));
            }
        };
        let thread = waiting.give(run);
        let running = Running { phase, thread };
        self.running.insert(name.to_owned(), running);
    }

    /// Tells the sink `name` no more.
    fn leave(&mut self, name: String) {
        if let Some(Running { phase, thread }) = self.running.remove(&name) {
            phase.send_replace(Phase::Leave);
            self.leaving.push(Leaving {
                name,
                phase,
                thread: Some(thread),
            });
        }
    }

    /// The end of the sink `name` that was told last, if it has not come yet.
    fn before(&mut self, name: &str) -> Option<JoinHandle<()>> {
        let mut of_name = self.leaving.iter_mut().filter(|one| one.name == name);
        of_name.find_map(|one| one.thread.take())
    }

    /// Goes on with the sink `name` as `entry` has it, from where it stood.
    fn follow(
        &mut self,
        name: &str,
        entry: SinkEntry,
        deliver: Box<dyn Deliver>,
        waiting: Waiting,
    ) {
        let (named, ground) = (name.to_owned(), self.ground.clone());
        if let Some(before) = self.before(name) {
            // Two at once would tell the same.
            let make = move || ground.pump(&named, &entry, deliver);
            return self.begin(name, waiting, Some(before), make);
        }
        // Its place is taken now: nothing behind it is missed.
        match ground.pump(name, &entry, deliver) {
            Ok(pump) => self.begin(name, waiting, None, move || Ok(pump)),
            Err(error) => {
                let why = with_causes(&error);
                tracing::error!("{why}");
                let news = (name.to_owned(), News::Down(why));
                let _ = self.ground.tells.try_send(news);
            }
        }
    }

    /// Lets them deliver all that is there, however long that takes: what was counted.
    #[must_use]
    pub fn finish(mut self) -> Counters {
        self.all(Phase::Empty);
        self.join();
        self.counters()
    }

    /// Lets them deliver what is there, for at most `within`, and ends them: whether all was delivered.
    /// What was not is delivered after the next start.
    fn end(&mut self, within: Duration) -> bool {
        self.all(Phase::Drain);
        let until = Instant::now() + within;
        let finished = |sinks: &Self| {
            let left = sinks.leaving.iter().filter_map(|one| one.thread.as_ref());
            let running = sinks.running.values().map(|one| &one.thread);
            running.chain(left).all(JoinHandle::is_finished)
        };
        while Instant::now() < until && !finished(self) {
            thread::sleep(Duration::from_millis(10));
        }
        let all = finished(self);
        self.all(Phase::Halt);
        for one in &self.leaving {
            one.phase.send_replace(Phase::Halt);
        }
        self.join();
        all
    }

    fn all(&self, phase: Phase) {
        for one in self.running.values() {
            one.phase.send_replace(phase);
        }
    }

    /// Waits for all. Their phases stay until then: one whose phase is gone is to end at once.
    fn join(&mut self) {
        let running = std::mem::take(&mut self.running).into_values();
        let running = running.map(|one| (one.phase, Some(one.thread)));
        let left = self.leaving.drain(..).map(|one| (one.phase, one.thread));
        for (phase, thread) in running.chain(left) {
            // One that panicked has said so.
            let _ = thread.map(JoinHandle::join);
            drop(phase);
        }
    }
}

impl Ground {
    /// The way of one sink.
    fn pump(
        &self,
        name: &str,
        entry: &SinkEntry,
        deliver: Box<dyn Deliver>,
    ) -> Result<Pump, SinksError> {
        let (named, tells) = (name.to_owned(), self.tells.clone());
        let tell = move |news| {
            // Full: the log has it.
            let _ = tells.try_send((named.clone(), news));
        };
        let pump = pump(name, entry, deliver, &self.dir, self.synced.as_ref())?;
        Ok(pump.telling(tell))
    }
}

/// A thread for one sink that waits for what it is to do: who makes sinks ready begins it, since who puts
/// them in force stands behind walls that leave no room for what sinks do.
pub(super) struct Waiting {
    to: mpsc::SyncSender<Work>,
    thread: JoinHandle<()>,
}

type Work = Box<dyn FnOnce() + Send>;

/// The thread of the sink `name`.
fn called(name: &str) -> String {
    format!("sink-{name}")
}

impl Waiting {
    /// For a sink by `entry`, told by the journal in `dir`.
    fn start(name: &str, entry: &SinkEntry, dir: &Path) -> Result<Self, SinksError> {
        // Its cursor and its dead letters lie there too.
        let may = May::from([Need::Write]).writing(dir);
        let may = match entry.kind() {
            Some(SinkKind::Stdout(_)) | None => may,
            Some(SinkKind::File(options)) => may.writing(&options.path),
            Some(_) => may.needing(Need::Net),
        };
        let (to, work) = mpsc::sync_channel::<Work>(1);
        let run = move || {
            // It may not come to be in force.
            if let Ok(work) = work.recv() {
                work();
            }
        };
        let thread = thread::Builder::new().name(called(name));
        let thread = thread.spawn(keeping(may, run));
        let thread = thread.map_err(|source| SinksError::Thread {
            name: name.to_owned(),
            source,
        })?;
        Ok(Self { to, thread })
    }

    /// Has it do this.
    fn give(self, work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
        // It waits for nothing else.
        let _ = self.to.send(Box::new(work));
        self.thread
    }
}

/// A sink that is ready to be told.
pub(super) enum Opened {
    /// By the journal.
    Deliver(Box<dyn Deliver>, Waiting),
    /// As events come.
    Route(Box<Route>),
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Deliver(..) => "Deliver",
            Self::Route(_) => "Route",
        })
    }
}

impl Opened {
    /// Opens a sink, told by the journal in `dir` where there is one; a file that `is_taken` only once the
    /// sink is told something.
    pub(super) fn of(
        name: &str,
        entry: &SinkEntry,
        dir: Option<&Path>,
        host: &str,
        is_taken: impl Fn(&Path) -> bool,
    ) -> Result<Option<Self>, SinksError> {
        let file = |options: FileOptions| {
            if is_taken(&options.path) {
                return Ok(FileSink::closed(options));
            }
            match FileSink::open(options.clone(), WallTime::now()) {
                // One of ours that was taken out a moment ago may still be at it.
                Err(SinkError::Locked { .. }) => Ok(FileSink::closed(options)),
                opened => opened,
            }
        };
        if let Some(dir) = dir {
            let Some(opened) = open(name, entry, host, file)? else {
                return Ok(None);
            };
            let waiting = Waiting::start(name, entry, dir)?;
            return Ok(Some(Self::Deliver(opened, waiting)));
        }
        let route = Route::of(name, entry, file).map_err(|source| SinksError::Open {
            name: name.to_owned(),
            source,
        })?;
        Ok(route.map(|route| Self::Route(Box::new(route))))
    }
}

impl Output for Sinks {
    /// They are told by the journal, from which they read.
    fn wants_lines(&self) -> bool {
        false
    }

    fn exchange(&mut self, _: &ApiEvent<'_>, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn finding(&mut self, _: &Finding<'_>, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn notice(&mut self, _: &Notice<'_>, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn reopen(&mut self) {
        self.ground.reopen.fetch_add(1, Ordering::Relaxed);
    }

    fn change(&mut self, new: &mut NewSinks) {
        self.leaving.retain(|one| !one.phase.is_closed());
        let gone = self.running.keys().filter(|name| !new.keeps(name));
        for name in gone.cloned().collect::<Vec<_>>() {
            self.leave(name);
        }
        for (name, (entry, opened)) in std::mem::take(&mut new.opened) {
            if let Opened::Deliver(deliver, waiting) = opened {
                self.follow(&name, entry, deliver, waiting);
            }
        }
    }

    /// Refusals of one sink are told together.
    fn news(&mut self) -> Vec<(Severity, Detail<'static>)> {
        let mut told: Vec<(String, News)> = Vec::new();
        for (sink, news) in self.news.try_iter() {
            let last = told.iter_mut().rev().find(|(other, _)| *other == sink);
            match (last, news) {
                (Some((_, News::Refused(count, why))), News::Refused(more, last)) => {
                    *count += more;
                    *why = last;
                }
                (_, news) => told.push((sink, news)),
            }
        }
        told.into_iter()
            .map(|(sink, news)| detail(sink, news))
            .collect()
    }

    fn close(&mut self) {
        if !self.end(END_WITHIN) {
            tracing::info!("not every sink has everything: the rest is sent after the next start");
        }
    }

    fn counters(&self) -> Counters {
        let mut counters = Counters::default();
        for tally in self.tallies.values() {
            for (counter, count) in [
                (Counter::SinkSettled, &tally.settled),
                (Counter::SinkAccepted, &tally.accepted),
                (Counter::SinkRefused, &tally.refused),
                (Counter::SinkRetries, &tally.retries),
            ] {
                counters.add(counter, count.load(Ordering::Relaxed));
            }
        }
        counters
    }
}

fn detail(sink: String, news: News) -> (Severity, Detail<'static>) {
    let (severity, state, reason, events) = match news {
        News::Down(why) => (Severity::High, SinkState::Down, Some(why), None),
        News::Up => (Severity::Info, SinkState::Up, None, None),
        News::Refused(count, why) => (Severity::Medium, SinkState::Refused, Some(why), Some(count)),
    };
    let detail = Detail::Sink {
        sink,
        state,
        reason,
        events,
    };
    (severity, detail)
}

/// The far end of one sink; `file` opens one.
fn open(
    name: &str,
    entry: &SinkEntry,
    host: &str,
    file: impl FnOnce(FileOptions) -> Result<FileSink, SinkError>,
) -> Result<Option<Box<dyn Deliver>>, SinksError> {
    let Some(kind) = entry.kind() else {
        return Ok(None);
    };
    let http = entry.http();
    let opened = match kind {
        SinkKind::Stdout(_) => Ok(Box::new(Lines::new(StdoutSink::new())) as Box<dyn Deliver>),
        SinkKind::File(options) => {
            let file = file(options.options(entry.format()));
            let file = file.map_err(|source| SinksError::Open {
                name: name.to_owned(),
                source,
            })?;
            Ok(Box::new(Lines::new(file)) as Box<dyn Deliver>)
        }
        SinkKind::Webhook(options) => Webhook::open(options, &http),
        SinkKind::Elasticsearch(options) => Elasticsearch::open(options, &http),
        SinkKind::SplunkHec(options) => SplunkHec::open(options, &http).map(boxed),
        SinkKind::Loki(options) => Loki::open(options, &http),
        SinkKind::Otlp(options) => Otlp::open(options, &http),
        SinkKind::Syslog(options) => Syslog::open(options, &http, host).map(boxed),
        SinkKind::Clickhouse(options) => Clickhouse::open(options, &http),
        SinkKind::Kafka(options) => Kafka::open(options, &http).map(boxed),
        SinkKind::Alertmanager(options) => Alertmanager::open(options, &http).map(boxed),
        SinkKind::Pagerduty(options) => Pagerduty::open(options, &http).map(boxed),
        SinkKind::Slack(options) => Slack::open(options, &http),
    };
    opened.map(Some).map_err(|source| SinksError::Setup {
        name: name.to_owned(),
        source,
    })
}

fn boxed<D: Deliver + 'static>(deliver: D) -> Box<dyn Deliver> {
    Box::new(deliver)
}

/// The way of one sink.
fn pump(
    name: &str,
    entry: &SinkEntry,
    deliver: Box<dyn Deliver>,
    dir: &Path,
    synced: Option<&Synced>,
) -> Result<Pump, SinksError> {
    let kinds = entry.kinds();
    let begin = match synced {
        Some(synced) if !entry.from_oldest() => Cursor {
            frame: synced.before(),
            ..Cursor::default()
        },
        _ => Cursor::default(),
    };
    let opened = JournalFeed::open(dir, name, &kinds, synced.cloned(), begin);
    let (feed, kept) = opened.map_err(|source| SinksError::Journal {
        name: name.to_owned(),
        source,
    })?;
    let batch = entry.batch.clone().unwrap_or_default();
    let filter = entry.filter();
    let options = PumpOptions {
        name: name.to_owned(),
        kinds,
        min_severity: entry.min_severity,
        filter: filter.map(|filter| Box::new(move |line: &[u8]| filter.matches(line)) as _),
        format: entry.format(),
        batch_bytes: batch.bytes.to_usize(),
        batch_events: batch.events as usize,
        batch_delay: batch.delay.0,
    };
    let letters = DeadLetters::of(dir, name);
    let pump = Pump::new(options, Box::new(feed), deliver, letters, kept);
    pump.map_err(|source| SinksError::Thread {
        name: name.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests;
