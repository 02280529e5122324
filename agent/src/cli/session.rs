//! What the commands that hear have in common: a tap, a pipeline, signals, and the ledger at the end.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use anyhow::Context as _;

use super::Exit;
use super::capture::CaptureArgs;
use super::reload::{Reload, Reloader};
use super::signals::Signals;
use super::systemd::Word;
use crate::api::About;
use crate::capture::{Origin, Source};
use crate::catalog::Catalog;
use crate::clock::{BootTime, WallTime};
use crate::config::{Config, node_name};
use crate::detect;
use crate::enrich::{Enrich, Identity};
use crate::event::{Detail, Severity, TapState};
use crate::guard::{self, May, Need};
use crate::journal::KeyPlace;
use crate::keyed::HashKey;
use crate::lookup::{Lookup, Sources};
use crate::pipeline::{self, Board, Detect, Host, Keep, Masks, Output, Requests, RunError};
use crate::probe::{self, Note, Probe, State, Unheard};
use crate::redact::{KEY_FILE, Redactor, SealContext, load_or_make_key, random_key};
use crate::telemetry::FALLS;

/// What every command that hears takes.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct HearArgs {
    #[command(flatten)]
    capture: CaptureArgs,

    /// Kernel object to load in place of the embedded one
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    ebpf_object: Option<PathBuf>,
}

impl HearArgs {
    /// The configuration in force.
    ///
    /// # Errors
    /// The file cannot be read, or is wrong; every mistake is named.
    pub(super) fn config(&self) -> anyhow::Result<Config> {
        self.capture.config()
    }

    /// Whether anything but the configuration says how to listen: that asks for a tap of its own.
    pub(super) fn chooses(&self) -> bool {
        self.capture.chooses() || self.ebpf_object.is_some()
    }

    /// Attaches the tap.
    ///
    /// # Errors
    /// The host does not allow it, or the kernel object is wrong; says what to do.
    pub(super) fn attach(&self, config: &Config) -> anyhow::Result<Probe> {
        let options = config.probe().context(Exit::Usage)?;
        let options = probe::Options {
            object: self.ebpf_object.clone(),
            ..options
        };
        probe::start(&options).map_err(|error| {
            let exit = if error.is_usage() {
                Exit::Usage
            } else {
                Exit::Host
            };
            anyhow::Error::new(error).context(exit)
        })
    }
}

/// How the pipeline is built.
///
/// # Errors
/// A descriptor file that the configuration names cannot be read.
pub(super) fn options(config: &Config) -> anyhow::Result<pipeline::Options> {
    let options = pipeline::Options::of(config).context(Exit::Usage)?;
    Ok(pipeline::Options {
        // Rules are read again as they change.
        may: May::from([Need::Rules, Need::Write]).reading(&config.detect.rules),
        ..options
    })
}

