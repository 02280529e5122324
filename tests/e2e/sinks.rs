//! Sinks: a journal delivered by the binary to far ends that fail. Every event arrives, what comes twice
//! has the same id, cursor and counters are right.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use eaves::clock::Moment;
use eaves::journal::{Journal, KeyPlace, Keys, Options, RealDisk, Record, RecordKind, Worth};
use eaves_tests::peer::{Collector, Fault, Got};
use eaves_tests::process::Process;
use eaves_tests::sandbox::{Sandbox, port, program};
use eaves_tests::wait::until_true;
use rustix::process::Signal;
use serde_json::Value;

use super::{check_output, eaves, eaves_command};

pub(super) fn id(number: usize) -> String {
    format!("0193a2b4-7c11-7d3e-9a51-{number:012}")
}

/// A journal of `count` exchanges, in frames of fifty.
pub(super) fn journal(sandbox: &Sandbox, count: usize) {
    keep(sandbox, (0..count).map(exchange));
}

/// The line of an exchange, one of seven clients'.
fn exchange(number: usize) -> (RecordKind, String) {
    exchange_at(number, "2026-11-21T06:02:11.000000000Z")
}

/// The line of an exchange of a time, one of seven clients'.
pub(super) fn exchange_at(number: usize, time: &str) -> (RecordKind, String) {
    let line = format!(
        "{{\"kind\":\"exchange\",\"schema\":1,\"id\":\"{}\",\"time\":\"{time}\",\"client\":{{\"address\":\"10.0.0.{}\"}},\"n\":{number}}}\n",
        id(number),
        number % 7
    );
    (RecordKind::Exchange, line)
}

/// A journal of these lines, in frames of fifty.
pub(super) fn keep(sandbox: &Sandbox, lines: impl Iterator<Item = (RecordKind, String)>) {
    keep_over(sandbox, 3, lines);
}

/// As [`keep`], by a clock to which all of it took `seconds` that end now.
fn keep_over(sandbox: &Sandbox, seconds: u64, lines: impl Iterator<Item = (RecordKind, String)>) {
    let lines: Vec<_> = lines.collect();
    let frames = (lines.len() as u64).div_ceil(50).max(1);
    let each_ns = (seconds * 1_000_000_000 / frames).max(300_000_000);
    let dir = sandbox.file("journal");
    let options = Options {
        min_free: 0,
        ..Options::new(dir.clone(), KeyPlace::of(&dir))
    };
    let mut now = Moment::now();
    now.date.0 -= each_ns * frames;
    let mut journal = Journal::open(options, Arc::new(RealDisk), now).unwrap();
    for (number, (kind, line)) in lines.into_iter().enumerate() {
        let record = Record {
            kind,
            worth: Worth::default(),
            severity: None,
            time: now.date,
            line: line.as_bytes(),
            keys: Keys::default(),
        };
        journal.append(&record, now);
        if number % 50 == 49 {
            now.steady = now.steady.plus(each_ns);
            now.date.0 += each_ns;
            journal.tick(now);
        }
    }
    journal.close(now);
}

/// A configuration with one sink, `siem`.
pub(super) fn configuration(sandbox: &Sandbox, sink: &str) -> PathBuf {
    let dir = sandbox.file("journal");
    let yaml = format!(
        "journal: {{ dir: {}, min_free: 1MiB }}\nsinks:\n  siem: {{ {sink} }}\n",
        dir.display()
    );
    sandbox.write("eaves.yaml", yaml).unwrap()
}

/// Runs `eaves sinks …`: nothing if there is no binary.
pub(super) fn sinks(file: &Path, arguments: &[&str]) -> Option<String> {
    let file = file.to_str().unwrap();
    let mut all = vec!["sinks", "--config", file];
    all.extend(arguments);
    let output = eaves(&all)?;
    check_output(&output, 0, &[], &[]);
    Some(String::from_utf8(output.stdout).unwrap())
}

