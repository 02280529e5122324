//! The pipeline from records to outputs, over a source in memory.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{
    Board, Change, Counted, Host, Limits, Options, Output, Requests, RunError, ShardOptions, run,
};
use crate::capture::ConnBuilder;
use crate::capture::{Origin, Source};
use crate::clock::Moment;
use crate::config;
use crate::enrich::{Enrich, Identity};
use crate::event::{ApiEvent, Finding, Notice};
use crate::guard::May;
use crate::journal::{Journal, RealDisk};
use crate::keyed::HashKey;
use crate::redact::{Redactor, SealContext};
use crate::telemetry::{Counter, Counters, Falls, Fate};
use eaves_common::{EndReason, Flow};

/// A journal in `dir`, however full the disk is.
pub(super) fn journal_in(dir: &Path) -> Journal {
    let section = config::Journal {
        dir: dir.to_owned(),
        min_free: config::Size(0),
        ..config::Journal::default()
    };
    let options = section.options(vec![]);
    Journal::open(options, Arc::new(RealDisk), Moment::now()).unwrap()
}

/// Hands out records, a few a read.
struct Memory {
    records: Vec<Vec<u8>>,
    fails: bool,
}

impl Source for Memory {
    fn read(&mut self, _: Duration, each: &mut dyn FnMut(&[u8])) -> io::Result<Option<u64>> {
        if self.records.is_empty() {
            return if self.fails {
                Err(io::ErrorKind::Other.into())
            } else {
                Ok(None)
            };
        }
        let some = self.records.len().min(7);
        self.records.drain(..some).for_each(|record| each(&record));
        Ok(Some(some as u64))
    }
}

/// Keeps lines; takes only so many.
#[derive(Clone)]
struct Kept {
    lines: Arc<Mutex<Vec<String>>>,
    notices: Arc<Mutex<Vec<String>>>,
    room: usize,
}

impl Kept {
    /// Nothing yet, and room for so many lines.
    fn of(room: usize) -> Self {
        Self {
            lines: Arc::default(),
            notices: Arc::default(),
            room,
        }
    }
}

