//! The journal of a process that is killed, and `eaves verify`.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use eaves::journal::{Cursor, PublicKey, Reader, Trust, verify};
use eaves_tests::sandbox::Sandbox;

use super::{check_output, eaves};

/// How often the writer is killed.
const KILLS: u64 = 150;

/// Numbers of all records, which must be in order.
fn numbers(dir: &Path) -> Vec<u64> {
    let mut reader = Reader::forward(dir, Cursor::default()).unwrap();
    let mut numbers = Vec::new();
    while let Some(frame) = reader.next(|_| true).unwrap() {
        for (_, line) in frame.records() {
            let event: serde_json::Value = serde_json::from_slice(line).unwrap();
            numbers.push(event["n"].as_u64().unwrap());
        }
    }
    numbers
}

/// The program that appends, beside this test.
fn writer() -> std::path::PathBuf {
    std::path::PathBuf::from(env!("CARGO_BIN_EXE_eaves-journal"))
}

/// Lets it append for a while, kills it, and gives the last number it said to be durable.
fn killed_after(root: &Path, wait: Duration) -> Option<u64> {
    let mut child = Command::new(writer())
        .arg(root)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(wait);
    child.kill().unwrap();
    child.wait().unwrap();
    let mut said = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    let whole = said.rfind('\n').map_or("", |end| &said[..end]);
    whole
        .lines()
        .filter_map(|line| line.parse().ok())
        .next_back()
}

#[test]
fn killed_at_any_time_it_keeps_what_was_durable_and_goes_on() {
    let sandbox = Sandbox::new().unwrap();
    let root = sandbox.file("killed");
    fs::create_dir_all(&root).unwrap();
    let dir = root.join("journal");
    let mut before = 0;
    let mut random = 0x5eed_u64;
    for kill in 0..KILLS {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let wait = Duration::from_micros(3_000 + (random >> 40) % 25_000);
        let durable = killed_after(&root, wait);
        if !dir.exists() {
            continue;
        }
        let there = numbers(&dir);
        let count = there.len() as u64;
        assert!(there.iter().copied().eq(0..count), "kill {kill}: {there:?}");
        assert!(count >= before, "kill {kill}: {count} of {before}");
        assert!(
            durable.is_none_or(|last| last < count),
            "kill {kill}: {durable:?} of {count}"
        );
        let key = fs::read_to_string(root.join("journal.pub")).ok();
        let trust = Trust {
            key: key.and_then(|key| PublicKey::parse(&key)),
            checkpoints: Vec::new(),
            put_back: Vec::new(),
        };
        let report = verify(&dir, &trust, |_, _| ()).unwrap();
        assert_eq!(report.found, None, "kill {kill}");
        before = count;
    }
    assert!(before > KILLS, "{before} events were kept");
}

#[test]
fn verify_says_whole_or_what_was_done_and_where() {
    let sandbox = Sandbox::new().unwrap();
    let root = sandbox.file("proved");
    fs::create_dir_all(&root).unwrap();
    while killed_after(&root, Duration::from_millis(60)).is_none() {}
    let dir = root.join("journal");
    let path = dir.to_str().unwrap();
    let Some(output) = eaves(&["verify", path]) else {
        return;
    };
    check_output(&output, 0, &["whole"], &[]);
    let key = fs::read_to_string(root.join("journal.pub")).unwrap();
    let Some(output) = eaves(&["verify", "--print-key", path]) else {
        return;
    };
    check_output(&output, 0, &[key.trim()], &[]);
    let segment = dir.join("000000000001.jsonl.zst");
    let mut bytes = fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&segment, bytes).unwrap();
    let output = eaves(&["verify", "--json", path]).unwrap();
    check_output(&output, 1, &["\"altered\"", "\"segment\":1"], &[]);
    let other = "00".repeat(32);
    let output = eaves(&["verify", "--key", &other, path]).unwrap();
    check_output(&output, 1, &["wrong key"], &[]);
    let output = eaves(&["verify", "--key", "none", path]).unwrap();
    check_output(&output, 2, &[], &["64 hexadecimal digits"]);
    let empty = sandbox.write("no.jsonl", "{}\n").unwrap();
    let output = eaves(&["verify", "--checkpoint", empty.to_str().unwrap(), path]).unwrap();
    check_output(&output, 2, &[], &["no checkpoint"]);
}

#[test]
fn a_key_that_was_changed_is_told_with_the_one_before_it() {
    let sandbox = Sandbox::new().unwrap();
    let root = sandbox.file("rotated");
    fs::create_dir_all(&root).unwrap();
    let public = || fs::read_to_string(root.join("journal.pub")).unwrap();
    while killed_after(&root, Duration::from_millis(60)).is_none() {}
    let before = public();
    fs::rename(root.join("journal.key"), root.join("journal.key.old")).unwrap();
    while killed_after(&root, Duration::from_millis(60)).is_none() {}
    let now = public();
    assert_ne!(before, now);
    assert!(!root.join("journal.key.old").exists());
    let dir = root.join("journal");
    let path = dir.to_str().unwrap();
    let told = ["whole", now.trim(), "key before", before.trim()];
    for key in [&before, &now] {
        let Some(output) = eaves(&["verify", "--key", key.trim(), path]) else {
            return;
        };
        check_output(&output, 0, &told, &[]);
    }
    let output = eaves(&["verify", path]).unwrap();
    check_output(&output, 0, &told, &[]);
}
