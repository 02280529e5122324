//! The rules in force, as they are asked.

use std::fmt;
use std::sync::Arc;

use super::options::{Pattern, Rules};
use crate::content::Part;

/// Which rule found something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Its name, as is built in.
    Name,
    /// Its name, as the configuration says.
    Configured,
    /// Its place in JSON.
    Path,
    /// A pattern of the configuration.
    Pattern,
    /// Its shape.
    Shape,
    /// It names the client.
    Client,
    /// It names the user.
    User,
    /// It cannot be scanned.
    Binary,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "name",
            Self::Configured => "redact.names",
            Self::Path => "redact.paths",
            Self::Pattern => "redact.patterns",
            Self::Shape => "shape",
            Self::Client => "redact.pseudonymise: client",
            Self::User => "redact.pseudonymise: user",
            Self::Binary => "cannot be scanned",
        })
    }
}

/// Why a name means something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Why {
    /// It does not.
    #[default]
    Nothing,
    /// As is built in.
    Name,
    /// As the configuration says.
    Configured,
    /// The configuration lets it be.
    Allowed,
}

/// Rules of the configuration, all of them or those with a route's.
#[derive(Clone, Debug, Default)]
pub(super) struct Ruleset {
    all: Vec<Arc<Rules>>,
    /// Of each pattern, in order, the number of its type.
    patterns: Vec<(u16, Pattern)>,
    /// Whether the configuration says anything beyond what is built in: most say nothing.
    says_something: bool,
}

/// Whether nothing is said.
fn is_empty(rules: &Rules) -> bool {
    let Rules {
        names,
        paths,
        patterns,
        allow_names,
        allow_paths,
        allow_values,
    } = rules;
    names.is_empty()
        && paths.is_empty()
        && patterns.is_empty()
        && allow_names.is_empty()
        && allow_paths.is_empty()
        && allow_values.is_empty()
}

impl Ruleset {
    /// Those of `all` together; `number` tells the number of a type.
    pub(super) fn new(all: Vec<Rules>, number: impl Fn(&str) -> u16) -> Self {
        let patterns = all.iter().flat_map(|rules| &rules.patterns);
        let patterns = patterns
            .map(|(name, pattern)| (number(name), pattern.clone()))
            .collect();
        let says_something = !all.iter().all(is_empty);
        Self {
            all: all.into_iter().map(Arc::new).collect(),
            patterns,
            says_something,
        }
    }

    /// These and `more`.
    pub(super) fn and(&self, more: &Self) -> Self {
        Self {
            all: self.all.iter().chain(&more.all).cloned().collect(),
            patterns: self
                .patterns
                .iter()
                .chain(&more.patterns)
                .cloned()
                .collect(),
            says_something: self.says_something || more.says_something,
        }
    }

    /// Whether the other questions may have another answer than no.
    #[inline]
    pub(super) const fn says_something(&self) -> bool {
        self.says_something
    }

    pub(super) fn patterns(&self) -> impl Iterator<Item = (u16, &Pattern)> {
        self.patterns
            .iter()
            .map(|(number, pattern)| (*number, pattern))
    }

    pub(super) fn has_name(&self, word: &[u8]) -> bool {
        let is_it = |name: &String| word.eq_ignore_ascii_case(name.as_bytes());
        self.all.iter().any(|rules| rules.names.iter().any(is_it))
    }

    pub(super) fn allows_name(&self, word: &[u8]) -> bool {
        let is_it = |name: &String| word.eq_ignore_ascii_case(name.as_bytes());
        self.all
            .iter()
            .any(|rules| rules.allow_names.iter().any(is_it))
    }

    pub(super) fn has_path(&self, part: Part<'_, '_>) -> bool {
        self.all.iter().any(|rules| {
            !rules.paths.is_empty()
                && part
                    .name()
                    .is_some_and(|name| rules.paths.iter().any(|path| path.has(name)))
        })
    }

    /// Whether a part is let be for its place or its value.
    pub(super) fn allows(&self, part: Part<'_, '_>) -> bool {
        self.all.iter().any(|rules| {
            let by_path = || {
                part.name()
                    .is_some_and(|name| rules.allow_paths.iter().any(|path| path.has(name)))
            };
            let is_it = |pattern: &Pattern| pattern.is_all_of(part.value());
            (!rules.allow_paths.is_empty() && by_path()) || rules.allow_values.iter().any(is_it)
        })
    }
}
