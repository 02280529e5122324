//! Whatever is done to the files, verify finds it and says what it was.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::links::Links;
use super::super::segment::HEAD_BYTES;
use super::super::testing::Rig;
use super::super::{
    Break, BreakKind, Checkpoint, Disk as _, Happened, KeyPlace, Open, PublicKey, RealDisk, Report,
    Trust, folder, verify,
};

/// Two segments of some frames each, closed in good order.
fn journal() -> (Rig, Checkpoint) {
    let mut rig = Rig::new(|_| ());
    for _ in 0..3 {
        rig.frame(3);
    }
    // Older than a segment becomes.
    rig.pass(90_000_000);
    for _ in 0..3 {
        rig.frame(3);
    }
    rig.close();
    let last = rig.happened().into_iter().filter_map(|one| match one {
        Happened::Checkpoint(checkpoint) => Some(checkpoint),
        _ => None,
    });
    let last = last.max_by_key(|checkpoint| checkpoint.sequence).unwrap();
    assert_eq!(fs::read_dir(rig.dir()).unwrap().count(), 3);
    (rig, last)
}

fn segment(rig: &Rig, number: u64) -> PathBuf {
    folder::path(rig.dir(), number)
}

fn report(rig: &Rig, checkpoints: &[Checkpoint]) -> Report {
    let trust = Trust {
        key: Some(rig.key()),
        checkpoints: checkpoints.to_vec(),
        put_back: Vec::new(),
    };
    verify(rig.dir(), &trust, |_, _| ()).unwrap()
}

fn found(rig: &Rig, checkpoints: &[Checkpoint]) -> Option<Break> {
    report(rig, checkpoints).found
}

/// Where each link of a segment begins, and where the last ends.
fn links(path: &Path) -> Vec<usize> {
    let file = RealDisk.open(path, Open::Read).unwrap();
    let mut links = Links::new(file, HEAD_BYTES as u64);
    let mut places = vec![HEAD_BYTES];
    while links.next().unwrap().is_some() {
        places.push(usize::try_from(links.at()).unwrap());
    }
    places
}

#[test]
fn what_nobody_touched_is_whole() {
    let (rig, last) = journal();
    let report = report(&rig, &[last]);
    assert_eq!(report.found, None);
    assert_eq!(
        (report.segments, report.records, report.unsigned_links),
        (2, 18, 0)
    );
}

