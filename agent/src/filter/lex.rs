//! The words of a filter: names, marks, values, and where each stands.

use std::borrow::Cow;
use std::ops::Range;

use super::error::{FilterError, Problem};
use super::field;

/// A value in the text of a filter.
#[derive(Clone, Debug)]
pub(super) struct Literal<'t> {
    pub(super) text: Cow<'t, str>,
    pub(super) quoted: bool,
    /// Where it stands.
    pub(super) place: Range<usize>,
}

/// Words that are never the name of a field.
pub(super) const KEYWORDS: &[&str] = &["and", "or", "not", "in", "contains", "exists"];

/// A place in the text of a filter. What is taken is taken with the space behind it.
pub(super) struct Lexer<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
}

impl<'t> Lexer<'t> {
    /// At the first word of `text`.
    pub(super) fn new(text: &'t str) -> Self {
        let mut lexer = Self { text, at: 0 };
        lexer.space();
        lexer
    }

    /// What was not taken yet.
    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Takes space.
    pub(super) fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Takes `mark`, and the space behind it, if it stands here.
    pub(super) fn mark(&mut self, mark: &str) -> bool {
        let there = self.rest().starts_with(mark);
        if there {
            self.at += mark.len();
            self.space();
        }
        there
    }

    /// The word that stands here, of the characters that names are made of.
    pub(super) fn word(&self) -> &'t str {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')));
        rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
    }

    /// Takes `keyword`, and the space behind it, if it stands here.
    pub(super) fn keyword(&mut self, keyword: &str) -> bool {
        self.word() == keyword && self.mark(keyword)
    }

    /// `problem` with the bytes `place`.
    pub(super) fn error(&self, problem: Problem, place: Range<usize>) -> FilterError {
        FilterError::new(problem, self.text, place)
    }

    /// An error at what stands here: a word, or a character.
    pub(super) fn expected(&self, expected: &str) -> FilterError {
        let word = self.word().len();
        let one = self.rest().chars().next().map_or(0, char::len_utf8);
        let expected = match (self.rest().get(..2), self.word()) {
            (Some("&&"), _) | (_, "AND") => "`and`",
            (Some("||"), _) | (_, "OR") => "`or`",
            (_, "NOT") => "`not`",
            (Some(mark), _) if mark.starts_with('=') => "`==`",
            (Some(mark), _) if mark.starts_with('!') && expected.contains("field") => "`not`",
            _ => expected,
        };
        let expected = expected.to_owned();
        let place = self.at..self.at + word.max(one);
        self.error(Problem::Expected { expected }, place)
    }

    /// Takes a value.
    pub(super) fn literal(&mut self) -> Result<Literal<'t>, FilterError> {
        if let Some(literal) = self.quoted()? {
            self.space();
            return Ok(literal);
        }
        let rest = self.rest();
        let end = rest
            .find(|c: char| c.is_whitespace() || c.is_control() || "()[],\"'<>!~&|;`".contains(c));
        let text = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        if text.is_empty() || text.starts_with('=') {
            return Err(self.expected("a value"));
        }
        let place = self.at..self.at + text.len();
        if field::is_path(text) {
            let name = text.to_owned();
            return Err(self.error(Problem::FieldAsValue { name }, place));
        }
        if KEYWORDS.contains(&text) {
            return Err(self.expected(&format!("a value; for the text write \"{text}\"")));
        }
        self.at = place.end;
        if let Some(c) = self.rest().chars().next()
            && !(c.is_whitespace() || ")],".contains(c))
        {
            return Err(self.expected(&format!("quotes around a value with `{c}` in it")));
        }
        self.space();
        Ok(Literal {
            text: text.into(),
            quoted: false,
            place,
        })
    }

    /// Takes a text in quotes if one stands here. In `"` a backslash takes away the meaning of a
    /// quote and of itself and stays before all else, as expressions want it; in `'` it is itself.
    pub(super) fn quoted(&mut self) -> Result<Option<Literal<'t>>, FilterError> {
        let rest = self.rest();
        let Some(quote @ ('"' | '\'')) = rest.chars().next() else {
            return Ok(None);
        };
        let mut text = String::new();
        let mut escaped = false;
        for (at, c) in rest.char_indices().skip(1) {
            if escaped {
                if !matches!(c, '"' | '\\') {
                    text.push('\\');
                }
                text.push(c);
                escaped = false;
            } else if c == '\\' && quote == '"' {
                escaped = true;
            } else if c == quote {
                let place = self.at..self.at + at + 1;
                self.at = place.end;
                return Ok(Some(Literal {
                    text: Cow::Owned(text),
                    quoted: true,
                    place,
                }));
            } else {
                text.push(c);
            }
        }
        Err(self.error(Problem::Unclosed, self.at..self.at + 1))
    }
}
