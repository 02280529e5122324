//! The room from end to end: written, read, proved.

mod crash;
mod faults;
mod keys;
mod tamper;
mod worth;

use std::process::Command;

use super::testing::{Rig, number, read_all, read_more};
use super::{Cursor, Happened, Key, Keys, Order, Reader, RecordKind, Sync};
use crate::telemetry::Counter;

fn numbers(records: &[(Cursor, String)]) -> Vec<u64> {
    records.iter().map(|(_, line)| number(line)).collect()
}

#[track_caller]
fn balanced(rig: &Rig) {
    let counters = rig.journal.counters();
    let sum = |of: &[Counter]| of.iter().map(|one| counters.get(*one)).sum::<u64>();
    use Counter as C;
    let out = [
        C::JournalAccepted,
        C::JournalRefused,
        C::JournalShedExchanges,
        C::JournalShedFindings,
        C::JournalShedNotices,
    ];
    assert_eq!(counters.get(C::JournalOffered), sum(&out));
    let out = [C::JournalDurable, C::JournalLost, C::JournalUnsynced];
    assert_eq!(counters.get(C::JournalAccepted), sum(&out));
}

#[test]
fn what_is_written_is_read_in_either_order_and_proved() {
    let mut rig = Rig::new(|_| ());
    for _ in 0..5 {
        rig.frame(7);
    }
    rig.reopen();
    rig.frame(3);
    rig.close();
    let forward = read_all(rig.dir(), Order::OldestFirst);
    assert_eq!(numbers(&forward), (0..38).collect::<Vec<_>>());
    assert!(forward.is_sorted_by_key(|(cursor, _)| *cursor));
    let mut backward = read_all(rig.dir(), Order::NewestFirst);
    backward.sort();
    assert_eq!(backward, forward);
    let report = rig.verify();
    assert_eq!(report.found, None);
    assert_eq!((report.records, report.segments), (38, 1));
    assert_eq!((report.unsigned_links, report.torn_bytes), (0, 0));
    balanced(&rig);
}

