//! What may stand between a field and a value, and with which fields it goes.

use super::field::Values;

/// What stands between a field and a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    Less,
    AtMost,
    Greater,
    AtLeast,
    Matches,
    In,
    Contains,
}

/// How they are written, and whether that is the negation; what begins like another comes first.
pub(super) const OPERATORS: &[(&str, Operator, bool)] = &[
    ("==", Operator::Equal, false),
    ("!=", Operator::Equal, true),
    ("<=", Operator::AtMost, false),
    (">=", Operator::AtLeast, false),
    ("!~", Operator::Matches, true),
    ("<", Operator::Less, false),
    (">", Operator::Greater, false),
    ("~", Operator::Matches, false),
];

/// Which of them go with a field, for messages.
pub(super) fn allowed(values: Values, list: bool) -> &'static str {
    match values {
        Values::Headers => "`exists`; for one field add its name, as in headers[\"x-id\"]",
        _ if list && ordered(values) => "`contains`, `==`, `!=`, `in`, `exists`",
        _ if list => "`contains`, `==`, `!=`, `in`, `~`, `!~`, `exists`",
        Values::Text | Values::Lower | Values::Address => {
            "`==`, `!=`, `~`, `!~`, `contains`, `in`, `exists`"
        }
        Values::Word(_) => "`==`, `!=`, `~`, `!~`, `in`, `exists`",
        Values::Bool => "`==`, `!=`, `exists`, or nothing",
        Values::Open => "`==`, `!=`, `<`, `<=`, `>`, `>=`, `~`, `!~`, `contains`, `in`, `exists`",
        _ => "`==`, `!=`, `<`, `<=`, `>`, `>=`, `in`, `exists`",
    }
}

/// Whether `operator` goes with a field.
pub(super) fn goes(operator: Operator, values: Values, list: bool) -> bool {
    let ordered = ordered(values);
    match operator {
        _ if values == Values::Headers => false,
        Operator::Equal => true,
        Operator::In => values != Values::Bool,
        Operator::Less | Operator::AtMost | Operator::Greater | Operator::AtLeast => {
            ordered && !list
        }
        Operator::Matches => !ordered && values != Values::Bool || values == Values::Open,
        Operator::Contains => {
            list || matches!(
                values,
                Values::Text | Values::Lower | Values::Address | Values::Open
            )
        }
    }
}

/// Whether they are, or are read as, numbers.
fn ordered(values: Values) -> bool {
    !matches!(
        values,
        Values::Text | Values::Lower | Values::Address | Values::Word(_) | Values::Bool
    )
}
