//! Sigma rules of the category `webserver` (SigmaHQ specification 2): single events, and the
//! aggregations of version 1. What is not supported is refused by its name.

mod condition;
mod value;
mod view;

use std::collections::BTreeMap;

use serde_json::Value;

use super::count::Count;
use super::own::first_line;
use super::template::Template;
use super::{Matcher, Rule};
use crate::detect::incident::Source;
use crate::event::Severity;
use crate::units::Period;
use condition::{Aggregation, Expression};
use value::Search;

pub(super) use view::View;

/// Most searches of one rule.
const SEARCHES_MAX: usize = 64;

/// A rule that is read.
#[derive(Clone, Debug)]
pub(super) struct Sigma {
    searches: BTreeMap<String, Search>,
    condition: Expression,
}

impl Sigma {
    /// Whether it holds of an event.
    pub(super) fn matches(&self, view: &View) -> bool {
        self.condition.holds(&|name| {
            self.searches
                .get(name)
                .is_some_and(|search| search.holds(view))
        })
    }
}

/// Whether a file is one of Sigma.
pub(super) fn is_sigma(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("logsource:"))
        && text.lines().any(|line| line.starts_with("detection:"))
}

/// The rules of a file, each a document of its own, with its name for messages.
pub(super) fn read(text: &str) -> Vec<(String, Result<Rule, String>)> {
    let documents = text.split("\n---");
    let documents = documents.filter(|document| is_sigma(document));
    documents
        .map(|document| {
            let document = document.trim_start_matches(['-', '\n', '\r']);
            let value: Value = match serde_saphyr::from_str(document) {
                Ok(value) => value,
                Err(error) => return (String::new(), Err(first_line(&error.to_string()))),
            };
            let title = text_of(&value, "title").to_owned();
            let rule = rule(&value);
            (title, rule)
        })
        .collect()
}

fn text_of<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn rule(value: &Value) -> Result<Rule, String> {
    let source = value.get("logsource").cloned().unwrap_or_default();
    let category = text_of(&source, "category");
    if category != "webserver" {
        return Err(format!(
            "logsource.category `{category}` is not supported; allowed: webserver"
        ));
    }
    let detection = value.get("detection").and_then(Value::as_object);
    let detection = detection.ok_or("it has no `detection`")?;
    let condition = condition_of(detection)?;
    let mut searches = BTreeMap::new();
    for (name, search) in detection {
        if name == "condition" || name == "timeframe" {
            continue;
        }
        let search = Search::read(search).map_err(|problem| format!("`{name}`: {problem}"))?;
        searches.insert(name.clone(), search);
    }
    if searches.len() > SEARCHES_MAX {
        return Err(format!("it has more than {SEARCHES_MAX} searches"));
    }
    let names: Vec<&str> = searches.keys().map(String::as_str).collect();
    let (condition, aggregation) = condition::read(&condition, &names)?;
    let count = aggregation
        .map(|of| count(&of, detection.get("timeframe")))
        .transpose()?;
    let title = text_of(value, "title");
    let id = text_of(value, "id");
    let id = if id.is_empty() {
        title.to_lowercase().replace(' ', "-")
    } else {
        id.to_owned()
    };
    if id.is_empty() || id.len() > 128 {
        return Err("it has neither `id` nor `title`".to_owned());
    }
    let tags = value.get("tags").and_then(Value::as_array);
    let tags: Vec<String> = tags
        .into_iter()
        .flatten()
        .filter_map(|tag| tag.as_str().map(str::to_owned))
        .collect();
    let attack = tags
        .iter()
        .filter_map(|tag| tag.strip_prefix("attack.t"))
        .map(|number| format!("T{number}"));
    Ok(Rule {
        source: Source {
            id,
            name: title.to_owned(),
            version: 1,
            owasp: Vec::new(),
            cwe: Vec::new(),
            attack: attack.collect(),
            advice: text_of(value, "description").to_owned(),
            window_s: count.as_ref().map_or(0, |count| count.window_s),
            threshold: count.as_ref().map_or(1, |count| count.least),
            impact: match text_of(value, "level") {
                "informational" => Severity::Info,
                "low" => Severity::Low,
                "high" => Severity::High,
                "critical" => Severity::Critical,
                _ => Severity::Medium,
            },
            dry_run: false,
            tags,
        },
        matcher: Matcher::Sigma(Box::new(Sigma {
            searches,
            condition,
        })),
        text: Template::parse(&title.replace('{', "{{").replace('}', "}}"))?,
        count,
        tests: Vec::new(),
        from: "sigma",
    })
}

/// The condition as one text: several hold if one of them does.
fn condition_of(detection: &serde_json::Map<String, Value>) -> Result<String, String> {
    match detection.get("condition") {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(many)) => {
            let many: Option<Vec<&str>> = many.iter().map(Value::as_str).collect();
            let many = many.ok_or("`condition` is neither a text nor a list of texts")?;
            let many: Vec<String> = many.iter().map(|one| format!("({one})")).collect();
            Ok(many.join(" or "))
        }
        _ => Err("`detection` has no `condition`".to_owned()),
    }
}

fn count(of: &Aggregation, timeframe: Option<&Value>) -> Result<Count, String> {
    let window = match timeframe {
        Some(Value::String(text)) => text
            .parse::<Period>()
            .map_err(|error| format!("`timeframe`: {error}"))?,
        _ => return Err("it counts, and has no `timeframe`".to_owned()),
    };
    let window_s = u32::try_from(window.0.as_secs()).unwrap_or(u32::MAX);
    let path = |name: &String| {
        view::path_of(name)
            .map(str::to_owned)
            .ok_or_else(|| format!("field `{name}` is not supported"))
    };
    let by: Vec<String> = of.by.iter().map(path).collect::<Result<_, _>>()?;
    let distinct = of.field.as_ref().map(path).transpose()?;
    Count::new(of.least, window_s, &by, distinct.as_deref())
}
