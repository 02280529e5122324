//! Appends numbered events to a journal until it is killed, and says which of them are durable.
//!
//! `eaves-journal DIR`: the journal in `DIR/journal`. Each line of standard output is a number: all
//! events up to it have been read by a reader that sees only what is synced.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use eaves::clock::Moment;
use eaves::journal::{
    Cursor, Journal, KeyPlace, Keys, Options, Reader, RealDisk, Record, RecordKind, Sync, Worth,
};

/// Events between two looks at the clock.
const BURST: u64 = 40;

fn main() -> Result<()> {
    let root = PathBuf::from(std::env::args_os().nth(1).context("no folder")?);
    let key = KeyPlace {
        credential: None,
        file: root.join("journal.key"),
    };
    let mut options = Options::new(root.join("journal"), key);
    options.sync = Sync::Every(Duration::from_millis(5));
    options.min_free = 0;
    let mut journal = Journal::open(options.clone(), Arc::new(RealDisk), Moment::now())?;
    let reader = Reader::forward(&options.dir, Cursor::default())?;
    let mut reader = reader.only_synced(journal.synced());
    let mut last = None;
    let mut durable = |journal: &mut Journal| -> Result<Option<u64>> {
        journal.tick(Moment::now());
        while let Some(frame) = reader.next(|_| true)? {
            for (_, line) in frame.records() {
                let event: serde_json::Value = serde_json::from_slice(line)?;
                last = event.get("n").and_then(serde_json::Value::as_u64);
            }
        }
        Ok(last)
    };
    // What was there is synced at the start.
    let mut next = durable(&mut journal)?.map_or(0, |last| last + 1);
    let mut out = std::io::stdout().lock();
    writeln!(out, "ready")?;
    loop {
        for _ in 0..BURST {
            let line = format!(
                "{{\"n\":{next},\"text\":\"{}\"}}\n",
                next.wrapping_mul(0x9e37_79b9)
            );
            let now = Moment::now();
            let record = Record {
                // A finding closes its frame at once.
                kind: if next.is_multiple_of(97) {
                    RecordKind::Finding
                } else {
                    RecordKind::Exchange
                },
                worth: Worth::default(),
                severity: None,
                time: now.date,
                line: line.as_bytes(),
                keys: Keys::default(),
            };
            journal.append(&record, now);
            next += 1;
        }
        if let Some(last) = durable(&mut journal)? {
            writeln!(out, "{last}")?;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}
