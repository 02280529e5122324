use super::text::unescaped;
use super::{
    Actor, Baseline, Count, Detail, DetectorName, Evidence, Finding, FindingKind, Host, Ids,
    IncidentState, Learnt, Lower, Notice, Outcome, Severity, TapState, Target, Text, json_schema,
    write_line,
};
use crate::clock::WallTime;
use proptest::prelude::*;

const HOST: Host<'_> = Host {
    name: "web-3",
    id: "4c4c",
};

#[track_caller]
fn check(severity: Severity, detail: Detail<'_>, expected: &str) {
    let time = WallTime(1_795_240_931_123_456_789);
    let id = Ids::new("4c4c", 7).notice(time, 1);
    let mut line = Vec::new();
    write_line(&Notice::new(id, time, HOST, severity, detail), &mut line).unwrap();
    let line = String::from_utf8(line).unwrap();
    assert_eq!(line, expected.replace('\n', "").replace("  ", "") + "\n");
}

#[test]
fn notices_say_what_happened() {
    check(
        Severity::Info,
        Detail::Start {
            version: "0.1.0",
            kernel: None,
        },
        r#"{"kind":"notice","schema":1,"id":"01a1fcb2-af33-7474-8c1f-bb469ccfd6a8",
        "time":"2026-11-21T06:02:11.123456789Z","name":"start","severity":"info",
        "host":{"name":"web-3","id":"4c4c"},"detail":{"version":"0.1.0"}}"#,
    );
    check(
        Severity::High,
        Detail::Tap {
            tap: "socket",
            state: TapState::Lost,
            reason: Some("refused"),
        },
        r#"{"kind":"notice","schema":1,"id":"01a1fcb2-af33-7474-8c1f-bb469ccfd6a8",
        "time":"2026-11-21T06:02:11.123456789Z","name":"tap","severity":"high",
        "host":{"name":"web-3","id":"4c4c"},
        "detail":{"tap":"socket","state":"lost","reason":"refused"}}"#,
    );
    let count = Count {
        stage: "kernel",
        name: "ring_full",
        count: 3,
    };
    check(
        Severity::Medium,
        Detail::Loss {
            window_ns: 60_000_000_000,
            counts: vec![count],
        },
        r#"{"kind":"notice","schema":1,"id":"01a1fcb2-af33-7474-8c1f-bb469ccfd6a8",
        "time":"2026-11-21T06:02:11.123456789Z","name":"loss","severity":"medium",
        "host":{"name":"web-3","id":"4c4c"},"detail":{"window_ns":60000000000,
        "counts":[{"stage":"kernel","name":"ring_full","count":3}]}}"#,
    );
    check(
        Severity::Info,
        Detail::Stop {
            reason: "SIGTERM",
            drained: true,
            ledger: vec![count],
        },
        r#"{"kind":"notice","schema":1,"id":"01a1fcb2-af33-7474-8c1f-bb469ccfd6a8",
        "time":"2026-11-21T06:02:11.123456789Z","name":"stop","severity":"info",
        "host":{"name":"web-3","id":"4c4c"},"detail":{"reason":"SIGTERM","drained":true,
        "ledger":[{"stage":"kernel","name":"ring_full","count":3}]}}"#,
    );
}

#[test]
fn the_schema_speaks_of_every_field_and_never_of_null() {
    fn look(schema: &serde_json::Value, path: &str) {
        if let Some(properties) = schema.get("properties").and_then(|p| p.as_object()) {
            for (name, property) in properties {
                let told = property.get("description").is_some();
                assert!(told, "{path}.{name} says nothing");
                look(property, &format!("{path}.{name}"));
            }
        }
        for (key, below) in schema.as_object().into_iter().flatten() {
            look(below, &format!("{path}/{key}"));
        }
        for below in schema.as_array().into_iter().flatten() {
            look(below, path);
        }
    }
    let schema = json_schema();
    look(&schema, "");
    assert!(!schema.to_string().contains("\"null\""));
    let exchange = &schema["$defs"]["ApiEvent"];
    assert!(exchange["properties"]["duration_ns"].is_object());
    let required = exchange["required"].as_array().unwrap();
    assert!(required.contains(&"completeness".into()));
    assert!(!required.contains(&"duration_ns".into()));
}

