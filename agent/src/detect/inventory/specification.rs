//! What an OpenAPI document says of an API, and where an exchange differs from it.
//!
//! Built by `config` from the documents of `identity.openapi`, whose paths are routes. Names are kept
//! as hashes. What a document leaves open is not judged, nor what an exchange does not show.

use std::collections::HashMap;

use crate::detect::facts::Facts;
use crate::detect::incident::mix;
use crate::detect::party::shown;
use crate::detect::value_hash;
use crate::hex::is_uuid;

/// Names of fields, as hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(Vec<u64>);

impl<'a> FromIterator<&'a str> for Names {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let mut hashes: Vec<u64> = names
            .into_iter()
            .map(|name| value_hash(name.as_bytes()))
            .collect();
        hashes.sort_unstable();
        hashes.dedup();
        Self(hashes)
    }
}

impl Names {
    fn has(&self, name: &[u8]) -> bool {
        self.0.binary_search(&value_hash(name)).is_ok()
    }
}

/// What a parameter's value must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Anything.
    Any,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A UUID.
    Uuid,
}

impl Form {
    fn fits(self, value: &[u8]) -> bool {
        let text = str::from_utf8(value).unwrap_or_default();
        match self {
            Self::Any => true,
            Self::Integer => text.parse::<i128>().is_ok(),
            Self::Number => text.parse::<f64>().is_ok(),
            Self::Boolean => matches!(value, b"true" | b"false"),
            Self::Uuid => is_uuid(value),
        }
    }
}

/// One answer that is foreseen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The lowest and the highest status it is for.
    pub statuses: (u16, u16),
    /// Media types in lower case, without parameters; empty if none is said.
    pub media: Vec<String>,
    /// Names of fields in JSON; `None` where others may be there.
    pub fields: Option<Names>,
}

/// One method on one path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operation {
    /// Whether it should no longer be used.
    pub deprecated: bool,
    /// The parameters in the path, in their order.
    pub path: Vec<Form>,
    /// Parameters in the query, by name.
    pub query: Vec<(String, Form)>,
    /// Whether others may be in the query.
    pub any_query: bool,
    /// Names of fields in the request's body; `None` where others may be there.
    pub body: Option<Names>,
    /// Answers that are foreseen; none if nothing is said.
    pub answers: Vec<Answer>,
}

/// What documents say of an API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Specification {
    operations: HashMap<u64, Operation>,
    /// What all paths of a document begin with.
    bases: Vec<String>,
}

/// What a specification says of an exchange.
#[derive(Debug, Default)]
pub(super) struct Judged<'a> {
    /// It has no such endpoint.
    pub(super) unspecified: bool,
    /// It has it.
    pub(super) specified: bool,
    /// It says that the endpoint should no longer be used.
    pub(super) deprecated: bool,
    /// The first thing that differs.
    pub(super) differs: Option<Difference<'a>>,
}