#[test]
fn zstd_and_jq_read_a_segment() {
    let mut rig = Rig::new(|_| ());
    rig.frame(7);
    rig.frame(5);
    rig.close();
    let segment = super::folder::path(rig.dir(), 1);
    let Ok(unpacked) = Command::new("zstd").arg("-dc").arg(&segment).output() else {
        eprintln!("skipped: no zstd on this host");
        return;
    };
    assert!(unpacked.status.success(), "{unpacked:?}");
    let expected: Vec<_> = read_all(rig.dir(), Order::OldestFirst);
    let lines: Vec<_> = str::from_utf8(&unpacked.stdout).unwrap().lines().collect();
    assert_eq!(
        lines,
        expected
            .iter()
            .map(|(_, line)| line.as_str())
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_frame_closes_when_old_when_full_and_at_once_for_a_finding() {
    let mut rig = Rig::new(|_| ());
    let read = |rig: &Rig| read_all(rig.dir(), Order::OldestFirst).len();
    rig.exchanges(3);
    rig.pass(249);
    assert_eq!(read(&rig), 0);
    rig.pass(1);
    assert_eq!(read(&rig), 3);
    rig.exchanges(2);
    rig.finding();
    assert_eq!(read(&rig), 6);
    // The next within 50 ms waits for its turn.
    rig.pass(10);
    rig.finding();
    assert_eq!(read(&rig), 6);
    rig.pass(40);
    assert_eq!(read(&rig), 7);
    let line = format!("{{\"n\":0,\"x\":\"{}\"}}\n", "x".repeat(100_000));
    for _ in 0..2 {
        rig.append(RecordKind::Exchange, None, &line, Keys::default());
    }
    assert_eq!(read(&rig), 7);
    rig.append(RecordKind::Exchange, None, &line, Keys::default());
    assert_eq!(read(&rig), 10);
}

#[test]
fn sinks_read_what_is_synced_and_no_more() {
    let mut rig = Rig::new(|options| options.sync = Sync::Every(std::time::Duration::from_secs(1)));
    let reader = Reader::forward(rig.dir(), Cursor::default()).unwrap();
    let mut reader = reader.only_synced(rig.journal.synced());
    rig.frame(3);
    assert_eq!(read_all(rig.dir(), Order::OldestFirst).len(), 3);
    assert_eq!(read_more(&mut reader).len(), 0);
    rig.pass(700);
    assert_eq!(numbers(&read_more(&mut reader)), [0, 1, 2]);
    rig.frame(1);
    assert_eq!(read_more(&mut reader).len(), 0);
    rig.finding();
    assert_eq!(numbers(&read_more(&mut reader)), [3, 4]);
}

#[test]
fn a_reader_goes_on_from_any_cursor_and_follows() {
    let mut rig = Rig::new(|options| options.keep_bytes = 16 << 20);
    for _ in 0..6 {
        rig.frame(4);
    }
    let all = read_all(rig.dir(), Order::OldestFirst);
    for (at, (cursor, _)) in all.iter().enumerate() {
        let mut reader = Reader::forward(rig.dir(), *cursor).unwrap();
        assert_eq!(read_more(&mut reader), all[at..]);
        let mut reader = Reader::open(rig.dir(), *cursor, Order::NewestFirst).unwrap();
        let mut before = read_more(&mut reader);
        before.sort();
        assert_eq!(before, all[..at]);
    }
    let mut reader = Reader::forward(rig.dir(), all[23].0).unwrap();
    assert_eq!(numbers(&read_more(&mut reader)), [23]);
    assert_eq!(read_more(&mut reader), []);
    rig.frame(2);
    assert_eq!(numbers(&read_more(&mut reader)), [24, 25]);
    rig.reopen();
    rig.frame(1);
    assert_eq!(numbers(&read_more(&mut reader)), [26]);
    assert!(reader.cursor() > all[23].0);
}

#[test]
fn frames_that_cannot_match_are_passed_over() {
    let mut rig = Rig::new(|_| ());
    for _ in 0..40 {
        rig.frame(5);
    }
    let mut reader = Reader::forward(rig.dir(), Cursor::default()).unwrap();
    let (mut frames, mut found) = (0, 0);
    while let Some(frame) = reader
        .next(|index| index.may_contain(Key::Client, b"10.0.0.77"))
        .unwrap()
    {
        frames += 1;
        found += frame
            .records()
            .filter(|(_, line)| line.ends_with(b"\"10.0.0.77\"}"))
            .count();
    }
    assert_eq!(found, 1);
    assert!(frames < 5, "{frames} of 40");
    let mut reader = Reader::forward(rig.dir(), Cursor::default()).unwrap();
    assert!(
        reader
            .next(|index| index.counts.findings > 0)
            .unwrap()
            .is_none()
    );
    // The cursor has come all the way, though nothing was read.
    rig.frame(1);
    let mut rest = Reader::forward(rig.dir(), reader.cursor()).unwrap();
    assert_eq!(numbers(&read_more(&mut rest)), [200]);
}

#[test]
fn what_is_no_line_of_json_is_refused() {
    let mut rig = Rig::new(|_| ());
    for line in ["", "\n", "{}", "[]\n", "{\"a\":\n1}\n", "{}\n{}\n"] {
        rig.append(RecordKind::Exchange, None, line, Keys::default());
    }
    rig.append(RecordKind::Exchange, None, "{}\n", Keys::default());
    rig.close();
    assert_eq!(rig.journal.counters().get(Counter::JournalRefused), 6);
    assert_eq!(read_all(rig.dir(), Order::OldestFirst).len(), 1);
    balanced(&rig);
}

#[test]
fn all_is_signed_each_minute_and_at_the_end() {
    let mut rig = Rig::new(|_| ());
    let checkpoints = |rig: &mut Rig| {
        let happened = rig.happened();
        let signed = happened.into_iter().filter_map(|one| match one {
            Happened::Checkpoint(checkpoint) => Some(checkpoint),
            _ => None,
        });
        signed.collect::<Vec<_>>()
    };
    for _ in 0..240 {
        rig.pass(250);
    }
    let first = checkpoints(&mut rig);
    assert_eq!(first.len(), 1);
    assert!(first[0].is_signed_by(&rig.key()));
    rig.frame(3);
    rig.close();
    let last = checkpoints(&mut rig);
    assert_eq!((last.len(), last[0].records), (1, 3));
    let text = serde_json::to_string(&last[0]).unwrap();
    assert_eq!(
        serde_json::from_str::<super::Checkpoint>(&text).unwrap(),
        last[0]
    );
}

#[test]
fn a_second_writer_is_kept_out() {
    let rig = Rig::new(|_| ());
    let disk = std::sync::Arc::clone(&rig.disk);
    let second = super::Journal::open(rig.options.clone(), disk, rig.now());
    assert!(matches!(second, Err(super::JournalError::Locked { .. })));
}
