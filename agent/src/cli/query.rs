//! `eaves query`: records of the journal that match, and what they add up to.

mod answer;
mod progress;
mod table;

use std::io::{self, IsTerminal as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;

use super::{Exit, Globals, config, output};
use crate::clock::WallTime;
use crate::event::parse_stamp;
use crate::filter::{Fields, Filter};
use crate::journal::{self, Cursor, JournalError, Order};
use crate::query::{Question, Scan, Step};
use crate::units::Period;
use answer::Answer;
use progress::Progress;
pub(super) use table::Table;

/// How often a journal that is followed is looked at.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);

/// Bytes of output after which it is written though more may come.
const OUTPUT_BYTES: usize = 64 << 10;

/// Records of the journal
///
/// Reads the files alone: beside the agent that writes them, or copies of them on any host.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Without --format, a table on a terminal, else JSON lines: the records as they were written.

Examples:
  eaves query --since 2h 'status >= 500 and path ~ \"^/v1/\"'
  eaves query --count-by client 'status == 401' --limit 10
  eaves query --histogram 5m --since 1d 'route == \"/login\"'
  eaves query --fields time,user,path,status --format csv 'user == alice'
  eaves query --newest --limit 20 'kind == finding and severity >= high'
  eaves query --format har 'client == 203.0.113.7' > client.har
  eaves query --follow --json 'status == 5xx' | jq .

The language of filters is described in docs/filter.md.")]
pub struct Args {
    /// Which records, as in `status >= 500 and host == api.example.com`; all if there is none
    #[arg(value_name = "FILTER")]
    filter: Option<Filter>,

    /// Folder of the journal; by default that of the configuration
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    dir: Option<PathBuf>,

    /// Configuration file that names the journal; by default /etc/eaves/eaves.yaml
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,

    /// From this time on: so long ago, as in 2h, or a time or a day, as in 2026-11-21T06:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<When>,

    /// Before this time: so long ago, or a time or a day
    #[arg(long, value_name = "TIME")]
    until: Option<When>,

    /// The newest first
    #[arg(long)]
    newest: bool,

    /// Stop after so many records; of counts, show so many
    #[arg(long, value_name = "N")]
    limit: Option<u64>,

    /// Fields to show, with commas between, as in time,path,header.x-id
    #[arg(long, value_name = "NAMES")]
    fields: Option<Fields>,

    /// Count records by the values of a field, or of several with commas between
    #[arg(long, value_name = "NAMES", conflicts_with_all = ["fields", "follow", "newest"])]
    count_by: Option<Fields>,

    /// Count records in stretches of time, as in 5m
    #[arg(
        long,
        value_name = "PERIOD",
        conflicts_with_all = ["fields", "follow", "newest", "count_by", "limit"]
    )]
    histogram: Option<Period>,

    /// Go on with what is written from now on, until Ctrl-C
    #[arg(long, conflicts_with = "newest")]
    follow: bool,

    /// How to write what is found
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<Format>,

    /// As --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// How what is found is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Aligned columns, for people
    Table,
    /// JSON lines: whole records, or an object of the fields
    Json,
    /// Comma-separated values with a line of names
    Csv,
    /// Tab-separated values with a line of names
    Tsv,
    /// An HTTP archive (HAR 1.2) of the exchanges
    Har,
}

/// A time, or how long ago.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    Ago(Duration),
    At(WallTime),
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(Period(ago)) = text.parse() {
            return Ok(Self::Ago(ago));
        }
        let time = parse_stamp(text.as_bytes());
        let day = || parse_stamp(format!("{text}T00:00:00Z").as_bytes());
        time.or_else(day).map(Self::At).ok_or_else(|| {
            "neither a period like 2h, nor a time like 2026-11-21T06:00:00Z, nor a day".to_owned()
        })
    }
}

impl When {
    pub(super) fn before(self, now: WallTime) -> WallTime {
        match self {
            Self::At(time) => time,
            Self::Ago(ago) => {
                let ns = u64::try_from(ago.as_nanos()).unwrap_or(u64::MAX);
                WallTime(now.0.saturating_sub(ns))
            }
        }
    }
}

