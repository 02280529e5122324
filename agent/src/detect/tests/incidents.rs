use std::borrow::Cow;

use super::support::{HOST, Trial, at, login};
use crate::detect::{self, Change, Exempt, Hit, Id, Learnt, Options};
use crate::event::{IncidentState, Outcome, Severity, write_line};

fn guess(trial: &mut Trial, seconds: std::ops::Range<u64>) {
    for second in seconds {
        trial.look(second, |facts| login(facts, b"alice", 1, 401));
    }
}

fn traversal() -> Hit<'static> {
    Hit {
        detector: "inj-04",
        confidence: 0.9,
        outcome: Outcome::Attempted,
        about: None,
        part: Cow::Borrowed("request.query.file"),
        excerpt: Cow::Borrowed("../../etc/passwd"),
        decoded_by: Vec::new(),
        proof: Cow::Borrowed(""),
    }
}

#[test]
fn an_incident_opens_is_told_again_as_it_doubles_and_closes_after_quiet() {
    let mut trial = Trial::new(Options::default());
    guess(&mut trial, 0..45);
    let counts = |id: &str| -> Vec<(IncidentState, u64)> {
        let of = trial.told.iter().map(|told| told.finding(HOST));
        of.filter(|finding| finding.detector.id == id)
            .map(|finding| (finding.state, finding.count))
            .collect()
    };
    use IncidentState::{Closed, Open, Updated};
    assert_eq!(
        counts("auth-01"),
        [(Open, 10), (Updated, 20), (Updated, 40)]
    );
    assert_eq!(
        counts("auth-02"),
        [(Open, 10), (Updated, 20), (Updated, 40)]
    );
    trial.look(44 + 890, |_| {});
    assert_eq!(trial.words().len(), 6);
    trial.look(44 + 920, |_| {});
    let last = trial.told.last().unwrap().finding(HOST);
    assert_eq!((last.state, last.count), (Closed, 45));
    // One incident, one campaign, five exchanges at most, each record an id of its own.
    let all: Vec<_> = trial.told.iter().map(|told| told.finding(HOST)).collect();
    let mut incidents: Vec<_> = all.iter().map(|finding| finding.incident).collect();
    incidents.sort();
    incidents.dedup();
    assert_eq!(incidents.len(), 2);
    assert!(
        all.iter()
            .all(|finding| finding.campaign == all[0].campaign && finding.evidence.len() <= 5)
    );
    let mut ids: Vec<_> = all.iter().map(|finding| finding.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 8);
    assert_eq!(all[0].first_seen, at(0));
}

#[test]
fn an_exchange_is_shown_once_with_what_was_found_in_it() {
    let mut trial = Trial::new(Options::default());
    // One request of a scanner is told at once; from then on its injections count there, too.
    for second in 0..20 {
        trial.look(second, |facts| {
            facts.agent = b"nikto";
            facts.hits.push(traversal());
        });
    }
    guess(&mut trial, 20..60);
    assert!(trial.has("scan-02") && trial.has("auth-01"));
    for told in &trial.told {
        let finding = told.finding(HOST);
        let mut shown: Vec<_> = finding.evidence.iter().map(|one| one.exchange).collect();
        let all = shown.len();
        shown.sort();
        shown.dedup();
        assert_eq!(shown.len(), all, "{}", finding.detector.id);
    }
    let first = trial.told[0].finding(HOST);
    let found = ("request.query.file", "../../etc/passwd");
    let mut all = trial.told.iter().map(|told| told.finding(HOST));
    let last = all
        .rfind(|finding| finding.detector.id == "scan-02")
        .unwrap();
    assert_eq!((first.count, last.count, last.evidence.len()), (1, 16, 5));
    let shown = last.evidence.iter().map(|one| (&*one.part, &*one.excerpt));
    assert!(shown.clone().any(|one| one == found));
    assert!(shown.clone().all(|(_, excerpt)| !excerpt.is_empty()));
}

#[test]
fn a_login_that_works_after_guessing_is_a_takeover() {
    let mut trial = Trial::new(Options::default());
    guess(&mut trial, 0..12);
    trial.look(20, |facts| login(facts, b"alice", 99, 200));
    let last = trial.told.last().unwrap().finding(HOST);
    assert_eq!(
        (last.detector.id.as_ref(), last.severity),
        ("auth-05", Severity::Critical)
    );
    let mut honest = Trial::new(Options::default());
    guess(&mut honest, 0..5);
    honest.look(20, |facts| login(facts, b"alice", 1, 200));
    assert!(honest.told.is_empty());
}

