//! Values that leave a string or an expression at once and are no sentence: the forms that the walk
//! behind a quote does not take for an expression, since a sign in them is not SQL's or an operand is
//! missing. And words of SQL that comments cut in two.

use super::super::rules::{Rule, Rules, rule};
use super::super::text::{among, find, from, run, slice};
use super::super::{Class, Found, ScorerError, View};

/// Longest value that such a form is: they are the beginning of a guess.
const VALUE_MAX: usize = 256;

/// Words of plain language from which on it is a sentence.
const PROSE: usize = 6;

const RULES: &[Rule] = &[
    // `' * x = 1 or '9`: the string ends where the value begins, and begins where it ends.
    rule(
        "string_reopened",
        5,
        r"^\s*'[^\w'][^']{0,80}(?:[=<>]|\b(?:or|and)\s+\d)[^']{0,80}[\s=(,|+]'\w{0,12}$",
    ),
    // `' ? # = --`: the rest of the query is cut off.
    rule(
        "comment_at_end",
        5,
        r"^\s*'[^\w'][^']{0,80}=[^']{0,40}(?:--|#)\s*$",
    ),
    // `\'and`, `a\"or 1`: takes away the backslash that guards the query's own quote, and goes on with an
    // operator and an operand.
    rule(
        "escaped_quote",
        5,
        r#"^\w{0,8}\\['"`]['"`\s\d]{0,8}(?:or|and|xor|\|\||&&)(?:\s*$|[\s(]*(?:['"`(]|\d+\s*(?:$|[^\s\w])|(?:not|true|false|null|exists)\b|\w+\s*[=<>(]))"#,
    ),
    // `3' '1`, `a'/**/'b`: strings side by side are one.
    rule(
        "strings_side_by_side",
        5,
        r"^[^'\s]{1,32}'(?:\s|/\*[^*]{0,40}\*/){1,16}'\s?[^'\s]{0,32}$",
    ),
    // `1 'or' 2`, `a 'xor' b`: a number is an operand, which no word of a sentence is, and XOR none of its words.
    rule(
        "operator_in_quotes",
        5,
        r"^\s*(?:\d{1,10}\s*'\s*(?:or|and|xor|\|\||&&)\s*'\s*\w{1,16}|\w{1,16}\s*'\s*(?:or|and|\|\||&&)\s*'\s*\d{1,10}|\w{1,16}\s*'\s*xor\s*'\s*\w{1,16})\s*$",
    ),
    // `1 -- -`, `3);--`: a number, and what hides the rest.
    rule(
        "number_cut",
        5,
        r"^\s*-?\d{1,10}(?:[\s);]{1,8}--|--\s{1,8}[-+])[\s+-]*$",
    ),
    // `;truncate[t`, `;exec [a].[b]`: names as SQL Server has them.
    rule(
        "name_in_brackets",
        5,
        r";\s*(?:drop|truncate|alter|exec|execute)\s*(?:table\s*)?\[\s*\w",
    ),
];

/// Words that comments cut in two. In order.
const CUT_WORDS: &[&str] = &[
    "alter",
    "benchmark",
    "declare",
    "delete",
    "drop",
    "exec",
    "execute",
    "from",
    "insert",
    "information_schema",
    "select",
    "sleep",
    "truncate",
    "union",
    "update",
    "waitfor",
    "where",
];

/// Longest of them.
const CUT_WORD_MAX: usize = 18;

/// The rules.
#[derive(Debug)]
pub(in crate::detect::score) struct Left {
    rules: Rules,
}

impl Left {
    pub(in crate::detect::score) fn new() -> Result<Self, ScorerError> {
        Ok(Self {
            rules: Rules::new(RULES)?,
        })
    }

    /// Looks for what leaves at once.
    pub(super) fn look(&self, view: &View<'_>, found: &mut Found) {
        if let Some((start, end)) = cut_word(view.low)
            && !view.is_shown(start)
        {
            found.add(Class::Sql, "word_cut_by_comment", 5, start, end);
        }
        if view.low.len() > VALUE_MAX || view.prose >= PROSE || view.marked && view.prose > 2 {
            return;
        }
        self.rules.each_match(view.low, |rule, start, end| {
            found.add(Class::Sql, rule.name, rule.score, start, end);
        });
    }
}

