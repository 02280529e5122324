//! INJ-13, keys that change the prototype of all objects of a JavaScript server.

use super::rules::{Rule, Rules, rule};
use super::{Class, Found, ScorerError, Told, View};

/// What opens this grammar.
pub(super) const GATE: &[&str] = &[
    "__proto__",
    "prototype",
    "constructor[",
    "__definegetter__",
    "__lookup",
    "__proto",
];

const RULES: &[Rule] = &[
    rule(
        "prototype_key",
        6,
        r#"(?:^|[\[.\x22'{,\s;&])__proto__(?:$|[\].\[\x22'\s:=])"#,
    ),
    rule(
        "constructor_prototype",
        6,
        r#"constructor\s*(?:\.|\[["']?|["']\s*:\s*\{\s*["'])\s*prototype"#,
    ),
    rule(
        "getter_defined",
        5,
        r"__(?:definegetter|definesetter|lookupgetter)__",
    ),
];

/// Whether a member `word` of the object `parent` is what a constructor makes objects from.
pub(super) fn is_key(parent: Option<&[u8]>, word: &[u8]) -> bool {
    word == b"prototype" && parent == Some(b"constructor")
}

/// Such a member.
pub(super) const fn constructors(word: &[u8]) -> Told {
    Told {
        rule: "constructor_prototype",
        best: 6,
        score: 6,
        start: 0,
        end: word.len(),
    }
}

/// The rules.
#[derive(Debug)]
pub(super) struct Prototype {
    rules: Rules,
}

impl Prototype {
    pub(super) fn new() -> Result<Self, ScorerError> {
        Ok(Self {
            rules: Rules::new(RULES)?,
        })
    }

    /// Looks for such keys in a name or value.
    pub(super) fn look(&self, view: &View<'_>, found: &mut Found) {
        self.rules.each_match(view.bytes, |rule, start, end| {
            let told = view.prose >= 4 || view.is_shown(start);
            found.add(
                Class::Prototype,
                rule.name,
                if told { 2 } else { rule.score },
                start,
                end,
            );
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::Class;
    use super::super::tests::{quiet, score_name};

    #[test]
    fn such_keys_are_found() {
        for name in [
            "__proto__[admin]",
            "constructor[prototype][admin]",
            "constructor.prototype.admin",
            "a.__proto__.b",
        ] {
            assert!(score_name(Class::Prototype, name) >= 5, "{name}");
        }
    }

    #[test]
    fn text_about_them_is_not() {
        quiet("Every object has a `__proto__` and one should not touch it.");
        quiet("a prototype of the new chair");
    }
}
