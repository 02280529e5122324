use super::excerpt;
use crate::content::{Body, Container, Layers, Message, Parts, Side};
use crate::exchange::ScoreHit;
use crate::keyed::HashKey;
use crate::redact::{Marker, Options, Redactor};

/// `saw` is what a detector reads, decoded; `at` stands in the body where that came from.
#[track_caller]
fn check(body: &str, at: &str, saw: &str, expected: &str) {
    let redactor = Redactor::new(Options::default(), HashKey::new(b"key"));
    let mut parts = Parts::new();
    parts.take(Message {
        side: Side::Request,
        target: b"/",
        fields: std::iter::empty(),
        trailers: std::iter::empty(),
        body: Body {
            content: body.as_bytes(),
            media_type: Some(b"application/json"),
            is_whole: true,
            is_coded: false,
        },
    });
    let mut marker = Marker::new();
    let marks = marker.mark(&redactor, &parts);
    let start = body.find(at).unwrap();
    let hit = ScoreHit {
        detector: "inj-01",
        rule: "",
        score: 5,
        part: "request.body:$.a".into(),
        container: Container::Body,
        range: start..start + at.len(),
        fragment: saw.as_bytes().into(),
        layers: Layers::NONE,
        proof: "",
    };
    let shown = excerpt(
        &hit,
        &parts,
        &marks,
        (&redactor, redactor.rules()),
        &mut marker,
    );
    let (plain, hash) = shown.split_once("hmac:").unwrap_or((&shown, ""));
    let behind = hash.get(16..).unwrap_or("");
    assert_eq!(format!("{plain}{behind}"), expected, "{shown}");
}

#[test]
fn what_holds_nothing_sensitive_is_shown() {
    check(
        r#"{"a":"1' OR '1'='1","password":"hunter2"}"#,
        "1' OR",
        "1' OR '1'='1",
        "1' OR '1'='1",
    );
}

#[test]
fn a_value_that_is_masked_is_not_shown_in_part() {
    check(
        r#"{"a":"b","password":"hunter2' OR '1'='1"}"#,
        "OR",
        "hunter2' OR '1'='1",
        "[masked:password:]",
    );
    let card = r#"{"a":"4111 1111 1111 1111' OR 1=1"}"#;
    check(card, "OR 1=1", "1111' OR 1=1", "[masked:payment_card:]");
}

#[test]
fn decoded_text_is_searched_by_shape_again() {
    check(
        r#"{"a":"zz' OR 1=1"}"#,
        "OR",
        "4111111111111111' OR token=hunter2hunter2",
        "[masked:payment_card:]' OR token=[masked:token:hmac:ec6382cbfe32460e]",
    );
}
