//! The beginnings of whole statements, strict enough that an English sentence is none.

use super::super::text::slice;
use super::lex::{Kind, Token};
use super::words::Word;

/// What DROP, CREATE and the like take.
const THINGS: &[&[u8]] = &[
    b"alias",
    b"database",
    b"function",
    b"index",
    b"login",
    b"procedure",
    b"role",
    b"schema",
    b"table",
    b"trigger",
    b"user",
    b"view",
];

/// What ALTER TABLE does.
const ALTERS: &[&[u8]] = &[
    b"add", b"change", b"convert", b"disable", b"enable", b"modify", b"rename",
];

/// Tokens of a condition that are looked at.
const DECIDES: usize = 64;

/// Whether `tokens` begin a statement.
pub(super) fn is_statement(low: &[u8], tokens: &[Token]) -> bool {
    let begins = Begins { low, tokens };
    match begins.kind(0) {
        Some(Kind::Key(Word::Select)) => !matches!(
            (begins.kind(1), begins.kind(2)),
            (Some(Kind::Name), Some(Kind::Name)) | (None | Some(Kind::Other), _)
        ),
        Some(Kind::Key(Word::Waitfor)) => matches!(begins.text(1), b"delay" | b"time"),
        Some(Kind::Key(Word::Change)) => begins.changes(),
        Some(Kind::Key(Word::Run)) => begins.runs(),
        Some(Kind::Left) => begins.kind(1) == Some(Kind::Key(Word::Select)),
        Some(Kind::Call) => match begins.text(0) {
            b"while" => true,
            b"sleep" => begins.kind(2) == Some(Kind::Number),
            _ => false,
        },
        Some(Kind::Name) => begins.text(0) == b"while" && begins.kind(2) == Some(Kind::Compare),
        _ => false,
    }
}

struct Begins<'a> {
    low: &'a [u8],
    tokens: &'a [Token],
}

impl Begins<'_> {
    fn kind(&self, at: usize) -> Option<Kind> {
        self.tokens.get(at).map(|token| token.kind)
    }

    fn text(&self, at: usize) -> &[u8] {
        self.tokens
            .get(at)
            .map_or(&[][..], |token| slice(self.low, token.start, token.end))
    }

    fn is_name(&self, at: usize) -> bool {
        matches!(
            self.kind(at),
            Some(Kind::Name | Kind::Call | Kind::Key(Word::Noun))
        )
    }

    fn ends(&self, at: usize) -> bool {
        matches!(
            self.kind(at),
            None | Some(Kind::Semicolon | Kind::Comment | Kind::Open)
        )
    }

    /// Statements that change data or tables.
    fn changes(&self) -> bool {
        match self.text(0) {
            b"drop" | b"truncate" | b"create" | b"alter" => {
                let replaces = self.text(1) == b"or" && self.text(2) == b"replace";
                let whole = self.kind(2).is_some() && (self.ends(3) || !self.is_name(3));
                let alters = self.text(0) == b"alter" && ALTERS.contains(&self.text(3));
                replaces || THINGS.contains(&self.text(1)) && (whole || alters)
            }
            b"insert" | b"replace" | b"merge" => {
                let goes_on = |at| {
                    self.kind(at) == Some(Kind::Left)
                        || matches!(self.text(at), b"values" | b"select" | b"set")
                };
                self.text(1) == b"into" && self.kind(2).is_some() && (1..12).any(goes_on)
            }
            b"update" => (2..6).any(|at| {
                self.text(at) == b"set" && matches!(self.kind(at + 2), Some(Kind::Compare))
            }),
            b"delete" => {
                let from = Some(Kind::Key(Word::From));
                let filtered = matches!(self.kind(3), Some(Kind::Key(Word::Where) | Kind::Dot));
                self.kind(1) == from && (self.ends(3) || filtered)
                    || self.is_name(1) && self.kind(2) == from && self.ends(4)
            }
            b"grant" => matches!(self.text(1), b"all" | b"dba" | b"select"),
            _ => false,
        }
    }

    /// Whether `if (` is SQL's: a statement behind the condition, a list or a query in it, or an end
    /// that is not there. `if (a < b) return c;` is that of other languages.
    fn decides(&self) -> bool {
        let mut depth = 0_usize;
        for at in 1..DECIDES {
            match self.kind(at) {
                None => return true,
                Some(Kind::Left) => depth += 1,
                Some(Kind::Comma) if depth == 1 => return true,
                Some(Kind::Key(Word::Select | Word::Waitfor)) => return true,
                Some(Kind::Right) if depth == 1 => {
                    let behind = self.tokens.get(at + 1..).unwrap_or_default();
                    return behind.is_empty() || is_statement(self.low, behind);
                }
                Some(Kind::Right) => depth -= 1,
                _ => {}
            }
        }
        true
    }

    /// Statements that run something.
    fn runs(&self) -> bool {
        match self.text(0) {
            b"exec" | b"execute" => {
                let built = matches!(
                    self.kind(2),
                    Some(Kind::Text | Kind::Open | Kind::Call | Kind::Variable)
                );
                self.kind(1) == Some(Kind::Variable)
                    || self.kind(1) == Some(Kind::Left) && built
                    || [&b"xp_"[..], b"sp_", b"master", b"immediate"]
                        .iter()
                        .any(|prefix| self.text(1).starts_with(prefix))
            }
            b"declare" => {
                let named = self.kind(2) == Some(Kind::Name) && self.text(3) == b";";
                self.kind(1) == Some(Kind::Variable) || named
            }
            b"print" => matches!(
                self.kind(1),
                Some(Kind::Text | Kind::Open | Kind::Variable | Kind::Number)
            ),
            b"backup" => matches!(self.text(1), b"database" | b"log") && self.text(3) == b"to",
            b"set" => self.kind(1) == Some(Kind::Variable),
            b"if" => self.kind(1) == Some(Kind::Left) && self.decides(),
            b"begin" => {
                matches!(self.kind(1), Some(Kind::Key(word)) if runs_or_changes(word))
                    || self.text(1).starts_with(b"dbms_")
            }
            b"shutdown" => self.ends(1) || self.text(1) == b"with",
            b"load" => self.text(1) == b"data",
            b"handler" => matches!(self.text(2), b"open" | b"read"),
            b"prepare" => self.kind(2) == Some(Kind::Key(Word::From)),
            // `call me (or not)` is none.
            b"call" => {
                let ends = |at: usize| self.tokens.get(at).map(|token| token.end);
                let begins = self.tokens.get(2).map(|token| token.start);
                let named = ends(1) == begins || self.text(1).contains(&b'_');
                self.kind(2) == Some(Kind::Left) && self.is_name(1) && named
            }
            _ => false,
        }
    }
}

const fn runs_or_changes(word: Word) -> bool {
    matches!(word, Word::Run | Word::Change | Word::Waitfor)
}
