//! Manual pages as Markdown, made from the JSON Schema of the types, whose texts are doc comments.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::config::Config;
use crate::event;
use crate::protocol::Anomaly;

const CONFIGURATION: &str = "\
# Configuration

One YAML file, `/etc/eaves/eaves.yaml` or the one that `--config` names. Every key may be left out; a
key that is not known is a mistake, and so is one that stands there twice. `eaves config check FILE`
names every mistake at once, with line, column and what is allowed; `eaves config show FILE` prints
what is in force and where each value comes from; `eaves config schema` prints a JSON Schema for editors.

Three places are read, and a later one overrides an earlier one key by key; lists are replaced as a whole:

1. the file;
2. `conf.d/*.yaml` beside it, by name: `/etc/eaves/conf.d/50-site.yaml`;
3. variables whose name is `EAVES_` and the keys with two underscores between them; the value is YAML:
   `EAVES_CAPTURE__MODE=socket`, `EAVES_LIMITS__MEMORY=1GiB`, `EAVES_CAPTURE__ROLES='[server, client]'`. A whole
   section goes by its name alone: `EAVES_JOURNAL='{}'`.

SIGHUP has `eaves run` read all of it again. Only if nothing is wrong in it is it put in force, at one place in the order
of events: what came before was done by the old one, what comes behind is done by the new one, and none is missed. So
change `identity`, `redact`, `detect`, `sinks` and `journal`, but for its folder; `capture`, `limits`, `lookup`, `api`,
`journal.dir` and `redact.key` need a restart and stay as they were, which is said. See [operations](operations.md#signals).

A *size* is a number of bytes, or one with `B`, `KiB`, `MiB`, `GiB`, `TiB`, `kB`, `MB`, `GB` or `TB`.
A *period* is a number of seconds, or numbers with `d`, `h`, `m`, `s`, `ms`, `us` or `ns`: `1h30m`.

```yaml
capture:
  roles: [server, client]
  exclude: { ports: [22] }
limits:
  memory: 512MiB
journal:
  keep: { bytes: 50GiB, age: 90d }
sinks:
  local: { file: { path: /var/log/eaves/events.jsonl, rotate_bytes: 1GiB, keep: 10 } }
  loss: { stdout: {}, events: [notice] }
```

";

const EVENTS: &str = "\
# Events

JSON Lines: UTF-8, one object a line. Times are RFC 3339 in UTC with nanoseconds, sizes are in bytes,
durations in nanoseconds. `kind` tells which of the records below a line is, `schema` the version of
its fields; within one version, fields are only added. Keys stand in the order given here.

- An absent field means *not known*; an absent list, that there was nothing to list. `null` is never
  written.
- A byte that is not UTF-8 is written `\\xNN`, and a literal `\\x` as `\\x5cx`, so nothing is lost.
- Names of header fields are in lower case.
- `eaves config schema --events` prints a JSON Schema.

";

const ANOMALIES: &str = "\
## Anomalies

What may stand in `anomalies`. The message is framed as common servers do it.

| name | |
| --- | --- |
";

const MADE: &str =
    "<!-- Made by `cargo xtask docs` from the types: change their comments instead. -->\n\n";

/// The manual of the configuration file.
#[must_use]
pub(super) fn configuration() -> String {
    let schema = Config::json_schema();
    let mut page = format!("{MADE}{CONFIGURATION}");
    let pager = Pager { schema: &schema };
    for (name, section) in pager.properties(&schema) {
        let section = pager.resolved(section);
        let _ = writeln!(page, "## `{name}`\n\n{}\n", text(&section));
        pager.table(&section, "", Columns::Options, &mut page);
    }
    page.truncate(page.trim_end().len() + 1);
    page
}

/// The manual of the events.
#[must_use]
pub(super) fn events() -> String {
    let schema = event::json_schema();
    let mut page = format!("{MADE}{EVENTS}");
    let pager = Pager { schema: &schema };
    let records = schema.get("anyOf").and_then(Value::as_array);
    for record in records.into_iter().flatten() {
        let record = pager.resolved(record);
        let kind = record.get("properties").and_then(|p| p.get("kind"));
        let kind = kind.map(|kind| pager.words(&pager.resolved(kind)));
        let kind = kind.as_deref().and_then(<[_]>::first);
        let name = kind.map_or("", |(name, _)| name.as_str());
        let _ = writeln!(page, "## {name}\n\n{}\n", text(&record));
        pager.table(&record, "", Columns::Fields, &mut page);
    }
    page.push_str(ANOMALIES);
    for anomaly in Anomaly::ALL {
        let meaning = one_line(anomaly.meaning().trim());
        let _ = writeln!(page, "| `{}` | {meaning} |", anomaly.name());
    }
    page
}

/// Which columns a table has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Columns {
    /// Key, type, default, meaning.
    Options,
    /// Field, type, always there or not, meaning.
    Fields,
}

