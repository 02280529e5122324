//! `eaves sinks`: where each sink stands, and what becomes of what it refused.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde::Serialize;

use super::output::{self, safe_text};
use super::{Exit, config, run, session};
use crate::clock::WallTime;
use crate::config::{Config, Kind};
use crate::event::stamp;
use crate::journal::{Counts, Cursor, Reader, State};
use crate::pipeline::Sinks;
use crate::sink::{DeadLetters, Kept, cursor_name, sink_name};
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

/// Where one sink stands.
#[derive(Debug, Serialize)]
struct Standing {
    sink: String,
    /// Whether the configuration names it; one it does not holds nothing back.
    configured: bool,
    failing: bool,
    cursor: Cursor,
    /// Events behind the cursor, of the kinds that go there; a filter may leave some out.
    lag_events: u64,
    /// Age of the oldest of them, seconds.
    lag_s: u64,
    /// Events a second, lately.
    rate: f64,
    accepted: u64,
    refused: u64,
    retries: u64,
    dead_letters: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error_time: Option<String>,
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
    let mut names: Vec<String> = config.sinks.keys().cloned().collect();
    let kept = State::of(dir).names().context(Exit::Failed)?;
    let left = kept.iter().filter_map(|name| sink_name(name));
    for name in left {
        if !config.sinks.contains_key(name) {
            names.push(name.to_owned());
        }
    }
    let mut text = String::new();
    if !json {
        text.push_str(&heading());
    }
    for name in names {
        let standing = standing(config, dir, &name)?;
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

fn standing(config: &Config, dir: &Path, name: &str) -> anyhow::Result<Standing> {
    let saved = State::of(dir).load::<Kept>(&cursor_name(name));
    let saved = saved.context(Exit::Failed)?;
    let (cursor, kept) = saved.map_or_else(Default::default, |saved| (saved.cursor, saved.state));
    let entry = config.sinks.get(name);
    let all = vec![Kind::Exchange, Kind::Finding, Kind::Notice];
    let kinds = entry.map_or(all, |entry| entry.kinds());
    let (lag_events, oldest) = behind(dir, cursor, &kinds)?;
    let now = WallTime::now().0;
    let age = oldest.map_or(0, |oldest| now.saturating_sub(oldest.0) / 1_000_000_000);
    let date = |ns| String::from_utf8_lossy(&stamp(WallTime(ns))).into_owned();
    let error = kept.error.as_ref();
    Ok(Standing {
        sink: name.to_owned(),
        configured: entry.is_some(),
        failing: kept.failing,
        cursor,
        lag_events,
        lag_s: age,
        rate: kept.rate,
        accepted: kept.accepted,
        refused: kept.refused,
        retries: kept.retries,
        dead_letters: DeadLetters::of(dir, name).count().context(Exit::Failed)?,
        last_error: error.map(|(_, what)| what.clone()),
        last_error_time: error.map(|(time, _)| date(*time)),
    })
}

/// How many events of `kinds` lie behind `cursor`, and when the first of them was. Indexes alone are read.
fn behind(dir: &Path, cursor: Cursor, kinds: &[Kind]) -> anyhow::Result<(u64, Option<WallTime>)> {
    let Ok(mut reader) = Reader::forward(dir, cursor) else {
        // There is nothing yet.
        return Ok((0, None));
    };
    let (mut count, mut oldest) = (0, None);
    loop {
        let looked = reader.next(|index| {
            let some = of_kinds(&index.counts, kinds);
            if some > 0 {
                oldest.get_or_insert(index.first);
            }
            count += some;
            false
        });
        match looked {
            Ok(_) => return Ok((count, oldest)),
            // What cannot be read is passed over here as it is by the sink.
            Err(_) => continue,
        }
    }
}

fn of_kinds(counts: &Counts, kinds: &[Kind]) -> u64 {
    let of = |kind: &Kind| match kind {
        Kind::Exchange => counts.exchanges,
        Kind::Finding => counts.findings,
        Kind::Notice => counts.notices,
    };
    kinds.iter().map(|kind| u64::from(of(kind))).sum()
}

fn heading() -> String {
    format!(
        "{:<16} {:<8} {:>10} {:>8} {:>9} {:>12} {:>6}  {}\n",
        "SINK", "STATE", "BEHIND", "AGE", "RATE/S", "DELIVERED", "DEAD", "LAST ERROR"
    )
}

fn row(standing: &Standing, text: &mut String) {
    let state = match standing {
        Standing {
            configured: false, ..
        } => "gone",
        Standing { failing: true, .. } => "failing",
        _ => "well",
    };
    let error = standing.last_error.as_deref().unwrap_or_default();
    let _ = writeln!(
        text,
        "{:<16} {state:<8} {:>10} {:>7}s {:>9.1} {:>12} {:>6}  {}",
        standing.sink,
        standing.lag_events,
        standing.lag_s,
        standing.rate,
        standing.accepted,
        standing.dead_letters,
        safe_text(error, ERROR_COLUMNS),
    );
}

#[cfg(test)]
mod tests {
    use super::of_kinds;
    use crate::config::Kind;
    use crate::journal::Counts;

    #[test]
    fn only_kinds_that_go_there_are_behind() {
        let counts = Counts {
            exchanges: 5,
            findings: 2,
            notices: 1,
        };
        let check = |kinds: &[Kind], expected| assert_eq!(of_kinds(&counts, kinds), expected);
        check(&[Kind::Exchange], 5);
        check(&[Kind::Finding, Kind::Notice], 3);
        check(&[], 0);
    }
}
