//! Every counter and every option has its place in the docs.

use super::{File, Problem};
use crate::docs::{Counter, agent_counters, kernel_counters};

/// Files that name counters.
const COUNTERS: &str = "agent/src/telemetry/mod.rs";
const KERNEL_COUNTERS: &str = "agent-common/src/counter.rs";
const METRICS: &str = "docs/metrics.md";

/// Where options are declared, and their manual.
const OPTIONS: &str = "agent/src/config/";
const CONFIGURATION: &str = "docs/configuration.md";

/// Checks counters and options against their pages.
pub(super) fn check(files: &[File]) -> Vec<Problem> {
    let text = |path: &str| {
        files
            .iter()
            .find(|file| file.path == path)
            .map(|file| &file.text)
    };
    let mut problems = Vec::new();
    let metrics = text(METRICS).map_or("", String::as_str);
    let kernel = text(KERNEL_COUNTERS).map_or_else(Vec::new, |source| kernel_counters(source));
    let agent = text(COUNTERS).map_or_else(Vec::new, |source| agent_counters(source));
    for (path, counters) in [(KERNEL_COUNTERS, kernel), (COUNTERS, agent)] {
        for Counter { name, doc, .. } in counters {
            if doc.is_empty() {
                problems.push(Problem::new(
                    path,
                    0,
                    format!("counter `{name}` has no docs"),
                ));
            } else if !metrics.contains(&format!("`{name}`")) {
                let what = format!("counter `{name}` is not in {METRICS}");
                problems.push(Problem::new(path, 0, what));
            }
        }
    }
    let manual = text(CONFIGURATION).map_or("", String::as_str);
    for file in files.iter().filter(|file| file.path.starts_with(OPTIONS)) {
        for (name, line) in options(&file.text) {
            if !manual.contains(&format!("{name}`")) {
                let what = format!("option `{name}` is not in {CONFIGURATION}");
                problems.push(Problem::new(&file.path, line, what));
            }
        }
    }
    problems
}

/// Public fields of the structures that a configuration file is read into: those that refuse
/// unknown keys.
fn options(source: &str) -> Vec<(&str, usize)> {
    let mut found = Vec::new();
    let (mut strict, mut inside) = (false, false);
    for (index, line) in source.lines().map(str::trim).enumerate() {
        if line.contains("deny_unknown_fields") {
            strict = true;
        } else if line.starts_with("pub struct ") {
            inside = std::mem::take(&mut strict);
        } else if line.starts_with('}') {
            inside = false;
        } else if inside
            && let Some((name, _)) = line
                .strip_prefix("pub ")
                .and_then(|rest| rest.split_once(": "))
        {
            found.push((name.trim_start_matches("r#"), index + 1));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::file;

    #[track_caller]
    fn check(files: &[(&str, &str)], expected: &[&str]) {
        let files: Vec<_> = files.iter().map(|(path, text)| file(path, text)).collect();
        let found: Vec<_> = super::check(&files)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn counters_of_both_sides_are_documented() {
        let agent =
            "counters! {\n    /// Read.\n    RecordsRead = \"reader\", \"records_read\";\n}\n";
        let kernel =
            "pub enum DropReason {\n    /// Own.\n    Own = 1,\n}\n    Self::Own => \"own\",\n";
        check(
            &[
                ("agent/src/telemetry/mod.rs", agent),
                ("agent-common/src/counter.rs", kernel),
                ("docs/metrics.md", "| `records_read` |\n"),
            ],
            &["agent-common/src/counter.rs: counter `own` is not in docs/metrics.md"],
        );
    }

    #[test]
    fn options_are_documented() {
        let source = "#[serde(default, deny_unknown_fields)]\npub struct Capture {\n    /// A.\n    pub ring: Size,\n    pub mode: Mode,\n}\npub struct Other {\n    pub free: u8,\n}\n";
        check(
            &[
                ("agent/src/config/capture.rs", source),
                ("docs/configuration.md", "`capture.mode`\n"),
            ],
            &["agent/src/config/capture.rs:4: option `ring` is not in docs/configuration.md"],
        );
    }
}