pub(super) fn standing(file: &Path) -> Value {
    serde_json::from_str(&sinks(file, &["--json"]).unwrap()).unwrap()
}

/// Checks where the sink stands at the end: nothing behind, so many arrived, so many refused.
#[track_caller]
pub(super) fn check(file: &Path, accepted: u64, dead: u64) {
    let standing = standing(file);
    assert_eq!(standing["lag_events"], 0, "{standing}");
    assert_eq!(standing["accepted"], accepted, "{standing}");
    assert_eq!(standing["dead_letters"], dead, "{standing}");
    assert_eq!(standing["failing"], false, "{standing}");
}

/// Ids of the events in what was taken in, each with how often.
fn ids(taken: &[Got]) -> BTreeMap<String, usize> {
    let mut ids = BTreeMap::new();
    for got in taken {
        let events: Vec<Value> = serde_json::from_slice(&got.body).unwrap();
        for event in events {
            *ids.entry(event["id"].as_str().unwrap().to_owned())
                .or_default() += 1;
        }
    }
    ids
}

pub(super) fn all(count: usize) -> BTreeSet<String> {
    (0..count).map(id).collect()
}

#[test]
fn a_webhook_that_fails_in_every_way_gets_every_event() {
    let sandbox = Sandbox::new().unwrap();
    journal(&sandbox, 300);
    let faults = vec![
        Fault::Answer(429, "Retry-After: 1\r\n", "slow down"),
        Fault::ResetMidBody,
        Fault::TakenThenLost,
        Fault::Answer(503, "", ""),
        Fault::Drip,
    ];
    let far = Collector::start(0, faults, |_| (200, String::new())).unwrap();
    let port = far.port();
    let file = configuration(
        &sandbox,
        &format!(
            "webhook: {{ url: 'http://127.0.0.1:{port}/in', secret: s3cret }}, timeout: 1s, batch: {{ events: 100 }}"
        ),
    );
    if sinks(&file, &["drain"]).is_none() {
        return;
    }
    let ids = ids(&far.taken());
    assert_eq!(ids.keys().cloned().collect::<BTreeSet<_>>(), all(300));
    check(&file, 300, 0);
    assert!(standing(&file)["retries"].as_u64().unwrap() >= 5);
    // Whatever was sent twice whole was sent under one key.
    let mut keys: BTreeMap<Vec<u8>, String> = BTreeMap::new();
    for got in far.taken() {
        let key = got.header("idempotency-key").unwrap().to_owned();
        assert!(got.header("x-eaves-signature").unwrap().starts_with("v1="));
        assert_eq!(keys.entry(got.body).or_insert(key.clone()), &key);
    }
}

