//! Each rule and what only looks like it, in files that are kept: `tests/fixtures/redact`.

use super::masks::{Fields, answered, asked, event_by};
use crate::exchange::Exchange;
use crate::redact::shape::prefixes;
use crate::redact::words::{about, telling};
use crate::redact::{Options, TYPES};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// What stands for "as it was" and for "nothing".
const SAME: &str = "=";

/// A row of a file: what is put in, and what is told of it.
struct Row {
    given: Vec<String>,
    told: String,
    heading: String,
}

/// Checks that each row of `file` tells, behind its first `count` columns, what `tell` makes of them.
#[track_caller]
fn check(file: &str, count: usize, tell: impl Fn(&[String]) -> String) -> Vec<Row> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/redact");
    let path = fixtures.join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let (mut rows, mut out) = (Vec::new(), String::new());
    let mut heading = "";
    for line in text.lines() {
        heading = line.strip_prefix("# ").unwrap_or(heading);
        if line.is_empty() || line.starts_with("# ") {
            out.push_str(line);
        } else {
            let given: Vec<_> = line.split('\t').take(count).map(str::to_owned).collect();
            let told = tell(&given);
            out.push_str(&format!("{}\t{told}", given.join("\t")));
            let heading = heading.to_owned();
            rows.push(Row {
                given,
                told,
                heading,
            });
        }
        out.push('\n');
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &out).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    for (ours, kept) in out.lines().zip(kept.lines()) {
        assert_eq!(ours, kept, "{file}: UPDATE_GOLDEN=1");
    }
    rows
}

/// `text` with each mask as its type alone, and `=` where that is `given`.
fn shown(text: &str, given: &str) -> String {
    let short = text.replace("[masked:", "[").replace(":#]", "]");
    if short == given {
        SAME.to_owned()
    } else {
        short
    }
}

fn percent(text: &str) -> String {
    let coded = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02x}"),
    };
    text.bytes().map(coded).collect()
}

