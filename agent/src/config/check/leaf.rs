//! Values that hold no others: text, numbers, sizes, periods, words of a list.

use std::borrow::Cow;
use std::str::FromStr;

use hyper::header::HeaderName;
use serde_json::{Map, Value as Schema};

use super::super::tree::{Node, Value};
use super::words::{list, shown};
use crate::sink::kafka_broker;
use crate::spelling::meant;
use crate::units::{Addresses, Cores, Period, Size};

/// What is wrong with a value.
enum Wrong {
    /// It is not what may stand there.
    Form(String),
    /// It is, but not within bounds.
    Bounds(&'static str),
}

const OUT_OF_RANGE: Wrong = Wrong::Bounds("is out of range");

fn form(why: impl ToString) -> Wrong {
    Wrong::Form(why.to_string())
}

/// The value of `node` as JSON.
///
/// # Errors
/// What is wrong with it, and what is allowed.
pub(super) fn value(node: &Node, schema: &Map<String, Schema>) -> Result<Schema, String> {
    judged(&node.value, schema).map_err(|wrong| {
        let value = if is_secret(&node.value, schema) {
            "the value".to_owned()
        } else {
            shown(&node.value)
        };
        let default = schema
            .get("default")
            .filter(|_| node.value == Value::Null)
            .map(|default| format!(", or leave the key out for {}", plain(default)))
            .unwrap_or_default();
        match wrong {
            Wrong::Form(why) => format!("{value} {why}; allowed: {}{default}", allowed(schema)),
            Wrong::Bounds(why) => format!("{value} {why}; allowed: {}", range(schema)),
        }
    })
}

/// Whether `value` must not be shown: a secret that is written out, or an address that holds one.
pub(super) fn is_secret(value: &Value, schema: &Map<String, Schema>) -> bool {
    let text = match value {
        Value::Text(text) => text.as_str(),
        _ => "",
    };
    if schema.get("x-secret") == Some(&Schema::Bool(true)) {
        return !text.starts_with("${");
    }
    schema.contains_key("x-check") && text.contains("://") && text.contains('@')
}

fn judged(value: &Value, schema: &Map<String, Schema>) -> Result<Schema, Wrong> {
    let words = words_of(schema);
    if !words.is_empty() {
        return match value {
            Value::Text(text) if words.contains(&text.as_str()) => Ok(text.as_str().into()),
            Value::Text(text) => Err(form(format!("is not known here{}", meant(text, &words)))),
            _ => Err(form("is not one of the words")),
        };
    }
    match (format(schema), value) {
        ("size", _) => size(value, schema),
        ("period", _) => period(value, schema),
        ("cores", _) => cores(value, schema),
        (_, Value::Int(number)) if is(schema, "integer") => integer(*number, schema),
        (_, Value::Bool(value)) if is(schema, "boolean") => Ok((*value).into()),
        (_, Value::Text(text)) if is(schema, "string") => {
            let check = schema.get("x-check").and_then(Schema::as_str);
            match check.and_then(|check| by_name(check, text)) {
                Some(why) => Err(form(why)),
                None => Ok(text.as_str().into()),
            }
        }
        (_, Value::Int(_) | Value::Float(_) | Value::Bool(_)) if is(schema, "string") => {
            Err(form("is not a text; put it in quotes"))
        }
        _ if is(schema, "integer") => Err(form("is not a whole number")),
        _ if is(schema, "boolean") => Err(form("is neither true nor false")),
        _ => Err(form("is not a text")),
    }
}

fn is(schema: &Map<String, Schema>, kind: &str) -> bool {
    schema.get("type").is_some_and(|t| t == kind)
}

fn format(schema: &Map<String, Schema>) -> &str {
    schema.get("format").and_then(Schema::as_str).unwrap_or("")
}

/// The words of which a value must be one, if it must.
fn words_of(schema: &Map<String, Schema>) -> Vec<&str> {
    let array = |key: &str| {
        schema
            .get(key)
            .and_then(Schema::as_array)
            .into_iter()
            .flatten()
    };
    array("enum")
        .chain(array("oneOf").filter_map(|one| one.get("const")))
        .filter_map(Schema::as_str)
        .collect()
}

fn integer(number: i128, schema: &Map<String, Schema>) -> Result<Schema, Wrong> {
    let (min, max) = bounds(schema);
    let number = Some(number).filter(|number| (min..=max).contains(number));
    let number = number.and_then(|number| u64::try_from(number).ok());
    number.map(Schema::from).ok_or(OUT_OF_RANGE)
}

/// Least and greatest number that `schema` allows, by its words and by its type.
fn bounds(schema: &Map<String, Schema>) -> (i128, i128) {
    let by_type = match format(schema) {
        "uint8" => u8::MAX.into(),
        "uint16" => u16::MAX.into(),
        "uint32" => u32::MAX.into(),
        _ => u64::MAX.into(),
    };
    let bound = |key: &str| schema.get(key).and_then(Schema::as_i64).map(i128::from);
    let max = bound("maximum").unwrap_or(by_type);
    (bound("minimum").unwrap_or(0), max.min(by_type))
}

fn size(value: &Value, schema: &Map<String, Schema>) -> Result<Schema, Wrong> {
    let size: Size = match value {
        Value::Int(bytes) => Size(u64::try_from(*bytes).map_err(|_| OUT_OF_RANGE)?),
        Value::Text(text) => text.parse().map_err(form)?,
        _ => return Err(form("is not a size")),
    };
    in_range(size, schema)?;
    if is_power(schema) && !size.bytes().is_power_of_two() {
        return Err(Wrong::Bounds("is not a power of two"));
    }
    Ok(size.bytes().into())
}

fn period(value: &Value, schema: &Map<String, Schema>) -> Result<Schema, Wrong> {
    if let (Value::Text(text), Some(word)) = (value, word_beside(schema))
        && text == word
    {
        return Ok(word.into());
    }
    let period: Period = match value {
        Value::Int(seconds) => Period::seconds(u64::try_from(*seconds).map_err(|_| OUT_OF_RANGE)?),
        Value::Text(text) => text.parse().map_err(form)?,
        _ => return Err(form("is not a period")),
    };
    in_range(period, schema)?;
    Ok(period.to_string().into())
}

fn cores(value: &Value, schema: &Map<String, Schema>) -> Result<Schema, Wrong> {
    let cores = match value {
        Value::Int(whole) => {
            let whole = u64::try_from(*whole).map_err(|_| OUT_OF_RANGE)?;
            Cores::whole(whole).map_err(|_| OUT_OF_RANGE)?
        }
        Value::Float(cores) if *cores < 0.0 => return Err(OUT_OF_RANGE),
        Value::Float(cores) => cores.to_string().parse().map_err(form)?,
        _ => return Err(form("is not a number")),
    };
    in_range(cores, schema)?;
    Ok((f64::from(cores.thousandths()) / 1000.0).into())
}

/// A word that may stand in a period's place.
fn word_beside(schema: &Map<String, Schema>) -> Option<&str> {
    schema.get("x-word").and_then(Schema::as_str)
}

fn in_range<T: PartialOrd + FromStr>(value: T, schema: &Map<String, Schema>) -> Result<(), Wrong> {
    let bound = |key: &str| schema.get(key)?.as_str()?.parse::<T>().ok();
    let below = bound("x-min").is_some_and(|min| value < min);
    if below || bound("x-max").is_some_and(|max| value > max) {
        return Err(OUT_OF_RANGE);
    }
    Ok(())
}

fn is_power(schema: &Map<String, Schema>) -> bool {
    schema
        .get("x-check")
        .is_some_and(|check| check == "power_of_two")
}

/// Why `text` does not pass the check of this name.
pub(super) fn by_name(check: &str, text: &str) -> Option<Cow<'static, str>> {
    let name = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    let topic = |b: u8| name(b) || b == b'.';
    if check == "filter" {
        let error = crate::filter::Filter::parse(text).err()?;
        return Some(
            format!(
                "is no filter: {}, at its character {}",
                error.problem(),
                error.column()
            )
            .into(),
        );
    }
    let why = match check {
        "addresses" => text.parse::<Addresses>().err(),
        "route" if !is_route(text) => {
            Some("is no path template such as /users/{id}, with or without a host in front")
        }
        "detector" if text.parse::<crate::detect::Id>().is_err() => {
            let ids: Vec<&str> = crate::detect::Id::ALL.iter().map(|id| id.name()).collect();
            return Some(format!("is no detector{}", meant(text, &ids)).into());
        }
        "network" if text.parse::<crate::detect::Network>().is_err() => {
            Some("is no address or network, as in 10.0.0.0/8")
        }
        "time" if crate::event::parse_stamp(text.as_bytes()).is_none() => {
            Some("is no time, as in 2026-12-31T00:00:00Z")
        }
        "absolute_path" if !text.starts_with('/') => {
            Some("is not a path from the root: one that begins with /")
        }
        "absolute_path" if text.contains('\0') => Some("holds a NUL byte"),
        "process" if text.is_empty() || text.len() > 15 => {
            Some("is not a name of 1 to 15 bytes, which is what the kernel keeps")
        }
        "name" if text.is_empty() || text.len() > 56 || !text.bytes().all(name) => {
            Some("is not a name of 1 to 56 letters, digits, - and _")
        }
        "node_name" if !super::super::lookup::is_node_name(text) => {
            Some("is not the name of a node: small letters, digits, - and .")
        }
        "field_name" if HeaderName::from_bytes(text.as_bytes()).is_err() => {
            Some("is not the name of a header field (RFC 9110 §5.1)")
        }
        "http_url" if !text.starts_with("http://") && !text.starts_with("https://") => {
            Some("is not a URL that begins with http:// or https://")
        }
        "http_url" if text.split('/').nth(2).is_some_and(|at| at.contains('@')) => {
            Some("holds a user or password, which would be printed; give them as auth")
        }
        "syslog_address" if !is_syslog_address(text) => {
            Some("is none of tls://host:port, tcp://host:port, udp://host:port, unix:/path")
        }
        "listen" if super::super::Listen::parse(text).is_none() => {
            Some("is neither unix:/path nor tcp:// with an address of this host alone and a port")
        }
        "kafka_broker" if kafka_broker(text).is_none() => {
            Some("is neither tls://host:port nor tcp://host:port")
        }
        "kafka_topic" if text.is_empty() || text.len() > 249 || !text.bytes().all(topic) => {
            Some("is not a name of 1 to 249 letters, digits, -, _ and .")
        }
        _ => None,
    };
    why.map(Cow::Borrowed)
}