/// Answers from the journal.
///
/// # Errors
/// The journal cannot be read, or only in part: what can be read is answered from first.
pub(super) fn run(args: &Args, globals: &Globals) -> anyhow::Result<Exit> {
    let terminal = io::stdout().is_terminal();
    let format = match args.format {
        _ if args.json => Format::Json,
        Some(format) => format,
        None if terminal => Format::Table,
        None => Format::Json,
    };
    let colours = globals.color.colours(terminal);
    let mut answer = Answer::new(args, format, colours)?;
    let now = WallTime::now();
    let question = Question {
        filter: args.filter.clone(),
        since: args.since.map(|since| since.before(now)),
        until: args.until.map(|until| until.before(now)),
        order: if args.newest {
            Order::NewestFirst
        } else {
            Order::OldestFirst
        },
        from: Cursor::default(),
    };
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => config::journal_dir(args.config.as_deref())?,
    };
    let mut scan = Scan::new(&dir, question).map_err(|error| match &error {
        JournalError::Io { .. } => anyhow::Error::new(error).context(Exit::Usage),
        _ => error.into(),
    })?;
    // Lines on a terminal and a line that is rewritten do not go together.
    let quiet = terminal && !answer.is_sum();
    let mut progress = Progress::of(&dir, args.newest, quiet || args.follow);
    let mut out = Vec::with_capacity(2 * OUTPUT_BYTES);
    answer.begin(&mut out);
    let damaged = read(args, &mut scan, &mut answer, &mut progress, &mut out)?;
    progress.clear();
    let left_out = answer.end(&mut out);
    output::to_stdout(&out)?;
    if left_out > 0 {
        output::to_stderr(format_args!("eaves: {left_out} records more are in no row"));
    }
    match damaged {
        0 => Ok(Exit::Done),
        _ => Err(anyhow::anyhow!(
            "parts of the journal that cannot be read: {damaged}"
        )),
    }
}

/// Shows what is written to the journal in `dir` from now on, of what `filter` matches, until `stopping`; as
/// JSON lines, or in columns for people.
///
/// # Errors
/// The journal cannot be read, or standard output not be written.
pub(super) fn follow(
    dir: &Path,
    filter: Option<&Filter>,
    json: bool,
    globals: &Globals,
    stopping: impl Fn() -> bool,
) -> anyhow::Result<()> {
    let segments = journal::segments(dir)?;
    let question = Question {
        filter: filter.cloned(),
        from: Cursor {
            segment: segments.last().map_or(0, |(number, _)| *number),
            ..Cursor::default()
        },
        ..Question::default()
    };
    let mut scan = Scan::new(dir, question)?;
    while scan.skip_to_end().is_err() {}
    let colours = globals.color.colours(io::stdout().is_terminal());
    let mut answer = if json {
        Answer::Whole
    } else {
        Answer::columns(colours)?
    };
    // People read of notices what was lost; how the agent fares they ask it.
    let shown = Filter::parse("kind != notice or name == loss")?;
    let mut out = Vec::new();
    answer.begin(&mut out);
    while !stopping() {
        let step = scan.step(|line| {
            if json || shown.matches(line) {
                answer.line(line, &mut out);
            }
            ControlFlow::Continue(())
        });
        if let Err(damage) = &step {
            output::to_stderr(format_args!("eaves: {damage}"));
        }
        if !matches!(step, Ok(Step::More)) || out.len() >= OUTPUT_BYTES {
            output::to_stdout(&out)?;
            out.clear();
        }
        if matches!(step, Ok(Step::End)) {
            std::thread::sleep(FOLLOW_EVERY);
        }
    }
    Ok(())
}

/// Reads to the end, or until there is enough. Answers with how many parts cannot be read.
fn read(
    args: &Args,
    scan: &mut Scan,
    answer: &mut Answer,
    progress: &mut Progress,
    out: &mut Vec<u8>,
) -> anyhow::Result<u64> {
    let mut damaged = 0;
    let mut left = match args.limit {
        Some(limit) if !answer.is_sum() => limit,
        _ => u64::MAX,
    };
    if left == 0 {
        return Ok(0);
    }
    loop {
        let step = scan.step(|line| {
            answer.line(line, out);
            left -= 1;
            if left == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        let ended = match step {
            Ok(Step::More) => false,
            Ok(Step::Enough) => return Ok(damaged),
            Ok(Step::End) => true,
            Err(damage) => {
                damaged += 1;
                progress.clear();
                output::to_stderr(format_args!("eaves: {:#}", anyhow::Error::new(damage)));
                false
            }
        };
        if out.len() >= OUTPUT_BYTES || ended || args.newest {
            output::to_stdout(out)?;
            out.clear();
        }
        if ended && !args.follow {
            return Ok(damaged);
        }
        if ended {
            std::thread::sleep(FOLLOW_EVERY);
        }
        progress.show(scan);
    }
}

#[cfg(test)]
mod tests {
    use super::When;
    use crate::clock::WallTime;

    #[test]
    fn times_are_moments_days_or_so_long_ago() {
        let now = WallTime(1_795_240_931_000_000_000);
        let check = |text: &str, expected: Option<u64>| {
            let when = text.parse::<When>().ok();
            assert_eq!(
                when.map(|when| when.before(now).0 / 1_000_000_000),
                expected,
                "{text}"
            );
        };
        check("2h", Some(1_795_233_731));
        check("90", Some(1_795_240_841));
        check("2026-11-21T06:02:11Z", Some(1_795_240_931));
        check("2026-11-21", Some(1_795_219_200));
        check("99999d", Some(0));
        check("yesterday", None);
        check("", None);
    }
}
