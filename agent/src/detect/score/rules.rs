//! Small grammars written as expressions: linear in the value, each with a name and a weight.

use std::collections::BTreeMap;

use regex::bytes::{Regex, RegexBuilder};

use super::automaton::Automaton;
use super::need::need;
use super::{Class, Found, ScorerError, View};

/// Room for one compiled expression; the largest of ours takes a tenth.
const SIZE_BYTES: usize = 1 << 20;

/// One rule: what it is called in evidence, what it weighs, and its expression.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) score: u8,
    pub(super) expression: &'static str,
}

/// Writes a rule on one line.
pub(super) const fn rule(name: &'static str, score: u8, expression: &'static str) -> Rule {
    Rule {
        name,
        score,
        expression,
    }
}

/// Rules of one class: a bit for each. A table with more of them does not pass the tests.
type RuleSet = u64;

/// The rules of one class, compiled. Case of letters does not count, `.` takes line ends too, and
/// bytes need not be UTF-8.
///
/// One automaton looks for the strings that the rules need, and only those whose strings are there
/// are tried.
#[derive(Debug)]
pub(super) struct Rules {
    rules: &'static [Rule],
    each: Vec<Regex>,
    needed: Automaton,
    /// For each string the rules that need it.
    by: Vec<RuleSet>,
    /// Rules that need no string.
    always: RuleSet,
}

impl Rules {
    /// # Errors
    /// An expression is none: a mistake of ours, which a test finds.
    pub(super) fn new(rules: &'static [Rule]) -> Result<Self, ScorerError> {
        let each = rules
            .iter()
            .map(|rule| {
                RegexBuilder::new(rule.expression)
                    .case_insensitive(true)
                    .dot_matches_new_line(true)
                    .unicode(false)
                    .size_limit(SIZE_BYTES)
                    .build()
            })
            .collect::<Result<_, _>>()?;
        let mut strings: BTreeMap<Vec<u8>, RuleSet> = BTreeMap::new();
        let mut always = 0;
        for (at, rule) in rules.iter().enumerate() {
            let bit = 1 << at;
            match need(rule.expression) {
                Some(needed) => needed
                    .into_iter()
                    .for_each(|string| *strings.entry(string).or_default() |= bit),
                None => always |= bit,
            }
        }
        let needed = Automaton::new(strings.keys())?;
        Ok(Self {
            rules,
            each,
            needed,
            by: strings.into_values().collect(),
            always,
        })
    }

    /// Adds what holds of the value. The place is looked for only where a rule holds.
    pub(super) fn look(&self, class: Class, view: &View<'_>, found: &mut Found) {
        self.each_match(view.bytes, |rule, start, end| {
            found.add(class, rule.name, rule.score, start, end);
        });
    }

    /// Calls `take` with each rule that holds of `bytes`, and where it first does.
    pub(super) fn each_match(&self, bytes: &[u8], mut take: impl FnMut(&Rule, usize, usize)) {
        let mut tried = self.always;
        self.needed.each(bytes, |string, _| {
            tried |= self.by.get(string).copied().unwrap_or_default();
        });
        for (at, (rule, expression)) in self.rules.iter().zip(&self.each).enumerate() {
            if tried >> at & 1 == 1
                && let Some(place) = expression.find(bytes)
            {
                take(rule, place.start(), place.end());
            }
        }
    }
}