impl Output for Kept {
    fn wants_lines(&self) -> bool {
        true
    }
    fn exchange(&mut self, _: &ApiEvent<'_>, line: &[u8]) -> io::Result<()> {
        let mut lines = self.lines.lock().unwrap();
        if lines.len() == self.room {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        lines.push(String::from_utf8(line.to_vec()).unwrap());
        Ok(())
    }
    fn finding(&mut self, _: &Finding<'_>, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn notice(&mut self, _: &Notice<'_>, line: &[u8]) -> io::Result<()> {
        let line = String::from_utf8(line.to_vec()).unwrap();
        self.notices.lock().unwrap().push(line);
        Ok(())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn counters(&self) -> Counters {
        Counters::default()
    }
}

/// A keep-alive conn with `count` exchanges.
fn records(count: usize) -> Vec<Vec<u8>> {
    let mut conn = ConnBuilder::tcp(1);
    let mut records = vec![conn.open()];
    for n in 0..count {
        let request = format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n");
        records.push(conn.data(Flow::Received, request.as_bytes()));
        records.push(conn.data(
            Flow::Sent,
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        ));
    }
    records.push(conn.end(EndReason::Closed));
    records
}

fn hear(
    count: usize,
    queue_bytes: u64,
    room: usize,
    fails: bool,
) -> (Vec<String>, Counted, Result<(), RunError>) {
    let context = SealContext::new(&Origin::default());
    let kept = Kept::of(room);
    let mut host = Host::new(
        vec![Box::new(kept.clone())],
        Enrich::new(Identity::default(), HashKey::new(b"key")),
        &context,
    );
    let options = Options {
        shard: ShardOptions::default(),
        queue_bytes,
        limits: Limits::default(),
        may: May::default(),
    };
    let mut source = Memory {
        records: records(count),
        fails,
    };
    let ran = run(&mut source, &mut host, &options, &Requests::default());
    let lines = kept.lines.lock().unwrap().clone();
    (lines, host.counted(), ran)
}

#[track_caller]
fn balanced(counted: &Counted) {
    let ledger = counted.ledger();
    assert!(ledger.sums().iter().all(super::Sum::holds), "{ledger}");
}

#[test]
fn every_exchange_arrives_in_order_and_the_ledger_balances() {
    let (lines, counted, ran) = hear(100, 1 << 20, usize::MAX, false);
    ran.unwrap();
    assert_eq!(lines.len(), 100);
    for (n, line) in lines.iter().enumerate() {
        assert!(line.contains(&format!("\"path\":\"/{n}\"")), "{line}");
        assert!(line.ends_with("}\n"));
    }
    assert_eq!(counted.counters.get(Counter::Sealed), 100);
    balanced(&counted);
}

#[test]
fn what_finds_the_queue_full_is_dropped_and_counted() {
    let (lines, counted, ran) = hear(100, 0, usize::MAX, false);
    ran.unwrap();
    assert_eq!(lines.len(), 0);
    assert_eq!(counted.counters.get(Counter::QueueFull), 100);
    balanced(&counted);
}

#[test]
fn an_output_nobody_reads_ends_it_and_the_rest_is_counted() {
    let (lines, counted, ran) = hear(100, 1 << 20, 10, false);
    assert!(matches!(ran, Err(RunError::Output(_))));
    assert_eq!(lines.len(), 10);
    assert_eq!(counted.counters.get(Counter::Sealed), 10);
    balanced(&counted);
}

#[test]
fn what_was_heard_before_a_source_fails_arrives() {
    let (lines, counted, ran) = hear(20, 1 << 20, usize::MAX, true);
    assert!(matches!(ran, Err(RunError::Source(_))));
    assert_eq!(lines.len(), 20);
    balanced(&counted);
}

/// A conn that stays open, on which each request has a header field.
fn named_records(count: usize) -> Vec<Vec<u8>> {
    let mut conn = ConnBuilder::tcp(1);
    let mut records = vec![conn.open()];
    for n in 0..count {
        let request = format!("GET /{n} HTTP/1.1\r\nHost: a\r\nX-Team-Word: plainly{n}\r\n\r\n");
        records.push(conn.data(Flow::Received, request.as_bytes()));
        let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
        records.push(conn.data(Flow::Sent, answer));
    }
    records
}

#[test]
fn another_configuration_holds_from_one_exchange_on() {
    let context = SealContext::new(&Origin::default());
    let kept = Kept::of(usize::MAX);
    let key = HashKey::new(b"key");
    let enrich = Enrich::new(Identity::default(), key.clone());
    let mut host = Host::new(vec![Box::new(kept.clone())], enrich, &context);
    let old = config::Config::default();
    let new = config::parse("redact: { names: [x-team-word] }").unwrap();
    let live = old.live(&new, None).unwrap();
    let redactor = Arc::new(Redactor::new(live.config.redact.options(), key));
    let (change, done) = Change::of(&old, live, redactor, "host", |_| false).unwrap();
    let requests = Requests::default();
    requests.change(change);
    let mut source = Memory {
        records: named_records(100),
        fails: false,
    };
    let options = Options {
        shard: ShardOptions::default(),
        queue_bytes: 1 << 20,
        limits: Limits::default(),
        may: May::default(),
    };
    run(&mut source, &mut host, &options, &requests).unwrap();
    done.try_recv().unwrap();
    let lines = kept.lines.lock().unwrap().clone();
    assert_eq!(lines.len(), 100);
    for (n, line) in lines.iter().enumerate() {
        // The first read has three exchanges; behind it the change is asked for.
        let is_plain = line.contains(&format!("\"plainly{n}\""));
        assert_eq!(is_plain, n < 3, "{line}");
    }
    let counted = host.counted();
    assert_eq!(counted.counters.get(Counter::ConfigReloads), 1);
    balanced(&counted);
}

#[test]
fn a_thread_that_fell_is_told_and_shown() {
    let context = SealContext::new(&Origin::default());
    let kept = Kept::of(usize::MAX);
    let enrich = Enrich::new(Identity::default(), HashKey::new(b"key"));
    let falls: &'static Falls = Box::leak(Box::default());
    let board = Arc::new(Board::default());
    let mut host = Host::new(vec![Box::new(kept.clone())], enrich, &context)
        .telling(falls)
        .posting(Arc::clone(&board), std::iter::empty());
    falls.note("eaves-api", Fate::BegunAgain, Instant::now());
    falls.note("sink-siem", Fate::Fallen, Instant::now());
    let mut source = Memory {
        records: records(1),
        fails: false,
    };
    let options = Options {
        shard: ShardOptions::default(),
        queue_bytes: 1 << 20,
        limits: Limits::default(),
        may: May::default(),
    };
    run(&mut source, &mut host, &options, &Requests::default()).unwrap();
    let notices = kept.notices.lock().unwrap().clone();
    let told = [
        (
            r#""severity":"medium""#,
            r#"{"thread":"eaves-api","state":"begun_again"}"#,
        ),
        (
            r#""severity":"high""#,
            r#"{"thread":"sink-siem","state":"fallen"}"#,
        ),
    ];
    assert_eq!(notices.len(), told.len(), "{notices:?}");
    for (line, (severity, detail)) in notices.iter().zip(told) {
        assert!(line.contains(r#""name":"room""#), "{line}");
        assert!(line.contains(severity) && line.contains(detail), "{line}");
    }
}
