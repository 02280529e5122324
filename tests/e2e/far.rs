//! Sinks and real far ends: what arrives there, as their own software understands it, through failures.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use eaves::clock::WallTime;
use eaves::event::stamp;
use eaves::journal::RecordKind;
use eaves_tests::far::{self, Authority, Kafka, Record, Relay};
use eaves_tests::process::Process;
use eaves_tests::sandbox::{Sandbox, Skip, everything_is_required, port};
use eaves_tests::wait::until_true;
use rustix::process::Signal;
use serde_json::Value;

use super::eaves_command;
use super::sinks::{all, check, configuration, exchange_at, id, journal, keep, sinks, standing};

/// What a far end gave; nothing if it cannot be had here and need not.
#[track_caller]
pub(super) fn there<T>(far: Result<T>) -> Option<T> {
    match far {
        Ok(far) => Some(far),
        Err(error) if error.is::<Skip>() && !everything_is_required() => {
            eprintln!("skipped: {error:#}");
            None
        }
        Err(error) => panic!("{error:#}"),
    }
}

/// Delivers all that the journal holds.
#[track_caller]
pub(super) fn drain(file: &Path) {
    sinks(file, &["drain"]).expect("a binary");
}

/// A drain that is under way.
#[track_caller]
pub(super) fn draining(sandbox: &Sandbox, name: &str, file: &Path) -> Option<Process> {
    let file = file.to_str().unwrap();
    let command = eaves_command(&["sinks", "--config", file, "drain"])?;
    Some(Process::start(sandbox, name, command).unwrap())
}

#[track_caller]
pub(super) fn kill(mut process: Process) {
    process.signal(Signal::KILL).unwrap();
    process.wait().unwrap();
}

/// Waits until the sink says of its last error that `word`.
#[track_caller]
pub(super) fn fails(file: &Path, word: &str) {
    until_true(&format!("the error says {word:?}"), || {
        let standing = standing(file);
        Ok(standing["last_error"]
            .as_str()
            .is_some_and(|error| error.contains(word)))
    })
    .unwrap();
}

/// Ids, each with how often.
pub(super) fn counted(ids: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for id in ids {
        *counted.entry(id).or_default() += 1;
    }
    counted
}

/// A journal of `count` exchanges that are of the time it gives, now.
fn recent(sandbox: &Sandbox, count: usize) -> WallTime {
    let now = WallTime::now();
    let stamp = String::from_utf8(stamp(now).to_vec()).unwrap();
    keep(sandbox, (0..count).map(|n| exchange_at(n, &stamp)));
    now
}

/// Checks that all of `count` events are there, each once, those of one key in one partition in order, all of `time`.
#[track_caller]
fn check_topic(records: &[Record], count: usize, time: WallTime) {
    let ids = counted(records.iter().map(|record| record.id.clone()));
    assert_eq!(ids.keys().cloned().collect::<BTreeSet<_>>(), all(count));
    let twice = records.iter().filter(|record| ids[&record.id] > 1);
    let twice: Vec<_> = twice
        .map(|record| (&record.id, record.partition, record.offset))
        .collect();
    assert!(twice.is_empty(), "more than once: {twice:?}");
    let mut last: BTreeMap<&str, (i32, u64)> = BTreeMap::new();
    for record in records {
        let number = record.value["n"].as_u64().unwrap();
        assert_eq!(record.value["id"], record.id);
        assert_eq!(record.kind, "exchange");
        assert_eq!(record.time_ms.unsigned_abs(), time.0 / 1_000_000);
        let key = record.key.as_deref().unwrap();
        assert_eq!(record.value["client"]["address"], key);
        if let Some((partition, before)) = last.insert(key, (record.partition, number)) {
            assert_eq!(partition, record.partition);
            assert!(before < number, "{before} before {number}");
        }
    }
    assert_eq!(last.len(), 7);
}

