//! `eaves sinks`: where each sink stands, and what becomes of what it refused.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Subcommand;

use super::output::{self, safe_text};
use super::{Exit, config, run, session};
use crate::config::Config;
use crate::journal::State;
use crate::pipeline::{SinkStanding, Sinks};
use crate::sink::{DeadLetters, cursor_name};
use crate::telemetry::Counter;

/// Columns of an error that people are shown.
const ERROR_COLUMNS: usize = 60;

/// Show where each sink stands in the journal; send again or delete what it refused
///
/// Reads the journal's folder alone: it works while the agent runs and while it does not.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  eaves sinks
  eaves sinks --json | jq 'select(.lag_events > 0)'
  eaves sinks resend siem")]
pub struct Args {
    /// Configuration file; by default /etc/eaves/eaves.yaml
    #[arg(long, short, value_name = "FILE", global = true)]
    config: Option<PathBuf>,

    /// Print a JSON object a sink
    #[arg(long)]
    json: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send the dead letters of a sink again; a running agent does so within a second
    Resend(Named),
    /// Delete the dead letters of a sink, and the cursor of one that is no longer configured
    Purge(Named),
    /// Deliver all that the journal holds to every sink, then end; while no agent runs
    Drain,
}

#[derive(Debug, clap::Args)]
struct Named {
    /// The sink
    name: String,
}

/// Shows, or does what was asked.
///
/// # Errors
/// There is no journal, or it cannot be read or written.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let config = config::load(args.config.as_deref())?;
    let Some(journal) = &config.journal else {
        bail!(anyhow::anyhow!("the configuration has no section journal").context(Exit::Usage));
    };
    let dir = journal.dir.as_path();
    match &args.command {
        None => show(&config, dir, args.json),
        Some(Command::Resend(Named { name })) => {
            known(&config, dir, name)?;
            let count = DeadLetters::of(dir, name).resend().context(Exit::Failed)?;
            output::to_stderr(format_args!(
                "eaves: {count} dead letters of {name} will be sent again"
            ));
            Ok(Exit::Done)
        }
        Some(Command::Purge(Named { name })) => purge(&config, dir, name),
        Some(Command::Drain) => {
            let mut keep = run::keep(&config)?.context("no journal")?;
            let host = session::host_name();
            let sinks = Sinks::start(&config, dir, Some(&keep.synced()), &host);
            let counted = sinks.context(Exit::Failed)?.finish();
            keep.close();
            let [accepted, refused] = [Counter::SinkAccepted, Counter::SinkRefused];
            let (accepted, refused) = (counted.get(accepted), counted.get(refused));
            output::to_stderr(format_args!(
                "eaves: {accepted} events delivered, {refused} refused"
            ));
            Ok(Exit::Done)
        }
    }
}

/// Checks that a sink of this name is configured, or has a cursor.
fn known(config: &Config, dir: &Path, name: &str) -> anyhow::Result<()> {
    let kept = || State::of(dir).cursor(&cursor_name(name)).ok().flatten();
    if config.sinks.contains_key(name) || kept().is_some() {
        return Ok(());
    }
    let names: Vec<&str> = config.sinks.keys().map(String::as_str).collect();
    let names = names.join(", ");
    bail!(anyhow::anyhow!("no sink {name}; there are: {names}").context(Exit::Usage))
}

fn purge(config: &Config, dir: &Path, name: &str) -> anyhow::Result<Exit> {
    known(config, dir, name)?;
    let count = DeadLetters::of(dir, name).purge().context(Exit::Failed)?;
    output::to_stderr(format_args!(
        "eaves: {count} dead letters of {name} are deleted"
    ));
    if !config.sinks.contains_key(name) {
        let state = State::of(dir);
        state.forget(&cursor_name(name)).context(Exit::Failed)?;
        output::to_stderr(format_args!(
            "eaves: {name} is not configured; its cursor is deleted too"
        ));
    }
    Ok(Exit::Done)
}

fn show(config: &Config, dir: &Path, json: bool) -> anyhow::Result<Exit> {
    let mut text = String::new();
    if !json {
        text.push_str(&heading());
    }
    for standing in SinkStanding::all(config, dir).context(Exit::Failed)? {
        if json {
            text.push_str(&serde_json::to_string(&standing)?);
            text.push('\n');
        } else {
            row(&standing, &mut text);
        }
    }
    output::to_stdout(text.as_bytes())?;
    Ok(Exit::Done)
}

fn heading() -> String {
    format!(
        "{:<16} {:<8} {:>10} {:>8} {:>9} {:>12} {:>6}  {}\n",
        "SINK", "STATE", "BEHIND", "AGE", "RATE/S", "DELIVERED", "DEAD", "LAST ERROR"
    )
}

fn row(standing: &SinkStanding, text: &mut String) {
    let state = match standing {
        SinkStanding {
            configured: false, ..
        } => "gone",
        SinkStanding { failing: true, .. } => "failing",
        _ => "well",
    };
    let error = standing.last_error.as_deref().unwrap_or_default();
    let most = if standing.lag_at_most { "≤" } else { "" };
    let lag = format!("{most}{}", standing.lag_events);
    let _ = writeln!(
        text,
        "{:<16} {state:<8} {:>10} {:>7}s {:>9.1} {:>12} {:>6}  {}",
        standing.sink,
        lag,
        standing.lag_s,
        standing.rate,
        standing.accepted,
        standing.dead_letters,
        safe_text(error, ERROR_COLUMNS),
    );
}
