//! Each kind of event of EVENTS.md 5, told of whole exchanges.

use super::testing::{exchange, request, response};
use super::{Enrich, Identity};
use crate::clock::BootTime;
use crate::exchange::{Exchange, Grpc};
use crate::keyed::HashKey;

const JSON: &[(&str, &str)] = &[("Content-Type", "application/json")];

fn told(enrich: &mut Enrich, mut exchange: Exchange) -> String {
    enrich.exchange(&mut exchange, BootTime::default());
    let names = exchange.known.signals.iter().map(|signal| signal.name());
    names.collect::<Vec<_>>().join(" ")
}

fn enrich() -> Enrich {
    Enrich::new(Identity::default(), HashKey::new(b"key"))
}

/// The kinds of an exchange of this request and answer, heard first of all.
#[track_caller]
fn check(method: &str, target: &str, shown: bool, status: u16, answer: &str, expected: &str) {
    let mut fields = JSON.to_vec();
    if shown {
        fields.push(("Authorization", "Bearer abcdefghijklmnop0123"));
    }
    let asked = request(
        method,
        target,
        &fields,
        br#"{"username":"ann","password":"x"}"#,
    );
    let answered = response(status, JSON, answer.as_bytes());
    let have = told(&mut enrich(), exchange(asked, Some(answered)));
    assert_eq!(have, expected, "{method} {target} {status} {answer}");
}

#[test]
fn signing_in_says_how_it_went_whatever_the_status() {
    let failed = "authentication_failure sensitive:login";
    for status in [400, 401, 403, 422] {
        check("POST", "/login", false, status, "{}", failed);
    }
    for answer in [
        r#"{"success":false}"#,
        r#"{"error":"no such account"}"#,
        r#"{"status":"error","message":"wrong password"}"#,
        r#"{"errors":["bad credentials"]}"#,
        "<p>Login failed</p>",
    ] {
        check("POST", "/api/v1/login", false, 200, answer, failed);
    }
    let token = r#"{"access_token":"abcdefghijklmnop"}"#;
    let well = "authentication_success sensitive:login";
    check("POST", "/oauth2/token", false, 200, token, well);
    check(
        "POST",
        "/login",
        false,
        503,
        "",
        "application_error sensitive:login",
    );
    check(
        "POST",
        "/login",
        false,
        429,
        "",
        "rate_limited sensitive:login",
    );
    // Who looks at the page signs nobody in.
    check("GET", "/login", false, 200, "<form>", "sensitive:login");
}

#[test]
fn refusals_and_errors_are_told_apart() {
    check("GET", "/orders", true, 401, "", "authentication_failure");
    check("GET", "/orders", false, 401, "", "authorization_failure");
    check("GET", "/orders", true, 403, "", "authorization_failure");
    for status in [400, 413, 414, 415, 422, 431] {
        check("POST", "/orders", true, status, "", "input_rejected");
    }
    check("GET", "/orders", true, 429, "", "rate_limited");
    for status in [500, 502, 503, 504] {
        check("GET", "/orders", true, status, "", "application_error");
    }
    let errors = r#"{"errors":[{"message":"x"}]}"#;
    check("POST", "/graphql", false, 200, errors, "application_error");
    check("GET", "/orders", true, 200, "[]", "");
    check("GET", "/orders", true, 404, "", "");
}

#[test]
fn sensitive_functions_are_told_by_their_route() {
    for (target, expected) in [
        ("/account/password", "sensitive:account"),
        ("/orders/7/refund", "sensitive:payment"),
        ("/admin/users", "sensitive:admin"),
        ("/reports/export", "sensitive:export"),
        ("/admin/export", "sensitive:admin sensitive:export"),
        ("/orders", ""),
    ] {
        check("GET", target, true, 200, "[]", expected);
    }
}

#[test]
fn a_login_that_gives_nothing_where_others_gave_a_session_failed() {
    let mut enrich = enrich();
    let mut sign_in = |answer: &[(&str, &str)], body: &str| {
        let asked = request(
            "POST",
            "/login",
            JSON,
            br#"{"username":"ann","password":"x"}"#,
        );
        let fields: Vec<_> = JSON.iter().chain(answer).copied().collect();
        told(
            &mut enrich,
            exchange(asked, Some(response(200, &fields, body.as_bytes()))),
        )
    };
    let session = &[("Set-Cookie", "session=abcdefghijklmnop; HttpOnly")][..];
    for _ in 0..3 {
        let have = sign_in(session, r#"{"hello":"ann"}"#);
        assert_eq!(have, "authentication_success sensitive:login");
    }
    let have = sign_in(&[], r#"{"hello":"you"}"#);
    assert_eq!(have, "authentication_failure sensitive:login");
}

#[test]
fn calls_of_grpc_say_how_they_ended_in_their_own_status() {
    for (status, shown, expected) in [
        (0, true, ""),
        (5, true, ""),
        (16, true, "authentication_failure"),
        (16, false, "authorization_failure"),
        (7, true, "authorization_failure"),
        (3, true, "input_rejected"),
        (11, true, "input_rejected"),
        (8, true, "rate_limited"),
        (2, true, "application_error"),
        (13, true, "application_error"),
        (14, true, "application_error"),
        (15, true, "application_error"),
    ] {
        let mut fields = vec![("Content-Type", "application/grpc")];
        if shown {
            fields.push(("Authorization", "Bearer abcdefghijklmnop0123"));
        }
        let asked = request("POST", "/shop.Cart/Add", &fields, b"");
        let mut heard = exchange(asked, Some(response(200, &[], b"")));
        heard.known.spoken.grpc = Some(Box::new(Grpc {
            status: Some(status),
            ..Grpc::default()
        }));
        assert_eq!(told(&mut enrich(), heard), expected, "{status} {shown}");
    }
}
