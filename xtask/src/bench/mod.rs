//! Benches: of the pure stages, and of what the whole agent costs a host.

mod against;

use std::process::Command;

use anyhow::{Context, Result};

use crate::command::run;
use crate::project::{Project, cargo};
use crate::setup::{Package, as_root, is_root, packages};
use crate::{build, ebpf};

/// What the load is made of.
const PACKAGES: &[Package] = &[
    Package {
        name: "nginx",
        programs: &["nginx"],
    },
    Package {
        name: "wrk",
        programs: &["wrk"],
    },
];

/// Which benches are run, and against what.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run those of this revision in turn with ours, and print the ratio of each step.
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// Parts of names of steps; all without any.
    #[arg(value_name = "WORD")]
    words: Vec<String>,
}

/// The `bench` command: every bench of the agent, or the steps that are named.
///
/// # Errors
/// If one does not build or fails.
pub(crate) fn benches(project: &Project, options: &Options) -> Result<()> {
    if let Some(revision) = &options.base {
        return against::against(project, revision, &options.words);
    }
    let mut command = Command::new(cargo());
    command
        .current_dir(&project.root)
        .args(["bench", "--package", "eaves", "--bench", "*", "--"]);
    run(command.args(&options.words))
}

/// The `overhead` command: builds what is measured and what measures, both for release, and runs
/// it as root.
///
/// # Errors
/// If something does not build, root cannot be had, or the measurement fails.
pub(crate) fn overhead(project: &Project, arguments: &[String]) -> Result<()> {
    run(&mut overhead_command(project, arguments)?)
}

/// The measurement, built and ready to be run.
///
/// # Errors
/// If something does not build, or root cannot be had.
pub(crate) fn overhead_command(project: &Project, arguments: &[String]) -> Result<Command> {
    packages(PACKAGES, "overhead is measured with nginx and wrk")?;
    let agent = build::build(project, ebpf::Options::default())?;
    let mut build = Command::new(cargo());
    build.current_dir(&project.root).args([
        "build",
        "--release",
        "--package",
        "eaves-tests",
        "--bin",
        "eaves-overhead",
    ]);
    run(&mut build)?;
    let measure = project.target.join("release/eaves-overhead");
    let measure = measure
        .to_str()
        .context("the target folder's path is not text")?;
    let mut command = if is_root() {
        Command::new(measure)
    } else {
        let mut command = as_root("env", &format!("EAVES_BIN={} {measure}", agent.display()))?;
        command
            .arg(format!("EAVES_BIN={}", agent.display()))
            .arg(measure);
        command
    };
    command.env("EAVES_BIN", &agent).args(arguments);
    Ok(command)
}
