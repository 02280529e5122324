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

/// What the agent is built with beside what it always has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Parts {
    /// Kernel programs that log.
    pub(crate) kernel_log: bool,
    /// The Kubernetes API is asked for pods.
    pub(crate) kubernetes: bool,
}

impl Parts {
    /// Of the kernel object.
    pub(crate) fn object(self) -> ebpf::Options {
        ebpf::Options {
            kernel_log: self.kernel_log,
        }
    }

    /// Cargo's features of the agent for them, by comma.
    pub(crate) fn features(self) -> String {
        let all = [
            ("kernel-log", self.kernel_log),
            ("kubernetes", self.kubernetes),
        ];
        let wanted: Vec<_> = all
            .into_iter()
            .filter_map(|(name, wanted)| wanted.then_some(name))
            .collect();
        wanted.join(",")
    }
}

/// Builds `target/release/eaves` and says where it lies.
///
/// # Errors
/// If the object or the binary cannot be built.
pub(crate) fn build(project: &Project, parts: Parts) -> Result<PathBuf> {
    let object = ebpf::build(project, parts.object())?;
    let mut command = Command::new(cargo());
    command
        .current_dir(&project.root)
        .args(["build", "--release", "--package", "eaves", "--bin", "eaves"])
        .args(["--features", &parts.features()])
        .env("AGENT_EBPF_OBJECT", &object);
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
pub(crate) fn command(project: &Project, parts: Parts) -> Result<()> {
    let binary = build(project, parts)?;
    say(format!("built {}", binary.display()));
    Ok(())
}

/// The `run` command: builds, then becomes `eaves` with `arguments`, or `eaves watch`.
///
/// # Errors
/// If the build fails or root cannot be had.
pub(crate) fn run_agent(project: &Project, parts: Parts, arguments: &[String]) -> Result<()> {
    let binary = build(project, parts)?;
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
    use super::{Parts, needs_root};

    #[test]
    fn parts_are_features_of_the_agent() {
        let all = Parts {
            kernel_log: true,
            kubernetes: true,
        };
        assert_eq!(all.features(), "kernel-log,kubernetes");
        assert_eq!(Parts::default().features(), "");
        assert!(all.object().kernel_log && !Parts::default().object().kernel_log);
    }

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
