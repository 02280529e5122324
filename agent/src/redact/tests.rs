use super::{Masked, Options, Redactor, SealContext, seal};
use crate::capture::{ConnOpen, Origin};
use crate::clock::{BootTime, Ktime, WallTime};
use crate::event::{Cipher, Handshake, TlsVersion, write_line};
use crate::exchange::{Body, ConnInfo, Exchange, Half, Head, Reason, Seen, Span, Version};
use eaves_common::{ConnId, Role, Transport};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

mod bare;
mod golden;
mod grpc;
mod masks;
mod pii;
mod remembered;
mod websocket;

fn head(word: &[u8], target: &[u8], fields: &[(&[u8], &[u8])]) -> Head {
    let mut buffer = Vec::new();
    let mut add = |bytes: &[u8]| {
        let start = buffer.len() as u32;
        buffer.extend_from_slice(bytes);
        Span {
            start,
            len: bytes.len() as u32,
        }
    };
    let (word, target) = (add(word), add(target));
    let fields = fields.iter().map(|(n, v)| (add(n), add(v))).collect();
    Head {
        word,
        target,
        fields,
        buffer,
        ..Head::default()
    }
}

fn half(head: Head, status: u16, content: &[u8], began: u64) -> Half {
    Half {
        head,
        version: Version::Http11,
        status,
        header_bytes: 80,
        body: Body {
            content: content.to_vec(),
            total_bytes: Some(content.len() as u64),
            is_decoded: false,
        },
        trailers: None,
        began: Ktime(began),
        ended: Ktime(began + 10),
    }
}

fn exchange(request: Option<Half>, response: Option<Half>) -> Exchange {
    let conn = ConnInfo {
        open: ConnOpen {
            conn: ConnId { sock: 1, inode: 2 },
            time: Ktime(500),
            transport: Some(Transport::Tcp),
            local: Some(([10, 0, 0, 5].into(), 8080)),
            remote: Some(([203, 0, 113, 7].into(), 51_322)),
            tgid: 812,
            process_start: Ktime(400),
            comm: b"nginx".to_vec(),
            ..ConnOpen::default()
        },
        role: Role::Server,
        proxied: None,
    };
    Exchange {
        ordinal: 3,
        request_seen: if request.is_some() {
            Seen::Whole
        } else {
            Seen::JoinedLate
        },
        response_seen: if response.is_some() {
            Seen::Whole
        } else {
            Seen::None
        },
        request,
        response,
        ..Exchange::of(Arc::new(conn))
    }
}

fn get(target: &[u8]) -> Half {
    half(
        head(b"GET", target, &[(b"Host", b"api.example.com")]),
        0,
        b"",
        1000,
    )
}

fn ok(content: &[u8]) -> Half {
    let fields: &[(&[u8], &[u8])] = &[(b"Content-Type", b"Application/JSON ; charset=utf-8")];
    half(head(b"OK", b"", fields), 200, content, 2000)
}

/// As if nothing were masked: these tests are of the rest.
fn context() -> SealContext {
    let origin = Origin {
        host_name: "web-3".into(),
        host_id: "4c4c".into(),
        boot: BootTime(WallTime(1_795_240_931_123_456_000)),
        run: 7,
    };
    let off = Options {
        is_off: true,
        ..Options::default()
    };
    SealContext::new(&origin).redacting(Arc::new(Redactor::of_origin(&origin, off)))
}

fn line(exchange: &Exchange) -> String {
    let mut line = Vec::new();
    let context = context();
    let mut masked = Masked::new();
    masked.fill(exchange, context.redactor());
    let event = seal(exchange, &masked, &context);
    write_line(&event, &mut line).unwrap();
    let line = String::from_utf8(line).unwrap();
    let ours: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(ours, serde_json::to_value(&event).unwrap());
    line
}

fn sealed(exchange: &Exchange) -> Value {
    serde_json::from_str(&line(exchange)).unwrap()
}