#[test]
fn what_is_disabled_suppressed_or_tried_is_told_accordingly() {
    let change = |change| Options {
        detectors: vec![
            (Id::Auth01, change),
            (
                Id::Auth02,
                Change {
                    disabled: true,
                    ..Change::default()
                },
            ),
        ],
        ..Options::default()
    };
    let words = |options: Options| {
        let mut trial = Trial::new(options);
        guess(&mut trial, 0..12);
        let of = trial.told.iter().map(|told| told.finding(HOST));
        of.map(|finding| (finding.severity, finding.tags.join(","), finding.threshold))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        words(change(Change {
            disabled: true,
            ..Change::default()
        })),
        []
    );
    assert_eq!(
        words(change(Change {
            dry_run: true,
            ..Change::default()
        })),
        [(Severity::Info, "dry-run".to_owned(), 10)]
    );
    let five = change(Change {
        threshold: Some(5),
        ..Change::default()
    });
    assert_eq!(words(five).len(), 2);
    let suppress = |until| Options {
        suppress: vec![Exempt {
            detectors: vec!["auth-01".to_owned(), "auth-02".to_owned()],
            clients: vec!["0.0.0.0/8".parse().unwrap()],
            until,
            ..Exempt::default()
        }],
        ..Options::default()
    };
    assert_eq!(words(suppress(None)), []);
    assert_eq!(words(suppress(Some(at(5)))).len(), 2);
    // The tenth, eleventh and twelfth of auth-02; auth-01 begins anew after each.
    let mut trial = Trial::new(suppress(None));
    guess(&mut trial, 0..12);
    assert_eq!(trial.left_out.suppressed, 4);
}

#[test]
fn what_is_allowed_is_not_counted_until_it_ends() {
    let told = |allow: Exempt| {
        let mut trial = Trial::new(Options {
            allow: vec![allow],
            ..Options::default()
        });
        guess(&mut trial, 0..19);
        let of = trial.told.iter().map(|told| told.finding(HOST));
        of.map(|finding| (finding.detector.id.clone().into_owned(), finding.count))
            .collect::<Vec<_>>()
    };
    let found = |id: &str, count| (id.to_owned(), count);
    let of_client = |text: &str| Exempt {
        clients: vec![text.parse().unwrap()],
        ..Exempt::default()
    };
    assert_eq!(told(of_client("0.0.0.0/8")), []);
    assert_eq!(told(of_client("10.0.0.0/8")).len(), 2);
    let of_route = Exempt {
        routes: vec!["/login".to_owned()],
        detectors: vec!["auth-01".to_owned(), "a-rule".to_owned()],
        ..Exempt::default()
    };
    assert_eq!(told(of_route), [found("auth-02", 10)]);
    // What came before the end does not count behind it.
    let for_now = Exempt {
        until: Some(at(10)),
        ..of_client("0.0.0.0/8")
    };
    assert_eq!(told(for_now), []);
    let shorter = Exempt {
        until: Some(at(5)),
        users: vec!["alice".to_owned()],
        ..Exempt::default()
    };
    let both = [found("auth-01", 10), found("auth-02", 10)];
    assert_eq!(told(shorter), both);
}

#[test]
fn a_flood_of_incidents_is_capped_counted_and_hides_none_that_is_grave() {
    let mut trial = Trial::new(Options::default());
    // A hundred addresses, each with a scanner of its own.
    for n in 0..100_u32 {
        for step in 0..4_u64 {
            trial.look(step, |facts| {
                facts.client = Some(std::net::IpAddr::from(
                    (0x0a00_0000 + (n << 8)).to_be_bytes(),
                ));
                facts.agent = b"nikto";
            });
        }
    }
    let opened = |trial: &Trial| {
        let of = trial.told.iter().map(|told| told.finding(HOST));
        of.filter(|finding| finding.state == IncidentState::Open)
            .count()
    };
    assert_eq!(opened(&trial), 20);
    guess(&mut trial, 5..17);
    assert!(trial.has("auth-01"));
    let suppressed: u64 = trial
        .told
        .iter()
        .map(|told| told.finding(HOST).suppressed)
        .sum();
    assert!(suppressed >= 80, "{suppressed}");
    assert!(
        trial.left_out.over_limit >= suppressed,
        "{:?}",
        trial.left_out
    );
    assert_eq!(trial.left_out.suppressed, 0);
}

#[test]
fn what_was_learnt_goes_on_where_it_was_kept() {
    let run = |kept: bool| {
        let mut trial = Trial::new(Options::default());
        guess(&mut trial, 0..15);
        if kept {
            let text = serde_json::to_string(trial.detectors.learnt()).unwrap();
            let learnt: Learnt = serde_json::from_str(&text).unwrap();
            assert!(learnt.fits());
            trial.detectors = trial.detectors.clone().with(learnt);
        }
        guess(&mut trial, 15..30);
        trial.look(2000, |_| {});
        let mut lines = Vec::new();
        for told in &trial.told {
            write_line(&told.finding(HOST), &mut lines).unwrap();
        }
        String::from_utf8(lines).unwrap()
    };
    assert_eq!(run(true), run(false));
    assert_eq!(run(false), run(false));
    let other: Learnt = serde_json::from_str("{}").unwrap();
    assert!(!other.fits());
}

#[test]
fn the_end_of_a_recording_closes_what_is_over() {
    let mut trial = Trial::new(Options::default());
    guess(&mut trial, 0..12);
    let mut out = detect::Outcome::default();
    trial.detectors.pass(at(2000), &mut out);
    assert_eq!(out.told.len(), 2);
    assert_eq!(trial.detectors.counted().0, 0);
}
