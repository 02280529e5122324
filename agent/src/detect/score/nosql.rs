//! INJ-06, operators of document databases where a value belongs, and lookups of object mappers.

use super::rules::{Rule, Rules, rule};
use super::{Class, Found, Place, ScorerError, View};

/// What opens this grammar.
pub(super) const GATE: &[&str] = &[
    "$ne",
    "$gt",
    "$lt",
    "$where",
    "$regex",
    "$in",
    "$nin",
    "$or",
    "$and",
    "$nor",
    "$not",
    "$exists",
    "$eq",
    "$expr",
    "$func",
    "$type",
    "$mod",
    "$all",
    "$elem",
    "this.",
    "return",
    "==",
    "sleep(",
    "mapreduce",
    "db.",
    "&exists",
    "new date",
    "__startswith",
    "__contains",
    "__icontains",
    "__regex",
    "__istartswith",
    "__endswith",
    "__gt",
    "__in",
    "__has_key",
    "&&",
    "||",
    "function(",
    "tojson",
    "__iexact",
    "__exact",
    "__isnull",
];

const RULES: &[Rule] = &[
    rule(
        "operator_in_value",
        5,
        r#"[{\[,]\s*["']?\$(?:ne|gte?|lte?|where|regex|n?in|or|and|nor|not|exists|eq|expr|function|type|elemmatch|all|size|mod)["']?\s*[:\]]|\{\s*["']?&exists"#,
    ),
    rule("where_clause", 6, r#"\$where["']?\s*:"#),
    rule(
        "operator_alone",
        4,
        r"^\W*\[?\$(?:ne|gte?|lte?|where|regex|nin|nor|exists|expr|eq|in)\]?\s*(?:$|[=:]|\])",
    ),
    rule(
        "script_condition",
        5,
        r#"(?:^|["'`)\];}]\s*|\d\s*)(?:\|\||&&)\s*(?:this\.\w+|["']?\w{1,16}["']?\s*[!=]==?\s*["']?\w{0,16}["']?|["']["']|true|\d+\s*[<>]\s*\d+)|this\.\w+\s*(?:[!=]=|\.match|\.constructor|\[)"#,
    ),
    rule(
        "script_statement",
        5,
        r#"["'`}\])]?\s*;\s*(?:return\b\s*[("'\w!]|sleep\s*\(|var\s+\w+\s*=|\w+\s*=\s*new\s+date|while\s*\(|db\.|it\s*=)"#,
    ),
    rule(
        "database_call",
        6,
        r"\bdb\s*\.\s*\w+\s*\.\s*(?:insert|find|remove|drop|update|count|mapreduce|aggregate)|\bdb\.getcollection|\bmapreduce\s*\(|do\s*\{\s*\w+\s*=\s*new\s+date",
    ),
];

/// Rules for names: of parameters, and of keys in JSON.
const NAME_RULES: &[Rule] = &[
    rule(
        "operator_in_name",
        5,
        r"(?:^|[\[.\x22' ])\$(?:ne|gte?|lte?|where|regex|n?in|nor|not|exists|eq|expr|func|function|elemmatch)(?:$|[\].\x22' ])",
    ),
    rule(
        "logic_in_name",
        3,
        r"(?:^|[\[.])\$(?:or|and|type|mod|all|size)(?:$|[\].])",
    ),
    rule(
        "lookup_in_name",
        5,
        r"^[\w.$\[\]]*\w__\w+__(?:i?startswith|i?contains|i?endswith|i?regex|i?exact|has_keys?|gte?|lte?|isnull|in)$|\w__(?:i?startswith|i?regex|i?endswith|has_keys|icontains)$",
    ),
];

/// The rules.
#[derive(Debug)]
pub(super) struct NoSql {
    rules: Rules,
    names: Rules,
}

impl NoSql {
    pub(super) fn new() -> Result<Self, ScorerError> {
        Ok(Self {
            rules: Rules::new(RULES)?,
            names: Rules::new(NAME_RULES)?,
        })
    }

    /// Looks for operators in the value.
    pub(super) fn look(&self, view: &View<'_>, found: &mut Found) {
        if matches!(view.place, Place::Agent | Place::Path) {
            return;
        }
        self.rules.each_match(view.bytes, |rule, start, end| {
            let shown = view.prose >= 6 || view.is_shown(start);
            let score = if shown { rule.score / 2 } else { rule.score };
            found.add(Class::NoSql, rule.name, score, start, end);
        });
    }

    /// Looks for operators in a name.
    pub(super) fn look_name(&self, view: &View<'_>, found: &mut Found) {
        self.names.look(Class::NoSql, view, found);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Class;
    use super::super::tests::{quiet, score, score_name};

    #[test]
    fn operators_are_found() {
        for value in [
            "{\"$gt\": \"\"}",
            "{$ne: 1}",
            "', $where: '1 == 1'",
            "';return(true);var x='a",
            "' && this.password.match(/.*/)//",
            "[$ne]=1",
        ] {
            assert!(score(Class::NoSql, value) >= 5, "{value}");
        }
        for name in [
            "$ne",
            "$gt",
            "user[$ne]",
            "filter.password.$regex",
            "author__user__password__startswith",
        ] {
            assert!(score_name(Class::NoSql, name) >= 5, "{name}");
        }
    }

    #[test]
    fn money_and_names_are_not() {
        for value in [
            "it costs $10 in total",
            "a == b",
            "price__in_cents",
            "$HOME",
            "we return; then sleep",
            "{\"price\": 4}",
        ] {
            quiet(value);
        }
    }
}
