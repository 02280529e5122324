//! Lines → the world: standard output and files.
//!
//! In: whole lines, each a record. Out: a [`Delivery`] that says how many of them arrived. A sink
//! that cannot write says why, lets go of what came, counts it, and tries again after a while, so
//! that a full disk never ends the agent. It neither queues nor routes.

mod batch;
mod deliver;
mod feed;
mod format;
mod pump;
mod retry;

mod dead;
mod http;
mod post;
mod secret;

mod alertmanager;
mod append;
mod backoff;
mod clickhouse;
mod elasticsearch;
mod file;
mod finding;
mod kafka;
mod lines;
mod loki;
mod otlp;
mod pagerduty;
mod slack;
mod splunk_hec;
mod stdout;
mod syslog;
mod webhook;

use std::io;
use std::path::PathBuf;

use crate::clock::WallTime;
use crate::telemetry::{Counter, Counters};

pub use alertmanager::{Alertmanager, AlertmanagerOptions};
pub use batch::{Batch, Head, Item, Kind, Part};
pub use clickhouse::{Clickhouse, ClickhouseOptions};
pub use dead::DeadLetters;
pub use deliver::{Deliver, Delivering, Fate, Outcome, Preparing, Problem};
pub use elasticsearch::{Elasticsearch, ElasticsearchOptions};
pub use feed::{Feed, JournalFeed, Kept, Unread, cursor_name, sink_name};
pub use file::{FileOptions, FileSink};
pub use format::{Format, FormatError};
pub use http::{
    AuthOptions, BasicOptions, ConnectError, HeaderOptions, HttpError, HttpOptions, ProxyOptions,
    SetupError, TlsError, TlsOptions, UrlError,
};
pub use kafka::{Kafka, KafkaOptions, kafka_broker};
pub use lines::Lines;
pub use loki::{Loki, LokiOptions};
pub use otlp::{Otlp, OtlpOptions};
pub use pagerduty::{Pagerduty, PagerdutyOptions};
pub use pump::{Control, News, Phase, Predicate, Pump, PumpOptions, Tally, is_wanted};
pub use secret::{Secret, SecretError, SecretText};
pub use slack::{Slack, SlackOptions};
pub use splunk_hec::{Ack, SplunkHec, SplunkHecOptions};
pub use stdout::StdoutSink;
pub use syslog::{Facility, Syslog, SyslogOptions};
pub use webhook::{Webhook, WebhookBody, WebhookOptions};

/// Where lines go.
pub trait Sink {
    /// Writes `lines`, `records` whole ones, each with its line feed.
    ///
    /// What did not arrive is counted and gone; `problem` says why.
    ///
    /// # Errors
    /// [`SinkError::Closed`] if nobody reads any more, and never will.
    fn write(&mut self, lines: &[u8], records: u64, now: WallTime) -> Result<Delivery, SinkError>;

    /// Opens again what it writes to, as after somebody renamed a file.
    ///
    /// # Errors
    /// Why that did not work; it then goes on where it wrote before.
    fn reopen(&mut self, now: WallTime) -> Result<(), SinkError>;

    /// Ends what was begun; nothing is written after.
    fn close(&mut self);

    /// Lines in, written, and failed.
    fn counters(&self) -> &Counters;
}

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Delivery {
    /// Records that arrived.
    pub written: u64,
    /// Records that did not.
    pub failed: u64,
    /// What went wrong in this attempt. Absent while the sink only waits to try again.
    pub problem: Option<SinkError>,
}

/// Why a sink does not deliver.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The reader went away.
    #[error("nobody reads standard output any more")]
    Closed,
    /// Standard output cannot be written.
    #[error("standard output cannot be written")]
    Stdout(#[source] io::Error),
    /// The file cannot be opened.
    #[error("file {} cannot be opened to append", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is something else of that name.
    #[error("{} is not a file: a sink of type file writes to none but files", path.display())]
    NotFile {
        /// What is not.
        path: PathBuf,
    },
    /// Another process writes to it.
    #[error("file {} is locked: another process writes to it", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("file {} cannot be written", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file cannot be renamed; it grows on.
    #[error("file {} cannot be rotated, it grows on", path.display())]
    Rotate {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Counts a batch of which `written` records of `records` arrived.
fn count(counters: &mut Counters, records: u64, written: u64) -> Delivery {
    let written = written.min(records);
    let failed = records - written;
    counters.add(Counter::SinkLinesIn, records);
    counters.add(Counter::SinkLinesWritten, written);
    counters.add(Counter::SinkLinesFailed, failed);
    Delivery {
        written,
        failed,
        problem: None,
    }
}

/// How many line feeds are in `bytes`.
fn line_feeds(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}
