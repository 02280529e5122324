//! `eaves run`: the daemon.

use anyhow::Context as _;

use super::Exit;
use super::session::{self, HearArgs, Session, Tapped};
use crate::pipeline::{Output, Route};

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
        hangup_stops: false,
        ledger: true,
    };
    session.hear(&mut probe, &tapped)
}
