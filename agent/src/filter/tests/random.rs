//! Random filters over random lines, against an evaluator that knows neither grammar nor walk.

use super::super::Filter;
use crate::event::{parse_stamp, write_line};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

/// A comparison: how it is written, and whether the values at a path make it true.
#[derive(Clone, Debug)]
struct Comparison {
    path: &'static str,
    kinds: &'static [&'static str],
    text: String,
    how: How,
}

#[derive(Clone, Debug)]
enum How {
    Exists,
    Is(Vec<String>),
    Has(String),
    Begins(String),
    Number(&'static str, f64),
    After(String),
    Not(Box<How>),
}

#[derive(Clone, Debug)]
enum Expression {
    Leaf(Comparison),
    Not(Box<Expression>),
    And(Vec<Expression>),
    Or(Vec<Expression>),
}

/// Values at `path`: lists on the way are gone through, and header fields named by the last part.
fn values(line: &Value, path: &str) -> Vec<Value> {
    let mut here = vec![line.clone()];
    for name in path.split('.') {
        let mut next = Vec::new();
        for value in here.into_iter().flat_map(spread) {
            match &value {
                Value::Object(map) => next.extend(map.get(name).cloned()),
                Value::Array(pair) if pair[0] == name => next.push(pair[1].clone()),
                _ => {}
            }
        }
        here = next;
    }
    here.into_iter().flat_map(spread).collect()
}

fn spread(value: Value) -> Vec<Value> {
    match value {
        Value::Array(values) => values,
        other => vec![other],
    }
}

fn holds(how: &How, values: &[Value]) -> bool {
    let any = |test: &dyn Fn(&Value) -> bool| values.iter().any(test);
    let text = |value: &Value| value.as_str().map(str::to_owned).unwrap_or("\0none".into());
    match how {
        How::Exists => !values.is_empty(),
        How::Is(texts) => any(&|value| texts.contains(&text(value))),
        How::Has(part) => any(&|value| value.is_string() && text(value).contains(part)),
        How::Begins(part) => any(&|value| value.is_string() && text(value).starts_with(part)),
        How::Number(operator, than) => any(&|value| {
            value.as_f64().is_some_and(|number| match *operator {
                "==" => number == *than,
                "<" => number < *than,
                "<=" => number <= *than,
                ">" => number > *than,
                _ => number >= *than,
            })
        }),
        How::After(time) => any(&|value| {
            let date = |text: &str| parse_stamp(text.as_bytes());
            date(&text(value)).is_some_and(|at| Some(at) > date(time))
        }),
        How::Not(how) => !holds(how, values),
    }
}

/// Kleene's logic: `None` where the kind of record never has the field.
fn judge(expression: &Expression, line: &Value) -> Option<bool> {
    match expression {
        Expression::Leaf(comparison) => {
            let kind = line["kind"].as_str().unwrap_or_default();
            let applies = comparison.kinds.contains(&kind);
            applies.then(|| holds(&comparison.how, &values(line, comparison.path)))
        }
        Expression::Not(inner) => judge(inner, line).map(|truth| !truth),
        Expression::And(several) => {
            let each: Vec<_> = several.iter().map(|one| judge(one, line)).collect();
            if each.contains(&Some(false)) {
                Some(false)
            } else {
                (!each.contains(&None)).then_some(true)
            }
        }
        Expression::Or(several) => {
            let each: Vec<_> = several.iter().map(|one| judge(one, line)).collect();
            if each.contains(&Some(true)) {
                Some(true)
            } else {
                (!each.contains(&None)).then_some(false)
            }
        }
    }
}

fn written(expression: &Expression) -> String {
    let join = |several: &[Expression], word: &str| {
        let each: Vec<_> = several
            .iter()
            .map(|one| format!("({})", written(one)))
            .collect();
        each.join(word)
    };
    match expression {
        Expression::Leaf(comparison) => comparison.text.clone(),
        Expression::Not(inner) => format!("not ({})", written(inner)),
        Expression::And(several) => join(several, " and "),
        Expression::Or(several) => join(several, " or "),
    }
}

const WORDS: &[&str] = &[
    "", "a", "ab", "a\"b", "\\", "b\\x", "é", "\n", "/a", "a,b:{\"", "exchange",
];

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

const E: &[&str] = &["exchange"];
const F: &[&str] = &["finding"];
const N: &[&str] = &["notice"];
const ALL: &[&str] = &["exchange", "finding", "notice"];

fn on_text() -> impl Strategy<Value = Comparison> {
    let texts = select(
        &[
            ("url.path", E),
            ("host.name", ALL),
            ("http.request.headers.x-id", E),
            ("http.response.headers.x-id", E),
            ("kubernetes.labels.a", E),
            ("evidence.part", F),
            ("name", N),
        ][..],
    );
    (texts, select(WORDS), select(WORDS), 0..5).prop_map(|((path, kinds), a, b, how)| {
        let (text, how) = match how {
            0 => (format!("{path} == {}", quoted(a)), How::Is(vec![a.into()])),
            1 => (
                format!("{path} in [{}, {}]", quoted(a), quoted(b)),
                How::Is(vec![a.into(), b.into()]),
            ),
            2 => (format!("{path} contains {}", quoted(a)), How::Has(a.into())),
            3 => {
                let expression = format!("^{}", regex::escape(a));
                (
                    format!("{path} ~ {}", quoted(&expression)),
                    How::Begins(a.into()),
                )
            }
            _ => (format!("exists {path}"), How::Exists),
        };
        Comparison {
            path,
            kinds,
            text,
            how,
        }
    })
}

fn on_number() -> impl Strategy<Value = Comparison> {
    let numbers = select(
        &[
            ("http.response.status_code", E),
            ("duration_ns", E),
            ("count", F),
            ("detail.window_ns", N),
            ("schema", ALL),
        ][..],
    );
    let operators = select(&["==", "<", "<=", ">", ">="][..]);
    (numbers, operators, numbers_near()).prop_map(|((path, kinds), operator, than)| {
        let text = format!("{path} {operator} {than}");
        let how = How::Number(operator, than.as_f64().unwrap());
        Comparison {
            path,
            kinds,
            text,
            how,
        }
    })
}

fn on_time() -> impl Strategy<Value = Comparison> {
    (0_u64..4).prop_map(|second| {
        let time = format!("2026-11-21T06:00:0{second}Z");
        let (text, how) = (format!("time > {time}"), How::After(time));
        Comparison {
            path: "time",
            kinds: ALL,
            text,
            how,
        }
    })
}

/// A comparison, some of them by their negated operator.
fn comparison() -> impl Strategy<Value = Comparison> {
    let plain = prop_oneof![4 => on_text(), 3 => on_number(), 1 => on_time()];
    (plain, any::<bool>()).prop_map(|(comparison, not)| {
        let negations = [
            (" == ", " != "),
            (" in ", " not in "),
            (" contains ", " not contains "),
            (" ~ ", " !~ "),
        ];
        let Comparison {
            path,
            kinds,
            text,
            how,
        } = comparison.clone();
        let rest = &text[path.len().min(text.len())..];
        let found = negations.iter().find(|(plain, _)| rest.starts_with(plain));
        match found.filter(|_| not && text.starts_with(path)) {
            Some((plain, negated)) => Comparison {
                text: format!("{path}{}", rest.replacen(plain, negated, 1)),
                how: How::Not(Box::new(how)),
                path,
                kinds,
            },
            None => comparison,
        }
    })
}

fn numbers_near() -> impl Strategy<Value = Value> {
    prop_oneof![
        (-2_i64..3).prop_map(|n| json!(n)),
        select(&[0.5, -0.5, 1.0, 2.0, 500.0][..]).prop_map(|n| json!(n)),
        (499_u64..502).prop_map(|n| json!(n)),
    ]
}

fn expression() -> impl Strategy<Value = Expression> {
    comparison()
        .prop_map(Expression::Leaf)
        .prop_recursive(4, 12, 3, |inner| {
            prop_oneof![
                inner
                    .clone()
                    .prop_map(|inner| Expression::Not(Box::new(inner))),
                prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::And),
                prop::collection::vec(inner, 2..4).prop_map(Expression::Or),
            ]
        })
}

