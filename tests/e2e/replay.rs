//! Capture files: the same exchanges each time, and what is wrong with a file is told.

use std::path::{Path, PathBuf};

use eaves_tests::capture::Capture;
use eaves_tests::event::{Event, Exchange, parse};
use eaves_tests::load::body;
use eaves_tests::sandbox::Sandbox;

use super::{check, check_output, eaves};

/// A recording of three conns: kept, closed and left open; one position counter wraps.
fn recording(sandbox: &Sandbox) -> PathBuf {
    let path = sandbox.file("made.cap");
    let mut capture = Capture::new(&path).unwrap();
    let mut kept = capture.exchange(5001, "/size/40?id=0", &body(40)).unwrap();
    for number in 1..6 {
        let request = format!("GET /size/40?id={number} HTTP/1.1\r\nHost: a\r\n\r\n");
        let (front, back) = request.as_bytes().split_at(number * 5);
        capture.received(&mut kept, front).unwrap();
        capture.received(&mut kept, back).unwrap();
        capture
            .sent(&mut kept, b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n")
            .unwrap();
        capture.sent(&mut kept, &body(40)).unwrap();
    }
    let closed = capture
        .exchange(5002, "/size/20000?id=long", &body(20_000))
        .unwrap();
    capture.close(closed).unwrap();
    let mut open = capture.open(5003).unwrap();
    capture
        .received(&mut open, b"GET /unanswered HTTP/1.1\r\n\r\n")
        .unwrap();
    capture.finish().unwrap();
    path
}

fn exchanges(lines: &[u8]) -> Vec<Exchange> {
    let exchange = |line| match parse(line).unwrap() {
        Event::Exchange(exchange) => Some(*exchange),
        Event::Notice(..) | Event::Finding(_) => None,
    };
    std::str::from_utf8(lines)
        .unwrap()
        .lines()
        .filter_map(exchange)
        .collect()
}

/// Everything that a replay prints.
fn printed(path: &Path) -> Option<Vec<u8>> {
    let output = eaves(&["replay", "--json", path.to_str().unwrap()])?;
    check_output(&output, 0, &[], &[]);
    Some(output.stdout)
}

fn replayed(path: &Path) -> Option<Vec<Exchange>> {
    printed(path).map(|lines| exchanges(&lines))
}

#[test]
fn a_recording_gives_its_exchanges() {
    let sandbox = Sandbox::new().unwrap();
    let Some(exchanges) = replayed(&recording(&sandbox)) else {
        return;
    };
    let mut told: Vec<_> = exchanges
        .iter()
        .map(|one| {
            let port = one.client_port.unwrap();
            let seen = [one.request_seen.as_str(), &one.response_seen].join("/");
            format!(
                "{port} {} {:?} {:?} {seen}",
                one.target, one.status, one.response_bytes
            )
        })
        .collect();
    told.sort();
    let mut expected: Vec<_> = (0..6)
        .map(|number| format!("5001 /size/40?id={number} Some(200) Some(40) whole/whole"))
        .collect();
    expected.push("5002 /size/20000?id=long Some(200) Some(20000) whole/truncated".to_owned());
    expected.push("5003 /unanswered None None whole/none".to_owned());
    assert_eq!(told, expected);
    let first = exchanges
        .iter()
        .find(|one| one.target.ends_with("id=0"))
        .unwrap();
    assert_eq!(first.body("response").unwrap().as_bytes(), body(40));
    assert_eq!((first.process.as_str(), first.pid), ("nginx", 812));
    assert_eq!(first.server_port, Some(8080));
}

#[test]
fn a_recording_gives_the_same_ids_each_time_and_no_two_alike() {
    let sandbox = Sandbox::new().unwrap();
    let path = recording(&sandbox);
    let (Some(once), Some(again)) = (printed(&path), printed(&path)) else {
        return;
    };
    assert_eq!(
        String::from_utf8(once.clone()).unwrap(),
        String::from_utf8(again).unwrap(),
        "its notices too"
    );
    let once = exchanges(&once);
    let mut ids: Vec<_> = once.iter().map(|one| &one.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), once.len());
}

