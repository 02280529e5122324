//! SQL as several databases read it, cut into tokens: white space and comments folded away, words
//! told by what they may do in an expression.

use super::super::text::{at, from, is_space, is_word, run, slice};
use super::words::{Word, word};

/// What a token is to the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// 5, 0x41, 1e3.
    Number,
    /// A string with both quotes.
    Text,
    /// A string that the value leaves open.
    Open,
    /// A name.
    Name,
    /// A name with a parenthesis behind it.
    Call,
    /// @x, @@x, :x.
    Variable,
    /// A word SQL knows.
    Key(Word),
    /// = < > != <=> and their like.
    Compare,
    /// + - * / % ^ | & ~ !
    Sum,
    /// || && : logic in some databases, text or bits in others.
    Double,
    Comma,
    Dot,
    Left,
    Right,
    Semicolon,
    /// A comment that takes the rest of the line or value.
    Comment,
    /// What SQL has no use for.
    Other,
}

/// A token and its place in the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// How values may hide white space: what was folded away.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Folded {
    /// A comment stands where a space could.
    pub(super) comment: bool,
    /// A comment that MySQL executes.
    pub(super) executed: bool,
}

/// Cuts `low` (lower case) from `start` into at most `limit` tokens appended to `out`.
///
/// `quoted`: the value has broken out of a string, so that `--` begins a comment whatever follows.
pub(super) fn lex(
    low: &[u8],
    start: usize,
    limit: usize,
    quoted: bool,
    out: &mut Vec<Token>,
) -> Folded {
    let mut folded = Folded::default();
    let mut here = start;
    out.clear();
    while here < low.len() && out.len() < limit {
        let byte = at(low, here);
        if is_space(byte) {
            here += 1;
            continue;
        }
        let (kind, end) = match byte {
            b'/' if at(low, here + 1) == b'*' => match block_comment(low, here, &mut folded) {
                Some(end) => {
                    here = end;
                    continue;
                }
                None => (Kind::Comment, low.len()),
            },
            b'*' if at(low, here + 1) == b'/' && folded.executed => {
                here += 2;
                continue;
            }
            b'-' if at(low, here + 1) == b'-' && line_comment(low, here + 2, quoted) => {
                match next_line(low, here) {
                    Some(line) => {
                        folded.comment = true;
                        here = line;
                        continue;
                    }
                    None => (Kind::Comment, low.len()),
                }
            }
            b'#' if quoted || hash_comment(low, here) => match next_line(low, here) {
                Some(line) => {
                    folded.comment = true;
                    here = line;
                    continue;
                }
                None => (Kind::Comment, low.len()),
            },
            b'\\' if at(low, here + 1) == b'n' && !is_word(at(low, here + 2)) => {
                (Kind::Key(Word::Literal), here + 2)
            }
            b'?' => (Kind::Variable, here + 1),
            b'\'' | b'"' | b'`' => text(low, here),
            b'0'..=b'9' => number(low, here),
            b'.' if at(low, here + 1).is_ascii_digit() && !follows_name(out, here) => {
                number(low, here)
            }
            b'@' => variable(low, here),
            _ if is_word(byte) || byte == b'$' => name(low, here),
            b'[' => bracket(low, here),
            _ => symbol(low, here),
        };
        out.push(Token {
            kind,
            start: here,
            end,
        });
        here = end.max(here + 1);
    }
    folded
}

/// The line behind a comment, if there is more in it than white space.
fn next_line(low: &[u8], here: usize) -> Option<usize> {
    let line = here + memchr::memchr2(b'\n', b'\r', from(low, here))?;
    from(low, line)
        .iter()
        .any(|byte| !is_space(*byte))
        .then_some(line)
}

fn follows_name(out: &[Token], here: usize) -> bool {
    out.last()
        .is_some_and(|token| token.end == here && matches!(token.kind, Kind::Name | Kind::Text))
}

/// The end of the comment at `here`, or where its content begins if MySQL executes it.
fn block_comment(low: &[u8], here: usize, folded: &mut Folded) -> Option<usize> {
    if at(low, here + 2) == b'!' {
        folded.executed = true;
        return Some(run(low, here + 3, |byte| byte.is_ascii_digit()));
    }
    let close = memchr::memmem::find(from(low, here + 2), b"*/")?;
    folded.comment = true;
    Some(here + 2 + close + 2)
}

/// `--` comments out the rest where a space, the end or another dash follows.
fn line_comment(low: &[u8], behind: usize, quoted: bool) -> bool {
    quoted || behind >= low.len() || is_space(at(low, behind)) || at(low, behind) == b'-'
}

/// `#` is MySQL's comment; a word right behind it makes it a hash tag, a digit a number.
fn hash_comment(low: &[u8], here: usize) -> bool {
    let before = here.checked_sub(1).map_or(b' ', |before| at(low, before));
    let line = memchr::memchr(b'\n', from(low, here)).map_or(low.len(), |n| here + n);
    slice(low, here + 1, line)
        .iter()
        .all(|byte| !is_word(*byte))
        && before != b'&'
}

