//! INJ-03, commands for a shell: a separator, substitution or line end and behind it a program with
//! arguments as programs have them. A program's name alone, or in a sentence, is a word.

mod forms;
mod telling;
mod ticks;
mod words;

use aho_corasick::BuildError;

use super::text::{among, at, from, is_space, is_word, run, skip_space, slice, starts, trim};
use super::{Class, Found, Place, View};
use forms::{
    braced_program, dot_command, expands, feeds_expansion, hidden_word, is_address, is_assignment,
    leaves_editor, runs_another,
};
use telling::Telling;
use ticks::Ticks;
use words::{ALONE, SURE, WORDS};

/// Places of a value where a command may begin that are looked at.
const PLACES: usize = 64;

/// What opens this grammar; separators are looked for by byte.
pub(super) const GATE: &[&str] = &[
    "$(",
    "${ifs",
    "$ifs",
    "/bin/",
    "/etc/",
    "/dev/tcp",
    "cmd /",
    "cmd.exe",
    "powershell",
    "invoke-",
    "whoami",
    "curl ",
    "wget ",
    "uname",
    "net user",
    "net localgroup",
    "reg add",
    "ping -",
    "nc -",
    "system32",
    "%systemroot%",
    "sh -c",
    "bash",
    "/tmp/",
    "|sh",
    "| sh",
    "cat ",
    "systeminfo",
    "ipconfig",
    "ifconfig",
    "netstat",
    "sleep ",
    "nslookup",
    "id;",
    "type c:",
    "type %",
    "c:\\win",
    "|dir",
    "dir c:",
    "ls -",
    "ls /",
    "rm -",
    "python",
    "perl -",
    "php -",
    "ruby -",
    "&&",
    "||",
    "<<<",
    "for /",
    "mshta",
    "certutil",
    "schtasks",
    "tasklist",
    "printf ",
    "time ",
    "env ",
    "command ",
    "nice ",
    "builtin ",
    "<(",
    ">(",
    "|rev",
    "xterm",
    "~+",
    "~-",
    "$@",
    "$shell",
    "/usr/",
    "chmod ",
    "echo ",
    "base64 -",
    "(){",
    "/???/",
    "awk ",
    "dir ",
    "\\n",
    "system(",
    "''",
    "\"\"",
    "``",
    "{,",
    ",}",
    ".exe ",
    "${shell}",
    "alias ",
    "export ",
    "iex (",
    "$!",
    "$*",
    "$?",
    "!-",
];

/// Names of programs that open this grammar where a space follows.
pub(super) fn programs() -> impl Iterator<Item = &'static str> {
    SURE.iter().copied().filter(|name| name.len() >= 4)
}

/// The grammar, with what no ordinary value holds.
#[derive(Debug)]
pub(super) struct Shell {
    telling: Telling,
}

impl Shell {
    pub(super) fn new() -> Result<Self, BuildError> {
        let telling = Telling::new()?;
        Ok(Self { telling })
    }

    /// Looks for commands.
    pub(super) fn look(&self, view: &View<'_>, found: &mut Found) {
        look(view, self.telling.heaviest(view), found);
    }
}

fn look(view: &View<'_>, telling: Option<(u8, &'static str, usize, usize)>, found: &mut Found) {
    let mut best: Option<(u8, &'static str, usize, usize)> = None;
    let mut take = |score: u8, rule: &'static str, start: usize, end: usize| {
        if score > 0 && best.is_none_or(|(have, ..)| have < score) {
            best = Some((score, rule, start, end));
        }
    };
    let low = view.low;
    let (mut places, mut ticks) = (0, Ticks::default());
    let begins = skip_space(low, 0);
    // The value may be a command as a whole.
    let first = run(low, 0, |byte| {
        is_space(byte) || matches!(byte, b'"' | b'\'' | b'+')
    });
    if !matches!(view.place, Place::Agent | Place::Path) {
        let (score, end) = command(view, first, Before::Start);
        take(score, "command_alone", first, end);
    }
    for here in 0..low.len() {
        let before = match (at(low, here), at(low, here + 1)) {
            (b'|', b'|') | (b'&', b'&') => Before::Double,
            (b'&', _) if here == begins => Before::Semicolon,
            (b'|' | b'&', _) if here > 0 && at(low, here - 1) == at(low, here) => Before::Double,
            (b'|', _) => Before::Pipe,
            (b'&' | b';', _) if is_of_entity(low, here) => continue,
            (b';', _) => Before::Semicolon,
            (b'&', _) => Before::And,
            (b'\n' | b'\r', _) => Before::Line,
            (b'`', _) if ticks.opens(low, here) => Before::Tick,
            (b'$', b'(') | (b'<' | b'>', b'(') => Before::Substitution,
            _ => continue,
        };
        places += 1;
        if places > PLACES {
            break;
        }
        let width = if before == Before::Substitution { 2 } else { 1 };
        let start = skip_separators(low, here + width);
        let (score, end) = command(view, start, before);
        take(score, before.rule(), here, end);
    }
    if let Some((score, rule, start, end)) = telling {
        take(score, rule, start, end);
    }
    take(hidden_word(view), "hidden_word", 0, low.len().min(80));
    if expands(low) {
        take(5, "expansion_alone", 0, low.len().min(80));
    }
    if let Some((start, end)) = braced_program(low).filter(|_| view.prose < 6) {
        take(5, "expansion_alone", start, end);
    }
    if let Some(place) = dot_command(low).filter(|_| view.prose < 6) {
        take(5, "command_of_sqlite", place, low.len().min(place + 40));
    }
    if let Some((score, rule, start, end)) = best {
        found.add(Class::Shell, rule, score, start, end);
    }
}

