//! Every counter and every option has its place in the docs.

use super::{File, Problem};
use crate::docs::{Counter, agent_counters, kernel_counters};

/// Files that name counters.
const COUNTERS: &str = "agent/src/telemetry/mod.rs";
const KERNEL_COUNTERS: &str = "agent-common/src/counter.rs";
const METRICS: &str = "docs/metrics.md";

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
    problems
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
}
