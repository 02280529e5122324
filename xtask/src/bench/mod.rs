//! Benches: of the pure stages, and of what the whole agent costs a host.

mod against;

use std::process::Command;

use anyhow::{Context, Result};

use crate::command::run;
use crate::project::{Project, cargo};
use crate::setup::{Package, as_root, packages};
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
    /// A bench's name first, and parts of names of steps; all without any.
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
    run(all(project).args(&options.words))
}

/// The program that holds the benches; what follows goes to it.
fn all(project: &Project) -> Command {
    let mut command = Command::new(cargo());
    command.current_dir(&project.root).args([
        "bench",
        "--package",
        "eaves",
        "--bench",
        "all",
        "--",
    ]);
    command
}

/// The `detect-bench` command: the detectors over the rows of `tests/fixtures/detect`, and the scores of
/// the behaviour day and of personal data.
///
/// # Errors
/// If it does not build or fails.
pub(crate) fn detect(project: &Project) -> Result<()> {
    run(all(project).arg("detect"))?;
    // What they need is private: tests measure it, and print it.
    let mut scores = Command::new(cargo());
    scores.current_dir(&project.root).args([
        "test",
        "--quiet",
        "--package",
        "eaves",
        "--lib",
        "--",
        "--nocapture",
        "--test-threads=1",
        "detect::tests::behaviour",
        "redact::tests::pii",
    ]);
    run(&mut scores)
}

/// What is measured of the whole agent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// What Eaves costs a host: nginx and wrk.
    Overhead,
    /// What one hit of a tap costs.
    Hits,
}

/// The `overhead` and `hits` commands: build what is measured and what measures, both for release,
/// and run it as root.
///
/// # Errors
/// If something does not build, root cannot be had, or the measurement fails.
pub(crate) fn measure(project: &Project, what: Measure, arguments: &[String]) -> Result<()> {
    run(&mut measurement(project, what, arguments)?)
}

/// The measurement, built and ready to be run.
///
/// # Errors
/// If something does not build, or root cannot be had.
pub(crate) fn measurement(
    project: &Project,
    what: Measure,
    arguments: &[String],
) -> Result<Command> {
    let program = match what {
        Measure::Overhead => {
            packages(PACKAGES, "overhead is measured with nginx and wrk")?;
            "eaves-overhead"
        }
        Measure::Hits => "eaves-hits",
    };
    let agent = build::build(project, build::Parts::default())?;
    let object = ebpf::build(project, ebpf::Options::default())?;
    let mut build = Command::new(cargo());
    build
        .current_dir(&project.root)
        .args(["build", "--release", "--package", "eaves-tests"])
        .args(["--bin", program])
        // As the agent was built, or its library would be built anew.
        .env("AGENT_EBPF_OBJECT", &object);
    run(&mut build)?;
    let measure = project.target.join("release").join(program);
    let measure = measure
        .to_str()
        .context("the target folder's path is not text")?;
    let variable = format!("EAVES_BIN={}", agent.display());
    // By `env` in any case: sudo lets no variable through.
    let mut command = as_root("env", &format!("{variable} {measure}"))?;
    command.arg(variable).arg(measure);
    if what == Measure::Hits {
        command.arg("--object").arg(object);
    }
    command.args(arguments);
    Ok(command)
}
