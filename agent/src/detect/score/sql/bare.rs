//! SQL without a quote to break out of: what no sentence, search or filter language writes.

use super::super::text::{among, at, is_space, slice};
use super::super::{Class, Found, Hits, View};
use super::lex::{Folded, Kind, Token};
use super::statement::is_statement;
use super::words::{CALLS, LOUD_CALLS, Word};

/// Names side by side from which on a value is prose: SQL writes that for an alias alone.
const PROSE_PAIRS: usize = 4;

/// Weighs the tokens of a whole value.
pub(super) fn look(
    view: &View<'_>,
    tokens: &[Token],
    folded: Folded,
    hits: Hits,
    found: &mut Found,
) {
    let bare = Bare {
        low: view.low,
        tokens,
    };
    let pairs = bare.pairs();
    let mut sum = Sum {
        score: 0,
        best: 0,
        rule: "sql",
        start: 0,
        end: 0,
    };
    for here in 0..tokens.len() {
        bare.weigh(here, &mut sum);
    }
    bare.calls(&mut sum);
    bare.sum_with_comment(&mut sum);
    bare.comparison_alone(&mut sum);
    bare.union_behind_comment(folded, &mut sum);
    bare.fragments(folded, &mut sum);
    bare.cut(&mut sum);
    if hits.catalogue {
        let known = tokens.iter().any(|token| {
            matches!(
                token.kind,
                Kind::Key(Word::Select | Word::From | Word::Run | Word::Waitfor | Word::Where)
                    | Kind::Call
                    | Kind::Comment
                    | Kind::Compare
            )
        });
        sum.add(
            if known || tokens.len() <= 3 { 5 } else { 3 },
            "catalogue_name",
            hits.at,
            hits.at,
        );
    }
    if folded.executed {
        sum.add(4, "executed_comment", 0, view.low.len().min(64));
    }
    // White space that no keyboard writes stands where a filter looks for a space.
    let odd_space = memchr::memchr3(0, 0x0b, 0x0c, view.low).is_some();
    if sum.score >= 2 && (folded.comment || odd_space) {
        sum.score += 2;
    }
    if sum.score >= 2
        && tokens
            .last()
            .is_some_and(|token| token.kind == Kind::Comment)
    {
        sum.score += 2;
    }
    let shown = view.prose >= 8 && view.is_shown(sum.start);
    let score = if pairs >= PROSE_PAIRS || view.name == b"sql" || shown {
        sum.score.min(6) * 3 / 5
    } else {
        sum.score
    };
    if score > 0 {
        found.add(Class::Sql, sum.rule, score.min(8), sum.start, sum.end);
    }
}

/// Signals added up, the heaviest as evidence.
pub(super) struct Sum {
    score: u8,
    best: u8,
    rule: &'static str,
    start: usize,
    end: usize,
}

impl Sum {
    fn add(&mut self, score: u8, rule: &'static str, start: usize, end: usize) {
        if score > self.best {
            // The heaviest counts whole, each other by half.
            self.score = self.score.saturating_sub(self.best - self.best / 2);
            self.score = self.score.saturating_add(score);
            (self.best, self.rule, self.start, self.end) = (score, rule, start, end);
        } else {
            self.score = self.score.saturating_add(score / 2);
        }
    }
}

/// The items of a SELECT.
struct List {
    /// How much of it only an expression has.
    rich: u8,
    /// Names side by side.
    pairs: u8,
    /// Where FROM stands.
    from: Option<usize>,
    /// Where it ends otherwise.
    end: usize,
}

pub(super) struct Bare<'a> {
    pub(super) low: &'a [u8],
    pub(super) tokens: &'a [Token],
}

