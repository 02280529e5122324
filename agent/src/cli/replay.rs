//! `eaves replay`: the pipeline over a capture file.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::session::{self, Session};
use super::{Exit, Globals, config, watch};
use crate::capture::{FileError, Reader, Replay};
use crate::config::Role;
use crate::filter::Filter;
use crate::pipeline::Requests;

/// Put the exchanges of a recording together again, without root and without a kernel
///
/// The same recording gives the same events with the same ids, each time and on any host.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  eaves replay problem.cap
  eaves replay problem.cap 'status >= 500 or duration > 1s'
  eaves replay --json problem.cap | jq .
  zstdcat problem.cap.zst | eaves replay -")]
pub struct Args {
    /// The recording, made by `eaves record`; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Which exchanges to show, as in `status >= 500 and host == api.example.com`
    #[arg(value_name = "FILTER")]
    filter: Option<Filter>,

    /// Print events as JSON lines, as sinks get them
    #[arg(long)]
    json: bool,

    /// Keep the pauses of the recording
    #[arg(long)]
    paced: bool,

    /// Configuration file, for limits and bodies
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Replays the file.
///
/// # Errors
/// It cannot be read, is no recording, or ends before it should; what came before is reported.
pub(super) fn run(args: &Args, globals: &Globals) -> anyhow::Result<Exit> {
    let mut config = config::load(args.config.as_deref())?;
    // Which end is wanted was decided when it was recorded.
    config.capture.roles = vec![Role::Server, Role::Client];
    let reader = Reader::new(open(&args.file)?).map_err(|error| match error {
        FileError::Magic | FileError::Version { .. } => {
            anyhow::Error::new(error).context(Exit::Usage)
        }
        _ => error.into(),
    });
    let reader = reader.with_context(|| args.file.display().to_string())?;
    let session = Session {
        origin: reader.origin().clone(),
        options: session::options(&config)?,
        identity: config.identity().context(Exit::Usage)?,
        outputs: vec![watch::to_stdout(args.json, args.filter.as_ref(), globals)],
        lookup: None,
        unheard: None,
        redactor: session::redactor(&config, session::Secret::Origin(reader.origin()))?,
        recorded: true,
        keep: None,
        dir: None,
        board: None,
        detect: config.detect().context(Exit::Usage)?,
        reload: None,
        systemd: None,
        ledger: true,
    };
    let mut replay = Replay::new(reader, args.paced);
    let (exit, _) = session.run(&mut replay, &Requests::default(), |_| Ok(()))?;
    match replay.error() {
        None => Ok(exit),
        Some(error) => Err(error).with_context(|| args.file.display().to_string()),
    }
}

fn open(path: &Path) -> anyhow::Result<Box<dyn Read + Send>> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    let file = File::open(path)
        .with_context(|| path.display().to_string())
        .context(Exit::Usage)?;
    Ok(Box::new(BufReader::with_capacity(1 << 18, file)))
}
