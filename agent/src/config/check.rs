//! A tree held against the types' JSON Schema: every mistake at once, each with its place.
//!
//! Understands the keywords that schemars makes of our types, and a few of our own, whose names
//! begin with `x-`: bounds of sizes and periods, checks by name, "exactly one of these keys".

mod leaf;
mod words;

use serde_json::{Map, Value as Schema};

use super::report::{Mistake, Mistakes, Place, SECRETS};
use super::tree::{Node, Value};
use crate::spelling::meant;
use words::{list, shown};

/// Holds `root` against `schema`: what is sound of it, as JSON, and what is not.
pub(super) fn check(root: &Node, schema: &Schema) -> (Schema, Mistakes) {
    let mut checker = Checker {
        schema,
        path: Vec::new(),
        mistakes: Mistakes::default(),
    };
    let sound = checker.node(root, schema);
    let empty = || Schema::Object(Map::new());
    (sound.unwrap_or_else(empty), checker.mistakes)
}

/// Where the value at `path` stands, or the nearest above it that is there.
pub(super) fn place_of(root: &Node, path: &[String]) -> Place {
    nearest(root, path).0
}

/// Where the value at `path` stands, if it is there.
pub(super) fn exact_place_of(root: &Node, path: &[String]) -> Option<Place> {
    let (place, missing) = nearest(root, path);
    (missing == 0).then_some(place)
}

/// Where the value stands that is nearest to `path` from above, and how many steps are missing.
fn nearest(root: &Node, path: &[String]) -> (Place, usize) {
    let mut node = root;
    for (step, missing) in path.iter().zip((1..=path.len()).rev()) {
        let Value::Map(entries) = &node.value else {
            return (node.place, missing);
        };
        let named = |(key, _): &&(Node, Node)| key.value == Value::Text(step.clone());
        match entries.iter().find(named) {
            Some((_, below)) => node = below,
            None => return (node.place, missing),
        }
    }
    (node.place, 0)
}

struct Checker<'s> {
    schema: &'s Schema,
    path: Vec<String>,
    mistakes: Mistakes,
}

