//! `eaves query` over journals that the test writes.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use eaves_tests::journal::Writing;
use eaves_tests::sandbox::Sandbox;
use serde_json::Value;

use super::{check, check_output, eaves};

fn line(number: u32) -> String {
    let (second, status) = (number % 60, [200, 200, 404, 503][number as usize % 4]);
    format!(
        r#"{{"kind":"exchange","schema":1,"id":"{number}","time":"2026-11-21T06:{:02}:{second:02}.000000000Z","duration_ns":1500000,"client":{{"address":"10.0.0.{}"}},"url":{{"domain":"a.example","path":"/p/{number}"}},"http":{{"request":{{"method":"GET","headers":[["x-id","{number}, \"q\""]]}},"response":{{"status_code":{status}}}}},"process":{{"pid":1,"name":"nginx"}}}}"#,
        number / 60,
        number % 10,
    )
}

const FINDING: &str = r#"{"kind":"finding","schema":1,"id":"f","time":"2026-11-21T06:05:00.000000000Z","severity":"high","title":"20 failed logins"}"#;

/// A journal of 300 exchanges in six frames, and a finding.
fn journal(sandbox: &Sandbox) -> PathBuf {
    let dir = sandbox.file("journal");
    let mut writing = Writing::begin(&dir).unwrap();
    for number in 0..300 {
        writing.append(&line(number)).unwrap();
        if number % 50 == 49 {
            writing.settle();
        }
    }
    writing.append(FINDING).unwrap();
    writing.close();
    dir
}

/// What `eaves query` with these arguments writes; nothing if there is no binary and none is needed.
fn asked(dir: &Path, arguments: &[&str]) -> Option<String> {
    let dir = dir.to_str().unwrap();
    let output = eaves(&[&["query", "--dir", dir], arguments].concat())?;
    check_output(&output, 0, &[], &[]);
    Some(String::from_utf8(output.stdout).unwrap())
}

fn ids(lines: &str) -> Vec<String> {
    let id = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        event["id"].as_str().unwrap().to_owned()
    };
    lines.lines().map(id).collect()
}

#[test]
fn records_that_match_come_as_they_were_written() {
    let sandbox = Sandbox::new().unwrap();
    let dir = journal(&sandbox);
    let Some(all) = asked(&dir, &[]) else { return };
    let mut expected: Vec<_> = (0..300).map(line).collect();
    expected.push(FINDING.to_owned());
    assert_eq!(all.lines().collect::<Vec<_>>(), expected);
    let check = |arguments: &[&str], expected: &[&str]| {
        assert_eq!(
            ids(&asked(&dir, arguments).unwrap()),
            expected,
            "{arguments:?}"
        );
    };
    check(&["path == /p/77"], &["77"]);
    check(
        &["status == 5xx and client == 10.0.0.3 and path ~ '^/p/1'"],
        &["103", "123", "143", "163", "183"],
    );
    check(&["severity >= medium"], &["f"]);
    check(&["user == nobody"], &[]);
    check(&["--limit", "2", "status == 404"], &["2", "6"]);
    check(&["--newest", "--limit", "3"], &["f", "299", "298"]);
    check(
        &["--newest", "client == 10.0.0.7", "--limit=2"],
        &["297", "287"],
    );
    check(
        &[
            "--since",
            "2026-11-21T06:04:57Z",
            "--until",
            "2026-11-21T06:04:59Z",
        ],
        &["297", "298"],
    );
    check(&["--since", "1s", "--limit", "1"], &[]);
}

#[test]
fn fields_come_as_json_csv_tsv_and_columns() {
    let sandbox = Sandbox::new().unwrap();
    let dir = journal(&sandbox);
    let ask = |format: &str| {
        let fields = "--fields=path, header.x-id,user,status";
        asked(
            &dir,
            &["--limit", "1", "--format", format, fields, "path == /p/3"],
        )
    };
    let Some(json) = ask("json") else { return };
    assert_eq!(
        json,
        "{\"path\":\"/p/3\",\"header.x-id\":\"3, \\\"q\\\"\",\"status\":503}\n"
    );
    assert_eq!(
        ask("csv").unwrap(),
        "path,header.x-id,user,status\r\n/p/3,\"3, \"\"q\"\"\",,503\r\n"
    );
    assert_eq!(
        ask("tsv").unwrap(),
        "path\theader.x-id\tuser\tstatus\n/p/3\t3, \"q\"\t\t503\n"
    );
    let table = ask("table").unwrap();
    let rows: Vec<Vec<_>> = table
        .lines()
        .map(|row| row.split_whitespace().collect())
        .collect();
    assert_eq!(
        rows,
        [
            vec!["path", "header.x-id", "user", "status"],
            vec!["/p/3", "3,", "\"q\"", "503"]
        ]
    );
}

