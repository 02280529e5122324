//! Rules in Eaves' own form.
//!
//! ```yaml
//! rules:
//!   - id: many-exports
//!     name: many exports by one account
//!     match: 'route == "/export" and status == 2xx'
//!     count: { least: 5, window: 10m, by: [user.id] }
//!     severity: high
//!     text: "{count} exports by {user.id} from {client.address}"
//!     tests:
//!       - { fires: true, event: { http: { route: /export, response: { status_code: 200 } } } }
//! ```

use serde::Deserialize;
use serde_json::Value;

use super::count::Count;
use super::template::Template;
use super::{Matcher, Rule, Test};
use crate::detect::incident::Source;
use crate::detect::row::Id;
use crate::event::Severity;
use crate::filter::Filter;
use crate::units::Period;

/// A file of rules.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rules: Vec<Value>,
}

/// One rule as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    #[serde(default)]
    name: String,
    #[serde(rename = "match")]
    matches: String,
    #[serde(default)]
    count: Option<Counting>,
    #[serde(default)]
    severity: Option<Severity>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    advice: String,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    owasp: Vec<String>,
    #[serde(default)]
    cwe: Vec<u32>,
    #[serde(default)]
    attack: Vec<String>,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    tests: Vec<Tested>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Counting {
    least: u64,
    window: Period,
    #[serde(default)]
    by: Vec<String>,
    #[serde(default)]
    distinct: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tested {
    fires: bool,
    event: serde_json::Map<String, Value>,
}

/// The rules of a file, each with its name for messages.
pub(super) fn read(text: &str) -> Vec<(String, Result<Rule, String>)> {
    let file: File = match serde_saphyr::from_str(text) {
        Ok(file) => file,
        Err(error) => return vec![(String::new(), Err(first_line(&error.to_string())))],
    };
    let rules = file.rules.into_iter().enumerate();
    rules
        .map(|(at, value)| {
            let id = value.get("id").and_then(Value::as_str);
            let name = id.map_or_else(|| format!("rule {}", at + 1), str::to_owned);
            (name, rule(value))
        })
        .collect()
}

/// What an error says, without the excerpt of the file behind it.
pub(super) fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn rule(value: Value) -> Result<Rule, String> {
    let entry: Entry = serde_json::from_value(value).map_err(|error| error.to_string())?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if entry.id.is_empty() || entry.id.len() > 64 || !entry.id.bytes().all(plain) {
        return Err("`id` is no name of 1 to 64 letters, digits, -, _ and .".to_owned());
    }
    if entry.id.parse::<Id>().is_ok() {
        return Err("`id` is that of a detector".to_owned());
    }
    let filter = Filter::parse(&entry.matches).map_err(|error| {
        format!(
            "`match`: {}, at its character {}",
            error.problem(),
            error.column()
        )
    })?;
    let count = entry.count.as_ref().map(|of| {
        let window_s = u32::try_from(of.window.0.as_secs()).unwrap_or(u32::MAX);
        Count::new(of.least, window_s, &of.by, of.distinct.as_deref())
    });
    let count = count
        .transpose()
        .map_err(|problem| format!("`count`: {problem}"))?;
    let name = if entry.name.is_empty() {
        entry.id.clone()
    } else {
        entry.name
    };
    let text = entry.text.unwrap_or_else(|| match count {
        Some(_) => format!("{{count}}: {}", name.replace('{', "{{").replace('}', "}}")),
        None => name.replace('{', "{{").replace('}', "}}"),
    });
    let tests = entry.tests.into_iter().map(|test| {
        // A filter tells records apart by their kind, which stands first.
        let mut event = test.event;
        event.remove("kind");
        let body = serde_json::to_string(&event).unwrap_or_default();
        let body = body.strip_prefix('{').unwrap_or_default();
        let comma = if body == "}" { "" } else { "," };
        Test {
            line: format!("{{\"kind\":\"exchange\"{comma}{body}").into_bytes(),
            fires: test.fires,
        }
    });
    Ok(Rule {
        source: Source {
            id: entry.id,
            name,
            version: 1,
            owasp: entry.owasp,
            cwe: entry.cwe,
            attack: entry.attack,
            advice: entry.advice,
            tags: entry.tags,
            window_s: count.as_ref().map_or(0, |count| count.window_s),
            threshold: count.as_ref().map_or(1, |count| count.least),
            impact: entry.severity.unwrap_or(Severity::Medium),
            dry_run: entry.dry_run,
        },
        matcher: Matcher::Filter(filter),
        count,
        text: Template::parse(&text)?,
        tests: tests.collect(),
        from: "eaves",
    })
}
