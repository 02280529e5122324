//! The names of fields that schemas of an OpenAPI document allow.

use serde_json::Value;

use crate::detect::Names;

/// Deepest nesting, most schemas and most names that are read for one message.
const DEPTH_MAX: usize = 32;
const SCHEMAS_MAX: usize = 4096;
const NAMES_MAX: usize = 1024;

/// Collects names of one message.
pub(super) struct Schemas<'d> {
    document: &'d Value,
    names: Vec<&'d str>,
    /// References that were followed: a schema may hold itself.
    followed: Vec<&'d str>,
    looked: usize,
    /// Whether names may be there that no schema has.
    open: bool,
}

impl<'d> Schemas<'d> {
    pub(super) const fn of(document: &'d Value) -> Self {
        Self {
            document,
            names: Vec::new(),
            followed: Vec::new(),
            looked: 0,
            open: false,
        }
    }

    /// Adds one name.
    pub(super) fn name(&mut self, name: &'d str) {
        self.names.push(name);
    }

    /// Adds the names of `schema`; without one anything may be there.
    pub(super) fn take(&mut self, schema: Option<&'d Value>) {
        match schema {
            Some(schema) => self.walk(schema, DEPTH_MAX),
            None => self.open = true,
        }
    }

    /// All names; `None` where others may be there.
    pub(super) fn names(self) -> Option<Names> {
        (!self.open).then(|| self.names.into_iter().collect())
    }

    fn walk(&mut self, schema: &'d Value, depth: usize) {
        self.looked += 1;
        let full = self.looked > SCHEMAS_MAX || self.names.len() > NAMES_MAX;
        let (Some(depth), false) = (depth.checked_sub(1), full) else {
            self.open = true;
            return;
        };
        let Some(map) = schema.as_object().filter(|map| !map.is_empty()) else {
            // `true` and `{}` allow anything.
            self.open |= schema != &Value::Bool(false);
            return;
        };
        if let Some(target) = map.get("$ref").and_then(Value::as_str) {
            self.follow(target, depth);
        }
        let mut said =
            map.contains_key("$ref") || map.contains_key("enum") || map.contains_key("const");
        for combined in ["allOf", "anyOf", "oneOf", "prefixItems"] {
            let all = map.get(combined).and_then(Value::as_array);
            said |= all.is_some();
            all.into_iter()
                .flatten()
                .for_each(|one| self.walk(one, depth));
        }
        let properties = map.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            self.names.push(name);
            self.walk(property, depth);
        }
        let is = |kind: &str| match map.get("type") {
            Some(Value::String(one)) => one == kind,
            Some(Value::Array(all)) => all.iter().any(|one| one == kind),
            _ => false,
        };
        let more = map
            .get("additionalProperties")
            .or_else(|| map.get("unevaluatedProperties"));
        let named = properties.is_some_and(|all| !all.is_empty());
        let other = more.is_some_and(|more| more != &Value::Bool(false))
            || map.contains_key("patternProperties");
        self.open |= other || (is("object") && !named && !said && more.is_none());
        if let Some(items) = map.get("items") {
            self.walk(items, depth);
        } else if is("array") && !map.contains_key("prefixItems") {
            self.open = true;
        }
        // What says neither its type nor its members may be anything.
        self.open |= !map.contains_key("type") && !named && !said && !map.contains_key("items");
    }

    fn follow(&mut self, target: &'d str, depth: usize) {
        if self.followed.contains(&target) {
            return;
        }
        self.followed.push(target);
        let found = target
            .strip_prefix('#')
            .and_then(|pointer| self.document.pointer(pointer));
        match found {
            Some(found) => self.walk(found, depth),
            None => self.open = true,
        }
    }
}
