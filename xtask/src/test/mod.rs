//! Every check by name, in order: `cargo xtask test`, which `.ci/run` calls.

mod ahead;
mod steps;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::build;
use crate::command::{TAIL_LINES, run_watched, say};
use crate::project::Project;
use crate::setup::packages;
use ahead::Ahead;
use steps::{STEPS, Step};

/// What a whole run from nothing takes on disk.
const ROOM_BYTES: u64 = 7_000_000_000;

/// How many checks passed and failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
    /// What could not run here, and why.
    skipped: Vec<String>,
}

impl Tally {
    /// One that passed.
    fn one() -> Self {
        Self {
            passed: 1,
            ..Self::default()
        }
    }

    /// Counts one check.
    pub(crate) fn count(&mut self, passed: bool) {
        if passed {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
    }

    fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped.extend(other.skipped.iter().cloned());
    }

    /// Takes in a line of a test binary: its totals as libtest prints them, and what says why it
    /// was skipped.
    fn read_line(&mut self, line: &str) {
        let number_before = |word: &str| {
            let (before, _) = line.split_once(word)?;
            before.rsplit(' ').next()?.parse::<u64>().ok()
        };
        if line.starts_with("test result:") {
            self.passed += number_before(" passed;").unwrap_or(0);
            self.failed += number_before(" failed;").unwrap_or(0);
        } else if let Some((_, why)) = line.split_once("skipped: ") {
            self.skipped.push(why.trim().to_owned());
        }
    }
}

/// What the steps share.
struct Context<'a> {
    project: &'a Project,
    logs: PathBuf,
    binary: OnceLock<PathBuf>,
    ahead: Ahead,
}

impl Context<'_> {
    /// The release binary with the kernel object, built at the first call.
    fn binary(&self) -> Result<PathBuf> {
        if let Some(binary) = self.binary.get() {
            return Ok(binary.clone());
        }
        let binary = build::build(self.project, build::Parts::default())?;
        Ok(self.binary.get_or_init(|| binary).clone())
    }

    /// Runs a command in plain sight, keeps its output as a log named `name`, and counts the
    /// tests in it; a command without tests is one check.
    fn tests(&self, name: &str, command: &mut Command) -> Result<Tally> {
        watched(&self.logs, name, command, |line| println!("{line}"))
    }

    /// As [`Context::tests`], but with its output in the log alone: of what fails the end is shown.
    fn tests_unseen(&self, name: &str, command: &mut Command) -> Result<Tally> {
        unseen(&self.logs, name, command)
    }
}

/// Runs a command with its output in the log `name` alone, of which the end is shown if it fails.
fn unseen(logs: &Path, name: &str, command: &mut Command) -> Result<Tally> {
    let mut tail = VecDeque::new();
    let tally = watched(logs, name, command, |line| {
        if tail.len() == TAIL_LINES {
            tail.pop_front();
        }
        tail.push_back(line.to_owned());
    })?;
    if tally.failed > 0 {
        tail.iter().for_each(|line| println!("{line}"));
    }
    Ok(tally)
}

/// Runs a command with its output in the log `name`, and counts the tests in it.
fn watched(
    logs: &Path,
    name: &str,
    command: &mut Command,
    mut each: impl FnMut(&str),
) -> Result<Tally> {
    let log = logs.join(format!("{name}.log"));
    let mut log = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut tally = Tally::default();
    let ran = run_watched(command, &mut log, |line| {
        tally.read_line(line);
        each(line);
    });
    // A test that says why it was skipped ends without failing, and was counted as passed.
    tally.passed = tally.passed.saturating_sub(tally.skipped.len() as u64);
    if let Err(error) = ran {
        say(format!("{error:#}"));
        tally.failed = tally.failed.max(1);
    } else if tally.passed + tally.failed == 0 {
        tally.passed = 1;
    }
    Ok(tally)
}

/// What is to be run.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Checks by name; all without any.
    names: Vec<String>,
    /// Say what there is and run nothing.
    #[arg(long)]
    list: bool,
    /// Stop at the first check that fails.
    #[arg(long)]
    fail_fast: bool,
}

