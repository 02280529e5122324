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
        [b'!', ..] => repeats_commands(value),
        [b'{', b',', first, rest @ .., b'}'] => {
            (first.is_ascii_alphabetic() || matches!(first, b'$' | b'/')) && !rest.contains(&b':')
        }
        [b'{', rest @ .., b',', b'}'] => {
            !rest.is_empty() && rest.iter().all(u8::is_ascii_alphabetic)
        }
        _ => braced_command(value) || counted_name(value),
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

/// `!-1!-2`, `!-3 !!:0`: commands of before, two or more and nothing else, one of them by its number
/// (HISTORY EXPANSION in bash's manual).
fn repeats_commands(value: &[u8]) -> bool {
    let (mut here, mut events, mut numbered) = (0, 0, false);
    while here < value.len() {
        let mark = skip_space(value, here);
        if at(value, mark) != b'!' {
            return false;
        }
        let number = mark + 1 + usize::from(at(value, mark + 1) == b'-');
        let digits = run(value, number, |byte| byte.is_ascii_digit());
        let named = usize::from(matches!(at(value, mark + 1), b'!' | b'$' | b'^' | b'*'));
        let end = if digits > number {
            digits
        } else {
            mark + 1 + named
        };
        if end == mark + 1 {
            return false;
        }
        numbered |= digits > number;
        events += 1;
        here = if at(value, end) == b':' {
            run(value, end, |byte| !is_space(byte) && byte != b'!')
        } else {
            end
        };
    }
    numbered && events >= 2
}

/// Pairs of braces that are looked at.
const BRACES: usize = 8;

/// Words in braces that become a program's name, whole or in part, or the name and its arguments:
/// `c{a,oun}t`, `{l,-lh}s`, `{cat,/etc/passwd}`. Where the braces begin a command.
pub(super) fn braced_program(low: &[u8]) -> Option<(usize, usize)> {
    memchr::memchr_iter(b'{', low)
        .take(BRACES)
        .find_map(|open| {
            let close = open + memchr::memchr(b'}', slice(low, open, open + BRACED_MAX))?;
            let inside = slice(low, open + 1, close);
            let comma = memchr::memchr(b',', inside)?;
            let start = low
                .get(..open)?
                .iter()
                .rposition(|byte| !byte.is_ascii_alphanumeric())
                .map_or(0, |before| before + 1);
            let end = run(low, close + 1, |byte| byte.is_ascii_alphanumeric());
            let before = start.checked_sub(1).map_or(b';', |before| at(low, before));
            let behind = at(low, end);
            let whole = behind == 0 || is_space(behind) || b";|&`)<>'\"".contains(&behind);
            let pieces = [
                slice(low, start, open),
                slice(inside, 0, comma),
                slice(low, close + 1, end),
            ];
            let mut name = [0_u8; BRACED_MAX];
            let mut length = 0;
            for (slot, byte) in name.iter_mut().zip(pieces.into_iter().flatten()) {
                *slot = *byte;
                length += 1;
            }
            let name = slice(&name, 0, length);
            let known = among(SURE, name) || among(WORDS, name);
            // A list of names in braces is how many write a choice or fields: `{id,name}`.
            let called = start < open
                || close + 1 < end
                || from(inside, comma + 1)
                    .split(|byte| *byte == b',')
                    .any(is_argument);
            (b";|&`(\n\r".contains(&before) && whole && known && called).then_some((start, end))
        })
}

/// Longest pair of braces that is looked at, and longest name that it makes.
const BRACED_MAX: usize = 80;

