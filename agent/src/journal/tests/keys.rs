//! One key after the other.

use std::fs;
use std::path::PathBuf;

use super::super::testing::Rig;
use super::super::{BreakKind, Checkpoint, Happened, PublicKey, Report, Trust, folder, verify};

fn key(rig: &Rig) -> PathBuf {
    rig.options.key.file.clone()
}

fn old(rig: &Rig) -> PathBuf {
    let mut path = key(rig);
    path.as_mut_os_string().push(".old");
    path
}

/// Two segments by one key, then as many by the next, as the operator's page says it is done; both keys, and
/// the checkpoints of all.
fn rotated() -> (Rig, [PublicKey; 2], Vec<Checkpoint>) {
    let mut rig = Rig::new(|_| ());
    let segments = |rig: &mut Rig| {
        rig.frame(3);
        rig.pass(90_000_000);
        rig.frame(2);
        rig.close();
    };
    segments(&mut rig);
    let first = rig.key();
    fs::rename(key(&rig), old(&rig)).unwrap();
    let before = rig.happened();
    rig.reopen();
    let changed = rig.happened();
    let second = rig.key();
    assert_ne!(first, second);
    let expected = Happened::KeyChanged {
        from: first,
        to: second,
        handed_over: true,
    };
    assert!(changed.contains(&expected), "{changed:?}");
    assert!(!old(&rig).exists());
    segments(&mut rig);
    let all = [before, changed, rig.happened()].concat();
    let checkpoints = all.into_iter().filter_map(|one| match one {
        Happened::Checkpoint(checkpoint) => Some(checkpoint),
        _ => None,
    });
    let checkpoints = checkpoints.collect();
    (rig, [first, second], checkpoints)
}

fn held(rig: &Rig, key: Option<PublicKey>, checkpoints: &[Checkpoint]) -> Report {
    let trust = Trust {
        key,
        checkpoints: checkpoints.to_vec(),
        put_back: Vec::new(),
    };
    verify(rig.dir(), &trust, |_, _| ()).unwrap()
}

#[test]
fn who_trusts_either_key_can_prove_all() {
    let (rig, [first, second], checkpoints) = rotated();
    assert!(checkpoints.iter().any(|one| one.key == first.0));
    assert!(checkpoints.iter().any(|one| one.key == second.0));
    for trusted in [Some(first), Some(second), None] {
        let report = held(&rig, trusted, &checkpoints);
        assert_eq!(report.found, None, "{trusted:?}");
        assert_eq!(
            (report.records, report.unsigned_links, report.key),
            (10, 0, Some(second))
        );
        let [change] = report.keys[..] else {
            panic!("{:?}", report.keys);
        };
        assert_eq!((change.from, change.to), (first, second));
        assert!(change.segment > 2 && change.segment < report.segments);
    }
    let stranger = PublicKey([7; 32]);
    let found = held(&rig, Some(stranger), &[]).found.unwrap();
    assert_eq!(found.kind, BreakKind::WrongKey);
}

#[test]
fn a_second_start_changes_nothing() {
    let (mut rig, [first, second], _) = rotated();
    rig.reopen();
    let changed = |one: &Happened| matches!(one, Happened::KeyChanged { .. });
    assert!(!rig.happened().iter().any(changed));
    rig.frame(1);
    rig.close();
    for trusted in [first, second] {
        assert_eq!(held(&rig, Some(trusted), &[]).found, None);
    }
}

#[test]
fn a_key_that_nobody_named_is_another_s() {
    let mut rig = Rig::new(|_| ());
    rig.frame(3);
    rig.close();
    let first = rig.key();
    fs::remove_file(key(&rig)).unwrap();
    rig.happened();
    rig.reopen();
    let second = rig.key();
    let expected = Happened::KeyChanged {
        from: first,
        to: second,
        handed_over: false,
    };
    assert!(rig.happened().contains(&expected));
    rig.frame(3);
    rig.close();
    for trusted in [Some(first), Some(second), None] {
        let found = held(&rig, trusted, &[]).found.unwrap();
        assert_eq!(found.kind, BreakKind::WrongKey, "{trusted:?}");
        assert_eq!(found.segment, 2);
    }
}

/// Who had the old key alone can say that the new one follows, yet not sign with it.
#[test]
fn a_handover_alone_proves_nothing_to_who_trusts_the_new_key() {
    let (rig, [_, second], checkpoints) = rotated();
    let report = held(&rig, Some(second), &[]);
    let from = report.keys[0].segment;
    for number in from..=report.segments {
        fs::remove_file(folder::path(rig.dir(), number)).unwrap();
    }
    let found = held(&rig, Some(second), &[]).found.unwrap();
    assert_eq!(found.kind, BreakKind::WrongKey);
    // What was seen elsewhere says what was done.
    let found = held(&rig, Some(second), &checkpoints).found.unwrap();
    assert_eq!(found.kind, BreakKind::CutTail);
}

#[test]
fn what_is_altered_before_a_handover_is_told() {
    let (rig, keys, _) = rotated();
    let path = folder::path(rig.dir(), 1);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    for key in keys {
        let found = held(&rig, Some(key), &[]).found.unwrap();
        assert_eq!((found.kind, found.segment), (BreakKind::Altered, 1));
    }
}

#[test]
fn a_disk_that_fails_at_the_handover_delays_it() {
    use super::super::testing::fault::{FaultDisk, Faults};
    let disk = FaultDisk::new(1);
    let mut rig = Rig::on(std::sync::Arc::new(disk.clone()), |_| ());
    rig.frame(3);
    rig.close();
    let first = rig.key();
    fs::rename(key(&rig), old(&rig)).unwrap();
    disk.set(Faults {
        sync: true,
        ..Faults::default()
    });
    rig.reopen();
    rig.happened();
    assert!(old(&rig).exists());
    rig.pass(1000);
    disk.set(Faults::default());
    for _ in 0..4 {
        rig.pass(20_000);
    }
    assert!(!old(&rig).exists());
    rig.frame(2);
    rig.close();
    for trusted in [first, rig.key()] {
        let report = held(&rig, Some(trusted), &[]);
        assert_eq!((report.found, report.records), (None, 5));
        assert_eq!(report.keys.len(), 1);
    }
}
