//! What a specification has, against what is heard.

use std::borrow::Cow;
use std::sync::Arc;

use super::support::{HOST, Trial};
use crate::detect::{Answer, Facts, Form, Operation, Options, Specification};
use crate::event::IncidentState;

fn specification() -> Arc<Specification> {
    let mut specification = Specification::default();
    let orders = Operation {
        query: vec![("page".to_owned(), Form::Integer)],
        body: Some([].into_iter().collect()),
        answers: vec![Answer {
            statuses: (200, 200),
            media: vec!["application/json".to_owned()],
            fields: Some(["id", "total"].into_iter().collect()),
        }],
        ..Operation::default()
    };
    specification.add("/api", "/api/orders", "GET", orders);
    let order = Operation {
        deprecated: true,
        path: vec![Form::Integer],
        body: None,
        ..Operation::default()
    };
    specification.add("/api", "/api/orders/{orderId}", "PUT", order);
    Arc::new(specification)
}

/// A call as it should be.
fn list(facts: &mut Facts<'_>) {
    facts.path = b"/api/orders";
    facts.route = "/api/orders".into();
    facts.query = b"page=2";
    facts.reply_type = b"application/json; charset=utf-8";
    facts.reply_fields = vec![b"id", b"total"];
}

/// Detectors and remarks of the incidents that `times` calls changed by `change` open, behind `before`
/// calls as they should be.
fn opened(before: u64, times: u64, change: impl Fn(&mut Facts<'_>)) -> Vec<(String, String)> {
    let mut trial = Trial::new(Options {
        specification: specification(),
        ..Options::default()
    });
    for second in 0..before {
        trial.look(second * 7, list);
    }
    for second in 0..times {
        trial.look(1000 + second * 7, |facts| {
            list(facts);
            change(facts);
        });
    }
    let of = trial.told.iter().map(|told| told.finding(HOST));
    let opened = of.filter(|finding| finding.state == IncidentState::Open);
    opened
        .filter(|finding| finding.detector.id.starts_with("inv-"))
        .map(|finding| {
            (
                finding.detector.id.clone().into(),
                finding.remarks.join("; "),
            )
        })
        .collect()
}

#[track_caller]
fn check(change: impl Fn(&mut Facts<'_>), expected: &[(&str, &str)]) {
    let found = opened(30, 25, change);
    let found: Vec<_> = found
        .iter()
        .map(|(id, remark)| (&**id, &**remark))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn what_differs_from_the_specification_is_drift() {
    check(|_| {}, &[]);
    let drift = |remark| [("inv-03", remark)];
    check(
        |facts| facts.status = 202,
        &drift("answers 202, which is not specified"),
    );
    check(
        |facts| facts.reply_type = b"text/csv",
        &drift("answers a media type that is not specified"),
    );
    check(
        |facts| facts.reply_fields.push(b"card"),
        &drift("field `card` of the answer is not specified"),
    );
    check(
        |facts| facts.fields = vec![b"4c1d0a7be9f2a4411122"],
        &drift("field [not shown] of the request is not specified"),
    );
    check(
        |facts| facts.query = b"page=2&debug=1",
        &drift("parameter `debug` is not specified"),
    );
    check(
        |facts| facts.query = b"page=last",
        &drift("parameter `page` has a value of another type"),
    );
    // What is refused, asked for beforehand, or asked by an attacker is no drift.
    check(|facts| facts.status = 404, &[]);
    check(|facts| facts.method = b"OPTIONS", &[]);
    check(|facts| facts.method = b"HEAD", &[]);
    let found = opened(30, 25, |facts| {
        facts.agent = b"nikto";
        facts.query = b"page=2&debug=1";
    });
    assert_eq!(found, []);
}

#[test]
fn on_a_quiet_endpoint_a_hundredth_is_drift() {
    let strange = |facts: &mut Facts<'_>| facts.reply_type = b"text/csv";
    let count = |before, times| opened(before, times, strange).len();
    assert_eq!(count(30, 4), 0);
    assert_eq!(count(30, 5), 1);
    // Of 600 in the hour before, five are less than a hundredth.
    let among = |plain: u64, odd: u64| {
        let mut trial = Trial::new(Options {
            specification: specification(),
            ..Options::default()
        });
        for at in 0..plain {
            trial.look(10_000 + at * 3, list);
        }
        for at in 0..odd {
            trial.look(10_000 + plain * 3 + at * 3, |facts| {
                list(facts);
                strange(facts);
            });
        }
        let of = trial.told.iter().map(|told| told.finding(HOST));
        of.filter(|finding| finding.detector.id == "inv-03").count()
    };
    assert_eq!(among(600, 5), 0);
    assert_eq!(among(600, 7), 1);
    assert_eq!(among(400, 5), 1);
}

#[test]
fn what_the_specification_does_not_have_is_a_shadow_endpoint() {
    let hidden = |facts: &mut Facts<'_>| {
        facts.path = b"/api/internal/dump";
        facts.route = "/api/internal/dump".into();
    };
    let ids = |found: Vec<(String, String)>| -> Vec<String> {
        found.into_iter().map(|(id, _)| id).collect()
    };
    assert_eq!(ids(opened(30, 25, hidden)), ["inv-01"]);
    // On a host that answers nothing of it, the specification is of another.
    assert_eq!(ids(opened(5, 25, hidden)), [""; 0]);
    check(
        |facts| {
            hidden(facts);
            facts.domain = Cow::Borrowed(b"other.example");
        },
        &[],
    );
    // Neither is a page, nor what lies elsewhere, nor what is not answered.
    check(
        |facts| {
            hidden(facts);
            facts.reply_type = b"text/html";
        },
        &[],
    );
    check(
        |facts| {
            hidden(facts);
            facts.path = b"/health";
            facts.route = "/health".into();
        },
        &[],
    );
    check(
        |facts| {
            hidden(facts);
            facts.status = 404;
        },
        &[],
    );
    // A method that a path does not have is an endpoint of its own.
    let found = opened(30, 25, |facts| facts.method = b"DELETE");
    assert_eq!(ids(found), ["inv-01"]);
}

#[test]
fn what_the_specification_calls_deprecated_is_told_and_by_any_name_of_its_parameter() {
    let old = |facts: &mut Facts<'_>| {
        facts.method = b"PUT";
        facts.path = b"/api/orders/7";
        facts.route = "/api/orders/{id}".into();
        facts.query = b"";
        facts.reply_fields = vec![b"anything"];
    };
    check(old, &[("inv-02", "")]);
    let found = opened(30, 25, |facts| {
        old(facts);
        facts.path = b"/api/orders/all";
    });
    let remark = "parameter `id` has a value of another type".to_owned();
    assert!(found.contains(&("inv-03".to_owned(), remark)), "{found:?}");
}
