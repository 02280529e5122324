//! Every class of content in every coding that a value may come in: what fires, what must not, and the
//! layers that the evidence names.

use serde_json::{Value, json};

use super::Reading;
use crate::base64;
use crate::detect::score::THRESHOLD;
use crate::pipeline::recorded::requests;

/// A class: its detector, a value that fires it, one beside it that does not.
const CLASSES: &[(&str, &str, &str)] = &[
    ("inj-01", "x' or 'a'='a", "it's 'fine' or not"),
    ("inj-01", "x\" or \"a\"=\"a", "the \"a\" or \"b\" of it"),
    (
        "inj-01",
        "-1 union all select 1,2,version()",
        "a union of all select committees",
    ),
    (
        "inj-02",
        "<svg onload=alert(1)>",
        "<b>bold</b> and <i>thin</i>",
    ),
    ("inj-03", ";cat /etc/hosts|sh", "salt; pepper and more"),
    ("inj-04", "../../../../etc/passwd", "docs/etc/reading.html"),
    (
        "inj-05",
        "http://169.254.169.254/latest/meta-data/",
        "http://example.com/latest/meta-data/",
    ),
    (
        "inj-06",
        "', $where: '1 == 1",
        "it costs $10 where 1 is left",
    ),
    (
        "inj-07",
        "{{7*7}} and {{config.items()}}",
        "Dear {{first_name}}, hello",
    ),
    (
        "inj-08",
        "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/hosts\">]><a>&x;</a>",
        "<!DOCTYPE html><p>text</p>",
    ),
    (
        "inj-09",
        "${${lower:j}ndi:ldap://h.example/a}",
        "${name} and ${place}",
    ),
    ("inj-10", "*)(uid=*))(|(uid=*", "(one) and (two)"),
    (
        "inj-10",
        "' or count(//*)=1 or 'a'='b",
        "count (all) or more",
    ),
    ("inj-11", "x\r\nSet-Cookie: a=b", "line one\r\nline two"),
    (
        "inj-12",
        "rO0ABXNyABFqYXZhLnV0aWwuSGFzaE1hcA==",
        "aGVsbG8gd29ybGQsIGhvdyBhcmUgeW91IQ==",
    ),
    (
        "inj-13",
        "{\"__proto__\":{\"admin\":true}}",
        "{\"proto\":{\"admin\":true}}",
    ),
    ("inj-14", "<!--#exec cmd=\"id\" -->", "<!-- a note -->"),
    ("inj-14", "() { :;}; /bin/id", "f() and g()"),
];