#[test]
fn a_whole_exchange_is_told_field_by_field_in_this_order() {
    let mut request = half(
        head(
            b"POST",
            b"/users?verbose=1",
            &[
                (b"Host", b"API.example.com:8080"),
                (b"User-Agent", b"curl/8.5"),
            ],
        ),
        0,
        b"a=1",
        1000,
    );
    request.trailers = Some(Box::new(head(b"", b"", &[(b"Digest", b"x")])));
    let line = line(&exchange(Some(request), Some(ok(b"{\"id\":42}"))));
    let expected = r#"
        {"kind":"exchange","schema":1,"id":"ID","time":"2026-11-21T06:02:11.123457000Z",
        "duration_ns":1010,"time_to_first_byte_ns":1000,"role":"server",
        "network":{"transport":"tcp","protocol":{"name":"http","version":"1.1"},"connection":"CONN"},
        "client":{"address":"203.0.113.7","port":51322},
        "peer":{"address":"203.0.113.7","port":51322},
        "server":{"address":"10.0.0.5","port":8080},
        "url":{"scheme":"http","domain":"api.example.com","port":8080,"path":"/users","query":"verbose=1"},
        "http":{"request":{"method":"POST",
        "headers":[["host","API.example.com:8080"],["user-agent","curl/8.5"]],
        "header_bytes":80,"body_bytes":3,"body":{"content":"a=1","encoding":"text","captured_bytes":3},
        "trailers":[["digest","x"]]},
        "response":{"status_code":200,"headers":[["content-type","Application/JSON ; charset=utf-8"]],
        "header_bytes":80,"body_bytes":9,"body":{"content":"{\"id\":42}","encoding":"text",
        "captured_bytes":9,"media_type":"application/json"}}},
        "user_agent":{"original":"curl/8.5"},
        "process":{"pid":812,"name":"nginx","start":"2026-11-21T06:02:11.123456400Z"},
        "host":{"name":"web-3","id":"4c4c"},
        "completeness":{"request":"whole","response":"whole","missing_bytes":0}}"#;
    let expected = expected
        .replace("\n        ", "")
        .replace("ID", "01a1fcb2-af33-787d-a93d-a0baf353e73b")
        .replace("CONN", "01a1fcb2-af33-7011-a074-e63f8693b690");
    assert_eq!(line, expected + "\n");
}

#[test]
fn a_response_alone_has_neither_url_nor_duration() {
    let event = sealed(&exchange(None, Some(ok(b""))));
    assert_eq!(event["time"], "2026-11-21T06:02:11.123458000Z");
    for absent in ["duration_ns", "time_to_first_byte_ns", "url", "user_agent"] {
        assert_eq!(event.get(absent), None, "{absent}");
    }
    assert_eq!(event["http"].get("request"), None);
    assert_eq!(event["completeness"]["request"], "joined_late");
}

#[test]
fn an_unfinished_exchange_has_no_duration_and_says_why() {
    let mut exchange = exchange(Some(get(b"/")), Some(ok(b"{\"a")));
    exchange.response_seen = Seen::Unfinished;
    exchange.reasons = vec![Reason::Reset, Reason::BodyLimit];
    exchange.anomalies = vec!["chunk_extension"];
    if let Some(response) = &mut exchange.response {
        response.body.total_bytes = None;
    }
    let event = sealed(&exchange);
    assert_eq!(event.get("duration_ns"), None);
    assert_eq!(event["time_to_first_byte_ns"], 1000);
    assert_eq!(event["http"]["response"].get("body_bytes"), None);
    assert_eq!(event["anomalies"], json!(["chunk_extension"]));
    assert_eq!(
        event["completeness"],
        json!({ "request": "whole", "response": "unfinished", "missing_bytes": 0,
                "reasons": ["reset", "body_limit"] })
    );
}

#[test]
fn ids_differ_by_ordinal_and_a_conn_keeps_its_own() {
    let first = exchange(Some(get(b"/")), None);
    let mut second = first.clone();
    second.ordinal += 1;
    let (first, second) = (sealed(&first), sealed(&second));
    assert_ne!(first["id"], second["id"]);
    assert_eq!(
        first["network"]["connection"],
        second["network"]["connection"]
    );
}

