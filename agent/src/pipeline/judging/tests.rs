//! Findings of what was recorded: the account and place that a row tells count, a scanner is one
//! incident, and events of a file are judged as they were when they were written.

use std::net::Ipv4Addr;
use std::path::Path;

use super::Judging;
use crate::base64;
use crate::capture::{ConnBuilder, Origin};
use crate::clock::{BootTime, WallTime};
use crate::config::Config;
use crate::detect::{Facts, Mark, Options, Sealed};
use crate::enrich::Enrich;
use crate::event::{IncidentState, write_line};
use crate::pipeline::recorded::{combined, requests};
use crate::pipeline::{Detect, Outcome, Shard, ShardOptions};
use crate::redact::{Masked, SealContext, seal};
use eaves_common::{Flow, TlsLibrary};

fn judging() -> Judging {
    let origin = Origin {
        host_name: "shop".to_owned(),
        host_id: String::new(),
        boot: BootTime(WallTime(0)),
        run: 0,
    };
    let identity = Config::default().identity().unwrap();
    let context = SealContext::new(&origin);
    Judging::new(Options::default(), Path::new(""), identity, context).unwrap()
}

/// The same, who has heard nothing yet. Grammars are dear to build.
fn anew(judging: Judging) -> Judging {
    let identity = Config::default().identity().unwrap();
    let key = judging.context.redactor().key().clone();
    let ids = judging.context.ids().clone();
    Judging {
        enrich: Enrich::new(identity, key),
        detect: Detect::new(Options::default(), ids, Path::new("")),
        ..judging
    }
}

/// Detectors whose incidents open, in order.
fn opened(judging: &mut Judging) -> Vec<String> {
    let mut opened = Vec::new();
    let told: Result<(), ()> = judging.tell(|finding| {
        if finding.state == IncidentState::Open {
            opened.push(finding.detector.id.clone().into_owned());
        }
        Ok(())
    });
    told.unwrap();
    opened
}

#[track_caller]
fn check(rows: impl Iterator<Item = serde_json::Value>, expected: &[&str]) {
    let mut judging = judging();
    for (row, number) in rows.zip(1..) {
        let mut row = requests(row.to_string().as_bytes(), number).unwrap();
        judging.request(&mut row);
    }
    let found = opened(&mut judging);
    for id in expected {
        let times = found.iter().filter(|one| one == id).count();
        assert_eq!(times, 1, "{id} among {found:?}");
    }
    assert_eq!(expected.is_empty(), found.is_empty(), "{found:?}");
}

#[test]
fn failed_logins_of_a_recording_are_a_brute_force() {
    let rows = (0..15).map(|n| {
        serde_json::json!({
            "ts": 1_770_000_000 + n * 5, "method": "POST", "path": "/api/login", "status": 401,
            "client_ip": "203.0.113.9", "headers": { "content-type": "application/json" },
            "body": { "username": "alice", "password": format!("guess-{n}") },
        })
    });
    check(rows, &["auth-01", "auth-02"]);
}

#[test]
fn a_scanner_is_one_incident_and_ordinary_reading_none() {
    let rows = (0..20).map(|n| {
        serde_json::json!({
            "ts": 1_770_000_000 + n, "path": format!("/{n}/.env"), "status": 404,
            "client_ip": "203.0.113.9", "ua": "sqlmap/1.8",
        })
    });
    check(rows, &["scan-02"]);
    let rows = (0..40).map(|n| {
        serde_json::json!({
            "ts": 1_770_000_000 + n * 20, "path": format!("/orders?page={n}"), "status": 200,
            "client_ip": "203.0.113.9", "user": "alice", "geo": "DE",
            "resp_headers": { "content-type": "application/json" },
            "resp_body": format!("[{{\"id\":{n},\"name\":\"O'Brien\"}}]"),
        })
    });
    check(rows.take(5), &[]);
}

#[test]
fn personal_data_in_an_answer_of_a_recording_is_told() {
    let row = serde_json::json!({
        "ts": 1_770_000_000, "path": "/customers/7", "status": 200, "client_ip": "203.0.113.9",
        "resp_headers": { "content-type": "application/json" },
        "resp_body": { "iban": "DE89370400440532013000" },
    });
    check(std::iter::once(row), &["data-02"]);
}