#[test]
fn any_byte_that_is_changed_is_found() {
    let (rig, _) = journal();
    for number in [1, 2] {
        let path = segment(&rig, number);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut altered = whole.clone();
            altered[at] ^= 1 << (at % 8);
            fs::write(&path, altered).unwrap();
            let found = found(&rig, &[]);
            let found = found.unwrap_or_else(|| panic!("segment {number}, byte {at}"));
            let is = (found.kind, found.segment);
            assert_eq!(is, (BreakKind::Altered, number), "byte {at}: {found:?}");
        }
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn the_frame_and_the_record_are_named() {
    let mut rig = Rig::new(|_| ());
    rig.frame(5);
    // Text that cannot be compressed lies in the frame as it is.
    let line = "{\"n\":5,\"x\":\"Qz8rT1vW4yBnM7kLpXsD\"}\n";
    rig.append(
        super::super::RecordKind::Exchange,
        None,
        line,
        super::super::Keys::default(),
    );
    rig.exchanges(4);
    rig.pass(300);
    rig.close();
    let path = segment(&rig, 1);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(4).position(|some| some == b"Qz8r").unwrap();
    bytes[at] = b'q';
    fs::write(&path, bytes).unwrap();
    let found = found(&rig, &[]).unwrap();
    // The start is link 0, the two frames are links 1 and 2.
    assert_eq!((found.segment, found.frame), (1, Some(2)));
    assert_eq!((found.record, found.records), (Some(5), Some(1)));
}

#[test]
fn a_link_that_is_deleted_is_missed() {
    let (rig, _) = journal();
    for number in [1, 2] {
        let path = segment(&rig, number);
        let whole = fs::read(&path).unwrap();
        let places = links(&path);
        for (index, pair) in places.windows(2).enumerate().take(places.len() - 2) {
            let mut cut = whole.clone();
            cut.drain(pair[0]..pair[1]);
            fs::write(&path, cut).unwrap();
            let found = found(&rig, &[]).unwrap();
            assert_eq!(
                (found.kind, found.segment),
                (BreakKind::Removed, number),
                "{index}: {found:?}"
            );
        }
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn links_that_change_places_are_told() {
    let (rig, _) = journal();
    let path = segment(&rig, 2);
    let whole = fs::read(&path).unwrap();
    let places = links(&path);
    for three in places.windows(3) {
        let mut swapped = whole[..three[0]].to_vec();
        swapped.extend_from_slice(&whole[three[1]..three[2]]);
        swapped.extend_from_slice(&whole[three[0]..three[1]]);
        swapped.extend_from_slice(&whole[three[2]..]);
        fs::write(&path, swapped).unwrap();
        let found = found(&rig, &[]).unwrap();
        assert_eq!(
            (found.kind, found.segment),
            (BreakKind::Reordered, 2),
            "{found:?}"
        );
    }
    // A link that stands there twice.
    let mut twice = whole[..places[1]].to_vec();
    twice.extend_from_slice(&whole[places[0]..]);
    fs::write(&path, twice).unwrap();
    assert_eq!(found(&rig, &[]).unwrap().kind, BreakKind::Reordered);
}

#[test]
fn a_cut_tail_shows_against_a_checkpoint_seen_elsewhere() {
    let (rig, last) = journal();
    let path = segment(&rig, 2);
    let whole = fs::read(&path).unwrap();
    for len in 0..whole.len() {
        fs::write(&path, &whole[..len]).unwrap();
        let found = found(&rig, std::slice::from_ref(&last)).unwrap();
        assert_eq!(found.kind, BreakKind::CutTail, "{len}: {found:?}");
        // Without one, it is a journal that ends there.
        assert_eq!(self::found(&rig, &[]), None, "{len}");
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(
        found(&rig, std::slice::from_ref(&last)).unwrap().kind,
        BreakKind::CutTail
    );
    fs::remove_file(segment(&rig, 1)).unwrap();
    assert_eq!(found(&rig, &[last]).unwrap().kind, BreakKind::CutTail);
}

#[test]
fn a_cut_in_the_middle_of_the_journal_is_told() {
    let (rig, _) = journal();
    let path = segment(&rig, 1);
    let whole = fs::read(&path).unwrap();
    for len in 0..whole.len() {
        fs::write(&path, &whole[..len]).unwrap();
        let found = found(&rig, &[]).unwrap();
        let head = len < HEAD_BYTES;
        let kind = if head {
            BreakKind::Altered
        } else {
            BreakKind::Removed
        };
        assert_eq!(found.kind, kind, "{len}: {found:?}");
    }
}

#[test]
fn segments_that_are_gone_or_change_places_are_told() {
    let mut rig = Rig::new(|_| ());
    for _ in 0..4 {
        rig.frame(2);
        rig.pass(90_000_000);
    }
    rig.frame(2);
    rig.close();
    let bytes: Vec<_> = (1..=5)
        .map(|number| fs::read(segment(&rig, number)).unwrap())
        .collect();
    for number in 1..5 {
        fs::remove_file(segment(&rig, number)).unwrap();
        let found = found(&rig, &[]).unwrap();
        assert_eq!(found.kind, BreakKind::Removed, "{number}: {found:?}");
        fs::write(segment(&rig, number), &bytes[number as usize - 1]).unwrap();
    }
    fs::write(segment(&rig, 2), &bytes[2]).unwrap();
    fs::write(segment(&rig, 3), &bytes[1]).unwrap();
    let found = found(&rig, &[]).unwrap();
    assert_eq!((found.kind, found.segment), (BreakKind::Reordered, 2));
}

#[test]
fn another_key_is_told() {
    let (rig, last) = journal();
    let other = KeyPlace {
        credential: None,
        file: rig.dir().join("other.key"),
    };
    let other = PublicKey::of(&other.load_or_make().unwrap());
    let trust = Trust {
        key: Some(other),
        checkpoints: Vec::new(),
        put_back: Vec::new(),
    };
    let found = verify(rig.dir(), &trust, |_, _| ()).unwrap().found.unwrap();
    assert_eq!(found.kind, BreakKind::WrongKey);
    let mut forged = last;
    forged.signature[5] ^= 1;
    assert_eq!(
        self::found(&rig, &[forged]).unwrap().kind,
        BreakKind::WrongKey
    );
}

/// Who has the key can write another journal, but not one that was seen elsewhere.
#[test]
fn a_journal_that_is_written_anew_is_not_the_one_that_was_seen() {
    let (rig, last) = journal();
    // The same key in another place, where nothing is known of this journal.
    let mut forger = Rig::new(|options| {
        fs::create_dir_all(options.key.file.parent().unwrap()).unwrap();
        fs::copy(&rig.options.key.file, &options.key.file).unwrap();
    });
    forger.exchanges(4);
    forger.pass(300);
    forger.close();
    for file in fs::read_dir(rig.dir()).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|end| end == "zst") {
            fs::remove_file(path).unwrap();
        }
    }
    let forged = fs::read(segment(&forger, 1)).unwrap();
    fs::write(segment(&rig, 1), forged).unwrap();
    // Signed by the key, yet not what was seen elsewhere.
    assert_eq!(found(&rig, &[]), None);
    let kind = found(&rig, &[last]).unwrap().kind;
    assert!(
        matches!(kind, BreakKind::CutTail | BreakKind::Altered),
        "{kind:?}"
    );
}

/// Who has no key can rewrite a frame and every seal after it, but not what was signed.
#[test]
fn a_chain_that_is_rewritten_without_the_key_breaks_at_a_checkpoint() {
    let (rig, _) = journal();
    let mut forger = Rig::new(|_| ());
    let other = rig.key();
    forger.frame(4);
    forger.close();
    // All of it whole, and the head claims the right key.
    let path = segment(&forger, 1);
    let mut bytes = fs::read(&path).unwrap();
    let (mut head, _) =
        super::super::links::head_of(&*RealDisk.open(&path, Open::Read).unwrap()).unwrap();
    head.key = other.0;
    let places = links(&path);
    bytes[..HEAD_BYTES].copy_from_slice(&head.encode());
    let mut forged = bytes[..HEAD_BYTES].to_vec();
    let mut previous = super::super::segment::hash_of_head(&head.encode());
    let key = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
    for pair in places.windows(2) {
        let link = &bytes[pair[0]..pair[1]];
        let lead = super::super::segment::Lead::decode(link).unwrap();
        let data_end = 44 + lead.data_bytes as usize;
        let seal = super::super::segment::Seal::decode(lead, &link[data_end..]).unwrap();
        let start = forged.len();
        forged.extend_from_slice(&link[..data_end]);
        let body = seal.body.to_vec();
        (previous, _) =
            super::super::segment::finish_link(&mut forged, start, lead, &body, &previous, &key);
    }
    for number in [1, 2] {
        fs::remove_file(segment(&rig, number)).unwrap();
    }
    fs::write(segment(&rig, 1), forged).unwrap();
    let found = found(&rig, &[]).unwrap();
    // The start, one frame, then the checkpoint.
    assert_eq!((found.kind, found.frame), (BreakKind::Altered, Some(2)));
}
