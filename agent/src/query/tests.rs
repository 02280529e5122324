use super::{Question, Scan, Scanned, Step};
use crate::clock::{Ktime, Moment, WallTime};
use crate::filter::Filter;
use crate::journal::{
    Journal, KeyPlace, Keys, Options, Order, RealDisk, Record, RecordKind, Worth,
};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SECOND: u64 = 1_000_000_000;

/// 2026-11-21T06:00:00Z.
const BEGIN: u64 = 1_795_240_800;

/// A folder with a journal of twenty exchanges, a second each, of which every fourth is in a frame
/// with the three before it; removed at the end.
struct Made(PathBuf);

impl Made {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("eaves-query-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let key = KeyPlace {
            credential: None,
            file: dir.join("key"),
        };
        let options = Options {
            threaded: false,
            ..Options::new(dir.join("journal"), key)
        };
        let moment = |second: u64| Moment {
            steady: Ktime((1000 + second) * SECOND),
            date: WallTime((BEGIN + second) * SECOND),
        };
        let mut journal = Journal::open(options, Arc::new(RealDisk), moment(0)).unwrap();
        for number in 0..20_u64 {
            let now = moment(number - number % 4);
            let time = WallTime((BEGIN + number) * SECOND);
            let date = String::from_utf8(crate::event::stamp(time).to_vec()).unwrap();
            let (client, status) = (
                format!("10.0.0.{}", number / 2),
                200 + number as u16 / 10 * 300,
            );
            let line = format!(
                "{{\"kind\":\"exchange\",\"time\":\"{date}\",\"client\":{{\"address\":\"{client}\"}},\"url\":{{\"path\":\"/{number}\"}},\"http\":{{\"response\":{{\"status_code\":{status}}}}}}}\n"
            );
            let record = Record {
                kind: RecordKind::Exchange,
                worth: Worth::default(),
                severity: None,
                time,
                line: line.as_bytes(),
                keys: Keys {
                    client: client.as_bytes(),
                    status: Some(status),
                    ..Keys::default()
                },
            };
            journal.append(&record, now);
            if number % 4 == 3 {
                journal.tick(moment(number));
            }
        }
        journal.close(moment(20));
        Self(dir)
    }

    fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Numbers of the exchanges that answer, and what was looked at.
fn answers(dir: &Path, question: Question, limit: usize) -> (Vec<u64>, Scanned) {
    let mut scan = Scan::new(dir, question).unwrap();
    let mut found = Vec::new();
    loop {
        let step = scan.step(|line| {
            let line: serde_json::Value = serde_json::from_slice(line).unwrap();
            found.push(line["url"]["path"].as_str().unwrap()[1..].parse().unwrap());
            if found.len() == limit {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        if step.unwrap() != Step::More {
            return (found, scan.scanned());
        }
    }
}

#[track_caller]
fn check(name: &str, question: Question, expected: &[u64], frames: u64) {
    let made = Made::new(name);
    let (found, scanned) = answers(&made.journal(), question.clone(), usize::MAX);
    assert_eq!(found, expected);
    assert_eq!(
        (scanned.frames, scanned.frames + scanned.passed),
        (frames, 5)
    );
    let (mut newest, scanned) = answers(
        &made.journal(),
        Question {
            order: Order::NewestFirst,
            ..question
        },
        usize::MAX,
    );
    newest.reverse();
    assert_eq!((newest.as_slice(), scanned.frames), (expected, frames));
}

fn filter(text: &str) -> Option<Filter> {
    Some(Filter::parse(text).unwrap())
}

#[test]
fn everything_comes_in_its_order() {
    let all: Vec<_> = (0..20).collect();
    check("all", Question::default(), &all, 5);
}

#[test]
fn frames_without_the_value_are_passed_over() {
    let question = |text| Question {
        filter: filter(text),
        ..Question::default()
    };
    check("client", question("client == 10.0.0.5"), &[10, 11], 1);
    check(
        "or",
        question("client == 10.0.0.0 or client in [10.0.0.9]"),
        &[0, 1, 18, 19],
        2,
    );
    check(
        "class",
        question("status >= 500 and path != /11"),
        &[10, 12, 13, 14, 15, 16, 17, 18, 19],
        3,
    );
    check("none", question("client == 10.9.9.9"), &[], 0);
    check("path", question("path ~ '^/1$'"), &[1], 5);
}

#[test]
fn times_bound_frames_and_records() {
    let at = |second: u64| Some(WallTime((BEGIN + second) * SECOND));
    let question = Question {
        since: at(6),
        until: at(9),
        ..Question::default()
    };
    check("times", question, &[6, 7, 8], 2);
    let question = Question {
        since: at(17),
        filter: filter("path != /18"),
        ..Question::default()
    };
    check("since", question, &[17, 19], 1);
}

#[test]
fn who_has_enough_reads_no_further() {
    let made = Made::new("enough");
    let question = Question {
        order: Order::NewestFirst,
        ..Question::default()
    };
    let (found, scanned) = answers(&made.journal(), question, 5);
    assert_eq!(found, [19, 18, 17, 16, 15]);
    assert_eq!(scanned.frames, 2);
}

#[test]
fn where_there_is_no_journal_that_is_an_error() {
    assert!(Scan::new(Path::new("/nonexistent/journal"), Question::default()).is_err());
}
