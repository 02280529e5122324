//! What every file is held to: length, whitespace, characters, names, and words that hide something.

use super::source::{Word, words};
use super::{File, Problem};

/// Most lines of a Rust file.
const LINES_MAX: usize = 600;

/// Names that say nothing of what a file is for.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "helper", "helpers", "manager", "info", "misc", "common",
];

/// Files that are taken from others or made by machines, byte for byte.
const AS_THEY_ARE: &[&str] = &[
    "Cargo.lock",
    "LICENSE",
    "tests/fixtures/",
    "agent/fuzz/seeds/",
];

/// Checks every file.
pub(super) fn check(files: &[File]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in files {
        let name = file.path.rsplit('/').next().unwrap_or(&file.path);
        if AS_THEY_ARE
            .iter()
            .any(|given| name == *given || file.path.starts_with(given))
        {
            continue;
        }
        lines(file, &mut problems);
        if let Some(stem) = name.strip_suffix(".rs") {
            if EMPTY_NAMES.contains(&stem) {
                problems.push(Problem::new(
                    &file.path,
                    0,
                    format!("`{stem}` says nothing"),
                ));
            }
            let count = file.text.lines().count();
            if count > LINES_MAX {
                let what = format!("{count} lines, at most {LINES_MAX}: split it by job");
                problems.push(Problem::new(&file.path, 0, what));
            }
            attributes(file, &mut problems);
        }
        if name == "mod.rs" && !file.text.starts_with("//!") {
            problems.push(Problem::new(
                &file.path,
                1,
                "a front door begins with what it is for",
            ));
        }
    }
    problems
}

/// Whitespace and characters of each line.
fn lines(file: &File, problems: &mut Vec<Problem>) {
    let mut say = |line: usize, what: &str| problems.push(Problem::new(&file.path, line, what));
    for (index, line) in file.text.split('\n').enumerate() {
        let number = index + 1;
        if line.ends_with([' ', '\t']) {
            say(number, "white space at the end of the line");
        }
        if line.chars().any(|c| c != '\t' && is_unseen(c)) {
            say(number, "a character that nobody sees");
        }
        if line.contains('\t') && file.path.ends_with(".rs") {
            say(number, "a tab");
        }
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        say(0, "the last line does not end");
    }
    if file.text.ends_with("\n\n") {
        say(0, "empty lines at the end");
    }
}

/// Control characters, and those that turn the direction of text or take no room.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Attributes that hide a test or a lint.
fn attributes(file: &File, problems: &mut Vec<Problem>) {
    let words = words(&file.text);
    for (at, word) in words.iter().enumerate() {
        if word.text != "#" {
            continue;
        }
        let is = |word: Option<&Word<'_>>, text: &str| word.is_some_and(|word| word.text == text);
        let next = if is(words.get(at + 1), "!") {
            at + 2
        } else {
            at + 1
        };
        if !is(words.get(next), "[") {
            continue;
        }
        // Inside `cfg_attr(condition, …)` too.
        let inside = words.get(next + 1..).unwrap_or_default();
        let end = inside
            .iter()
            .position(|word| word.text == "]")
            .unwrap_or(inside.len());
        for pair in inside
            .get(..end.saturating_add(1))
            .unwrap_or_default()
            .windows(2)
        {
            match pair {
                [name, open] if name.text == "allow" && open.text == "(" => {
                    problems.push(Problem::new(
                        &file.path,
                        name.line,
                        "`allow`: silence a lint with `expect` and a reason",
                    ))
                }
                [name, after]
                    if name.text == "ignore" && matches!(after.text, "]" | "=" | ")" | ",") =>
                {
                    let what = "`ignore`: a test that cannot run says so itself";
                    problems.push(Problem::new(&file.path, name.line, what));
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::file;

    #[track_caller]
    fn check(path: &str, text: &str, expected: &[&str]) {
        let found: Vec<_> = super::check(&[file(path, text)])
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_clean_file_is_left_in_peace() {
        check("agent/src/a.rs", "//! A.\n\nfn f() {}\n", &[]);
    }

    #[test]
    fn whitespace_is_kept_clean() {
        check(
            "a.md",
            "x \n",
            &["a.md:1: white space at the end of the line"],
        );
        check("a.md", "x", &["a.md: the last line does not end"]);
        check("a.md", "x\n\n", &["a.md: empty lines at the end"]);
        check("a.rs", "\tx\n", &["a.rs:1: a tab"]);
    }

    #[test]
    fn characters_that_nobody_sees_are_told() {
        check(
            "a.md",
            "x\u{202e}y\n",
            &["a.md:1: a character that nobody sees"],
        );
        check(
            "a.md",
            "x\u{1b}[1m\n",
            &["a.md:1: a character that nobody sees"],
        );
    }

    #[test]
    fn long_files_and_empty_names_are_told() {
        let long = "x\n".repeat(601);
        check(
            "a.rs",
            &long,
            &["a.rs: 601 lines, at most 600: split it by job"],
        );
        check(
            "agent/src/cli/util.rs",
            "x\n",
            &["agent/src/cli/util.rs: `util` says nothing"],
        );
    }

    #[test]
    fn lints_and_tests_are_not_hidden() {
        let allow = "`allow`: silence a lint with `expect` and a reason";
        check(
            "a.rs",
            "#![allow(dead_code)]\n",
            &[&format!("a.rs:1: {allow}")],
        );
        check(
            "a.rs",
            "#[cfg_attr(test, allow(x))]\n",
            &[&format!("a.rs:1: {allow}")],
        );
        let ignore = "`ignore`: a test that cannot run says so itself";
        check(
            "a.rs",
            "#[test]\n#[ignore]\nfn f() {}\n",
            &[&format!("a.rs:2: {ignore}")],
        );
        check(
            "a.rs",
            "#[ignore = \"slow\"]\n",
            &[&format!("a.rs:1: {ignore}")],
        );
        check(
            "a.rs",
            "// #[ignore]\nlet s = \"#[allow(x)]\"; #[expect(x, reason = \"y\")]\n",
            &[],
        );
        check("a.rs", "fn allow(x: u8) { ignore(x) }\n", &[]);
    }

    #[test]
    fn a_front_door_has_a_plate() {
        check(
            "a/mod.rs",
            "mod b;\n",
            &["a/mod.rs:1: a front door begins with what it is for"],
        );
    }
}
