//! The checks themselves.

use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, Result, bail};

use super::{Context, Tally};
use crate::bench::{self, Measure};
use crate::command::say;
use crate::project::{cargo, which};
use crate::setup::{Package, is_root};
use crate::{dist, docs, ebpf, far, kernel, tidy};

/// Seconds each fuzz target runs.
const FUZZ_S: u32 = 12;

/// Coverage that libFuzzer steers by, as cargo-fuzz asks for it; all of it is in stable compilers.
const FUZZ_FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Dwarnings -Cdebug-assertions -Coverflow-checks --cfg fuzzing";

/// Servers and clients of the kernel tests.
const PEERS: &[Package] = &[
    Package {
        name: "nginx",
        programs: &["nginx"],
    },
    Package {
        name: "apache2",
        programs: &["apache2"],
    },
    Package {
        name: "haproxy",
        programs: &["haproxy"],
    },
    Package {
        name: "lighttpd",
        programs: &["lighttpd"],
    },
    Package {
        name: "lighttpd-mod-gnutls",
        programs: &[],
    },
    Package {
        name: "wget",
        programs: &["wget"],
    },
    Package {
        name: "gnutls-bin",
        programs: &["gnutls-serv"],
    },
    Package {
        name: "python3-pycurl",
        programs: &[],
    },
    Package {
        name: "curl",
        programs: &["curl"],
    },
    Package {
        name: "openssl",
        programs: &["openssl"],
    },
    Package {
        name: "nghttp2-client",
        programs: &["h2load"],
    },
    Package {
        name: "wrk",
        programs: &["wrk"],
    },
    Package {
        name: "python3",
        programs: &["python3"],
    },
    Package {
        name: "gunicorn",
        programs: &["gunicorn"],
    },
    Package {
        name: "nodejs",
        programs: &["node"],
    },
    Package {
        name: "golang-go",
        programs: &["go"],
    },
    Package {
        name: "gcc",
        programs: &["cc"],
    },
    Package {
        name: "libssl-dev",
        programs: &[],
    },
    Package {
        name: "libnss3-dev",
        programs: &[],
    },
    Package {
        name: "podman",
        programs: &["podman"],
    },
    Package {
        name: "sqlmap",
        programs: &["sqlmap"],
    },
    Package {
        name: "ffuf",
        programs: &["ffuf"],
    },
    Package {
        name: "hydra",
        programs: &["hydra"],
    },
    Package {
        name: "wapiti",
        programs: &["wapiti"],
    },
];

/// What libFuzzer is built with.
pub(super) const FUZZ: &[Package] = &[Package {
    name: "g++",
    programs: &["g++", "c++"],
}];

/// What builds ahead for a step: its name, that of its log, and the command that `runner` begins.
type Build = (
    &'static str,
    &'static str,
    fn(&Context<'_>, Command) -> Result<Command>,
);

/// In the order they are built in: each needs those before.
pub(super) const BUILDS: &[Build] = &[
    ("build", "build", release_build),
    ("fuzz", "fuzz-build", fuzz_build),
    ("bench", "bench-build", bench_build),
];

/// One check.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// Packages it needs, by what for.
    pub(super) needs: &'static [&'static [Package]],
    pub(super) run: fn(&Context<'_>) -> Result<Tally>,
}

/// All, in the order they are run in: the quick ones first.
pub(super) const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        what: "formatting of every crate",
        needs: &[],
        run: format,
    },
    Step {
        name: "tidy",
        what: "import levels, file lengths, docs that must name things",
        needs: &[],
        run: tidy,
    },
    Step {
        name: "docs",
        what: "generated pages are up to date",
        needs: &[],
        run: pages,
    },
    Step {
        name: "clippy",
        what: "lints of what runs in userspace",
        needs: &[],
        run: clippy,
    },
    Step {
        name: "clippy-kernel",
        what: "lints of the kernel programs",
        needs: &[],
        run: clippy_kernel,
    },
    Step {
        name: "unit",
        what: "unit and property tests, and the examples in the docs",
        needs: &[],
        run: unit,
    },
    Step {
        name: "build",
        what: "kernel object and release binary",
        needs: &[],
        run: build,
    },
    Step {
        name: "dist",
        what: "packages, image and chart: what is in them, installed, run and rendered",
        needs: &[
            dist::PACKERS,
            dist::PACKED,
            dist::CHECKED,
            dist::TRIED,
            far::FETCHERS,
        ],
        run: packages,
    },
    Step {
        name: "e2e",
        what: "the whole agent without root",
        needs: &[PEERS, far::FETCHERS, far::PACKAGES],
        run: e2e,
    },
    Step {
        name: "kernel",
        what: "real servers and clients on this kernel, as root",
        needs: &[PEERS, far::FETCHERS, far::PACKAGES],
        run: native,
    },
    Step {
        name: "fuzz",
        what: "each reader of foreign bytes, for a bounded while",
        needs: &[FUZZ],
        run: fuzz,
    },
    Step {
        name: "bench",
        what: "each bench once",
        needs: &[],
        run: benches,
    },
    Step {
        name: "matrix",
        what: "real exchanges on other kernels, under qemu",
        needs: &[kernel::PACKAGES],
        run: matrix,
    },
    Step {
        name: "overhead",
        what: "one short round of what Eaves, and one hit of a tap, costs",
        needs: &[],
        run: overhead,
    },
];

