//! INJ-01, SQL. The value is read in three contexts: bare, as the rest of a string in single
//! quotes, and as that of one in double quotes. Behind a quote the rest must be an expression that
//! the query's own quote or a comment completes; bare, only what no other language writes counts.
//! Signals carry weights, since each alone may stand in a text about databases.

mod bare;
mod cut;
mod left;
mod lex;
mod pieces;
mod statement;
mod walk;
mod words;

pub(super) use left::Left;
pub(super) use lex::Token;
pub(super) use words::{CATALOGUES, LOUD_CALLS};

use super::text::{at, from, is_space, is_word, slice};
use super::{Class, Found, Hits, View};
use lex::{Folded, lex};
use walk::{End, Walk, walk};

/// Tokens that are read of a value.
const TOKENS: usize = 400;

/// Tokens that are read behind each quote.
const TOKENS_BEHIND: usize = 60;

/// Quotes of each kind behind which is read, from the front; and one from the back.
const QUOTES: usize = 4;

/// Looks for SQL. `tokens` is room for them, kept from value to value.
pub(super) fn look(
    view: &View<'_>,
    hits: Hits,
    left: &Left,
    tokens: &mut Vec<Token>,
    found: &mut Found,
) {
    let mut best: Option<(u8, &'static str, usize, usize)> = None;
    for (quote, double) in [(b'\'', false), (b'"', true)] {
        let mut first = true;
        let mut read = 0;
        let mut weighed = false;
        let mut even = false;
        let last = memchr::memrchr(quote, view.low);
        for place in memchr::memchr_iter(quote, view.low) {
            even = !even;
            if read >= QUOTES && Some(place) != last {
                continue;
            }
            read += 1;
            let folded = lex(view.low, place + 1, TOKENS_BEHIND, true, tokens);
            let told = walk(view.low, tokens);
            let context = Context {
                low: view.low,
                place,
                double,
                first,
                even,
                closes: closes(view.low, quote, tokens),
            };
            let told_of = if first && cut::goes_on(view.low, place, tokens) {
                Some((5, "word_after_quote"))
            } else {
                judge(&told, &context)
            };
            // A post shows in backticks what others send.
            let told_of = told_of.map(|(score, rule)| {
                let shown = view.prose >= 8 && view.is_shown(place);
                (if shown { score * 3 / 5 } else { score }, rule)
            });
            if let Some((score, rule)) = told_of
                && best.is_none_or(|(have, ..)| have < score)
            {
                best = Some((score, rule, place, told.until));
            }
            // What is SQL bare is so behind the quote that opened it.
            if hits.sql_words && !weighed && tokens.len() > 2 {
                weighed = !first;
                let folded = Folded {
                    executed: false,
                    ..folded
                };
                bare::look(
                    view,
                    tokens,
                    folded,
                    Hits {
                        catalogue: hits.catalogue && hits.at > place,
                        ..hits
                    },
                    found,
                );
            }
            first = false;
        }
    }
    if best.is_none() && cut::marks_alone(view.low) {
        best = Some((5, "marks_alone", 0, view.low.len()));
    }
    if let Some((score, rule, start, end)) = best {
        found.add(Class::Sql, rule, score, start, end);
    }
    left.look(view, found);
    if hits.sql_words {
        if view.prose < 4
            && let Some((start, end)) = cut::behind_backtick(view.low, tokens)
        {
            found.add(Class::Sql, "left_backticks", 5, start, end);
        }
        let folded = lex(view.low, 0, TOKENS, false, tokens);
        bare::look(view, tokens, folded, hits, found);
        // Comments with words in them, a line each, as MySQL has them between the words of a query.
        if memchr::memmem::find(view.low, b"\n#").is_some() {
            let folded = lex(view.low, 0, TOKENS, true, tokens);
            bare::look(view, tokens, folded, hits, found);
        }
    }
}

/// Whether the string that `tokens` leave open is one that the query's own `quote` closes.
fn closes(low: &[u8], quote: u8, tokens: &[Token]) -> bool {
    let open = tokens.iter().find(|token| token.kind == lex::Kind::Open);
    open.is_none_or(|token| at(low, token.start) == quote)
}

/// Where the string was left.
struct Context<'a> {
    low: &'a [u8],
    place: usize,
    double: bool,
    first: bool,
    /// As many quotes stand before as open and close strings of the value itself.
    even: bool,
    /// The query's own quote closes the string that is left open.
    closes: bool,
}

