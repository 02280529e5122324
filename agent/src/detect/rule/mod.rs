//! Rules of one's own, and Sigma's for web servers.
//!
//! In: the text of files. Out: [`Rules`], which look at sealed events, line by line, and raise
//! incidents as detectors do. They see what sinks see, so nothing that was masked can get into a text.

mod count;
mod own;
mod sigma;
mod template;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::allow::allows;
use super::incident::{About, Alert, Incidents, Source, mix};
use super::scene::{Keys, Tally};
use super::table::{Table, Worth};
use super::{Books, Facts, Outcome, seconds, value_hash};
use crate::event::Outcome as What;
use crate::event::Severity;
use count::Count;
use sigma::{Sigma, View};
use template::Template;

/// Most rules.
const RULES_MAX: usize = 1000;

/// Longest text of one file, bytes.
pub const RULE_FILE_MAX_BYTES: usize = 1 << 20;

/// What is wrong with a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {rule}{problem}")]
pub struct RuleError {
    /// The file it stands in.
    pub file: String,
    /// The rule, with a colon behind it; empty where the whole file is wrong.
    pub rule: String,
    /// What is wrong, and what is allowed.
    pub problem: String,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    source: Source,
    matcher: Matcher,
    count: Option<Count>,
    text: Template,
    tests: Vec<Test>,
    from: &'static str,
}

#[derive(Clone, Debug)]
enum Matcher {
    Filter(crate::filter::Filter),
    Sigma(Box<Sigma>),
}

/// What a rule says of one event.
#[derive(Clone, Debug)]
struct Test {
    line: Vec<u8>,
    fires: bool,
}

impl Rule {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.source.id
    }

    /// What it looks for.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.source.name
    }

    /// How much it matters.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        self.source.impact
    }

    /// How it is written: `eaves` or `sigma`.
    #[must_use]
    pub const fn form(&self) -> &'static str {
        self.from
    }

    /// Whether it matches the event in `line`, whatever it counts.
    #[must_use]
    pub fn matches(&self, line: &[u8]) -> bool {
        match &self.matcher {
            Matcher::Filter(filter) => filter.matches(line),
            Matcher::Sigma(sigma) => sigma.matches(&View::of(line)),
        }
    }

    /// What somebody is to do when it fires; may be empty.
    #[must_use]
    pub fn advice(&self) -> &str {
        &self.source.advice
    }

    /// The filter that an event must match; `None` if it is one of Sigma.
    #[must_use]
    pub fn filter(&self) -> Option<&str> {
        match &self.matcher {
            Matcher::Filter(filter) => Some(filter.text()),
            Matcher::Sigma(_) => None,
        }
    }

    /// From how many events, or different values, on it speaks, and in how many seconds; `None` if
    /// each event that matches does.
    #[must_use]
    pub fn counts(&self) -> Option<(u64, u32)> {
        self.count.as_ref().map(|of| (of.least, of.window_s))
    }

    /// Runs its own tests: how many there are, and those that fail, by number from 1.
    #[must_use]
    pub fn test(&self) -> (usize, Vec<usize>) {
        let failed = |(_, test): &(usize, &Test)| self.matches(&test.line) != test.fires;
        let tests = self.tests.iter().enumerate();
        let failed = tests.filter(failed).map(|(at, _)| at + 1).collect();
        (self.tests.len(), failed)
    }
}

/// All rules that are in force.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    has_sigma: bool,
}

