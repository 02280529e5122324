use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::event::Event;
use super::otel::record;
use super::{Format, FormatError};

const FORMATS: [(Format, &str); 6] = [
    (Format::Eaves, "eaves"),
    (Format::Ecs, "ecs"),
    (Format::Ocsf, "ocsf"),
    (Format::Otel, "otel"),
    (Format::Cef, "cef"),
    (Format::Combined, "combined"),
];

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fixtures/format")
        .join(name)
}

fn events() -> Vec<String> {
    let text = fs::read_to_string(fixture("events.jsonl")).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn projected(format: Format, line: &str) -> Option<String> {
    let mut out = b"before".to_vec();
    match format.project(line.as_bytes(), &mut out) {
        Ok(()) => {}
        Err(FormatError::NoPlace) if format == Format::Combined => {
            assert_eq!(out, b"before");
            return None;
        }
        Err(error) => panic!("{format:?}: {error}"),
    }
    let text = String::from_utf8(out).unwrap();
    let text = text.strip_prefix("before").unwrap().to_owned();
    assert!(!text.contains('\n'), "{format:?}: {text}");
    Some(text)
}

#[test]
fn each_event_is_what_it_was() {
    for (format, name) in FORMATS {
        let lines = events();
        let lines = lines.iter().filter_map(|line| projected(format, line));
        let text: String = lines.map(|line| line + "\n").collect();
        let beginning = format.beginning().unwrap_or_default();
        let begins = |line: &str| line.as_bytes().starts_with(beginning);
        assert!(text.lines().all(begins), "{name}");
        let file = fixture(&format!("events.{name}"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&file, &text).unwrap();
        }
        assert_eq!(text, fs::read_to_string(&file).unwrap(), "{name}");
    }
}

/// Every text and number in `value`; numbers as they are written.
fn leaves(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => map.values().for_each(|below| leaves(below, found)),
        Value::Array(items) => items.iter().for_each(|below| leaves(below, found)),
        Value::String(text) => {
            found.insert(text.clone());
        }
        other => {
            found.insert(other.to_string());
        }
    }
}

/// What stands behind `key=` in a line of CEF, unescaped.
fn cef_values(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some(other) => out.push(other),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}

/// Checks that each value of `event` is in its projections.
#[track_caller]
fn check(event: &Value) {
    let line = event.to_string();
    let mut expected = BTreeSet::new();
    leaves(event, &mut expected);
    // What the target says in its own words instead.
    expected.remove("exchange");
    for format in [Format::Ecs, Format::Ocsf, Format::Otel] {
        let text = projected(format, &line).unwrap();
        let mut found = BTreeSet::new();
        leaves(&serde_json::from_str(&text).unwrap(), &mut found);
        for value in &expected {
            // OpenTelemetry has names of header fields in names of attributes.
            let named = format!(".header.{value}");
            let there = found.contains(value)
                || found.iter().any(|other| other.ends_with(&named))
                || implied(format, event, value);
            assert!(there, "{format:?} lost {value:?}: {text}");
        }
    }
    let text = cef_values(&projected(Format::Cef, &line).unwrap());
    for value in &expected {
        let quoted = Value::from(value.as_str()).to_string();
        let there = text.contains(value)
            || text.contains(quoted.trim_matches('"'))
            || value.chars().any(char::is_control);
        assert!(there, "CEF lost {value:?}: {text}");
    }
}

/// Whether `value` is one that `format` tells by a number or a word of its own.
fn implied(format: Format, event: &Value, value: &str) -> bool {
    let is = |path: &str| event.pointer(path).and_then(Value::as_str) == Some(value);
    match format {
        Format::Ocsf => is("/severity") || (is("/name") && ["start", "stop"].contains(&value)),
        // The time is there as nanoseconds; an empty text of protobuf's is one that is not there.
        Format::Otel => is("/time") || value.is_empty() && is("/severity"),
        _ => false,
    }
}

#[test]
fn nothing_of_an_event_is_lost() {
    for line in events() {
        check(&serde_json::from_str(&line).unwrap());
    }
}

#[test]
fn what_is_no_event_is_refused() {
    for (format, name) in FORMATS.into_iter().skip(1) {
        for line in ["", "[]", "{", "{}", r#"{"kind":"dream"}"#, "null"] {
            let mut out = Vec::new();
            assert!(format.project(line.as_bytes(), &mut out).is_err(), "{name}");
            assert!(out.is_empty(), "{name}");
        }
    }
}

#[test]
fn no_request_writes_a_line_or_a_field_of_an_access_log() {
    let event = json!({
        "kind": "exchange",
        "client": { "address": "192.0.2.1" },
        "time": "2026-01-02T03:04:05.000000006Z",
        "user": { "id": "a b\nc" },
        "url": { "path": "/\" 200\\\r\n\u{1b}\\x0a\\xff\\x5cxZ\u{9b}é" },
        "http": { "request": { "method": "G\"T", "headers": [["referer", "\"\n"]] } },
    });
    let line = projected(Format::Combined, &event.to_string()).unwrap();
    let expected = r#"192.0.2.1 - a\x20b\x0ac [02/Jan/2026:03:04:05 +0000] "G\"T /\" 200\\\x0d\x0a\x1b\x0a\xff\\xZ\xc2\x9bé" - - "\"\x0a" "-""#;
    assert_eq!(line, expected);
}

#[test]
fn an_exchange_that_is_barely_known_has_every_projection() {
    for (format, _) in FORMATS {
        assert!(projected(format, r#"{"kind":"exchange"}"#).is_some());
    }
    let line = br#"{"kind":"notice","severity":"critical","name":"loss"}"#;
    let record = record(Event::parse(line).unwrap());
    assert_eq!((record.severity_number, record.time_unix_nano), (21, 0));
    assert_eq!(record.body, "eaves: loss");
}

/// Any JSON value of some depth.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..3).prop_map(Value::from),
            proptest::collection::vec(("[a-z]{1,6}", inner), 1..3)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Puts `value` in place of one that `event` has, or beside them.
fn disturbed(event: &mut Value, at: usize, value: Value) {
    let Value::Object(map) = event else { return };
    let count = map.len();
    let (name, below) = map.iter_mut().nth(at % count.max(1)).unwrap();
    match below {
        Value::Object(inner) if at.is_multiple_of(2) && !inner.is_empty() => {
            disturbed(below, at / 2, value);
        }
        _ if name == "kind" => {
            map.insert("extra".into(), value);
        }
        _ => *below = value,
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_of_events_with_anything_in_them(
        which in 0..7_usize, at in 0..4096_usize, value in any_json(),
    ) {
        let mut event: Value = serde_json::from_str(&events()[which]).unwrap();
        disturbed(&mut event, at, value);
        check(&event);
    }
}