impl Checker<'_> {
    fn mistake(&mut self, place: Place, what: String) {
        self.mistakes.add(Mistake {
            place,
            key: self.path.concat().trim_start_matches('.').to_owned(),
            what,
        });
    }

    /// `schema` with what it refers to put in its place, and without the alternative `null`.
    fn resolved(&self, schema: &Schema) -> Map<String, Schema> {
        let mut own = schema.as_object().cloned().unwrap_or_default();
        // Our types refer to others and are optional, but not deeper than this.
        for _ in 0..4 {
            if let Some(Schema::Array(any)) = own.remove("anyOf") {
                let real = any.iter().find(|s| s.get("type") != Some(&"null".into()));
                merge(&mut own, real);
            }
            let Some(Schema::String(name)) = own.remove("$ref") else {
                break;
            };
            merge(&mut own, self.schema.pointer(name.trim_start_matches('#')));
        }
        if let Some(Schema::Array(types)) = own.get("type") {
            let real = types.iter().find(|name| *name != "null").cloned();
            own.insert("type".to_owned(), real.unwrap_or_default());
        }
        own
    }

    /// What is sound of `node`; `None` if nothing is.
    fn node(&mut self, node: &Node, schema: &Schema) -> Option<Schema> {
        let schema = self.resolved(schema);
        match schema.get("type").and_then(Schema::as_str) {
            Some("object") => self.object(node, &schema),
            Some("array") => self.array(node, &schema),
            _ => match self.leaf(node, &schema) {
                Ok(value) => Some(value),
                Err(what) => {
                    self.mistake(node.place, what);
                    None
                }
            },
        }
    }

    /// The value of a leaf; where a secret stands, a report does not show it.
    fn leaf(&mut self, node: &Node, schema: &Map<String, Schema>) -> Result<Schema, String> {
        if leaf::is_secret(&node.value, schema) {
            self.mistakes.hide(node.place);
        }
        leaf::value(node, schema)
    }

    fn array(&mut self, node: &Node, schema: &Map<String, Schema>) -> Option<Schema> {
        let mut of = self.resolved(schema.get("items").unwrap_or(&Schema::Null));
        if let Some(check) = schema.get("x-check-items") {
            of.insert("x-check".to_owned(), check.clone());
        }
        let Value::List(items) = &node.value else {
            self.mistake(
                node.place,
                format!(
                    "{} is not a list; allowed: [ … ], each {}",
                    shown(&node.value),
                    leaf::allowed(&of)
                ),
            );
            return None;
        };
        let count = |key: &str| schema.get(key).and_then(Schema::as_u64);
        let len = items.len() as u64;
        if count("minItems").is_some_and(|min| len < min) {
            self.mistake(node.place, "is an empty list; name at least one".to_owned());
            return None;
        }
        if let Some(max) = count("maxItems").filter(|max| len > *max) {
            let what = format!("has {len} items; allowed: up to {max}");
            self.mistake(node.place, what);
            return None;
        }
        let of = Schema::Object(of);
        let unique = schema.get("uniqueItems") == Some(&Schema::Bool(true));
        let mut sound = Vec::new();
        for (index, item) in items.iter().enumerate() {
            self.path.push(format!("[{index}]"));
            if let Some(value) = self.node(item, &of) {
                if unique && sound.contains(&value) {
                    self.mistake(
                        item.place,
                        format!("{} stands here twice", shown(&item.value)),
                    );
                } else {
                    sound.push(value);
                }
            }
            self.path.pop();
        }
        Some(Schema::Array(sound))
    }

    fn object(&mut self, node: &Node, schema: &Map<String, Schema>) -> Option<Schema> {
        let entries = match &node.value {
            Value::Map(entries) => entries.as_slice(),
            // A section all of whose keys are comments.
            Value::Null => &[],
            // A word that stands for a mapping with that one key.
            Value::Text(word) if names(schema, "x-words").contains(&word.as_str()) => {
                let inside = Map::from_iter([(word.clone(), Schema::Object(Map::new()))]);
                return Some(Schema::Object(inside));
            }
            other => {
                let what = format!(
                    "{} is not a mapping; allowed: {}",
                    shown(other),
                    leaf::allowed(schema)
                );
                self.mistake(node.place, what);
                return None;
            }
        };
        let mut sound = Map::new();
        let mut seen: Vec<(&str, Place)> = Vec::new();
        let mut strangers = false;
        for (key, value) in entries {
            let Some(name) = self.key(key, &seen) else {
                continue;
            };
            seen.push((name, key.place));
            self.path.push(format!(".{name}"));
            match self.below(key, name, schema) {
                Some(below) => {
                    if let Some(value) = self.node(value, &below) {
                        sound.insert(name.to_owned(), value);
                    }
                }
                None => {
                    strangers = true;
                    // A secret's key may be misspelt.
                    if !meant(name, SECRETS).is_empty() {
                        self.mistakes.hide(value.place);
                    }
                }
            }
            self.path.pop();
        }
        let before = self.mistakes.clone();
        let whole = self.whole(node, schema, &seen);
        if strangers {
            // A key that is not known may be the one that is missed: one mistake, not two.
            self.mistakes = before;
        }
        whole.then_some(Schema::Object(sound))
    }

    /// The text of a key that stands here for the first time.
    fn key<'n>(&mut self, key: &'n Node, seen: &[(&str, Place)]) -> Option<&'n str> {
        let Value::Text(name) = &key.value else {
            self.mistake(key.place, format!("{} is not a key", shown(&key.value)));
            return None;
        };
        if let Some((_, first)) = seen.iter().find(|(other, _)| other == name) {
            let what = format!("`{name}` stands here twice, first on line {}", first.line);
            self.mistake(key.place, what);
            return None;
        }
        Some(name)
    }

    /// The schema of what stands under `name`; `None`, and a mistake, if nothing may.
    fn below(&mut self, key: &Node, name: &str, schema: &Map<String, Schema>) -> Option<Schema> {
        let properties = schema.get("properties").and_then(Schema::as_object);
        if let Some(below) = properties.and_then(|properties| properties.get(name)) {
            return Some(below.clone());
        }
        if let Some(below @ Schema::Object(_)) = schema.get("additionalProperties") {
            let checked = schema.get("x-check-keys").and_then(Schema::as_str);
            if let Some(why) = checked.and_then(|check| leaf::by_name(check, name)) {
                self.mistake(key.place, format!("`{}` {why}", name.escape_debug()));
                return None;
            }
            return Some(below.clone());
        }
        let known: Vec<&str> = properties
            .into_iter()
            .flat_map(Map::keys)
            .map(String::as_str)
            .collect();
        let what = match known.as_slice() {
            [] => "is not known here; allowed: no key at all".to_owned(),
            known => format!(
                "is not known here{}; allowed: {}",
                meant(name, known),
                list(known)
            ),
        };
        self.mistake(key.place, what);
        None
    }

    /// What can be said of a mapping only as a whole; false if it cannot be used.
    fn whole(&mut self, node: &Node, schema: &Map<String, Schema>, seen: &[(&str, Place)]) -> bool {
        let has = |name: &str| seen.iter().any(|(other, _)| *other == name);
        let names = |key: &str| names(schema, key);
        let count = |key: &str| schema.get(key).and_then(Schema::as_u64);
        let len = seen.len() as u64;
        let mut sound = true;
        for name in names("required").into_iter().filter(|name| !has(name)) {
            self.mistake(node.place, format!("`{name}` is missing"));
            sound = false;
        }
        let types = names("x-exactly-one");
        let given: Vec<&str> = types.iter().copied().filter(|name| has(name)).collect();
        if !types.is_empty() && given.is_empty() {
            let what = format!("names no type; name one of: {}", list(&types));
            self.mistake(node.place, what);
            sound = false;
        } else if given.len() > 1 {
            let what = format!("names {} types: {}; leave one", given.len(), list(&given));
            self.mistake(node.place, what);
            sound = false;
        }
        if count("minProperties").is_some_and(|min| len < min) {
            let what = "is empty; name at least one, or leave the key out".to_owned();
            self.mistake(node.place, what);
            sound = false;
        }
        if let Some(max) = count("maxProperties").filter(|max| len > *max) {
            let what = format!("has {len} entries; allowed: up to {max}");
            self.mistake(node.place, what);
            sound = false;
        }
        sound
    }
}

/// The words that `schema` lists under `key`.
fn names<'s>(schema: &'s Map<String, Schema>, key: &str) -> Vec<&'s str> {
    let names = schema.get(key).and_then(Schema::as_array);
    let names = names.into_iter().flatten();
    names.filter_map(Schema::as_str).collect()
}

/// Adds to `own` what `other` says and it does not.
fn merge(own: &mut Map<String, Schema>, other: Option<&Schema>) {
    for (key, value) in other.and_then(Schema::as_object).into_iter().flatten() {
        if !own.contains_key(key) {
            own.insert(key.clone(), value.clone());
        }
    }
}
