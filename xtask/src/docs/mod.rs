//! Pages that are made from the code: `cargo xtask docs` writes them, `--check` compares.

mod metrics;

pub(crate) use metrics::{Counter, agent_counters, kernel_counters};

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{output, say};
use crate::project::{Project, cargo};

/// Writes every generated page, or with `check` only says which are not as they should be.
///
/// # Errors
/// If a page cannot be made or, with `check`, differs.
pub(crate) fn generate(project: &Project, check: bool) -> Result<()> {
    let mut old = Vec::new();
    for (path, text) in pages(project)? {
        let file = project.root.join(path);
        if fs::read_to_string(&file).is_ok_and(|there| there == text) {
            continue;
        }
        if check {
            old.push(path);
        } else {
            fs::write(&file, text).with_context(|| format!("cannot write {path}"))?;
            say(format!("wrote {path}"));
        }
    }
    if !old.is_empty() {
        bail!(
            "not as the code would make them: {}; run cargo xtask docs",
            old.join(", ")
        );
    }
    Ok(())
}

/// Path and text of each page.
fn pages(project: &Project) -> Result<Vec<(&'static str, String)>> {
    let read = |path: &str| {
        fs::read_to_string(project.root.join(path)).with_context(|| format!("cannot read {path}"))
    };
    let metrics = metrics::page(
        &read("agent-common/src/counter.rs")?,
        &read("agent/src/telemetry/mod.rs")?,
    );
    Ok(vec![
        ("docs/metrics.md", metrics),
        (
            "docs/configuration.md",
            reference(project, &["config", "reference"])?,
        ),
        (
            "docs/events.md",
            reference(project, &["config", "reference", "--events"])?,
        ),
        (
            "docs/catalogue.md",
            reference(project, &["rules", "explain", "--all"])?,
        ),
    ])
}

/// A page that the agent makes from the types it reads or writes.
fn reference(project: &Project, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(cargo());
    command
        .current_dir(&project.root)
        .args([
            "run",
            "--quiet",
            "--package",
            "eaves",
            "--bin",
            "eaves",
            "--",
        ])
        .args(arguments);
    output(&mut command)
}