/// Name of this host. In a pod that is its node's: the pod has a name of its own, which says nothing
/// of where it runs.
pub(super) fn host_name() -> String {
    node_name().unwrap_or_else(|| read("/proc/sys/kernel/hostname"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path)
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

/// This host and this run.
pub(super) fn origin(probe: &Probe) -> Origin {
    let now = WallTime::now();
    Origin {
        host_name: host_name(),
        host_id: read("/etc/machine-id"),
        boot: BootTime(WallTime(
            now.0.saturating_sub(probe.now().unwrap_or_default().0),
        )),
        run: now.0,
    }
}

/// Starts to look up processes of this host; their secrets are masked as `redactor` does.
///
/// # Errors
/// A thread cannot be started.
pub(super) fn look_up(config: &Config, redactor: &Redactor) -> anyhow::Result<Option<Lookup>> {
    let masks = Masks::new(redactor.key().clone());
    let started = Lookup::start(&config.lookup(), Sources::default(), Arc::new(masks));
    started.map(Some).context(Exit::Failed)
}

/// Where the secret behind the hashes comes from, if the configuration gives none.
#[derive(Clone, Copy, Debug)]
pub(super) enum Secret<'o> {
    /// From the state directory; for this run alone, where there is no journal.
    Host,
    /// Made for this run.
    Run,
    /// Of the recording, so that each replay gives the same.
    Origin(&'o Origin),
}

/// What is masked, and with which key.
///
/// # Errors
/// The secret cannot be read or made.
pub(super) fn redactor(config: &Config, secret: Secret<'_>) -> anyhow::Result<Arc<Redactor>> {
    let options = config.redact.options();
    let key = match (&config.redact.key, secret, &config.journal) {
        (Some(given), ..) => {
            let text = given.read().context("redact.key").context(Exit::Usage)?;
            HashKey::new(text.expose().as_bytes())
        }
        (None, Secret::Origin(origin), _) => {
            return Ok(Arc::new(Redactor::of_origin(origin, options)));
        }
        (None, Secret::Host, Some(journal)) => {
            let file = KeyPlace::of(&journal.dir).file.with_file_name(KEY_FILE);
            load_or_make_key(&file)
                .with_context(|| file.display().to_string())
                .context(Exit::Failed)?
        }
        (None, Secret::Host | Secret::Run, _) => random_key().context(Exit::Failed)?,
    };
    Ok(Arc::new(Redactor::new(options, key)))
}

/// Which tap hears, for people and in notices.
pub(super) struct Tapped {
    tap: &'static str,
    kernel: String,
    degraded: Option<String>,
}

impl Tapped {
    /// Of the tap that `probe` attached.
    pub(super) fn of(probe: &Probe) -> Self {
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            tap: probe.tap().name(),
            kernel: kernel.trim().to_owned(),
            degraded: refused(probe.notes()),
        }
    }

    /// Which agent this is, that begins now.
    pub(super) fn about(&self) -> About {
        About {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            tap: self.tap.to_owned(),
            kernel: self.kernel.clone(),
            pid: std::process::id(),
            started: WallTime::now(),
        }
    }

    /// Tells people that it hears from now on.
    pub(super) fn announce(&self) {
        let Self { tap, kernel, .. } = self;
        // Where standard error is closed there is nobody to tell.
        let _ = writeln!(
            io::stderr(),
            "eaves: hearing HTTP on this host ({tap} tap, Linux {kernel}); Ctrl-C ends it"
        );
        if let Some(reason) = &self.degraded {
            let _ = writeln!(io::stderr(), "eaves: less than all is heard: {reason}");
        }
    }

    /// Tells people, and every output.
    fn tell(&self, host: &mut Host<'_>) -> io::Result<()> {
        let start = Detail::Start {
            version: env!("CARGO_PKG_VERSION"),
            kernel: Some(&self.kernel),
        };
        host.notice(Severity::Info, start)?;
        let (severity, state) = match self.degraded {
            None => (Severity::Info, TapState::Attached),
            Some(_) => (Severity::Low, TapState::Degraded),
        };
        let reason = self.degraded.as_deref();
        host.notice(
            severity,
            Detail::Tap {
                tap: self.tap,
                state,
                reason,
            },
        )?;
        self.announce();
        Ok(())
    }
}

/// What is not heard because the kernel refused a hook; `None` if it refused none.
fn refused(notes: &[Note]) -> Option<String> {
    let refused = notes.iter().filter(|note| note.state == State::Refused);
    let said: Vec<_> = refused
        .map(|note| format!("{} refused ({}): {}", note.hook, note.reason, note.lost))
        .collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// How a session goes.
pub(super) struct Session<'a> {
    /// Whose records these are.
    pub(super) origin: Origin,
    /// How the pipeline is built.
    pub(super) options: pipeline::Options,
    /// How it is known who asked and for what.
    pub(super) identity: Identity,
    /// Where events go.
    pub(super) outputs: Vec<Box<dyn Output + 'a>>,
    /// What is known of processes of this host, where the records are its own.
    pub(super) lookup: Option<Lookup>,
    /// Where the taps say whose TLS is not heard.
    pub(super) unheard: Option<Receiver<Unheard>>,
    /// What is masked.
    pub(super) redactor: Arc<Redactor>,
    /// Whether its records come from a file.
    pub(super) recorded: bool,
    /// Where all events are kept, too.
    pub(super) keep: Option<Keep>,
    /// The journal's folder, where what is learnt is kept.
    pub(super) dir: Option<PathBuf>,
    /// Where it is posted how the pipeline stands, and the sinks there are.
    pub(super) board: Option<(Arc<Board>, Vec<String>)>,
    /// What is looked for; nothing if it is left out.
    pub(super) detect: Option<(detect::Options, PathBuf)>,
    /// How the configuration is read again at a hang-up, which else ends it.
    pub(super) reload: Option<Reload>,
    /// Who is told that it ends.
    pub(super) systemd: Option<Sender<Word>>,
    /// Whether the ledger is printed at the end, for people.
    pub(super) ledger: bool,
}

impl Session<'_> {
    /// Hears `source` until a signal, and tells how it begins and ends.
    ///
    /// # Errors
    /// Signals cannot be listened to, or hearing ended early.
    pub(super) fn hear<S: Source + Send>(
        mut self,
        source: &mut S,
        tapped: &Tapped,
    ) -> anyhow::Result<Exit> {
        let requests = Arc::new(Requests::default());
        let reload = self.reload.take();
        let reloader = reload.map(|reload| reload.start(&requests)).transpose();
        let reloader = reloader.context("cannot start a thread to read the configuration again")?;
        let _signals = Signals::listen(&requests, reloader.as_ref().map(Reloader::asks))?;
        // What needs more has begun; what begins from here on has no more.
        if let Some((_, rules)) = &self.detect {
            guard::rules(rules);
        }
        guard::keep([Need::Maps, Need::Rules, Need::Write]);
        let ran = self.run(source, &requests, |host| tapped.tell(host));
        ran.map(|(exit, _)| exit)
    }

    /// Runs `source` to its end, or until a stop is asked for; the endpoints that were seen.
    ///
    /// # Errors
    /// Hearing ended early.
    pub(super) fn run<S: Source + Send>(
        self,
        source: &mut S,
        requests: &Requests,
        begin: impl FnOnce(&mut Host<'_>) -> io::Result<()>,
    ) -> anyhow::Result<(Exit, Catalog)> {
        let context = SealContext::new(&self.origin).redacting(self.redactor);
        let detect = self.detect.map(|(options, rules)| {
            let mut detect = Detect::new(options, context.ids().clone(), &rules);
            if let Some(keep) = &self.keep {
                let cursor = detect.resume(keep.dir());
                if let Err(error) = detect.feed(keep.dir(), cursor, WallTime::now(), requests) {
                    tracing::warn!(%error, "what came since detectors were kept cannot be read");
                }
            }
            detect
        });
        // Credentials and masks are hashed alike, so that one can be found by the other.
        let enrich = Enrich::new(self.identity, context.redactor().key().clone());
        let mut host = Host::new(self.outputs, enrich, &context)
            .keeping(self.keep)
            .learning(self.dir.as_deref())
            .detecting(detect)
            .looking_up(self.lookup)
            .told_of(self.unheard);
        if self.recorded {
            host = host.of_recording();
        } else {
            host = host.telling(&FALLS);
        }
        if let Some((board, sinks)) = self.board {
            host = host.posting(board, sinks.into_iter());
        }
        let ran = match begin(&mut host) {
            Ok(()) => pipeline::run(source, &mut host, &self.options, requests),
            Err(error) => Err(RunError::Output(error)),
        };
        if let Some(systemd) = &self.systemd {
            // It has fallen: then nobody is told.
            let _ = systemd.send(Word::Stopping);
        }
        host.settle();
        let counted = host.counted();
        let ledger = counted.ledger();
        let reason = match &ran {
            Ok(()) if requests.stopping() => "asked to stop",
            Ok(()) => "end of the recording",
            Err(RunError::Output(_)) => "an output was closed",
            Err(_) => "failed",
        };
        let stop = Detail::Stop {
            reason,
            drained: ran.is_ok(),
            ledger: ledger.counts(),
        };
        let said = match ran {
            Err(RunError::Output(_)) => Ok(()),
            _ => host.notice(Severity::Info, stop),
        };
        host.close();
        if self.ledger {
            // With what was told last, and what became of it in the journal.
            let _ = write!(io::stderr(), "{}", host.counted().ledger());
        }
        ran?;
        said?;
        Ok((Exit::Done, host.into_catalog()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Secret, redactor};
    use crate::config::parse;
    use std::path::Path;

    /// How a host whose secret lies in `file` writes a token.
    fn written(file: &Path) -> String {
        let text = format!("redact: {{ key: \"${{file:{}}}\" }}", file.display());
        let config = parse(&text).unwrap();
        let redactor = redactor(&config, Secret::Host).unwrap();
        redactor.key().hash(b"token").to_string()
    }

    #[test]
    fn a_fleet_shares_a_key_and_changes_it_by_its_file() {
        let dir = std::env::temp_dir().join(format!("eaves-fleet-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (one, other) = (dir.join("one"), dir.join("other"));
        std::fs::write(&one, "of the fleet\n").unwrap();
        std::fs::write(&other, "of the fleet").unwrap();
        let first = written(&one);
        assert_eq!((first.len(), written(&other)), (21, first.clone()));
        std::fs::write(&one, "its next one").unwrap();
        assert_ne!(written(&one), first);
        std::fs::write(&other, "its next one").unwrap();
        assert_eq!(written(&one), written(&other));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