#[test]
fn kafka_has_each_event_once_though_broker_and_agent_are_killed() {
    let sandbox = Sandbox::new().unwrap();
    let relay_port = port().unwrap();
    let authority = there(Authority::new(&sandbox));
    let broker = authority
        .as_ref()
        .and_then(|authority| there(Kafka::start(&sandbox, authority, relay_port)));
    let Some(mut broker) = broker else { return };
    let relay = Relay::start(relay_port, broker.port).unwrap();
    // A broker that starts again forgets a producer whose records are older than a day.
    let time = recent(&sandbox, 2000);
    let file = configuration(
        &sandbox,
        &format!(
            "kafka: {{ brokers: ['tcp://127.0.0.1:{}'], topic: eaves }}, batch: {{ bytes: 1KiB }}, timeout: 2s, compression: gzip",
            relay.port()
        ),
    );
    // Answers are lost in the middle, and then the agent is killed: it does not know what arrived.
    let Some(first) = draining(&sandbox, "first", &file) else {
        return;
    };
    until_true("some arrive", || {
        Ok(standing(&file)["accepted"].as_u64() > Some(100))
    })
    .unwrap();
    relay.keep_back(true);
    until_true("an answer is lost", || Ok(relay.kept_back() > 0)).unwrap();
    kill(first);
    let accepted = standing(&file)["accepted"].as_u64().unwrap();
    let there_now = broker.records(&sandbox, "eaves").unwrap().len() as u64;
    assert!(
        accepted < there_now && there_now < 2000,
        "{accepted}, {there_now}"
    );
    // Answers are lost once more, now while the agent lives; then the broker dies and comes back.
    let second = draining(&sandbox, "second", &file).unwrap();
    thread::sleep(Duration::from_millis(300));
    relay.keep_back(false);
    until_true("more arrive", || {
        Ok(standing(&file)["accepted"].as_u64() > Some(accepted + 200))
    })
    .unwrap();
    broker.end();
    fails(&file, "127.0.0.1");
    broker.begin(&sandbox).unwrap();
    let mut second = second;
    second.finish().unwrap();
    check(&file, standing(&file)["accepted"].as_u64().unwrap(), 0);
    check_topic(&broker.records(&sandbox, "eaves").unwrap(), 2000, time);
    too_large(&broker, relay.port());
    over_tls(&broker, &authority.unwrap());
}

/// A record that the broker never takes is a dead letter, the others arrive.
fn too_large(broker: &Kafka, port: u16) {
    let sandbox = Sandbox::new().unwrap();
    let line = |number: usize| {
        let padding = if number == 70 { 300_000 } else { 10 };
        let line = format!(
            "{{\"kind\":\"exchange\",\"schema\":1,\"id\":\"{}\",\"time\":\"2026-11-21T06:02:11.000000000Z\",\"client\":{{\"address\":\"10.0.0.{}\"}},\"n\":{number},\"x\":\"{}\"}}\n",
            id(number),
            number % 7,
            "x".repeat(padding)
        );
        (RecordKind::Exchange, line)
    };
    keep(&sandbox, (0..140).map(line));
    let file = configuration(
        &sandbox,
        &format!("kafka: {{ brokers: ['tcp://127.0.0.1:{port}'], topic: large, key: id }}"),
    );
    drain(&file);
    check(&file, 139, 1);
    let records = broker.records(&sandbox, "large").unwrap();
    let ids = counted(records.into_iter().map(|record| record.id));
    assert_eq!(ids.len(), 139);
    assert!(!ids.contains_key(&id(70)) && ids.values().all(|times| *times == 1));
}

/// By TLS and each mechanism of SASL; a wrong password and a wrong authority deliver nothing.
fn over_tls(broker: &Kafka, authority: &Authority) {
    let (user, password) = Kafka::ACCOUNT;
    let other = Sandbox::new().unwrap();
    let stranger = Authority::new(&other).unwrap();
    for (mechanism, topic) in [
        ("plain", "by-plain"),
        ("scram-sha-256", "by-scram.256"),
        ("scram-sha-512", "by-scram_512"),
    ] {
        let sandbox = Sandbox::new().unwrap();
        let time = recent(&sandbox, 100);
        let secret = sandbox.write("password", password).unwrap();
        let sink = |secret: &str, ca: &Path| {
            format!(
                "kafka: {{ brokers: ['tls://localhost:{}'], topic: {topic}, sasl: {{ mechanism: {mechanism}, user: {user}, password: '{secret}' }} }}, tls: {{ ca: {} }}, timeout: 10s",
                broker.secure,
                ca.display()
            )
        };
        let named = format!("${{file:{}}}", secret.display());
        let file = configuration(&sandbox, &sink(&named, &stranger.certificate));
        let refused = draining(&sandbox, "stranger", &file).unwrap();
        fails(&file, "no TLS");
        kill(refused);
        let file = configuration(&sandbox, &sink("wrong", &authority.certificate));
        let refused = draining(&sandbox, "wrong", &file).unwrap();
        fails(&file, "does not take user and password");
        kill(refused);
        assert_eq!(standing(&file)["lag_events"], 100);
        let file = configuration(&sandbox, &sink(&named, &authority.certificate));
        drain(&file);
        check(&file, 100, 0);
        check_topic(&broker.records(&sandbox, topic).unwrap(), 100, time);
    }
}

