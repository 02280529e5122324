//! Another configuration for a running pipeline: made ready aside, put in force at one place in the
//! order of events.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::SinksError;
use super::sinks::Opened;
use crate::config::{Config, DescriptorError, Live, OpenapiError, SinkEntry};
use crate::detect;
use crate::enrich::Identity;
use crate::exchange;
use crate::redact::Redactor;

/// Why a configuration that is right in itself cannot be put in force.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// A document that it names cannot be read.
    #[error(transparent)]
    Openapi(#[from] OpenapiError),
    /// A descriptor file that it names cannot be read.
    #[error(transparent)]
    Descriptor(#[from] DescriptorError),
    /// A sink cannot be used as it is configured.
    #[error(transparent)]
    Sinks(#[from] SinksError),
}

/// A configuration, ready to be put in force: whatever can fail has been done.
#[derive(Debug)]
pub struct Change {
    pub(super) config: Arc<Config>,
    pub(super) identity: Identity,
    pub(super) detect: Option<(detect::Options, PathBuf)>,
    pub(super) sinks: NewSinks,
    pub(super) changed: Vec<String>,
    pub(super) restart: Vec<String>,
    pub(super) done: SyncSender<()>,
    exchange: exchange::Options,
    redactor: Arc<Redactor>,
}

/// A configuration that is not to be in force, and why.
#[derive(Debug)]
pub struct Refusal {
    pub(super) reason: String,
    pub(super) done: SyncSender<()>,
}

/// Sinks that there are to be, and those of them that are new or were changed, opened.
#[derive(Debug, Default)]
pub struct NewSinks {
    pub(super) names: Vec<String>,
    pub(super) opened: BTreeMap<String, (SinkEntry, Opened)>,
}

impl Change {
    /// Makes ready to go from `old` to `live`, masking by `redactor`; sinks for which `is_stale` are
    /// opened anew though their entries are as they were. The receiver is told when it is in force.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing has happened then.
    pub fn of(
        old: &Config,
        live: Live,
        redactor: Arc<Redactor>,
        host: &str,
        is_stale: impl Fn(&str) -> bool,
    ) -> Result<(Self, Receiver<()>), ChangeError> {
        let Live {
            config,
            changed,
            restart,
        } = live;
        let (done, told) = sync_channel(1);
        let change = Self {
            identity: config.identity()?,
            detect: config.detect()?,
            sinks: NewSinks::open(old, &config, host, is_stale)?,
            exchange: config.exchange()?,
            config: Arc::new(config),
            changed,
            restart,
            done,
            redactor,
        };
        Ok((change, told))
    }

    pub(super) const fn exchange(&self) -> &exchange::Options {
        &self.exchange
    }

    pub(super) const fn redactor(&self) -> &Arc<Redactor> {
        &self.redactor
    }
}

impl Refusal {
    /// For this reason; the receiver is told when it has been told on.
    #[must_use]
    pub fn of(reason: String) -> (Self, Receiver<()>) {
        let (done, told) = sync_channel(1);
        (Self { reason, done }, told)
    }
}

impl NewSinks {
    /// Those of `config`, where those of `old` run.
    ///
    /// # Errors
    /// [`SinksError`] if one cannot be used as it is configured.
    pub(super) fn open(
        old: &Config,
        config: &Config,
        host: &str,
        is_stale: impl Fn(&str) -> bool,
    ) -> Result<Self, SinksError> {
        let of_file = |entry: &SinkEntry| Some(entry.file.as_ref()?.path.clone());
        let taken: Vec<PathBuf> = old.sinks.values().filter_map(of_file).collect();
        // Whoever writes to a file has it until the change.
        let is_taken = |path: &Path| taken.iter().any(|other| other == path);
        let dir = config.journal.as_ref().map(|section| section.dir.as_path());
        let mut opened = BTreeMap::new();
        for (name, entry) in &config.sinks {
            if old.sinks.get(name) == Some(entry) && !is_stale(name) {
                continue;
            }
            let sink = Opened::of(name, entry, dir, host, is_taken)?;
            if let Some(sink) = sink {
                opened.insert(name.clone(), (entry.clone(), sink));
            }
        }
        Ok(Self {
            names: config.sinks.keys().cloned().collect(),
            opened,
        })
    }

    /// Whether the sink `name`, which runs, is to go on as it is.
    pub(super) fn keeps(&self, name: &str) -> bool {
        self.names.iter().any(|other| other == name) && !self.opened.contains_key(name)
    }
}
