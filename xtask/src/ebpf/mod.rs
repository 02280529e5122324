//! The kernel object: a compiler and a linker that fit each other, and the build.
//!
//! It is built in an invocation and target folder of its own, since Cargo would else unify
//! features across targets and link two panic handlers.

mod stack;
mod toolchain;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{run, say};
use crate::project::Project;
use toolchain::{Route, Toolchain};

/// Rust's name of the machine that runs the programs: little-endian BPF.
const TARGET: &str = "bpfel-unknown-none";

/// What the object is built with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// Programs that log.
    pub(crate) kernel_log: bool,
}

/// Where the object lies once it is built: a file of its own for each variant.
pub(crate) fn object(project: &Project, options: Options) -> PathBuf {
    project.target.join("ebpf").join(if options.kernel_log {
        "eaves-kernel-log.o"
    } else {
        "eaves.o"
    })
}

/// Builds the object and says where it lies. Sets up what is missing first.
///
/// # Errors
/// If no compiler or linker can be had, or the programs do not compile.
pub(crate) fn build(project: &Project, options: Options) -> Result<PathBuf> {
    let toolchain = toolchain::find_or_install(project)?;
    let target = project.target.join("ebpf");
    let mut command = cargo_build(&toolchain)?;
    command
        .current_dir(project.root.join("agent-ebpf"))
        .arg("--target-dir")
        .arg(&target);
    if options.kernel_log {
        command.args(["--features", "kernel-log"]);
    }
    run(&mut command).context("the kernel programs do not build")?;
    let built = target.join(TARGET).join("release/eaves-ebpf");
    let bytes = fs::read(&built)
        .with_context(|| format!("the build left no object at {}", built.display()))?;
    stack::check(&bytes)?;
    // Written when it changes: the agent's build script looks at its time.
    let object = object(project, options);
    if fs::read(&object).ok().as_ref() != Some(&bytes) {
        fs::write(&object, bytes).with_context(|| format!("cannot write {}", object.display()))?;
    }
    Ok(object)
}

/// `cargo build` for BPF with this toolchain.
fn cargo_build(toolchain: &Toolchain) -> Result<Command> {
    let mut command = Command::new(&toolchain.cargo);
    let linker = toolchain
        .linker
        .to_str()
        .context("the linker's path is not text")?;
    // `debuginfo=2` is what the linker makes BTF of; the cfg is what aya's own build driver sets.
    // The separator lets paths with blanks through (Cargo reference, environment variables).
    let flags = [
        &format!("-Clinker={linker}"),
        "-Clink-arg=--btf",
        "-Cdebuginfo=2",
        "--cfg=bpf_target_arch=\"x86_64\"",
    ];
    command
        .args([
            "build",
            "--release",
            "--package",
            "eaves-ebpf",
            "--target",
            TARGET,
        ])
        // The BPF target and its flags are not stable in any compiler.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTC", &toolchain.rustc)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        // What rustup and the outer cargo set for their own toolchain is not meant for this one.
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET");
    if toolchain.route == Route::Rustup {
        command.args(["-Z", "build-std=core"]);
    }
    Ok(command)
}

/// The `ebpf` command.
///
/// # Errors
/// As [`build`].
pub(crate) fn command(project: &Project, options: Options) -> Result<()> {
    let object = build(project, options)?;
    say(format!("kernel object: {}", object.display()));
    Ok(())
}
