//! Every sink of the configuration, each with a thread that tells it what the journal holds.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::Output;
use crate::clock::WallTime;
use crate::config::{Config, SinkEntry, SinkKind};
use crate::event::{ApiEvent, Detail, Finding, Notice, Severity, SinkState};
use crate::journal::{Cursor, JournalError, Synced};
use crate::sink::{
    Alertmanager, Clickhouse, Control, DeadLetters, Deliver, Elasticsearch, FileSink, JournalFeed,
    Kafka, Lines, Loki, News, Otlp, Pagerduty, Phase, Pump, PumpOptions, SetupError, SinkError,
    Slack, SplunkHec, StdoutSink, Syslog, Tally, Webhook,
};
use crate::telemetry::{Counter, Counters};

/// Most news that wait to be told; beyond, the log alone has them.
const NEWS_MAX: usize = 256;

/// How long sinks may take at the end to deliver what is there.
const END_WITHIN: Duration = Duration::from_secs(5);

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
    phase: watch::Sender<Phase>,
    reopen: Arc<AtomicU32>,
    threads: Vec<JoinHandle<()>>,
    tallies: Vec<Arc<Tally>>,
    news: mpsc::Receiver<(String, News)>,
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
        let (phase, listens) = watch::channel(Phase::Run);
        let (tells, news) = mpsc::sync_channel(NEWS_MAX);
        let control = Control {
            phase: listens,
            reopen: Arc::default(),
        };
        let mut sinks = Self {
            phase,
            reopen: Arc::clone(&control.reopen),
            threads: Vec::new(),
            tallies: Vec::new(),
            news,
        };
        let mut pumps = Vec::new();
        for (name, entry) in &config.sinks {
            let Some(kind) = entry.kind() else { continue };
            let tells = tells.clone();
            let named = name.clone();
            let tell = move |news| {
                // Full: the log has it.
                let _ = tells.try_send((named.clone(), news));
            };
            let deliver = open(name, entry, kind, host)?;
            let pump = pump(name, entry, deliver, dir, synced)?.telling(tell);
            pumps.push((name, pump));
        }
        // Only when all can be used is any of them told anything.
        for (name, mut pump) in pumps {
            sinks.tallies.push(pump.tally());
            let control = control.clone();
            let thread = thread::Builder::new().name(format!("sink-{name}"));
            let thread = thread.spawn(move || pump.run(&control));
            sinks
                .threads
                .push(thread.map_err(|source| SinksError::Thread {
                    name: name.clone(),
                    source,
                })?);
        }
        Ok(sinks)
    }

    /// Lets them deliver all that is there, however long that takes: what was counted.
    #[must_use]
    pub fn finish(mut self) -> Counters {
        self.phase.send_replace(Phase::Empty);
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
        self.counters()
    }

    /// Lets them deliver what is there, for at most `within`, and ends them: whether all was delivered.
    /// What was not is delivered after the next start.
    fn end(&mut self, within: Duration) -> bool {
        self.phase.send_replace(Phase::Drain);
        let until = Instant::now() + within;
        while Instant::now() < until && !self.threads.iter().all(JoinHandle::is_finished) {
            thread::sleep(Duration::from_millis(10));
        }
        let all = self.threads.iter().all(JoinHandle::is_finished);
        self.phase.send_replace(Phase::Halt);
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
        all
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
        self.reopen.fetch_add(1, Ordering::Relaxed);
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
        for tally in &self.tallies {
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

/// The far end of one sink.
fn open(
    name: &str,
    entry: &SinkEntry,
    kind: SinkKind<'_>,
    host: &str,
) -> Result<Box<dyn Deliver>, SinksError> {
    let http = entry.http();
    let opened = match kind {
        SinkKind::Stdout(_) => Ok(Box::new(Lines::new(StdoutSink::new())) as Box<dyn Deliver>),
        SinkKind::File(file) => {
            let file = FileSink::open(file.options(entry.format()), WallTime::now());
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
    opened.map_err(|source| SinksError::Setup {
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
