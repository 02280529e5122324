//! Words that a shell makes of others before it runs them, and commands of programs that look like
//! none: braces, tildes, globs, variables that are set and used.

use super::super::View;
use super::super::text::{
    among, at, from, is_space, is_word, run, skip_space, slice, starts, trim,
};
use super::words::{SURE, WORDS};

/// Braces and tildes that a shell expands, as a whole value: `{,ip,a}`, `{id,}`, `~+`.
pub(super) fn expands(low: &[u8]) -> bool {
    let value = trim(low);
    match value {
        [b'~', b'+' | b'-', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        // `!-1!-2`: commands of before, one after the other.
        [b'!', b'-', rest @ ..] if memchr::memchr(b'!', rest).is_some() => {
            let mut numbers = rest.split(|byte| *byte == b'!');
            let first = numbers.next().unwrap_or_default();
            let number = |word: &[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_digit);
            number(first) && numbers.all(|word| word.strip_prefix(b"-").is_some_and(number))
        }
        [b'{', b',', first, rest @ .., b'}'] => {
            (first.is_ascii_alphabetic() || matches!(first, b'$' | b'/')) && !rest.contains(&b':')
        }
        [b'{', rest @ .., b',', b'}'] => {
            !rest.is_empty() && rest.iter().all(u8::is_ascii_alphabetic)
        }
        _ => braced_command(value) || braced_name(value) || counted_name(value),
    }
}

/// `{nc,-e,sh}`: words in braces that become a command and its options.
fn braced_command(value: &[u8]) -> bool {
    let Some(inside) = value
        .strip_prefix(b"{")
        .and_then(|rest| rest.strip_suffix(b"}"))
    else {
        return false;
    };
    let mut words = inside.split(|byte| *byte == b',');
    let first = words.next().unwrap_or_default();
    let name = |byte: &u8| byte.is_ascii_alphanumeric() || b"$\\'\"?*_-".contains(byte);
    let option = words
        .next()
        .is_some_and(|word| matches!(word, [b'-', letter, ..] if letter.is_ascii_alphabetic()));
    option && first.first().is_some_and(u8::is_ascii_alphabetic) && first.iter().all(name)
}

/// `c{a,oun}t`: what it becomes first is a program.
fn braced_name(value: &[u8]) -> bool {
    let parts = memchr::memchr(b'{', value).zip(memchr::memchr(b'}', value));
    let Some((open, close)) = parts.filter(|(open, close)| open < close && value.len() < 40) else {
        return false;
    };
    let Some(comma) = memchr::memchr(b',', slice(value, open, close)) else {
        return false;
    };
    let pieces = [
        slice(value, 0, open),
        slice(value, open + 1, open + comma),
        from(value, close + 1),
    ];
    let mut name = [0_u8; 40];
    let mut length = 0;
    for (slot, byte) in name.iter_mut().zip(pieces.into_iter().flatten()) {
        *slot = *byte;
        length += 1;
    }
    among(SURE, slice(&name, 0, length)) || among(WORDS, slice(&name, 0, length))
}

/// `$((7))z -x`: a number that begins a program's name.
fn counted_name(value: &[u8]) -> bool {
    let Some(rest) = value.strip_prefix(b"$((") else {
        return false;
    };
    let digits = run(rest, 0, |byte| byte.is_ascii_digit());
    let behind = from(rest, digits);
    digits > 0
        && starts(behind, "))")
        && at(behind, 2).is_ascii_alphabetic()
        && memchr::memchr(b' ', behind).is_some()
        && !value.ends_with(b"$")
}

/// Commands of programs that read them from a line of their own, behind a dot: `;.shell id`.
const DOT_COMMANDS: &[&str] = &["shell", "system"];

/// Where a command behind a dot begins a statement or line. Spaces, quotes and backslashes may stand
/// between, and the command may be cut short.
pub(super) fn dot_command(low: &[u8]) -> Option<usize> {
    memchr::memmem::find_iter(low, b".").take(32).find(|dot| {
        let before = slice(low, 0, *dot);
        let opens = before.ends_with(b";")
            || before.ends_with(b"\n")
            || before.ends_with(b"\r")
            || before.ends_with(b"\\n");
        let word = run(low, dot + 1, |byte| {
            is_space(byte) || matches!(byte, b'\'' | b'"' | b'\\')
        });
        let end = run(low, word, |byte| byte.is_ascii_alphabetic());
        let name = slice(low, word, end);
        let whole = |command: &&&str| command.as_bytes() == name;
        let short = |command: &&str| name.len() >= 2 && starts(command.as_bytes(), text(name));
        opens
            && is_space(at(low, end))
            && !trim(from(low, end)).is_empty()
            && (DOT_COMMANDS.iter().find(whole).is_some()
                || before.ends_with(b";") && DOT_COMMANDS.iter().any(short))
    })
}

/// Letters as text; they are ASCII.
fn text(name: &[u8]) -> &str {
    str::from_utf8(name).unwrap_or_default()
}

/// Whether a variable is set and, behind a separator, used: `a=wge;${a}t x`.
fn set_and_used(low: &[u8]) -> bool {
    let name_end = run(low, 0, is_word);
    let name = slice(low, 0, name_end);
    if name.is_empty() || name.len() > 16 || at(low, name_end) != b'=' {
        return false;
    }
    let Some(separator) = memchr::memchr3(b';', b'&', b'\n', low) else {
        return false;
    };
    memchr::memchr_iter(b'$', from(low, separator))
        .take(16)
        .any(|dollar| {
            let rest = from(low, separator + dollar + 1);
            rest.strip_prefix(b"{").unwrap_or(rest).starts_with(name)
        })
}

/// A program's name that quotes, globs or variables hide: `c''at`, `/???/c?t`, `cu$v\rl`.
pub(super) fn hidden_word(view: &View<'_>) -> u8 {
    let low = view.low;
    if view.prose >= 6 || low.len() > 512 {
        return 0;
    }
    let globs = low
        .windows(3)
        .filter(|three| match three {
            // `src/**/*.ts` is how one names all files of a kind.
            [b'/', b'*', b'*' | b'.'] => false,
            [b'/', b'?' | b'[' | b'*', _] => true,
            [b'/', second, b'?' | b'['] => is_word(*second),
            _ => false,
        })
        .count();
    let empty = low
        .windows(4)
        .filter(|four| match four {
            [first, b'\'', b'\'', last] | [first, b'"', b'"', last] => {
                is_word(*first) && is_word(*last)
            }
            _ => false,
        })
        .count();
    if set_and_used(low) {
        return 5;
    }
    let set = memchr::memchr(b'=', low).is_some_and(|n| n < 24)
        && memchr::memchr(b'$', low).is_some()
        && memchr::memchr2(b';', b'&', low).is_some()
        && starts(from(low, run(low, 0, is_word)), "=");
    match (globs, empty, set) {
        (2.., ..) => 5,
        (1, ..) if memchr::memchr(b' ', low).is_some() => 4,
        (_, 2.., _) => 5,
        (_, _, true) => 4,
        _ => 0,
    }
}

/// Whether the program is one that runs another, and that is what stands behind: `time tar`.
pub(super) fn runs_another(name: &[u8], rest: &[u8]) -> bool {
    let called = super::program(rest, skip_space(rest, 0));
    matches!(name, b"env" | b"exec" | b"nohup" | b"time" | b"xargs")
        && called.length > 2
        && among(SURE, slice(&called.name, 0, called.length))
}

/// Whether what it writes goes to what a variable or another command says: `echo | ${x}`.
pub(super) fn feeds_expansion(rest: &[u8]) -> bool {
    memchr::memchr(b'|', rest)
        .is_some_and(|pipe| matches!(at(rest, skip_space(rest, pipe + 1)), b'$' | b'`'))
}

/// Whether a command stands behind an exclamation mark, as editors take it: `x \!id`.
pub(super) fn leaves_editor(rest: &[u8]) -> bool {
    let rest = slice(rest, 0, 80);
    memchr::memchr_iter(b'!', rest).any(|mark| {
        let before = slice(rest, 0, mark).last();
        before.is_some_and(|byte| matches!(byte, b' ' | b'\\' | b':' | b'\''))
            && at(rest, mark + 1).is_ascii_alphabetic()
    })
}

/// `name=value`, with a word for a name.
pub(super) fn is_assignment(rest: &[u8]) -> bool {
    let start = run(rest, skip_space(rest, 0), |byte| {
        matches!(byte, b'"' | b'\'')
    });
    let end = run(rest, start, is_word);
    let equals = run(rest, end, |byte| matches!(byte, b'"' | b'\''));
    at(rest, start).is_ascii_alphabetic()
        && at(rest, equals) == b'='
        && !is_space(at(rest, equals + 1))
}
