//! A disk that is full, read-only or failing: the caller goes on, and so does the chain.

use std::fs;
use std::io::ErrorKind;
use std::sync::Arc;

use super::super::testing::fault::{FaultDisk, Faults};
use super::super::testing::{Rig, number, read_all, read_more};
use super::super::{
    Cursor, Disk, Happened, Keys, Order, Pressure, Reader, RecordKind, State, Sync,
};
use super::balanced;
use crate::telemetry::Counter;

/// How often each crash is played.
const CRASHES: u64 = 80;

fn rig(seed: u64) -> (Rig, FaultDisk) {
    let disk = FaultDisk::new(seed);
    let rig = Rig::on(Arc::new(disk.clone()), |options| {
        options.sync = Sync::Every(std::time::Duration::from_secs(1));
    });
    (rig, disk)
}

fn numbers(records: &[(Cursor, String)]) -> Vec<u64> {
    records.iter().map(|(_, line)| number(line)).collect()
}

/// What a sink may have passed on.
fn synced(rig: &Rig) -> Vec<(Cursor, String)> {
    let reader = Reader::forward(rig.dir(), Cursor::default()).unwrap();
    read_more(&mut reader.only_synced(rig.journal.synced()))
}

/// Some work, with whatever the disk does.
fn work(rig: &mut Rig, disk: &FaultDisk) {
    for _ in 0..disk.random(12) {
        match disk.random(8) {
            0 => rig.finding(),
            1 => rig.pass(60_000),
            2 => rig.pass(90_000_000),
            3..5 => rig.exchanges(disk.random(20) as u64),
            _ => rig.frame(disk.random(9) as u64),
        }
    }
}

/// A crash in the middle of anything, with or without loss of power, and what must hold after it.
fn crash(seed: u64, power: bool, failing: bool) {
    let (mut rig, disk) = rig(seed);
    let mut before: Vec<(Cursor, String)> = Vec::new();
    for round in 0..3 {
        work(&mut rig, &disk);
        if failing {
            disk.set(Faults {
                write: (disk.random(2) == 0).then_some((ErrorKind::StorageFull, disk.random(300))),
                sync: disk.random(2) == 0,
                ..Faults::default()
            });
            work(&mut rig, &disk);
            disk.set(Faults::default());
            work(&mut rig, &disk);
        }
        disk.dies_after(disk.random(40) as u64);
        work(&mut rig, &disk);
        let accepted = read_all(rig.dir(), Order::OldestFirst);
        let durable = synced(&rig);
        if power {
            disk.lose_power();
        } else {
            disk.set(Faults::default());
        }
        rig.crash();
        let what = format!("seed {seed}, round {round}");
        let after = read_all(rig.dir(), Order::OldestFirst);
        let must: &[_] = if power { &durable } else { &accepted };
        assert!(after.starts_with(must), "{what}: {must:?}\n{after:?}");
        assert!(
            accepted.starts_with(&after),
            "{what}: {after:?}\n{accepted:?}"
        );
        assert!(after.starts_with(&before), "{what}");
        let report = rig.verify();
        assert_eq!((report.found, report.torn_bytes), (None, 0), "{what}");
        before = after;
    }
    rig.frame(1);
    rig.close();
    assert_eq!(rig.verify().found, None, "seed {seed}");
}

#[test]
fn killed_at_any_instant_nothing_accepted_is_lost() {
    (0..CRASHES).for_each(|seed| crash(seed, false, false));
}

#[test]
fn when_power_is_lost_nothing_durable_is() {
    (0..CRASHES).for_each(|seed| crash(seed, true, false));
}

#[test]
fn nor_when_writes_and_syncs_had_failed_before() {
    (0..CRASHES).for_each(|seed| crash(seed, true, true));
}

/// The disk fails so for a while: exchanges are shed, findings wait, and all goes on by itself.
#[track_caller]
fn fails(faults: Faults) {
    let (mut rig, disk) = rig(1);
    rig.frame(5);
    rig.happened();
    disk.set(faults);
    rig.frame(3);
    rig.pass(1000);
    rig.pass(100);
    assert_eq!(rig.journal.pressure(), Pressure::Exchanges);
    let told = rig.happened();
    let degraded = |one: &Happened| matches!(one, Happened::Degraded { .. });
    assert_eq!(
        told.iter().filter(|one| degraded(one)).count(),
        1,
        "{told:?}"
    );
    for _ in 0..40 {
        rig.exchanges(2);
        rig.pass(1000);
    }
    rig.finding();
    disk.set(Faults::default());
    rig.pass(31_000);
    rig.pass(300);
    assert_eq!(rig.journal.pressure(), Pressure::None);
    let resumed = |one: &Happened| matches!(one, Happened::Resumed { shed: 80 });
    let told = rig.happened();
    assert!(told.iter().any(resumed), "{told:?}");
    rig.frame(2);
    rig.close();
    let mut expected: Vec<_> = (0..8).collect();
    expected.extend([88, 89, 90]);
    assert_eq!(numbers(&read_all(rig.dir(), Order::OldestFirst)), expected);
    assert_eq!(
        rig.journal.counters().get(Counter::JournalShedExchanges),
        80
    );
    assert_eq!(rig.verify().found, None);
    balanced(&rig);
}

