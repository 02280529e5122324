//! `eaves rules`: detectors and rules of one's own.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::findings::word;
use super::{Exit, output};
use crate::detect::{ROWS, Row, Rule, Rules, row};
use crate::pipeline::rule_files;

/// Where rules lie if no other folder is named.
const DEFAULT_DIR: &str = "/etc/eaves/rules.d";

/// Detectors, and rules of your own: list, explain, check, test
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List every detector, and every rule of the folder
    List(DirArg),
    /// Say what a detector means, how it decides, what fools it and what to do
    #[command(after_long_help = "\
Examples:
  eaves rules explain auth-01
  eaves rules explain many-exports --rules ./rules.d
  eaves rules explain --all > detectors.md")]
    Explain(ExplainArgs),
    /// Name every mistake in rules, Sigma's too
    #[command(after_long_help = "\
Examples:
  eaves rules check
  eaves rules check ./rules.d

Exit code 0 if all may be used, 1 if not.")]
    Check(DirArg),
    /// Run the tests that rules have of their own
    #[command(after_long_help = "\
A test is an event and whether the rule fires on it:

  tests:
    - { fires: true, event: { url: { path: /export } } }

Exit code 0 if all hold, 1 if not.")]
    Test(DirArg),
}

#[derive(Debug, clap::Args)]
struct DirArg {
    /// Folder of rules, or a file of them
    #[arg(value_name = "PATH", default_value = DEFAULT_DIR)]
    path: PathBuf,
}

#[derive(Debug, clap::Args)]
struct ExplainArgs {
    /// Id of a detector, as auth-01, or of a rule of your own
    #[arg(required_unless_present = "all")]
    id: Option<String>,

    /// All detectors, as one page of Markdown
    #[arg(long, conflicts_with = "id")]
    all: bool,

    /// Folder of rules of your own, or a file of them
    #[arg(long, value_name = "PATH", default_value = DEFAULT_DIR)]
    rules: PathBuf,
}

/// Does what is asked.
///
/// # Errors
/// The folder cannot be read, or there is no such detector ([`Exit::Usage`]).
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    match &args.command {
        Command::List(arg) => list(arg),
        Command::Explain(arg) => explain(arg),
        Command::Check(arg) => check(arg),
        Command::Test(arg) => test(arg),
    }
}

/// The rules at the path, and how many mistakes there are, each told.
fn read(path: &Path) -> anyhow::Result<(Rules, usize)> {
    let (files, unread) = match rule_files(path) {
        Err(error)
            if error.kind() == std::io::ErrorKind::NotFound && path.as_os_str() == DEFAULT_DIR =>
        {
            Default::default()
        }
        files => files.map_err(|error| {
            anyhow::Error::new(error)
                .context(path.display().to_string())
                .context(Exit::Usage)
        })?,
    };
    let (rules, mut mistakes) = Rules::read(&files);
    mistakes.splice(0..0, unread);
    for mistake in &mistakes {
        output::to_stderr(format_args!(
            "eaves: {}",
            output::safe_text(&mistake.to_string(), usize::MAX)
        ));
    }
    Ok((rules, mistakes.len()))
}

fn list(arg: &DirArg) -> anyhow::Result<Exit> {
    let (rules, _) = read(&arg.path)?;
    let mut text = String::new();
    for row in ROWS.iter() {
        let _ = writeln!(
            text,
            "{:<9} {:<10} {:<8} {}",
            row.id.name(),
            row.family.name(),
            word(row.impact),
            row.name
        );
    }
    for rule in rules.all() {
        let name = output::safe_text(rule.name(), usize::MAX);
        let id = output::safe_text(rule.id(), usize::MAX);
        let _ = writeln!(
            text,
            "{id:<9} {:<10} {:<8} {name}",
            rule.form(),
            word(rule.severity())
        );
    }
    output::to_stdout(text.as_bytes())?;
    Ok(Exit::Done)
}

fn explain(arg: &ExplainArgs) -> anyhow::Result<Exit> {
    if arg.all {
        output::to_stdout(page().as_bytes())?;
        return Ok(Exit::Done);
    }
    let id = arg.id.as_deref().unwrap_or_default();
    let mut text = String::new();
    if let Some(row) = id.to_ascii_lowercase().parse().ok().and_then(row) {
        section(row, &mut text);
    } else {
        let (rules, _) = read(&arg.rules)?;
        let Some(rule) = rules.all().iter().find(|rule| rule.id() == id) else {
            let own = rules.all().iter().map(Rule::id);
            let ids: Vec<&str> = ROWS.iter().map(|row| row.id.name()).chain(own).collect();
            let meant = crate::spelling::meant(id, &ids);
            let problem = anyhow::anyhow!("`{id}` is neither a detector nor a rule{meant}");
            return Err(problem.context(Exit::Usage));
        };
        own_section(rule, &mut text);
    }
    output::to_stdout(text.as_bytes())?;
    Ok(Exit::Done)
}