/// Whether a word in braces is one that only a command has behind it.
fn is_argument(word: &[u8]) -> bool {
    match word {
        [b'-', letter, ..] => letter.is_ascii_alphanumeric() || *letter == b'-',
        [b'/' | b'$' | b'~' | b'<' | b'>', ..] => true,
        [b'.', b'.' | b'/', ..] => true,
        _ => memchr::memmem::find(word, b"://").is_some(),
    }
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

/// Programs that run another, which is named behind their options. In order.
const RUNNERS: &[&str] = &[
    "builtin", "busybox", "chroot", "command", "doas", "env", "exec", "ionice", "nice", "nohup",
    "setsid", "stdbuf", "strace", "sudo", "time", "timeout", "unshare", "xargs",
];

/// Programs whose name a sentence has behind `time` or `nice`: an argument must follow them. In order.
const NOUNS: &[&str] = &[
    "cat", "curl", "cut", "dash", "dig", "groups", "head", "id", "jobs", "kill", "node", "perl",
    "php", "ping", "python", "reg", "rev", "route", "ruby", "shutdown", "sleep", "su", "tail",
    "tee", "timeout", "touch", "vi",
];

/// Options and assignments that may stand between.
const OPTIONS: usize = 6;

/// Whether the program is one that runs another, and that is what stands behind: `time bsdtar`,
/// `nice -n 5 wget`, `env X=1 sh`.
pub(super) fn runs_another(name: &[u8], rest: &[u8], prose: usize) -> bool {
    if !among(RUNNERS, name) {
        return false;
    }
    let mut here = skip_space(rest, 0);
    for _ in 0..OPTIONS {
        let end = run(rest, here, |byte| !is_space(byte));
        let word = slice(rest, here, end);
        let option = at(word, 0) == b'-' && word.len() > 1;
        let number = !word.is_empty()
            && word
                .iter()
                .all(|byte| byte.is_ascii_digit() || *byte == b'.');
        let assigned = at(word, 0).is_ascii_alphabetic() && word.contains(&b'=');
        let again = among(RUNNERS, word);
        if !(option || number || assigned || again) {
            break;
        }
        here = skip_space(rest, end);
    }
    let called = super::program(rest, here);
    let called_name = slice(&called.name, 0, called.length);
    let strong = super::argument(called_name, from(rest, called.end)) == super::Argument::Command;
    among(SURE, called_name) && (strong || prose < 3 && !among(NOUNS, called_name))
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

/// Whether what follows a program begins with an IPv4 address: `| nc 203.0.113.9 4444`.
pub(super) fn is_address(rest: &[u8]) -> bool {
    let start = skip_space(rest, 0);
    let word = slice(rest, start, run(rest, start, |byte| !is_space(byte)));
    let number = |part: &[u8]| (1..=3).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
    word.split(|byte| *byte == b'.').count() == 4 && word.split(|byte| *byte == b'.').all(number)
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

#[cfg(test)]
mod tests {
    use super::{NOUNS, RUNNERS, braced_program, repeats_commands};

    #[test]
    fn tables_are_in_order() {
        for table in [NOUNS, RUNNERS] {
            assert!(table.is_sorted());
        }
    }

    #[test]
    fn braces_become_a_program_where_a_command_begins() {
        for value in [
            "c{a,oun}t",
            "{l,-lh}s",
            "{cat,/etc/hosts}",
            "x;{tail,-5,a}",
            "{curl,http://h}",
        ] {
            assert!(braced_program(value.as_bytes()).is_some(), "{value}");
        }
        for value in [
            "{id,name}",
            "{date,time}",
            "photo.{jpg,png}",
            "x {cat,/a}",
            "a{b,c}d",
            "{cat",
            "{,}",
        ] {
            assert_eq!(braced_program(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn commands_of_before_are_told_from_exclamations() {
        for value in ["!-1!-2", "!12 !!", "!-3:p !$", "!!:0!4"] {
            assert!(repeats_commands(value.as_bytes()), "{value}");
        }
        for value in [
            "!!", "!!!!", "!-1", "!1 wow", "!x!y", "! 1 ! 2", "!-", "!1a!2",
        ] {
            assert!(!repeats_commands(value.as_bytes()), "{value}");
        }
    }
}