/// A quoted string; doubled quotes and backslashes go on.
fn text(low: &[u8], here: usize) -> (Kind, usize) {
    let quote = at(low, here);
    let mut next = here + 1;
    while let Some(found) = memchr::memchr2(quote, b'\\', from(low, next)) {
        let place = next + found;
        if at(low, place) == b'\\' || at(low, place + 1) == quote {
            next = place + 2;
            continue;
        }
        let kind = if quote == b'`' {
            Kind::Name
        } else {
            Kind::Text
        };
        return (kind, place + 1);
    }
    (Kind::Open, low.len())
}

fn number(low: &[u8], here: usize) -> (Kind, usize) {
    let second = at(low, here + 1);
    if at(low, here) == b'0' && matches!(second, b'x' | b'b') {
        let end = run(low, here + 2, |byte| byte.is_ascii_hexdigit());
        if end > here + 2 && !is_word(at(low, end)) {
            return (Kind::Number, end);
        }
    }
    let mut end = run(low, here, |byte| byte.is_ascii_digit() || byte == b'.');
    if at(low, end) == b'e' {
        let sign = usize::from(matches!(at(low, end + 1), b'+' | b'-'));
        let digits = run(low, end + 1 + sign, |byte| byte.is_ascii_digit());
        // `1.e(` is a number to MySQL and a name to others.
        if digits > end + 1 + sign || !is_word(at(low, end + 1)) {
            end = digits;
        }
    }
    let last = run(low, end, is_word);
    if last > end {
        // A word that begins with digits, unless a keyword stands right behind them.
        return match word(slice(low, end, last)) {
            Some(Word::Union | Word::Or | Word::And | Word::From | Word::Div) => {
                (Kind::Number, end)
            }
            // The type of a number in some databases: `1f`, `2d`.
            _ if matches!(at(low, end), b'f' | b'd')
                && matches!(
                    word(slice(low, end + 1, last)),
                    Some(Word::Union | Word::Or | Word::And)
                ) =>
            {
                (Kind::Number, end + 1)
            }
            _ => (Kind::Name, last),
        };
    }
    (Kind::Number, end)
}

fn variable(low: &[u8], here: usize) -> (Kind, usize) {
    let behind = run(low, here, |byte| byte == b'@');
    if at(low, behind) == b'`' {
        return (Kind::Variable, text(low, behind).1);
    }
    let end = run(low, behind, |byte| {
        is_word(byte) || matches!(byte, b'.' | b'$')
    });
    (Kind::Variable, end)
}

fn name(low: &[u8], here: usize) -> (Kind, usize) {
    let end = run(low, here, |byte| is_word(byte) || byte == b'$');
    let behind = run(low, end, is_space);
    let known = word(slice(low, here, end));
    // x'41', n'text' and b'01' are literals.
    if end == here + 1
        && matches!(at(low, here), b'x' | b'n' | b'b' | b'e')
        && at(low, end) == b'\''
    {
        let (kind, close) = text(low, end);
        if kind == Kind::Text {
            return (Kind::Text, close);
        }
    }
    match known {
        Some(word) => (Kind::Key(word), end),
        None if at(low, behind) == b'(' => (Kind::Call, end),
        None => (Kind::Name, end),
    }
}

/// `[name]` of SQL Server.
fn bracket(low: &[u8], here: usize) -> (Kind, usize) {
    let end = run(low, here + 1, |byte| is_word(byte) || byte == b' ');
    if end > here + 1 && at(low, end) == b']' {
        (Kind::Name, end + 1)
    } else {
        (Kind::Other, here + 1)
    }
}

fn symbol(low: &[u8], here: usize) -> (Kind, usize) {
    let pair = (at(low, here), at(low, here + 1));
    match pair {
        (b'<', b'=') if at(low, here + 2) == b'>' => (Kind::Compare, here + 3),
        (b'<', b'>' | b'=' | b'@')
        | (b'>' | b'!' | b':' | b'^' | b'=', b'=')
        | (b'!', b'<' | b'>') => (Kind::Compare, here + 2),
        (b'@', b'>') => (Kind::Compare, here + 2),
        (b'|', b'|') | (b'&', b'&') => (Kind::Double, here + 2),
        (b':', b':') => (Kind::Dot, here + 2),
        (b'<', b'<') | (b'>', b'>') => (Kind::Sum, here + 2),
        (b'=' | b'<' | b'>', _) => (Kind::Compare, here + 1),
        (b'+' | b'-' | b'*' | b'/' | b'%' | b'^' | b'|' | b'&' | b'~' | b'!', _) => {
            (Kind::Sum, here + 1)
        }
        (b',', _) => (Kind::Comma, here + 1),
        (b'.', _) => (Kind::Dot, here + 1),
        (b'(', _) => (Kind::Left, here + 1),
        (b')', _) => (Kind::Right, here + 1),
        (b';', _) => (Kind::Semicolon, here + 1),
        _ => (Kind::Other, here + 1),
    }
}