fn at_root(context: &Context<'_>) -> Command {
    let mut command = Command::new(cargo());
    command.current_dir(&context.project.root);
    command
}

/// The fuzz targets are a workspace of their own.
fn fuzz_manifest(context: &Context<'_>) -> PathBuf {
    context.project.root.join("agent/fuzz/Cargo.toml")
}

fn format(context: &Context<'_>) -> Result<Tally> {
    let mut tally = context.tests("fmt", at_root(context).args(["fmt", "--all", "--check"]))?;
    let fuzz = fuzz_manifest(context);
    if fuzz.is_file() {
        let mut command = at_root(context);
        command
            .args(["fmt", "--check", "--manifest-path"])
            .arg(fuzz);
        tally.add(&context.tests("fmt-fuzz", &mut command)?);
    }
    Ok(tally)
}

fn tidy(context: &Context<'_>) -> Result<Tally> {
    tidy::tidy(context.project).map(|()| Tally::one())
}

fn pages(context: &Context<'_>) -> Result<Tally> {
    docs::generate(context.project, true).map(|()| Tally::one())
}

fn clippy(context: &Context<'_>) -> Result<Tally> {
    let mut tally = Tally::default();
    for features in [
        &[][..],
        &["--package", "eaves", "--features", "kernel-log,kubernetes"],
    ] {
        let mut command = at_root(context);
        command
            .args(["clippy", "--all-targets"])
            .args(features)
            .args(["--", "-Dwarnings"]);
        tally.add(&context.tests("clippy", &mut command)?);
    }
    Ok(tally)
}

fn clippy_kernel(context: &Context<'_>) -> Result<Tally> {
    let mut tally = Tally::default();
    for features in [&[][..], &["--features", "kernel-log"]] {
        let mut command = at_root(context);
        // A folder of its own: other flags would rebuild everything in the common one.
        command
            .args(["clippy", "--package", "eaves-ebpf", "--target-dir"])
            .arg(context.project.target.join("clippy-kernel"))
            .args(features)
            .args(["--", "-Dwarnings"])
            .env("RUSTFLAGS", "-Cpanic=abort");
        tally.add(&context.tests("clippy-kernel", &mut command)?);
    }
    Ok(tally)
}

fn unit(context: &Context<'_>) -> Result<Tally> {
    let mut tally = Tally::default();
    let checks = [
        // With what packages switch on beside: the other tests and the binary go without.
        ("unit", "--package eaves --lib --features kubernetes"),
        (
            "unit-beside",
            "--package eaves-common --package eaves-tests --package xtask --lib --bins",
        ),
        ("unit-doc", "--package eaves --package eaves-common --doc"),
    ];
    for (name, what) in checks {
        let mut command = at_root(context);
        command
            .args(["test", "--no-fail-fast"])
            .args(what.split(' '));
        tally.add(&context.tests(name, &mut command)?);
    }
    Ok(tally)
}

/// What `cargo xtask build` does, by a program of its own.
fn release_build(_: &Context<'_>, mut runner: Command) -> Result<Command> {
    runner.arg(std::env::current_exe()?).arg("build");
    Ok(runner)
}

fn build(context: &Context<'_>) -> Result<Tally> {
    if let Some(built) = context.ahead.take("build").transpose()?
        && built.failed > 0
    {
        return Ok(built);
    }
    context.binary().map(|_| Tally::one())
}

