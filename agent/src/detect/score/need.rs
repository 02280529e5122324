//! What an expression cannot hold without: strings of which each match has at least one. Few values
//! have any of a rule's, and only those are read by its expression.

use std::collections::BTreeSet;

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

/// Strings in lower case.
type Strings = BTreeSet<Vec<u8>>;

/// Strings that a piece of an expression is spelled out to.
const SPELLED: usize = 48;

/// Longest string that is looked for: a longer one tells no more.
const LONGEST: usize = 12;

/// Strings that are looked for on behalf of one rule.
const MOST: usize = 400;

/// What a piece of an expression matches.
enum Piece {
    /// These strings and no other.
    Exactly(Strings),
    /// Something that holds one of these.
    Holds(Strings),
    /// Anything.
    Anything,
}

/// The strings of which a match of `expression` has at least one, case of letters aside; `None` where
/// there are no such strings, or too many.
pub(super) fn need(expression: &str) -> Option<Vec<Vec<u8>>> {
    let hir = ParserBuilder::new()
        .utf8(false)
        .unicode(false)
        .case_insensitive(true)
        .dot_matches_new_line(true)
        .build()
        .parse(expression)
        .ok()?;
    let strings = piece(&hir).held()?;
    (strings.len() <= MOST).then(|| strings.into_iter().collect())
}

impl Piece {
    /// What it holds at least; `None` if that may be nothing.
    fn held(self) -> Option<Strings> {
        match self {
            Self::Exactly(strings) | Self::Holds(strings) => strings
                .iter()
                .all(|string| !string.is_empty())
                .then_some(strings),
            Self::Anything => None,
        }
    }
}

fn piece(hir: &Hir) -> Piece {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Piece::Exactly(nothing()),
        HirKind::Literal(literal) => {
            let text: Vec<u8> = literal.0.to_ascii_lowercase();
            if text.len() <= LONGEST {
                return Piece::Exactly([text].into());
            }
            Piece::Holds([text.get(..LONGEST).unwrap_or_default().to_vec()].into())
        }
        HirKind::Class(class) => of_class(class),
        HirKind::Capture(capture) => piece(&capture.sub),
        HirKind::Repetition(repetition) => repeated(repetition),
        HirKind::Concat(pieces) => behind_each_other(pieces.iter().map(piece)),
        HirKind::Alternation(choices) => one_of(choices.iter().map(piece).collect()),
    }
}

fn nothing() -> Strings {
    [Vec::new()].into()
}

fn of_class(class: &Class) -> Piece {
    let Class::Bytes(class) = class else {
        return Piece::Anything;
    };
    let bytes = class.iter().flat_map(|range| range.start()..=range.end());
    let strings: Strings = bytes.map(|byte| vec![byte.to_ascii_lowercase()]).collect();
    if strings.len() > SPELLED / 4 {
        return Piece::Anything;
    }
    Piece::Exactly(strings)
}

fn repeated(repetition: &Repetition) -> Piece {
    let sub = || piece(&repetition.sub);
    match (repetition.min, repetition.max) {
        (1, Some(1)) => sub(),
        (0, Some(1)) => match sub() {
            Piece::Exactly(mut strings) => {
                strings.extend(nothing());
                Piece::Exactly(strings)
            }
            _ => Piece::Anything,
        },
        (0, _) => Piece::Anything,
        (min, max) => {
            // So often it is there for sure.
            let times = behind_each_other((0..min.min(4)).map(|_| sub()));
            match times {
                Piece::Exactly(strings) if Some(min) == max && min <= 4 => Piece::Exactly(strings),
                times => times.held().map_or(Piece::Anything, Piece::Holds),
            }
        }
    }
}

