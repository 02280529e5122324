//! The release binary with the kernel object in it, and running it.

use std::env;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command::{run, say};
use crate::ebpf;
use crate::project::{Project, cargo};
use crate::setup::{as_root, is_root};

/// Builds `target/release/eaves` and says where it lies.
///
/// # Errors
/// If the object or the binary cannot be built.
pub(crate) fn build(project: &Project, options: ebpf::Options) -> Result<PathBuf> {
    let object = ebpf::build(project, options)?;
    let mut command = Command::new(cargo());
    command
        .current_dir(&project.root)
        .args(["build", "--release", "--package", "eaves", "--bin", "eaves"])
        .env("AGENT_EBPF_OBJECT", &object);
    if options.kernel_log {
        command.args(["--features", "kernel-log"]);
    }
    run(&mut command).context("the agent does not build")?;
    let binary = project.release_binary();
    if !binary.is_file() {
        bail!("the build left no binary at {}", binary.display());
    }
    Ok(binary)
}

/// The `build` command.
///
/// # Errors
/// As [`build`].
pub(crate) fn command(project: &Project, options: ebpf::Options) -> Result<()> {
    let binary = build(project, options)?;
    say(format!("built {}", binary.display()));
    Ok(())
}

/// The `run` command: builds, then becomes `eaves` with `arguments`, or `eaves watch`.
///
/// # Errors
/// If the build fails or root cannot be had.
pub(crate) fn run_agent(
    project: &Project,
    options: ebpf::Options,
    arguments: &[String],
) -> Result<()> {
    let binary = build(project, options)?;
    let watch = ["watch".to_owned()];
    let arguments = if arguments.is_empty() {
        &watch
    } else {
        arguments
    };
    let mut command = if needs_root(arguments) {
        if !is_root() {
            say("loading kernel programs needs root: starting eaves by sudo");
        }
        let binary = binary.to_str().context("the binary's path is not text")?;
        with_environment(binary, &format!("{binary} {}", arguments.join(" ")))?
    } else {
        Command::new(&binary)
    };
    command.args(arguments);
    Err(command.exec()).with_context(|| format!("cannot start {}", binary.display()))
}

/// `binary` as root, with what the environment says to eaves: sudo would not let it through.
fn with_environment(binary: &str, what: &str) -> Result<Command> {
    let ours: Vec<_> = env::vars_os()
        .filter(|(name, _)| name.to_str().is_some_and(|name| name.starts_with("EAVES_")))
        .collect();
    if is_root() || ours.is_empty() {
        return as_root(binary, what);
    }
    let mut command = as_root("env", what)?;
    for (mut name, value) in ours {
        name.push("=");
        name.push(value);
        command.arg(name);
    }
    command.arg(binary);
    Ok(command)
}

/// Whether these arguments start what loads kernel programs.
fn needs_root(arguments: &[String]) -> bool {
    let asks = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let live = ["run", "watch", "record", "doctor"];
    arguments
        .first()
        .is_some_and(|verb| live.contains(&verb.as_str()))
        && !asks("--help")
        && !asks("-h")
}

#[cfg(test)]
mod tests {
    use super::needs_root;

    #[test]
    fn only_what_loads_programs_asks_for_root() {
        let ask = |line: &str| needs_root(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert!(ask("watch"));
        assert!(ask("run --config x.yaml"));
        assert!(!ask("replay capture.cap"));
        assert!(!ask("watch --help"));
        assert!(!ask("--version"));
    }
}
