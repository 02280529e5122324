//! INJ-14, directives that a server runs in the pages it sends (SSI, ESI), and functions that old
//! shells run from their environment (Shellshock).

use super::rules::{Rule, Rules, rule};
use super::{Class, Found, ScorerError, View};

/// What opens this grammar.
pub(super) const GATE: &[&str] = &[
    "<!--#", "<!-- #", "<esi:", "<!--esi", "() {", "(){", "() \t{", "()\t{", "( ) {", "&lt;!--#",
    "()  {", "!--#",
];

const RULES: &[Rule] = &[
    rule(
        "server_side_include",
        6,
        r"(?:<|&lt;|&#60;)?!--\s*#\s*(?:exec|include|echo|printenv|config|set|fsize|flastmod|if|elif|else|endif)\b",
    ),
    rule(
        "edge_side_include",
        6,
        r"<esi:(?:include|remove|vars|inline|assign|debug|choose|eval)\b|<!--esi\b",
    ),
    rule(
        "shell_function",
        6,
        r"^[\s\x22']*\(\s*\)\s*\{|\(\s*\)\s*\{\s*(?::|_;|\w*;|foo:|_\s|x\s|\(\))\s*;?[^}]{0,20}\}?\s*[;>]?",
    ),
];

/// The rules.
#[derive(Debug)]
pub(super) struct Include {
    rules: Rules,
}

impl Include {
    pub(super) fn new() -> Result<Self, ScorerError> {
        Ok(Self {
            rules: Rules::new(RULES)?,
        })
    }

    /// Looks for directives.
    pub(super) fn look(&self, view: &View<'_>, found: &mut Found) {
        self.rules.each_match(view.bytes, |rule, start, end| {
            let told = view.prose >= 8 || view.is_shown(start);
            let score = if told { rule.score / 2 } else { rule.score };
            found.add(Class::Include, rule.name, score, start, end);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::Class;
    use super::super::tests::{quiet, score};

    #[test]
    fn directives_are_found() {
        for value in [
            "<!--#exec cmd=\"id\" -->",
            "<!-- #include virtual='/x' -->",
            "<esi:include src=http://h/>",
            "() { :;}; /bin/id",
            "() { _; } >_[$($())] { id; }",
        ] {
            assert!(score(Class::Include, value) >= 5, "{value}");
        }
    }

    #[test]
    fn comments_and_functions_are_not() {
        for value in [
            "<!-- ignore -->",
            "<!-- #1 in sales -->",
            "fn main() { println(); }",
            "func() {return 1}",
        ] {
            assert!(score(Class::Include, value) < 5, "{value}");
        }
        quiet("<!-- ignore -->");
    }
}
