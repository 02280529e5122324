//! An event taken apart field by field, and an object put together so.

use serde_json::{Map, Value};

use super::FormatError;
use crate::event::parse_stamp;

/// What kind of event a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Exchange,
    Finding,
    Notice,
}

/// An event. What is taken from it is gone; what is left at the end is the rest.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) kind: Kind,
    rest: Map<String, Value>,
}

impl Event {
    pub(super) fn parse(line: &[u8]) -> Result<Self, FormatError> {
        let rest: Map<String, Value> = serde_json::from_slice(line).map_err(FormatError::Json)?;
        let kind = match rest.get("kind").and_then(Value::as_str) {
            Some("exchange") => Kind::Exchange,
            Some("finding") => Kind::Finding,
            Some("notice") => Kind::Notice,
            _ => return Err(FormatError::Kind),
        };
        Ok(Self { kind, rest })
    }

    /// The value at `path`, steps parted by dots.
    pub(super) fn get(&self, path: &str) -> Option<&Value> {
        let mut steps = path.split('.');
        let first = self.rest.get(steps.next()?)?;
        steps.try_fold(first, |value, step| value.get(step))
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.get(path)?.as_str()
    }

    pub(super) fn number(&self, path: &str) -> Option<u64> {
        self.get(path)?.as_u64()
    }

    /// Takes the value at `path` out; objects that it leaves empty go too.
    pub(super) fn take(&mut self, path: &str) -> Option<Value> {
        take(&mut self.rest, path)
    }

    pub(super) fn take_text(&mut self, path: &str) -> Option<String> {
        self.text(path)?;
        match self.take(path) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// A text or a number, as text.
    pub(super) fn take_word(&mut self, path: &str) -> Option<String> {
        let word = match self.get(path)? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        self.take(path);
        Some(word)
    }

    pub(super) fn take_number(&mut self, path: &str) -> Option<u64> {
        self.number(path)?;
        self.take(path)?.as_u64()
    }

    /// Moves values, each `(from, to)`, as they are.
    pub(super) fn shift(&mut self, moves: &[(&str, &str)], to: &mut Object) {
        for (from, path) in moves {
            if let Some(value) = self.take(from) {
                to.put(path, value);
            }
        }
    }

    /// Changes the value at `path`, where there is one.
    pub(super) fn amend(&mut self, path: &str, change: impl FnOnce(Value) -> Value) {
        let mut steps = path.split('.');
        let first = steps.next().and_then(|step| self.rest.get_mut(step));
        if let Some(value) =
            first.and_then(|first| steps.try_fold(first, |at, step| at.get_mut(step)))
        {
            *value = change(value.take());
        }
    }

    /// What nothing took.
    pub(super) fn into_rest(self) -> Map<String, Value> {
        self.rest
    }

    /// When it was, in nanoseconds since 1970.
    pub(super) fn time_ns(&self, path: &str) -> Option<u64> {
        nanoseconds(self.text(path)?)
    }

    /// The value of the first request header of this name.
    pub(super) fn request_header(&self, name: &str) -> Option<&str> {
        let headers = self.get("http.request.headers")?.as_array()?;
        headers.iter().find_map(|field| {
            let field = field.as_array()?;
            let same = field.first()?.as_str()? == name;
            same.then(|| field.get(1)?.as_str()).flatten()
        })
    }

    /// The URL as one text, as far as it is known: `https://host:port/path?query`.
    pub(super) fn url(&self) -> Option<String> {
        if let Some(original) = self.text("url.original")
            && original.contains("://")
        {
            return Some(original.to_owned());
        }
        let path = self.text("url.path")?;
        let mut url = String::new();
        if let Some(domain) = self.text("url.domain") {
            url.push_str(self.text("url.scheme").unwrap_or("http"));
            url.push_str("://");
            url.push_str(domain);
            if let Some(port) = self.number("url.port") {
                url.push_str(&format!(":{port}"));
            }
        }
        url.push_str(path);
        if let Some(query) = self.text("url.query") {
            url.push('?');
            url.push_str(query);
        }
        Some(url)
    }

    /// One line that tells a person what it is about.
    pub(super) fn message(&self) -> String {
        match self.kind {
            Kind::Exchange => {
                let method = self.text("http.request.method").unwrap_or("-");
                let path = self.text("url.path").unwrap_or("-");
                match self.number("http.response.status_code") {
                    Some(status) => format!("{method} {path} {status}"),
                    None => format!("{method} {path}"),
                }
            }
            Kind::Finding => self.text("title").unwrap_or("finding").to_owned(),
            Kind::Notice => {
                let name = self.text("name").unwrap_or("notice");
                match self.text("detail.reason") {
                    Some(reason) => format!("eaves: {name}: {reason}"),
                    None => format!("eaves: {name}"),
                }
            }
        }
    }
}

fn take(from: &mut Map<String, Value>, path: &str) -> Option<Value> {
    let Some((step, rest)) = path.split_once('.') else {
        // `shift_remove` keeps the order of what is left, which a person reads.
        return from.shift_remove(path);
    };
    let below = from.get_mut(step)?.as_object_mut()?;
    let value = take(below, rest)?;
    if below.is_empty() {
        from.shift_remove(step);
    }
    Some(value)
}

/// An object that is put together by paths.
#[derive(Debug, Default)]
pub(super) struct Object(Map<String, Value>);

impl Object {
    /// Puts `value` at `path`; objects on the way are made. A value that stands in the way stays.
    pub(super) fn put(&mut self, path: &str, value: impl Into<Value>) {
        let mut map = &mut self.0;
        let mut path = path;
        while let Some((step, rest)) = path.split_once('.') {
            let below = map.entry(step).or_insert_with(|| Value::Object(Map::new()));
            let Some(below) = below.as_object_mut() else {
                return;
            };
            (map, path) = (below, rest);
        }
        map.insert(path.to_owned(), value.into());
    }

    pub(super) fn put_some(&mut self, path: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(path, value);
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn has_at(&self, path: &str) -> bool {
        let mut steps = path.split('.');
        let first = steps.next().and_then(|step| self.0.get(step));
        first
            .and_then(|first| steps.try_fold(first, |at, step| at.get(step)))
            .is_some()
    }

    pub(super) fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}

/// Header fields `[[name, value], …]` as `[{name, value}, …]`, where nothing else is in them.
pub(super) fn named_fields(fields: Value) -> Value {
    let Value::Array(fields) = fields else {
        return fields;
    };
    let named = fields.into_iter().map(|field| match field {
        Value::Array(pair) => match <[Value; 2]>::try_from(pair) {
            Ok([name, value]) => {
                let mut object = Map::new();
                object.insert("name".into(), name);
                object.insert("value".into(), value);
                Value::Object(object)
            }
            Err(pair) => Value::Array(pair),
        },
        other => other,
    });
    Value::Array(named.collect())
}

/// A time as EVENTS writes it, in nanoseconds since 1970.
pub(in super::super) fn nanoseconds(text: &str) -> Option<u64> {
    parse_stamp(text.as_bytes()).map(|time| time.0)
}

/// As [`nanoseconds`], in milliseconds.
pub(super) fn milliseconds(text: &str) -> Option<u64> {
    Some(nanoseconds(text)? / 1_000_000)
}

/// A value that must be a text there.
pub(super) fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Whether `text` is an IP address.
pub(super) fn is_ip(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok()
}