#[test]
fn an_answer_with_the_file_confirms_the_traversal() {
    let row = serde_json::json!({
        "ts": 1_770_000_000, "path": "/files?name=../../../etc/passwd", "status": 200,
        "client_ip": "203.0.113.9", "resp_headers": { "content-type": "text/plain" },
        "resp_body": "root:x:0:0:root:/root:/bin/sh\n",
    });
    let mut judging = judging();
    judging.request(&mut requests(row.to_string().as_bytes(), 1).unwrap());
    let mut proofs = Vec::new();
    let told: Result<(), ()> = judging.tell(|finding| {
        let proof = finding.evidence.iter().map(|one| one.proof.clone());
        proofs.push((
            finding.detector.id.clone().into_owned(),
            proof.collect::<String>(),
        ));
        Ok(())
    });
    told.unwrap();
    assert!(
        proofs.contains(&("inj-04".to_owned(), "the host's accounts".to_owned())),
        "{proofs:?}"
    );
}

#[test]
fn events_of_a_file_are_judged_and_other_records_are_not() {
    let mut judging = judging();
    for n in 0..15 {
        let line = format!(
            "{{\"kind\":\"exchange\",\"schema\":1,\"id\":\"01a1fcb2-af33-7474-8c1f-bb469ccfd6{n:02x}\",\"time\":\"2026-11-21T06:02:{n:02}.000000000Z\",\"client\":{{\"address\":\"203.0.113.7\"}},\"url\":{{\"domain\":\"a.example\",\"path\":\"/login\"}},\"http\":{{\"route\":\"/login\",\"request\":{{\"method\":\"POST\",\"headers\":[],\"header_bytes\":1}},\"response\":{{\"status_code\":401}}}},\"user\":{{\"id\":\"alice\",\"source\":\"body.name\"}},\"signals\":[\"authentication_failure\",\"sensitive:login\"]}}"
        );
        assert!(judging.event(line.as_bytes()));
    }
    assert!(!judging.event(b"{\"kind\":\"notice\"}"));
    assert!(!judging.event(b"no JSON"));
    let found = opened(&mut judging);
    assert!(found.contains(&"auth-01".to_owned()), "{found:?}");
}

/// An event of a GET, with `query` and the parts of a body in their places.
fn event(query: &str, request: &serde_json::Value) -> Vec<u8> {
    let event = serde_json::json!({
        "kind": "exchange", "schema": 1, "id": "01a1fcb2-af33-7474-8c1f-bb469ccfd6a8",
        "time": "2026-11-21T06:02:11.123456789Z", "role": "server",
        "client": { "address": "203.0.113.7" },
        "url": { "domain": "a.example", "path": "/search", "query": query },
        "http": {
            "route": "/search",
            "request": {
                "method": "POST", "header_bytes": 1, "body": request,
                "headers": [["content-type", "application/json"], ["authorization", "[masked:bearer:hmac:9f2c11]"]],
            },
            "response": { "status_code": 200, "headers": [], "header_bytes": 1 },
        },
    });
    event.to_string().into_bytes()
}

