//! `eaves verify`: proves the journal.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use super::{Exit, config, output};
use crate::event::stamp;
use crate::journal::{Checkpoint, KeyChange, KeyPlace, PublicKey, PutBack, Report, Trust, verify};

/// Most bytes of checkpoints that are read.
const CHECKPOINTS_MAX_BYTES: u64 = 64 << 20;

/// Prove that the journal is whole: nothing altered, removed or in another order
///
/// Follows the chain from the first kept segment to the last checkpoint, and names segment, link and
/// record of the first break. A tail that was cut off shows only against a checkpoint that was seen
/// elsewhere: give it by --checkpoint.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  eaves verify
  eaves verify --checkpoint from-the-siem.jsonl
  eaves verify --key \"$(cat journal.pub)\" /mnt/copy/journal

Exit codes:
  0  whole
  1  not: what is said tells what was done and where")]
pub struct Args {
    /// The journal's folder; by default that of the configuration
    dir: Option<PathBuf>,

    /// File with checkpoints seen elsewhere: `journal` notices, one a line; - for standard input
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,

    /// Link before which the journal was put back from a copy, as told by a run without this: that is then
    /// no break. May be given more than once
    #[arg(long, value_name = "LINK")]
    put_back: Vec<u64>,

    /// Public key that must have signed, or that has handed over to the one that does, or was handed over to;
    /// by default this host's
    #[arg(long, value_name = "KEY")]
    key: Option<String>,

    /// Print this host's public key, and do no more
    #[arg(long)]
    print_key: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    /// Configuration file that names the journal
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Proves it, or says what breaks first.
///
/// # Errors
/// The arguments are wrong ([`Exit::Usage`]), or a file cannot be read.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => config::journal_dir(args.config.as_deref())?,
    };
    let place = KeyPlace::of(&dir);
    if args.print_key {
        let key = place
            .public()
            .context("no key yet: the agent makes it at its first start")?;
        output::to_stdout(format!("{key}\n").as_bytes())?;
        return Ok(Exit::Done);
    }
    let key = match &args.key {
        Some(text) => Some(
            PublicKey::parse(text)
                .context("--key: not 64 hexadecimal digits")
                .context(Exit::Usage)?,
        ),
        None => place.public().ok(),
    };
    let checkpoints = args
        .checkpoint
        .as_deref()
        .map(read)
        .transpose()?
        .unwrap_or_default();
    let trust = Trust {
        key,
        checkpoints,
        put_back: args.put_back.clone(),
    };
    let report = verify(&dir, &trust, |_, _| ())
        .with_context(|| format!("{} cannot be verified", dir.display()))?;
    if report.segments == 0 && report.torn_bytes == 0 && report.found.is_none() {
        let none = anyhow::anyhow!("{}: there is no journal in it", dir.display());
        return Err(none.context(Exit::Usage));
    }
    let text = if args.json {
        format!("{}\n", json(&report))
    } else {
        words(&dir, &report, key.is_some())
    };
    output::to_stdout(text.as_bytes())?;
    Ok(match report.found {
        None => Exit::Done,
        Some(_) => Exit::CheckFailed,
    })
}

/// The checkpoints in `file`: lines that are notices of one, or that one itself; others are passed
/// over.
///
/// # Errors
/// It cannot be read, or has none.
fn read(file: &Path) -> anyhow::Result<Vec<Checkpoint>> {
    let name = || file.display().to_string();
    let from: Box<dyn io::Read> = if file == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(
            fs::File::open(file)
                .with_context(name)
                .context(Exit::Usage)?,
        )
    };
    let mut text = String::new();
    let read = from.take(CHECKPOINTS_MAX_BYTES).read_to_string(&mut text);
    read.with_context(name).context(Exit::Usage)?;
    let checkpoint = |line: &str| {
        let mut value: Value = serde_json::from_str(line).ok()?;
        let detail = value.get_mut("detail").map(Value::take);
        serde_json::from_value(detail.unwrap_or(value)).ok()
    };
    let found: Vec<Checkpoint> = text.lines().filter_map(checkpoint).collect();
    if found.is_empty() {
        let none = anyhow::anyhow!("{}: no checkpoint in it", file.display());
        return Err(none.context(Exit::Usage));
    }
    Ok(found)
}