impl Rules {
    /// Reads files, each with its name and text. Rules that are wrong are left out and told.
    #[must_use]
    pub fn read(files: &[(String, String)]) -> (Self, Vec<RuleError>) {
        let (mut all, mut errors) = (Self::default(), Vec::new());
        let mut ids = HashSet::new();
        for (file, text) in files {
            let wrong = |rule: &str, problem: String| RuleError {
                file: file.clone(),
                rule: if rule.is_empty() {
                    String::new()
                } else {
                    format!("{rule}: ")
                },
                problem,
            };
            if text.len() > RULE_FILE_MAX_BYTES {
                errors.push(wrong("", "is longer than 1 MiB".to_owned()));
                continue;
            }
            let read = if sigma::is_sigma(text) {
                sigma::read(text)
            } else {
                own::read(text)
            };
            for (name, rule) in read {
                match rule {
                    Ok(_) if all.rules.len() >= RULES_MAX => {
                        errors.push(wrong(
                            &name,
                            format!("there are more than {RULES_MAX} rules"),
                        ));
                    }
                    Ok(rule) if !ids.insert(rule.source.id.clone()) => {
                        errors.push(wrong(&name, "there is another rule of this id".to_owned()));
                    }
                    Ok(rule) => {
                        all.has_sigma |= matches!(rule.matcher, Matcher::Sigma(_));
                        all.rules.push(rule);
                    }
                    Err(problem) => errors.push(wrong(&name, problem)),
                }
            }
        }
        (all, errors)
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

/// What rules have counted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Counted {
    groups: Table<Tally, 8192, { 7 * 86_400 }>,
    /// Of exchanges that are told by several reports, which rules have matched already.
    #[serde(default)]
    matched: Table<Matched, 8192, 86_400>,
}

/// A rule has matched an exchange.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Matched;

impl Worth for Matched {
    fn worth(&self) -> u64 {
        1
    }
}

impl Counted {
    /// Holds the sealed event in `line`, of which `facts` tells, against every rule.
    pub(super) fn look(
        &mut self,
        rules: &Rules,
        line: &[u8],
        facts: &Facts<'_>,
        incidents: &mut Incidents,
        books: &mut Books<'_>,
    ) {
        let view = rules.has_sigma.then(|| View::of(line));
        let keys = Keys::of(facts);
        for rule in &rules.rules {
            let hit = match (&rule.matcher, &view) {
                (Matcher::Filter(filter), _) => filter.matches(line),
                (Matcher::Sigma(sigma), Some(view)) => sigma.matches(view),
                (Matcher::Sigma(_), None) => false,
            };
            if hit
                && !allows(&books.options.allow, &rule.source.id, facts)
                && self.is_first_match(rule, facts)
            {
                self.hit(rule, line, facts, &keys, incidents, books);
            }
        }
    }

    /// Whether no earlier report of the exchange has matched: it counts once, at the first that does.
    fn is_first_match(&mut self, rule: &Rule, facts: &Facts<'_>) -> bool {
        let Some(first) = facts.first else {
            return true;
        };
        let of_rule = value_hash(rule.source.id.as_bytes());
        let key = mix(of_rule, value_hash(&first.to_text()));
        let now_s = seconds(facts.time);
        let is_new = self.matched.get_mut(key, now_s).is_none();
        if facts.partial {
            self.matched.entry(key, now_s);
        } else {
            self.matched.remove(key);
        }
        is_new
    }

    fn hit(
        &mut self,
        rule: &Rule,
        line: &[u8],
        facts: &Facts<'_>,
        keys: &Keys,
        incidents: &mut Incidents,
        books: &mut Books<'_>,
    ) {
        let now_s = seconds(facts.time);
        let detector = mix(value_hash(rule.source.id.as_bytes()), 0x7275_6c65);
        let (mut key, mut count, mut sample) = (keys.actor, 1, None);
        if let Some(of) = &rule.count {
            let (group, value) = of.values(line);
            let Some(group) = group else { return };
            key = value_hash(group.as_bytes());
            let Some(tally) = self.groups.entry(mix(detector, key), now_s) else {
                return;
            };
            let counted = tally.counts.add(now_s, 1, of.window_s);
            count = match &value {
                Some(value) => {
                    let hash = value_hash(value.as_bytes());
                    tally.distinct.add(hash, now_s, of.window_s)
                }
                None => counted,
            };
            if count < of.least {
                return;
            }
            sample = value;
        }
        let flagged = [keys.user, keys.client, keys.credential];
        let flagged: Vec<u64> = flagged.into_iter().filter(|key| *key != 0).collect();
        let alert = Alert {
            detector,
            key,
            about: About::ActorAt,
            count,
            confidence: 0.9,
            // The severity is what the rule says: what came of it was its author's to judge.
            outcome: What::Answered,
            baseline: None,
            since_s: None,
            before: &[],
            sample: sample.as_deref().map(str::as_bytes),
            hit: None,
            lone: false,
            info: false,
            remark: None,
            title: &|n| rule.text.fill(line, n),
            source: &|| rule.source.clone(),
        };
        incidents.raise(&alert, facts, &flagged, books);
    }
}

impl super::Detectors {
    /// Holds the sealed event in `line`, of which `facts` tells, against rules; what comes of it is
    /// added to `out`.
    pub fn hold(&mut self, rules: &Rules, line: &[u8], facts: &Facts<'_>, out: &mut Outcome) {
        let mut books = Books {
            options: &self.options,
            ids: &self.ids,
            told: &mut out.told,
            touched: &mut out.incidents,
            left_out: &mut out.left_out,
        };
        let learnt = &mut self.learnt;
        learnt
            .rules
            .look(rules, line, facts, &mut learnt.incidents, &mut books);
    }
}

#[cfg(test)]
mod generic;
#[cfg(test)]
mod tests;
