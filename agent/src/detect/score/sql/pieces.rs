//! Values that are a piece of a statement as a whole: what no sentence is, and no number.

use super::super::text::{among, at, skip_space, slice};
use super::bare::{Bare, Sum};
use super::lex::{Folded, Kind, Token};
use super::words::{CALLS, Word};

impl Bare<'_> {
    /// UNION behind a number or another UNION, with a comment for the space between.
    pub(super) fn union_behind_comment(&self, folded: Folded, sum: &mut Sum) {
        let union = |at| self.kind(at) == Some(Kind::Key(Word::Union));
        let last = self.tokens.len().saturating_sub(1);
        let negative = self.kind(0) == Some(Kind::Sum) && self.kind(1) == Some(Kind::Number);
        if negative && last == 2 && union(2) {
            return self.tell(5, "union_behind_number", 0, 2, sum);
        }
        let numbers = self.tokens.iter().take(4);
        let begins = numbers
            .take_while(|token| matches!(token.kind, Kind::Sum | Kind::Number))
            .any(|token| token.kind == Kind::Number);
        if folded.comment && begins && self.pairs() == 0 && (1..=last).any(union) {
            self.tell(5, "union_behind_comment", 0, last, sum);
        }
    }

    /// Pieces that only the middle of a statement is.
    pub(super) fn fragments(&self, folded: Folded, sum: &mut Sum) {
        let kinds = [0, 1, 2, 3].map(|at| self.kind(at));
        let whole = self.tokens.len();
        match kinds {
            // What ends a subquery: `) as t from`.
            [
                Some(Kind::Right),
                Some(Kind::Key(Word::As)),
                Some(Kind::Name | Kind::Text | Kind::Call),
                Some(Kind::Key(Word::From)),
            ]
            | [
                Some(Kind::Number),
                Some(Kind::Key(Word::As)),
                Some(Kind::Text),
                Some(Kind::Key(Word::From)),
            ] => self.tell(5, "alias_and_table", 0, 3, sum),
            // `values ('a', …`.
            [
                Some(Kind::Key(Word::Noun)),
                Some(Kind::Left),
                Some(Kind::Text),
                Some(Kind::Comma),
            ] => self.tell(5, "list_of_values", 0, 3, sum),
            // `1 or true`, `1 or 1`: true whatever stands before.
            [
                Some(Kind::Number),
                Some(Kind::Key(Word::Or)),
                Some(Kind::Key(Word::Literal)),
                None | Some(Kind::Comment),
            ] => self.tell(5, "condition", 0, 2, sum),
            [
                Some(Kind::Number),
                Some(Kind::Key(Word::Or)),
                Some(Kind::Number),
                None | Some(Kind::Comment),
            ] if self.text(0) == self.text(2) => self.tell(5, "condition", 0, 2, sum),
            // `drop/**/t`, `drop t;--`.
            [
                Some(Kind::Key(Word::Change)),
                Some(Kind::Name),
                rest,
                behind,
            ] if self.text(0) == b"drop"
                && (whole == 2 && folded.comment
                    || rest == Some(Kind::Semicolon) && behind == Some(Kind::Comment)) =>
            {
                self.tell(5, "statement", 0, 1, sum);
            }
            _ => {}
        }
    }

    /// A sum or call of literals alone, and a comment behind it: `1*1--`, `( cos ( 'b' ) ) --`.
    pub(super) fn sum_with_comment(&self, sum: &mut Sum) {
        let Some((last, rest)) = self.tokens.split_last() else {
            return;
        };
        // Behind the dashes between two dates or numbers the second follows.
        let range = || at(self.low, skip_space(self.low, last.start + 2)).is_ascii_digit();
        let dashes = last.kind == Kind::Comment
            && slice(self.low, last.start, last.start + 2) != b"/*"
            && !range();
        let literal = |token: &Token| {
            matches!(
                token.kind,
                Kind::Number
                    | Kind::Text
                    | Kind::Variable
                    | Kind::Left
                    | Kind::Right
                    | Kind::Sum
                    | Kind::Compare
                    | Kind::Comma
                    | Kind::Key(
                        Word::Before
                            | Word::Or
                            | Word::And
                            | Word::Logic
                            | Word::Literal
                            | Word::Compare
                            | Word::Div
                    )
            ) || token.kind == Kind::Call && among(CALLS, slice(self.low, token.start, token.end))
        };
        // A list of numbers with dashes behind is none.
        let calculates = rest
            .iter()
            .any(|token| !matches!(token.kind, Kind::Number | Kind::Comma));
        let operand = rest.iter().any(|token| {
            matches!(
                token.kind,
                Kind::Number | Kind::Text | Kind::Variable | Kind::Call
            )
        });
        if dashes && operand && calculates && rest.len() > 1 && rest.iter().all(literal) {
            self.tell(5, "sum_with_comment", 0, self.tokens.len(), sum);
        }
    }

    /// A value that is a comparison of two numbers: true or false, and nothing else.
    pub(super) fn comparison_alone(&self, sum: &mut Sum) {
        let numbers = |at| matches!(self.kind(at), Some(Kind::Number | Kind::Text));
        let (end, compare) = match self.kind(2) {
            Some(Kind::Key(Word::Before)) => (3, 1),
            Some(Kind::Key(Word::Compare)) => (3, 2),
            _ => (2, 1),
        };
        let equal = matches!(self.kind(compare), Some(Kind::Key(Word::Compare)))
            || matches!(self.text(compare), b"=" | b"!=" | b"<>" | b"<=>" | b"==");
        if self.tokens.len() == end + 1
            && numbers(0)
            && numbers(end)
            && equal
            && self.kind(0) == self.kind(end)
        {
            self.tell(5, "comparison_alone", 0, end, sum);
        }
    }

    /// Whether WHEN stands here behind CASE or what the query's CASE had, then one operand or condition,
    /// then THEN and an operand: `case when a then b`, `) when 234 then`.
    pub(super) fn is_case(&self, here: usize) -> bool {
        let opened = match self.before(here) {
            Some(Kind::Key(Word::Case)) => here
                .checked_sub(1)
                .is_some_and(|at| self.text(at) == b"case"),
            before => before == Some(Kind::Right) && self.kind(here + 1) != Some(Kind::Name),
        };
        let Some(then) = (here + 2..here + 10).find(|at| self.text(*at) == b"then") else {
            return false;
        };
        let names = |at| self.kind(at) == Some(Kind::Name) && self.kind(at + 1) == Some(Kind::Name);
        opened
            && self.text(here) == b"when"
            && !(here..then + 2).any(names)
            && (here + 1..then).all(|at| !matches!(self.kind(at), Some(Kind::Other | Kind::Comma)))
    }

    /// Whether a name stands here beside another name or a string: no more than one does, an alias.
    pub(super) fn is_pair(&self, here: usize) -> bool {
        matches!(
            (self.kind(here), self.kind(here + 1)),
            (Some(Kind::Name), Some(Kind::Name | Kind::Text))
                | (Some(Kind::Text), Some(Kind::Name))
        )
    }
}
