//! `eaves sinks`: where each sink stands, and what becomes of what it refused.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde::Serialize;

use super::output::{self, safe_text};
use super::{Exit, config, run, session};
use crate::clock::WallTime;
use crate::config::{Config, Kind, SinkEntry};
use crate::event::{Severity, stamp};
use crate::filter::Filter;
use crate::journal::{Counts, Cursor, Reader, State};
use crate::pipeline::Sinks;
use crate::sink::{DeadLetters, Head, Kept, cursor_name, is_wanted, sink_name};
use crate::telemetry::Counter;

/// Most events behind a cursor that a filter is asked about, one by one; a second's work.
const LOOKED_AT_MAX: u64 = 500_000;

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
    /// Events behind the cursor that go there.
    lag_events: u64,
    /// Whether those beyond the first [`LOOKED_AT_MAX`] are counted without their filter: then there are at
    /// most so many.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    lag_at_most: bool,
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
    let Lag {
        events: lag_events,
        oldest,
        at_most,
    } = behind(dir, cursor, &Wanted::of(entry));
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
        lag_at_most: at_most,
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

/// What goes to a sink.
struct Wanted {
    kinds: Vec<Kind>,
    least: Option<Severity>,
    filter: Option<Filter>,
}

impl Wanted {
    /// To one of the configuration; to another everything went.
    fn of(entry: Option<&SinkEntry>) -> Self {
        let all = || vec![Kind::Exchange, Kind::Finding, Kind::Notice];
        Self {
            kinds: entry.map_or_else(all, SinkEntry::kinds),
            least: entry.and_then(|entry| entry.min_severity),
            filter: entry.and_then(SinkEntry::filter),
        }
    }

    /// Whether the kind alone tells.
    fn is_plain(&self) -> bool {
        self.least.is_none() && self.filter.is_none()
    }

    fn holds(&self, line: &[u8]) -> bool {
        let head = Head::of(line);
        head.is_some_and(|head| is_wanted(&head, &self.kinds, self.least))
            && self
                .filter
                .as_ref()
                .is_none_or(|filter| filter.matches(line))
    }
}

/// What lies behind a cursor.
#[derive(Debug, Default)]
struct Lag {
    events: u64,
    /// When the first of them was.
    oldest: Option<WallTime>,
    at_most: bool,
}

/// What of `wanted` lies behind `cursor`. Where kinds alone tell, indexes alone are read.
fn behind(dir: &Path, cursor: Cursor, wanted: &Wanted) -> Lag {
    let mut lag = Lag::default();
    let Ok(mut reader) = Reader::forward(dir, cursor) else {
        // There is nothing yet.
        return lag;
    };
    let mut looked_at = 0;
    loop {
        let looked = reader.next(|index| {
            let some = of_kinds(&index.counts, &wanted.kinds);
            if some == 0 {
                return false;
            }
            if !wanted.is_plain() && looked_at < LOOKED_AT_MAX {
                return true;
            }
            lag.at_most |= !wanted.is_plain();
            lag.oldest.get_or_insert(index.first);
            lag.events += some;
            false
        });
        match looked {
            Ok(None) => return lag,
            Ok(Some(frame)) => {
                let lines = frame.records().map(|(_, line)| line);
                let some = lines.filter(|line| wanted.holds(line)).count() as u64;
                looked_at += u64::from(frame.counts.total());
                if some > 0 {
                    lag.oldest.get_or_insert(frame.first);
                }
                lag.events += some;
            }
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