#[test]
fn the_client_is_whoever_asks() {
    let mut exchange = exchange(Some(get(b"/")), None);
    let conn = Arc::make_mut(&mut exchange.conn);
    conn.role = Role::Client;
    conn.open.transport = Some(Transport::Mptcp);
    conn.open.remote = Some(("::ffff:203.0.113.7".parse().unwrap(), 80));
    let event = sealed(&exchange);
    assert_eq!(event["role"], "client");
    assert_eq!(event["network"]["transport"], "tcp");
    assert_eq!(
        event["client"],
        json!({ "address": "10.0.0.5", "port": 8080 })
    );
    assert_eq!(
        event["server"],
        json!({ "address": "203.0.113.7", "port": 80 })
    );
    assert_eq!(event["peer"], event["server"]);
}

#[test]
fn a_unix_socket_is_named_by_its_path() {
    let unix = |role, path: &[u8], path_is_local| {
        let mut exchange = exchange(Some(get(b"/")), None);
        let conn = Arc::make_mut(&mut exchange.conn);
        conn.role = role;
        conn.open.transport = Some(Transport::Unix);
        (conn.open.local, conn.open.remote) = (None, None);
        conn.open.path = path.to_vec();
        conn.open.path_is_local = path_is_local;
        let event = sealed(&exchange);
        assert_eq!(event["network"]["transport"], "unix");
        ["client", "peer", "server"].map(|end| event.get(end).cloned())
    };
    let named = |name| Some(json!({ "address": name }));
    let app = unix(Role::Server, b"/run/app.sock", true);
    assert_eq!(app, [None, None, named("/run/app.sock")]);
    let app = unix(Role::Client, b"\0app", false);
    assert_eq!(app, [None, named("@app"), named("@app")]);
    assert_eq!(unix(Role::Server, b"", false), [None, None, None]);
}

#[test]
fn bodies_that_are_not_text_are_base64() {
    let event = sealed(&exchange(Some(get(b"/")), Some(ok(b"\x1f\x8b\x08"))));
    let body = &event["http"]["response"]["body"];
    assert_eq!(body["encoding"], "base64");
    assert_eq!(body["content"], "H4sI");
}

#[track_caller]
fn check_url(method: &[u8], target: &[u8], host: Option<&[u8]>, expected: Value) {
    let host = host.map(|host| (&b"host"[..], host));
    let head = head(method, target, host.as_slice());
    let event = sealed(&exchange(Some(half(head, 0, b"", 1000)), None));
    assert_eq!(event["url"], expected);
}

#[test]
fn targets_in_origin_form_take_the_host_field() {
    let host = Some(&b"h"[..]);
    check_url(
        b"GET",
        b"/a?b?c",
        host,
        json!({ "scheme": "http", "domain": "h", "path": "/a", "query": "b?c" }),
    );
    check_url(
        b"GET",
        b"/a?",
        None,
        json!({ "scheme": "http", "path": "/a", "query": "" }),
    );
    check_url(
        b"OPTIONS",
        b"*",
        Some(b"[::1]:8080"),
        json!({ "scheme": "http", "domain": "[::1]", "port": 8080, "path": "*" }),
    );
    check_url(
        b"GET",
        b"/\xff\\x41",
        Some(b"a:b:99999"),
        json!({ "scheme": "http", "domain": "a:b:99999", "path": "/\\xff\\x5cx41" }),
    );
}

#[test]
fn targets_in_absolute_form_win_over_the_host_field() {
    check_url(
        b"GET",
        b"HTTPS://user@EXAMPLE.com:8443/a?b",
        Some(b"other"),
        json!({ "scheme": "https", "domain": "example.com", "port": 8443, "path": "/a",
                "query": "b", "original": "HTTPS://user@EXAMPLE.com:8443/a?b" }),
    );
    check_url(
        b"GET",
        b"http://[::1]?b",
        Some(b"other"),
        json!({ "scheme": "http", "domain": "[::1]", "query": "b", "original": "http://[::1]?b" }),
    );
    check_url(
        b"GET",
        b"/redirect?to=http://x/",
        Some(b"h:"),
        json!({ "scheme": "http", "domain": "h", "path": "/redirect", "query": "to=http://x/" }),
    );
}

