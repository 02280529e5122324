//! What follows a closing quote, read as the rest of an expression: the stricter half of the
//! grammar, since the text before it is a string of the query and means nothing.

use super::super::text::{among, slice};
use super::lex::{Kind, Token};
use super::statement::is_statement;
use super::words::{CALLS, LOUD_CALLS, Word};

/// How reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// In a string left open: the query's own quote closes it.
    Open,
    /// In a comment that hides the query's own quote.
    Comment,
    /// At the end of the value, where an operand had just ended.
    Plain,
    /// Where no expression goes on.
    Broken,
}

/// What was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    pub(super) end: End,
    /// Place behind the last token that fitted.
    pub(super) until: usize,
    /// Parentheses closed before anything else.
    pub(super) closed: u16,
    /// or, and, xor with an operand behind.
    pub(super) logic: u16,
    /// A comparison whose right side was there, behind logic.
    pub(super) judged: bool,
    pub(super) compare: u16,
    pub(super) sum: u16,
    pub(super) double: u16,
    pub(super) comma: u16,
    /// A function of a database is called.
    pub(super) called: bool,
    /// A literal or call among the operands.
    pub(super) hard: bool,
    /// order by, having, limit, union, where and the like.
    pub(super) clause: u16,
    /// A select in parentheses, or a statement behind a semicolon.
    pub(super) nested: bool,
    /// A semicolon ends the query, and the value.
    pub(super) cut: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// An operand has ended.
    Behind,
    /// An operand must come.
    Want,
}

/// Reads `tokens` from the first as what stands behind an operand.
pub(super) fn walk(low: &[u8], tokens: &[Token]) -> Walk {
    let mut walker = Walker {
        low,
        tokens,
        here: 0,
        state: State::Behind,
        told: Walk {
            end: End::Plain,
            until: tokens.first().map_or(0, |token| token.start),
            closed: 0,
            logic: 0,
            judged: false,
            compare: 0,
            sum: 0,
            double: 0,
            comma: 0,
            called: false,
            hard: false,
            clause: 0,
            nested: false,
            cut: false,
        },
        pending: false,
        worded: false,
    };
    walker.told.end = walker.read();
    walker.told
}

struct Walker<'a> {
    low: &'a [u8],
    tokens: &'a [Token],
    here: usize,
    state: State,
    told: Walk,
    /// A comparison waits for its right side.
    pending: bool,
    /// It is one that is written as a word.
    worded: bool,
}

