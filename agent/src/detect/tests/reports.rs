//! Exchanges that are told by several reports: what of each counts, and how often.

use std::borrow::Cow;

use super::support::{HOST, Trial, at, login};
use crate::detect::{Facts, Hit, Options, Sensitive};
use crate::event::{EventId, Ids, IncidentState, Outcome};

/// Makes `facts` a report of an exchange of this number, that began with the test.
fn report(facts: &mut Facts<'_>, exchange: u64, number: u64, last: bool) {
    let id = |number| -> EventId { Ids::new("r", exchange).notice(at(0), number) };
    facts.time = at(0);
    (facts.id, facts.first) = (id(number), Some(id(0)));
    facts.partial = !last;
    facts.duration_ns = Some(number * 60_000_000_000);
}

fn hit(outcome: Outcome, excerpt: &'static str) -> Hit<'static> {
    Hit {
        detector: "inj-04",
        confidence: 0.9,
        outcome,
        about: None,
        part: Cow::Borrowed("request.query.file"),
        excerpt: Cow::Borrowed(excerpt),
        decoded_by: Vec::new(),
        proof: Cow::Borrowed(""),
    }
}

#[test]
fn what_was_done_counts_once() {
    let mut trial = Trial::new(Options::default());
    for number in 0..60 {
        trial.look(0, |facts| {
            login(facts, b"alice", 1, 401);
            report(facts, 1, number, number == 59);
        });
    }
    assert!(trial.words().is_empty(), "{:?}", trial.words());
}

#[test]
fn what_was_found_counts_once_and_more_of_it_again() {
    let mut trial = Trial::new(Options::default());
    let shown = [
        hit(Outcome::Answered, "../../a"),
        hit(Outcome::Answered, "../../a"),
        hit(Outcome::Answered, "../../b"),
        hit(Outcome::Confirmed, "../../b"),
        hit(Outcome::Confirmed, "../../b"),
    ];
    for (hit, number) in shown.into_iter().zip(0..) {
        trial.look(0, |facts| {
            report(facts, 1, number, number == 4);
            facts.hits.push(hit);
        });
    }
    let last = trial.told.last().unwrap().finding(HOST);
    assert_eq!((last.count, last.outcome), (3, Outcome::Confirmed));
}

#[test]
fn what_an_answer_holds_counts_when_it_is_there() {
    let answered = |numbers: u64, with_card: u64| {
        let mut trial = Trial::new(Options::default());
        for number in 0..numbers {
            trial.look(0, |facts| {
                report(facts, 1, number, number + 1 == numbers);
                if number >= with_card {
                    facts.sensitive.push(Sensitive {
                        kind: "payment_card",
                        in_response: true,
                        count: 1,
                    });
                }
            });
        }
        let of = trial.told.iter().map(|told| told.finding(HOST));
        of.filter(|finding| finding.detector.id == "data-02")
            .map(|finding| (finding.state, finding.count))
            .collect::<Vec<_>>()
    };
    assert_eq!(answered(2, 1), [(IncidentState::Open, 1)]);
    assert_eq!(answered(30, 1), [(IncidentState::Open, 1)]);
    assert_eq!(answered(2, 9), []);
}

#[test]
fn a_slow_download_is_taken_as_it_grows() {
    let mebi = |each: u64, numbers: u64| {
        let mut trial = Trial::new(Options::default());
        for number in 0..numbers {
            trial.look(0, |facts| {
                report(facts, 1, number, number + 1 == numbers);
                facts.user = Some(b"eve");
                facts.response_bytes = Some((number * each) << 20);
            });
        }
        let of = trial.told.iter().map(|told| told.finding(HOST));
        let mut of = of.filter(|finding| finding.detector.id == "exf-01");
        of.next().map(|finding| finding.count >> 20)
    };
    assert_eq!(mebi(4, 14), Some(52));
    assert_eq!(mebi(3, 14), None);
    // More than fifty in all, but never within an hour.
    assert_eq!(mebi(0, 300), None);
    assert_eq!(mebi(1, 40), None);
}

#[test]
fn streams_without_number_take_no_more_room() {
    let mut trial = Trial::new(Options::default());
    for exchange in 0..20_000 {
        trial.look(0, |facts| {
            report(facts, exchange, 0, false);
            facts.response_bytes = Some(1);
        });
    }
    let kept = serde_json::to_string(&trial.detectors.learnt().reports).unwrap();
    assert!(kept.len() < 1 << 20, "{}", kept.len());
    // A report whose start was not heard counts nothing that came before it.
    trial.look(0, |facts| {
        report(facts, 30_000, 1, true);
        facts.response_bytes = Some(1 << 30);
    });
    assert!(!trial.has("exf-01"), "{:?}", trial.words());
}