/// Where a value is put, and how: a line of `requests`, and the layers that its evidence must name.
type Layer = (&'static str, fn(&str) -> Value, &'static [&'static str]);

const LAYERS: &[Layer] = &[
    ("query", |value| query(&percent(value)), &[]),
    (
        "percent twice",
        |value| query(&percent(&percent(value))),
        &["percent"],
    ),
    (
        "percent three times",
        |value| query(&percent(&percent(&percent(value)))),
        &["percent"],
    ),
    (
        "plus",
        |value| query(&percent(value).replace("%20", "+")),
        &[],
    ),
    (
        "percent u",
        |value| query(&escaped(value, |byte| format!("%u{byte:04x}"))),
        &["percent_u"],
    ),
    (
        "overlong",
        |value| {
            query(&escaped(value, |byte| {
                format!("%{:02x}%{:02x}", 0xc0 | byte >> 6, 0x80 | byte & 0x3f)
            }))
        },
        &["overlong"],
    ),
    (
        "entities",
        |value| body(json!({ "a": escaped(value, |byte| format!("&#x{byte:x};")) })),
        &["entity"],
    ),
    (
        "script escapes",
        |value| body(json!({ "a": escaped(value, |byte| format!("\\x{byte:02x}")) })),
        &["escape"],
    ),
    (
        "unicode escapes of JSON",
        |value| {
            raw_body(
                "application/json",
                format!(
                    "{{\"a\":\"{}\"}}",
                    escaped(value, |byte| format!("\\u{byte:04x}"))
                ),
            )
        },
        &[],
    ),
    (
        "base64",
        |value| body(json!({ "a": base64::encode(long(value).as_bytes()) })),
        &["base64"],
    ),
    ("JSON", |value| body(json!({ "a": { "b": [value] } })), &[]),
    (
        "JSON in JSON",
        |value| body(json!({ "a": json!({ "b": value }).to_string() })),
        &[],
    ),
    (
        "JSON in a form",
        |value| form(&json!({ "b": value }).to_string()),
        &[],
    ),
    (
        "XML",
        |value| {
            raw_body(
                "application/xml",
                format!(
                    "<a><b>{}</b></a>",
                    escaped(value, |byte| format!("&#{byte};"))
                ),
            )
        },
        &[],
    ),
    (
        "multipart",
        |value| {
            raw_body(
                "multipart/form-data; boundary=x",
                format!(
                    "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{value}\r\n--x--\r\n"
                ),
            )
        },
        &[],
    ),
    ("form", form, &[]),
    (
        "variables of GraphQL",
        |value| {
            body(
                json!({ "query": "query q($v: String) { a(v: $v) { id } }", "variables": { "v": value } }),
            )
        },
        &[],
    ),
    (
        "cookie",
        |value| header("cookie", &format!("a={}", percent(value))),
        &["percent"],
    ),
    (
        "query of the Referer",
        |value| {
            header(
                "referer",
                &format!("https://h.example/x?a={}", percent(value)),
            )
        },
        &[],
    ),
    ("header", |value| header("x-search", value), &[]),
    (
        "path",
        |value| json!({ "method": "GET", "path": format!("/a/{}", percent(value)) }),
        &[],
    ),
];

fn percent(value: &str) -> String {
    escaped(value, |byte| format!("%{byte:02x}"))
}

/// `value` with `write` for all but letters and digits; it is ASCII.
fn escaped(value: &str, write: impl Fn(u8) -> String) -> String {
    value
        .bytes()
        .map(|byte| match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(byte).to_string(),
            other => write(other),
        })
        .collect()
}

fn query(value: &str) -> Value {
    json!({ "method": "GET", "path": format!("/a?q={value}") })
}

fn raw_body(media_type: &str, body: String) -> Value {
    json!({ "method": "POST", "path": "/a", "headers": { "content-type": media_type }, "body": body })
}

fn body(value: Value) -> Value {
    raw_body("application/json", value.to_string())
}

fn form(value: &str) -> Value {
    raw_body(
        "application/x-www-form-urlencoded",
        format!("a={}&b=1", percent(value)),
    )
}

fn header(name: &str, value: &str) -> Value {
    json!({ "method": "GET", "path": "/a", "headers": { name: value } })
}

/// Base64 is decoded where it is long.
fn long(value: &str) -> String {
    if value.len() < 24 {
        format!("aaaa bbbb: {value}")
    } else {
        value.to_owned()
    }
}

/// Grammars that read some codings themselves: they find before anything is decoded.
const READ_CODED: &[&str] = &["inj-04", "inj-11", "inj-12", "inj-13"];

/// What cannot be there, or is left out on purpose.
fn is_left_out(detector: &str, value: &str, layer: &str) -> bool {
    match layer {
        // A field holds no line end.
        "header" if value.contains('\r') => true,
        // Directories and document databases are not asked by header field or path.
        "header" => detector == "inj-10",
        // No path has a line end, whatever stands behind it.
        "path" if value.contains("line two") => true,
        "path" => matches!(detector, "inj-05" | "inj-06" | "inj-10"),
        _ => false,
    }
}

#[test]
fn each_class_is_found_in_each_coding_and_its_neighbour_is_not() {
    let mut reading = Reading::new().unwrap();
    let mut wrong = Vec::new();
    for (detector, attack, plain) in CLASSES {
        for (layer, put, layers) in LAYERS {
            for (value, fires) in [(attack, true), (plain, false)] {
                if is_left_out(detector, value, layer) {
                    continue;
                }
                let row = put(value).to_string();
                let mut exchange = requests(row.as_bytes(), 1).unwrap().exchange;
                reading.read(&mut exchange);
                let hits = &exchange.known.scores.hits;
                let hit = hits.iter().find(|hit| hit.detector == *detector);
                let names: Vec<_> = hit.iter().flat_map(|hit| hit.layers.iter()).collect();
                let told = layers
                    .iter()
                    .all(|want| names.iter().any(|have| have.as_str() == *want));
                let found = hit.is_some_and(|hit| hit.score >= THRESHOLD);
                let told = told || READ_CODED.contains(detector);
                if found != fires || fires && !told {
                    wrong.push(format!("{detector} in {layer}: {found} {names:?}: {row}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
