//! Filter text → predicate over one event: the one filter language of every command and sink.
//!
//! In: the text a person wrote. Out: a [`Filter`] that says of one JSON line, as
//! [`write_line`](crate::event::write_line) writes it, whether it matches; or a [`FilterError`] with
//! a caret under what is wrong. `docs/filter.md` is the language's manual.
//!
//! ```text
//! any        = all *( "or" all )
//! all        = unary *( "and" unary )
//! unary      = "not" unary / "(" any ")" / "exists" path / path [ comparison ]
//! comparison = ( "==" / "!=" / "<" / "<=" / ">" / ">=" / "~" / "!~" / [ "not" ] "contains" ) value
//!            / [ "not" ] "in" ( value / "[" value *( "," value ) "]" )
//! path       = name *( "." name / "[" quoted "]" )
//! value      = quoted / bare
//! ```
//!
//! Every field is known with its type, so a misspelt name or a value of the wrong kind is an error
//! and not a filter that never matches. A line is read once, forward, without a tree: only what
//! the filter names is looked at, the rest is skipped, and most lines that cannot match are turned
//! away by a search for bytes they would have to contain. Text is bounded in bytes, depth and
//! comparisons; expressions run in linear time and have a bounded size.
//!
//! A record is held against a filter in three-valued logic: a comparison with a field that records
//! of its `kind` never have is neither true nor false, negated or not, and what is not true does
//! not match. A field that could be there and is not makes a comparison false, and its negation true.

mod error;
mod field;
mod index;
mod lex;
mod literal;
mod operator;
mod parse;
mod plan;
mod reject;
mod scan;
mod select;
mod test;
mod walk;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub use error::{FilterError, Problem};
pub use index::{Clause, IndexKey};
pub use select::{Cell, Fields, Row};

use field::Kinds;
use plan::Plan;
use scan::Cursor;

/// Most bytes of a filter's text.
pub const TEXT_MAX_BYTES: usize = 8 << 10;

/// Most that parentheses and `not` nest.
const DEPTH_MAX: usize = 32;

/// Most comparisons: each is a bit of what a line is judged by.
const COMPARISONS_MAX: usize = 128;

/// Most regular expressions.
const EXPRESSIONS_MAX: usize = 16;

/// Most bytes of one compiled expression, and of what it remembers while it runs.
const EXPRESSION_MAX_BYTES: usize = 1 << 20;

/// Deepest nesting in a regular expression.
const EXPRESSION_DEPTH_MAX: u32 = 64;

/// A predicate over events. Cheap to clone.
#[derive(Clone)]
pub struct Filter {
    text: Arc<str>,
    plan: Arc<Plan>,
}

impl Filter {
    /// Reads `text`.
    ///
    /// # Errors
    /// [`FilterError`] says what is wrong, where, and what is allowed there.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let parsed = parse::parse(text)?;
        Ok(Self {
            text: text.into(),
            plan: Arc::new(Plan::new(parsed)),
        })
    }

    /// Whether `line`, one event as [`write_line`](crate::event::write_line) writes it, matches.
    ///
    /// What is not a JSON object does not match; what stands behind the last field that the filter
    /// names is not read. Never allocates, but for a text with escapes that it looks into.
    #[must_use]
    pub fn matches(&self, line: &[u8]) -> bool {
        let plan = &*self.plan;
        if !plan.reject.possible(line, &plan.leaves) {
            return false;
        }
        match plan.hits(&mut Cursor::new(line)) {
            Some(hits) => plan.root.holds(hits, Kinds::of_line(line), &plan.leaves),
            None => false,
        }
    }

    /// What every line that matches has, as an index of frames knows it: in each [`Clause`] at
    /// least one of its values. Empty if nothing can be said.
    #[must_use]
    pub fn clauses(&self) -> &[Clause] {
        &self.plan.clauses
    }

    /// The filter as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        Self::parse(text)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Filter").field(&self.text).finish()
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Filter {}

#[cfg(test)]
mod tests;
