//! Values as a person writes them → what is asked of a field's values.

use std::borrow::Cow;
use std::ops::Bound;

use memchr::memmem::Finder;
use regex::bytes::RegexBuilder;

use super::error::Problem;
use super::field::{Target, Values};
use super::lex::Literal;
use super::operator::Operator;
use super::test::{Number, Range, Reading, Test};
use super::{EXPRESSION_DEPTH_MAX, EXPRESSION_MAX_BYTES};
use crate::event::parse_stamp;
use crate::units::{Network, Period, Size};

/// One number stands for itself, a class like `5xx` or a day for all from the first to the last.
type Span = (Number, Number);

/// The question that `operator` with `literals` asks of `target`, whose values are `values`.
///
/// # Errors
/// What is wrong, and in which of the literals.
pub(super) fn test(
    target: &Target,
    values: Values,
    operator: Operator,
    literals: &[Literal<'_>],
) -> Result<Test, (Problem, usize)> {
    let of = |at: usize| move |problem| (problem, at);
    let each = literals.iter().enumerate();
    match operator {
        Operator::Matches => match literals.first() {
            Some(literal) => expression(&literal.text).map_err(of(0)),
            None => Ok(Test::Texts(Vec::new())),
        },
        // Of a list, whether one of its values is this one.
        Operator::Contains if !target.list => {
            let text = literals
                .first()
                .map(|literal| lowered(values, &literal.text));
            let finder = Finder::new(text.as_deref().unwrap_or_default().as_bytes());
            Ok(Test::Contains(finder.into_owned().into()))
        }
        Operator::Equal | Operator::In | Operator::Contains => {
            let mut parts = Parts::default();
            for (at, literal) in each {
                parts.add(target, values, literal).map_err(of(at))?;
            }
            Ok(parts.test())
        }
        Operator::Less | Operator::AtMost | Operator::Greater | Operator::AtLeast => {
            let mut ranges = Vec::new();
            let mut reading = Reading::Number;
            for (at, literal) in each {
                let (how, span) = number(target, values, literal).map_err(of(at))?;
                reading = how;
                ranges.push(range(operator, span));
            }
            Ok(Test::Numbers(reading, ranges))
        }
    }
}

fn range(operator: Operator, (first, last): Span) -> Range {
    match operator {
        Operator::Less => (Bound::Unbounded, Bound::Excluded(first)),
        Operator::AtMost => (Bound::Unbounded, Bound::Included(last)),
        Operator::Greater => (Bound::Excluded(last), Bound::Unbounded),
        Operator::AtLeast => (Bound::Included(first), Bound::Unbounded),
        _ => (Bound::Included(first), Bound::Included(last)),
    }
}

/// Literals sorted by what they are.
#[derive(Default)]
struct Parts {
    texts: Vec<Box<[u8]>>,
    ranges: Vec<Range>,
    reading: Option<Reading>,
    networks: Vec<Network>,
    bools: Vec<bool>,
}

impl Parts {
    fn add(
        &mut self,
        target: &Target,
        values: Values,
        literal: &Literal<'_>,
    ) -> Result<(), Problem> {
        let text = &*literal.text;
        let mut add_text = |text: &str| self.texts.push(text.as_bytes().into());
        match values {
            Values::Text | Values::Lower => add_text(&lowered(values, text)),
            Values::Word(words) if words.contains(&text) => add_text(text),
            Values::Word(words) => return Err(no_value(target, text, &words.join(", "))),
            Values::Address => match Network::read(text) {
                Some(network) => match network.single() {
                    // Written canonically, so it need not be read.
                    Some(address) => add_text(&address.to_string()),
                    None => self.networks.push(network),
                },
                None if text.starts_with(['/', '@']) => add_text(text),
                None => {
                    let allowed = "an IP address, with `in` a network like 10.0.0.0/8, or the name \
                                   of a Unix socket, which begins with / or @";
                    return Err(no_value(target, text, allowed));
                }
            },
            Values::Open if !literal.quoted && matches!(text, "true" | "false") => {
                self.bools.push(text == "true");
            }
            Values::Open => match Number::read(text.as_bytes()) {
                Some(number) if !literal.quoted => {
                    self.ranges.push(range(Operator::Equal, (number, number)));
                }
                _ => add_text(text),
            },
            Values::Bool => match text {
                "true" | "false" => self.bools.push(text == "true"),
                _ => return Err(no_value(target, text, "true, false")),
            },
            _ => {
                let (reading, span) = number(target, values, literal)?;
                self.reading = Some(reading);
                self.ranges.push(range(Operator::Equal, span));
            }
        }
        Ok(())
    }

    fn test(mut self) -> Test {
        let mut tests = Vec::new();
        if !self.texts.is_empty() {
            self.texts.sort();
            self.texts.dedup();
            tests.push(Test::Texts(self.texts));
        }
        if !self.ranges.is_empty() {
            let reading = self.reading.unwrap_or(Reading::Number);
            tests.push(Test::Numbers(reading, self.ranges));
        }
        if !self.networks.is_empty() {
            tests.push(Test::Networks(self.networks));
        }
        tests.extend(self.bools.into_iter().map(Test::Bool));
        match tests.len() {
            1 => tests.swap_remove(0),
            _ => Test::Either(tests),
        }
    }
}

/// Reads a literal of a field whose values have an order.
fn number(
    target: &Target,
    values: Values,
    literal: &Literal<'_>,
) -> Result<(Reading, Span), Problem> {
    let text = &*literal.text;
    let plain = Number::read(text.as_bytes());
    let one = |number: Number| (number, number);
    let whole = |number: u128| one(Number::Whole(i128::try_from(number).unwrap_or(i128::MAX)));
    let (span, allowed) = match values {
        Values::Bytes => {
            let size = || text.parse().ok().map(|Size(bytes)| whole(bytes.into()));
            (plain.map(one).or_else(size), Size::ALLOWED)
        }
        Values::Period => {
            let period = || text.parse().ok().map(|Period(time)| whole(time.as_nanos()));
            let allowed = "a number of nanoseconds, or whole numbers with d, h, m, s, ms, us or ns, \
                           as in 250ms or 1h30m";
            (plain.map(one).or_else(period), allowed)
        }
        Values::Time => {
            let allowed =
                "a time (RFC 3339), as in 2026-11-21T06:02:11Z, or a day, as in 2026-11-21";
            (time(text), allowed)
        }
        Values::Status => {
            let allowed = "a code, as in 404, or a class, as in 5xx";
            (class(text).or_else(|| plain.map(one)), allowed)
        }
        Values::Ranked(words) => {
            let place = words.iter().position(|word| *word == text);
            let place = place.map(|place| whole(place as u128));
            let Some(span) = place else {
                return Err(no_value(target, text, &words.join(", ")));
            };
            return Ok((Reading::Place(words), span));
        }
        _ => (plain.map(one), "a number"),
    };
    let reading = match values {
        Values::Time => Reading::Date,
        _ => Reading::Number,
    };
    match span {
        Some(span) => Ok((reading, span)),
        None => Err(no_value(target, text, allowed)),
    }
}

/// The moment, or the day from its first nanosecond to its last.
fn time(text: &str) -> Option<Span> {
    const DAY_NS: u64 = 86_400_000_000_000;
    let number = |ns: u64| Number::Whole(ns.into());
    if let Some(time) = parse_stamp(text.as_bytes()) {
        return Some((number(time.0), number(time.0)));
    }
    let first = parse_stamp(format!("{text}T00:00:00Z").as_bytes())?.0;
    Some((number(first), number(first.saturating_add(DAY_NS - 1))))
}

/// The statuses of a class: `5xx`.
fn class(text: &str) -> Option<Span> {
    match text.as_bytes() {
        [digit @ b'1'..=b'9', b'x' | b'X', b'x' | b'X'] => {
            let first = i128::from(digit - b'0') * 100;
            Some((Number::Whole(first), Number::Whole(first + 99)))
        }
        _ => None,
    }
}

fn lowered(values: Values, text: &str) -> Cow<'_, str> {
    match values {
        Values::Lower => text.to_ascii_lowercase().into(),
        _ => text.into(),
    }
}

fn expression(text: &str) -> Result<Test, Problem> {
    RegexBuilder::new(text)
        .size_limit(EXPRESSION_MAX_BYTES)
        .dfa_size_limit(EXPRESSION_MAX_BYTES)
        .nest_limit(EXPRESSION_DEPTH_MAX)
        .build()
        .map(Test::Expression)
        .map_err(|error| Problem::Expression {
            reason: reason(&error),
        })
}

/// The last line of what the crate says: those before show the expression, as we do.
fn reason(error: &regex::Error) -> String {
    let text = match error {
        regex::Error::CompiledTooBig(_) => "it would take too much memory".to_owned(),
        other => other.to_string(),
    };
    let last = text.lines().last().unwrap_or_default();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

fn no_value(target: &Target, value: &str, allowed: &str) -> Problem {
    Problem::Value {
        value: value.to_owned(),
        path: target.name(),
        allowed: allowed.to_owned(),
    }
}
