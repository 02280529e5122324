//! `docs/metrics.md`, from the declarations of the counters.

use std::collections::BTreeMap;
use std::fmt::Write as _;

const HEAD: &str = "\
# What Eaves counts

Made from the code by `cargo xtask docs`.

Each counter is raised at one place and computed from no other, so that *in = out + dropped* can be
checked for every stage; `missed` alone is a difference, of what the kernel itself counts and what was
made up for. Eaves prints those that are not zero when it stops, and sends those that rose and count a
loss as a `loss` notice. They only ever rise while it runs.
";

/// A counter as its declaration has it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Counter {
    pub(crate) stage: String,
    pub(crate) name: String,
    pub(crate) doc: String,
}

/// The whole page.
pub(super) fn page(kernel_source: &str, agent_source: &str) -> String {
    let mut page = HEAD.to_owned();
    let mut counters = kernel_counters(kernel_source);
    counters.extend(agent_counters(agent_source));
    let mut stages: Vec<&str> = Vec::new();
    for counter in &counters {
        if !stages.contains(&counter.stage.as_str()) {
            stages.push(&counter.stage);
        }
    }
    for stage in stages {
        let _ = write!(
            page,
            "\n## {stage}\n\n| counter | what it counts |\n| --- | --- |\n"
        );
        for counter in counters.iter().filter(|counter| counter.stage == stage) {
            let _ = writeln!(page, "| `{}` | {} |", counter.name, counter.doc);
        }
    }
    page
}

/// Counters of the agent: `/// What it is.` above `Variant = "stage", "name";`.
pub(crate) fn agent_counters(source: &str) -> Vec<Counter> {
    let mut found = Vec::new();
    let mut doc = Doc::default();
    for line in source.lines().map(str::trim) {
        if doc.takes(line) {
            continue;
        }
        let strings: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        if let [stage, name] = strings.as_slice()
            && line.ends_with("\";")
            && line.contains(" = \"")
        {
            found.push(Counter {
                stage: (*stage).to_owned(),
                name: (*name).to_owned(),
                doc: doc.text(),
            });
        }
        doc = Doc::default();
    }
    found
}

/// Counters of the kernel: documented variants of an enum, named in its `name()`.
pub(crate) fn kernel_counters(source: &str) -> Vec<Counter> {
    let mut found = Vec::new();
    let mut docs = BTreeMap::new();
    let mut stage = "kernel";
    let mut doc = Doc::default();
    for line in source.lines().map(str::trim) {
        if doc.takes(line) {
            continue;
        }
        if line.starts_with("pub enum ") {
            docs.clear();
            stage = if line.contains("DropReason") {
                "kernel, dropped"
            } else {
                "kernel"
            };
        } else if let Some((variant, name)) = line
            .strip_prefix("Self::")
            .and_then(|rest| rest.strip_suffix("\","))
            .and_then(|rest| rest.split_once(" => \""))
        {
            let doc = docs.get(variant).cloned().unwrap_or_default();
            found.push(Counter {
                stage: stage.to_owned(),
                name: name.to_owned(),
                doc,
            });
        } else if let Some((variant, _)) = line.split_once(" = ") {
            docs.insert(variant.to_owned(), doc.text());
        }
        doc = Doc::default();
    }
    found
}

/// The doc comment above a line.
#[derive(Default)]
struct Doc(Vec<String>);

impl Doc {
    /// Whether `line` belongs to it.
    fn takes(&mut self, line: &str) -> bool {
        let Some(text) = line.strip_prefix("///") else {
            return false;
        };
        self.0.push(text.trim().to_owned());
        true
    }

    /// As one line of Markdown: links to code become code, bars are escaped.
    fn text(&self) -> String {
        let joined = self.0.join(" ");
        let mut text = String::with_capacity(joined.len());
        let mut rest = joined.as_str();
        while let Some((before, link)) = rest.split_once("[`") {
            text.push_str(before);
            let Some((name, after)) = link.split_once("`]") else {
                text.push_str("[`");
                rest = link;
                continue;
            };
            let _ = write!(text, "`{}`", name.trim_start_matches("crate::"));
            // The target of a link whose text is not its name.
            rest = after
                .strip_prefix('(')
                .and_then(|target| target.split_once(')'))
                .map_or(after, |(_, after)| after);
        }
        text.push_str(rest);
        text.trim_end_matches('.').replace('|', "\\|")
    }
}

#[cfg(test)]
mod tests {
    use super::{Counter, agent_counters, kernel_counters, page};

    const AGENT: &str = "\
counters! {
    /// Records read from the source,
    /// see [`Source`](crate::capture::Source).
    RecordsRead = \"reader\", \"records_read\";
}
";
    const KERNEL: &str = "\
/// Slot.
pub enum Counter {
    /// Times the reader was woken.
    Wakeups = 0,
}
    Self::Wakeups => \"wakeups\",
pub enum DropReason {
    /// The agent's own.
    Own = 0,
}
    Self::Own => \"own\",
";

    #[track_caller]
    fn check(found: &[Counter], expected: &[(&str, &str, &str)]) {
        let found: Vec<_> = found
            .iter()
            .map(|c| (c.stage.as_str(), c.name.as_str(), c.doc.as_str()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn declarations_are_read() {
        check(
            &agent_counters(AGENT),
            &[(
                "reader",
                "records_read",
                "Records read from the source, see `Source`",
            )],
        );
        check(
            &kernel_counters(KERNEL),
            &[
                ("kernel", "wakeups", "Times the reader was woken"),
                ("kernel, dropped", "own", "The agent's own"),
            ],
        );
    }

    #[test]
    fn every_stage_has_its_table() {
        let page = page(KERNEL, AGENT);
        for part in [
            "## kernel\n",
            "## kernel, dropped\n",
            "## reader\n",
            "| `own` | The agent's own |",
        ] {
            assert!(page.contains(part), "{part:?} is not in\n{page}");
        }
    }
}
