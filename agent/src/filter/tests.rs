mod random;
mod wrong;

use super::{Clause, Filter, IndexKey};

/// An exchange as the agent writes it.
pub(super) const EXCHANGE: &str = r#"{"kind":"exchange","schema":1,"id":"0193","time":"2026-11-21T06:02:11.123456789Z","duration_ns":1834211,"role":"server","network":{"transport":"tcp","protocol":{"name":"http","version":"1.1"},"connection":"0194"},"client":{"address":"203.0.113.7","port":51322,"via":["10.0.0.4","2001:db8::1"]},"peer":{"address":"10.0.0.4","port":40112},"server":{"address":"2001:db8::5","port":8443},"url":{"domain":"api.example.com","path":"/users/42","query":"q=a\"b\\x"},"http":{"route":"/users/{id}","request":{"method":"GET","headers":[["host","api.example.com"],["x-id","7b1f"],["accept","a"],["accept","b"]],"header_bytes":412,"body_bytes":0,"body":{"parts":[{"name":"file","bytes":812},{"name":"note","bytes":3}]}},"response":{"status_code":503,"headers":[["server","nginx"]],"header_bytes":180,"body_bytes":20480,"trailers":[]}},"user":{"id":"Zoë"},"process":{"pid":812,"name":"nginx","start":"2026-11-20T00:00:00.000000000Z"},"kubernetes":{"labels":{"app.kubernetes.io/name":"shop","tier":"1"}},"host":{"name":"web-3","id":"4c4c"},"completeness":{"request":"whole","response":"truncated","missing_bytes":0,"reasons":["body_limit"]},"anomalies":["chunk_extension","header_too_long"],"partial":true}"#;

const FINDING: &str = r#"{"kind":"finding","schema":1,"id":"0195","time":"2026-11-21T06:02:12.000000000Z","severity":"high","confidence":0.93,"actor":{"client":"203.0.113.7"},"evidence":[{"exchange":"0193","part":"request.query.id","decoded_by":["percent"]},{"part":"url.path"}],"cwe":[307,521]}"#;

const NOTICE: &str = r#"{"kind":"notice","schema":1,"id":"0196","time":"2026-11-21T06:02:13.000000000Z","name":"loss","severity":"medium","host":{"name":"web-3"},"detail":{"window_ns":60000000000,"counts":[{"stage":"ring","name":"full","count":7}]}}"#;

/// Which of the three lines `text` matches: `e`, `f`, `n`.
#[track_caller]
fn check(text: &str, expected: &str) {
    let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{error}"));
    let lines = [("e", EXCHANGE), ("f", FINDING), ("n", NOTICE)];
    let matched = lines.map(|(name, line)| {
        if filter.matches(line.as_bytes()) {
            name
        } else {
            ""
        }
    });
    assert_eq!(matched.concat(), expected, "{text}");
    // The same without what turns lines away early, and with the line feed.
    for (name, line) in lines {
        let spaced = line.replace("\":", "\" :").replace(",\"", " , \"") + "\n";
        let hits = filter.plan.hits(&mut super::Cursor::new(spaced.as_bytes()));
        let kinds = super::Kinds::of_line(line.as_bytes());
        let holds = filter
            .plan
            .root
            .holds(hits.unwrap(), kinds, &filter.plan.leaves);
        assert_eq!(holds, expected.contains(name), "{text} of {spaced}");
    }
}