impl Bare<'_> {
    pub(super) fn kind(&self, at: usize) -> Option<Kind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    pub(super) fn before(&self, at: usize) -> Option<Kind> {
        at.checked_sub(1).and_then(|at| self.kind(at))
    }

    pub(super) fn text(&self, at: usize) -> &[u8] {
        self.tokens
            .get(at)
            .map_or(&[][..], |token| slice(self.low, token.start, token.end))
    }

    fn span(&self, from: usize, to: usize) -> (usize, usize) {
        let start = self.tokens.get(from).map_or(0, |token| token.start);
        let end = self
            .tokens
            .get(to)
            .or(self.tokens.last())
            .map_or(start, |token| token.end);
        (start, end)
    }

    /// How often two names stand side by side.
    pub(super) fn pairs(&self) -> usize {
        let mut pairs = 0;
        let mut before = None;
        let mut last = None;
        for token in self.tokens {
            let alias = matches!(
                before,
                Some(Kind::Key(Word::From | Word::As) | Kind::Comma | Kind::Right | Kind::Dot)
            );
            pairs += usize::from(token.kind == Kind::Name && last == Some(Kind::Name) && !alias);
            (before, last) = (last, Some(token.kind));
        }
        pairs
    }

    /// Whether a quote stands right before the token at `here`, or spaces and a quote.
    fn is_behind_quote(&self, here: usize) -> bool {
        let start = self.tokens.get(here).map_or(0, |token| token.start);
        let before = slice(self.low, 0, start);
        let last = before.iter().rev().find(|byte| !is_space(**byte));
        last.is_some_and(|byte| matches!(byte, b'\'' | b'"'))
    }

    fn weigh(&self, here: usize, sum: &mut Sum) {
        match self.kind(here) {
            Some(Kind::Key(Word::Union)) => self.union(here, sum),
            Some(Kind::Key(Word::Select)) => self.select(here, sum),
            Some(Kind::Key(Word::Or | Word::And | Word::Logic) | Kind::Double) => {
                self.logic(here, sum);
            }
            Some(Kind::Key(Word::Sort)) if self.kind(here + 1) == Some(Kind::Key(Word::By)) => {
                self.sort(here, sum);
            }
            Some(Kind::Key(Word::Having)) if self.condition(here + 1) >= 4 => {
                self.tell(5, "having_condition", here, here + 3, sum);
            }
            Some(Kind::Key(Word::Case)) if self.is_case(here) => {
                self.tell(5, "case_expression", here, here + 3, sum);
            }
            Some(Kind::Key(Word::Waitfor)) => {
                let quoted = matches!(self.kind(here + 2), Some(Kind::Text | Kind::Open));
                if matches!(self.text(here + 1), b"delay" | b"time") {
                    self.tell(if quoted { 6 } else { 4 }, "waitfor", here, here + 2, sum);
                }
            }
            Some(Kind::Key(Word::Change | Word::Run)) => {
                let runs = self.kind(here) == Some(Kind::Key(Word::Run));
                // SQL Server needs no semicolon in front of what it runs.
                let opens = match self.before(here) {
                    None | Some(Kind::Semicolon | Kind::Right) => true,
                    Some(Kind::Number) => runs,
                    _ => false,
                };
                let rest = self.tokens.get(here..).unwrap_or_default();
                if opens && is_statement(self.low, rest) {
                    self.tell(5, "statement", here, here + 3, sum);
                }
            }
            Some(Kind::Key(Word::Clause)) => {
                let text = (self.text(here), self.text(here + 1));
                if matches!(
                    text,
                    (b"into", b"outfile" | b"dumpfile") | (b"procedure", b"analyse")
                ) {
                    self.tell(5, "into_file", here, here + 1, sum);
                }
            }
            Some(Kind::Number) if self.text(here).ends_with(b".e") => {
                let opens = matches!(
                    self.kind(here + 1),
                    Some(Kind::Left | Kind::Name | Kind::Call | Kind::Right)
                );
                // `1.e.tables` is a table to MySQL; a chapter has a space behind it.
                let table = self.kind(here + 1) == Some(Kind::Dot)
                    && self.kind(here + 2) == Some(Kind::Name)
                    && self.is_tight(here, 2);
                if opens || table {
                    self.tell(5, "number_as_space", here, here + 1, sum);
                }
            }
            _ => {}
        }
    }

    /// Whether no space stands between the token at `here` and the `n` behind it.
    pub(super) fn is_tight(&self, here: usize, n: usize) -> bool {
        let tokens = self.tokens.get(here..=here + n).unwrap_or_default();
        tokens
            .windows(2)
            .all(|two| matches!(two, [one, other] if one.end == other.start))
    }

    pub(super) fn tell(
        &self,
        score: u8,
        rule: &'static str,
        from: usize,
        to: usize,
        sum: &mut Sum,
    ) {
        let (start, end) = self.span(from, to);
        sum.add(score, rule, start, end);
    }

    fn union(&self, here: usize, sum: &mut Sum) {
        let mut next = here + 1;
        while matches!(self.kind(next), Some(Kind::Key(Word::All) | Kind::Left)) {
            next += 1;
        }
        if self.kind(next) != Some(Kind::Key(Word::Select)) {
            return;
        }
        let mut item = next + 1;
        while self.kind(item) == Some(Kind::Key(Word::All)) {
            item += 1;
        }
        let score = match (self.kind(item), self.kind(item + 1)) {
            (Some(Kind::Name), Some(Kind::Name)) => 2,
            (Some(Kind::Name), _) | (None, _) => 5,
            (Some(Kind::Key(word)), _)
                if !matches!(
                    word,
                    Word::Literal | Word::Case | Word::Before | Word::Noun | Word::From
                ) =>
            {
                3
            }
            _ => 6,
        };
        self.tell(score, "union_select", here, item + 2, sum);
    }

    /// SELECT must have an expression list behind it.
    fn select(&self, here: usize, sum: &mut Sum) {
        let list = self.list(here);
        let opened = matches!(
            self.before(here),
            None | Some(
                Kind::Left
                    | Kind::Semicolon
                    | Kind::Number
                    | Kind::Right
                    | Kind::Key(Word::Union | Word::All)
                    | Kind::Sum
                    | Kind::Comma
                    | Kind::Compare
                    | Kind::Double
            )
        );
        let rich = list.rich > 0;
        let score = match list.from {
            _ if list.pairs > 1 => 0,
            Some(at) => self.behind_from(here, at, rich, opened),
            None if list.rich >= 2 && opened => 5,
            // `= (select`, and the value ends.
            None if self.before(here) == Some(Kind::Left)
                && here
                    .checked_sub(2)
                    .is_some_and(|at| self.kind(at) == Some(Kind::Compare)) =>
            {
                5
            }
            None if rich && opened && self.before(here).is_some() => 4,
            None => 0,
        };
        if score > 0 {
            let end = list.from.map_or(list.end, |at| at + 1);
            self.tell(score, "select_list", here, end, sum);
        }
    }

    /// The items between SELECT and FROM.
    fn list(&self, here: usize) -> List {
        let mut list = List {
            rich: 0,
            pairs: 0,
            from: None,
            end: here + 1,
        };
        while list.end < here + 64 {
            let text = self.text(list.end);
            list.pairs += u8::from(self.is_pair(list.end));
            match self.kind(list.end) {
                Some(Kind::Key(Word::From)) => {
                    list.from = Some(list.end);
                    break;
                }
                // Hexadecimal digits are a string in disguise.
                Some(Kind::Number) if text.starts_with(b"0x") => list.rich += 2,
                Some(Kind::Number | Kind::Variable | Kind::Text | Kind::Comma) => list.rich += 1,
                Some(Kind::Name) if among(LOUD_CALLS, text) => list.rich += 2,
                Some(Kind::Key(Word::Run))
                    if text == b"if" && self.kind(list.end + 1) == Some(Kind::Left) =>
                {
                    list.rich += 2;
                }
                Some(Kind::Call) => {
                    list.rich += 1 + u8::from(among(CALLS, text) || among(LOUD_CALLS, text));
                }
                Some(Kind::Sum) if text == b"*" => list.rich += 1,
                Some(
                    Kind::Key(
                        Word::Where | Word::Union | Word::Change | Word::Run | Word::Or | Word::And,
                    )
                    | Kind::Semicolon
                    | Kind::Comment
                    | Kind::Other,
                )
                | None => break,
                _ => {}
            }
            list.end += 1;
        }
        list
    }

    /// Weighs SELECT … FROM by what stands behind `from`.
    fn behind_from(&self, here: usize, from: usize, rich: bool, opened: bool) -> u8 {
        let filtered = (from + 1..from + 8).any(|at| {
            matches!(
                self.kind(at),
                Some(Kind::Key(
                    Word::Where | Word::Limit | Word::Sort | Word::Having | Word::Join
                ))
            ) && self.kind(at + 1).is_some()
        });
        let target = matches!(
            self.kind(from + 1),
            None | Some(
                Kind::Name | Kind::Call | Kind::Left | Kind::Variable | Kind::Key(Word::Noun)
            )
        );
        let behind = (self.kind(from + 2), self.kind(from + 3));
        let prose = matches!(behind, (Some(Kind::Name), Some(Kind::Name)));
        match (rich, opened && target && !prose) {
            (true, true) => 6,
            (true, false) if filtered => 5,
            (true, false) => 3,
            (false, true) if filtered || self.before(here) == Some(Kind::Left) => 5,
            (false, true) => 3,
            (false, false) => 1,
        }
    }

    /// OR must join two comparables.
    fn logic(&self, here: usize, sum: &mut Sum) {
        let weight = self.condition(here + 1);
        let opened = matches!(
            self.before(here),
            None | Some(Kind::Number | Kind::Right | Kind::Text | Kind::Name | Kind::Compare)
        );
        if weight > 0 && opened {
            self.tell(weight, "condition", here, here + 3, sum);
        }
    }

    /// How much a condition from `here` on weighs.
    fn condition(&self, here: usize) -> u8 {
        let mut left = here;
        while matches!(
            self.kind(left),
            Some(Kind::Left | Kind::Sum | Kind::Key(Word::Before))
        ) {
            left += 1;
        }
        // MySQL reads `{name expression}` as the expression.
        if self.text(left) == b"{" {
            left += 2;
        }
        let call = matches!(self.kind(left), Some(Kind::Call));
        if call && among(CALLS, self.text(left)) {
            // `user_name() = 'dbo'`: what it says is compared.
            let compared = self.kind(left + 2) == Some(Kind::Right)
                && self.kind(left + 3) == Some(Kind::Compare)
                && self.kind(left + 4).is_some();
            return if compared { 5 } else { 4 };
        }
        let mut operator = self.behind_sum(left);
        // `'…'::jsonb`.
        if self.text(operator) == b"::" {
            operator += 2;
        }
        while matches!(
            self.kind(operator),
            Some(Kind::Right | Kind::Key(Word::Before))
        ) {
            operator += 1;
        }
        let equal = matches!(self.kind(operator), Some(Kind::Compare));
        if !equal && !matches!(self.kind(operator), Some(Kind::Key(Word::Compare))) {
            return 0;
        }
        let mut right = operator + 1;
        while matches!(
            self.kind(right),
            Some(Kind::Left | Kind::Sum | Kind::Key(Word::Before))
        ) {
            right += 1;
        }
        if self.kind(right) == Some(Kind::Key(Word::Select)) {
            return 6;
        }
        let literal = |kind| {
            matches!(
                kind,
                Some(Kind::Number | Kind::Text | Kind::Open | Kind::Key(Word::Literal))
            )
        };
        let same = !self.text(left).is_empty() && self.text(left) == self.text(right);
        // Behind a condition no name stands: `2 > 1? Yes`.
        let asked = usize::from(self.text(right + 1) == b"?");
        let goes_on = self.kind(right + 1 + asked) == Some(Kind::Name);
        match (literal(self.kind(left)), literal(self.kind(right))) {
            (true, true) if goes_on => 3,
            (true, true) if equal && same => 6,
            (true, true) if equal => 5,
            (true, true) => 4,
            _ if equal && same => 5,
            (false, true) if matches!(self.kind(left), Some(Kind::Variable)) => 4,
            (false, true) if equal && self.kind(left) == Some(Kind::Name) => 2,
            (true, false) if matches!(self.kind(right), Some(Kind::Variable | Kind::Call)) => 4,
            _ => 0,
        }
    }

    /// Where the sum that begins at `here` ends: `1+2`.
    fn behind_sum(&self, here: usize) -> usize {
        let mut next = here + 1;
        while self.kind(here) == Some(Kind::Number)
            && self.kind(next) == Some(Kind::Sum)
            && self.kind(next + 1) == Some(Kind::Number)
        {
            next += 2;
        }
        next
    }

    fn sort(&self, here: usize, sum: &mut Sum) {
        let item = here + 2;
        let called = self.kind(item) == Some(Kind::Call)
            && (among(CALLS, self.text(item)) || among(LOUD_CALLS, self.text(item)));
        if called || self.kind(item + 1) == Some(Kind::Key(Word::Select)) {
            return self.tell(5, "sort_by_call", here, item, sum);
        }
        if self.kind(item) != Some(Kind::Number) {
            return;
        }
        let score = match (self.before(here), self.kind(item + 1)) {
            (Some(_), None) | (_, Some(Kind::Comment | Kind::Comma | Kind::Semicolon)) => 5,
            _ => 3,
        };
        self.tell(score, "sort_by_number", here, item, sum);
    }

    /// Calls of functions that only a database has.
    fn calls(&self, sum: &mut Sum) {
        let (mut known, mut built, mut first) = (0_u8, 0_u8, None);
        for here in 0..self.tokens.len() {
            let text = self.text(here);
            let called = self.kind(here + 1) == Some(Kind::Left);
            if !called || matches!(self.before(here), Some(Kind::Dot)) && !text.starts_with(b"dbms")
            {
                continue;
            }
            let inside = self.kind(here + 2);
            if among(LOUD_CALLS, text) && !matches!(inside, None | Some(Kind::Right)) {
                self.tell(5, "database_call", here, here + 3, sum);
            } else if text == b"sleep"
                && self.text(here + 2).first().is_some_and(u8::is_ascii_digit)
            {
                let score = if self.tokens.len() <= 4 || here > 0 || self.is_behind_quote(here) {
                    5
                } else {
                    3
                };
                self.tell(score, "sleep_call", here, here + 3, sum);
            } else if among(CALLS, text) || matches!(text, b"if" | b"mod") {
                known += 1;
                first.get_or_insert(here);
                let number = matches!(inside, Some(Kind::Number));
                built += u8::from(matches!(text, b"char" | b"chr") && number);
                // A literal of hexadecimal digits in a call is a string in disguise.
                let hidden = self.text(here + 2).starts_with(b"0x")
                    || self.text(here + 4).starts_with(b"0x");
                built += 2 * u8::from(hidden);
                let empty = inside == Some(Kind::Right);
                built += u8::from(
                    empty
                        && matches!(
                            text,
                            b"version"
                                | b"database"
                                | b"user"
                                | b"current_database"
                                | b"pi"
                                | b"schema"
                                | b"connection_id"
                                | b"session_user"
                                | b"system_user"
                        ),
                );
            }
            known = known.min(100);
            built = built.min(100);
        }
        let Some(first) = first else { return };
        let ended = self
            .tokens
            .last()
            .is_some_and(|token| token.kind == Kind::Comment);
        let score = match (built, known) {
            (2.., 2..) => 5,
            (1.., 2..) => {
                if self.tokens.len() <= 9 {
                    5
                } else {
                    4
                }
            }
            (0, 3..) if ended => 4,
            (0, 1..) if ended => 3,
            (2.., _) => 3,
            _ => 0,
        };
        if score > 0 && at(self.low, 0) != b'$' {
            self.tell(score, "nested_calls", first, first + 4, sum);
        }
    }
}
