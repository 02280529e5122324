//! What a search of Sigma looks for.

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use super::view::{View, place_of};
use crate::detect::options::Network;

/// Most bytes of a compiled expression.
const EXPRESSION_MAX_BYTES: usize = 1 << 20;
/// Most values of one rule's search.
const VALUES_MAX: usize = 4096;

/// A named part of `detection`.
#[derive(Clone, Debug)]
pub(super) enum Search {
    /// One of these must hold.
    Any(Vec<Search>),
    /// All of these must hold.
    All(Vec<Search>),
    /// A field, or the whole line, has one of these values, or all.
    Field {
        place: Option<usize>,
        all: bool,
        tests: Vec<Test>,
    },
}

/// One value.
#[derive(Clone, Debug)]
pub(super) enum Test {
    Is(String),
    Starts(String),
    Ends(String),
    Contains(String),
    Matches(Box<Regex>),
    In(Network),
    /// Whether the field is there.
    There(bool),
    Compare(fn(f64, f64) -> bool, f64),
}

impl Search {
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| field(name, value));
                Ok(Self::All(fields.collect::<Result<_, _>>()?))
            }
            Value::Array(many) if many.iter().all(Value::is_object) => Ok(Self::Any(
                many.iter().map(Self::read).collect::<Result<_, _>>()?,
            )),
            other => field("", other),
        }
    }

    pub(super) fn holds(&self, view: &View) -> bool {
        match self {
            Self::Any(any) => any.iter().any(|one| one.holds(view)),
            Self::All(all) => all.iter().all(|one| one.holds(view)),
            Self::Field { place, all, tests } => {
                let holds = |test: &Test| match place {
                    Some(place) => {
                        test.holds(view.at(*place))
                            || test.is_of_text()
                                && view.whole(*place).is_some_and(|uri| test.holds(Some(uri)))
                    }
                    None => view.line().any(|value| test.holds(Some(value))),
                };
                if *all {
                    tests.iter().all(holds)
                } else {
                    tests.iter().any(holds)
                }
            }
        }
    }
}

fn field(key: &str, value: &Value) -> Result<Search, String> {
    let mut parts = key.split('|');
    let name = parts.next().unwrap_or_default();
    let modifiers: Vec<&str> = parts.collect();
    let place = match name {
        "" => None,
        name => Some(place_of(name).ok_or_else(|| format!("field `{name}` is not supported"))?),
    };
    let all = modifiers.contains(&"all");
    let values: Vec<&Value> = match value {
        Value::Array(many) => many.iter().collect(),
        one => vec![one],
    };
    if values.len() > VALUES_MAX {
        return Err(format!("`{key}` has more than {VALUES_MAX} values"));
    }
    let tests = values
        .into_iter()
        .map(|value| test(name, &modifiers, value));
    Ok(Search::Field {
        place,
        all,
        tests: tests.collect::<Result<_, _>>()?,
    })
}

fn test(name: &str, modifiers: &[&str], value: &Value) -> Result<Test, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(value) if modifiers.contains(&"exists") => return Ok(Test::There(*value)),
        Value::Bool(value) => value.to_string(),
        Value::Null => return Ok(Test::There(false)),
        Value::Array(_) | Value::Object(_) => {
            return Err("a value is neither text nor number".to_owned());
        }
    };
    let number = || {
        text.parse::<f64>()
            .map_err(|_| format!("`{text}` is no number"))
    };
    let mut kind = if name.is_empty() { "contains" } else { "" };
    for modifier in modifiers {
        match *modifier {
            "all" | "i" => {}
            "contains" | "startswith" | "endswith" | "re" | "cidr" | "exists" | "gt" | "gte"
            | "lt" | "lte" => kind = modifier,
            other => return Err(format!("modifier `{other}` is not supported")),
        }
    }
    match kind {
        "re" => expression(&format!("(?is){text}")),
        "cidr" => text.parse().map(Test::In),
        "gt" => Ok(Test::Compare(|a, b| a > b, number()?)),
        "gte" => Ok(Test::Compare(|a, b| a >= b, number()?)),
        "lt" => Ok(Test::Compare(|a, b| a < b, number()?)),
        "lte" => Ok(Test::Compare(|a, b| a <= b, number()?)),
        kind => plain(&text.to_lowercase(), kind),
    }
}

/// A text with `*` for anything and `?` for one character, a backslash before those that are meant.
fn plain(text: &str, kind: &str) -> Result<Test, String> {
    let starts = matches!(kind, "contains" | "endswith");
    let ends = matches!(kind, "contains" | "startswith");
    let mut literal = String::new();
    let mut pattern = String::new();
    let mut wild = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\\', Some(next @ ('*' | '?' | '\\'))) => {
                literal.push(*next);
                pattern.push_str(&regex::escape(&next.to_string()));
                chars.next();
            }
            ('*', _) => {
                wild = true;
                pattern.push_str(".*");
            }
            ('?', _) => {
                wild = true;
                pattern.push('.');
            }
            (c, _) => {
                literal.push(c);
                pattern.push_str(&regex::escape(&c.to_string()));
            }
        }
    }
    if wild {
        let start = if starts { "" } else { "^" };
        let end = if ends { "" } else { "$" };
        return expression(&format!("(?s){start}{pattern}{end}"));
    }
    Ok(match (starts, ends) {
        (true, true) => Test::Contains(literal),
        (false, true) => Test::Starts(literal),
        (true, false) => Test::Ends(literal),
        (false, false) => Test::Is(literal),
    })
}

fn expression(text: &str) -> Result<Test, String> {
    let built = RegexBuilder::new(text)
        .size_limit(EXPRESSION_MAX_BYTES)
        .build();
    let first = |error: regex::Error| {
        format!(
            "an expression is not supported: {}",
            error.to_string().lines().last().unwrap_or_default()
        )
    };
    built
        .map(|regex| Test::Matches(Box::new(regex)))
        .map_err(first)
}

impl Test {
    /// Whether it looks at letters.
    const fn is_of_text(&self) -> bool {
        matches!(
            self,
            Self::Is(_) | Self::Starts(_) | Self::Ends(_) | Self::Contains(_) | Self::Matches(_)
        )
    }

    fn holds(&self, value: Option<&(String, String)>) -> bool {
        let Some((raw, decoded)) = value else {
            return matches!(self, Self::There(false));
        };
        let either = |holds: &dyn Fn(&str) -> bool| holds(raw) || holds(decoded);
        match self {
            Self::Is(text) => either(&|value| value == text),
            Self::Starts(text) => either(&|value| value.starts_with(text.as_str())),
            Self::Ends(text) => either(&|value| value.ends_with(text.as_str())),
            Self::Contains(text) => {
                either(&|value| memchr::memmem::find(value.as_bytes(), text.as_bytes()).is_some())
            }
            Self::Matches(regex) => either(&|value| regex.is_match(value)),
            Self::In(network) => raw.parse().is_ok_and(|address| network.contains(address)),
            Self::There(there) => *there,
            Self::Compare(holds, than) => raw.parse().is_ok_and(|number| holds(number, *than)),
        }
    }
}
