//! Section `sinks`: `name: { type: { its options }, events: […] }`.
//!
//! The type's key stands beside common ones, so an entry has one `Option` a type: serde then points
//! at the exact key that is wrong, which a tagged enum does not.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::sink::{FileOptions, Format};
use crate::units::{Period, Size};

/// One place where events go. Exactly one type is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-exactly-one" = ["stdout", "file"]))]
pub struct SinkEntry {
    /// To standard output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdout: Option<StdoutSink>,
    /// To a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FileSink>,
    /// What goes there.
    #[schemars(extend("minItems" = 1, "uniqueItems" = true))]
    pub events: Vec<Kind>,
    /// In which words.
    pub format: Format,
}

impl Default for SinkEntry {
    fn default() -> Self {
        Self {
            stdout: None,
            file: None,
            events: vec![Kind::Exchange, Kind::Notice],
            format: Format::default(),
        }
    }
}

impl SinkEntry {
    /// Its type and options; `None` if it names no type, which no checked configuration does.
    #[must_use]
    pub fn kind(&self) -> Option<SinkKind<'_>> {
        let stdout = self.stdout.as_ref().map(SinkKind::Stdout);
        stdout.or(self.file.as_ref().map(SinkKind::File))
    }
}

/// A sink's type and options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinkKind<'a> {
    /// To standard output.
    Stdout(&'a StdoutSink),
    /// To a file.
    File(&'a FileSink),
}

/// A kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One request and its response
    Exchange,
    /// What the agent says of itself
    Notice,
}

/// Writes to standard output, one JSON object a line. It has no options: `stdout: {}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StdoutSink {}

/// Appends to a file, one JSON object a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSink {
    /// The file. It is made if it is not there, readable by its owner and group; its folder must be
    /// there.
    #[schemars(extend("x-check" = "absolute_path"))]
    pub path: PathBuf,
    /// A file that has become so large is renamed to `PATH.1`, and a new one begun. Left out: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-min" = "64KiB", "x-max" = "1TiB"))]
    pub rotate_bytes: Option<Size>,
    /// A file that has become so old is renamed likewise. Left out: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-min" = "1m", "x-max" = "366d"))]
    pub rotate_age: Option<Period>,
    /// How many renamed files are kept, `PATH.1` the newest. The oldest beyond is deleted.
    #[serde(default = "keep_by_default")]
    #[schemars(range(min = 1, max = 1000))]
    pub keep: u32,
}

impl FileSink {
    /// As the sink takes it.
    #[must_use]
    pub fn options(&self, format: Format) -> FileOptions {
        FileOptions {
            format,
            path: self.path.clone(),
            rotate_bytes: self.rotate_bytes.map(Size::bytes),
            rotate_age: self.rotate_age.map(|Period(age)| age),
            keep: self.keep,
        }
    }
}

const fn keep_by_default() -> u32 {
    5
}

/// Sinks that write to one place at once, or that are told what their format has no place for.
pub(super) fn contradictions(
    sinks: &BTreeMap<String, SinkEntry>,
    found: &mut Vec<(Vec<String>, String)>,
) {
    let mut before: Vec<(&String, SinkKind<'_>)> = Vec::new();
    for (name, entry) in sinks {
        if entry.format == Format::Combined && entry.events != [Kind::Exchange] {
            found.push((
                ["sinks", name, "format"].map(str::to_owned).to_vec(),
                "has a place for exchanges only; add events: [exchange]".to_owned(),
            ));
        }
        let Some(kind) = entry.kind() else { continue };
        let twin = before.iter().find(|(_, other)| match (kind, other) {
            (SinkKind::Stdout(_), SinkKind::Stdout(_)) => true,
            (SinkKind::File(a), SinkKind::File(b)) => a.path == b.path,
            _ => false,
        });
        if let Some((other, _)) = twin {
            let (key, place) = match kind {
                SinkKind::Stdout(_) => (vec!["stdout"], "standard output"),
                SinkKind::File(_) => (vec!["file", "path"], "the same file"),
            };
            let path = ["sinks", name].into_iter().chain(key);
            found.push((
                path.map(str::to_owned).collect(),
                format!("writes to {place} as sinks.{other} does; one of them must go"),
            ));
        }
        before.push((name, kind));
    }
}
