//! YAML → a tree in which every key and value knows where it stands.
//!
//! Keys given twice are kept, so that each can be named. One module knows the YAML crate's ways
//! (this and `load` are all that does), since these change often.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};

use super::report::Place;

/// Levels of lists and mappings within each other.
const DEPTH_MAX: usize = 32;

/// Values that aliases may stand for, in sum: against files that grow by repetition.
const ALIASED_MAX: usize = 10_000;

/// A value with its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// A value of YAML.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

/// Reads `text`, of the source with this number, as one YAML document.
///
/// # Errors
/// Where and why it is none.
pub(super) fn read(text: &str, source: usize) -> Result<Node, (Place, String)> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: DEPTH_MAX },
        // Both are handed over.
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: ALIASED_MAX },
        strict_booleans: true,
    };
    serde_saphyr::from_str_with_options::<Spanned<Value>>(text, options)
        .map(|root| {
            let mut root = node(root);
            root.stands_in(source);
            root
        })
        .map_err(|error| {
            let place = error.location().map(place).unwrap_or_default();
            let place = Place { source, ..place };
            let mut why = error.without_snippet().to_string();
            if why.starts_with("multiple YAML documents") {
                why = "more than one document".to_owned();
            }
            // The place is told beside it.
            if let Some(at) = why.rfind(" at line ") {
                why.truncate(at);
            }
            (place, why)
        })
}

impl Node {
    /// Says of which source it and all in it are.
    fn stands_in(&mut self, source: usize) {
        self.place.source = source;
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.stands_in(source)),
            Value::Map(entries) => {
                for (key, below) in entries {
                    key.stands_in(source);
                    below.stands_in(source);
                }
            }
            _ => {}
        }
    }
}

fn node(spanned: Spanned<Value>) -> Node {
    Node {
        value: spanned.value,
        place: place(spanned.referenced),
    }
}

fn place(location: serde_saphyr::Location) -> Place {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    Place {
        source: 0,
        line: number(location.line()),
        column: number(location.column()),
        chars: number(location.span().len()),
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(node(item));
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some((key, value)) = entries.next_entry()? {
            map.push((node(key), node(value)));
        }
        Ok(Value::Map(map))
    }
}
