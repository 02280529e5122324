//! Rooms of the agent import rooms of a lower level only, and by their front doors.

use super::source::{Word, words};
use super::{File, Problem};

/// The rooms by level; a room of one level knows no other of it. A file's name stands for a room too.
const LEVELS: &[&[&str]] = &[
    &[
        "event",
        "telemetry",
        "clock",
        "units",
        "spelling",
        "keyed",
        "memo",
        "base64",
        "hex",
        "bytes",
        "guard",
    ],
    &["capture", "protocol", "content", "filter"],
    &["probe", "lookup", "stream"],
    &["exchange"],
    &["enrich", "catalog", "redact", "detect"],
    &["respond", "journal"],
    &["sink", "query"],
    &["config"],
    &["pipeline"],
    &["api"],
    &["cli"],
];

/// What the words of everyone may build on: dates, keyed hashes and bodies that are no text stand in events;
/// what a thread could not be kept from is told with its causes.
const ALSO_ALLOWED: &[(&str, &str)] = &[
    ("event", "clock"),
    ("event", "keyed"),
    ("event", "base64"),
    ("guard", "telemetry"),
];

const SOURCES: &str = "agent/src/";

/// Checks every source file of the agent's library.
pub(super) fn check(files: &[File]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in files {
        let Some(inside) = file.path.strip_prefix(SOURCES) else {
            continue;
        };
        if !inside.ends_with(".rs") || inside == "lib.rs" || inside == "main.rs" {
            continue;
        }
        let room = inside
            .split('/')
            .next()
            .unwrap_or(inside)
            .trim_end_matches(".rs");
        let Some(level) = level_of(room) else {
            problems.push(Problem::new(
                &file.path,
                0,
                format!("room `{room}` has no level"),
            ));
            continue;
        };
        let words = words(&file.text);
        if inside.ends_with("/mod.rs") && inside.matches('/').count() == 1 {
            problems.extend(open_walls(files, &file.path, &words));
        }
        for (other, line) in paths(&words, depth(inside)) {
            if other == room || ALSO_ALLOWED.contains(&(room, other)) {
                continue;
            }
            match level_of(other) {
                Some(below) if below < level => {}
                Some(above) => problems.push(Problem::new(
                    &file.path,
                    line,
                    format!("`{room}` (level {level}) may not know `{other}` (level {above})"),
                )),
                None => problems.push(Problem::new(
                    &file.path,
                    line,
                    format!("`crate::{other}` is no room: import it from its room's front door"),
                )),
            }
        }
    }
    problems
}

fn level_of(room: &str) -> Option<usize> {
    LEVELS.iter().position(|rooms| rooms.contains(&room))
}

/// How many `super` lead from the file's own module to the crate's root.
fn depth(inside: &str) -> usize {
    inside.trim_end_matches("/mod.rs").matches('/').count() + 1
}

/// Files of a room that others could name; a folder in it with a front door of its own may be.
fn open_walls(files: &[File], path: &str, words: &[Word<'_>]) -> Vec<Problem> {
    let texts: Vec<_> = words.iter().map(|word| word.text).collect();
    let folder = path.trim_end_matches("mod.rs");
    let mut problems = Vec::new();
    for (at, window) in texts.windows(4).enumerate() {
        // `pub mod x;`; an inline `pub mod x {` names constants and stays in its file.
        if let ["pub", "mod", name, ";"] = window {
            let door = format!("{folder}{name}/mod.rs");
            if files.iter().any(|file| file.path == door) {
                continue;
            }
            let line = words.get(at).map_or(0, |word| word.line);
            let what = format!("module `{name}` must be private: re-export what others need");
            problems.push(Problem::new(path, line, what));
        }
    }
    problems
}

/// The first name of every path from the crate's root, with its line: `crate::a`, each of
/// `crate::{a, b}`, and a `super::super::a` that climbs all floors: `depth` of the file's own, and
/// one for each inline module around it.
fn paths<'a>(words: &[Word<'a>], depth: usize) -> Vec<(&'a str, usize)> {
    let mut found = Vec::new();
    let mut inline = InlineModules::default();
    let mut at = 0;
    while at < words.len() {
        inline.step(words, at);
        let Some(after) = root_ends(words, at, depth + inline.open.len()) else {
            at += 1;
            continue;
        };
        match words.get(after) {
            Some(word) if word.text == "{" => {
                at = group(words, after + 1, &mut found);
            }
            Some(word) => {
                // A macro of the crate, or `pub(in crate::x)`, reads alike.
                found.push((word.text, word.line));
                at = after + 1;
            }
            None => break,
        }
    }
    found
}

/// The inline modules around a place, as the number of braces open where each began.
#[derive(Default)]
struct InlineModules {
    braces: usize,
    open: Vec<usize>,
}

