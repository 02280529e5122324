//! Every field that a filter may name, with the values it has and the records it is in.
//!
//! The names are those of `docs/events.md`, and those that events will have; short names stand for
//! the ones used most. A unit test holds the table against the types' JSON Schema.

mod table;

use super::error::Problem;
use crate::spelling::meant;
use table::{FIELDS, SHORT, SHORT_BEGINNINGS};

/// Kinds of records, as a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kinds(u8);

const EXCHANGE: Kinds = Kinds(1);
const FINDING: Kinds = Kinds(2);
const NOTICE: Kinds = Kinds(4);
const SAID: Kinds = Kinds(2 | 4);
const ALL: Kinds = Kinds(1 | 2 | 4);

impl Kinds {
    /// The kind of the record in `line`: it stands first. All, if it is none that is known.
    pub(super) fn of_line(line: &[u8]) -> Self {
        match line.strip_prefix(br#"{"kind":""#) {
            Some([b'e', ..]) => EXCHANGE,
            Some([b'f', ..]) => FINDING,
            Some([b'n', ..]) => NOTICE,
            _ => ALL,
        }
    }

    /// Whether one of `other` is among them.
    pub(super) fn meet(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// What values a field has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Values {
    /// Any text.
    Text,
    /// Text in lower case.
    Lower,
    /// One of these words.
    Word(&'static [&'static str]),
    /// One of these words, the least first.
    Ranked(&'static [&'static str]),
    /// A number.
    Number,
    /// A number of bytes.
    Bytes,
    /// Nanoseconds.
    Period,
    /// A date (RFC 3339).
    Time,
    /// An IP address, or the name of a Unix socket.
    Address,
    /// A status code of HTTP.
    Status,
    /// `true`; false is not written.
    Bool,
    /// Header fields, `[name, value]`.
    Headers,
    /// Names of its own, with values of any kind.
    Open,
}

impl Values {
    /// What they are, for messages.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Text | Self::Lower => "text",
            Self::Word(_) => "a word",
            Self::Ranked(_) => "a word of a scale",
            Self::Number => "a number",
            Self::Bytes => "a number of bytes",
            Self::Period => "a period",
            Self::Time => "a time",
            Self::Address => "an address",
            Self::Status => "a status code",
            Self::Bool => "true or false",
            Self::Headers => "a list of header fields",
            Self::Open => "a mapping with names of its own",
        }
    }
}

/// A field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) path: &'static str,
    pub(super) values: Values,
    /// Whether it is a list. A field of the mappings in a list is none, but may have many values.
    pub(super) list: bool,
    pub(super) kinds: Kinds,
}

/// What a path in a filter leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The names on the way.
    pub(super) path: Vec<String>,
    /// The header field in the list at `path`.
    pub(super) pair: Option<String>,
    /// None for a mapping, which can only be there or not.
    pub(super) values: Option<Values>,
    pub(super) list: bool,
    pub(super) kinds: Kinds,
}

impl Target {
    /// As it is written in full.
    pub(super) fn name(&self) -> String {
        match &self.pair {
            Some(name) => format!("{}[{name:?}]", self.path.join(".")),
            None => self.path.join("."),
        }
    }
}

/// Finds what `names` lead to.
pub(super) fn resolve(names: &[String]) -> Result<Target, Problem> {
    let (first, rest) = names.split_first().ok_or(Problem::Empty)?;
    if rest.is_empty()
        && let Some((_, full)) = SHORT.iter().find(|(short, _)| short == first)
        && let Some(target) = exactly(&full.split('.').map(str::to_owned).collect::<Vec<_>>())
    {
        return Ok(target);
    }
    let mut path: Vec<String> = Vec::with_capacity(names.len() + 2);
    match SHORT_BEGINNINGS.iter().find(|(short, _)| short == first) {
        Some((_, full)) => path.extend(full.split('.').map(str::to_owned)),
        None => path.push(first.clone()),
    }
    path.extend_from_slice(rest);
    exactly(&path).ok_or_else(|| unknown(names))
}

fn exactly(path: &[String]) -> Option<Target> {
    let mut open: Option<Target> = None;
    let mut mapping: Option<Target> = None;
    for field in FIELDS {
        let mut names = field.path.split('.');
        let same = names.by_ref().zip(path).take_while(|(a, b)| a == b).count();
        let length = field.path.split('.').count();
        let target = |values, pair: bool, list| Target {
            path: path
                .get(..path.len() - usize::from(pair))
                .unwrap_or_default()
                .to_vec(),
            pair: pair
                .then(|| path.last().map(|name| name.to_ascii_lowercase()))
                .flatten(),
            values,
            list,
            kinds: field.kinds,
        };
        if same == length && path.len() == length {
            let values = (field.values != Values::Open).then_some(field.values);
            return Some(target(values, false, field.list));
        }
        if same == length && field.values == Values::Headers && path.len() == length + 1 {
            return Some(target(Some(Values::Text), true, false));
        }
        if same == length && field.values == Values::Open {
            open = Some(target(Some(Values::Open), false, false));
        }
        if same == path.len() {
            mapping = Some(target(None, false, false));
        }
    }
    mapping.or(open)
}

/// The fields of the mapping at `path`, for messages.
pub(super) fn below(path: &[String]) -> String {
    let start = format!("{}.", path.join("."));
    let mut names: Vec<&str> = Vec::new();
    for name in FIELDS
        .iter()
        .filter_map(|field| field.path.strip_prefix(&start))
    {
        let name = name.split('.').next().unwrap_or(name);
        if names.last() != Some(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

fn unknown(names: &[String]) -> Problem {
    let path = names.join(".");
    let end = format!(".{path}");
    let ending: Vec<_> = FIELDS
        .iter()
        .filter(|field| field.path.ends_with(&end))
        .map(|field| format!("`{}`", field.path))
        .collect();
    let meant = if ending.is_empty() {
        let known: Vec<&str> = FIELDS
            .iter()
            .map(|field| field.path)
            .chain(SHORT.iter().map(|(short, _)| *short))
            .collect();
        meant(&path, &known)
    } else {
        format!("; did you mean {}?", ending.join(" or "))
    };
    Problem::UnknownField { path, meant }
}

/// Whether `word` is the path of a field, so that it can hardly be meant as a value.
pub(super) fn is_path(word: &str) -> bool {
    word.contains('.') && FIELDS.iter().any(|field| field.path == word)
}

#[cfg(test)]
mod tests;