/// Takes percent escapes off again.
fn plain(text: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some((before, behind)) = rest.split_once('%') {
        out.extend_from_slice(before.as_bytes());
        out.push(u8::from_str_radix(&behind[..2], 16).unwrap());
        rest = &behind[2..];
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8(out).unwrap()
}

fn with_addresses() -> Options {
    Options {
        ip_addresses: true,
        ..Options::default()
    }
}

/// The text of a body as it leaves.
fn body(exchange: &Exchange, side: &str) -> String {
    let event = event_by(exchange, with_addresses());
    let content = &event["http"][side]["body"]["content"];
    content.as_str().unwrap().to_owned()
}

/// What is masked of a text; the same as text, in JSON, and in a form.
fn masked(given: &[String]) -> String {
    let text: String = serde_json::from_str(&format!("\"{}\"", given[0])).unwrap();
    let kind = |kind| [("Content-Type", kind)];
    let escaped = |text: &str| serde_json::to_string(text).unwrap().replace("\\\"", "\"");
    let show = |out: &str| {
        let line = escaped(out);
        shown(
            &line[1..line.len() - 1],
            &escaped(&text)[1..escaped(&text).len() - 1],
        )
    };
    let as_text = show(&body(&answered(&kind("text/plain"), &text), "response"));
    let in_json = body(
        &answered(
            &kind("application/json"),
            &json!([{ "x": text }]).to_string(),
        ),
        "response",
    );
    let in_json: Value = serde_json::from_str(&in_json).unwrap();
    assert_eq!(
        show(in_json[0]["x"].as_str().unwrap()),
        as_text,
        "JSON: {text}"
    );
    let form = asked(
        "/",
        &kind("application/x-www-form-urlencoded"),
        &format!("x={}&y=1", percent(&text)),
    );
    let in_form = plain(&body(&form, "request"));
    let in_form = in_form
        .strip_prefix("x=")
        .and_then(|text| text.strip_suffix("&y=1"));
    assert_eq!(show(in_form.unwrap()), as_text, "form: {text}");
    as_text
}

#[test]
fn each_shape_is_told_from_what_looks_like_it() {
    let rows = check("shapes.txt", 1, masked);
    let kinds: BTreeSet<&str> = rows.iter().map(|row| first_word(&row.heading)).collect();
    for kind in kinds {
        assert!(TYPES.contains(&kind), "{kind}");
        let mask = format!("[{kind}]");
        let of_kind = || rows.iter().filter(|row| first_word(&row.heading) == kind);
        assert!(of_kind().any(|row| row.told.contains(&mask)), "{kind}");
        assert!(of_kind().any(|row| row.told == SAME), "{kind}");
    }
    for prefix in prefixes() {
        let prefix = str::from_utf8(prefix).unwrap();
        for told in ["[cloud_key]", SAME] {
            let is_it = |row: &Row| row.given[0].starts_with(prefix) && row.told == told;
            assert!(rows.iter().any(is_it), "no row {prefix}…\t{told}");
        }
    }
}

fn first_word(heading: &str) -> &str {
    heading.split([',', ':', ' ']).next().unwrap_or_default()
}

/// The types that are told of an exchange.
fn types(exchange: &Exchange) -> String {
    let event = event_by(exchange, Options::default());
    let told = event["sensitive"].as_array().cloned().unwrap_or_default();
    let kinds = told
        .iter()
        .filter_map(|line| line.as_str()?.rsplit(':').next());
    let kinds: BTreeSet<&str> = kinds.collect();
    let kinds: Vec<&str> = kinds.into_iter().collect();
    if kinds.is_empty() {
        SAME.to_owned()
    } else {
        kinds.join(" ")
    }
}

/// What a value under a name is taken for; the same wherever names have values.
fn named(given: &[String]) -> String {
    let [name, value] = given else {
        panic!("a name and a value: {given:?}");
    };
    let kind = |kind| [("Content-Type", kind)];
    let (coded_name, coded) = (percent(name), percent(value));
    let in_query = types(&asked(&format!("/p?x=1&{coded_name}={coded}&y"), &[], ""));
    let json = json!({ "a": [1, { "b": { (name): value } }] }).to_string();
    let variables = json!({ "query": "mutation M($a: A) { f(a: $a) { id } }",
                            "variables": { "a": { (name): value } } });
    let multipart = format!(
        "--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n--B--\r\n"
    );
    let posted = |media_type, body: &str| asked("/", &kind(media_type), body);
    let mut all = vec![
        (
            "form",
            posted(
                "application/x-www-form-urlencoded",
                &format!("x=1&{coded_name}={coded}"),
            ),
        ),
        ("JSON", posted("application/json", &json)),
        ("answered JSON", answered(&kind("application/json"), &json)),
        (
            "GraphQL",
            posted("application/json", &variables.to_string()),
        ),
        (
            "multipart",
            posted("multipart/form-data; boundary=B", &multipart),
        ),
        (
            "JSON in a form",
            posted(
                "application/x-www-form-urlencoded",
                &format!("x={}", percent(&json)),
            ),
        ),
        (
            "Referer",
            asked(
                "/",
                &[("Referer", &format!("https://h/?{coded_name}={coded}"))],
                "",
            ),
        ),
    ];
    // Brackets are no part of XML's names.
    if !name.contains('[') {
        let xml = format!("<a><b/><{name}>{value}</{name}></a>");
        all.push(("XML", posted("text/xml", &xml)));
    }
    for (place, exchange) in all {
        assert_eq!(types(&exchange), in_query, "{place}: {name}={value}");
    }
    in_query
}

#[test]
fn each_name_is_told_from_what_looks_like_it() {
    let rows = check("names.txt", 2, named);
    for word in telling() {
        let is_it =
            |row: &Row| row.given[0].split(['_', '-']).any(|one| one == word) && row.told != SAME;
        assert!(rows.iter().any(is_it), "no row {word}");
    }
    for word in about() {
        let end = format!("_{word}");
        let is_it = |row: &Row| row.given[0].ends_with(&end) && row.told == SAME;
        assert!(rows.iter().any(is_it), "no row …{end}");
    }
}

#[test]
fn each_header_field_is_told_from_what_looks_like_it() {
    let rows = check("headers.txt", 1, |given| {
        let (name, value) = given[0].split_once(": ").unwrap();
        let fields: Fields<'_> = &[(name, value)];
        let event = event_by(&asked("/", fields, ""), Options::default());
        let left = event["http"]["request"]["headers"][0][1].as_str().unwrap();
        shown(left, value)
    });
    assert!(rows.iter().any(|row| row.told == SAME));
}
