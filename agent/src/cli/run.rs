//! `eaves run`: the daemon.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;

use super::Exit;
use super::reload::Reload;
use super::session::{self, HearArgs, Session, Tapped};
use super::systemd::Systemd;
use crate::api::{Api, Subject};
use crate::clock::Moment;
use crate::config::{Config, Listen};
use crate::guard::{self, May, Need};
use crate::journal::{Journal, JournalError, KeyPlace, RealDisk};
use crate::lookup::start_names;
use crate::pipeline::{self, Board, Keep, Output, Routes, Sinks};
use crate::sink::cursor_name;

/// Hear this host's HTTP exchanges and send them where the configuration says
///
/// SIGTERM hears no more, delivers what was heard and prints the ledger; SIGHUP reads the
/// configuration again; SIGUSR1 opens files anew, for logrotate.
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
    guard::raise();
    guard::files(&written(&config));
    start_names()
        .context("cannot start a thread that looks names up")
        .context(Exit::Failed)?;
    let keep = keep(&config)?;
    let outputs = outputs(&config, keep.as_ref())?;
    let mut probe = args.hear.attach(&config)?;
    let tapped = Tapped::of(&probe);
    let redactor = session::redactor(&config, session::Secret::Host)?;
    let board = Arc::new(Board::default());
    let systemd = Systemd::start(&board).context(Exit::Failed)?;
    let _api = api(&config, &tapped, &board)?;
    let options = session::options(&config)?;
    let options = pipeline::Options {
        may: sealing(options.may, &config),
        ..options
    };
    let reload = Reload {
        args: args.hear.clone(),
        config: config.clone(),
        redactor: Arc::clone(&redactor),
        systemd: systemd.words(),
        may: reloading(&config),
        rules: options.may.clone(),
    };
    let session = Session {
        origin: session::origin(&probe),
        options,
        identity: config.identity().context(Exit::Usage)?,
        outputs,
        lookup: session::look_up(&config, &redactor)?,
        unheard: probe.take_unheard(),
        redactor,
        recorded: false,
        keep,
        dir: config.journal.as_ref().map(|section| section.dir.clone()),
        board: Some((board, config.sinks.keys().cloned().collect())),
        detect: config.detect().context(Exit::Usage)?,
        reload: Some(reload),
        systemd: systemd.words(),
        ledger: true,
    };
    session.hear(&mut probe, &tapped)
}

/// Every file and folder that is written after the start, and every socket in the file system that is
/// spoken to.
fn written(config: &Config) -> Vec<PathBuf> {
    let state = state(config).into_iter();
    let files = files(config).cloned();
    state
        .chain(files)
        .chain(config.lookup().others.runtimes)
        .collect()
}

/// Where the journal lies, and what is kept beside it.
fn state(config: &Config) -> Vec<PathBuf> {
    let journal = config.journal.iter();
    let kept = journal.flat_map(|section| {
        let dir = section.dir.clone();
        // Whatever is in the folder was made by an agent.
        [dir.join("0"), KeyPlace::of(&dir).file, dir]
    });
    kept.collect()
}

/// The files of sinks.
fn files(config: &Config) -> impl Iterator<Item = &PathBuf> {
    let sinks = config.sinks.values();
    sinks.filter_map(|entry| Some(&entry.file.as_ref()?.path))
}

/// What the thread that seals may do, beside what `may` says: keep the journal, and write files of sinks itself
/// where there is none.
fn sealing(may: May, config: &Config) -> May {
    let may = state(config).iter().fold(may, May::writing);
    let may = match &config.journal {
        // It is read again where the journal could not be begun at the start.
        Some(section) => KeyPlace::of(&section.dir)
            .credential
            .iter()
            .fold(may, May::reading),
        None => files(config).fold(may, May::writing),
    };
    let listen = config
        .api
        .as_ref()
        .and_then(|api| Listen::parse(&api.listen));
    match listen {
        // It is deleted at the end.
        Some(Listen::Unix(path)) => may.writing(path),
        _ => may,
    }
}

/// What the thread that reads the configuration again may do: read what that names, begin sinks, and open files
/// of these in the folders that such files, or the journal, had at the start.
fn reloading(config: &Config) -> May {
    let may = May::from([Need::Read, Need::Write, Need::Net, Need::Begin]).reading("/");
    let may = state(config).iter().fold(may, May::writing);
    files(config).fold(may, May::writing)
}

/// Where it can be asked how the agent does, where the configuration says so.
///
/// # Errors
/// Nothing can listen there, or another agent does.
fn api(config: &Config, tapped: &Tapped, board: &Arc<Board>) -> anyhow::Result<Option<Api>> {
    let listen = config
        .api
        .as_ref()
        .and_then(|api| Listen::parse(&api.listen));
    let Some(listen) = listen else {
        return Ok(None);
    };
    let subject = Subject {
        about: tapped.about(),
        board: Arc::clone(board),
        dir: config.journal.as_ref().map(|section| section.dir.clone()),
        config: Arc::new(config.clone()),
    };
    Api::start(&listen, subject).map(Some).context(Exit::Failed)
}

/// The journal, where the configuration has one.
///
/// # Errors
/// Only what a person must mend: another agent writes to it ([`Exit::Failed`]), or its key is none
/// ([`Exit::Usage`]). A disk that fails is tried again.
pub(super) fn keep(config: &Config) -> anyhow::Result<Option<Keep>> {
    let Some(section) = &config.journal else {
        return Ok(None);
    };
    let readers = config.sinks.keys().map(|name| cursor_name(name)).collect();
    let options = section.options(readers);
    let opened = Journal::open(options, Arc::new(RealDisk), Moment::now());
    let journal = opened.map_err(|error| {
        let exit = match error {
            JournalError::KeyForm { .. } => Exit::Usage,
            _ => Exit::Failed,
        };
        anyhow::Error::new(error).context(exit)
    })?;
    Ok(Some(Keep::new(journal, section.bodies)))
}

/// Where events go: sinks that read the journal, where there is one; else those that need none.
fn outputs(config: &Config, keep: Option<&Keep>) -> anyhow::Result<Vec<Box<dyn Output>>> {
    if let (Some(section), Some(keep)) = (&config.journal, keep) {
        let host = session::host_name();
        let sinks = Sinks::start(config, &section.dir, Some(&keep.synced()), &host);
        return Ok(vec![Box::new(sinks.context(Exit::Failed)?)]);
    }
    let routes = Routes::of(config).context(Exit::Failed)?;
    Ok(vec![Box::new(routes)])
}
