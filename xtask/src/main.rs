//! Tasks of the project: `cargo xtask run` and `cargo xtask test` from a fresh machine, and what
//! they are made of.

mod bench;
mod build;
mod command;
mod dist;
mod docs;
mod ebpf;
mod far;
mod kernel;
mod project;
mod setup;
mod test;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use bench::Measure;
use project::Project;

/// Builds, checks and runs Eaves.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build everything, then start `eaves watch`, or eaves with the arguments after `--`.
    Run {
        #[command(flatten)]
        variant: Variant,
        /// What goes to eaves.
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Build `target/release/eaves` with the kernel object in it.
    Build(Variant),
    /// Build the kernel object alone.
    Ebpf(Variant),
    /// Pack `target/dist`: tarball, packages, image, chart and their checksums.
    Dist,
    /// Run every check, or those named; installs what they need.
    Test(test::Options),
    /// Measure what Eaves costs a host: nginx and wrk, with and without it in turn.
    Overhead {
        /// `--quick`, `--pairs N`, `--seconds N`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure what one hit of a tap costs the process that is heard, call by call.
    Hits {
        /// `--quick`, `--rounds N`, `--milliseconds N`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run the benches of the pure stages, alone or against another revision in turn.
    Bench(bench::Options),
    /// Measure the detectors: what they find, what they wrongly find, requests a second.
    DetectBench,
    /// Check what clippy cannot: import levels, file lengths, docs that must name things.
    Tidy,
    /// Write the pages that are made from the code.
    Docs {
        /// Only say which are not as the code would make them.
        #[arg(long)]
        check: bool,
    },
}

/// What is built.
#[derive(Args)]
struct Variant {
    /// Optional parts, by comma.
    #[arg(long, value_delimiter = ',')]
    features: Vec<Feature>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Feature {
    /// Kernel programs log through aya-log into the agent's log.
    KernelLog,
    /// The Kubernetes API is asked for pods; packages have it.
    Kubernetes,
}

impl Variant {
    fn parts(&self) -> build::Parts {
        build::Parts {
            kernel_log: self.features.contains(&Feature::KernelLog),
            kubernetes: self.features.contains(&Feature::Kubernetes),
        }
    }
}

fn main() -> ExitCode {
    match perform(Arguments::parse().task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> Result<ExitCode> {
    let project = Project::find()?;
    match task {
        Task::Run { variant, arguments } => {
            build::run_agent(&project, variant.parts(), &arguments)?;
        }
        Task::Build(variant) => build::command(&project, variant.parts())?,
        Task::Ebpf(variant) => ebpf::command(&project, variant.parts().object())?,
        Task::Dist => dist::command(&project)?,
        Task::Test(options) => return test::test(&project, &options),
        Task::Overhead { arguments } => bench::measure(&project, Measure::Overhead, &arguments)?,
        Task::Hits { arguments } => bench::measure(&project, Measure::Hits, &arguments)?,
        Task::Bench(options) => bench::benches(&project, &options)?,
        Task::DetectBench => bench::detect(&project)?,
        Task::Tidy => tidy::tidy(&project)?,
        Task::Docs { check } => docs::generate(&project, check)?,
    }
    Ok(ExitCode::SUCCESS)
}