#[test]
fn injections_in_events_are_judged_as_far_as_they_were_not_masked() {
    let check = |query: &str, body: serde_json::Value, expected: &[&str]| {
        let mut judging = judging();
        assert!(judging.event(&event(query, &body)));
        assert_eq!(opened(&mut judging), expected, "{query} {body}");
    };
    let none = serde_json::Value::Null;
    let text = |content: &str| serde_json::json!({ "content": content, "encoding": "text" });
    check("q=1'+or+'1'%3D'1", none.clone(), &["inj-01"]);
    check("q=O'Brien&[masked:token:hmac:9f2c11]", none.clone(), &[]);
    // The name alone says that it is a password, in a URL.
    check(
        "password=[masked:password:hmac:9f2c11]",
        none.clone(),
        &["cred-01"],
    );
    check(
        "",
        text(r#"{"name":"<script>alert(1)</script>"}"#),
        &["inj-02"],
    );
    check(
        "",
        text(r#"{"name":"O'Brien","note":"[masked:email:hmac:9f2c11]"}"#),
        &[],
    );
    let coded = serde_json::json!({ "content": "eyJmIjoiLi4vLi4vLi4vZXRjL3Bhc3N3ZAD/In0=", "encoding": "base64" });
    check("", coded, &["inj-04"]);
    // Without a body that was kept there is nothing to judge.
    check("", serde_json::json!({ "captured_bytes": 0 }), &[]);
}

#[test]
fn keys_of_objects_are_judged_where_nothing_else_is_odd() {
    let body = |body: &str| {
        let row = serde_json::json!({
            "ts": "2026-11-21T06:02:10Z", "method": "POST", "path": "/login", "status": 200,
            "headers": { "content-type": "application/json" }, "body": body,
            "client_ip": "203.0.113.7",
        });
        let mut judging = judging();
        judging.request(&mut requests(row.to_string().as_bytes(), 1).unwrap());
        let mut opened = opened(&mut judging);
        opened.retain(|detector| detector.starts_with("inj"));
        opened
    };
    for operator in [r#""$ne":null"#, r#""$gt":"""#, r#""$in":[]"#] {
        let body = body(&format!(r#"{{"user":"ann","pin":{{{operator}}}}}"#));
        assert_eq!(body, ["inj-06"], "{operator}");
    }
    assert_eq!(body(r#"{"constructor":{"prototype":{"x":1}}}"#), ["inj-13"]);
    assert_eq!(body(r#"{"prototype":{"constructor":1}}"#), [""; 0]);
    // Lines of code with a `?` in them are no address.
    assert_eq!(
        body(r#"{"text":"let x = f()?;\n  let y = 1;\n g(#[a]\n b)"}"#),
        [""; 0]
    );
}

#[test]
fn an_event_shows_of_an_injection_what_the_live_exchange_shows() {
    let mut judging = judging();
    let row = serde_json::json!({
        "ts": "2026-11-21T06:02:10Z", "path": "/search?q=1'+or+'1'%3D'1", "status": 200,
        "client_ip": "203.0.113.7",
    });
    let mut row = requests(row.to_string().as_bytes(), 1).unwrap();
    judging.request(&mut row);
    judging.event(&event("q=1'+or+'1'%3D'1", &serde_json::Value::Null));
    let mut shown = Vec::new();
    let told: Result<(), ()> = judging.tell(|finding| {
        let one = finding.evidence.last().unwrap();
        shown.push((
            one.part.clone(),
            one.excerpt.clone(),
            one.decoded_by.clone(),
            finding.outcome,
        ));
        Ok(())
    });
    told.unwrap();
    assert_eq!(shown.len(), 2);
    assert_eq!(shown[0], shown[1]);
    assert!(!shown[0].1.is_empty());
}

#[test]
fn passwords_that_an_access_log_shows_refused_are_a_brute_force() {
    let mut kept = Some(judging());
    let mut opened_by = |user: &str, status: u16| {
        let mut judging = anew(kept.take().unwrap());
        for second in 10..35 {
            let line = format!(
                "203.0.113.9 - {user} [10/Oct/2025:13:55:{second} +0000] \"GET /status HTTP/1.1\" {status} 12 \"-\" \"curl/8\""
            );
            judging.request(&mut combined(line.as_bytes(), second).unwrap());
        }
        let opened = opened(&mut judging);
        kept = Some(judging);
        opened
    };
    assert_eq!(opened_by("alice", 401), ["auth-01", "auth-02"]);
    assert_eq!(opened_by("alice", 200), [""; 0]);
    assert_eq!(opened_by("-", 401), [""; 0]);
}

/// Holds single exchanges against what `detector` should say of them: answered with 200, but for what `row` tells.
struct Single(Option<Judging>);

impl Single {
    #[track_caller]
    fn check(&mut self, detector: &str, row: &serde_json::Value, expected: bool) {
        let mut judging = anew(self.0.take().unwrap());
        let mut whole = serde_json::json!({
            "ts": 1_770_000_000, "status": 200, "client_ip": "203.0.113.9", "method": "GET",
        });
        for (name, value) in row.as_object().unwrap() {
            whole[name] = value.clone();
        }
        judging.request(&mut requests(whole.to_string().as_bytes(), 1).unwrap());
        let found = opened(&mut judging);
        let told = found.iter().any(|id| id == detector);
        assert_eq!(told, expected, "{detector} {row} {found:?}");
        self.0 = Some(judging);
    }
}

#[test]
fn tokens_of_one_exchange_are_told_and_sound_ones_are_not() {
    let mut single = Single(Some(judging()));
    let mut check = |detector: &str, row: serde_json::Value, expected: bool| {
        single.check(detector, &row, expected);
    };
    // Times of tokens are held against that of the request, 2026-02-02.
    let token = |header: &str, claims: &str, signature: &str| {
        let [header, claims] = [header, claims].map(|text| coded(text.as_bytes()));
        serde_json::json!({ "path": "/orders/4",
            "headers": { "authorization": format!("Bearer {header}.{claims}.{signature}") } })
    };
    let (fresh, signed) = (
        r#"{"sub":"a","exp":1770003600}"#,
        "c2lnbmF0dXJlLW9mLXRoaXJ0eS10d28tYnl0ZXMtMDE",
    );
    let own = r#"{"alg":"RS256","kid":"k1"}"#;
    check("jwt-01", token(r#"{"alg":"none"}"#, fresh, ""), true);
    check("jwt-01", token(r#"{"alg":"nOnE"}"#, fresh, signed), true);
    check("jwt-01", token(own, fresh, signed), false);
    check(
        "jwt-02",
        token(own, r#"{"sub":"a","exp":1769990000}"#, signed),
        true,
    );
    check(
        "jwt-02",
        token(
            own,
            r#"{"sub":"a","exp":1770003600,"nbf":1770003000}"#,
            signed,
        ),
        true,
    );
    check(
        "jwt-02",
        token(own, r#"{"sub":"a","exp":1769999970}"#, signed),
        false,
    );
    let path = r#"{"alg":"RS256","kid":"../../../../dev/null"}"#;
    check("jwt-04", token(path, fresh, signed), true);
    check("jwt-04", token(own, fresh, signed), false);
}

#[test]
fn what_one_exchange_shows_is_told_and_its_neighbour_is_not() {
    let mut single = Single(Some(judging()));
    let mut check = |detector: &str, row: serde_json::Value, expected: bool| {
        single.check(detector, &row, expected);
    };
    let at = |path: &str| serde_json::json!({ "path": path });
    check("cred-01", at("/a?password=hunter2secret"), true);
    check("cred-01", at("/a?p%61ssword=hunter2secret"), true);
    check("cred-01", at("/a?page=2&sort=name"), false);
    check("bola-03", at("/a?account_id=17&account_id=18"), true);
    check("bola-03", at("/a?account_id=17&account_id=17"), false);
    check(
        "scan-03",
        serde_json::json!({ "path": "/.env", "resp_bytes": 90,
        "resp_headers": { "content-type": "text/plain" }, "resp_body": "DB_PASSWORD=x" }),
        true,
    );
    check(
        "scan-03",
        serde_json::json!({ "path": "/%2eenv", "resp_bytes": 90,
        "resp_headers": { "content-type": "text/plain" }, "resp_body": "DB_PASSWORD=x" }),
        true,
    );
    check(
        "scan-03",
        serde_json::json!({ "path": "/.env", "resp_bytes": 90,
        "resp_headers": { "content-type": "text/html" }, "resp_body": "<html></html>" }),
        false,
    );
    let answer = |body: &str| {
        serde_json::json!({ "path": "/a", "status": 500, "resp_body": body,
        "resp_headers": { "content-type": "text/plain" } })
    };
    check(
        "data-03",
        answer(
            "You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version",
        ),
        true,
    );
    check(
        "data-03",
        answer("-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA"),
        true,
    );
    check(
        "data-03",
        answer("Something went wrong; ask for case 17."),
        false,
    );
}

/// Base64 as tokens have it (RFC 7515 §2).
fn coded(bytes: &[u8]) -> String {
    let text = base64::encode(bytes).replace('+', "-").replace('/', "_");
    text.trim_end_matches('=').to_owned()
}

/// Whether what is heard of `conn` passed where others could read it, by the exchange and by its event,
/// which agree; scheme and library of the event.
fn is_exposed(mut conn: ConnBuilder, flows: [Flow; 2]) -> (bool, String) {
    let (mut shard, mut out) = (Shard::new(&ShardOptions::default()), Outcome::default());
    let [asked, answered] = flows;
    let records = [
        conn.open(),
        conn.data(asked, b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"),
        conn.data(answered, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ];
    for record in records {
        shard.push(&record, &mut out);
    }
    let [exchange] = &out.exchanges[..] else {
        panic!("{}", out.exchanges.len());
    };
    let context = judging().context;
    let mut masked = Masked::new();
    masked.fill(exchange, context.redactor());
    let event = seal(exchange, &masked, &context);
    let exposed = Facts::of(exchange, &event).marks.has(Mark::Exposed);
    let mut line = Vec::new();
    write_line(&event, &mut line).unwrap();
    let sealed = Sealed::read(&line).unwrap();
    assert_eq!(sealed.facts().marks.has(Mark::Exposed), exposed);
    let text = |path: &str| sealed.event().pointer(path).and_then(|one| one.as_str());
    let library = text("/tls/library").unwrap_or("none");
    (
        exposed,
        format!("{} {library}", text("/url/scheme").unwrap()),
    )
}

#[test]
fn an_event_tells_whether_it_passed_in_clear() {
    let server = [Flow::Received, Flow::Sent];
    let client = [Flow::Sent, Flow::Received];
    let clear = || ConnBuilder::tcp(1);
    let check = |conn, flows, exposed, told: &str| {
        assert_eq!(is_exposed(conn, flows), (exposed, told.to_owned()));
    };
    check(clear(), server, true, "http none");
    check(clear(), client, true, "http none");
    let kernel = ConnBuilder {
        upper: true,
        positions: [0, 0],
        ..clear()
    };
    check(kernel, server, false, "https kernel");
    let go = ConnBuilder {
        library: Some(TlsLibrary::Go),
        ..clear()
    };
    check(go, server, false, "https go");
    for near in [Ipv4Addr::LOCALHOST, clear().local.0] {
        for flows in [server, client] {
            let conn = ConnBuilder {
                remote: (near, 50_000),
                ..clear()
            };
            check(conn, flows, false, "http none");
        }
    }
}