/// A word of SQL with comments between its letters, which some databases drop and filters do not:
/// `un/**/ion`. Goes on from each run of letters for no longer than a word is.
fn cut_word(low: &[u8]) -> Option<(usize, usize)> {
    find(low, "/**/")?;
    let mut start = 0;
    while start < low.len() {
        let first = run(low, start, is_letter);
        if let Some(end) = joined_word(low, start, first) {
            return Some((start, end));
        }
        start = first.max(start + 1);
    }
    None
}

/// Where the word ends that begins with the letters from `start` to `end` and goes on behind comments.
fn joined_word(low: &[u8], start: usize, end: usize) -> Option<usize> {
    let mut word = Vec::new();
    word.extend_from_slice(slice(low, start, end));
    let mut end = end;
    while !word.is_empty() && word.len() < CUT_WORD_MAX {
        let behind = behind_comment(low, end)?;
        end = run(low, behind, is_letter);
        if end == behind {
            return None;
        }
        word.extend_from_slice(slice(low, behind, end));
        if among(CUT_WORDS, &word) {
            return Some(end);
        }
    }
    None
}

const fn is_letter(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte == b'_'
}

/// Where the empty comment ends that begins at `here`.
fn behind_comment(low: &[u8], here: usize) -> Option<usize> {
    from(low, here).starts_with(b"/**/").then_some(here + 4)
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{quiet, score};
    use super::super::super::{Class, THRESHOLD};

    #[test]
    fn what_leaves_a_string_at_once_is_found() {
        for value in [
            "\" xor lisa",
            "' and (marge",
            "' + a < 2 and '7",
            "' - name like b or '3",
            "' ! x = y --",
            "'(a) = #",
            "\\' or 1",
            "ab\\\"and 5",
            "\\`xor`",
            "\\`or`2",
            ")'",
            "^'",
            "foo' 'bar",
            "7'  '7",
            "3 'or' y",
            "y 'xor' z",
            "and '6' like '6'",
            "a'/* */'b",
            "\\' || 5#",
            "*)'",
            "12 -- ",
            "4); --",
            "3 -- -",
            "7-- -",
            " or '12'",
            "; alter [users",
            ";drop[a]",
            "; exec [a].[b]",
            "and '6' = '6'",
            "or 3 <= (select",
            "or t <> 'a'))",
            "case when x = 2 then y else z end",
            "and 41=(",
            "x=or 8 > (",
            "or hidden = 0)",
            "a=and active = 1))",
        ] {
            assert!(score(Class::Sql, value) >= THRESHOLD, "{value}");
        }
    }

    #[test]
    fn words_cut_by_comments_are_found() {
        for value in [
            "UN/**/ION all",
            "1 s/**/el/**/ect 2",
            "de/**/lete/**/from t",
        ] {
            assert!(score(Class::Sql, value) >= THRESHOLD, "{value}");
        }
    }

    #[test]
    fn their_neighbours_are_not() {
        for value in [
            "rock 'n' roll",
            "x 'or' y",
            "' or bart so far",
            "' so and so or 'that",
            "\\'and\\' is a word",
            "\\\"or 5 more\\\"",
            "the '5' and '6' of it",
            "and '5' is odd",
            "in case when he came then",
            "or so (x = 2)",
            "-'- ",
            "the 'and' operator",
            "'tis this or 'that",
            "'90s or '80s music",
            "5' 6\" and 5' 7\"",
            "the boys' 'hello'",
            "dogs' or cats' food",
            "and '90s music",
            "chapter 1 -- the end",
            "1--2",
            "2024-01-01 -- 2024-02-01",
            "src/**/select/**/index.ts",
            "web/**/from/**/*.css",
            "a /* union */ b",
            "(x and y = 0)",
            "call me (or not = 1)",
            "can\\'t and won\\'t do it",
            "O'Brien and O'Neil",
            "\" and so on\" he said",
            "x = (y)",
            "list[drop]",
        ] {
            quiet(value);
        }
    }
}
