//! The benches of two revisions in turn, in one run: the ratio of each step, with its spread.
//!
//! Machines change speed from minute to minute, so a number of yesterday's says nothing. Both
//! revisions are built first, then each bench of either runs in turn; a ratio is that of two runs
//! right beside each other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command::{output, run_with_progress, say};
use crate::project::{Project, cargo};

/// Pairs of runs that a ratio is the median of.
const PAIRS: usize = 5;

/// Set, a bench prints lines for us (`agent/benches/measure`).
const LINES: &str = "EAVES_BENCH_LINES";

/// Runs the benches of this tree and of `revision` in turn, and prints what changed.
///
/// # Errors
/// If there is no such revision, one of the two does not build, or none of its steps is one of
/// ours.
pub(super) fn against(project: &Project, revision: &str, words: &[String]) -> Result<()> {
    let base = Worktree::check_out(project, revision)?;
    let theirs = benches(&base.folder, &project.target.join("bench-base"), revision)?;
    let mut ours = benches(&project.root, &project.target, "this tree")?;
    let mut steps: BTreeMap<String, Step> = BTreeMap::new();
    for pair in 1..=PAIRS {
        say(format!("pair {pair} of {PAIRS}"));
        let mut silent = Vec::new();
        for (name, own) in &ours {
            let Some(other) = theirs.get(name) else {
                continue;
            };
            // Which goes first changes, so that neither always finds the machine warm.
            let (own, other) = if pair % 2 == 0 {
                let other = measure(other, words)?;
                (measure(own, words)?, other)
            } else {
                (measure(own, words)?, measure(other, words)?)
            };
            if own.is_empty() {
                silent.push(name.clone());
            }
            for (step, cost) in own {
                if let Some(before) = other.get(&step) {
                    let step = steps.entry(format!("{name}: {step}")).or_default();
                    step.pairs.push((*before, cost));
                }
            }
        }
        // What prints no lines for us, or none of these words, would not in another pair either.
        ours.retain(|name, _| !silent.contains(name));
    }
    if steps.is_empty() {
        bail!("no step of {revision} is one of ours: its benches may print no lines for us yet");
    }
    print(&steps, &base.commit);
    Ok(())
}

/// A revision checked out below the target folder; removed again at the end.
struct Worktree {
    root: PathBuf,
    folder: PathBuf,
    commit: String,
}

impl Worktree {
    fn check_out(project: &Project, revision: &str) -> Result<Self> {
        let root = project.root.clone();
        let name = format!("{revision}^{{commit}}");
        let commit = output(git(&root).args(["rev-parse", "--verify", "--quiet", &name]))
            .with_context(|| format!("there is no revision {revision} here"))?;
        let base = Self {
            root,
            folder: project.target.join("bench-base/tree"),
            commit: commit.trim().chars().take(12).collect(),
        };
        // One that an interrupted run has left.
        base.remove();
        run_with_progress(
            &format!("checking out {revision}"),
            git(&base.root)
                .args(["worktree", "add", "--detach", "--force"])
                .arg(&base.folder)
                .arg(commit.trim()),
        )?;
        Ok(base)
    }

    fn remove(&self) {
        let mut command = git(&self.root);
        command.args(["worktree", "remove", "--force"]);
        // Without one there is nothing to be said.
        let _ = command.arg(&self.folder).output();
    }
}

impl Drop for Worktree {
    fn drop(&mut self) {
        self.remove();
    }
}

fn git(root: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(root);
    command
}

/// A bench: a program, and the name by which it runs that one alone, if it holds several.
type Runnable = (PathBuf, Option<String>);

/// Builds the benches of the tree at `root`: by name.
fn benches(root: &Path, target: &Path, whose: &str) -> Result<BTreeMap<String, Runnable>> {
    say(format!("building the benches of {whose}"));
    let said = output(
        Command::new(cargo())
            .current_dir(root)
            .args(["bench", "--no-run", "--package", "eaves", "--bench", "*"])
            .args([
                "--message-format",
                "json-render-diagnostics",
                "--target-dir",
            ])
            .arg(target),
    )?;
    let mut benches = BTreeMap::new();
    for (name, place) in said.lines().filter_map(executable) {
        if name == "all" {
            let names = output(Command::new(&place).arg("--list"))?;
            let named = |name: &str| (name.to_owned(), (place.clone(), Some(name.to_owned())));
            benches.extend(names.lines().map(named));
        } else {
            benches.insert(name, (place, None));
        }
    }
    Ok(benches)
}

