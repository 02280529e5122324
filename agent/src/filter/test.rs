//! What is asked of one value of a line.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::{Bound, RangeBounds as _};

use memchr::memmem::Finder;
use regex::bytes::Regex;

use super::scan::Value;
use crate::event::parse_stamp;
use crate::units::Network;

/// A question to one value.
#[derive(Clone, Debug)]
pub(super) enum Test {
    /// Is there anything?
    Exists,
    /// Is it one of these texts? Sorted.
    Texts(Vec<Box<[u8]>>),
    /// Is this within it?
    Contains(Box<Finder<'static>>),
    /// Does the expression match somewhere in it?
    Expression(Regex),
    /// Is it in one of these ranges?
    Numbers(Reading, Vec<Range>),
    /// Is it an address of one of these networks?
    Networks(Vec<Network>),
    /// Is it true or false?
    Bool(bool),
    /// Is one of these answered with yes?
    Either(Vec<Test>),
}

/// How a value is read as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// It is one.
    Number,
    /// As nanoseconds from 1970 to the date that it is.
    Date,
    /// As its place among these words.
    Place(&'static [&'static str]),
}

/// From where to where.
pub(super) type Range = (Bound<Number>, Bound<Number>);

/// A number as JSON has it: whole ones are compared exactly.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Whole(i128),
    Float(f64),
}

impl Number {
    /// Reads a number of JSON.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let (negative, digits) = match text {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        // No more digits than surely fit.
        if digits.len() <= 36 && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) {
            let number = digits
                .iter()
                .fold(0, |sum, digit| sum * 10 + i128::from(digit - b'0'));
            return Some(Self::Whole(if negative { -number } else { number }));
        }
        let number: f64 = str::from_utf8(text).ok()?.parse().ok()?;
        (number.is_finite() && digits.first()?.is_ascii_digit()).then_some(Self::Float(number))
    }

    fn float(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Float(number) => number,
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => Some(a.cmp(b)),
            _ => self.float().partial_cmp(&other.float()),
        }
    }
}

impl Test {
    /// Whether `value` answers with yes.
    pub(super) fn holds(&self, value: Value<'_>) -> bool {
        match self {
            Self::Exists => true,
            Self::Texts(texts) => on_text(value, |text| {
                texts.binary_search_by(|one| (**one).cmp(text)).is_ok()
            }),
            Self::Contains(finder) => on_text(value, |text| finder.find(text).is_some()),
            Self::Expression(expression) => on_text(value, |text| expression.is_match(text)),
            Self::Numbers(reading, ranges) => match reading.of(value) {
                Some(number) => ranges.iter().any(|range| range.contains(&number)),
                None => false,
            },
            Self::Networks(networks) => on_text(value, |text| {
                let address = str::from_utf8(text).ok().and_then(|text| text.parse().ok());
                address.is_some_and(|address| networks.iter().any(|one| one.contains(address)))
            }),
            Self::Bool(wanted) => value == Value::Scalar(if *wanted { b"true" } else { b"false" }),
            Self::Either(tests) => tests.iter().any(|test| test.holds(value)),
        }
    }
}

impl Reading {
    fn of(self, value: Value<'_>) -> Option<Number> {
        match (self, value) {
            (Self::Number, Value::Scalar(text)) => Number::read(text),
            (Self::Date, Value::Text(text)) => Some(Number::Whole(parse_stamp(text)?.0.into())),
            (Self::Place(words), Value::Text(text)) => {
                let place = words.iter().position(|word| word.as_bytes() == text)?;
                Some(Number::Whole(place as i128))
            }
            _ => None,
        }
    }
}

/// Asks `test` of the text that `value` is.
fn on_text(value: Value<'_>, test: impl Fn(&[u8]) -> bool) -> bool {
    match value {
        Value::Text(text) => test(text),
        Value::Escaped(quoted) => {
            let text = serde_json::from_slice::<Cow<'_, str>>(quoted);
            text.is_ok_and(|text| test(text.as_bytes()))
        }
        Value::Scalar(_) | Value::Nested => false,
    }
}
