//! After a crash: every whole frame is kept, the torn one is cut, the chain goes on.

use std::fs;
use std::time::Duration;

use super::super::testing::{Rig, number, read_all};
use super::super::{Happened, Order, Sync, folder};
use super::balanced;

fn cut(rig: &mut Rig) -> (u64, u64) {
    let started = rig.happened().into_iter().find_map(|one| match one {
        Happened::Started {
            cut_records,
            cut_bytes,
            ..
        } => Some((cut_records, cut_bytes)),
        _ => None,
    });
    started.unwrap()
}

#[test]
fn a_write_that_was_torn_at_any_byte_is_cut_and_counted() {
    let mut rig = Rig::new(|_| ());
    rig.frame(3);
    rig.frame(2);
    let path = folder::path(rig.dir(), 1);
    let before = fs::read(&path).unwrap();
    rig.frame(4);
    let after = fs::read(&path).unwrap();
    for len in before.len()..after.len() {
        fs::write(&path, &after[..len]).unwrap();
        rig.happened();
        rig.crash();
        let torn = len - before.len();
        // Where the number of records is not torn off, it is told.
        let records = if torn >= 16 { 4 } else { 0 };
        assert_eq!(cut(&mut rig), (records, torn as u64), "torn after {torn}");
        rig.frame(1);
        let read: Vec<_> = read_all(rig.dir(), Order::OldestFirst);
        assert_eq!(read.len(), 6);
        assert!(read.iter().take(5).map(|(_, line)| number(line)).eq(0..5));
        assert_eq!(rig.verify().found, None, "torn after {torn}");
        rig.journal.lock = None;
        fs::write(&path, &before).unwrap();
        fs::remove_file(rig.options.key.file.with_file_name("journal.last")).ok();
    }
}

#[test]
fn a_first_link_that_was_torn_takes_its_segment_with_it() {
    let mut rig = Rig::new(|_| ());
    rig.frame(3);
    rig.pass(90_000_000);
    rig.frame(2);
    rig.happened();
    let (before, path) = (folder::path(rig.dir(), 1), folder::path(rig.dir(), 2));
    let whole = fs::read(&path).unwrap();
    let ended = fs::read(&before).unwrap();
    let first = 120 + 44;
    for len in [0, 1, 119, 120, 121, first, first + 30] {
        fs::write(&before, &ended).unwrap();
        fs::write(&path, &whole[..len]).unwrap();
        rig.crash();
        let (_, bytes) = cut(&mut rig);
        assert_eq!(bytes, len as u64);
        let read: Vec<_> = read_all(rig.dir(), Order::OldestFirst);
        assert_eq!(read.len(), 3, "torn after {len}");
        rig.frame(1);
        assert_eq!(rig.verify().found, None, "torn after {len}");
        rig.journal.lock = None;
        fs::remove_file(rig.options.key.file.with_file_name("journal.last")).ok();
    }
}

#[test]
fn what_was_damaged_after_it_was_synced_is_left_for_verify() {
    let mut rig = Rig::new(|_| ());
    for _ in 0..6 {
        rig.frame(3);
    }
    let path = folder::path(rig.dir(), 1);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    rig.crash();
    assert!(rig.happened().contains(&Happened::Damaged { segment: 1 }));
    rig.frame(2);
    rig.close();
    assert_eq!(fs::read(&path).unwrap(), bytes);
    let read = super::super::Reader::forward(rig.dir(), Default::default());
    let (mut read, mut records, mut damages) = (read.unwrap(), 0, 0);
    loop {
        match read.next(|_| true) {
            Ok(Some(frame)) => records += frame.records().count(),
            Ok(None) => break,
            Err(_) => damages += 1,
        }
    }
    assert_eq!((records, damages), (17, 1));
    assert!(rig.verify().found.is_some());
    balanced(&rig);
}

#[test]
fn a_copy_that_is_put_back_does_not_fork_the_chain_unnoticed() {
    let mut rig = Rig::new(|_| ());
    rig.frame(3);
    rig.close();
    let path = folder::path(rig.dir(), 1);
    let copy = fs::read(&path).unwrap();
    rig.happened();
    rig.reopen();
    rig.frame(4);
    rig.close();
    let signed = |one: Happened| match one {
        Happened::Checkpoint(checkpoint) => Some(checkpoint),
        _ => None,
    };
    let lost = rig.happened().into_iter().filter_map(signed).next_back();
    fs::write(&path, &copy).unwrap();
    assert_eq!(rig.verify().found, None);
    rig.happened();
    rig.reopen();
    let rewound = |one: &Happened| matches!(one, Happened::Rewound { .. });
    assert!(rig.happened().iter().any(rewound));
    rig.frame(2);
    rig.close();
    let found = rig.verify().found.unwrap();
    assert_eq!(found.kind, super::super::BreakKind::CutTail);
    // All of it is proved, and a person may say that it was a copy; not if what is missing was seen elsewhere
    // and nobody says so.
    let report = rig.verify();
    assert_eq!((report.records, report.unsigned_links), (5, 0));
    let put_back = report.put_back[0];
    assert!(put_back.missing < put_back.link && put_back.signed + 1 == put_back.link);
    let trust = |put_back: &[u64], checkpoints: &[super::super::Checkpoint]| super::super::Trust {
        key: None,
        checkpoints: checkpoints.to_vec(),
        put_back: put_back.to_vec(),
    };
    let found = |trust| {
        super::super::verify(rig.dir(), &trust, |_, _| ())
            .unwrap()
            .found
    };
    assert_eq!(found(trust(&[put_back.link], &[])), None);
    assert!(found(trust(&[put_back.link + 1], &[])).is_some());
    let lost = lost.unwrap();
    let kind = |found: Option<super::super::Break>| found.unwrap().kind;
    let cut = super::super::BreakKind::CutTail;
    assert_eq!(kind(found(trust(&[], std::slice::from_ref(&lost)))), cut);
    assert_eq!(found(trust(&[put_back.link], &[lost])), None);
    // No number is given twice: what sinks have seen stays behind their cursors.
    let read = read_all(rig.dir(), Order::OldestFirst);
    let numbers: Vec<_> = read.iter().map(|(_, line)| number(line)).collect();
    assert_eq!(numbers, [0, 1, 2, 7, 8]);
    assert!(read[3].0.frame > read[2].0.frame + 3);
    rig.reopen();
    assert!(!rig.happened().iter().any(rewound));
}

#[test]
fn what_is_written_into_an_emptied_folder_outlives_the_next_start() {
    let mut rig = Rig::new(|options| options.sync = Sync::Every(Duration::from_hours(1)));
    rig.frame(3);
    rig.close();
    fs::remove_file(folder::path(rig.dir(), 1)).unwrap();
    rig.happened();
    rig.reopen();
    let rewound = |one: &Happened| matches!(one, Happened::Rewound { .. });
    assert!(rig.happened().iter().any(rewound));
    rig.frame(2);
    rig.crash();
    assert_eq!(cut(&mut rig), (0, 0));
    rig.frame(1);
    rig.reopen();
    assert_eq!(cut(&mut rig), (0, 0));
    let read = read_all(rig.dir(), Order::OldestFirst);
    let numbers: Vec<_> = read.iter().map(|(_, line)| number(line)).collect();
    assert_eq!(numbers, [3, 4, 5]);
}
