//! What is no filter, and what is said of it.

use super::super::{COMPARISONS_MAX, DEPTH_MAX, EXPRESSIONS_MAX, Filter, TEXT_MAX_BYTES};

#[track_caller]
fn check(text: &str, expected: &str) {
    let error = Filter::parse(text).unwrap_err();
    assert_eq!(error.to_string(), expected.trim_matches('\n'));
}

#[track_caller]
fn check_says(text: &str, expected: &str) {
    let error = Filter::parse(text).unwrap_err().to_string();
    let first = error.lines().next().unwrap_or_default();
    assert!(first.contains(expected), "{first}");
}

#[test]
fn a_caret_stands_under_what_is_wrong() {
    check(
        "status >= 500 and pth ~ x",
        "
unknown field `pth`; did you mean `path`?
  status >= 500 and pth ~ x
                    ^^^",
    );
    check(
        "user == \"日本\" and stat == 1",
        "
unknown field `stat`; did you mean `state`?
  user == \"日本\" and stat == 1
                     ^^^^",
    );
    check(
        "status >= many",
        "
`many` is no value of `http.response.status_code`; allowed: a code, as in 404, or a class, as in 5xx
  status >= many
            ^^^^",
    );
    check(
        "(status == 404",
        "
expected `and`, `or` or `)`
  (status == 404
                ^",
    );
}

#[test]
fn what_is_shown_of_a_long_filter_is_short() {
    let text = format!(
        "{} or x == 1 or {}",
        vec!["pid == 1"; 40].join(" or "),
        vec!["pid == 1"; 40].join(" or ")
    );
    let error = Filter::parse(&text).unwrap_err();
    assert_eq!(error.column(), 480 + 1);
    let lines: Vec<_> = error.to_string().lines().map(str::to_owned).collect();
    assert!(lines[1].chars().count() < 150, "{}", lines[1]);
    assert_eq!(lines[1].chars().nth(lines[2].find('^').unwrap()), Some('x'));
    let error = Filter::parse("path == \u{1b}[2J\ny")
        .unwrap_err()
        .to_string();
    assert!(!error.contains('\u{1b}'), "{error:?}");
}

#[test]
fn unknown_fields_are_told_with_what_may_be_meant() {
    check_says(
        "status_code == 1",
        "did you mean `http.response.status_code` or `grpc.status_code`?",
    );
    check_says("client.adress == 1.2.3.4", "did you mean `client.address`?");
    check_says("response == 5", "`http.response` has fields of its own");
    check_says(
        "http.response == 5",
        "status_code, headers, header_bytes, body_bytes, body, trailers",
    );
    check_says("kubernetes.labels == x", "has fields of its own");
    check_says("header.x-id.more == 1", "unknown field `header.x-id.more`");
}

#[test]
fn operators_and_values_must_fit_the_field() {
    check_says(
        "path > 5",
        "`>` does not go with `url.path`, which is text; allowed: `==`",
    );
    check_says(
        "status ~ 5",
        "`~` does not go with `http.response.status_code`, which is a status code",
    );
    check_says("duration contains 5", "`contains` does not go");
    check_says(
        "header == x",
        "which is a list; allowed: `exists`; for one field",
    );
    check_says(
        "role == srver",
        "`srver` is no value of `role`; allowed: server, client",
    );
    check_says(
        "severity >= worst",
        "allowed: info, low, medium, high, critical",
    );
    check_says("duration > 1.5s", "as in 250ms or 1h30m");
    check_says("response.body_bytes > 5kb", "as in 16KiB");
    check_says("time > yesterday", "(RFC 3339)");
    check_says("time > 2026-02-30", "(RFC 3339)");
    check_says("client == example.com", "an IP address");
    check_says("client in 10.0.0.0/33", "an IP address");
    check_says(
        "client == 10.0.0.0/8",
        "one address, or a network with `in`",
    );
    check_says("partial == yes", "allowed: true, false");
    check_says("path == [a, b]", "a list goes with `in`");
    check_says(
        "method == url.path",
        "`url.path` names a field; for the text write \"url.path\"",
    );
    check_says("path ~ '('", "no regular expression: unclosed group");
    check_says("path ~ '(?P<n>a)\\k<n>'", "no regular expression");
    check_says("path ~ '\\w{999}{999}'", "it would take too much memory");
}

#[test]
fn what_other_languages_have_is_told_what_it_is_here() {
    check_says(
        "",
        "the filter is empty: write a comparison, as in `status >= 500`",
    );
    check_says(" \n", "the filter is empty");
    check_says("status = 500", "expected `==`");
    check_says("status == 500 && path == /", "expected `and`");
    check_says("status == 500 || path == /", "expected `or`");
    check_says("status == 500 AND path == /", "expected `and`");
    check_says("!partial", "expected `not`");
    check_says("NOT partial", "unknown field `NOT`");
    check_says("status", "expected one of `==`, `!=`, `<`");
    check_says("status ==", "expected a value");
    check_says(
        "status == and",
        "expected a value; for the text write \"and\"",
    );
    check_says(
        "and status == 1",
        "expected a field, `not`, `exists` or `(`",
    );
    check_says("status in [1, ]", "expected a value");
    check_says("status in [1 2]", "expected `,` or `]`");
    check_says("path == \"x", "no closing quote");
    check_says(
        "path ~ ^/v[0-9]",
        "expected quotes around a value with `[` in it",
    );
    check_says("header[x] == 1", "expected a name in quotes");
    check_says("status == 500 path == /", "expected `and`, `or` or the end");
}

#[test]
fn length_depth_and_numbers_are_bounded() {
    let long = format!("path == \"{}\"", "x".repeat(TEXT_MAX_BYTES));
    check_says(&long, "at most 8192 bytes");
    let nested = |depth: usize| format!("{}partial{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Filter::parse(&nested(DEPTH_MAX)).is_ok());
    check_says(&nested(DEPTH_MAX + 1), "nest at most 32 deep");
    check_says(
        &format!("{}partial", "not ".repeat(2000)),
        "nest at most 32 deep",
    );
    let many = |count: usize| vec!["pid == 1"; count].join(" or ");
    assert!(Filter::parse(&many(COMPARISONS_MAX)).is_ok());
    check_says(&many(COMPARISONS_MAX + 1), "at most 128 comparisons");
    let many = vec!["path ~ x"; EXPRESSIONS_MAX + 1].join(" or ");
    check_says(&many, "at most 16 regular expressions");
}