#[test]
fn the_target_of_connect_is_an_authority() {
    check_url(
        b"CONNECT",
        b"example.com:443",
        Some(b"proxy"),
        json!({ "domain": "example.com", "port": 443, "original": "example.com:443" }),
    );
    check_url(b"CONNECT", b"", None, json!({ "original": "" }));
}

/// Takes the escapes of a text out again.
fn unescaped(value: &Value) -> Vec<u8> {
    // What is empty is absent.
    let (mut out, mut rest) = (Vec::new(), value.as_str().unwrap_or_default());
    while let Some((before, behind)) = rest.split_once("\\x") {
        out.extend_from_slice(before.as_bytes());
        out.push(u8::from_str_radix(&behind[..2], 16).unwrap());
        rest = &behind[2..];
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

proptest! {
    #[test]
    fn any_bytes_are_told_and_can_be_had_back(
        method: Vec<u8>, target: Vec<u8>, name: Vec<u8>, value: Vec<u8>, body: Vec<u8>, comm: Vec<u8>,
    ) {
        let mut path = b"/".to_vec();
        path.extend_from_slice(&target);
        let head = head(&method, &path, &[(&name, &value)]);
        let mut exchange = exchange(Some(half(head, 0, &body, 1000)), None);
        Arc::make_mut(&mut exchange.conn).open.comm = comm.clone();
        let event = sealed(&exchange);
        let request = &event["http"]["request"];
        // Without a method none is told.
        prop_assert_eq!(request.get("method").map_or(Vec::new(), unescaped), &method[..]);
        prop_assert_eq!(unescaped(&event["process"]["name"]), comm);
        prop_assert_eq!(unescaped(&request["headers"][0][0]), name.to_ascii_lowercase());
        prop_assert_eq!(unescaped(&request["headers"][0][1]), value);
        if method != b"CONNECT" {
            let mut told = unescaped(&event["url"]["path"]);
            if let Some(query) = event["url"].get("query") {
                told.push(b'?');
                told.extend_from_slice(&unescaped(query));
            }
            prop_assert_eq!(told, path);
        }
        if request["body"]["encoding"] == "text" {
            prop_assert_eq!(unescaped(&request["body"]["content"]), body);
        } else {
            prop_assert_eq!(body.is_empty(), request.get("body").is_none());
        }
    }
}

#[test]
fn a_session_tells_what_its_handshake_said_in_clear() {
    let mut one = exchange(Some(get(b"/")), Some(ok(b"{}")));
    let tls = |one: &Exchange| sealed(one)["tls"].clone();
    assert_eq!(tls(&one), Value::Null);
    let conn = Arc::make_mut(&mut one.conn);
    conn.open.library = Some(eaves_common::TlsLibrary::Go);
    assert_eq!(tls(&one), json!({ "library": "go" }));
    let client = Handshake {
        server_name: Some(b"API.example.\xff".to_vec()),
        offered: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        ..Handshake::default()
    };
    let both = Handshake {
        version: Some(TlsVersion::Tls12),
        cipher: Some(Cipher(0xc02f)),
        chosen: Some(b"h2".to_vec()),
        ..client.clone()
    };
    Arc::make_mut(&mut one.conn).open.handshake = Some(Arc::new(client));
    let said = json!({
        "library": "go",
        "server_name": "api.example.\\xff",
        "offered_protocols": ["h2", "http/1.1"],
    });
    assert_eq!(tls(&one), said);
    Arc::make_mut(&mut one.conn).open.handshake = Some(Arc::new(both));
    let said = json!({
        "library": "go",
        "server_name": "api.example.\\xff",
        "version": "1.2",
        "cipher": "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "next_protocol": "h2",
        "offered_protocols": ["h2", "http/1.1"],
    });
    assert_eq!(tls(&one), said);
}
