//! A configuration as YAML, every value written out, with where it comes from beside it.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::Config;

/// `config` as YAML. `origin` says where the value at a path comes from, if that is to be told.
pub(super) fn yaml(config: &Config, origin: impl Fn(&[String]) -> Option<String>) -> String {
    let mut writer = Writer {
        out: String::new(),
        path: Vec::new(),
        origin,
    };
    if let Ok(Value::Object(sections)) = serde_json::to_value(config) {
        writer.mapping(&sections);
    }
    writer.out
}

struct Writer<O> {
    out: String,
    path: Vec<String>,
    origin: O,
}

impl<O: Fn(&[String]) -> Option<String>> Writer<O> {
    /// A key a line; values that are no mappings as JSON, which is YAML too.
    fn mapping(&mut self, entries: &Map<String, Value>) {
        for (key, value) in entries {
            let indent = "  ".repeat(self.path.len());
            let key_text = key_of(key);
            self.path.push(key.clone());
            // Writing to a string does not fail.
            match value {
                Value::Object(below) if !below.is_empty() => {
                    let _ = writeln!(self.out, "{indent}{key_text}:");
                    self.mapping(below);
                }
                leaf => {
                    let origin = (self.origin)(&self.path);
                    let origin = origin.map_or(String::new(), |origin| format!("  # {origin}"));
                    let _ = writeln!(self.out, "{indent}{key_text}: {leaf}{origin}");
                }
            }
            self.path.pop();
        }
    }
}

/// A key as it may stand without quotes, or in them.
fn key_of(key: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let letter = key.bytes().next().is_some_and(|b| b.is_ascii_alphabetic());
    if letter && key.bytes().all(plain) && !["null", "true", "false"].contains(&key) {
        key.to_owned()
    } else {
        Value::from(key).to_string()
    }
}