/// What the rest behind a quote says.
fn judge(told: &Walk, context: &Context<'_>) -> Option<(u8, &'static str)> {
    // Double quotes stand in product texts and search words as inches and phrases.
    let sure = !context.double && context.first;
    let before = slice(context.low, 0, context.place);
    let prefix = before.iter().filter(|byte| is_space(**byte)).count();
    // A word or number, and the quote right behind it or a space.
    let tight = context.first
        && (prefix == 0 || prefix == 1 && before.last().is_some_and(|byte| is_space(*byte)));
    if told.nested {
        return Some((if sure { 6 } else { 5 }, "statement_after_quote"));
    }
    let cut = told.cut && told.hard && told.compare + told.logic + told.clause > 0;
    // `" or ""`: the string ends where the value begins.
    let at_once = context.first && context.place == 0;
    // No quoted phrase begins with a space.
    let spaced = at_once && is_space(at(context.low, 1));
    match told.end {
        End::Plain if cut && sure => Some((5, "cut_after_expression")),
        End::Open if told.sum > 0 && told.called && context.first => Some((5, "call_in_quotes")),
        End::Broken if told.judged && told.hard => {
            Some((if context.even { 5 } else { 2 }, "condition_after_quote"))
        }
        End::Broken => None,
        End::Comment => comment(told, context),
        End::Open if told.judged => Some((6, "tautology_in_quotes")),
        End::Open if told.clause > 0 => Some((if told.hard { 5 } else { 2 }, "clause_in_quotes")),
        End::Open if told.compare > 0 => Some((
            if sure || told.hard { 5 } else { 3 },
            "comparison_in_quotes",
        )),
        End::Open if told.logic > 0 => {
            let score = if context.first && prefix == 0 && !before.is_empty()
                || sure && (told.hard || prefix == 0)
                || at_once && told.hard
            {
                5
            } else {
                3
            };
            Some((score, "logic_in_quotes"))
        }
        End::Open if told.double > 0 => Some((if sure && tight { 5 } else { 3 }, "joined_strings")),
        End::Open if told.sum > 0 => Some((
            if sure && tight && context.closes && before.len() <= 4 {
                5
            } else {
                2
            },
            "sum_in_quotes",
        )),
        End::Plain if told.cut && tight && !before.is_empty() => Some((5, "cut_after_quote")),
        End::Plain if told.judged && told.hard => {
            Some((if context.first { 5 } else { 2 }, "condition_after_quote"))
        }
        End::Plain if told.clause > 0 && told.hard => Some((5, "clause_after_quote")),
        End::Plain if told.logic > 0 && told.hard => Some((
            if tight || !context.double && prefix == 0 {
                5
            } else {
                4
            },
            "logic_after_quote",
        )),
        End::Plain if told.logic > 0 && spaced => Some((5, "logic_after_quote")),
        End::Plain if told.compare > 0 && told.hard && sure => Some((3, "comparison_after_quote")),
        End::Open | End::Plain => None,
    }
}

/// A comment that hides the query's own quote: nothing of the value goes on behind it, or what
/// stands before the quote is no sentence.
fn comment(told: &Walk, context: &Context<'_>) -> Option<(u8, &'static str)> {
    let read = told.logic + told.compare + told.clause + told.double > 0;
    if read && (told.hard || told.clause > 0) {
        return Some((6, "comment_after_expression"));
    }
    let before = slice(context.low, 0, context.place);
    let prefix = before.iter().filter(|byte| is_space(**byte)).count();
    let marker = from(context.low, context.place + 1)
        .iter()
        .position(|byte| matches!(byte, b'#' | b'-' | b'/'))
        .map_or(context.low.len(), |n| context.place + 1 + n);
    let rest = from(context.low, marker)
        .iter()
        .filter(|byte| is_word(**byte))
        .count();
    // An entity such as &#39; or a CSS colour is no comment.
    let entity = at(context.low, context.place) == b'&';
    match (prefix, rest) {
        _ if entity => None,
        (0, 0) => Some((5, "comment_after_quote")),
        (0, ..=12) if !context.double && (told.closed > 0 || context.first) => {
            Some((5, "comment_after_quote"))
        }
        (_, 0) if told.closed > 0 || context.first => Some((4, "comment_after_quote")),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