impl Walker<'_> {
    fn text(&self, ahead: usize) -> &[u8] {
        self.tokens
            .get(self.here + ahead)
            .map_or(&[][..], |token| slice(self.low, token.start, token.end))
    }

    fn kind(&self, ahead: usize) -> Option<Kind> {
        self.tokens.get(self.here + ahead).map(|token| token.kind)
    }

    fn read(&mut self) -> End {
        while let Some(token) = self.tokens.get(self.here).copied() {
            let ended = match self.state {
                State::Behind => self.behind(token.kind),
                State::Want => self.want(token.kind),
            };
            if let Some(end) = ended {
                if end != End::Broken {
                    self.told.until = token.end;
                }
                return end;
            }
            self.told.until = token.end;
            self.here += 1;
        }
        if self.state == State::Want {
            // The value ends within a comparison, whose right side the query has.
            self.told.judged |= self.pending && self.told.logic > 0;
            End::Broken
        } else {
            End::Plain
        }
    }

    fn behind(&mut self, kind: Kind) -> Option<End> {
        match kind {
            Kind::Right => {
                if self.here == usize::from(self.told.closed) {
                    self.told.closed += 1;
                }
                return None;
            }
            Kind::Key(Word::Or | Word::And | Word::Logic) => {
                // Counted when its operand comes.
                self.told.logic += 1;
            }
            Kind::Double => self.told.double += 1,
            // MySQL's full-text search: `in boolean mode`.
            Kind::Key(Word::Compare) if self.text(1) == b"boolean" => {
                self.here += 2;
                return None;
            }
            Kind::Compare | Kind::Key(Word::Compare) => {
                self.told.compare += 1;
                self.pending = true;
                self.worded = kind != Kind::Compare;
                if self.text(1) == b"to" {
                    self.here += 1;
                }
            }
            Kind::Key(Word::Before) if matches!(self.kind(1), Some(Kind::Key(Word::Compare))) => {
                return None;
            }
            Kind::Sum | Kind::Key(Word::Div) => self.told.sum += 1,
            Kind::Comma => self.told.comma += 1,
            Kind::Dot => {}
            Kind::Key(Word::Union) => match self.kind(1) {
                None | Some(Kind::Key(Word::All | Word::Select) | Kind::Left) => {
                    self.told.clause += 1;
                }
                _ => return Some(End::Broken),
            },
            Kind::Key(Word::Sort) if self.kind(1) == Some(Kind::Key(Word::By)) => {
                self.told.clause += 1;
                self.here += 1;
            }
            Kind::Key(
                Word::Having | Word::Limit | Word::Clause | Word::Where | Word::From | Word::Join,
            ) => self.told.clause += 1,
            Kind::Key(Word::As) => {}
            Kind::Key(Word::Order) => return None,
            // WHEN, THEN and ELSE want an operand; END is the end of one.
            Kind::Key(Word::Case) if matches!(self.text(0), b"when" | b"then" | b"else") => {}
            Kind::Key(Word::Case) => return None,
            Kind::Semicolon => return Some(self.statement()),
            Kind::Comment => return Some(End::Comment),
            Kind::Key(Word::Waitfor) => {
                self.told.nested = true;
                return Some(End::Broken);
            }
            Kind::Key(Word::Run) if self.kind(1) == Some(Kind::Left) => {
                self.told.nested = true;
                return Some(End::Broken);
            }
            Kind::Left if self.kind(1) == Some(Kind::Key(Word::Select)) => {
                self.told.nested = true;
                return Some(End::Broken);
            }
            // Strings side by side are one string to most databases.
            Kind::Open
                if self.told.logic > 0
                    && self.here > 0
                    && self
                        .tokens
                        .get(self.here - 1)
                        .is_some_and(|token| token.kind == Kind::Text) =>
            {
                return Some(End::Open);
            }
            // An element of an array.
            Kind::Name if self.text(0).starts_with(b"[") => return None,
            // An alias stands behind a parenthesis.
            Kind::Name if self.told.closed > 0 && self.here == usize::from(self.told.closed) => {
                return None;
            }
            _ => return Some(End::Broken),
        }
        self.state = State::Want;
        None
    }

    fn want(&mut self, kind: Kind) -> Option<End> {
        match kind {
            Kind::Number | Kind::Text | Kind::Key(Word::Literal) | Kind::Variable => {
                self.told.hard = true;
                self.operand();
            }
            Kind::Open => {
                self.judge();
                return Some(End::Open);
            }
            Kind::Call => {
                self.told.hard = true;
                let text = self.text(0);
                self.told.called |= among(CALLS, text) || among(LOUD_CALLS, text);
            }
            Kind::Key(Word::Compare) if self.text(0) == b"match" => {
                (self.told.judged, self.told.hard) = (self.told.logic > 0, true);
            }
            Kind::Left | Kind::Sum | Kind::Key(Word::Before | Word::All | Word::Compare) => {}
            // An operand begins with CASE; `or else` is none, and WHEN stands right behind CASE.
            Kind::Key(Word::Case) if self.text(0) == b"case" || self.follows_case() => {}
            // SELECT within an expression stands in parentheses.
            Kind::Key(Word::Select) if !self.opens_select() => return Some(End::Broken),
            Kind::Key(Word::Select) => self.told.nested = true,
            // `where it is needed`: two names and a word of English compare nothing.
            Kind::Name if self.worded => {
                (self.pending, self.worded) = (false, false);
                self.state = State::Behind;
            }
            Kind::Right | Kind::Name => self.operand(),
            Kind::Key(Word::Div | Word::Run | Word::Change) if self.kind(1) == Some(Kind::Left) => {
                self.told.hard = true;
            }
            Kind::Key(
                Word::Noun | Word::Run | Word::Change | Word::Sort | Word::Clause | Word::Order,
            ) => {
                self.operand();
            }
            Kind::Comment => return Some(End::Comment),
            _ => return Some(End::Broken),
        }
        None
    }

    fn follows_case(&self) -> bool {
        let before = self.here.checked_sub(1).and_then(|at| self.tokens.get(at));
        self.text(0) == b"when"
            && before.is_some_and(|token| slice(self.low, token.start, token.end) == b"case")
    }

    fn opens_select(&self) -> bool {
        let before = self.here.checked_sub(1).and_then(|at| self.tokens.get(at));
        before.is_none_or(|token| {
            matches!(
                token.kind,
                Kind::Left | Kind::Key(Word::Union | Word::All | Word::As)
            )
        })
    }

    fn operand(&mut self) {
        self.judge();
        self.state = State::Behind;
    }

    fn judge(&mut self) {
        self.worded = false;
        if self.pending {
            self.pending = false;
            self.told.judged |= self.told.logic + self.told.double > 0;
        }
    }

    fn statement(&mut self) -> End {
        let behind = self.tokens.get(self.here + 1..).unwrap_or_default();
        match behind.first().map(|token| token.kind) {
            None => {
                self.told.cut = true;
                End::Plain
            }
            Some(Kind::Comment) => End::Comment,
            Some(Kind::Name)
                if matches!(
                    behind.get(1).map(|token| token.kind),
                    None | Some(Kind::Comment)
                ) =>
            {
                End::Comment
            }
            Some(_) if is_statement(self.low, behind) => {
                self.told.nested = true;
                End::Comment
            }
            Some(_) => End::Broken,
        }
    }
}