/// Whether the sign at `here` begins or ends a character reference, as `&amp;` and `&#32;` do.
fn is_of_entity(low: &[u8], here: usize) -> bool {
    let start = if at(low, here) == b'&' {
        Some(here)
    } else {
        memchr::memrchr(b'&', slice(low, here.saturating_sub(9), here))
            .map(|n| here.saturating_sub(9) + n)
    };
    let Some(start) = start else { return false };
    let end = run(low, start + 1, |byte| {
        byte.is_ascii_alphanumeric() || byte == b'#'
    });
    let number = at(low, start + 1) == b'#' && at(low, start + 2).is_ascii_alphanumeric();
    let named = ["amp", "lt", "gt", "quot", "apos", "nbsp"]
        .iter()
        .any(|name| name.as_bytes() == slice(low, start + 1, end));
    at(low, end) == b';' && (number || named) && (here == start || here == end)
}

/// What stands before a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Start,
    Line,
    Semicolon,
    Pipe,
    And,
    Double,
    Tick,
    Substitution,
}

impl Before {
    const fn rule(self) -> &'static str {
        match self {
            Self::Start => "command_alone",
            Self::Line => "command_on_line",
            Self::Semicolon => "command_after_semicolon",
            Self::Pipe => "command_after_pipe",
            Self::And | Self::Double => "command_after_and",
            Self::Tick => "command_in_backticks",
            Self::Substitution => "command_substitution",
        }
    }
}

fn skip_separators(low: &[u8], here: usize) -> usize {
    run(low, here, |byte| {
        is_space(byte)
            || matches!(
                byte,
                b'|' | b'&' | b';' | b'(' | b'{' | b'`' | b'"' | b'\'' | b'@' | b'!' | b'+' | b'.'
            )
    })
}

/// A program's name as it is written.
struct Program {
    name: [u8; 24],
    length: usize,
    /// Where it ends.
    end: usize,
    /// Quotes, backslashes or empty variables stand within it.
    hidden: bool,
    /// A path stands before it.
    path: bool,
}

/// Reads a name: a path before it, and quotes or backslashes within it, are taken off.
fn program(low: &[u8], start: usize) -> Program {
    let mut program = Program {
        name: [0; 24],
        length: 0,
        end: start,
        hidden: false,
        path: false,
    };
    while program.end < low.len() {
        let here = program.end;
        let byte = at(low, here);
        let before = here.checked_sub(1).map_or(0, |before| at(low, before));
        let behind = at(low, here + 1);
        match byte {
            b'/' | b'\\' if here == start => {
                program.path = byte == b'/';
                program.length = 0;
            }
            // An option of Windows, right behind the name.
            b'/' if is_word(before)
                && behind.is_ascii_alphabetic()
                && !is_word(at(low, here + 2))
                && among(SURE, slice(&program.name, 0, program.length)) =>
            {
                break;
            }
            b'/' if is_word(before) && behind.is_ascii_alphabetic() => {
                program.path = true;
                program.length = 0;
            }
            b'\'' | b'"' | b'\\' | b'`'
                if here > start
                    && (is_word(behind) || behind == byte)
                    && (is_word(before) || before == byte) =>
            {
                program.hidden = true;
            }
            // Variables of the shell that are empty.
            b'$' if behind == b'@'
                || here > start
                    && matches!(behind, b'!' | b'*' | b'?')
                    && is_word(at(low, here + 2)) =>
            {
                program.hidden = true;
                program.end += 1;
            }
            _ if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') => {
                if let Some(slot) = program.name.get_mut(program.length) {
                    *slot = byte;
                }
                program.length += 1;
            }
            _ => break,
        }
        program.end += 1;
    }
    program
}

