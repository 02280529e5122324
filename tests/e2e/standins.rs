//! Sinks and far ends that cannot be had: faithful stand-ins, which check each request and fail in every way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use eaves::journal::RecordKind;
use eaves_tests::peer::{Collector, Fault, Got};
use eaves_tests::sandbox::Sandbox;
use serde_json::{Value, json};

use super::far::{counted, finding};
use super::sinks::{all, bulk, check, configuration, id, journal, keep, sinks, standing};

/// Every way to fail, each once.
fn faults() -> Vec<Fault> {
    vec![
        Fault::Answer(429, "Retry-After: 1\r\n", "slow down"),
        Fault::ResetMidBody,
        Fault::TakenThenLost,
        Fault::Answer(503, "", "busy"),
        Fault::Drip,
    ]
}

/// Delivers the journal of `sandbox` to a far end that answers so: all that it took in. Nothing if there is
/// no binary.
#[track_caller]
fn deliver(
    sandbox: &Sandbox,
    sink: impl FnOnce(u16) -> String,
    count: u64,
    answers: impl Fn(&Got) -> (u16, String) + Send + Sync + 'static,
) -> Option<Vec<Got>> {
    let far = Collector::start(0, faults(), answers).unwrap();
    let file = configuration(sandbox, &format!("{}, timeout: 1s", sink(far.port())));
    sinks(&file, &["drain"])?;
    check(&file, count, 0);
    assert!(standing(&file)["retries"].as_u64().unwrap() >= 5);
    Some(far.taken())
}

/// Checks that each of `count` events came, and how often one came at most.
#[track_caller]
fn check_ids(ids: impl IntoIterator<Item = String>, count: usize, most: usize) {
    let ids: BTreeMap<String, usize> = counted(ids);
    assert_eq!(ids.keys().cloned().collect::<BTreeSet<_>>(), all(count));
    let worst = ids.values().max().copied().unwrap_or_default();
    assert!(worst <= most, "{worst} times");
}

fn body(got: &Got) -> Value {
    serde_json::from_slice(&got.body).unwrap()
}

#[test]
fn elasticsearch_gets_every_event_under_its_own_id() {
    let sandbox = Sandbox::new().unwrap();
    journal(&sandbox, 300);
    let sink = |port| {
        format!(
            "elasticsearch: {{ url: 'http://127.0.0.1:{port}' }}, compression: none, batch: {{ events: 100 }}"
        )
    };
    let documents = Arc::new(Mutex::new(BTreeMap::new()));
    let stored = Arc::clone(&documents);
    let taken = deliver(&sandbox, sink, 300, move |got| {
        let mut stored = stored.lock().unwrap();
        (200, bulk(&mut stored, "", true, got))
    });
    let Some(taken) = taken else { return };
    let lines = taken
        .iter()
        .flat_map(|got| got.body.split(|byte| *byte == b'\n'));
    let actions = lines
        .filter(|line| line.starts_with(b"{\"create\""))
        .map(|line| {
            let action: Value = serde_json::from_slice(line).unwrap();
            action["create"]["_id"].as_str().unwrap().to_owned()
        });
    check_ids(actions, 300, 6);
    let documents = documents.lock().unwrap();
    assert_eq!(documents.keys().cloned().collect::<BTreeSet<_>>(), all(300));
}

#[test]
fn alertmanager_is_told_of_each_incident_through_every_failure() {
    let sandbox = Sandbox::new().unwrap();
    incidents(&sandbox);
    let sink = |port| format!("alertmanager: {{ url: 'http://127.0.0.1:{port}' }}, from: oldest");
    let taken = deliver(&sandbox, sink, 60, |got| {
        assert_eq!(got.target, "POST /api/v2/alerts");
        (200, String::new())
    });
    let Some(taken) = taken else { return };
    let mut last: BTreeMap<String, Value> = BTreeMap::new();
    for got in &taken {
        for alert in body(got).as_array().unwrap() {
            let incident = alert["labels"]["incident"].as_str().unwrap().to_owned();
            last.insert(incident, alert["endsAt"].clone());
        }
    }
    assert_eq!(last.len(), 20);
    let now = eaves::clock::WallTime::now();
    for (incident, ends) in last {
        let ends = eaves::event::parse_stamp(ends.as_str().unwrap().as_bytes()).unwrap();
        assert!(ends <= now, "{incident} still stands");
    }
}