struct Pager<'s> {
    schema: &'s Value,
}

impl Pager<'_> {
    /// `schema` with what it refers to behind its own words.
    fn resolved(&self, schema: &Value) -> Value {
        let mut own = schema.as_object().cloned().unwrap_or_default();
        for _ in 0..4 {
            let alternative = own.get("anyOf").and_then(|any| {
                let real = |s: &&Value| s.get("type").is_none_or(|t| t != "null");
                let mut real = any.as_array()?.iter().filter(real);
                real.next().filter(|_| real.next().is_none()).cloned()
            });
            if alternative.is_some() {
                own.remove("anyOf");
            }
            let target = own.remove("$ref").and_then(|name| {
                let name = name.as_str()?.trim_start_matches('#').to_owned();
                self.schema.pointer(&name).cloned()
            });
            if alternative.is_none() && target.is_none() {
                break;
            }
            for part in [alternative, target].into_iter().flatten() {
                for (key, value) in part.as_object().into_iter().flatten() {
                    own.entry(key).or_insert_with(|| value.clone());
                }
            }
        }
        if let Some(Value::Array(types)) = own.get("type") {
            let real = types.iter().find(|name| *name != "null").cloned();
            own.insert("type".to_owned(), real.unwrap_or_default());
        }
        Value::Object(own)
    }

    fn properties<'v>(&self, schema: &'v Value) -> impl Iterator<Item = (&'v String, &'v Value)> {
        let properties = schema.get("properties").and_then(Value::as_object);
        properties.into_iter().flat_map(Map::iter)
    }

    /// A table of all keys below `schema`, and behind it the words that some of them may be.
    fn table(&self, schema: &Value, prefix: &str, columns: Columns, page: &mut String) {
        page.push_str(match columns {
            Columns::Options => "| key | type | default | |\n| --- | --- | --- | --- |\n",
            Columns::Fields => "| field | type | there | |\n| --- | --- | --- | --- |\n",
        });
        let mut worded = Vec::new();
        self.rows(schema, prefix, columns, page, &mut worded);
        for (key, words) in worded {
            let _ = writeln!(page, "\n`{key}`:\n");
            for (word, meaning) in words {
                let _ = writeln!(page, "- `{word}`: {}", lower_first(&meaning));
            }
        }
        page.push('\n');
    }

    fn rows(
        &self,
        schema: &Value,
        prefix: &str,
        columns: Columns,
        page: &mut String,
        worded: &mut Vec<(String, Vec<(String, String)>)>,
    ) {
        if let Some(entry @ Value::Object(_)) = schema.get("additionalProperties") {
            let entry = self.resolved(entry);
            return self.rows(&entry, "NAME.", columns, page, worded);
        }
        let required = schema.get("required").and_then(Value::as_array);
        let is_required =
            |name: &str| required.is_some_and(|names| names.iter().any(|one| one == name));
        for (name, own) in self.properties(schema) {
            let property = self.resolved(own);
            let key = format!("{prefix}{name}");
            let kind = self.kind(&property);
            let extra = match (columns, own.get("default")) {
                (Columns::Fields, _) if is_required(name) => "always".to_owned(),
                (Columns::Fields, _) if kind.starts_with("list") => "if any".to_owned(),
                (Columns::Fields, _) => "if known".to_owned(),
                (Columns::Options, _) if is_required(name) => "must be given".to_owned(),
                (Columns::Options, Some(default)) if kind != "mapping" && !default.is_null() => {
                    format!("`{}`", plain(default))
                }
                (Columns::Options, _) => String::new(),
            };
            let meaning = text(own.get("description").map_or(&property, |_| own));
            let range = match columns {
                Columns::Options => range(&property),
                Columns::Fields => String::new(),
            };
            let _ = writeln!(
                page,
                "| `{key}` | {kind}{range} | {extra} | {} |",
                one_line(&meaning)
            );
            let words = self.words(&property);
            let words = if words.is_empty() {
                let items = property.get("items").map(|items| self.resolved(items));
                items.map(|items| self.words(&items)).unwrap_or_default()
            } else {
                words
            };
            let told = |(_, words_told): &(String, Vec<_>)| *words_told == words;
            if words.len() > 1 && !worded.iter().any(told) {
                worded.push((key.clone(), words));
            }
            self.rows(&property, &format!("{key}."), columns, page, worded);
            if let Some(items) = property.get("items") {
                let items = self.resolved(items);
                self.rows(&items, &format!("{key}[]."), columns, page, worded);
            }
            for one in property
                .get("anyOf")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                self.rows(one, &format!("{key}."), columns, page, worded);
            }
        }
    }

    /// What a value is, in a word or two.
    fn kind(&self, schema: &Value) -> String {
        let format = schema.get("format").and_then(Value::as_str);
        let types = schema.get("type").and_then(Value::as_str);
        if !self.words(schema).is_empty() {
            return "word".to_owned();
        }
        match (format, types) {
            (Some("size"), _) => "size".to_owned(),
            (Some("period"), _) => "period".to_owned(),
            (Some("date-time"), _) => "time".to_owned(),
            (Some("uuid"), _) => "id".to_owned(),
            (_, Some("integer" | "number")) => "number".to_owned(),
            (_, Some("array")) => match schema.get("items") {
                Some(items) if items.get("prefixItems").is_some() => "list of pairs".to_owned(),
                Some(items) => format!("list of {}s", self.kind(&self.resolved(items))),
                None => "list".to_owned(),
            },
            (_, Some("object")) => "mapping".to_owned(),
            (_, Some("boolean")) => "true or false".to_owned(),
            (_, Some("string")) => "text".to_owned(),
            _ => "mapping".to_owned(),
        }
    }

    /// The words a value may be, with their meaning.
    fn words(&self, schema: &Value) -> Vec<(String, String)> {
        let one_of = schema.get("oneOf").and_then(Value::as_array);
        one_of
            .into_iter()
            .flatten()
            .filter_map(|one| Some((one.get("const")?.as_str()?.to_owned(), text(one))))
            .collect()
    }
}

