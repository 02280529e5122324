use super::{FileOptions, FileSink, Format};
use crate::clock::WallTime;
use crate::sink::{Sink, SinkError};
use crate::telemetry::Counter;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("eaves-sink-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn options(&self) -> FileOptions {
        FileOptions {
            path: self.0.join("events.jsonl"),
            rotate_bytes: None,
            rotate_age: None,
            keep: 2,
            format: Format::Eaves,
        }
    }

    /// Names and contents of the files, by name.
    #[track_caller]
    fn check(&self, expected: &[(&str, &str)]) {
        let mut there: Vec<(String, String)> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                (name, fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        there.sort();
        let there: Vec<(&str, &str)> = there.iter().map(|(a, b)| (&**a, &**b)).collect();
        assert_eq!(there, expected);
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const NOW: WallTime = WallTime(4_000_000_000_000_000_000);

fn seconds(n: u64) -> WallTime {
    WallTime(NOW.0 + n * 1_000_000_000)
}

#[track_caller]
fn write(sink: &mut FileSink, lines: &str, now: WallTime) {
    let records = lines.lines().count() as u64;
    let delivery = sink.write(lines.as_bytes(), records, now).unwrap();
    assert!(delivery.problem.is_none(), "{:?}", delivery.problem);
    assert_eq!(delivery.written, records);
}

fn open(options: FileOptions) -> FileSink {
    FileSink::open(options, NOW).unwrap()
}

#[test]
fn lines_are_appended_to_what_is_there() {
    let folder = Folder::new();
    let mut sink = open(folder.options());
    write(&mut sink, "a\nb\n", NOW);
    sink.close();
    drop(sink);
    write(&mut open(folder.options()), "c\n", NOW);
    folder.check(&[("events.jsonl", "a\nb\nc\n")]);
    let mode = fs::metadata(folder.options().path).unwrap().permissions();
    assert_eq!(mode.mode() & 0o137, 0, "others may not read it");
}

#[test]
fn a_large_file_is_renamed_before_it_grows_beyond_and_the_oldest_goes() {
    let folder = Folder::new();
    let mut sink = open(FileOptions {
        rotate_bytes: Some(8),
        ..folder.options()
    });
    for lines in ["aaa\n", "bbb\n", "ccc\n", "ddddddddddddd\n", "eee\n"] {
        write(&mut sink, lines, NOW);
    }
    folder.check(&[
        ("events.jsonl", "eee\n"),
        ("events.jsonl.1", "ddddddddddddd\n"),
        ("events.jsonl.2", "ccc\n"),
    ]);
    assert_eq!(sink.counters().get(Counter::SinkRotations), 3);
    assert_eq!(sink.counters().get(Counter::SinkLinesIn), 5);
    assert_eq!(sink.counters().get(Counter::SinkLinesWritten), 5);
}

#[test]
fn fewer_files_are_kept_once_fewer_are_asked_for() {
    let folder = Folder::new();
    for number in 1..6 {
        fs::write(folder.0.join(format!("events.jsonl.{number}")), "old\n").unwrap();
    }
    let mut sink = open(FileOptions {
        rotate_bytes: Some(1),
        ..folder.options()
    });
    write(&mut sink, "a\n", NOW);
    write(&mut sink, "b\n", NOW);
    folder.check(&[
        ("events.jsonl", "b\n"),
        ("events.jsonl.1", "a\n"),
        ("events.jsonl.2", "old\n"),
    ]);
}

#[test]
fn an_old_file_is_renamed_an_empty_one_not() {
    let folder = Folder::new();
    let mut sink = open(FileOptions {
        rotate_age: Some(Duration::from_secs(60)),
        ..folder.options()
    });
    write(&mut sink, "a\n", seconds(100));
    folder.check(&[("events.jsonl", "a\n"), ("events.jsonl.1", "")][..1]);
    write(&mut sink, "b\n", seconds(161));
    folder.check(&[("events.jsonl", "b\n"), ("events.jsonl.1", "a\n")]);
}

#[test]
fn a_file_that_cannot_be_renamed_grows_on() {
    let folder = Folder::new();
    let mut sink = open(FileOptions {
        rotate_bytes: Some(1),
        ..folder.options()
    });
    write(&mut sink, "a\n", NOW);
    fs::create_dir_all(folder.0.join("events.jsonl.2/in the way")).unwrap();
    let delivery = sink.write(b"b\n", 1, NOW).unwrap();
    assert!(matches!(delivery.problem, Some(SinkError::Rotate { .. })));
    assert_eq!(delivery.written, 1);
    write(&mut sink, "c\n", NOW);
    fs::remove_dir_all(folder.0.join("events.jsonl.2")).unwrap();
    write(&mut sink, "d\n", seconds(1));
    folder.check(&[("events.jsonl", "d\n"), ("events.jsonl.1", "a\nb\nc\n")]);
}

#[test]
fn after_a_rename_by_others_it_goes_on_until_it_is_told_to_reopen() {
    let folder = Folder::new();
    let mut sink = open(folder.options());
    write(&mut sink, "a\n", NOW);
    fs::rename(folder.options().path, folder.0.join("moved")).unwrap();
    write(&mut sink, "b\n", NOW);
    sink.reopen(NOW).unwrap();
    write(&mut sink, "c\n", NOW);
    sink.reopen(NOW).unwrap();
    write(&mut sink, "d\n", NOW);
    folder.check(&[("events.jsonl", "c\nd\n"), ("moved", "a\nb\n")]);
}

#[test]
fn a_reopening_that_fails_leaves_the_file_it_had() {
    let folder = Folder::new();
    let mut sink = open(folder.options());
    fs::rename(folder.options().path, folder.0.join("moved")).unwrap();
    fs::create_dir(folder.options().path).unwrap();
    let error = sink.reopen(NOW).unwrap_err();
    assert!(matches!(error, SinkError::NotFile { .. }));
    write(&mut sink, "a\n", NOW);
    assert_eq!(fs::read(folder.0.join("moved")).unwrap(), b"a\n");
}

#[test]
fn a_torn_record_is_cut_other_text_is_ended() {
    let check = |there: &str, expected: &str| {
        let folder = Folder::new();
        fs::write(folder.options().path, there).unwrap();
        write(&mut open(folder.options()), "b\n", NOW);
        folder.check(&[("events.jsonl", expected)]);
    };
    check("", "b\n");
    check("a\n", "a\nb\n");
    check("a\n{\"kind\":\"exch", "a\nb\n");
    check("{\"ki", "b\n");
    check("a\nnot ours", "a\nnot ours\nb\n");
    let long = format!("a\n{{\"kind\":\"{}", "x".repeat(100_000));
    check(&long, "a\nb\n");
}

#[test]
fn a_torn_line_is_known_by_its_format() {
    let check = |format: Format, torn: &str, expected: &str| {
        let folder = Folder::new();
        fs::write(folder.options().path, torn).unwrap();
        let options = FileOptions {
            format,
            ..folder.options()
        };
        write(&mut open(options), "b\n", NOW);
        folder.check(&[("events.jsonl", expected)]);
    };
    check(Format::Cef, "a\nCEF:0|Eav", "a\nb\n");
    check(
        Format::Cef,
        "a\n{\"kind\":\"exch",
        "a\n{\"kind\":\"exch\nb\n",
    );
    // Lines of an access log begin with anything: none is cut.
    check(
        Format::Combined,
        "a\n192.0.2.1 - -",
        "a\n192.0.2.1 - -\nb\n",
    );
}

#[test]
fn what_cannot_be_opened_says_why() {
    let folder = Folder::new();
    let at = |path: &Path| {
        let options = FileOptions {
            path: path.to_owned(),
            ..folder.options()
        };
        FileSink::open(options, NOW).unwrap_err()
    };
    assert!(matches!(at(&folder.0), SinkError::NotFile { .. }));
    assert!(matches!(
        at(Path::new("/dev/full")),
        SinkError::NotFile { .. }
    ));
    let none = at(&folder.0.join("none/events.jsonl"));
    assert!(matches!(none, SinkError::Open { .. }));
    let _held = open(folder.options());
    let twice = at(&folder.options().path);
    assert!(matches!(twice, SinkError::Locked { .. }), "{twice}");
}

#[test]
fn while_it_waits_to_try_again_lines_are_counted_as_failed() {
    let folder = Folder::new();
    let mut sink = open(folder.options());
    sink.open = None;
    fs::remove_dir_all(&folder.0).unwrap();
    let delivery = sink.write(b"a\nb\n", 2, NOW).unwrap();
    assert!(matches!(delivery.problem, Some(SinkError::Open { .. })));
    let delivery = sink.write(b"c\n", 1, NOW).unwrap();
    assert_eq!((delivery.failed, delivery.problem.is_none()), (1, true));
    fs::create_dir_all(&folder.0).unwrap();
    write(&mut sink, "d\n", seconds(1));
    folder.check(&[("events.jsonl", "d\n")]);
    let ledger = [
        Counter::SinkLinesIn,
        Counter::SinkLinesWritten,
        Counter::SinkLinesFailed,
    ];
    assert_eq!(ledger.map(|c| sink.counters().get(c)), [4, 1, 3]);
}