/// Whether `text` is a path whose segments are words, or names in braces.
fn is_route(text: &str) -> bool {
    let Some((host, path)) = text.split_at_checked(text.find('/').unwrap_or(text.len())) else {
        return false;
    };
    let segment = |segment: &str| match segment.strip_prefix('{') {
        Some(name) => name
            .strip_suffix('}')
            .is_some_and(|name| !name.is_empty() && !name.contains(['{', '}'])),
        None => !segment.contains(['{', '}', '?', '#']),
    };
    !path.is_empty() && !host.contains(['{', '}', ' ']) && path.split('/').all(segment)
}

fn is_syslog_address(text: &str) -> bool {
    if let Some(path) = text.strip_prefix("unix:") {
        return path.starts_with('/');
    }
    let place = ["tls://", "tcp://", "udp://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let port = place.and_then(|place| place.rsplit_once(':'));
    port.is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

/// What `schema` allows, in words.
pub(super) fn allowed(schema: &Map<String, Schema>) -> String {
    let words = words_of(schema);
    if !words.is_empty() {
        return list(&words);
    }
    let check = schema.get("x-check").and_then(Schema::as_str);
    match (format(schema), schema.get("type").and_then(Schema::as_str)) {
        ("size", _) => format!("{}; {}", Size::ALLOWED, range(schema)),
        ("period", _) => {
            let word = word_beside(schema).map_or(String::new(), |word| format!("{word}, or "));
            format!("{word}{}; {}", Period::ALLOWED, range(schema))
        }
        ("cores", _) => format!("{}; {}", Cores::ALLOWED, range(schema)),
        (_, Some("integer")) => format!("a whole number {}", range(schema)),
        (_, Some("boolean")) => "true or false".to_owned(),
        (_, Some("array")) => "a list".to_owned(),
        (_, Some("object")) => match schema.get("properties").and_then(Schema::as_object) {
            Some(properties) if !properties.is_empty() => {
                let keys: Vec<&str> = properties.keys().map(String::as_str).collect();
                format!("the keys {}", list(&keys))
            }
            Some(_) => "{}".to_owned(),
            None => "names, each with its mapping".to_owned(),
        },
        _ if check == Some("addresses") => Addresses::ALLOWED.to_owned(),
        _ if check == Some("route") => "a path template such as /users/{id}".to_owned(),
        _ if check == Some("absolute_path") => "a path such as /var/log/x".to_owned(),
        _ if check == Some("field_name") => {
            "the name of a header field, such as X-Api-Key".to_owned()
        }
        _ if check == Some("process") => "the name of a process, such as sshd".to_owned(),
        _ => "a text".to_owned(),
    }
}

/// The bounds of a number, size or period, in words.
fn range(schema: &Map<String, Schema>) -> String {
    let bound = |key: &str| schema.get(key).and_then(Schema::as_str);
    let power = if is_power(schema) {
        ", a power of two"
    } else {
        ""
    };
    match (bound("x-min"), bound("x-max")) {
        (Some(min), Some(max)) => format!("from {min} to {max}{power}"),
        (Some(min), None) => format!("{min} or more{power}"),
        (None, Some(max)) => format!("up to {max}{power}"),
        (None, None) => {
            let (min, max) = bounds(schema);
            format!("from {min} to {max}")
        }
    }
}

/// A default as it would stand in the file.
fn plain(value: &Schema) -> String {
    match value {
        Schema::String(text) => text.clone(),
        other => other.to_string(),
    }
}