#[test]
fn an_otlp_receiver_understands_every_record_through_failures() {
    let sandbox = Sandbox::new().unwrap();
    let out = sandbox.file("records");
    let Some(far) = there(far::otlp(&sandbox, &out, "partial,429,reset,503,lost,drip")) else {
        return;
    };
    journal(&sandbox, 300);
    let file = configuration(
        &sandbox,
        &format!(
            "otlp: {{ url: 'http://127.0.0.1:{}' }}, format: otel, timeout: 2s",
            far.port
        ),
    );
    drain(&file);
    check(&file, 300, 0);
    let text = std::fs::read_to_string(&out).unwrap();
    let records: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let uid = |record: &Value| {
        let attributes = record["record"]["attributes"].as_array().unwrap();
        let uid = attributes.iter().find(|one| one["key"] == "log.record.uid");
        uid.unwrap()["value"]["stringValue"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let ids = counted(records.iter().map(uid));
    assert_eq!(ids.keys().cloned().collect::<BTreeSet<_>>(), all(300));
    let record = &records[0]["record"];
    assert_eq!(record["timeUnixNano"], "1795240931000000000");
    assert_eq!(record["eventName"], "http.server.request");
}

#[test]
fn clickhouse_has_each_event_once_through_failures() {
    let sandbox = Sandbox::new().unwrap();
    let Some(far) = there(far::clickhouse(&sandbox, "429,503,reset,lost")) else {
        return;
    };
    let line = |number: usize| {
        let status = if number == 33 { "\"none\"" } else { "404" };
        let line = format!(
            "{{\"kind\":\"exchange\",\"schema\":1,\"id\":\"{}\",\"time\":\"2026-11-21T06:02:11.123456789Z\",\"duration_ns\":7,\"client\":{{\"address\":\"10.0.0.{}\"}},\"url\":{{\"path\":\"/'a\\\"\"}},\"http\":{{\"request\":{{\"method\":\"GET\"}},\"response\":{{\"status_code\":{status}}}}}}}\n",
            id(number),
            number % 7
        );
        (RecordKind::Exchange, line)
    };
    keep(&sandbox, (0..200).map(line));
    let file = configuration(
        &sandbox,
        &format!(
            "clickhouse: {{ url: 'http://127.0.0.1:{}' }}, timeout: 10s",
            far.port
        ),
    );
    drain(&file);
    let ask = |query: &str| {
        let url = format!(
            "http://127.0.0.1:{}/?query={}",
            far.port,
            query.replace(' ', "%20")
        );
        let output = std::process::Command::new("curl")
            .args(["-sS", &url])
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    // One has a status that is no number.
    check(&file, 199, 1);
    let rows = ask(
        "select count(), uniqExact(id), countIf(status=404), countIf(duration_ns=7), any(method), any(path) from eaves",
    );
    assert_eq!(rows.trim(), "199,199,199,199,\"GET\",\"/'a\"\"\"");
    let time = ask(&format!("select time from eaves where id='{}'", id(5)));
    assert_eq!(time.trim(), "\"2026-11-21 06:02:11.123456789\"");
}

#[test]
fn rsyslog_takes_messages_over_tls_from_those_it_knows() {
    let sandbox = Sandbox::new().unwrap();
    let Some(authority) = there(Authority::new(&sandbox)) else {
        return;
    };
    let (certificate, key) = authority.sign("logs.example").unwrap();
    let (ours, our_key) = authority.sign("agent.example").unwrap();
    let out = sandbox.file("messages");
    let far = far::rsyslog(&sandbox, &authority.certificate, &certificate, &key, &out);
    let Some(far) = there(far) else { return };
    journal(&sandbox, 300);
    let sink = |name: &str| {
        format!(
            "syslog: {{ address: 'tls://127.0.0.1:{}', facility: audit }}, tls: {{ ca: {}, server_name: {name}, certificate: {}, key: {} }}, timeout: 5s",
            far.port,
            authority.certificate.display(),
            ours.display(),
            our_key.display()
        )
    };
    let file = configuration(&sandbox, &sink("wrong.example"));
    let Some(refused) = draining(&sandbox, "wrong", &file) else {
        return;
    };
    fails(&file, "certificate");
    kill(refused);
    let file = configuration(&sandbox, &sink("logs.example"));
    drain(&file);
    check(&file, 300, 0);
    let mut text = String::new();
    until_true("rsyslog has written all", || {
        text = std::fs::read_to_string(&out)?;
        Ok(text.lines().count() >= 300)
    })
    .unwrap();
    let mut seen = Vec::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [priority, time, _, application, kind, data, message] = fields[..] else {
            panic!("{line}");
        };
        // Facility 13, severity 6.
        assert_eq!((priority, application, kind), ("110", "eaves", "exchange"));
        assert!(time.starts_with("2026-11-21T06:02:11.000000"), "{time}");
        let event: Value = serde_json::from_str(message).unwrap();
        let id = event["id"].as_str().unwrap().to_owned();
        assert_eq!(data, format!("[eaves@32473 id=\"{id}\"]"));
        seen.push(id);
    }
    let ids = counted(seen);
    assert_eq!(
        ids.into_iter().collect::<Vec<_>>(),
        all(300).into_iter().map(|id| (id, 1)).collect::<Vec<_>>()
    );
}

/// The line of a finding of an incident.
pub(super) fn finding(
    number: usize,
    incident: &str,
    state: &str,
    severity: &str,
) -> (RecordKind, String) {
    let line = format!(
        "{{\"kind\":\"finding\",\"schema\":1,\"id\":\"{}\",\"time\":\"2026-11-21T06:02:11.000000000Z\",\"incident\":\"{incident}\",\"state\":\"{state}\",\"detector\":{{\"id\":\"auth-01\",\"name\":\"account brute force\",\"version\":1}},\"severity\":\"{severity}\",\"title\":\"record {number}\",\"actor\":{{\"user\":\"alice\",\"client\":\"203.0.113.7\"}}}}\n",
        id(number)
    );
    (RecordKind::Finding, line)
}

#[test]
fn alertmanager_has_an_alert_an_incident_which_changes_and_resolves() {
    let sandbox = Sandbox::new().unwrap();
    let Some(far) = there(far::alertmanager(&sandbox)) else {
        return;
    };
    let lines = [
        finding(0, "one", "open", "high"),
        finding(1, "two", "open", "low"),
        finding(2, "one", "update", "high"),
        finding(3, "two", "closed", "low"),
    ];
    keep(&sandbox, lines.into_iter());
    let file = configuration(
        &sandbox,
        &format!(
            "alertmanager: {{ url: 'http://127.0.0.1:{}', labels: {{ team: api }} }}, from: oldest",
            far.port
        ),
    );
    if sinks(&file, &["drain"]).is_none() {
        return;
    }
    check(&file, 4, 0);
    let url = format!("http://127.0.0.1:{}/api/v2/alerts?active=true", far.port);
    let output = std::process::Command::new("curl")
        .args(["-sS", &url])
        .output();
    let alerts: Vec<Value> = serde_json::from_slice(&output.unwrap().stdout).unwrap();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    let alert = &alerts[0];
    assert_eq!(alert["status"]["state"], "active");
    assert_eq!(alert["labels"]["incident"], "one");
    assert_eq!(alert["labels"]["team"], "api");
    assert_eq!(alert["labels"]["severity"], "high");
    assert!(
        alert["annotations"].to_string().contains("record 2"),
        "{alert}"
    );
}

#[test]
fn projections_fit_the_schemas_that_are_published() {
    let sandbox = Sandbox::new().unwrap();
    let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/format/events.jsonl");
    let events = std::fs::read_to_string(events).unwrap();
    let lines = events
        .lines()
        .map(|line| (RecordKind::Exchange, format!("{line}\n")));
    keep(&sandbox, lines);
    let formats = ["ecs", "ocsf", "otel"];
    let sink = |format: &str| {
        let out = sandbox.file(&format!("out.{format}"));
        format!(
            "  {format}: {{ file: {{ path: {} }}, format: {format} }}\n",
            out.display()
        )
    };
    let yaml = format!(
        "journal: {{ dir: {}, min_free: 1MiB }}\nsinks:\n{}",
        sandbox.file("journal").display(),
        formats.map(sink).concat()
    );
    let file = sandbox.write("eaves.yaml", yaml).unwrap();
    if sinks(&file, &["drain"]).is_none() {
        return;
    }
    for format in formats {
        let out = sandbox.file(&format!("out.{format}"));
        let count = std::fs::read_to_string(&out).unwrap().lines().count();
        assert_eq!(count, events.lines().count(), "{format}");
        there(far::fits_schema(&sandbox, format, &out));
    }
}