/// Packs the release binary, looks at the packages, and tries each as it is used.
fn packages(context: &Context<'_>) -> Result<Tally> {
    let binary = context.binary()?;
    let mut tally = dist::check(context.project, &binary)?;
    for (name, mut trial) in dist::trials(context.project, &binary)? {
        tally.add(&context.tests(name, &mut trial)?);
    }
    Ok(tally)
}

fn e2e(context: &Context<'_>) -> Result<Tally> {
    let mut command = at_root(context);
    command
        .args(["test", "--package", "eaves-tests", "--test", "e2e"])
        .env("EAVES_FAR_ENDS", far::prepare(context.project)?)
        .env("EAVES_BIN", context.binary()?);
    context.tests("e2e", &mut command)
}

/// What measures what a flood costs begins with this; beside a build the agent would be starved.
const ALONE: &str = "budget::";

/// Runs the kernel tests as root: by sudo if we are not. Where that cannot be had they are
/// skipped, which is a failure in CI.
fn native(context: &Context<'_>) -> Result<Tally> {
    if !is_root() && which("sudo").is_none() {
        let why = "kernel tests: they need root, and there is no sudo".to_owned();
        let failed = u64::from(std::env::var_os("CI").is_some());
        return Ok(Tally {
            failed,
            skipped: vec![why],
            ..Tally::default()
        });
    }
    let (agent, object) = logging(context)?;
    let variables = [
        ("EAVES_BIN", context.binary()?),
        ("EAVES_LOG_BIN", agent),
        ("EAVES_LOG_OBJECT", object),
        ("EAVES_FAR_ENDS", far::prepare(context.project)?),
    ];
    let mut most = kernel_tests(context, &variables)?;
    let mut tally = context.tests("kernel", most.args(["--skip", ALONE]))?;
    context.ahead.wait();
    let mut alone = kernel_tests(context, &variables)?;
    tally.add(&context.tests("kernel-alone", alone.arg(ALONE))?);
    Ok(tally)
}

/// The kernel tests as root; their arguments are to follow.
fn kernel_tests(context: &Context<'_>, variables: &[(&str, PathBuf)]) -> Result<Command> {
    let mut command = at_root(context);
    command
        .args(["test", "--package", "eaves-tests", "--test", "kernel"])
        .envs(variables.iter().cloned());
    if !is_root() {
        let mut runner = ["sudo", "--", "env"].map(str::to_owned).to_vec();
        for (name, path) in variables {
            let path = path.to_str().context("a binary's path is not text")?;
            runner.push(format!("{name}={path}"));
        }
        runner.push(format!(
            "PATH={}",
            std::env::var("PATH").unwrap_or_default()
        ));
        if std::env::var_os("CI").is_some() {
            runner.push("CI=true".to_owned());
        }
        let words: Vec<_> = runner.iter().map(|word| format!("{word:?}")).collect();
        let runner = words.join(",");
        command
            .arg("--config")
            .arg(format!("target.'cfg(all())'.runner=[{runner}]"));
    }
    command.arg("--");
    Ok(command)
}

/// Agent and kernel object of the variant whose programs log. For debugging is how such an agent
/// is used, and built in half the time.
fn logging(context: &Context<'_>) -> Result<(PathBuf, PathBuf)> {
    let object = ebpf::build(context.project, ebpf::Options { kernel_log: true })?;
    let mut build = at_root(context);
    build.args(["build", "--package", "eaves", "--bin", "eaves"]);
    crate::command::run(build.args(["--features", "kernel-log"]))?;
    Ok((context.project.target.join("debug/eaves"), object))
}

fn matrix(context: &Context<'_>) -> Result<Tally> {
    kernel::matrix(context.project, &context.binary()?)
}

fn bench_command(context: &Context<'_>, mut runner: Command) -> Command {
    runner
        .arg(cargo())
        .current_dir(&context.project.root)
        .args(["bench", "--package", "eaves", "--bench", "all"])
        // With the object that the release binary was built with, the library is not built again.
        .env(
            "AGENT_EBPF_OBJECT",
            ebpf::object(context.project, ebpf::Options::default()),
        );
    runner
}

fn bench_build(context: &Context<'_>, runner: Command) -> Result<Command> {
    let mut command = bench_command(context, runner);
    command.arg("--no-run");
    Ok(command)
}