/// Name and place of a bench that one of Cargo's messages tells of.
fn executable(line: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(line).ok()?;
    let is_bench = message.pointer("/target/kind/0")? == "bench";
    let name = message.pointer("/target/name")?.as_str()?;
    let place = message.pointer("/executable")?.as_str()?;
    is_bench.then(|| (name.to_owned(), place.into()))
}

/// What a step cost: nanoseconds, allocations.
type Cost = (f64, f64);

/// Runs one bench: the cost of each of its steps.
fn measure((bench, name): &Runnable, words: &[String]) -> Result<BTreeMap<String, Cost>> {
    let said = output(Command::new(bench).args(name).args(words).env(LINES, "1"))?;
    Ok(said.lines().filter_map(cost).collect())
}

/// Reads one line of a bench.
fn cost(line: &str) -> Option<(String, Cost)> {
    let mut parts = line.split('\t');
    let name = parts.next()?.to_owned();
    let cost = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some((name, cost))
}

/// Costs of a step before and now, pair by pair.
#[derive(Default)]
struct Step {
    pairs: Vec<(Cost, Cost)>,
}

impl Step {
    /// Median, least and greatest of the ratios of time.
    fn ratio(&self) -> [f64; 3] {
        let ratios = self.pairs.iter().map(|(before, now)| now.0 / before.0);
        let sorted = sorted(ratios);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        [
            at(sorted.len() / 2),
            at(0),
            at(sorted.len().saturating_sub(1)),
        ]
    }

    /// The least time of all its runs, before and now.
    fn least_ns(&self) -> (f64, f64) {
        let least = |ns: &mut dyn Iterator<Item = f64>| ns.fold(f64::INFINITY, f64::min);
        (
            least(&mut self.pairs.iter().map(|(before, _)| before.0)),
            least(&mut self.pairs.iter().map(|(_, now)| now.0)),
        )
    }

    fn allocations(&self) -> (f64, f64) {
        let last = self.pairs.last();
        last.map_or((f64::NAN, f64::NAN), |(before, now)| (before.1, now.1))
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn print(steps: &BTreeMap<String, Step>, commit: &str) {
    println!(
        "{:<60} {:>9} {:>9}  {:^20}  {:>13}",
        format!("against {commit}, {PAIRS} pairs"),
        "ns before",
        "ns now",
        "ratio (range)",
        "allocations"
    );
    for (name, step) in steps {
        let (before, now) = step.least_ns();
        let [median, least, greatest] = step.ratio();
        let (allocated, allocates) = step.allocations();
        let ratio = format!("{median:.3} ({least:.2}–{greatest:.2})");
        println!(
            "{name:<60} {before:>9.1} {now:>9.1}  {ratio:^20}  {allocated:>5.2} → {allocates:>5.2}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{Step, cost, executable};

    #[test]
    fn lines_of_benches_are_told_from_what_else_is_printed() {
        assert_eq!(
            cost("seal, and encode\t1423.500\t5.0000"),
            Some(("seal, and encode".to_owned(), (1423.5, 5.0)))
        );
        for other in ["running 3 tests", "seal\tfast\t5", "seal\t1\t2\t3", ""] {
            assert_eq!(cost(other), None, "{other:?}");
        }
    }

    #[test]
    fn benches_are_found_in_what_cargo_says() {
        let line = r#"{"reason":"compiler-artifact","target":{"kind":["bench"],"name":"event"},"executable":"/t/event-1"}"#;
        assert_eq!(
            executable(line),
            Some(("event".into(), "/t/event-1".into()))
        );
        assert_eq!(executable(&line.replace("[\"bench\"]", "[\"lib\"]")), None);
        assert_eq!(executable(&line.replace("\"/t/event-1\"", "null")), None);
    }

    #[test]
    fn a_ratio_is_the_median_of_pairs_and_shows_its_spread() {
        let pair = |before, now| ((before, 1.0), (now, 2.0));
        let step = Step {
            pairs: vec![pair(100.0, 80.0), pair(100.0, 300.0), pair(200.0, 200.0)],
        };
        assert_eq!(step.ratio(), [1.0, 0.8, 3.0]);
        assert_eq!(step.least_ns(), (100.0, 80.0));
        assert_eq!(step.allocations(), (1.0, 2.0));
    }
}
