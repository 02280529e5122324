//! With less and less room what is worth least goes first.

use std::io::ErrorKind;
use std::sync::Arc;

use super::super::testing::fault::{FaultDisk, Faults};
use super::super::testing::{Rig, read_all};
use super::super::{Keys, Order, Record, RecordKind, Worth};
use super::balanced;

/// Appends one record of each worth.
fn one_of_each(rig: &mut Rig, round: &str) {
    let now = rig.now();
    for worth in [Worth::Asset, Worth::Common, Worth::Important, Worth::Told] {
        let line = format!("{{\"n\":\"{worth:?} {round}\"}}\n");
        let kind = match worth {
            Worth::Told => RecordKind::Notice,
            _ => RecordKind::Exchange,
        };
        let record = Record {
            kind,
            worth,
            severity: None,
            time: now.date,
            line: line.as_bytes(),
            keys: Keys::default(),
        };
        rig.journal.append(&record, now);
    }
    rig.pass(300);
}

/// Which of a round were kept, by their first letters.
fn kept(rig: &Rig, round: &str) -> String {
    let all = read_all(rig.dir(), Order::OldestFirst);
    let ours = all
        .iter()
        .filter(|(_, line)| line.contains(&format!(" {round}\"")));
    ours.filter_map(|(_, line)| line.chars().nth(6)).collect()
}

#[test]
fn files_go_before_exchanges_those_before_errors_and_those_before_findings() {
    let disk = FaultDisk::new(1);
    let mut rig = Rig::on(Arc::new(disk.clone()), |options| options.min_free = 1 << 30);
    let steps = [
        (1000, "ACIT"),
        (200, "ACIT"),
        (100, "CIT"),
        (40, "IT"),
        (20, "T"),
        (10, ""),
        (40, "IT"),
        // Not taken again for a little more room.
        (100, "IT"),
        (200, "ACIT"),
    ];
    for (number, (mebi, expected)) in steps.into_iter().enumerate() {
        disk.set(Faults {
            free: Some((1 << 30) + (mebi << 20)),
            ..Faults::default()
        });
        rig.pass(1000);
        let round = number.to_string();
        one_of_each(&mut rig, &round);
        assert_eq!(kept(&rig, &round), expected, "{mebi} MiB");
    }
    rig.close();
    assert_eq!(rig.verify().found, None);
    balanced(&rig);
}

#[test]
fn while_nothing_can_be_written_what_matters_waits() {
    let disk = FaultDisk::new(1);
    let mut rig = Rig::on(Arc::new(disk.clone()), |_| ());
    rig.frame(1);
    disk.set(Faults {
        write: Some((ErrorKind::Other, 0)),
        ..Faults::default()
    });
    rig.frame(1);
    rig.pass(1000);
    one_of_each(&mut rig, "down");
    assert_eq!(kept(&rig, "down"), "");
    disk.set(Faults::default());
    rig.pass(60_000);
    rig.pass(300);
    assert_eq!(kept(&rig, "down"), "IT");
    rig.close();
    balanced(&rig);
}