/// Runs what is asked for and prints a summary; its last line is `N passed, N failed`.
///
/// # Errors
/// If a name is not known, or the target folder cannot be written.
pub(crate) fn test(project: &Project, options: &Options) -> Result<ExitCode> {
    if options.list {
        for step in STEPS {
            println!("{:<14} {}", step.name, step.what);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let steps = choose(&options.names)?;
    let logs = project.target.join("test-logs");
    fs::create_dir_all(&logs)?;
    if let Some(free) = free_bytes(&project.target).filter(|free| *free < ROOM_BYTES) {
        say(format!(
            "{:.1} GB are free in {}: a whole run from nothing takes {}; what fails may fail for that",
            free as f64 / 1e9,
            project.target.display(),
            ROOM_BYTES / 1_000_000_000
        ));
    }
    let context = Context {
        project,
        logs,
        binary: OnceLock::new(),
        ahead: Ahead::default(),
    };
    let mut rows = Vec::new();
    let mut total = Tally::default();
    // What would stop at once must not leave builds behind.
    if !options.fail_fast {
        context.ahead.begin(&context, &steps)?;
    }
    for step in &steps {
        say(format!("── {}: {}", step.name, step.what));
        let began = Instant::now();
        let tally = perform(&context, step);
        total.add(&tally);
        let failed = tally.failed > 0;
        rows.push((step.name, tally, began.elapsed()));
        if failed && options.fail_fast {
            break;
        }
    }
    summarise(&rows, &total);
    Ok(if total.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Bytes that may still be written into `folder`, as `df` tells; nothing where it does not.
fn free_bytes(folder: &Path) -> Option<u64> {
    let told = Command::new("df").arg("-Pk").arg(folder).output().ok()?;
    let told = String::from_utf8(told.stdout).ok()?;
    let kibibytes: u64 = told
        .lines()
        .nth(1)?
        .split_whitespace()
        .nth(3)?
        .parse()
        .ok()?;
    Some(kibibytes * 1024)
}

/// The steps of these names in the order they are run in; all if there are none.
fn choose(names: &[String]) -> Result<Vec<&'static Step>> {
    if let Some(unknown) = names
        .iter()
        .find(|name| STEPS.iter().all(|step| step.name != *name))
    {
        let known: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        bail!(
            "no check is called {unknown}; there are: {}",
            known.join(", ")
        );
    }
    let wanted = |step: &&Step| names.is_empty() || names.iter().any(|name| name == step.name);
    Ok(STEPS.iter().filter(wanted).collect())
}

/// Sets up and runs one step. A step that cannot be run has failed.
fn perform(context: &Context<'_>, step: &Step) -> Tally {
    let ready = step
        .needs
        .iter()
        .try_for_each(|need| packages(need, &format!("the check `{}` needs them", step.name)));
    match ready.and_then(|()| (step.run)(context)) {
        Ok(tally) => tally,
        Err(error) => {
            say(format!("{}: {error:#}", step.name));
            Tally {
                failed: 1,
                ..Tally::default()
            }
        }
    }
}

fn summarise(rows: &[(&str, Tally, Duration)], total: &Tally) {
    println!(
        "\n{:<14} {:>8} {:>7} {:>7} {:>9}",
        "check", "passed", "failed", "skipped", "time"
    );
    for (name, tally, took) in rows {
        let Tally {
            passed,
            failed,
            skipped,
        } = tally;
        let seconds = took.as_secs_f64();
        println!(
            "{name:<14} {passed:>8} {failed:>7} {:>7} {seconds:>7.1} s",
            skipped.len()
        );
    }
    for why in &total.skipped {
        println!("skipped: {why}");
    }
    let seconds: f64 = rows.iter().map(|(_, _, took)| took.as_secs_f64()).sum();
    println!("in {:.1} min", seconds / 60.0);
    println!("{} passed, {} failed", total.passed, total.failed);
}

#[cfg(test)]
mod tests {
    use super::{Tally, choose, free_bytes, steps::STEPS};

    #[track_caller]
    fn check(lines: &[&str], passed: u64, failed: u64, skipped: usize) {
        let mut tally = Tally::default();
        for line in lines {
            tally.read_line(line);
        }
        assert_eq!(
            (tally.passed, tally.failed, tally.skipped.len()),
            (passed, failed, skipped)
        );
    }

    #[test]
    fn totals_of_test_binaries_are_summed() {
        check(
            &[
                "test a ... ok",
                "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
                "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
            ],
            15,
            2,
            0,
        );
        check(&["tls ... skipped: no OpenSSL here"], 0, 0, 1);
    }

    #[test]
    fn room_is_told_where_there_is_a_folder() {
        assert!(free_bytes(std::path::Path::new("/")).is_some());
        assert_eq!(free_bytes(std::path::Path::new("/no/such/folder")), None);
    }

    #[test]
    fn steps_keep_their_order_whatever_is_asked() {
        let names = |asked: &[&str]| {
            let asked: Vec<_> = asked.iter().map(|&name| name.to_owned()).collect();
            choose(&asked).map(|steps| steps.iter().map(|step| step.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["unit", "fmt"]).unwrap(), ["fmt", "unit"]);
        assert_eq!(names(&[]).unwrap().len(), STEPS.len());
        assert!(
            names(&["units"])
                .unwrap_err()
                .to_string()
                .contains("there are: fmt")
        );
    }
}
