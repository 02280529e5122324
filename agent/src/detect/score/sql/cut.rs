//! Values that begin or end in the middle of an expression: what the query's own text completes, and
//! no sentence and no number does.

use super::super::text::{among, is_space, slice, trim};
use super::bare::{Bare, Sum};
use super::lex::{Kind, Token, lex};
use super::walk::{End, walk};
use super::words::Word;

/// Functions that tell of a database or build strings for it, of which a value may be the beginning.
/// In order.
const CUT_CALLS: &[&str] = &[
    "cast",
    "char",
    "chr",
    "current_database",
    "current_user",
    "database",
    "db_name",
    "group_concat",
    "load_file",
    "pg_sleep",
    "session_user",
    "system_user",
    "user_name",
    "xmlelement",
];

/// Most bytes of a value that holds quotes and marks alone.
const MARKS_MAX: usize = 8;

impl Bare<'_> {
    /// Beginnings and ends of expressions, as whole values.
    pub(super) fn cut(&self, sum: &mut Sum) {
        let last = self.tokens.len().saturating_sub(1);
        let kinds = [0, 1, 2, 3, 4].map(|at| self.kind(at));
        let rule = match self.operator_first(kinds).or(self.clause_first(kinds)) {
            Some(rule) => rule,
            None if self.ends_in_statement(last) => "statement",
            None if self.ends_in_tautology(last) => "tautology_listed",
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
            // `) when 234 then`, `case when a then b`.
            [
                Some(Kind::Right),
                Some(Kind::Key(Word::Case)),
                Some(Kind::Number | Kind::Text),
                Some(Kind::Key(Word::Case)),
                _,
            ]
            | [
                Some(Kind::Key(Word::Case)),
                Some(Kind::Key(Word::Case)),
                Some(Kind::Number | Kind::Text | Kind::Name),
                Some(Kind::Key(Word::Case)),
                _,
            ] if self.text(1) == b"when" && self.text(3) == b"then" => "case_expression",
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
            // `@version/*`.
            [Some(Kind::Variable), Some(Kind::Comment), None, ..] if self.is_tight(0, 1) => {
                "variable_cut"
            }
            // `database(`.
            [
                Some(Kind::Call | Kind::Key(Word::Literal)),
                Some(Kind::Left),
                None,
                ..,
            ] if among(CUT_CALLS, self.text(0)) => "call_cut",
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
    // `^'`: an operator, and the end of the string.
    if let [b'^' | b')' | b'*' | b'%' | b',' | b'|' | b'&', b'\''] = value {
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