#[test]
fn a_full_disk_sheds_exchanges_and_resumes_by_itself() {
    let full = |bytes| Faults {
        write: Some((ErrorKind::StorageFull, bytes)),
        ..Faults::default()
    };
    fails(full(0));
    fails(full(100));
}

#[test]
fn so_does_one_that_becomes_read_only() {
    fails(Faults {
        write: Some((ErrorKind::ReadOnlyFilesystem, 0)),
        read_only: true,
        ..Faults::default()
    });
}

#[test]
fn so_does_one_that_cannot_sync() {
    fails(Faults {
        sync: true,
        ..Faults::default()
    });
}

#[test]
fn what_a_failed_sync_has_lost_is_counted() {
    let (mut rig, disk) = rig(1);
    rig.frame(5);
    rig.pass(1000);
    rig.frame(3);
    disk.set(Faults {
        sync: true,
        ..Faults::default()
    });
    rig.pass(1000);
    // The device is back, but has not what was written.
    disk.lose_power();
    rig.pass(100);
    rig.pass(2000);
    rig.frame(2);
    rig.close();
    let read = numbers(&read_all(rig.dir(), Order::OldestFirst));
    assert!(
        read.starts_with(&[0, 1, 2, 3, 4]) && read.ends_with(&[8, 9]),
        "{read:?}"
    );
    let lost = rig.journal.counters().get(Counter::JournalLost);
    assert_eq!(lost, 10 - read.len() as u64);
    assert_eq!(rig.verify().found, None);
    balanced(&rig);
}

#[test]
fn a_disk_that_fails_at_the_start_is_tried_again() {
    let disk = FaultDisk::new(1);
    disk.set(Faults {
        read_only: true,
        ..Faults::default()
    });
    let mut rig = Rig::on(Arc::new(disk.clone()), |_| ());
    rig.exchanges(5);
    rig.finding();
    rig.pass(1000);
    disk.set(Faults::default());
    rig.pass(5000);
    rig.frame(2);
    rig.close();
    assert_eq!(numbers(&read_all(rig.dir(), Order::OldestFirst)), [5, 6, 7]);
    balanced(&rig);
}

#[test]
fn a_clock_that_jumps_deletes_nothing_and_is_told() {
    let (mut rig, _) = rig(1);
    for _ in 0..3 {
        rig.frame(2);
        rig.pass(90_000_000);
    }
    rig.happened();
    rig.ahead_ms = 40 * 365 * 86_400_000;
    rig.pass(300);
    let told = rig.happened();
    let set = |one: &Happened| matches!(one, Happened::ClockSet { by_ns } if *by_ns > 0);
    assert!(told.iter().any(set), "{told:?}");
    for _ in 0..50 {
        rig.pass(60_000);
    }
    rig.ahead_ms = 0;
    rig.frame(2);
    rig.close();
    assert_eq!(
        numbers(&read_all(rig.dir(), Order::OldestFirst)),
        [0, 1, 2, 3, 4, 5, 6, 7]
    );
    assert_eq!(rig.verify().found, None);
}

/// Text that cannot be compressed much, `bytes` of it.
fn noise(disk: &FaultDisk, bytes: usize) -> String {
    let letter = |_| char::from(b'0' + disk.random(75) as u8);
    (0..bytes)
        .map(letter)
        .filter(|c| !matches!(c, '"' | '\\'))
        .collect()
}

fn bytes_of(rig: &Rig) -> u64 {
    let files = fs::read_dir(rig.dir()).unwrap();
    files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum()
}

/// A journal of 4 MiB that so many KiB are written to.
fn full(readers: &[&str], drop_unsent: bool, kib: usize) -> Rig {
    let disk = FaultDisk::new(1);
    let mut rig = Rig::on(Arc::new(disk.clone()), |options| {
        options.keep_bytes = 4 << 20;
        options.readers = readers.iter().map(|name| (*name).to_owned()).collect();
        options.drop_unsent = drop_unsent;
    });
    for n in 0..kib / 16 {
        let line = format!("{{\"n\":{n},\"x\":\"{}\"}}\n", noise(&disk, 16 << 10));
        rig.append(RecordKind::Exchange, None, &line, Keys::default());
        rig.pass(100);
        assert!(bytes_of(&rig) <= 4 << 20);
    }
    rig
}