/// Weighs what begins at `start`, and where its first word ends.
fn command(view: &View<'_>, start: usize, before: Before) -> (u8, usize) {
    let low = view.low;
    let program = program(low, start);
    let next = program.end;
    if program.length == 0 || program.length > program.name.len() {
        return (0, next);
    }
    let name = slice(&program.name, 0, program.length);
    let name = name.strip_suffix(b".exe").unwrap_or(name);
    let name = name.strip_suffix(b".").unwrap_or(name);
    let sure = among(SURE, name) || among(SURE, unversioned(name));
    let word = among(WORDS, name);
    if !sure && !word {
        return (0, next);
    }
    let rest = from(low, next);
    let mut argument = argument(name, rest);
    if EDITORS.iter().any(|editor| editor.as_bytes() == name)
        && (name != b"ex" && memchr::memmem::find(slice(rest, 0, 80), b" +").is_some()
            || leaves_editor(rest))
    {
        argument = Argument::Command;
    }
    if !matches!(before, Before::Start | Before::Line) && is_address(rest) {
        argument = Argument::Command;
    }
    let runs = runs_another(name, rest, view.prose);
    if runs {
        argument = Argument::Command;
    }
    // A word behind a program is a command where the parameter says so.
    let named = before == Before::Start
        && COMMAND_NAMES
            .iter()
            .any(|have| view.name.eq_ignore_ascii_case(have.as_bytes()));
    if named && sure && argument == Argument::Word && view.prose < 5 {
        argument = Argument::Command;
    }
    let assigns = matches!(name, b"alias" | b"export") && is_assignment(rest);
    let option = memchr::memmem::find(slice(rest, 0, 120), b" /").is_some();
    let clean = trim(rest).is_empty()
        || trim(rest).iter().all(|byte| {
            matches!(
                byte,
                b';' | b'|' | b'&' | b'`' | b')' | b'#' | b'"' | b'\'' | b'}' | b' ' | b'+'
            )
        });
    let score = weigh(&Judged {
        sure,
        word,
        // A backslash in front has the shell pass over an alias of that name.
        hidden: program.hidden
            || before == Before::Start && clean && sure && at(low, start) == b'\\',
        path: program.path,
        clean,
        before,
        prose: view.prose,
        shown: view.is_shown(start),
        fenced: view.is_fenced(start),
        short: name.len() <= 2,
        option: option || runs || assigns || names_drive(name, rest) || feeds_expansion(rest),
        argument: if assigns { Argument::Command } else { argument },
        alone: among(ALONE, name),
        tells: matches!(
            name,
            b"date"
                | b"dir"
                | b"env"
                | b"export"
                | b"false"
                | b"history"
                | b"true"
                | b"users"
                | b"ver"
                | b"who"
        ),
    });
    (score, next)
}

/// A program's name without the version that distributions put behind it: `gcc10.1`, `python3.11`.
fn unversioned(name: &[u8]) -> &[u8] {
    let end = name
        .iter()
        .rposition(|byte| !byte.is_ascii_digit() && !matches!(byte, b'.' | b'-'))
        .map_or(0, |n| n + 1);
    if end < 3 { name } else { slice(name, 0, end) }
}

/// Names of parameters whose value is a command.
const COMMAND_NAMES: &[&str] = &["cmd", "command", "exec", "execute", "shell"];

/// Editors that run what stands behind `+`.
const EDITORS: &[&str] = &["ex", "nvim", "vi", "view", "vim"];

struct Judged {
    sure: bool,
    word: bool,
    hidden: bool,
    path: bool,
    argument: Argument,
    /// Nothing but separators follows.
    clean: bool,
    before: Before,
    prose: usize,
    shown: bool,
    /// Between the marks that markdown puts around lines of code.
    fenced: bool,
    short: bool,
    /// An option as Windows writes them stands somewhere behind.
    option: bool,
    /// The name is a word in no language.
    alone: bool,
    /// The name of a program that tells of the host without arguments.
    tells: bool,
}

