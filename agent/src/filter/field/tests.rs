use super::{FIELDS, SHORT, SHORT_BEGINNINGS, Values, exactly, resolve};
use serde_json::Value;

/// Every field of the JSON Schema with its schema: values of lists by the list's own path.
fn leaves(
    root: &Value,
    schema: &Value,
    path: &str,
    list: bool,
    found: &mut Vec<(String, Value, bool)>,
) {
    if let Some(to) = schema["$ref"].as_str() {
        let to = root.pointer(to.trim_start_matches('#')).unwrap();
        return leaves(root, to, path, list, found);
    }
    let any = schema["anyOf"].as_array().or(schema["oneOf"].as_array());
    let objects = any.filter(|any| any.iter().any(|one| one["const"].is_null()));
    if let Some(any) = objects {
        for one in any {
            leaves(root, one, path, list, found);
        }
    } else if let Some(properties) = schema["properties"].as_object() {
        for (name, schema) in properties {
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            leaves(root, schema, &path, false, found);
        }
    } else if schema["items"].is_object() {
        leaves(root, &schema["items"], path, true, found);
    } else {
        found.push((path.to_owned(), schema.clone(), list));
    }
}

fn names(path: &str) -> Vec<String> {
    path.split('.').map(str::to_owned).collect()
}

#[test]
fn every_field_of_the_schema_can_be_named_with_its_type() {
    let schema = crate::event::json_schema();
    let mut found = Vec::new();
    leaves(&schema, &schema, "", false, &mut found);
    assert!(found.len() > 50, "{found:?}");
    for (path, schema, list) in found {
        let target = exactly(&names(&path)).unwrap_or_else(|| panic!("{path} is in no table"));
        let Some(values) = target.values else {
            // A mapping with names of its own: each of them is a field, itself it is none.
            assert!(schema["additionalProperties"].is_object(), "{path}");
            continue;
        };
        let schema_type = schema["type"].as_str().unwrap_or_default();
        let fits = match values {
            Values::Headers => !schema["prefixItems"].is_null(),
            Values::Number | Values::Bytes | Values::Period | Values::Status => {
                matches!(schema_type, "integer" | "number")
            }
            Values::Time => schema["format"] == "date-time",
            Values::Bool => schema_type == "boolean",
            Values::Word(words) | Values::Ranked(words) => schema["enum"]
                .as_array()
                .or(schema["oneOf"].as_array())
                .unwrap_or_else(|| panic!("{path}: {schema}"))
                .iter()
                .all(|word| {
                    let word = if word["const"].is_null() {
                        word
                    } else {
                        &word["const"]
                    };
                    words.contains(&word.as_str().unwrap())
                }),
            Values::Text | Values::Lower | Values::Address | Values::Open => {
                matches!(schema_type, "string" | "") || values == Values::Open
            }
        };
        assert!(fits, "{path} is {values:?}: {schema}");
        if values != Values::Open {
            assert_eq!(target.list, list, "{path}");
        }
    }
}

#[test]
fn short_names_stand_for_fields() {
    for (short, full) in SHORT {
        let target = resolve(&names(short)).unwrap();
        assert_eq!(target.path.join("."), *full);
        assert!(target.values.is_some(), "{short}");
    }
    for (short, full) in SHORT_BEGINNINGS {
        assert!(
            FIELDS.iter().any(|field| field.path.starts_with(full)),
            "{short}"
        );
    }
}

#[test]
fn no_field_is_there_twice() {
    let mut paths: Vec<_> = FIELDS.iter().map(|field| field.path).collect();
    paths.sort_unstable();
    let before = paths.len();
    paths.dedup();
    assert_eq!(paths.len(), before);
}

#[test]
fn the_manual_names_every_short_name() {
    let page = include_str!("../../../../docs/filter.md");
    for (short, full) in SHORT.iter().chain(SHORT_BEGINNINGS) {
        let row = format!("| `{short}` | `{full}` |");
        assert!(page.contains(&row), "docs/filter.md has no row {row}");
    }
}
