//! Values that begin or end in the middle of an expression: what the query's own text completes, and
//! no sentence and no number does.

use super::super::text::{among, is_space, slice, trim};
use super::bare::{Bare, Sum};
use super::lex::{Kind, Token, lex};
use super::walk::{End, walk};
use super::words::{CALLS, LOUD_CALLS, Word};

/// Most bytes of a value that holds quotes and marks alone.
const MARKS_MAX: usize = 8;

impl Bare<'_> {
    /// Beginnings and ends of expressions, as whole values.
    pub(super) fn cut(&self, sum: &mut Sum) {
        let last = self.tokens.len().saturating_sub(1);
        let kinds = [0, 1, 2, 3, 4].map(|at| self.kind(at));
        let rule = match self
            .operator_first(kinds)
            .or_else(|| self.number_first(kinds))
            .or_else(|| self.clause_first(kinds))
        {
            Some(rule) => rule,
            None if self.ends_in_statement(last) => "statement",
            None if self.ends_in_tautology(last) => "tautology_listed",
            None if self.ends_in_open_condition() => "condition_cut",
            None if self.closes_condition() => "condition_closed",
            None => return,
        };
        self.tell(5, rule, 0, last.min(5), sum);
    }

    /// What begins or ends with an operator.
    fn operator_first(&self, kinds: [Option<Kind>; 5]) -> Option<&'static str> {
        Some(match kinds {
            // `) or (`, `)like(`: closes what it did not open.
            [
                Some(Kind::Right),
                Some(Kind::Key(Word::Or | Word::And | Word::Logic | Word::Compare)),
                Some(Kind::Left),
                ..,
            ] => "closed_and_opened",
            // `xor 2 <`: the query has the right side.
            [
                Some(Kind::Key(Word::Or | Word::And | Word::Logic)),
                Some(Kind::Number | Kind::Text),
                Some(Kind::Compare),
                None,
                _,
            ] => "condition_cut",
            // ` or true`, ` or x=y -- `: goes on with what stands before.
            [
                Some(Kind::Key(Word::Or | Word::And)),
                Some(Kind::Number | Kind::Key(Word::Literal)),
                None | Some(Kind::Comment),
                ..,
            ]
            | [
                Some(Kind::Key(Word::Or | Word::And)),
                Some(Kind::Name),
                Some(Kind::Compare),
                Some(Kind::Name),
                Some(Kind::Comment),
            ] if self.goes_on() => "condition",
            // `like '%'`, `like null`.
            [
                Some(Kind::Key(Word::Compare)),
                Some(Kind::Text | Kind::Key(Word::Literal)),
                None,
                ..,
            ] if self.is_like(0) => "comparison_cut",
            // `name like '`.
            [
                Some(Kind::Name),
                Some(Kind::Key(Word::Compare)),
                Some(Kind::Open),
                None,
                _,
            ] if self.is_like(1) && trim(self.text(2)).len() <= 2 => "comparison_cut",
            _ => return None,
        })
    }

    /// A number in quotes behind an operator, which goes on behind what the query has.
    fn number_first(&self, kinds: [Option<Kind>; 5]) -> Option<&'static str> {
        if !self.is_number_in_quotes(1) {
            return None;
        }
        Some(match kinds {
            // `and '5'`: goes on behind a number.
            [
                Some(Kind::Key(Word::Or | Word::And | Word::Logic)),
                Some(Kind::Text),
                None
                | Some(
                    Kind::Comment
                    | Kind::Right
                    | Kind::Compare
                    | Kind::Sum
                    | Kind::Double
                    | Kind::Semicolon
                    | Kind::Open
                    | Kind::Key(
                        Word::Or
                        | Word::And
                        | Word::Logic
                        | Word::Union
                        | Word::Having
                        | Word::Limit
                        | Word::Sort,
                    ),
                ),
                ..,
            ] => "quoted_number",
            // `and '5' like '5'`, `or '5' in (`.
            [
                Some(Kind::Key(Word::Or | Word::And | Word::Logic)),
                Some(Kind::Text),
                Some(Kind::Key(Word::Compare | Word::Div)),
                Some(
                    Kind::Number
                    | Kind::Text
                    | Kind::Open
                    | Kind::Left
                    | Kind::Key(Word::Literal | Word::Before | Word::Compare),
                ),
                _,
            ] if (self.text(2) != b"in" || self.kind(3) == Some(Kind::Left)) => "quoted_number",
            _ => return None,
        })
    }

    /// Clauses and calls without what belongs before or behind them.
    fn clause_first(&self, kinds: [Option<Kind>; 5]) -> Option<&'static str> {
        Some(match kinds {
            // `except values (1, 2)`.
            [
                Some(Kind::Key(Word::Union)),
                Some(Kind::Key(Word::Noun)),
                Some(Kind::Left),
                Some(Kind::Number | Kind::Text),
                _,
            ] if self.text(1) == b"values" => "set_of_values",
            // ` order by 14`.
            [
                Some(Kind::Key(Word::Sort)),
                Some(Kind::Key(Word::By)),
                Some(Kind::Number),
                None,
                _,
            ] if self.goes_on() => "sort_by_number",
            // `select @@version`.
            [
                Some(Kind::Key(Word::Select)),
                Some(Kind::Variable),
                None | Some(Kind::Semicolon | Kind::Comment),
                ..,
            ] if self.text(1).starts_with(b"@@") => "select_list",
            // "from `a`.`b` limit".
            [
                Some(Kind::Key(Word::From)),
                Some(Kind::Name),
                Some(Kind::Dot),
                Some(Kind::Name),
                _,
            ] if self.text(1).starts_with(b"`") && self.text(3).starts_with(b"`") => "table_named",
            // `from t group by a`.
            [
                Some(Kind::Key(Word::From)),
                Some(Kind::Name),
                Some(Kind::Key(Word::Sort)),
                Some(Kind::Key(Word::By)),
                Some(Kind::Name),
            ] if self.tokens.len() <= 7 && self.text(2) == b"group" => "table_named",
            [
                Some(Kind::Key(Word::Select)),
                Some(Kind::Left),
                Some(Kind::Key(Word::Case)),
                ..,
            ] => "select_list",
            // `database(`.
            [
                Some(Kind::Call | Kind::Key(Word::Literal)),
                Some(Kind::Left),
                None,
                ..,
            ] if among(CALLS, self.text(0)) || among(LOUD_CALLS, self.text(0)) => "call_cut",
            _ => return None,
        })
    }

    /// Whether the value begins with a space, as what is put behind another does.
    fn goes_on(&self) -> bool {
        self.low.first().is_some_and(|byte| is_space(*byte))
    }

    fn is_like(&self, here: usize) -> bool {
        matches!(
            self.text(here),
            b"like" | b"ilike" | b"rlike" | b"regexp" | b"glob"
        )
    }

    fn is_number_in_quotes(&self, here: usize) -> bool {
        let text = self.text(here);
        let inside = slice(text, 1, text.len().saturating_sub(1));
        !inside.is_empty() && inside.iter().all(u8::is_ascii_digit)
    }

    fn is_logic(&self, here: usize) -> bool {
        matches!(
            self.kind(here),
            Some(Kind::Key(Word::Or | Word::And | Word::Logic))
        )
    }

    /// `and 7639=(`, `or 1 > (select`: the query has the rest of what is compared.
    fn ends_in_open_condition(&self) -> bool {
        let opens = |token: &Token| {
            matches!(
                token.kind,
                Kind::Left | Kind::Sum | Kind::Key(Word::Select | Word::Before | Word::All)
            )
        };
        let behind = self.tokens.iter().rev().take_while(|token| opens(token));
        let left = |token: &Token| token.kind == Kind::Left;
        if !behind.clone().any(left) {
            return false;
        }
        let Some(compare) = self.tokens.len().checked_sub(behind.count() + 1) else {
            return false;
        };
        compare >= 2
            && self.kind(compare) == Some(Kind::Compare)
            && matches!(self.kind(compare - 1), Some(Kind::Number | Kind::Text))
            && self.is_logic(compare - 2)
    }

    /// `and deleted = 0)`, `a=or x < 5))`: closes what the query opened.
    fn closes_condition(&self) -> bool {
        let named = self.kind(0) == Some(Kind::Name) && self.text(1) == b"=";
        let first = if named { 2 } else { 0 };
        let rest = self.tokens.get(first + 4..).unwrap_or_default();
        self.is_logic(first)
            && matches!(
                self.kind(first + 1),
                Some(Kind::Name | Kind::Number | Kind::Text)
            )
            && self.kind(first + 2) == Some(Kind::Compare)
            && matches!(
                self.kind(first + 3),
                Some(Kind::Number | Kind::Text | Kind::Key(Word::Literal))
            )
            && rest.first().is_some_and(|token| token.kind == Kind::Right)
            && rest
                .iter()
                .all(|token| matches!(token.kind, Kind::Right | Kind::Comment))
    }

    /// `; insert into`, and no more.
    fn ends_in_statement(&self, last: usize) -> bool {
        last >= 2
            && self.kind(last - 2) == Some(Kind::Semicolon)
            && (self.text(last - 1), self.text(last)) == (b"insert", b"into")
    }

    /// `b, 1=1`: an item of a list that is true whatever is read.
    fn ends_in_tautology(&self, last: usize) -> bool {
        let compared = self
            .tokens
            .iter()
            .filter(|token| token.kind == Kind::Compare);
        last >= 3
            && self.kind(last - 3) == Some(Kind::Comma)
            && matches!(self.kind(last), Some(Kind::Number | Kind::Text))
            && self.text(last - 1) == b"="
            && self.text(last) == self.text(last - 2)
            && compared.count() == 1
    }
}