fn check(arg: &DirArg) -> anyhow::Result<Exit> {
    let (rules, mistakes) = read(&arg.path)?;
    output::to_stderr(format_args!(
        "rules: {}, mistakes: {mistakes}",
        rules.all().len()
    ));
    Ok(if mistakes == 0 {
        Exit::Done
    } else {
        Exit::CheckFailed
    })
}

fn test(arg: &DirArg) -> anyhow::Result<Exit> {
    let (rules, mistakes) = read(&arg.path)?;
    let (mut run, mut failed) = (0, 0);
    for rule in rules.all() {
        let (tests, wrong) = rule.test();
        run += tests;
        failed += wrong.len();
        for number in wrong {
            let id = output::safe_text(rule.id(), usize::MAX);
            output::to_stderr(format_args!("eaves: {id}: test {number} does not hold"));
        }
    }
    output::to_stderr(format_args!(
        "rules: {}, tests: {run}, failed: {failed}",
        rules.all().len()
    ));
    Ok(if failed + mistakes == 0 {
        Exit::Done
    } else {
        Exit::CheckFailed
    })
}

const INTRODUCTION: &str = "\
<!-- Made by `cargo xtask docs` from the detectors: change their rows instead. -->

# Catalogue of detectors

What Eaves looks for in the exchanges it hears. Each detector tells of an *incident*: one for each
whom or what it is about, `open` when it is found, `updated` when its count has doubled or it is worse than it
was, `closed` when nothing was added for `detect.quiet` (15 minutes). Time is that of the exchanges, never of a clock:
a replay finds the same.

- *Severity* is impact, confidence and outcome together: attempted is one step less than the impact given
  here, confirmed one more. What rests on a baseline that is still `warming` is `low` at most.
- *Accounts before addresses.* An address behind which more than five accounts are seen in a day is shared: thresholds by
  address alone rise to up to eight times. IPv6 counts by /64.
- *Nothing is learnt* from an account or address while it is under an incident, or of an endpoint while it is.
- *Incidents of one account or address* within 30 minutes share a `campaign`.
- At most `detect.per_minute` incidents open in a minute, a third of them of one detector; those of high severity have a
  reserve beyond it. What is left out is counted in `suppressed` of the next.
- *State is bounded.* Each table has a fixed number of entries; what is worth least makes room.

Section `detect` of the [configuration](configuration.md) switches detectors off, sets their thresholds, tries them
(`dry_run`) and suppresses what is known. `eaves rules explain ID` prints one of the sections below. [rules.md](rules.md) tells
how to write rules of your own, [detectors.md](detectors.md) how single values are judged.

";

/// The manual of all detectors.
#[must_use]
pub(super) fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for row in ROWS.iter() {
        section(row, &mut page);
        page.push('\n');
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

/// A length of time, in the largest unit that fits.
fn window(seconds: u32) -> String {
    match seconds {
        0 => "one exchange".to_owned(),
        _ if seconds.is_multiple_of(3600) => format!("{} h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}

/// A rule of one's own.
fn own_section(rule: &Rule, text: &mut String) {
    let safe = |text: &str| output::safe_text(text, usize::MAX);
    let decides = rule.filter().map_or_else(
        || "The searches and the condition of its file.".to_owned(),
        |filter| format!("`{}`", safe(filter)),
    );
    let counts = match rule.counts() {
        Some((least, seconds)) => format!("From {least} on, in {}.", window(seconds)),
        None => "Each event that matches.".to_owned(),
    };
    let (id, name) = (safe(rule.id()), safe(rule.name()));
    let _ = write!(
        text,
        "## {id}: {name}\n\n- **Decides**: {decides}\n- **Counts**: {counts}\n"
    );
    if !rule.advice().is_empty() {
        let _ = writeln!(text, "- **When it fires**: {}", safe(rule.advice()));
    }
    let (form, impact) = (rule.form(), word(rule.severity()));
    let _ = writeln!(text, "- Form {form}, impact {impact}");
}

fn section(row: &Row, text: &mut String) {
    let window = window(row.window_s);
    let list = |items: Vec<String>| {
        if items.is_empty() {
            "–".to_owned()
        } else {
            items.join(", ")
        }
    };
    let owasp = list(row.owasp.iter().map(|one| (*one).to_owned()).collect());
    let cwe = list(row.cwe.iter().map(|one| format!("CWE-{one}")).collect());
    let attack = list(row.attack.iter().map(|one| (*one).to_owned()).collect());
    let _ = write!(
        text,
        "## {}: {}\n\n{}\n\n- **Decides**: {}\n- **Fooled by**: {}\n- **When it fires**: {}\n- Family {}, impact {}, threshold {}, window {window}; {owasp}; {cwe}; {attack}\n",
        row.id.name(),
        row.name,
        row.means,
        row.decides,
        row.fools,
        row.advice,
        row.family.name(),
        word(row.impact),
        row.threshold,
    );
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_says_what_the_rows_say() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/catalogue.md");
        let page = super::page();
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        assert_eq!(
            std::fs::read_to_string(&path).unwrap_or_default(),
            page,
            "UPDATE_GOLDEN=1"
        );
    }
}
