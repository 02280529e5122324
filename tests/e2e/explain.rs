//! `eaves redact --explain`: what would be masked, by which rule, and for which route.

use eaves_tests::capture::Capture;
use eaves_tests::sandbox::Sandbox;

use super::{check_output, eaves};

const RULES: &str = r#"
identity: { routes: ["/given/{thing}"] }
redact:
  names: [favourite]
  paths: ["$.user.address"]
  patterns: { ticket: "TCK-[0-9]{6}" }
  allow: { names: [session_id] }
  routes:
    "/rooms/{any}": { names: [only_here] }
    "h/cellars/*": { names: [only_here] }
    "/given/{x}": { patterns: { order: "ORD[a-z]{5}" } }
"#;

/// An exchange of the recording: what is asked for, the body, and the status of the answer.
const ASKED: [(&str, &str, u16); 4] = [
    (
        "/all?token=t1",
        r#"{"favourite":"f","user":{"address":"a"},"note":"see TCK-123456","session_id":"s7","only_here":"x"}"#,
        200,
    ),
    ("/rooms/7", r#"{"only_here":"x","note":"ORDabcde"}"#, 200),
    ("/given/7", r#"{"only_here":"x","note":"ORDabcde"}"#, 200),
    // Nothing answers it: its path tells that it is meant.
    (
        "/cellars/8",
        r#"{"only_here":"x","mail":"a@example.org"}"#,
        404,
    ),
];

#[test]
fn each_find_is_told_with_its_rule_and_its_route() {
    let sandbox = Sandbox::new().unwrap();
    let path = sandbox.file("made.cap");
    let mut capture = Capture::new(&path).unwrap();
    let mut conn = capture.open(5001).unwrap();
    for (target, body, status) in ASKED {
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        capture.received(&mut conn, head.as_bytes()).unwrap();
        capture.received(&mut conn, body.as_bytes()).unwrap();
        let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n");
        capture.sent(&mut conn, answer.as_bytes()).unwrap();
    }
    capture.finish().unwrap();
    let config = sandbox.write("rules.yaml", RULES).unwrap();
    let (path, config) = (path.to_str().unwrap(), config.to_str().unwrap());
    let told = |more: &[&str]| {
        let output = eaves(&[&["redact", "--explain", path], more].concat())?;
        check_output(&output, 0, &[], &[]);
        let text = String::from_utf8(output.stdout).unwrap();
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        Some(text.lines().map(words).collect::<Vec<_>>())
    };
    let Some(by_rules) = told(&["--config", config]) else {
        return;
    };
    assert_eq!(
        by_rules,
        [
            "1 request.query.token token name /all",
            "1 request.body:$.favourite secret redact.names /all",
            "1 request.body:$.user.address secret redact.paths /all",
            "1 request.body:$.note ticket redact.patterns /all",
            "2 request.body:$.only_here secret redact.names /rooms/{id}",
            "3 request.body:$.note order redact.patterns /given/{thing}",
            "4 request.body:$.only_here secret redact.names",
            "4 request.body:$.mail email shape",
        ]
    );
    let without = told(&[]).unwrap();
    assert_eq!(
        without,
        [
            "1 request.query.token token name /all",
            "1 request.body:$.session_id session name /all",
            "4 request.body:$.mail email shape",
        ]
    );
    let json = told(&["--json"]).unwrap();
    assert_eq!(
        json[0],
        r#"{"exchange":1,"route":"/all","part":"request.query.token","type":"token","rule":"name","bytes":2}"#
    );
}