/// A value of quotes and the marks that end a statement alone: `'"`, `';`, `')--`.
pub(super) fn marks_alone(low: &[u8]) -> bool {
    let value = trim(low);
    // `^'`, `*)'`: operators, and the end of the string.
    let operator = |byte: &u8| b"^)*%,|&+-/=".contains(byte);
    if let [before @ .., b'\''] = value
        && (1..=2).contains(&before.len())
        && before.iter().all(operator)
    {
        return true;
    }
    let Some((first @ (b'\'' | b'"'), rest)) = value.split_first() else {
        return false;
    };
    let other = if *first == b'\'' { b'"' } else { b'\'' };
    let ends = |byte: &u8| *byte == other || matches!(byte, b';' | b'#' | b'-');
    value.len() <= MARKS_MAX
        && rest.iter().any(ends)
        && rest
            .iter()
            .all(|byte| *byte == *first || *byte == b')' || ends(byte))
}

/// A value that begins with the end of a string, and behind it a word that goes on with the query.
pub(super) fn goes_on(low: &[u8], place: usize, tokens: &[Token]) -> bool {
    let word = tokens.first().map(|token| token.kind);
    let text = tokens
        .first()
        .map_or(&[][..], |token| slice(low, token.start, token.end));
    let known = matches!(
        word,
        Some(Kind::Key(Word::Union | Word::Logic | Word::Having))
    ) || matches!(text, b"alter" | b"truncate");
    let quote = low.get(place).copied().unwrap_or(0);
    known
        && tokens.len() <= 3
        && slice(low, 0, place).iter().all(|byte| is_space(*byte))
        && memchr::memrchr(quote, low) == Some(place)
}

/// Leaves a name in backticks, as MySQL has them: reads behind the first of an odd number.
pub(super) fn behind_backtick(low: &[u8], tokens: &mut Vec<Token>) -> Option<(usize, usize)> {
    let place = memchr::memchr(b'`', low)?;
    if memchr::memchr_iter(b'`', low).count().is_multiple_of(2) {
        return None;
    }
    lex(low, place + 1, 24, true, tokens);
    let told = walk(low, tokens);
    let before = slice(low, 0, place);
    let tight = !before.is_empty() && !before.iter().any(|byte| is_space(*byte));
    let kind = |at: usize| tokens.get(at).map(|token| token.kind);
    let named = (kind(0), kind(1), kind(2))
        == (
            Some(Kind::Key(Word::As)),
            Some(Kind::Name),
            Some(Kind::Key(Word::From)),
        );
    let cut = told.cut && tight && tokens.len() == 1;
    let ended = told.end == End::Comment && told.logic + told.clause > 0 && told.hard;
    (named || cut || ended || told.judged && told.hard).then_some((place, told.until.max(place)))
}