fn benches(context: &Context<'_>) -> Result<Tally> {
    context.binary()?;
    if let Some(built) = context.ahead.take("bench").transpose()?
        && built.failed > 0
    {
        return Ok(built);
    }
    context.tests("bench", &mut bench_command(context, Command::new("env")))
}

fn fuzz_folder(context: &Context<'_>) -> PathBuf {
    context.project.target.join("fuzz")
}

/// What builds the fuzz targets, run by `runner`.
fn fuzz_build(context: &Context<'_>, mut runner: Command) -> Result<Command> {
    runner
        .arg(cargo())
        .current_dir(&context.project.root)
        .args(["build", "--release", "--bins", "--manifest-path"])
        .arg(fuzz_manifest(context))
        .arg("--target-dir")
        .arg(fuzz_folder(context))
        // With a target named, build scripts and macros go without the flags.
        .args(["--target", host(context)?.as_str()])
        .env("RUSTFLAGS", FUZZ_FLAGS);
    Ok(runner)
}

fn fuzz(context: &Context<'_>) -> Result<Tally> {
    let manifest = fuzz_manifest(context);
    let text = fs::read_to_string(&manifest)
        .with_context(|| format!("cannot read {}", manifest.display()))?;
    let targets = bins(&text);
    if targets.is_empty() {
        bail!("{} names no target", manifest.display());
    }
    let built = match context.ahead.take("fuzz").transpose()? {
        Some(built) => built,
        None => context.tests("fuzz-build", &mut fuzz_build(context, Command::new("env"))?)?,
    };
    if built.failed > 0 {
        return Ok(built);
    }
    let folder = fuzz_folder(context);
    let release = folder.join(host(context)?).join("release");
    // As many at a time as there are processors: each uses one.
    let queue = Mutex::new(targets.into_iter());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let worker = || -> Result<Tally> {
        let mut tally = Tally::default();
        while let Some(target) = next() {
            tally.add(&fuzz_one(context, &release, target)?);
        }
        Ok(tally)
    };
    let mut tally = Tally::default();
    thread::scope(|scope| {
        let at_once = thread::available_parallelism().map_or(1, NonZero::get);
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            let Ok(done) = worker.join() else {
                bail!("a worker of the fuzz targets panicked");
            };
            tally.add(&done?);
        }
        Ok(())
    })?;
    Ok(tally)
}

/// Runs one target: from the corpus in the project, with what it finds kept in the target folder.
fn fuzz_one(context: &Context<'_>, release: &Path, target: &str) -> Result<Tally> {
    say(format!("fuzzing {target} for {FUZZ_S} s"));
    let found = context.project.target.join("fuzz-corpus").join(target);
    let artifacts = context.project.target.join("fuzz-artifacts").join(target);
    fs::create_dir_all(&found)?;
    fs::create_dir_all(&artifacts)?;
    let mut command = Command::new(release.join(target));
    command
        .arg(format!("-max_total_time={FUZZ_S}"))
        .args([
            "-timeout=10",
            "-rss_limit_mb=1024",
            "-print_final_stats=1",
            "-verbosity=0",
        ])
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .arg(&found);
    let seeds = context.project.root.join("agent/fuzz/corpus").join(target);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    context.tests_unseen(&format!("fuzz-{target}"), &mut command)
}

fn overhead(context: &Context<'_>) -> Result<Tally> {
    let quick = ["--quick".to_owned()];
    let mut tally = Tally::default();
    for (name, what) in [("overhead", Measure::Overhead), ("hits", Measure::Hits)] {
        let mut command = bench::measurement(context.project, what, &quick)?;
        tally.add(&context.tests(name, &mut command)?);
    }
    Ok(tally)
}

/// Names of the binaries that a manifest declares.
fn bins(manifest: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line == "[[bin]]";
        } else if inside && let Some(name) = line.strip_prefix("name = ") {
            names.push(name.trim_matches('"'));
        }
    }
    names
}

/// The machine we build on, as Rust names it.
fn host(context: &Context<'_>) -> Result<String> {
    let text = crate::command::output(at_root(context).args(["-vV"]))?;
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("cargo does not say its host")
}

#[cfg(test)]
mod tests {
    use super::bins;

    #[test]
    fn fuzz_targets_are_the_binaries_of_their_manifest() {
        let manifest = "[package]\nname = \"x\"\n[[bin]]\nname = \"http1\"\npath = \"a.rs\"\n\n[[bin]]\nname = \"record\"\n";
        assert_eq!(bins(manifest), ["http1", "record"]);
    }
}
