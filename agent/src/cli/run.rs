//! `eaves run`: the daemon.

use std::sync::Arc;

use anyhow::Context as _;

use super::Exit;
use super::session::{self, HearArgs, Session, Tapped};
use crate::clock::Moment;
use crate::config::Config;
use crate::journal::{Journal, JournalError, RealDisk};
use crate::pipeline::{Keep, Output, Route};

/// Hear this host's HTTP exchanges and send them where the configuration says
///
/// SIGTERM hears no more, delivers what was heard and prints the ledger; SIGUSR1 opens files anew,
/// for logrotate.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  eaves run --config /etc/eaves/eaves.yaml
  eaves run --mode syscall")]
pub struct Args {
    #[command(flatten)]
    hear: HearArgs,
}

/// Runs until SIGTERM.
///
/// # Errors
/// The configuration is wrong, the host does not allow hearing, or hearing ended early.
pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let config = args.hear.config()?;
    let keep = keep(&config)?;
    let routes = Route::all(&config).context(Exit::Failed)?;
    let mut probe = args.hear.attach(&config)?;
    let tapped = Tapped::of(&probe);
    let session = Session {
        origin: session::origin(&probe),
        options: (&config).into(),
        outputs: routes
            .into_iter()
            .map(|route| Box::new(route) as Box<dyn Output>)
            .collect(),
        recorded: false,
        keep,
        hangup_stops: false,
        ledger: true,
    };
    session.hear(&mut probe, &tapped)
}

/// The journal, where the configuration has one.
///
/// # Errors
/// Only what a person must mend: another agent writes to it ([`Exit::Failed`]), or its key is none
/// ([`Exit::Usage`]). A disk that fails is tried again.
fn keep(config: &Config) -> anyhow::Result<Option<Keep>> {
    let Some(section) = &config.journal else {
        return Ok(None);
    };
    let opened = Journal::open(section.options(), Arc::new(RealDisk), Moment::now());
    let journal = opened.map_err(|error| {
        let exit = match error {
            JournalError::KeyForm { .. } => Exit::Usage,
            _ => Exit::Failed,
        };
        anyhow::Error::new(error).context(exit)
    })?;
    Ok(Some(Keep::new(journal, section.bodies)))
}
