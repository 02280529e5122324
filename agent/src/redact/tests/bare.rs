//! Words that are told as they are hold no secret.

use std::sync::Arc;

use serde_json::{Value, json};

use super::masks::{answered, asked, event_by};
use crate::capture::Origin;
use crate::content::Parts;
use crate::event::Handshake;
use crate::exchange::{Exchange, Grpc, Span, User};
use crate::redact::{Marker, Options, Pattern, Redactor, Rules};

const KEY: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";

#[track_caller]
fn check(exchange: &Exchange, at: &str, expected: &Value) {
    let event = event_by(exchange, Options::default());
    assert_eq!(event.pointer(at), Some(expected), "{event}");
    let key = event.to_string().to_ascii_lowercase();
    assert!(!key.contains(&KEY.to_ascii_lowercase()), "{event}");
}

/// Puts `authority` on the request, as HTTP/2 has it.
fn with_authority(mut exchange: Exchange, authority: &str) -> Exchange {
    let head = &mut exchange.request.as_mut().unwrap().head;
    head.authority = Some(Span {
        start: head.buffer.len() as u32,
        len: authority.len() as u32,
    });
    head.buffer.extend_from_slice(authority.as_bytes());
    exchange
}

#[test]
fn names_of_fields_are_looked_at() {
    let key = format!("X-{KEY}");
    let fields = [(&*key, "1"), ("X-B3-TraceId", "1"), ("Sec-CH-UA-Arch", "x")];
    let expected = json!([
        ["x-[masked:cloud_key:#]", "1"],
        ["x-b3-traceid", "1"],
        ["sec-ch-ua-arch", "x"]
    ]);
    check(&asked("/", &fields, ""), "/http/request/headers", &expected);
    // A line without a colon is all name.
    let line = [("Authorization Bearer abc123def456ghi789", "")];
    let expected = json!([["authorization bearer [masked:bearer:#]", ""]]);
    check(&answered(&line, ""), "/http/response/headers", &expected);
}

#[test]
fn methods_and_hosts_are_looked_at() {
    let mut exchange = asked("/a", &[("Host", "a.example")], "");
    let head = &mut exchange.request.as_mut().unwrap().head;
    head.word = Span {
        start: head.buffer.len() as u32,
        len: KEY.len() as u32,
    };
    head.buffer.extend_from_slice(KEY.as_bytes());
    check(
        &exchange,
        "/http/request/method",
        &json!("[masked:cloud_key:#]"),
    );

    let exchange = with_authority(asked("/a", &[], ""), &format!("{KEY}.example:8080"));
    let expected = json!("[masked:cloud_key:#].example");
    check(&exchange, "/url/domain", &expected);
    let exchange = asked(&format!("http://{KEY}.example:8080/a?b=c"), &[], "");
    check(&exchange, "/url/domain", &expected);
    let exchange = with_authority(asked("/a", &[], ""), "api-2.shop.example");
    check(&exchange, "/url/domain", &json!("api-2.shop.example"));
}

#[test]
fn what_a_handshake_asks_for_is_looked_at() {
    let mut exchange = asked("/a", &[], "");
    let open = &mut Arc::make_mut(&mut exchange.conn).open;
    open.library = Some(eaves_common::TlsLibrary::Go);
    open.handshake = Some(Arc::new(Handshake {
        server_name: Some(format!("{KEY}.example").into()),
        offered: vec![b"h2".to_vec(), KEY.into()],
        ..Handshake::default()
    }));
    let expected = json!({ "library": "go", "server_name": "[masked:cloud_key:#].example" });
    check(&exchange, "/tls", &expected);
}

#[test]
fn calls_of_grpc_are_looked_at() {
    let mut exchange = asked(&format!("/pkg.{KEY}/Get"), &[], "");
    exchange.known.spoken.grpc = Some(Box::new(Grpc {
        service: format!("pkg.{KEY}").into(),
        method: b"Get2022Orders".to_vec(),
        ..Grpc::default()
    }));
    check(
        &exchange,
        "/grpc/service",
        &json!("pkg.[masked:cloud_key:#]"),
    );
    check(&exchange, "/grpc/method", &json!("Get2022Orders"));
}

#[test]
fn who_a_user_is_stays_unless_it_is_a_secret() {
    let mut exchange = asked("/a", &[], "");
    for (id, expected) in [
        (KEY, "[masked:cloud_key:#]"),
        ("4111111111111111", "[masked:payment_card:#]"),
        ("anna@example.com", "anna@example.com"),
        ("+49 151 23456789", "+49 151 23456789"),
        ("user-20261128", "user-20261128"),
    ] {
        exchange.known.user = Some(User {
            id: Some(id.as_bytes().into()),
            source: "basic".into(),
            credential: None,
        });
        check(&exchange, "/user/id", &json!(expected));
    }
    let employee = Options {
        rules: Rules {
            patterns: [(
                "employee".to_owned(),
                Pattern::parse("user-[0-9]+").unwrap(),
            )]
            .into(),
            ..Rules::default()
        },
        ..Options::default()
    };
    let event = event_by(&exchange, employee);
    assert_eq!(event["user"]["id"], "[masked:employee:#]");
}

/// Whether the host of `exchange` is kept out of what is learnt.
fn hides_host(exchange: &Exchange) -> bool {
    let redactor = Redactor::of_origin(&Origin::default(), Options::default());
    let mut exchange = exchange.clone();
    let marks = Marker::new().mark(&redactor, &exchange.parts(Parts::new()));
    exchange.known.marks = Some(marks);
    Marker::new().hide_names(&redactor, &mut exchange);
    exchange.known.marks.unwrap().in_host
}

#[test]
fn hosts_that_hold_a_secret_are_noted() {
    let host = format!("{KEY}.example");
    for (exchange, expected) in [
        (asked("/a", &[("Host", &host)], ""), true),
        (asked("/a", &[("X-Host", &host), ("Host", "a")], ""), false),
        (asked(&format!("http://{host}/a"), &[], ""), true),
        (asked(&format!("http://h/{host}"), &[], ""), false),
        (asked(&format!("/{host}"), &[("Host", "a")], ""), false),
        (with_authority(asked("/a", &[], ""), &host), true),
        (with_authority(asked("/a", &[], ""), "a.example"), false),
    ] {
        assert_eq!(hides_host(&exchange), expected, "{:?}", exchange.request);
    }
}

#[test]
fn numbers_in_a_path_may_have_plus_signs_for_spaces() {
    let path = "/p/4111+1111+1111+1111/a+b/%2B49+151+23456789";
    let expected = "/p/[masked:payment_card:#]/a+b/[masked:phone:#]";
    check(&asked(path, &[], ""), "/url/path", &json!(expected));
}