#[test]
fn the_oldest_segments_go_and_the_chain_says_so() {
    let mut rig = full(&[], false, 14 << 10);
    rig.close();
    let report = rig.verify();
    assert_eq!(report.found, None);
    assert!(report.first_segment > 5, "{report:?}");
    let retired = rig.journal.counters().get(Counter::JournalRetiredSegments);
    assert_eq!(retired, report.first_segment - 1);
    assert_eq!(rig.journal.counters().get(Counter::JournalShedExchanges), 0);
    balanced(&rig);
    // By another hand, it is not the same.
    fs::remove_file(super::super::folder::path(rig.dir(), report.first_segment)).unwrap();
    assert_eq!(
        rig.verify().found.unwrap().kind,
        super::super::BreakKind::Removed
    );
}

#[test]
fn what_a_sink_has_yet_to_get_is_kept_and_new_exchanges_are_shed() {
    let mut rig = full(&["siem"], false, 8 << 10);
    assert_eq!(rig.verify().first_segment, 1);
    assert!(rig.journal.counters().get(Counter::JournalShedExchanges) > 0);
    // Findings have a reserve.
    rig.finding();
    rig.pass(300);
    let all = read_all(rig.dir(), Order::OldestFirst);
    assert!(all.last().unwrap().1.contains("finding"));
    let shed = rig.journal.counters().get(Counter::JournalShedFindings);
    assert_eq!(shed, 0);
    // The sink has got all: there is room again.
    let cursor = all.last().unwrap().0;
    let disk: Arc<dyn Disk> = Arc::clone(&rig.disk);
    State::on(rig.dir(), disk)
        .save("siem", cursor, &())
        .unwrap();
    rig.happened();
    for _ in 0..40 {
        rig.pass(1000);
    }
    assert_eq!(rig.journal.pressure(), Pressure::None);
    let resumed = |one: &Happened| matches!(one, Happened::Resumed { .. });
    assert!(rig.happened().iter().any(resumed));
    rig.close();
    assert_eq!(rig.verify().found, None);
    balanced(&rig);
}

#[test]
fn with_drop_unsent_it_goes_and_is_counted() {
    let mut rig = full(&["siem"], true, 8 << 10);
    let unsent = rig.journal.counters().get(Counter::JournalUnsentDropped);
    let told = rig.happened().into_iter().filter_map(|one| match one {
        Happened::Retired {
            records, unsent, ..
        } => Some((records, unsent)),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    assert!(
        told.iter().all(|(records, unsent)| records == unsent),
        "{told:?}"
    );
    assert_eq!(unsent, told.iter().map(|(_, unsent)| unsent).sum::<u64>());
    assert!(unsent > 0);
    assert_eq!(rig.journal.counters().get(Counter::JournalShedExchanges), 0);
}

#[test]
fn what_others_leave_free_is_left_free() {
    let (mut rig, disk) = rig(1);
    rig.options.min_free = 1 << 30;
    rig.reopen();
    let free = |bytes: u64| {
        disk.set(Faults {
            free: Some((1_u64 << 30) + bytes),
            ..Faults::default()
        });
    };
    free(1 << 30);
    rig.pass(1000);
    rig.frame(3);
    assert_eq!(rig.journal.pressure(), Pressure::None);
    free(200 << 20);
    rig.pass(1000);
    assert_eq!(rig.journal.pressure(), Pressure::Bodies);
    free(40 << 20);
    rig.pass(1000);
    assert_eq!(rig.journal.pressure(), Pressure::Exchanges);
    rig.exchanges(4);
    rig.finding();
    free(1 << 20);
    rig.pass(1000);
    rig.finding();
    free(1 << 30);
    rig.pass(1000);
    rig.frame(1);
    rig.close();
    assert_eq!(
        numbers(&read_all(rig.dir(), Order::OldestFirst)),
        [0, 1, 2, 7, 9]
    );
    assert_eq!(rig.journal.counters().get(Counter::JournalShedFindings), 1);
    balanced(&rig);
}

#[test]
fn old_segments_go_once_the_clock_is_trusted() {
    let mut rig = Rig::new(|options| options.keep_age = std::time::Duration::from_secs(86_400 * 8));
    for _ in 0..12 {
        rig.frame(2);
        rig.pass(86_400_000);
    }
    for _ in 0..100 {
        rig.pass(60_000);
    }
    rig.close();
    let report = rig.verify();
    assert_eq!(report.found, None);
    assert!((3..6).contains(&report.first_segment), "{report:?}");
}
