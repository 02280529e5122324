//! What an OpenAPI document says of each operation, as `detect` wants it.

use serde_json::{Map, Value};

use super::ROUTES_MAX;
use super::schema::Schemas;
use crate::detect::{Answer, Form, Names, Operation, Specification};

/// Most parameters of one operation.
const PARAMETERS_MAX: usize = 256;

/// Most references that are followed one after another.
const REFERENCES_MAX: usize = 8;

const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// Reads the operations of `document`, whose paths stand behind each of `bases`.
pub(super) fn read(document: &Value, bases: &[&str]) -> Specification {
    let mut specification = Specification::default();
    let reader = Reader { document };
    let keys = reader.keys_in_query();
    let paths = document.get("paths").and_then(Value::as_object);
    for (path, item) in paths.into_iter().flatten() {
        let item = reader.followed(item);
        if !path.starts_with('/') {
            continue;
        }
        for method in METHODS {
            let Some(found) = item.get(method) else {
                continue;
            };
            let operation = reader.operation(path, item, found, &keys);
            for base in bases {
                if specification.len() < ROUTES_MAX {
                    let route = format!("{base}{path}");
                    let method = method.to_ascii_uppercase();
                    specification.add(base, &route, &method, operation.clone());
                }
            }
        }
    }
    specification
}

struct Reader<'d> {
    document: &'d Value,
}

impl<'d> Reader<'d> {
    /// What stands where `value` refers to, if it does, within the document.
    fn followed(&self, mut value: &'d Value) -> &'d Value {
        for _ in 0..REFERENCES_MAX {
            let target = value.get("$ref").and_then(Value::as_str);
            let found = target
                .and_then(|target| target.strip_prefix('#'))
                .and_then(|pointer| self.document.pointer(pointer));
            match found {
                Some(found) => value = found,
                None => break,
            }
        }
        value
    }

    fn list(&self, value: &'d Value, name: &str) -> impl Iterator<Item = &'d Value> + use<'d, '_> {
        let list = value.get(name).and_then(Value::as_array);
        list.into_iter().flatten().map(|one| self.followed(one))
    }

    fn map(&self, value: &'d Value, name: &str) -> impl Iterator<Item = (&'d String, &'d Value)> {
        let map = value.get(name).map(|map| self.followed(map));
        map.and_then(Value::as_object).into_iter().flatten()
    }

    /// Parameters of the query in which a key is sent.
    fn keys_in_query(&self) -> Vec<&'d str> {
        let places = ["/components/securitySchemes", "/securityDefinitions"];
        let schemes = places
            .into_iter()
            .filter_map(|at| self.document.pointer(at));
        let all = schemes.filter_map(Value::as_object).flat_map(Map::values);
        let in_query = all.filter(|scheme| text(scheme, "in") == "query");
        in_query.map(|scheme| text(scheme, "name")).collect()
    }

    fn operation(&self, path: &str, item: &'d Value, found: &'d Value, keys: &[&str]) -> Operation {
        let mut operation = Operation {
            deprecated: found.get("deprecated").and_then(Value::as_bool) == Some(true),
            ..Operation::default()
        };
        // Those of the operation come before those of its path.
        let all = self
            .list(found, "parameters")
            .chain(self.list(item, "parameters"));
        let all: Vec<&Value> = all.take(PARAMETERS_MAX).collect();
        let of_place = |place| {
            all.iter()
                .copied()
                .filter(move |one| text(one, "in") == place)
        };
        for segment in path.split('/') {
            let Some(name) = segment
                .strip_prefix('{')
                .and_then(|name| name.strip_suffix('}'))
            else {
                continue;
            };
            let named = of_place("path").find(|one| text(one, "name") == name);
            let form = named.map_or(Form::Any, |one| self.form(one));
            operation.path.push(form);
        }
        for one in of_place("query") {
            // An object in the query is spread over parameters of its members' names.
            operation.any_query |= self.is_open(one);
            operation
                .query
                .push((text(one, "name").to_owned(), self.form(one)));
        }
        let keys = keys.iter().map(|name| ((*name).to_owned(), Form::Any));
        operation.query.extend(keys);
        operation.any_query |= all.iter().any(|one| text(one, "in") == "querystring");
        operation.body = self.body(found, &all);
        for (status, answer) in self.map(found, "responses") {
            operation
                .answers
                .extend(self.answer(found, status, self.followed(answer)));
        }
        operation
    }

    /// What a parameter's values look like; version 2 says it beside its name.
    fn form(&self, parameter: &'d Value) -> Form {
        let schema = parameter.get("schema").unwrap_or(parameter);
        let schema = self.followed(schema);
        match (text(schema, "type"), text(schema, "format")) {
            ("integer", _) => Form::Integer,
            ("number", _) => Form::Number,
            ("boolean", _) => Form::Boolean,
            ("string", "uuid") => Form::Uuid,
            _ => Form::Any,
        }
    }

    fn is_open(&self, parameter: &'d Value) -> bool {
        let schema = parameter.get("schema").map(|schema| self.followed(schema));
        schema.is_some_and(|schema| {
            let plain = ["string", "integer", "number", "boolean", "array"];
            !plain.contains(&text(schema, "type")) && schema.get("enum").is_none()
        })
    }

    fn body(&self, found: &'d Value, parameters: &[&'d Value]) -> Option<Names> {
        let mut schemas = Schemas::of(self.document);
        let body = found.get("requestBody").map(|body| self.followed(body));
        for (_, media) in body.into_iter().flat_map(|body| self.map(body, "content")) {
            schemas.take(media.get("schema"));
        }
        for one in parameters {
            match text(one, "in") {
                "body" => schemas.take(one.get("schema")),
                "formData" => schemas.name(text(one, "name")),
                _ => {}
            }
        }
        schemas.names()
    }

    fn answer(&self, found: &'d Value, status: &str, answer: &'d Value) -> Option<Answer> {
        let statuses = match status.as_bytes() {
            b"default" => (0, u16::MAX),
            [digit @ b'1'..=b'5', b'X' | b'x', b'X' | b'x'] => {
                let low = u16::from(digit - b'0') * 100;
                (low, low + 99)
            }
            _ => status.parse().ok().map(|status| (status, status))?,
        };
        let mut media = Vec::new();
        let mut schemas = Schemas::of(self.document);
        for (kind, content) in self.map(answer, "content") {
            let kind = kind.split(';').next().unwrap_or_default().trim();
            if kind.to_ascii_lowercase().ends_with("json") || kind.ends_with('*') {
                schemas.take(content.get("schema"));
            }
            media.push(kind.to_ascii_lowercase());
        }
        if let Some(schema) = answer.get("schema") {
            schemas.take(Some(schema));
            let own = found
                .get("produces")
                .or_else(|| self.document.get("produces"));
            let kinds = own.and_then(Value::as_array).into_iter().flatten();
            media.extend(kinds.filter_map(Value::as_str).map(str::to_ascii_lowercase));
        }
        // Where no schema is named, anything may be answered.
        let said = !media.is_empty() || answer.get("schema").is_some();
        Some(Answer {
            statuses,
            media,
            fields: schemas.names().filter(|_| said),
        })
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
