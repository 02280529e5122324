//! INJ-10, filters of LDAP and paths of XPath: parentheses that close the template's filter and open
//! another, and axes and functions of XPath behind a quote.

use super::rules::{Rule, Rules, rule};
use super::{Class, Found, Place, ScorerError, View};

/// What opens this grammar.
pub(super) const GATE: &[&str] = &[
    "*",
    ")(",
    "(&",
    "(|",
    "(!",
    "!(",
    "&(",
    "|(",
    "objectclass",
    "(uid",
    "(cn",
    "count(",
    "string-length(",
    "child::",
    "name(",
    "text()",
    "position(",
    "starts-with(",
    "ancestor",
    "parent::",
    "doc(",
    ")&",
    ")!",
    "']|//",
    "'] | //",
    "\"]|//",
    "\"] | //",
];

const RULES: &[Rule] = &[
    rule(
        "filter_closed_and_opened",
        6,
        r"^[^()]{0,80}\)\s*(?:[&|!]\s*)?\(\s*(?:[&|!]\s*\)?\(?|[\w.;-]+\s*(?:=|>=|<=|~=|:=))",
    ),
    rule(
        "filter_opened",
        5,
        r"^\W*\(\s*[&|!]\s*\(\s*[\w.-]+\s*(?:=|>=|<=|~=)|^\W*[&|!]\s*\(\s*[\w.-]+\s*(?:=|>=|<=|~=)",
    ),
    rule(
        "filter_all",
        5,
        r"\(\s*(?:objectclass|uid|cn|sn|mail|samaccountname|userpassword)\s*=\s*\*?",
    ),
    rule(
        "filter_cut",
        5,
        r"^[^(]*\*\)+\s*(?:\(|\x00|%00|$)|\)\s*\(\s*[&|]\s*\)|\*\(\|\(",
    ),
    rule("any_or", 4, r"^\*\|$|^\w{0,16}\*$|^\*\)?\s*[&|]"),
    rule(
        "path_functions",
        5,
        r#"(?:["'\])]\s*(?:or|and)|\bor|\band)\s*(?:count|string-length|substring|name|local-name|starts-with|contains|position|doc)\s*\(\s*(?:/|//|name\s*\(|\(|\*|\.\.|parent::|child::|string|\))"#,
    ),
    rule(
        "path_axis",
        5,
        r#"(?:child|parent|ancestor|descendant|following|preceding|attribute|self)(?:-or-self|-sibling)?::(?:node|text|\*|\w+\[)|["']\s*\]\s*(?:\||/)|\|\s*//\s*[*\w]|/\*\[\s*\d+\s*\]|["'\]]\s*(?:or|and)\s*["'\d]?.{0,20}\]?\s*\|"#,
    ),
];

/// The rules.
#[derive(Debug)]
pub(super) struct Directory {
    rules: Rules,
}

impl Directory {
    pub(super) fn new() -> Result<Self, ScorerError> {
        Ok(Self {
            rules: Rules::new(RULES)?,
        })
    }

    /// Looks for filters.
    pub(super) fn look(&self, view: &View<'_>, found: &mut Found) {
        if matches!(view.place, Place::Agent | Place::Path | Place::Header) || view.prose >= 4 {
            return;
        }
        let named = matches!(
            view.name,
            b"cn" | b"uid" | b"sn" | b"user" | b"username" | b"dn" | b"ou" | b"dc"
        );
        self.rules.each_match(view.bytes, |rule, start, end| {
            if rule.name == "any_or" && !named {
                return;
            }
            let score = if named { rule.score + 1 } else { rule.score };
            found.add(Class::Directory, rule.name, score, start, end);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::Class;
    use super::super::tests::{quiet, score, score_named};

    #[test]
    fn filters_and_paths_are_found() {
        for value in [
            "*)(uid=*",
            "x)(&)",
            "admin)(|(password=*))",
            "void)(objectClass=users))(&(objectClass=void)",
            "' or count(//*)=1 or 'a'='b",
            "'] | //user/*[contains(*,'",
        ] {
            assert!(score(Class::Directory, value) >= 5, "{value}");
        }
    }

    #[test]
    fn a_star_stands_for_any_name_where_a_name_is_asked_for() {
        assert!(score_named(Class::Directory, "uid", "adm*") >= 5);
        assert!(score(Class::Directory, "adm*") < 5);
    }

    #[test]
    fn parentheses_of_text_are_not() {
        for value in [
            "Toronto (ON) (Canada)",
            "f(x)(y)",
            "(a & b)",
            "*important*",
            "smile :) (really)",
            "count(*)",
        ] {
            assert!(score(Class::Directory, value) < 5, "{value}");
        }
        quiet("AC/DC (live) *");
    }
}
