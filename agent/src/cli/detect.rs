//! `eaves detect`: the detectors over recorded requests.

mod findings;
mod rows;

use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;

use super::{Exit, Globals};
use crate::content::Layer;
use crate::exchange::{Exchange, Scores};
use crate::pipeline::Reading;
use rows::{Item, Rows};

/// Run the detectors over recorded requests or events
///
/// The detectors are those that `eaves run` has. Prints a JSON line for each record of each incident,
/// as sinks get them. A line that cannot be read is told of and counted; the others are judged.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  eaves detect requests.jsonl | jq .title
  eaves query --json | eaves detect --format events -
  eaves detect --per-request requests.jsonl
  zcat access.log.gz | eaves detect --format combined --per-request -
  eaves detect --format har --per-request session.har | jq 'select(.score >= 5)'")]
pub struct Args {
    /// The files; - or none for standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// What the files hold
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    format: Format,

    /// Print for each request its highest score and the detectors that fired
    #[arg(long)]
    per_request: bool,

    /// Configuration file, for detectors, identity and masks
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What a file of requests holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One JSON object a line: method, path, headers, body, and what else is known
    #[default]
    Requests,
    /// An HTTP archive
    Har,
    /// An access log in the combined form
    Combined,
    /// Events as the journal and sinks have them, a JSON line each; what was masked is not judged
    Events,
}

/// What is printed of one request.
#[derive(Serialize)]
struct Judged<'a> {
    id: &'a str,
    /// The highest sum of any detector; it fires from 5 on.
    score: u8,
    detectors: Vec<&'a str>,
    hits: Vec<Shown<'a>>,
}

/// Why a detector fired; what stood there is in the file.
#[derive(Serialize)]
struct Shown<'a> {
    detector: &'a str,
    rule: &'a str,
    score: u8,
    part: &'a str,
    decoded_by: Vec<&'a str>,
}

/// What was done.
#[derive(Default)]
struct Summary {
    requests: u64,
    fired: u64,
}

/// Runs the detectors.
///
/// # Errors
/// A file cannot be read, or nobody reads the output.
pub(super) fn run(args: &Args, globals: &Globals) -> anyhow::Result<Exit> {
    if !args.per_request {
        return findings::run(args, globals);
    }
    if args.format == Format::Events {
        anyhow::bail!(
            anyhow::anyhow!("--per-request judges requests: leave it out with --format events")
                .context(Exit::Usage)
        );
    }
    let mut reading = Reading::new()?.trying_secrets();
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut summary = Summary::default();
    let mut rows = Rows::new(&args.files, args.format, globals);
    while let Some(item) = rows.next()? {
        let Item::Request(mut row) = item else {
            continue;
        };
        reading.read(&mut row.exchange);
        let line = rows.place();
        let id = row.id.as_deref().unwrap_or(&line);
        summary.requests += 1;
        summary.fired += u64::from(!row.exchange.known.scores.hits.is_empty());
        print(&row.exchange, id, &mut out)?;
    }
    out.flush()?;
    let bad = rows.bad();
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(
        io::stderr(),
        "eaves: requests read: {}, with findings: {}, not readable: {bad}",
        summary.requests,
        summary.fired,
    );
    Ok(if summary.requests == 0 && bad > 0 {
        Exit::Failed
    } else {
        Exit::Done
    })
}

fn print(exchange: &Exchange, id: &str, out: &mut impl io::Write) -> anyhow::Result<()> {
    let Scores { highest, hits } = &exchange.known.scores;
    let judged = Judged {
        id,
        score: *highest,
        detectors: hits.iter().map(|hit| hit.detector).collect(),
        hits: hits
            .iter()
            .map(|hit| Shown {
                detector: hit.detector,
                rule: hit.rule,
                score: hit.score,
                part: &hit.part,
                decoded_by: hit.layers.iter().map(Layer::as_str).collect(),
            })
            .collect(),
    };
    serde_json::to_writer(&mut *out, &judged)?;
    out.write_all(b"\n")?;
    Ok(())
}