#[test]
fn a_recording_comes_from_standard_input_too() {
    let sandbox = Sandbox::new().unwrap();
    let path = recording(&sandbox);
    let Some(expected) = replayed(&path) else {
        return;
    };
    let mut command = super::eaves_command(&["replay", "--json", "-"]).unwrap();
    command.stdin(std::fs::File::open(path).unwrap());
    let output = command.output().unwrap();
    check_output(&output, 0, &[], &[]);
    assert_eq!(exchanges(&output.stdout), expected);
}

#[test]
fn a_filter_chooses_exchanges_for_machines_and_for_people() {
    let sandbox = Sandbox::new().unwrap();
    let path = recording(&sandbox);
    let path = path.to_str().unwrap();
    let Some(all) = eaves(&["replay", path]) else {
        return;
    };
    let filter = "client.port == 5001 and query in [\"id=2\", \"id=4\"] or status != 200";
    let output = eaves(&["replay", path, filter]).unwrap();
    check_output(&output, 0, &[], &[]);
    let lines = |output: &[u8]| -> Vec<String> {
        let text = String::from_utf8(output.to_vec()).unwrap();
        text.lines().skip(1).map(str::to_owned).collect()
    };
    let (shown, all) = (lines(&output.stdout), lines(&all.stdout));
    assert_eq!(all.len(), 8);
    let mut expected = ["id=2", "id=4", "/unanswered"].into_iter();
    assert!(shown.iter().all(|line| all.contains(line)), "{shown:?}");
    assert!(expected.all(|target| shown.iter().any(|line| line.contains(target))));
    assert_eq!(shown.len(), 3);
    let output = eaves(&["replay", "--json", path, filter]).unwrap();
    check_output(&output, 0, &["\"kind\":\"notice\""], &[]);
    assert_eq!(exchanges(&output.stdout).len(), 3);
}

#[test]
fn a_wrong_filter_is_told_with_a_caret_before_anything_is_read() {
    for command in [&["replay", "/nonexistent.cap"][..], &["watch"]] {
        let arguments = [command, &["status >= 500 and pth ~ x"]].concat();
        check(
            &arguments,
            2,
            &[],
            &[
                "unknown field `pth`; did you mean `path`?",
                "\n  status >= 500 and pth ~ x\n                    ^^^\n",
            ],
        );
    }
}

/// Wherever a file is cut, what came before is told, and that it is cut; nothing is invented.
#[test]
fn a_truncated_file_gives_what_it_has_and_says_so() {
    let sandbox = Sandbox::new().unwrap();
    let path = recording(&sandbox);
    let Some(whole) = replayed(&path) else { return };
    let bytes = std::fs::read(&path).unwrap();
    for cut in [0, 7, 30, 60, 500, bytes.len() / 2, bytes.len() - 1] {
        let part = sandbox.write("cut.cap", &bytes[..cut]).unwrap();
        let output = eaves(&["replay", "--json", part.to_str().unwrap()]).unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(
            matches!(output.status.code(), Some(2 | 4)),
            "cut at {cut}: {err}"
        );
        assert!(err.contains("cut.cap"), "cut at {cut}: {err}");
        for exchange in exchanges(&output.stdout) {
            let target = |one: &&Exchange| one.target == exchange.target;
            assert!(
                !exchange.is_whole() || whole.iter().find(target) == Some(&exchange),
                "cut at {cut}: {}",
                exchange.line()
            );
        }
    }
}

#[test]
fn an_altered_file_is_refused_from_there_on() {
    let sandbox = Sandbox::new().unwrap();
    let bytes = std::fs::read(recording(&sandbox)).unwrap();
    for at in [bytes.len() / 3, bytes.len() / 2, bytes.len() - 3] {
        let mut altered = bytes.clone();
        altered[at] ^= 0x20;
        let file = sandbox.write("altered.cap", altered).unwrap();
        let Some(output) = eaves(&["replay", "--json", file.to_str().unwrap()]) else {
            return;
        };
        check_output(&output, 4, &[], &["altered"]);
    }
}

#[test]
fn what_is_no_recording_is_refused() {
    let sandbox = Sandbox::new().unwrap();
    let file = sandbox
        .write("no.cap", "GET / HTTP/1.1\r\n\r\n".repeat(10))
        .unwrap();
    check(
        &["replay", file.to_str().unwrap()],
        2,
        &[],
        &["no.cap", "not a capture file"],
    );
    check(
        &["replay", "/nonexistent.cap"],
        2,
        &[],
        &["/nonexistent.cap"],
    );
}
