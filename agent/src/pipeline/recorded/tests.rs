use super::{Row, combined, har, requests};
use crate::content::Parts;
use crate::exchange::Half;

#[track_caller]
fn check(row: &Row, request: &str, status: u16, body: &str) {
    let half = row.exchange.request.as_ref().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let fields: String = half
        .head
        .fields()
        .map(|(name, value)| format!("; {}={}", text(name), text(value)))
        .collect();
    let line = format!(
        "{} {}{fields}",
        text(half.head.get(half.head.word)),
        text(half.head.get(half.head.target)),
    );
    assert_eq!(line, request);
    assert_eq!(
        row.exchange.response.as_ref().map_or(0, |half| half.status),
        status
    );
    assert_eq!(text(&half.body.content), body);
}

fn began(row: &Row) -> u64 {
    row.exchange
        .request
        .as_ref()
        .map_or(0, |half: &Half| half.began.0)
}

#[test]
fn a_request_is_read_with_all_it_tells() {
    let line = br#"{"id":"a1","ts":"2026-02-02T08:00:00Z","method":"POST","path":"/x?y=1","headers":{"A":"b","C":["d","e"]},
        "body":{"k":1},"status":201,"client_ip":"203.0.113.7","ua":"curl/8","lat_ms":2.5,"resp_bytes":7,"more":[1]}"#;
    let row = requests(line, 3).unwrap();
    check(
        &row,
        "POST /x?y=1; A=b; C=d; C=e; user-agent=curl/8",
        201,
        "{\"k\":1}",
    );
    assert_eq!(row.id.as_deref(), Some("a1"));
    assert_eq!(began(&row), 1_770_019_200_000_000_000);
    let response = row.exchange.response.as_ref().unwrap();
    assert_eq!(response.ended.0 - began(&row), 2_500_000);
    assert_eq!(response.body.total_bytes, Some(7));
}

#[test]
fn what_was_coded_on_the_wire_is_read() {
    let line = br#"{"path":"/","status":200,"resp_headers":{"Content-Encoding":"br"},"resp_body":{"name":"anna"}}"#;
    let row = requests(line, 1).unwrap();
    let parts = row.exchange.parts(Parts::new());
    assert!(parts.iter().any(|part| part.value() == b"anna"));
}

#[test]
fn header_fields_may_be_a_list() {
    for list in [r#"[["A","b"]]"#, r#"[{"name":"A","value":"b"}]"#] {
        let line = format!(r#"{{"path":"/","headers":{list}}}"#);
        check(&requests(line.as_bytes(), 1).unwrap(), "GET /; A=b", 0, "");
    }
}

#[test]
fn what_is_no_request_is_told() {
    for (line, why) in [
        ("", "EOF while parsing a value"),
        ("{", "EOF while parsing an object at column 1"),
        ("[]", "expected an object that has a `path`"),
        ("{\"method\":\"GET\"}", "missing field `path`"),
        (
            "{\"path\":7}",
            "invalid type: integer `7`, expected a string",
        ),
        ("{\"path\":\"/\",\"ts\":\"noon\"}", "`ts` is neither"),
        ("{\"path\":\"/\",\"client_ip\":\"x\"}", "`client_ip` is no"),
    ] {
        let error = requests(line.as_bytes(), 1).unwrap_err().to_string();
        assert!(error.contains(why) && !error.contains("line"), "{error}");
    }
    for line in [
        "",
        "x",
        "1.2.3.4 - - [] \"\"",
        "1.2.3.4 - - [x] \"GET / HTTP/1.1\" abc 1",
    ] {
        assert!(combined(line.as_bytes(), 1).is_err(), "{line}");
    }
    assert!(har(b"{\"log\":{}}").is_err());
}

#[test]
fn a_line_of_an_access_log_is_read() {
    let line = br#"203.0.113.7 - anna [10/Oct/2000:13:55:36 -0700] "GET /a?b=%27 HTTP/1.0" 404 2326 "http://h/" "say \"hi\" \x41""#;
    let row = combined(line, 1).unwrap();
    check(
        &row,
        "GET /a?b=%27; referer=http://h/; user-agent=say \"hi\" A",
        404,
        "",
    );
    assert_eq!(began(&row), 971_211_336_000_000_000);
    let common = br#"::1 - - [10/Oct/2000:13:55:36 +0000] "GET / HTTP/1.1" 200 -"#;
    check(&combined(common, 1).unwrap(), "GET /", 200, "");
}

#[test]
fn an_archive_is_read() {
    let archive = br#"{"log":{"entries":[{"startedDateTime":"2026-02-02T08:00:00Z","time":1,
        "request":{"method":"POST","url":"https://h/p?q=1#f","headers":[{"name":"A","value":"b"}],"postData":{"text":"t"}},
        "response":{"status":200,"headers":[],"content":{"text":"ok"}}}]}}"#;
    let rows = har(archive).unwrap();
    check(&rows[0], "POST /p?q=1; A=b; host=h", 200, "t");
}