/// What Elasticsearch does with `create`, with a document it will not have until it is `mended`.
pub(super) fn bulk(
    store: &mut BTreeMap<String, usize>,
    poison: &str,
    mended: bool,
    got: &Got,
) -> String {
    let lines: Vec<&[u8]> = got.body.split(|byte| *byte == b'\n').collect();
    let items = lines.chunks(2).filter(|pair| pair.len() == 2).map(|pair| {
        let action: Value = serde_json::from_slice(pair[0]).unwrap();
        let document: Value = serde_json::from_slice(pair[1]).unwrap();
        assert!(document["@timestamp"].is_string());
        let id = action["create"]["_id"].as_str().unwrap().to_owned();
        if id == poison && !mended {
            return r#"{"create":{"status":400,"error":{"type":"document_parsing_exception","reason":"no"}}}"#.to_owned();
        }
        let there = store.contains_key(&id);
        *store.entry(id).or_default() += usize::from(!there);
        let status = if there { 409 } else { 201 };
        format!(r#"{{"create":{{"status":{status}}}}}"#)
    });
    let items: Vec<String> = items.collect();
    format!(r#"{{"errors":true,"items":[{}]}}"#, items.join(","))
}

#[test]
fn elasticsearch_has_each_event_once_and_a_poison_event_can_be_sent_again() {
    let sandbox = Sandbox::new().unwrap();
    journal(&sandbox, 200);
    let store = Arc::new(Mutex::new(BTreeMap::new()));
    let mended = Arc::new(AtomicBool::new(false));
    let (kept, well) = (Arc::clone(&store), Arc::clone(&mended));
    let throttled = r#"{"errors":true,"items":[]}"#;
    let faults = vec![Fault::TakenThenLost, Fault::Answer(200, "", throttled)];
    let far = Collector::start(0, faults, move |got| {
        let mut kept = kept.lock().unwrap();
        (
            200,
            bulk(&mut kept, &id(77), well.load(Ordering::SeqCst), got),
        )
    });
    let far = far.unwrap();
    let port = far.port();
    let file = configuration(
        &sandbox,
        &format!("elasticsearch: {{ url: 'http://127.0.0.1:{port}' }}, compression: none"),
    );
    if sinks(&file, &["drain"]).is_none() {
        return;
    }
    assert_eq!(store.lock().unwrap().len(), 199);
    check(&file, 199, 1);
    mended.store(true, Ordering::SeqCst);
    sinks(&file, &["resend", "siem"]).unwrap();
    sinks(&file, &["drain"]).unwrap();
    let stored = store.lock().unwrap();
    assert_eq!(stored.keys().cloned().collect::<BTreeSet<_>>(), all(200));
    assert!(stored.values().all(|count| *count == 1));
    check(&file, 200, 0);
    assert!(
        far.got()[0]
            .target
            .starts_with("POST /logs-eaves-default/_bulk?")
    );
}

#[test]
fn an_hour_s_outage_with_kills_in_the_middle_loses_nothing() {
    let sandbox = Sandbox::new().unwrap();
    // What came in an hour, with the checkpoints and segments of an hour: the journal's clock is the test's.
    keep_over(&sandbox, 3600, (0..400).map(exchange));
    let port = port().unwrap();
    let file = configuration(
        &sandbox,
        &format!(
            "webhook: {{ url: 'http://127.0.0.1:{port}/' }}, batch: {{ bytes: 1KiB, events: 20 }}"
        ),
    );
    let arguments = ["sinks", "--config", file.to_str().unwrap(), "drain"];
    let Some(command) = eaves_command(&arguments) else {
        return;
    };
    // Nobody listens: it fails, and is killed while it waits; and again.
    let mut commands = vec![command, eaves_command(&arguments).unwrap()];
    let mut retries = 0;
    while let Some(command) = commands.pop() {
        let mut process = Process::start(&sandbox, "down", command).unwrap();
        until_true("the failure is told", || {
            Ok(standing(&file)["retries"].as_u64() > Some(retries))
        })
        .unwrap();
        let standing = standing(&file);
        assert_eq!(standing["lag_events"], 400);
        assert!(standing["lag_s"].as_u64() >= Some(3500), "{standing}");
        assert_eq!(standing["failing"], true);
        retries = standing["retries"].as_u64().unwrap();
        process.signal(Signal::KILL).unwrap();
        process.wait().unwrap();
    }
    // It comes back, slow, and the agent is killed in the middle of it.
    let far = Collector::start(port, Vec::new(), |_| {
        thread::sleep(Duration::from_millis(20));
        (200, String::new())
    });
    let far = far.unwrap();
    let command = eaves_command(&arguments).unwrap();
    let mut process = Process::start(&sandbox, "killed", command).unwrap();
    until_true("some arrive", || Ok(far.taken().len() >= 5)).unwrap();
    process.signal(Signal::KILL).unwrap();
    process.wait().unwrap();
    let before = ids(&far.taken()).len();
    assert!(before < 400, "killed too late");
    sinks(&file, &["drain"]).unwrap();
    let ids = ids(&far.taken());
    assert_eq!(ids.keys().cloned().collect::<BTreeSet<_>>(), all(400));
    // A frame or two of fifty are all that came twice.
    let twice = ids.values().filter(|count| **count > 1).count();
    assert!(twice <= 100, "{twice} came twice");
    assert_eq!(standing(&file)["lag_events"], 0);
}

#[test]
fn a_sink_without_a_journal_is_told_to_have_one() {
    let sandbox = Sandbox::new().unwrap();
    let yaml = "sinks: { siem: { webhook: { url: 'http://x/' } } }\n";
    let file = sandbox.write("eaves.yaml", yaml).unwrap();
    let arguments = ["config", "check", file.to_str().unwrap()];
    if let Some(output) = eaves(&arguments) {
        check_output(&output, 2, &[], &["needs the journal"]);
    }
}

/// A certificate for `name`, signed by itself.
fn certificate(sandbox: &Sandbox, name: &str) -> (PathBuf, PathBuf) {
    let (key, certificate) = (sandbox.file("tls.key"), sandbox.file("tls.pem"));
    let made = Command::new(program("openssl", "openssl").unwrap())
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args(["-subj", &format!("/CN={name}")])
        .args(["-addext", &format!("subjectAltName=DNS:{name}")])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success());
    (key, certificate)
}

#[test]
fn syslog_over_tls_reaches_openssl_and_no_one_with_a_wrong_name() {
    let sandbox = Sandbox::new().unwrap();
    journal(&sandbox, 100);
    let (key, certificate) = certificate(&sandbox, "logs.example");
    let port = port().unwrap();
    let openssl = program("openssl", "openssl").unwrap();
    // It ends with its standard input, so it is given one that does not.
    let listen = format!(
        "tail -f /dev/null | {} s_server -quiet -accept {port} -cert {} -key {}",
        openssl.display(),
        certificate.display(),
        key.display()
    );
    let mut server = Command::new("sh");
    server.args(["-c", &listen]);
    let server = Process::start(&sandbox, "openssl", server).unwrap();
    let sink = |name: &str| {
        format!(
            "syslog: {{ address: 'tls://127.0.0.1:{port}' }}, tls: {{ ca: {}, server_name: {name} }}, timeout: 5s",
            certificate.display()
        )
    };
    // The certificate is for another name.
    let file = configuration(&sandbox, &sink("wrong.example"));
    let arguments = ["sinks", "--config", file.to_str().unwrap(), "drain"];
    let Some(command) = eaves_command(&arguments) else {
        return;
    };
    let mut refused = Process::start(&sandbox, "refused", command).unwrap();
    until_true("the certificate is refused", || {
        let standing = standing(&file);
        let error = standing["last_error"].as_str().unwrap_or_default();
        Ok(error.contains("certificate"))
    })
    .unwrap();
    assert_eq!(standing(&file)["lag_events"], 100);
    refused.signal(Signal::KILL).unwrap();
    refused.wait().unwrap();
    // And now for the right one.
    let file = configuration(&sandbox, &sink("logs.example"));
    sinks(&file, &["drain"]).unwrap();
    check(&file, 100, 0);
    let out = sandbox.file("openssl.out");
    let mut text = String::new();
    until_true("openssl has written all", || {
        text = std::fs::read_to_string(&out)?;
        Ok(text.contains(&id(99)))
    })
    .unwrap();
    let mut rest = text.as_str();
    let mut seen = BTreeSet::new();
    while let Some((length, behind)) = rest.split_once(' ') {
        let (message, after) = behind.split_at(length.parse().unwrap());
        assert!(
            message.starts_with("<134>1 2026-11-21T06:02:11.000000Z "),
            "{message}"
        );
        let (_, event) = message.split_once("] ").unwrap();
        let event: Value = serde_json::from_str(event).unwrap();
        seen.insert(event["id"].as_str().unwrap().to_owned());
        rest = after;
    }
    assert_eq!(seen, all(100));
    server.signal_group(Signal::TERM).unwrap();
}
