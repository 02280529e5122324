//! Alert rules and dashboard are held against what is really told: every name, label and value.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde_json::Value;

use super::{About, Held, SinkStanding, Told, Usage};
use crate::capture::{KernelCounters, RingFill};
use crate::clock::WallTime;
use crate::config::Limits;
use crate::journal::Cursor;
use crate::pipeline::{Counted, Standing};

const ALERTS: &str = include_str!("../../../../xtask/dist/alerts.yaml");
const DASHBOARD: &str = include_str!("../../../../xtask/dist/dashboard.json");
const OPERATIONS: &str = include_str!("../../../../docs/operations.md");

/// What is told, by name: for each label the values it has.
type Families = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Everything that an agent can tell: with a ring, a journal, a sink, learnt detectors and times of
/// kernel programs.
fn told() -> Families {
    let mut standing = Standing::default();
    standing.counted = Counted {
        kernel: Some(KernelCounters::default()),
        ring: Some(RingFill {
            most_bytes: 1,
            size_bytes: 2,
        }),
        ..Counted::default()
    };
    standing.detectors = [("auth", 1)].into();
    let told = Told {
        about: About {
            version: "1".to_owned(),
            tap: "socket".to_owned(),
            kernel: "6".to_owned(),
            pid: 7,
            started: WallTime(0),
        },
        rooms: standing.rooms(Instant::now()),
        hears: false,
        standing,
        usage: Usage::now(),
        limits: Limits::default(),
        held: Held {
            bytes: 1,
            run_ns: 1,
            runs: 1,
        },
        journal_bytes: Some(1),
        sinks: vec![SinkStanding {
            sink: "siem".to_owned(),
            configured: true,
            failing: false,
            cursor: Cursor::default(),
            lag_events: 0,
            lag_at_most: false,
            lag_s: 0,
            rate: 0.0,
            accepted: 0,
            refused: 0,
            retries: 0,
            dead_letters: 0,
            last_error: None,
            last_error_time: None,
        }],
    };
    let mut families = Families::new();
    let text = told.text().unwrap();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let family = families.entry(name.to_owned()).or_default();
        for (label, _, value) in matchers(labels.trim_end_matches('}')) {
            family.entry(label).or_default().insert(value);
        }
    }
    families
}

/// `label="value",…` taken apart, with what stands between them.
fn matchers(text: &str) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((head, after)) = rest.split_once('"') {
        let (value, behind) = after.split_once('"').expect("a value ends");
        let head = head.trim_start_matches([',', ' ']);
        let name = head.trim_end_matches(['=', '~', '!']);
        let sign = &head[name.len()..];
        found.push((name.to_owned(), sign.to_owned(), value.to_owned()));
        rest = behind;
    }
    found
}

/// Names of metrics in an expression, each with what stands in its braces.
fn selectors(expression: &str) -> Vec<(&str, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(at) = rest.find(is_part) {
        rest = &rest[at..];
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        let inside = behind.strip_prefix('{').and_then(|all| all.split_once('}'));
        let (labels, behind) = inside.unwrap_or(("", behind));
        if name.starts_with("eaves_") || name.starts_with("process_") {
            found.push((name, labels));
        }
        rest = behind;
    }
    found
}

/// What an expression names and nobody tells.
fn unknown(expression: &str, families: &Families) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, labels) in selectors(expression) {
        let Some(family) = families.get(name) else {
            wrong.push(name.to_owned());
            continue;
        };
        for (label, sign, value) in matchers(labels) {
            // Prometheus adds these itself.
            if label == "job" || label == "instance" {
                continue;
            }
            let values = family.get(&label);
            for value in value.split('|').filter(|_| sign == "=" || sign == "=~") {
                if !values.is_some_and(|values| values.contains(value)) {
                    wrong.push(format!("{name}{{{label}=\"{value}\"}}"));
                }
            }
        }
    }
    wrong
}

#[track_caller]
fn check(what: &str, expression: &str, families: &Families) {
    assert_eq!(
        unknown(expression, families),
        [""; 0],
        "{what}: {expression}"
    );
}

fn alerts() -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(ALERTS).unwrap();
    let groups = file["groups"].as_array().unwrap();
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap());
    rules.cloned().collect()
}

#[test]
fn alerts_name_what_is_told() {
    let families = told();
    let alerts = alerts();
    assert!(alerts.len() > 10);
    for alert in alerts {
        let name = alert["alert"].as_str().unwrap();
        let expression = alert["expr"].as_str().unwrap();
        check(name, expression, &families);
        assert!(
            name == "EavesDown" || !selectors(expression).is_empty(),
            "{name}"
        );
        let severity = alert["labels"]["severity"].as_str().unwrap();
        assert!(["warning", "critical"].contains(&severity), "{name}");
        for text in ["summary", "description"] {
            assert!(alert["annotations"][text].is_string(), "{name}: {text}");
        }
        assert!(
            OPERATIONS.contains(&format!("`{name}`")),
            "{name} is not in docs/operations.md"
        );
    }
}

#[test]
fn the_dashboard_shows_what_is_told() {
    let families = told();
    let board: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let mut shown = 0;
    let mut ids = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            assert!(!selectors(expression).is_empty(), "{title}: {expression}");
            check(title, expression, &families);
            shown += 1;
        }
    }
    assert!(shown > 30);
    for variable in board["templating"]["list"].as_array().unwrap() {
        if let Some(query) = variable["definition"].as_str() {
            check("a variable", query, &families);
        }
    }
}

#[test]
fn what_nobody_tells_is_found() {
    let families = told();
    let wrong = |expression| unknown(expression, &families);
    assert_eq!(
        wrong("rate(eaves_gone_total[5m]) > eaves_hears"),
        ["eaves_gone_total"]
    );
    assert_eq!(
        wrong("eaves_room_state{room=\"cellar\", job=\"eaves\"}"),
        ["eaves_room_state{room=\"cellar\"}"]
    );
    assert_eq!(
        wrong("sum by (reason) (eaves_kernel_dropped_total{reason=~\"ring_full|boredom\"})"),
        ["eaves_kernel_dropped_total{reason=\"boredom\"}"]
    );
    // A counter goes by its ending.
    assert_eq!(
        wrong("eaves_exchange_reported"),
        ["eaves_exchange_reported"]
    );
}
