//! Rules that change, and what goes on after a kill.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::super::stop::Requests;
use super::{Detect, RULES_EVERY, rule_files};
use crate::clock::{Moment, WallTime};
use crate::detect::{Facts, Hit, Options, Outcome, Sealed, Told};
use crate::event::{Host, Ids, stamp, write_line};
use crate::journal::{Cursor, Keys, Record, RecordKind, Worth};
use crate::pipeline::tests::journal_in;

fn folder(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("eaves-detect-{}-{name}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    dir
}

#[test]
fn a_file_that_cannot_be_read_hides_no_other() {
    let dir = folder("files");
    fs::write(dir.join("a.yaml"), b"\xff\xfe").unwrap();
    fs::write(dir.join("b.yml"), "rules: []").unwrap();
    fs::write(dir.join("c.yaml"), vec![b' '; (1 << 20) + 1]).unwrap();
    fs::write(dir.join("d.txt"), "no rules").unwrap();
    let (files, unread) = rule_files(&dir).unwrap();
    fs::remove_dir_all(&dir).unwrap();
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].1, "rules: []");
    let why: Vec<_> = unread.iter().map(|one| one.problem.as_str()).collect();
    assert_eq!(why, ["is not UTF-8", "is longer than 1 MiB"]);
    assert!(rule_files(&dir).is_err());
}

/// What is done in a second, of a client that signs in to nothing.
#[derive(Clone, Copy)]
enum Act {
    /// A login that fails.
    Fails,
    /// A request with an injection that is answered.
    Injects,
    /// A request that a rule may be about.
    Reads,
}

/// The line of an exchange that `act` makes in second `second`, without the incidents it counts toward.
fn line(act: Act, second: u64, run: u64) -> String {
    let time = at(second);
    let id = Ids::new("h", run).notice(time, second);
    let stamp = String::from_utf8_lossy(&stamp(time)).into_owned();
    let (path, method, status, more) = match act {
        Act::Fails => (
            "/login",
            "POST",
            401,
            r#","user":{"id":"alice","source":"body.name"},"signals":["authentication_failure","sensitive:login"]"#,
        ),
        Act::Injects => ("/search", "GET", 200, ""),
        Act::Reads => ("/reports", "GET", 200, ""),
    };
    format!(
        r#"{{"kind":"exchange","schema":1,"id":"{id}","time":"{stamp}","role":"server","client":{{"address":"203.0.113.7"}},"url":{{"domain":"a.example","path":"{path}"}},"http":{{"route":"{path}","request":{{"method":"{method}","headers":[],"header_bytes":1}},"response":{{"status_code":{status}}}}}{more}"#
    )
}

fn at(second: u64) -> WallTime {
    WallTime((1_795_240_800 + second) * 1_000_000_000)
}

/// Has `detect` look at the exchange as it was heard, with what was found in its bytes, and keeps what
/// there is to keep of it; states of incidents that were told.
fn hear(
    detect: &mut Detect,
    (act, second, run): (Act, u64, u64),
    keep: &mut Vec<(RecordKind, Vec<u8>)>,
) -> Vec<String> {
    let start = line(act, second, run);
    let whole = format!("{start}}}");
    let sealed = Sealed::read(whole.as_bytes()).unwrap();
    let mut facts: Facts<'_> = sealed.facts();
    if matches!(act, Act::Injects) {
        facts.hits.push(Hit {
            detector: "inj-01",
            confidence: 0.9,
            outcome: crate::event::Outcome::Answered,
            about: None,
            part: "request.query.q".into(),
            excerpt: "1' or '1'='1".into(),
            decoded_by: Vec::new(),
            proof: "".into(),
        });
    }
    detect.judge_line(&facts, whole.as_bytes());
    let Outcome {
        told, incidents, ..
    } = std::mem::take(&mut detect.out);
    let ids: Vec<String> = incidents.iter().map(|id| format!("\"{id}\"")).collect();
    let exchange = format!("{start},\"findings\":[{}]}}\n", ids.join(","));
    keep.push((RecordKind::Exchange, exchange.into_bytes()));
    let host = Host { name: "h", id: "" };
    let mut words = Vec::new();
    for told in &told {
        let finding = told.finding(host);
        let mut line = Vec::new();
        write_line(&finding, &mut line).unwrap();
        keep.push((RecordKind::Finding, line));
        words.push(word(told));
    }
    words
}

/// Detector, state and count of what was told; its incident and campaign.
fn word(told: &Told) -> String {
    let finding = told.finding(Host { name: "h", id: "" });
    let campaign = finding.campaign.map(|id| id.to_string());
    format!(
        "{} {:?} {} {}/{}",
        finding.detector.id,
        finding.state,
        finding.count,
        finding.incident,
        campaign.unwrap_or_default()
    )
}

