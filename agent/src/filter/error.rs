//! What is wrong with a filter, with a caret under it.

use std::fmt;
use std::ops::Range;

use unicode_width::UnicodeWidthChar as _;

/// Most characters of a filter that are shown before and behind what is wrong.
const SHOWN_CHARS: usize = 60;

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Problem {
    #[error("the filter is empty: write a comparison, as in `status >= 500`")]
    Empty,
    #[error("a filter has at most {max} bytes")]
    TooLong { max: usize },
    #[error("parentheses and `not` nest at most {max} deep")]
    TooDeep { max: usize },
    #[error("a filter has at most {max} comparisons")]
    TooMany { max: usize },
    #[error("a filter has at most {max} regular expressions")]
    TooManyExpressions { max: usize },
    #[error("expected {expected}")]
    Expected { expected: String },
    #[error("the text has no closing quote")]
    Unclosed,
    #[error("unknown field `{path}`{meant}")]
    UnknownField { path: String, meant: String },
    #[error("`{path}` has fields of its own, of which one must be named: {fields}")]
    Mapping { path: String, fields: String },
    #[error("`{operator}` does not go with `{path}`, which is {what}; allowed: {allowed}")]
    Operator {
        operator: String,
        path: String,
        what: &'static str,
        allowed: &'static str,
    },
    #[error("`{value}` is no value of `{path}`; allowed: {allowed}")]
    Value {
        value: String,
        path: String,
        allowed: String,
    },
    #[error(
        "a field is compared with a value, and `{name}` names a field; for the text write \"{name}\""
    )]
    FieldAsValue { name: String },
    #[error("a list goes with `in`, as in `{path} in [a, b]`")]
    List { path: String },
    #[error("no regular expression: {reason}")]
    Expression { reason: String },
}

/// A text that is no filter: what is wrong, and where.
///
/// Shown in three lines: the problem, the filter, and a caret under the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    problem: Box<Problem>,
    /// Characters before it, from 1.
    column: usize,
    excerpt: String,
    /// Columns before the first caret, and carets.
    carets: (usize, usize),
}

impl FilterError {
    /// `problem` with the bytes `place` of `text`.
    pub(super) fn new(problem: Problem, text: &str, place: Range<usize>) -> Self {
        let before = text.get(..place.start).unwrap_or(text);
        let inside = text.get(place.clone()).unwrap_or_default();
        let behind = text.get(place.end..).unwrap_or_default();
        let skipped = before.chars().count().saturating_sub(SHOWN_CHARS);
        let mut excerpt = String::new();
        let mut carets = (0, 0);
        if skipped > 0 {
            push("…", &mut excerpt, &mut carets.0);
        }
        let shown: String = before.chars().skip(skipped).collect();
        push(&shown, &mut excerpt, &mut carets.0);
        let shown: String = inside.chars().take(SHOWN_CHARS).collect();
        push(&shown, &mut excerpt, &mut carets.1);
        let cut = shown.len() < inside.len();
        let behind = if cut { "" } else { behind };
        let shown: String = behind.chars().take(SHOWN_CHARS).collect();
        push(&shown, &mut excerpt, &mut 0);
        if cut || shown.len() < behind.len() {
            excerpt.push('…');
        }
        Self {
            problem: problem.into(),
            column: before.chars().count() + 1,
            excerpt,
            carets: (carets.0, carets.1.max(1)),
        }
    }

    /// What is wrong.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// At which character of the filter, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.column
    }
}

/// Appends `text`, in one line and without what would move a terminal's cursor, and adds its
/// columns to `columns`.
fn push(text: &str, out: &mut String, columns: &mut usize) {
    for c in text.chars() {
        let (c, width) = match c.width() {
            Some(width) => (c, width),
            None => (' ', 1),
        };
        out.push(c);
        *columns += width;
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, carets) = self.carets;
        let Self {
            problem, excerpt, ..
        } = self;
        write!(f, "{problem}\n  {}\n  ", excerpt.trim_end())?;
        write!(f, "{:before$}{:^<carets$}", "", "")
    }
}

impl std::error::Error for FilterError {}