proptest! {
    #[test]
    fn foreign_bytes_come_back_through_json(
        bytes in proptest::collection::vec(prop_oneof![
            3 => any::<u8>(), 1 => Just(b'\\'), 1 => Just(b'x'), 1 => Just(b'X'), 3 => b' '..b'~',
        ], 0..40),
    ) {
        let mut line = Vec::new();
        write_line(&[Text(&bytes)], &mut line).unwrap();
        let [text]: [String; 1] = serde_json::from_slice(&line).unwrap();
        prop_assert_eq!(unescaped(&text), &bytes[..]);

        line.clear();
        write_line(&[Lower(&bytes)], &mut line).unwrap();
        let [text]: [String; 1] = serde_json::from_slice(&line).unwrap();
        prop_assert_eq!(unescaped(&text), bytes.to_ascii_lowercase());
        prop_assert_eq!(serde_json::to_value(Lower(&bytes)).unwrap(), text);
    }
}

#[test]
fn a_finding_is_written_as_the_schema_of_events_has_it() {
    let time = WallTime(1_795_240_931_123_456_789);
    let ids = Ids::new("4c4c", 7);
    let incident = ids.incident(time, "auth-01", 9);
    let evidence = [Evidence {
        exchange: incident,
        time,
        source_id: None,
        part: "request.query.id".to_owned(),
        excerpt: "1' OR '1'='1".to_owned(),
        decoded_by: vec!["percent".into()],
        proof: String::new(),
    }];
    let finding = Finding {
        kind: FindingKind::Finding,
        schema: 1,
        id: ids.finding(time, incident, 0),
        time,
        first_seen: time,
        last_seen: time,
        incident,
        state: IncidentState::Open,
        campaign: None,
        detector: DetectorName {
            id: "auth-01".into(),
            name: "account brute force".into(),
            version: 1,
        },
        severity: Severity::High,
        confidence: 0.928,
        outcome: Outcome::Attempted,
        title: "20 failed logins".into(),
        actor: Actor {
            user: Some("alice".into()),
            ..Actor::default()
        },
        target: Target::default(),
        count: 20,
        threshold: 10,
        window_ns: Some(600_000_000_000),
        baseline: Some(Baseline {
            median: 0.0,
            mad: 1.256,
            samples: 4102,
            state: Learnt::Warming,
        }),
        evidence: (&evidence[..]).into(),
        samples: (&[][..]).into(),
        endpoints: (&[][..]).into(),
        remarks: (&[][..]).into(),
        tags: (&[][..]).into(),
        owasp: vec!["API2:2023".into()].into(),
        cwe: vec![307].into(),
        attack: vec!["T1110.001".into()].into(),
        advice: "Look.".into(),
        suppressed: 0,
        host: HOST,
    };
    let mut line = Vec::new();
    write_line(&finding, &mut line).unwrap();
    let expected = r#"{"kind":"finding","schema":1,"id":"ID","time":"TIME","first_seen":"TIME",
        "last_seen":"TIME","incident":"INCIDENT","state":"open","detector":{"id":"auth-01",
        "name":"account brute force","version":1},"severity":"high","confidence":0.93,
        "outcome":"attempted","title":"20 failed logins","actor":{"user":"alice"},"target":{},
        "count":20,"threshold":10,"window_ns":600000000000,"baseline":{"median":0.0,"mad":1.26,
        "samples":4102,"state":"warming"},"evidence":[{"exchange":"INCIDENT","time":"TIME",
        "part":"request.query.id","excerpt":"1' OR '1'='1","decoded_by":["percent"]}],
        "owasp":["API2:2023"],"cwe":[307],"attack":["T1110.001"],"advice":"Look.","suppressed":0,
        "host":{"name":"web-3","id":"4c4c"}}"#;
    let expected = expected
        .replace('\n', "")
        .replace("  ", "")
        .replace("INCIDENT", &incident.to_string())
        .replace("ID", &finding.id.to_string())
        .replace("TIME", "2026-11-21T06:02:11.123456789Z");
    assert_eq!(String::from_utf8(line).unwrap(), expected + "\n");
    let read: Evidence =
        serde_json::from_str(&serde_json::to_string(&evidence[0]).unwrap()).unwrap();
    assert_eq!(read, evidence[0]);
}