/// Where an exchange is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Difference<'a> {
    Status(u16),
    Media,
    Parameter(&'a [u8]),
    Value(&'a str),
    Sent(&'a [u8]),
    Answered(&'a [u8]),
}

impl Difference<'_> {
    /// As a remark.
    pub(super) fn text(self) -> String {
        match self {
            Self::Status(status) => format!("answers {status}, which is not specified"),
            Self::Media => "answers a media type that is not specified".to_owned(),
            Self::Parameter(name) => format!("parameter {} is not specified", shown(name)),
            Self::Value(name) => format!("parameter `{name}` has a value of another type"),
            Self::Sent(name) => format!("field {} of the request is not specified", shown(name)),
            Self::Answered(name) => format!("field {} of the answer is not specified", shown(name)),
        }
    }
}

impl Specification {
    /// Whether nothing is specified.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// How many operations there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Adds `method`, in upper case, on `route`, which begins with `base`.
    pub fn add(&mut self, base: &str, route: &str, method: &str, operation: Operation) {
        if !self.bases.iter().any(|have| have == base) {
            self.bases.push(base.to_owned());
        }
        self.operations
            .insert(key(route, method.as_bytes()), operation);
    }

    /// Adds what another has.
    pub fn extend(&mut self, other: Self) {
        self.operations.extend(other.operations);
        self.bases.extend(other.bases);
    }

    /// What it says of an exchange that was answered with success.
    pub(super) fn judge<'a>(&self, facts: &'a Facts<'_>) -> Judged<'a>
    where
        Self: 'a,
    {
        let asks_first = facts.method == b"OPTIONS" || facts.method.is_empty();
        if self.is_empty() || asks_first || facts.status == 0 {
            return Judged::default();
        }
        let as_get = facts.method == b"HEAD";
        let method = if as_get { b"GET" } else { facts.method };
        match self.operations.get(&key(&facts.route, method)) {
            Some(operation) => Judged {
                specified: true,
                deprecated: operation.deprecated,
                differs: operation.differs(facts),
                unspecified: false,
            },
            None => Judged {
                unspecified: self.is_of_it(facts),
                ..Judged::default()
            },
        }
    }

    /// Whether a document would have it: it lies where one begins, and is no page or part of one.
    fn is_of_it(&self, facts: &Facts<'_>) -> bool {
        const PAGES: [&[u8]; 7] = [
            b"text/html",
            b"text/css",
            b"text/javascript",
            b"image/",
            b"font/",
            b"video/",
            b"audio/",
        ];
        let lies = |base: &String| {
            let rest = facts.path.strip_prefix(base.as_bytes());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        };
        let begins = |start: &&[u8]| {
            let kind = facts.reply_type.get(..start.len());
            kind.is_some_and(|kind| kind.eq_ignore_ascii_case(start))
        };
        let script = memchr::memmem::find(facts.reply_type, b"javascript").is_some();
        self.bases.iter().any(lies) && !PAGES.iter().any(begins) && !script
    }
}

/// Stands for `method` on `route`, whatever its parameters are called.
fn key(route: &str, method: &[u8]) -> u64 {
    route.split('/').fold(value_hash(method), |hash, segment| {
        let word = in_braces(segment).map_or(segment, |_| "{}");
        mix(hash, value_hash(word.as_bytes()))
    })
}

fn in_braces(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

impl Operation {
    /// The first thing that differs; answers before requests, since their reader is the one who specified.
    fn differs<'a>(&self, facts: &'a Facts<'_>) -> Option<Difference<'a>> {
        self.answer(facts).or_else(|| self.asked(facts))
    }

    fn answer<'a>(&self, facts: &'a Facts<'_>) -> Option<Difference<'a>> {
        if self.answers.is_empty() {
            return None;
        }
        // The narrowest range stands for the status.
        let fits = |answer: &&Answer| {
            let (low, high) = answer.statuses;
            (low..=high).contains(&facts.status)
        };
        let narrow = |answer: &&Answer| answer.statuses.1 - answer.statuses.0;
        let Some(answer) = self.answers.iter().filter(fits).min_by_key(narrow) else {
            return Some(Difference::Status(facts.status));
        };
        let media = facts.reply_type.split(|byte| *byte == b';').next();
        let media = media.unwrap_or_default().trim_ascii();
        let known = answer.media.is_empty()
            || media.is_empty()
            || answer.media.iter().any(|known| is_media(known, media));
        if !known {
            return Some(Difference::Media);
        }
        let is_json = media.to_ascii_lowercase().ends_with(b"json");
        let names = answer.fields.as_ref().filter(|_| is_json)?;
        let other = facts.reply_fields.iter().find(|name| !names.has(name));
        other.map(|name| Difference::Answered(name))
    }

    fn asked<'a>(&self, facts: &'a Facts<'_>) -> Option<Difference<'a>> {
        let segments = facts.path.split(|byte| *byte == b'/');
        let pairs = facts.route.split('/').zip(segments);
        let braced = pairs.filter_map(|(name, value)| Some((in_braces(name)?, value)));
        for ((name, value), form) in braced.zip(&self.path) {
            if !form.fits(value) {
                return Some(Difference::Value(name));
            }
        }
        let pairs = facts.query.split(|byte| *byte == b'&');
        for pair in pairs.filter(|pair| !pair.is_empty()).take(64) {
            let end = memchr::memchr(b'=', pair).unwrap_or(pair.len());
            let (name, value) = pair.split_at(end);
            // In brackets stand members of one, as `filter[name]`.
            let word = name.split(|byte| *byte == b'[').next().unwrap_or(name);
            let plain = !name.contains(&b'%') && !name.contains(&b'+');
            match form(&self.query, name).or_else(|| form(&self.query, word)) {
                None if plain && !self.any_query => return Some(Difference::Parameter(name)),
                Some(form) if word == name && !form.fits(value.get(1..).unwrap_or_default()) => {
                    return str::from_utf8(name).ok().map(Difference::Value);
                }
                _ => {}
            }
        }
        let names = self.body.as_ref()?;
        let other = facts.fields.iter().find(|name| !names.has(name));
        other.map(|name| Difference::Sent(name))
    }
}

fn form(all: &[(String, Form)], name: &[u8]) -> Option<Form> {
    let found = all.iter().find(|(have, _)| have.as_bytes() == name);
    found.map(|(_, form)| *form)
}

/// Whether `media` is `known`, which may be `application/*` or `*/*`.
fn is_media(known: &str, media: &[u8]) -> bool {
    match known.strip_suffix('*') {
        Some("*/") => true,
        Some(start) => media
            .get(..start.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(start.as_bytes())),
        None => media.eq_ignore_ascii_case(known.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::Form;

    #[test]
    fn values_fit_the_form_that_is_foreseen() {
        for (form, value, expected) in [
            (Form::Uuid, "550e8400-e29b-41d4-a716-446655440000", true),
            (Form::Uuid, "550e8400e29b-41d4-a716-446655440000-", false),
            (Form::Uuid, "------------------------------------", false),
            (Form::Uuid, "550e8400", false),
            (Form::Integer, "-42", true),
            (Form::Integer, "1.5", false),
            (Form::Number, "1.5", true),
            (Form::Boolean, "TRUE", false),
            (Form::Any, "whatever", true),
        ] {
            assert_eq!(form.fits(value.as_bytes()), expected, "{value}");
        }
    }
}