/// A date without its nanoseconds' end.
fn date(time: crate::clock::WallTime) -> String {
    String::from_utf8_lossy(&stamp(time)).into_owned()
}

/// Where a copy was put back, and how to say that it was.
fn put_back(one: &PutBack) -> String {
    let PutBack {
        link,
        missing,
        signed,
        date: found,
        ..
    } = one;
    format!(
        "  put back      before link {link}, found at the start of {}: links {missing} to {signed} are not there; \
         if that was a copy of yours, --put-back {link}",
        date(*found)
    )
}

fn words(dir: &Path, report: &Report, knows_key: bool) -> String {
    let mut text = String::new();
    let mut say = |line: String| {
        // Writing to a text does not fail.
        let _ = writeln!(text, "{line}");
    };
    match &report.found {
        None => say(format!("{}: whole", dir.display())),
        Some(found) => {
            say(format!(
                "{}: {}: {}",
                dir.display(),
                found.kind.name(),
                found.what
            ));
            let frame = found
                .frame
                .map_or(String::new(), |frame| format!(", link {frame}"));
            let record = match (found.record, found.records) {
                (Some(first), Some(1)) => format!(", record {first}"),
                (Some(first), Some(some @ 2..)) => {
                    format!(", records {first} to {}", first + some - 1)
                }
                (Some(first), _) => format!(", from record {first} on"),
                (None, _) => String::new(),
            };
            say(format!(
                "  at            segment {}{frame}{record}",
                found.segment
            ));
        }
    }
    let before = match report.first_segment {
        0 | 1 => String::new(),
        first => format!(" from segment {first} on"),
    };
    let Report {
        segments,
        links,
        records,
        ..
    } = report;
    say(format!(
        "  looked at     {records} records, {links} links, {segments} segments{before}"
    ));
    if let Some((first, last)) = report.times {
        say(format!("  records from  {} to {}", date(first), date(last)));
    }
    match report.checkpoint {
        Some((sequence, time)) => say(format!(
            "  proved up to  link {sequence}, signed {}",
            date(time)
        )),
        None => say("  proved up to  nothing: there is no checkpoint".to_owned()),
    }
    report.put_back.iter().for_each(|one| say(put_back(one)));
    if report.unsigned_links > 0 {
        say(format!(
            "  behind that   {} links that nobody has signed yet",
            report.unsigned_links
        ));
    }
    if report.torn_bytes > 0 {
        say(format!(
            "  at the end    {} bytes of a frame that is not whole",
            report.torn_bytes
        ));
    }
    keys(report, knows_key).into_iter().for_each(say);
    text
}

/// Who signed, a line each.
fn keys(report: &Report, knows_key: bool) -> Vec<String> {
    let Some(key) = report.key else {
        return Vec::new();
    };
    let from = if knows_key {
        ""
    } else {
        " (the journal's own word: give the right one by --key)"
    };
    let before = report.keys.iter().rev().map(|change| {
        let KeyChange { from, segment, .. } = change;
        format!("  key before    {from}, which handed over before segment {segment}")
    });
    [format!("  key           {key}{from}")]
        .into_iter()
        .chain(before)
        .collect()
}

fn json(report: &Report) -> Value {
    let found = report.found.as_ref().map(|found| {
        serde_json::json!({
            "kind": found.kind.name(),
            "segment": found.segment,
            "link": found.frame,
            "record": found.record,
            "records": found.records,
            "what": found.what,
        })
    });
    serde_json::json!({
        "whole": found.is_none(),
        "found": found,
        "first_segment": report.first_segment,
        "segments": report.segments,
        "links": report.links,
        "records": report.records,
        "checkpoint": report.checkpoint.map(|(sequence, time)| {
            serde_json::json!({ "sequence": sequence, "time": date(time) })
        }),
        "put_back": report.put_back.iter().map(|one| serde_json::json!({
            "segment": one.segment,
            "link": one.link,
            "missing": one.missing,
            "signed": one.signed,
            "time": date(one.date),
        })).collect::<Vec<_>>(),
        "unsigned_links": report.unsigned_links,
        "torn_bytes": report.torn_bytes,
        "key": report.key.map(|key| key.to_string()),
        "keys_before": report.keys.iter().map(|change| serde_json::json!({
            "key": change.from.to_string(),
            "segment": change.segment,
        })).collect::<Vec<_>>(),
    })
}