/// Writes records into the journal in `dir`.
fn write(dir: &Path, records: &[(RecordKind, Vec<u8>)]) {
    let mut journal = journal_in(dir);
    for (kind, line) in records {
        let record = Record {
            kind: *kind,
            worth: Worth::Common,
            severity: None,
            time: at(0),
            line,
            keys: Keys::default(),
        };
        journal.append(&record, Moment::now());
    }
    journal.close(Moment::now());
}

/// A rule about one word in a path, five times.
const RULE: &str = "rules:\n  - id: own-reports\n    match: url.path == \"/reports\"\n    count: { least: 5, window: 10m, by: [client.address] }\n    severity: low\n";

/// Detectors of run `run`, which go on with what the journal in `dir` has.
fn begin(dir: &Path, run: u64) -> Detect {
    let mut detect = Detect::new(Options::default(), Ids::new("h", run), &dir.join("rules.d"));
    let cursor = detect.resume(dir);
    detect
        .feed(dir, cursor, at(600), &Requests::default())
        .unwrap();
    detect
}

/// What a run tells of `after`, that was killed when it had told of `before`; a state was kept before that
/// if `kept`. Returns both.
fn killed(
    name: &str,
    kept: bool,
    before: &[(Act, u64)],
    after: &[(Act, u64)],
) -> (Vec<String>, Vec<String>) {
    let dir = folder(name);
    fs::create_dir_all(dir.join("rules.d")).unwrap();
    fs::write(dir.join("rules.d/own.yaml"), RULE).unwrap();
    let mut records = Vec::new();
    let mut detect = Detect::new(Options::default(), Ids::new("h", 1), &dir.join("rules.d"));
    write(&dir, &[]);
    detect.resume(&dir);
    if kept {
        detect.save(Cursor::default());
    }
    let mut told = Vec::new();
    for (act, second) in before {
        told.extend(hear(&mut detect, (*act, *second, 1), &mut records));
    }
    write(&dir, &records);
    let mut detect = begin(&dir, 2);
    let mut again = Vec::new();
    for (act, second) in after {
        again.extend(hear(&mut detect, (*act, *second, 2), &mut Vec::new()));
    }
    fs::remove_dir_all(&dir).unwrap();
    (told, again)
}

/// Checks that what was `told` goes on as the same incidents and campaigns, in the words `expected` of detector, state
/// and count.
#[track_caller]
fn check((told, again): (Vec<String>, Vec<String>), expected: &[&str]) {
    let words = |text: &str| text.rsplit_once(' ').map(|(words, _)| words.to_owned());
    let found: Vec<String> = again.iter().filter_map(|text| words(text)).collect();
    assert_eq!(found, expected, "after {told:?}");
    for text in &again {
        let (_, incident) = text.rsplit_once(' ').unwrap();
        assert!(told.iter().any(|text| text.ends_with(incident)), "{text}");
    }
}

fn times(act: Act, seconds: std::ops::Range<u64>) -> Vec<(Act, u64)> {
    seconds.map(|second| (act, second)).collect()
}

#[test]
fn an_incident_that_opened_before_a_kill_goes_on() {
    for (name, kept) in [("kept", true), ("early", false)] {
        let before = times(Act::Injects, 0..3);
        let after = times(Act::Injects, 10..12);
        check(killed(name, kept, &before, &after), &["inj-01 Updated 4"]);
    }
}

#[test]
fn one_that_is_over_by_then_is_closed_and_not_found_again() {
    let before = times(Act::Injects, 0..3);
    let (_, again) = killed("over", true, &before, &[(Act::Reads, 2000)]);
    let words: Vec<_> = again
        .iter()
        .map(|text| text.rsplit_once(' ').unwrap().0)
        .collect();
    assert_eq!(words, ["inj-01 Closed 3"]);
}

#[test]
fn counts_go_on_after_a_kill() {
    // Seven before, three behind: the tenth opens it, in whichever run.
    let fails = |before: u64, after: u64| {
        killed(
            "counts",
            true,
            &times(Act::Fails, 0..before),
            &times(Act::Fails, 20..20 + after),
        )
    };
    let (told, again) = fails(7, 4);
    assert_eq!(told, [""; 0]);
    let opened: Vec<_> = again
        .iter()
        .map(|text| text.rsplit_once(' ').unwrap().0)
        .collect();
    assert_eq!(opened, ["auth-01 Open 10", "auth-02 Open 10"]);
    check(fails(12, 8), &["auth-01 Updated 20", "auth-02 Updated 20"]);
}

#[test]
fn counts_of_rules_go_on_after_a_kill() {
    let reads = |before: u64, after: u64| {
        killed(
            "rules",
            true,
            &times(Act::Reads, 0..before),
            &times(Act::Reads, 20..20 + after),
        )
    };
    let (told, again) = reads(4, 1);
    assert_eq!(told, [""; 0]);
    assert_eq!(again.len(), 1, "{again:?}");
    check(reads(6, 4), &["own-reports Updated 10"]);
}