impl InlineModules {
    /// Takes note of the word at `at`.
    fn step(&mut self, words: &[Word<'_>], at: usize) {
        match words.get(at).map(|word| word.text) {
            Some("{") => {
                let before = at.checked_sub(2).and_then(|place| words.get(place));
                if before.is_some_and(|word| word.text == "mod") {
                    self.open.push(self.braces);
                }
                self.braces += 1;
            }
            Some("}") => {
                self.braces = self.braces.saturating_sub(1);
                if self.open.last() == Some(&self.braces) {
                    self.open.pop();
                }
            }
            _ => {}
        }
    }
}

/// Where the name after `crate ::`, or after `depth` times `super ::`, stands.
fn root_ends(words: &[Word<'_>], at: usize, depth: usize) -> Option<usize> {
    let text = |index: usize| words.get(index).map(|word| word.text);
    if text(at) == Some("crate") && text(at + 1) == Some("::") {
        return Some(at + 2);
    }
    let climbs = (0..depth).all(|floor| {
        text(at + 2 * floor) == Some("super") && text(at + 2 * floor + 1) == Some("::")
    });
    (climbs && text(at + 2 * depth) != Some("super")).then_some(at + 2 * depth)
}

/// Takes the first name of each entry of a group; gives the place after its closing brace.
fn group<'a>(words: &[Word<'a>], mut at: usize, found: &mut Vec<(&'a str, usize)>) -> usize {
    let mut open = 1;
    let mut first = true;
    while let Some(word) = words.get(at) {
        at += 1;
        match word.text {
            "{" => open += 1,
            "}" => open -= 1,
            "," if open == 1 => first = true,
            name if first && open == 1 => {
                found.push((name, word.line));
                first = false;
            }
            _ => {}
        }
        if open == 0 {
            break;
        }
    }
    at
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
    fn lower_rooms_and_the_own_one_may_be_imported() {
        check(
            "agent/src/exchange/pair.rs",
            "use crate::clock::Ktime;\nuse crate::{stream::Chunk, exchange::Pair};",
            &[],
        );
    }

    #[test]
    fn higher_and_equal_rooms_may_not() {
        check(
            "agent/src/stream/order.rs",
            "\nuse crate::exchange::Exchange;\nfn f() { crate::probe::load() }",
            &[
                "agent/src/stream/order.rs:2: `stream` (level 2) may not know `exchange` (level 3)",
                "agent/src/stream/order.rs:3: `stream` (level 2) may not know `probe` (level 2)",
            ],
        );
    }

    #[test]
    fn groups_are_looked_into() {
        check(
            "agent/src/capture/mod.rs",
            "use crate::{clock::{Ktime, WallTime}, sink::Sink};",
            &["agent/src/capture/mod.rs:1: `capture` (level 1) may not know `sink` (level 6)"],
        );
    }

    #[test]
    fn super_does_not_lead_around_it() {
        check(
            "agent/src/stream/mod.rs",
            "use super::cli::run;",
            &["agent/src/stream/mod.rs:1: `stream` (level 2) may not know `cli` (level 10)"],
        );
        check("agent/src/stream/order.rs", "use super::cli::run;", &[]);
        check(
            "agent/src/protocol/http1/mod.rs",
            "use super::super::stream::Chunk;",
            &[
                "agent/src/protocol/http1/mod.rs:1: `protocol` (level 1) may not know `stream` (level 2)",
            ],
        );
    }

    #[test]
    fn an_inline_module_is_a_floor_more() {
        let tests = "mod tests {\n use super::Order;\n use super::super::cli::run;\n}\n";
        let told = "agent/src/stream/mod.rs:3: `stream` (level 2) may not know `cli` (level 10)";
        check("agent/src/stream/mod.rs", tests, &[told]);
        check(
            "agent/src/stream/mod.rs",
            "mod a { }\nuse super::clock::Ktime;",
            &[],
        );
    }

    #[test]
    fn docs_may_speak_of_any_room() {
        check(
            "agent/src/clock.rs",
            "//! See [`crate::pipeline`].\nfn f() {}",
            &[],
        );
    }

    #[test]
    fn walls_stay_closed() {
        check(
            "agent/src/sink/mod.rs",
            "pub mod file;\nmod stdout;\npub mod bit { }",
            &["agent/src/sink/mod.rs:1: module `file` must be private: re-export what others need"],
        );
    }

    #[test]
    fn a_folder_with_a_front_door_may_be_named() {
        let files = [
            file("agent/src/protocol/http1/mod.rs", ""),
            file("agent/src/protocol/mod.rs", "pub mod http1;"),
        ];
        assert_eq!(super::check(&files), []);
    }

    #[test]
    fn an_unknown_room_is_told() {
        check(
            "agent/src/misc/mod.rs",
            "",
            &["agent/src/misc/mod.rs: room `misc` has no level"],
        );
        check(
            "agent/src/cli/mod.rs",
            "use crate::Thing;",
            &[
                "agent/src/cli/mod.rs:1: `crate::Thing` is no room: import it from its room's front door",
            ],
        );
    }
}