fn behind_each_other(pieces: impl Iterator<Item = Piece>) -> Piece {
    let mut best: Option<Strings> = None;
    let mut run = nothing();
    let mut all_spelled = true;
    for piece in pieces {
        match piece {
            Piece::Exactly(strings) => match crossed(&run, &strings) {
                Some(both) => run = both,
                None => {
                    all_spelled = false;
                    take(&mut best, std::mem::replace(&mut run, strings));
                }
            },
            Piece::Holds(strings) => {
                all_spelled = false;
                take(&mut best, std::mem::replace(&mut run, nothing()));
                take(&mut best, strings);
            }
            Piece::Anything => {
                all_spelled = false;
                take(&mut best, std::mem::replace(&mut run, nothing()));
            }
        }
    }
    if all_spelled {
        return Piece::Exactly(run);
    }
    take(&mut best, run);
    best.map_or(Piece::Anything, Piece::Holds)
}

/// Each of `fronts` with each of `backs` behind it; `None` if that is too much to spell out.
fn crossed(fronts: &Strings, backs: &Strings) -> Option<Strings> {
    let longest = |strings: &Strings| strings.iter().map(Vec::len).max().unwrap_or(0);
    if fronts.len() * backs.len() > SPELLED || longest(fronts) + longest(backs) > LONGEST {
        return None;
    }
    let both = |front: &Vec<u8>, back: &Vec<u8>| [front.as_slice(), back.as_slice()].concat();
    let all = fronts
        .iter()
        .flat_map(|front| backs.iter().map(move |back| both(front, back)));
    Some(all.collect())
}

/// Keeps the more telling of what must be held: that whose shortest string is longer, or which has
/// fewer.
fn take(best: &mut Option<Strings>, strings: Strings) {
    let worth = |strings: &Strings| {
        let shortest = strings.iter().map(Vec::len).min().unwrap_or(0);
        // Beyond four bytes strings are rare enough.
        (shortest.min(4), std::cmp::Reverse(strings.len()))
    };
    let tells = strings.iter().all(|string| !string.is_empty());
    if tells
        && best
            .as_ref()
            .is_none_or(|have| worth(have) < worth(&strings))
    {
        *best = Some(strings);
    }
}

fn one_of(choices: Vec<Piece>) -> Piece {
    let spelled = choices
        .iter()
        .all(|choice| matches!(choice, Piece::Exactly(_)));
    let mut all = Strings::new();
    for choice in choices {
        let strings = match choice {
            Piece::Exactly(strings) if spelled => Some(strings),
            choice => choice.held(),
        };
        let Some(strings) = strings else {
            return Piece::Anything;
        };
        all.extend(strings);
    }
    if spelled && all.len() <= SPELLED {
        return Piece::Exactly(all);
    }
    // One that may be nothing says nothing.
    Piece::Holds(all)
        .held()
        .map_or(Piece::Anything, Piece::Holds)
}

#[cfg(test)]
mod tests {
    use super::need;

    #[track_caller]
    fn check(expression: &str, expected: Option<&[&str]>) {
        let found = need(expression).map(|strings| {
            let text = |string: &Vec<u8>| string.escape_ascii().to_string();
            strings.iter().map(text).collect::<Vec<_>>()
        });
        let expected = expected.map(|all| all.iter().map(|one| (*one).to_owned()).collect());
        assert_eq!(found, expected, "{expression}");
    }

    #[test]
    fn what_is_spelled_out_is_needed() {
        check("abc", Some(&["abc"]));
        check("(?:ab|CD)e?", Some(&["ab", "abe", "cd", "cde"]));
        check(r"x\d+y\s*(?:left|right)!", Some(&["left!", "right!"]));
        check(r"\.{2,}[/\\]", Some(&[".."]));
        check(r"a{3}b", Some(&["aaab"]));
        check("averyverylongword", Some(&["averyverylon"]));
    }

    #[test]
    fn what_may_be_anything_needs_nothing() {
        check("", None);
        check(r"\w+", None);
        check("(?:abc)?", None);
        check(r"abc|\w+", None);
        check("(?:abc|)", None);
        check("^$", None);
        check("x*", None);
    }
}