/// What detectors tell when they begin behind a run that heard `acts` and was killed before it wrote the
/// last `unwritten` findings.
fn told_late(name: &str, acts: &[(Act, u64)], unwritten: usize) -> Vec<String> {
    let dir = folder(name);
    let mut detect = Detect::new(Options::default(), Ids::new("h", 1), &dir.join("rules.d"));
    write(&dir, &[]);
    detect.resume(&dir);
    detect.save(Cursor::default());
    let mut records = Vec::new();
    for (act, second) in acts {
        hear(&mut detect, (*act, *second, 1), &mut records);
    }
    let mut left = unwritten;
    while left > 0 && matches!(records.pop(), Some((RecordKind::Finding, _))) {
        left -= 1;
    }
    assert_eq!(left, 0);
    write(&dir, &records);
    let told = begin(&dir, 2).take_told();
    fs::remove_dir_all(&dir).unwrap();
    let words = told.iter().map(word);
    words
        .map(|word| word.rsplit_once(' ').unwrap().0.to_owned())
        .collect()
}

#[test]
fn what_was_not_told_before_a_kill_is_told_after_it() {
    let fails = times(Act::Fails, 0..10);
    assert_eq!(told_late("told", &fails, 0), [""; 0]);
    let both = ["auth-01 Open 10", "auth-02 Open 10"];
    assert_eq!(told_late("untold", &fails, 2), both);
    assert_eq!(told_late("half-told", &fails, 1), both[1..]);
    let mut over = times(Act::Injects, 0..3);
    over.push((Act::Reads, 2000));
    assert_eq!(told_late("closed", &over, 0), [""; 0]);
    assert_eq!(told_late("unclosed", &over, 1), ["inj-01 Closed 3"]);
}

#[test]
fn what_is_looked_at_again_is_bounded_and_can_be_stopped() {
    // The journal's key lies beside it: it is this journal's alone, which is opened several times.
    let outer = folder("again");
    let dir = outer.join("journal");
    let mut detect = Detect::new(Options::default(), Ids::new("h", 1), &dir.join("rules.d"));
    for start in [0, 4, 8] {
        let mut records = Vec::new();
        for (act, second) in times(Act::Fails, start..start + 4) {
            hear(&mut detect, (act, second, 1), &mut records);
        }
        records.retain(|(kind, _)| matches!(kind, RecordKind::Exchange));
        write(&dir, &records);
    }
    let newest = |most: u64, requests: &Requests| {
        let mut detect = Detect::new(Options::default(), Ids::new("h", 2), &dir.join("rules.d"));
        detect.resume(&dir);
        let all = (Cursor::default(), at(0));
        let fed = detect.feed_newest(&dir, all, most, requests).unwrap();
        detect.save(Cursor::default());
        fed
    };
    let requests = Requests::default();
    requests.stop();
    assert_eq!(newest(100, &requests), 0);
    assert!(!dir.join("state/detect.json").exists());
    let going = Requests::default();
    for (most, fed) in [(12, 12), (11, 8), (8, 8), (4, 4), (0, 0)] {
        assert_eq!(newest(most, &going), fed, "{most}");
    }
    assert!(dir.join("state/detect.json").exists());
    fs::remove_dir_all(&outer).unwrap();
}

#[test]
fn a_rule_that_is_edited_takes_force_by_itself() {
    let dir = folder("reload");
    fs::write(dir.join("own.yaml"), "rules: []").unwrap();
    let mut detect = Detect::new(Options::default(), Ids::new("h", 1), &dir);
    let mut second = 0;
    let mut told = |detect: &mut Detect| {
        let mut opened = Vec::new();
        for _ in 0..5 {
            second += 1;
            opened.extend(hear(detect, (Act::Reads, second, 1), &mut Vec::new()));
        }
        opened.len()
    };
    assert_eq!(told(&mut detect), 0);
    fs::write(dir.join("own.yaml"), RULE).unwrap();
    detect.tick(Instant::now());
    assert_eq!(told(&mut detect), 0, "it is not yet time");
    detect.tick(Instant::now() + RULES_EVERY);
    assert_eq!(told(&mut detect), 1);
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn what_was_counted_stays_when_options_change_and_rules_go_with_their_folder() {
    let (dir, other) = (folder("set"), folder("set-other"));
    fs::write(dir.join("own.yaml"), RULE).unwrap();
    let mut detect = Detect::new(Options::default(), Ids::new("h", 1), &dir);
    let mut second = 0;
    let mut told = |detect: &mut Detect, times| {
        let mut opened = 0;
        for _ in 0..times {
            second += 1;
            opened += hear(detect, (Act::Reads, second, 1), &mut Vec::new()).len();
        }
        opened
    };
    assert_eq!(told(&mut detect, 4), 0);
    detect.set(Options::default(), &dir);
    assert_eq!(told(&mut detect, 1), 1, "the fifth");
    detect.set(Options::default(), &other);
    assert!(detect.rules.is_empty());
    detect.set(Options::default(), &dir);
    assert!(!detect.rules.is_empty());
    fs::remove_dir_all(&dir).unwrap();
    fs::remove_dir_all(&other).unwrap();
}