/// A line with the fields that comparisons name, some of them absent, in any order, and others of
/// the same names in other places.
fn line() -> impl Strategy<Value = Value> {
    let text = || select(WORDS).prop_map(|word| json!(word));
    let headers = || {
        let name = select(&["x-id", "x-i", "host"][..]);
        let pair = (name, text()).prop_map(|(name, value)| json!([name, value]));
        prop::collection::vec(pair, 0..3).prop_map(Value::Array)
    };
    let part = prop::option::of(text()).prop_map(|part| match part {
        Some(part) => json!({ "x": { "part": 1 }, "part": part }),
        None => json!({}),
    });
    let fields = (
        select(&["exchange", "finding", "notice"][..]),
        [text(), text(), text(), text()],
        [headers(), headers()],
        prop::collection::vec(part, 0..3),
        [
            numbers_near(),
            numbers_near(),
            numbers_near(),
            numbers_near(),
        ],
        0..4_u64,
        any::<[bool; 8]>(),
        any::<prop::sample::Index>(),
    );
    fields.prop_map(|(kind, [path, host, label, name], [asked, answered], parts, [status, ns, count, window], second, there, turn)| {
        let mut fields = vec![
            ("url", json!({ "domain": path, "path": path })),
            ("host", json!({ "path": "no", "name": host })),
            ("http", json!({ "request": { "headers": asked }, "response": { "status_code": status, "headers": answered } })),
            ("kubernetes", json!({ "labels": { "b": "a", "a": label } })),
            ("evidence", json!(parts)),
            ("duration_ns", ns),
            ("count", count),
            ("detail", json!({ "window_ns": window })),
        ];
        let mut at = 0;
        fields.retain(|_| {
            at += 1;
            there[at - 1]
        });
        fields.push(("name", name));
        fields.push(("schema", json!(1)));
        fields.push(("time", json!(format!("2026-11-21T06:00:0{second}.000000000Z"))));
        let turn = turn.index(fields.len());
        fields.rotate_left(turn);
        let mut map = Map::new();
        map.insert("kind".into(), kind.into());
        map.extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
        Value::Object(map)
    })
}

/// As serde's maps may be sorted, the line is written in the order of ours.
fn bytes(line: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write_line(line, &mut out).unwrap();
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_filter_says_what_an_evaluator_of_trees_says(expression in expression(), lines in prop::collection::vec(line(), 1..6)) {
        let text = written(&expression);
        let filter = Filter::parse(&text).map_err(|error| TestCaseError::fail(error.to_string()))?;
        for line in lines {
            let bytes = bytes(&line);
            prop_assert_eq!(
                filter.matches(&bytes),
                judge(&expression, &line) == Some(true),
                "{} of {}", text, String::from_utf8_lossy(&bytes)
            );
        }
    }

    #[test]
    fn any_text_is_a_filter_or_has_a_place_where_it_is_wrong(text in "[ a-z.\"'()<>=!~\\[\\],0-9é]{0,40}", line in line()) {
        match Filter::parse(&text) {
            Ok(filter) => prop_assert_eq!(filter.matches(&bytes(&line)), filter.clone().matches(&bytes(&line))),
            Err(error) => prop_assert!(error.column() <= text.chars().count() + 1),
        }
    }
}