fn weigh(judged: &Judged) -> u8 {
    let prose = judged.prose >= 6;
    let strong = judged.argument == Argument::Command;
    let base = match judged.before {
        Before::Start => match (judged.sure, judged.argument) {
            _ if judged.hidden || judged.path && judged.sure => 5,
            (true, Argument::Command) => 5,
            (false, Argument::Command) if judged.word => {
                if judged.option {
                    5
                } else {
                    4
                }
            }
            _ if judged.alone && judged.clean => 5,
            _ => 0,
        },
        // Lines of text begin with any word.
        Before::Line => match (judged.sure, strong) {
            _ if judged.fenced => 2,
            _ if judged.hidden || judged.path && judged.sure => 5,
            (true, true) => 5,
            (true, false) if judged.clean && !judged.short => 4,
            _ => 0,
        },
        // Markdown writes names of programs so.
        Before::Tick => match (judged.sure, strong, judged.clean) {
            _ if prose || judged.shown => 1,
            (true, ..) => 5,
            (false, true, _) | (false, _, true) if judged.word => 5,
            _ => 0,
        },
        Before::Substitution => match (judged.sure, strong, judged.clean) {
            (true, _, _) => 6,
            (false, true, _) | (false, _, true) => 5,
            _ => 2,
        },
        Before::Semicolon | Before::Pipe | Before::Double | Before::And => {
            match (judged.sure, judged.argument, judged.clean) {
                _ if judged.hidden => 6,
                (true, Argument::Word, _) if judged.alone => 5,
                (true, Argument::Command, _) => 6,
                (true, _, true) => 5,
                (true, Argument::Word, _) => {
                    if judged.before == Before::And {
                        2
                    } else {
                        4
                    }
                }
                (true, Argument::None, _) => 3,
                (false, Argument::Command, _) => 5,
                (false, _, true) if judged.tells && judged.prose <= 2 => 5,
                _ => 1,
            }
        }
    };
    if prose && (base < 6 || judged.shown) {
        base * 3 / 5
    } else {
        base
    }
}

/// What follows a program's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Argument {
    None,
    /// A word as any text has.
    Word,
    /// An option, path, address, redirection, variable or separator.
    Command,
}

fn argument(name: &[u8], rest: &[u8]) -> Argument {
    let spaces = skip_space(rest, 0);
    if spaces == 0 {
        return match at(rest, 0) {
            b'<' | b'>' | b'$' => Argument::Command,
            b'+' if matches!(at(rest, 1), b'c' | b'd' | b'/' | b'-') => Argument::Command,
            // `program/r`, as Windows reads it.
            b'/' if at(rest, 1).is_ascii_alphabetic() && !is_word(at(rest, 2)) => Argument::Command,
            _ => Argument::None,
        };
    }
    let rest = from(rest, spaces);
    let end = run(rest, 0, |byte| !is_space(byte));
    let word = slice(rest, 0, end);
    let first = at(word, 0);
    let second = at(word, 1);
    let is_command = match first {
        b'-' => second.is_ascii_alphabetic() && word.len() <= 24 || starts(word, "--"),
        b'/' => word.len() > 1 && second != b' ',
        b'|' | b'>' | b'<' | b'$' | b'`' | b'~' | b'%' => word.len() > 1 || end < rest.len(),
        b'&' => second == b'&',
        // `at 2:00 "echo`.
        b'0'..=b'9' if name == b"at" && word.contains(&b':') => {
            let behind = from(rest, skip_space(rest, end));
            let run = program(behind, usize::from(matches!(at(behind, 0), b'"' | b'\'')));
            let called = slice(&run.name, 0, run.length);
            run.end > 1 && (among(SURE, called) || among(WORDS, called))
        }
        b'.' => matches!(second, b'/' | b'.'),
        b'c' | b'd' if second == b':' => true,
        b'0'..=b'9' => end >= trim(rest).len() && word.iter().all(u8::is_ascii_digit),
        _ => {
            starts(word, "http://")
                || starts(word, "https://")
                || starts(word, "ftp://")
                || word.iter().any(|byte| matches!(byte, b'$' | b'`')) && word.len() < 64
                || word.len() > 3
                    && word.first().is_some_and(u8::is_ascii_lowercase)
                    && memchr::memchr(b'/', word).is_some_and(|n| n > 0)
                    && !word.contains(&b'(')
                    && is_file(word)
        }
    };
    let later = || {
        let line = slice(rest, 0, 160);
        memchr::memmem::find(line, b" /add").is_some()
            || memchr::memmem::find(line, b" -c ").is_some()
            || memchr::memmem::find(line, b" | ").is_some()
                && memchr::memmem::find(line, b"/").is_some()
    };
    if is_command || later() {
        Argument::Command
    } else {
        Argument::Word
    }
}

/// Whether a command of Windows has a drive for its argument: `dir c:`.
fn names_drive(name: &[u8], rest: &[u8]) -> bool {
    let start = run(rest, 0, |byte| is_space(byte) || byte == b'+');
    matches!(name, b"dir" | b"type" | b"del" | b"copy" | b"move")
        && (1..3).contains(&start)
        && matches!(slice(rest, start, start + 2), b"c:" | b"d:")
}

/// A path of a system: `etc/passwd`, `../x`.
fn is_file(word: &[u8]) -> bool {
    ["etc/", "bin/", "tmp/", "var/", "usr/", "dev/"]
        .iter()
        .any(|root| starts(word, root))
}

#[cfg(test)]
mod tests;
