//! `eaves watch`: live exchanges, one line each, all or those that a filter matches.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use super::lines::People;
use super::matching::Matching;
use super::session::{self, HearArgs, Session, Tapped};
use super::signals::Signals;
use super::{Exit, Globals, output, query};
use crate::config::{Config, Kind};
use crate::filter::Filter;
use crate::guard;
use crate::journal;
use crate::pipeline::{Output, Requests, Route};
use crate::sink::{Format, StdoutSink};

/// Exchanges as they happen.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  eaves watch
  eaves watch 'status >= 500 and path ~ \"^/v1/\"'
  eaves watch --json 'client in 10.0.0.0/8' | jq .url
  eaves watch --json | jq 'select(.http.response.status_code >= 500)'
  eaves watch --role server --role client")]
pub struct Args {
    /// Which exchanges to show, as in `status >= 500 and host == api.example.com`
    #[arg(value_name = "FILTER")]
    filter: Option<Filter>,

    #[command(flatten)]
    hear: HearArgs,

    /// Print events as JSON lines, as sinks get them
    #[arg(long)]
    json: bool,

    /// Listen with a tap of its own, though an agent runs and its journal can be read
    #[arg(long)]
    tap: bool,
}

/// Hears until Ctrl-C.
///
/// # Errors
/// The configuration is wrong, or the host does not allow hearing.
pub(super) fn run(args: &Args, globals: &Globals) -> anyhow::Result<Exit> {
    let config = args.hear.config()?;
    if let Some(dir) = followed(args, &config) {
        let requests = Arc::new(Requests::default());
        let _signals = Signals::listen(&requests, None::<fn()>)?;
        output::to_stderr(format_args!(
            "eaves: from the journal of the agent that runs, {}; Ctrl-C ends it",
            dir.display()
        ));
        let filter = args.filter.as_ref();
        let stopping = || requests.stopping();
        query::follow(dir, filter, args.json, globals, stopping)?;
        return Ok(Exit::Done);
    }
    guard::raise();
    let mut probe = args.hear.attach(&config)?;
    let tapped = Tapped::of(&probe);
    let redactor = session::redactor(&config, session::Secret::Run)?;
    let session = Session {
        origin: session::origin(&probe),
        options: session::options(&config)?,
        identity: config.identity().context(Exit::Usage)?,
        outputs: vec![to_stdout(args.json, args.filter.as_ref(), globals)],
        lookup: session::look_up(&config, &redactor)?,
        unheard: probe.take_unheard(),
        redactor,
        recorded: false,
        keep: None,
        dir: None,
        board: None,
        detect: config.detect().context(Exit::Usage)?,
        reload: None,
        systemd: None,
        ledger: true,
    };
    session.hear(&mut probe, &tapped)
}

/// The journal to read instead of listening: that of an agent that runs, where it can be read and nothing
/// is asked that only a tap of its own can do.
fn followed<'c>(args: &Args, config: &'c Config) -> Option<&'c Path> {
    let dir = config.journal.as_ref()?.dir.as_path();
    let own = args.tap || args.hear.chooses();
    (!own && journal::is_written(dir) && journal::is_readable(dir)).then_some(dir)
}

/// Standard output, for people or for machines: all exchanges, or those that `filter` matches.
pub(super) fn to_stdout(json: bool, filter: Option<&Filter>, globals: &Globals) -> Box<dyn Output> {
    let output: Box<dyn Output> = if json {
        let kinds = [Kind::Exchange, Kind::Finding, Kind::Notice];
        let stdout = Box::new(StdoutSink::new());
        Box::new(Route::new("stdout", stdout, &kinds, Format::Eaves))
    } else {
        Box::new(People::new(globals))
    };
    Matching::before(output, filter)
}