#[test]
fn text_is_compared_in_quotes_and_without() {
    check("path == /users/42", "e");
    check("url.path == \"/users/42\"", "e");
    check("path != '/users/42'", "");
    check("method in [PUT, GET]", "e");
    check("method not in [PUT, GET]", "");
    check("host == API.example.com", "e");
    check("host contains Example", "e");
    check("path contains Users", "");
    check("user == Zoë", "e");
    check(r#"query == "q=a\"b\\x""#, "e");
    check(r#"query contains 'a"b'"#, "e");
    check("host.name == web-3", "en");
}

#[test]
fn expressions_match_anywhere_unless_anchored() {
    check(r#"path ~ "^/users/\d+$""#, "e");
    check("path ~ ^/users", "e");
    check("path ~ sers", "e");
    check("path !~ ^/users", "");
    check("user ~ '^zoË$'", "");
    check("user ~ '(?i)^zoË$'", "e");
    check(r#"query ~ 'a"b\\x'"#, "e");
    check("client ~ ^203\\.", "e");
}

#[test]
fn numbers_sizes_periods_statuses_and_times_have_an_order() {
    check("status == 503", "e");
    check("status == 5xx", "e");
    check("status >= 500", "e");
    check("status > 4xx", "e");
    check("status > 5xx", "");
    check("status < 5xx", "");
    check("status in [404, 5xx]", "e");
    check("status != 2xx", "e");
    check("response.body_bytes == 20KiB", "e");
    check("response.body_bytes > 20480", "");
    check("duration > 1ms and duration < 2ms", "e");
    check("duration_ns >= 1834211", "e");
    check("window_ns == 1m", "");
    check("detail.window_ns == 1m", "n");
    check("confidence > 0.9", "f");
    check("confidence >= 9.3e-1", "f");
    check("time >= 2026-11-21T06:02:12Z", "fn");
    check("time < 2026-11-21T07:02:12+01:00", "e");
    check("time == 2026-11-21", "efn");
    check("process.start < 2026-11-20", "");
    check("severity >= medium", "fn");
    check("severity > medium", "f");
    check("severity in [low, medium]", "n");
}

#[test]
fn addresses_are_in_networks() {
    check("client in 203.0.113.0/24", "e");
    check("client in [10.0.0.0/8, 203.0.113.7]", "e");
    check("client not in 203.0.113.0/25", "");
    check("client == ::ffff:203.0.113.7", "e");
    check("client in ::ffff:203.0.0.0/112", "e");
    check("client in 0.0.0.0/0", "e");
    check("client in ::/0", "");
    check("server == 2001:0db8:0:0:0:0:0:5", "e");
    check("server in 2001:db8::/125", "e");
    check("client.via contains 10.0.0.4", "e");
    check("client.via in 2001:db8::/32", "e");
    check("actor.client in 203.0.113.0/24", "f");
    check("peer in [/run/app.sock, @app, 10.0.0.4]", "e");
}

#[test]
fn header_fields_are_named_in_any_case() {
    check(r#"http.request.headers["X-Id"] == 7b1f"#, "e");
    check("http.request.headers.x-id == 7b1f", "e");
    check("header.x-id ~ ^7", "e");
    check("response.headers.server contains ngin", "e");
    check("header.server == nginx", "");
    check("exists header.x-id and not exists header.x-other", "e");
    // Each value of a field that came twice.
    check("header.accept == b", "e");
    check("header.accept != b", "");
    check("header.accept not in [c, d]", "e");
}

#[test]
fn lists_and_what_is_in_lists_match_by_any_of_their_values() {
    check("anomalies contains header_too_long", "e");
    check("anomalies contains header", "");
    check("anomalies == chunk_extension", "e");
    check("anomalies ~ ^header", "e");
    check("cwe contains 521", "f");
    check("cwe in [1, 307]", "f");
    check("evidence.part == \"url.path\"", "f");
    check("evidence.part contains query", "f");
    check("evidence.decoded_by contains percent", "f");
    check("request.body.parts.bytes > 812B", "");
    check("request.body.parts.bytes >= 812B", "e");
    check("request.body.parts.name == note", "e");
}

#[test]
fn mappings_with_names_of_their_own_are_open() {
    check(
        r#"kubernetes.labels["app.kubernetes.io/name"] == shop"#,
        "e",
    );
    check("kubernetes.labels.tier == \"1\"", "e");
    check("kubernetes.labels.tier == 1", "");
    check("detail.counts.count > 6", "n");
    check(
        "detail.counts.count == 7 and detail.counts.stage == ring",
        "n",
    );
    check("exists detail.counts", "n");
    check("exists detail.other", "");
}

#[test]
fn what_is_absent_makes_a_comparison_false_and_its_negation_true() {
    check("route == /users", "");
    check("route != /users", "e");
    check("grpc.status_code > 0", "");
    check("grpc.status_code != 0", "e");
    check("grpc.service !~ shop", "e");
    check("exists grpc", "");
    check("not exists grpc", "e");
    check("exists http.response and exists url.path", "e");
    check("exists (anomalies)", "e");
    // A list with nothing in it is not there.
    check("exists http.response.trailers", "");
    check("partial", "e");
    check("not partial", "");
    check("partial == false", "");
}

#[test]
fn a_field_that_a_kind_never_has_decides_nothing() {
    check("status != 200", "e");
    check("not status == 200", "e");
    check("not (status == 200 and path ~ ^/)", "e");
    check("status != 200 or kind == notice", "en");
    check("not (status == 200 or kind == finding)", "e");
    check("kind != exchange", "fn");
    check("severity != high", "n");
}

#[test]
fn and_binds_closer_than_or() {
    check("kind == notice or status == 503 and method == PUT", "n");
    check("(kind == notice or status == 503) and method == GET", "e");
    check("not kind == notice and not kind == finding", "e");
    check("not (kind == notice or kind == finding)", "e");
    check("not not kind == notice", "n");
    check(" kind==notice\n or\tkind==finding ", "fn");
}

#[test]
fn what_is_no_object_does_not_match() {
    let filter = Filter::parse("status != 200").unwrap();
    for line in [
        "",
        "[]",
        "null",
        "{",
        "{\"http\"",
        "{\"http\":{\"response\":{\"stat",
        "{]}",
        "\"{\"",
    ] {
        assert!(!filter.matches(line.as_bytes()), "{line}");
    }
    assert!(filter.matches(b"{}"));
}

#[test]
fn depth_of_a_line_is_no_matter() {
    let deep = format!(
        "{{\"a\":{}1{},\"url\":{{\"path\":\"/\"}}}}",
        "[{\"b\":".repeat(50_000),
        "}]".repeat(50_000)
    );
    assert!(Filter::parse("path == /").unwrap().matches(deep.as_bytes()));
    let deep = format!("{{\"detail\":{}1", "[".repeat(500_000));
    assert!(
        !Filter::parse("detail.a == 1")
            .unwrap()
            .matches(deep.as_bytes())
    );
}

#[track_caller]
fn check_clauses(text: &str, expected: &[&[(IndexKey, &str)]]) {
    let filter = Filter::parse(text).unwrap();
    let expected: Vec<_> = expected
        .iter()
        .map(|any| Clause {
            any: any
                .iter()
                .map(|(key, value)| (*key, (*value).into()))
                .collect(),
        })
        .collect();
    assert_eq!(filter.clauses(), expected, "{text}");
}

#[test]
fn an_index_is_asked_for_what_must_be_there() {
    use IndexKey::{Client, Host, Route, Status, User};
    check_clauses("host == A.example", &[&[(Host, "a.example")]]);
    check_clauses("client == ::ffff:10.0.0.1", &[&[(Client, "10.0.0.1")]]);
    check_clauses(
        "user == alice and route in ['/b', '/a'] and method == GET",
        &[&[(User, "alice")], &[(Route, "/a"), (Route, "/b")]],
    );
    check_clauses(
        "user == alice or status == 404",
        &[&[(User, "alice"), (Status, "404")]],
    );
    check_clauses(
        "(user == a and status in [4xx, 404]) or status == 500",
        &[&[(User, "a"), (Status, "500")]],
    );
    check_clauses("status == 5xx", &[&[(Status, "5xx")]]);
    check_clauses(
        "status >= 500",
        &[&["5xx", "6xx", "7xx", "8xx", "9xx"].map(|class| (Status, class))],
    );
    check_clauses(
        "status > 399 and status < 500",
        &[
            &["4xx", "5xx", "6xx", "7xx", "8xx", "9xx"].map(|class| (Status, class)),
            &["1xx", "2xx", "3xx", "4xx"].map(|class| (Status, class)),
        ],
    );
}

#[test]
fn an_index_is_not_asked_for_what_need_not_be_there() {
    for text in [
        "user != alice",
        "not user == alice",
        "user == alice or method == GET",
        "client in 10.0.0.0/8",
        "client in [10.0.0.0/8, 192.168.0.1]",
        "status != 500",
        "user ~ alice",
        "exists user",
    ] {
        check_clauses(text, &[]);
    }
}