#[test]
fn records_are_counted_by_value_and_over_time() {
    let sandbox = Sandbox::new().unwrap();
    let dir = journal(&sandbox);
    let Some(counts) = asked(&dir, &["--count-by", "status", "kind == exchange"]) else {
        return;
    };
    let expected = "{\"status\":200,\"count\":150}\n{\"status\":404,\"count\":75}\n{\"status\":503,\"count\":75}\n";
    assert_eq!(counts, expected);
    let counts = asked(
        &dir,
        &[
            "--count-by",
            "client,status",
            "--limit",
            "1",
            "--format",
            "csv",
            "client == 10.0.0.2",
        ],
    );
    assert_eq!(
        counts.unwrap(),
        "client,status,count\r\n10.0.0.2,200,15\r\n"
    );
    let counts = asked(&dir, &["--histogram", "2m", "--format=tsv"]).unwrap();
    let expected = "time\tcount\n2026-11-21T06:00:00.000000000Z\t120\n2026-11-21T06:02:00.000000000Z\t120\n2026-11-21T06:04:00.000000000Z\t61\n";
    assert_eq!(counts, expected);
    let table = asked(&dir, &["--histogram", "2m", "--format=table"]).unwrap();
    assert_eq!(table.lines().nth(1).unwrap().matches('█').count(), 40);
}

#[test]
fn an_archive_can_be_read_by_who_reads_har() {
    let sandbox = Sandbox::new().unwrap();
    let dir = journal(&sandbox);
    let Some(har) = asked(
        &dir,
        &["--format", "har", "path == /p/1 or kind == finding"],
    ) else {
        return;
    };
    let har: Value = serde_json::from_str(&har).unwrap();
    let entries = har["log"]["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["request"]["url"], "http://a.example/p/1");
    assert_eq!(entries[0]["time"], 1.5);
    assert_eq!(entries[0]["timings"]["wait"], -1);
}

#[test]
fn wrong_questions_are_told_with_a_caret() {
    let sandbox = Sandbox::new().unwrap();
    let dir = journal(&sandbox);
    let dir = dir.to_str().unwrap();
    check(
        &["query", "--dir", dir, "staus == 5"],
        2,
        &[],
        &["did you mean `status`?", "\n  staus == 5\n  ^^^^^\n"],
    );
    check(
        &["query", "--dir", dir, "--fields", "time,pth"],
        2,
        &[],
        &["unknown field `pth`"],
    );
    check(
        &["query", "--dir", dir, "--since", "yesterday"],
        2,
        &[],
        &["nor a time like"],
    );
    check(
        &["query", "--dir", dir, "--format=har", "--count-by=path"],
        2,
        &[],
        &["whole exchanges"],
    );
    check(
        &["query", "--dir", "/nonexistent/journal"],
        2,
        &[],
        &["/nonexistent/journal"],
    );
}

#[test]
fn copies_and_damaged_journals_are_answered_as_far_as_they_go() {
    let sandbox = Sandbox::new().unwrap();
    let dir = journal(&sandbox);
    let copy = sandbox.file("copy");
    fs::create_dir(&copy).unwrap();
    let mut copied = Vec::new();
    for file in fs::read_dir(&dir).unwrap().map(Result::unwrap) {
        if file.file_name().to_str().unwrap().ends_with(".zst") {
            copied.push(copy.join(file.file_name()));
            fs::copy(file.path(), copied.last().unwrap()).unwrap();
        }
    }
    let Some(all) = asked(&copy, &[]) else { return };
    assert_eq!(ids(&all).len(), 301);
    let [segment] = copied.as_slice() else {
        panic!("{copied:?}");
    };
    let mut bytes = fs::read(segment).unwrap();
    // Somewhere in one of the frames.
    let half = bytes.len() / 2;
    bytes[half..half + 8].fill(0x55);
    fs::write(segment, &bytes).unwrap();
    let output = eaves(&["query", "--dir", copy.to_str().unwrap()]).unwrap();
    check_output(&output, 4, &[], &["segment 1, byte ", "cannot be read: "]);
    let left = ids(std::str::from_utf8(&output.stdout).unwrap());
    assert!((200..301).contains(&left.len()), "{}", left.len());
    // Cut in the middle of a frame, as a copy of a journal that is being written may be.
    fs::write(segment, &bytes[..half - 8]).unwrap();
    let output = asked(&copy, &["--newest"]).unwrap();
    assert!(!ids(&output).is_empty());
}

#[test]
fn a_journal_is_followed_while_it_is_written() {
    let sandbox = Sandbox::new().unwrap();
    let dir = sandbox.file("journal");
    let mut writing = Writing::begin(&dir).unwrap();
    writing.append(&line(3)).unwrap();
    writing.settle();
    let arguments = [
        "query",
        "--follow",
        "--dir",
        dir.to_str().unwrap(),
        "status == 503",
    ];
    let Some(mut command) = super::eaves_command(&arguments) else {
        return;
    };
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), line(3));
    for number in 4..8 {
        writing.append(&line(number)).unwrap();
    }
    writing.settle();
    assert_eq!(lines.next().unwrap().unwrap(), line(7));
    child.kill().unwrap();
    child.wait().unwrap();
    writing.close();
}

#[test]
fn who_reads_no_further_ends_it() {
    let sandbox = Sandbox::new().unwrap();
    let dir = sandbox.file("journal");
    let mut writing = Writing::begin(&dir).unwrap();
    for number in 0..2000 {
        writing.append(&line(number)).unwrap();
    }
    writing.close();
    let Some(mut command) = super::eaves_command(&["query", "--dir", dir.to_str().unwrap()]) else {
        return;
    };
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut some = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let output = child.wait_with_output().unwrap();
    check_output(&output, 0, &[], &[]);
    assert!(output.stderr.is_empty());
}
