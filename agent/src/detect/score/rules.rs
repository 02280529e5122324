//! Small grammars written as expressions: linear in the value, each with a name and a weight.

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::{Class, Found, View};

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

/// The rules of one class, compiled. Case of letters does not count, `.` takes line ends too, and
/// bytes need not be UTF-8.
#[derive(Debug)]
pub(super) struct Rules {
    rules: &'static [Rule],
    set: RegexSet,
    each: Vec<Regex>,
}

impl Rules {
    /// # Errors
    /// An expression is none: a mistake of ours, which a test finds.
    pub(super) fn new(rules: &'static [Rule]) -> Result<Self, regex::Error> {
        let set = RegexSetBuilder::new(rules.iter().map(|rule| rule.expression))
            .case_insensitive(true)
            .dot_matches_new_line(true)
            .unicode(false)
            .size_limit(SIZE_BYTES * 8)
            .build()?;
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
        Ok(Self { rules, set, each })
    }

    /// Adds what holds of the value. The place is looked for only where a rule holds.
    pub(super) fn look(&self, class: Class, view: &View<'_>, found: &mut Found) {
        self.each_match(view.bytes, |rule, start, end| {
            found.add(class, rule.name, rule.score, start, end);
        });
    }

    /// Calls `take` with each rule that holds of `bytes`, and where it first does.
    pub(super) fn each_match(&self, bytes: &[u8], mut take: impl FnMut(&Rule, usize, usize)) {
        if !self.set.is_match(bytes) {
            return;
        }
        for at in &self.set.matches(bytes) {
            let (Some(rule), Some(expression)) = (self.rules.get(at), self.each.get(at)) else {
                continue;
            };
            if let Some(place) = expression.find(bytes) {
                take(rule, place.start(), place.end());
            }
        }
    }
}