#[test]
fn splunk_gets_every_event_and_is_asked_until_it_is_indexed() {
    let sandbox = Sandbox::new().unwrap();
    journal(&sandbox, 300);
    let (acks, asked) = (AtomicU64::new(0), Arc::new(AtomicU64::new(0)));
    let questions = Arc::clone(&asked);
    let sink = |port| {
        format!(
            "splunk_hec: {{ url: 'http://127.0.0.1:{port}', token: t0ken, index: api, ack: on }}, batch: {{ events: 100 }}"
        )
    };
    let taken = deliver(&sandbox, sink, 300, move |got| {
        assert_eq!(got.header("authorization"), Some("Splunk t0ken"));
        if got
            .target
            .starts_with("POST /services/collector/ack?channel=")
        {
            let id = body(got)["acks"][0].as_u64().unwrap();
            // Only the second question finds it indexed.
            let indexed = questions.fetch_add(1, Ordering::SeqCst) % 2 == 1;
            return (
                200,
                json!({ "acks": { id.to_string(): indexed } }).to_string(),
            );
        }
        assert_eq!(got.target, "POST /services/collector/event");
        assert_eq!(got.header("x-splunk-request-channel").unwrap().len(), 36);
        let ack = acks.fetch_add(1, Ordering::SeqCst);
        (
            200,
            json!({ "text": "Success", "code": 0, "ackId": ack }).to_string(),
        )
    });
    let Some(taken) = taken else { return };
    assert!(asked.load(Ordering::SeqCst) >= 6);
    let events = taken.iter().filter(|got| got.target.ends_with("/event"));
    let events = events.flat_map(|got| {
        let events = serde_json::Deserializer::from_slice(&got.body).into_iter::<Value>();
        events.map(Result::unwrap).collect::<Vec<_>>()
    });
    let ids = events.map(|event| {
        assert_eq!(event["index"], "api");
        assert_eq!(event["sourcetype"], "eaves:event");
        assert_eq!(event["time"].as_f64(), Some(1_795_240_931.0));
        event["event"]["id"].as_str().unwrap().to_owned()
    });
    check_ids(ids, 300, 6);
}

#[test]
fn loki_gets_every_event_with_few_labels_in_its_order() {
    let sandbox = Sandbox::new().unwrap();
    journal(&sandbox, 300);
    let sink = |port| {
        format!(
            "loki: {{ url: 'http://127.0.0.1:{port}', tenant: blue, labels: {{ env: test }} }}, compression: gzip"
        )
    };
    let taken = deliver(&sandbox, sink, 300, |got| {
        assert_eq!(got.target, "POST /loki/api/v1/push");
        assert_eq!(got.header("x-scope-orgid"), Some("blue"));
        (204, String::new())
    });
    let Some(taken) = taken else { return };
    let mut ids = Vec::new();
    for got in taken {
        // What is short is not worth the while.
        let zipped = got.header("content-encoding") == Some("gzip");
        assert_eq!(zipped, got.body.first() != Some(&b'{'));
        let push: Value = serde_json::from_slice(&got.plain().unwrap()).unwrap();
        let streams = push["streams"].as_array().unwrap();
        assert_eq!(streams.len(), 1);
        let labels = json!({ "service_name": "eaves", "kind": "exchange", "env": "test" });
        assert_eq!(streams[0]["stream"], labels);
        for value in streams[0]["values"].as_array().unwrap() {
            assert_eq!(value[0], "1795240931000000000");
            let line: Value = serde_json::from_str(value[1].as_str().unwrap()).unwrap();
            assert_eq!(line["id"], value[2]["id"]);
            ids.push(line["id"].as_str().unwrap().to_owned());
        }
    }
    check_ids(ids, 300, 5);
}

/// Sixty findings of twenty incidents: each opens, changes, closes.
fn incidents(sandbox: &Sandbox) {
    let states = ["open", "updated", "closed"];
    let lines = (0..60).map(|n| finding(n, &format!("incident-{}", n / 3), states[n % 3], "high"));
    keep(
        sandbox,
        lines.collect::<Vec<(RecordKind, String)>>().into_iter(),
    );
}

#[test]
fn pagerduty_is_told_of_each_incident_from_its_opening_to_its_close() {
    let sandbox = Sandbox::new().unwrap();
    incidents(&sandbox);
    let sink = |port| {
        format!("pagerduty: {{ url: 'http://127.0.0.1:{port}', routing_key: r0ute }}, from: oldest")
    };
    let taken = deliver(&sandbox, sink, 60, |got| {
        assert_eq!(got.target, "POST /v2/enqueue");
        assert_eq!(body(got)["routing_key"], "r0ute");
        (202, json!({ "status": "success" }).to_string())
    });
    let Some(taken) = taken else { return };
    let mut by_incident: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for got in taken {
        let event = body(&got);
        let word = |name: &str| event[name].as_str().unwrap().to_owned();
        let told = by_incident.entry(word("dedup_key")).or_default();
        let action = word("event_action");
        // What came twice, since an answer was lost, is told as once.
        let same = |last: &String| last == &action && action == "resolve";
        if !told.last().is_some_and(same) {
            told.push(action);
        }
    }
    assert_eq!(by_incident.len(), 20);
    for (incident, told) in by_incident {
        assert!(
            told.len() >= 3 && told.ends_with(&["resolve".to_owned()]),
            "{incident}: {told:?}"
        );
        assert!(told.iter().rev().skip(1).all(|action| action == "trigger"));
    }
}

#[test]
fn slack_is_told_of_every_finding() {
    let sandbox = Sandbox::new().unwrap();
    incidents(&sandbox);
    let sink =
        |port| format!("slack: {{ url: 'http://127.0.0.1:{port}/services/T/B/x' }}, from: oldest");
    let taken = deliver(&sandbox, sink, 60, |got| {
        assert_eq!(got.target, "POST /services/T/B/x");
        let message = body(got);
        assert!(message["blocks"].as_array().unwrap().len() <= 50);
        (200, "ok".to_owned())
    });
    let Some(taken) = taken else { return };
    let text: String = taken
        .iter()
        .map(|got| body(got)["blocks"].to_string())
        .collect();
    for number in 0..60 {
        assert!(
            text.contains(&format!("record {number}")),
            "{number}: {}",
            id(number)
        );
    }
}