/// The description of `schema`.
fn text(schema: &Value) -> String {
    let text = schema.get("description").and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

/// A default as it would stand in the file.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

/// The bounds of a value, in words.
fn range(schema: &Value) -> String {
    let bound = |own: &str, plain: &str| match schema.get(own) {
        Some(Value::String(text)) => Some(text.clone()),
        _ => schema
            .get(plain)
            .filter(|_| {
                schema
                    .get("format")
                    .is_none_or(|f| f != "size" && f != "period" && f != "cores")
            })
            .map(Value::to_string),
    };
    match (bound("x-min", "minimum"), bound("x-max", "maximum")) {
        (Some(min), Some(max)) => format!(", {min} to {max}"),
        (None, Some(max)) => format!(", up to {max}"),
        _ => String::new(),
    }
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

/// `text` within a sentence: without a capital, unless it begins with a name: a word of capitals, or
/// one with another that has a capital behind it.
fn lower_first(text: &str) -> String {
    let text = text.trim_end_matches('.');
    let mut words = text.split(' ');
    let (first, next) = (words.next().unwrap_or_default(), words.next());
    let begins_upper = |word: &str| word.starts_with(char::is_uppercase);
    let is_name = match first.chars().nth(1) {
        Some(second) => second.is_uppercase() || next.is_some_and(begins_upper),
        None => false,
    };
    if is_name {
        return text.to_owned();
    }
    let mut chars = text.chars();
    let lower = chars.next().into_iter().flat_map(char::to_lowercase);
    lower.chain(chars).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[track_caller]
    fn check(page: &str, expected: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../docs")
            .join(page);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, expected).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            there, expected,
            "docs/{page} is not what the types say: UPDATE_GOLDEN=1"
        );
    }

    #[test]
    fn pages_say_what_the_types_say() {
        check("configuration.md", &super::configuration());
        check("events.md", &super::events());
    }

    #[test]
    fn names_keep_their_capital_within_a_sentence() {
        for (text, expected) in [
            ("A Unix stream socket.", "a Unix stream socket"),
            ("The socket tap", "the socket tap"),
            ("OCSF 1.8", "OCSF 1.8"),
            ("Elastic Common Schema 9", "Elastic Common Schema 9"),
            ("", ""),
        ] {
            assert_eq!(super::lower_first(text), expected);
        }
    }

    #[test]
    fn the_example_of_the_manual_is_a_configuration() {
        let page = super::configuration();
        let example = page.split("```yaml\n").nth(1).unwrap();
        let example = example.split("```").next().unwrap();
        assert!(crate::config::parse(example).is_ok());
    }

    #[test]
    fn no_key_goes_untold() {
        for page in [super::configuration(), super::events()] {
            for row in page.lines().filter(|line| line.starts_with("| `")) {
                let meaning = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
                assert!(meaning.len() > 3, "{row}");
            }
        }
    }
}
