//! SIGHUP: the configuration is read and checked aside, and only when all of it can be used the
//! pipeline is asked to go on by it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use super::session::{self, HearArgs};
use super::systemd::Word;
use crate::config::{Config, ConfigError, Live, Within};
use crate::guard::{May, Wall, keeping, raised};
use crate::pipeline::{Change, Refusal, Requests};
use crate::redact::Redactor;
use crate::telemetry::kept;

/// The thread.
const NAME: &str = "eaves-reload";

/// How often is looked whether the agent stops, while the pipeline is waited for.
const LOOK: Duration = Duration::from_millis(100);

/// Mistakes of a file that are logged.
const LOGGED_MAX: usize = 20;

/// What is needed to read the configuration again.
pub(super) struct Reload {
    /// Where it lies, and what the command line says against it.
    pub(super) args: HearArgs,
    /// What is in force.
    pub(super) config: Config,
    /// What masks.
    pub(super) redactor: Arc<Redactor>,
    /// Who is told that it is read.
    pub(super) systemd: Option<Sender<Word>>,
    /// What reading it, and making ready what it names, may do.
    pub(super) may: May,
    /// What reading the rules may do.
    pub(super) rules: May,
}

/// Reads the configuration again when asked, until it is dropped.
pub(super) struct Reloader {
    thread: Option<(SyncSender<()>, JoinHandle<()>)>,
}

impl Reload {
    /// Waits to be asked, on a thread of its own.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(super) fn start(self, requests: &Arc<Requests>) -> std::io::Result<Reloader> {
        let (asks, asked) = sync_channel(1);
        let (requests, is_over) = (Arc::clone(requests), Arc::clone(requests));
        let may = self.may.clone();
        let (mut reading, mut fell) = (Reading::of(self), false);
        let reading = kept(
            NAME,
            move || is_over.stopping(),
            move || {
                if std::mem::replace(&mut fell, true) {
                    // What it fell over is over.
                    reading.tell(Word::Reloaded);
                }
                reading.run(&asked, &requests);
            },
        );
        let thread = thread::Builder::new().name(NAME.into());
        let thread = thread.spawn(keeping(may, reading))?;
        Ok(Reloader {
            thread: Some((asks, thread)),
        })
    }
}

impl Reloader {
    /// Asks for the configuration to be read: again, if it is being read.
    pub(super) fn asks(&self) -> impl Fn() + Send + 'static {
        let asks = self.thread.as_ref().map(|(asks, _)| asks.clone());
        move || {
            if let Some(asks) = &asks {
                // Full: it will be read after this moment anyway. Gone: the agent stops.
                let _ = asks.try_send(());
            }
        }
    }
}

impl Drop for Reloader {
    fn drop(&mut self) {
        if let Some((asks, thread)) = self.thread.take() {
            drop(asks);
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

struct Reading {
    reload: Reload,
    stamps: BTreeMap<String, Vec<Stamp>>,
}

impl Reading {
    fn of(reload: Reload) -> Self {
        Self {
            stamps: stamps(&reload.config),
            reload,
        }
    }

    fn run(&mut self, asked: &Receiver<()>, requests: &Requests) {
        while let Ok(()) = asked.recv() {
            if requests.stopping() {
                return;
            }
            self.tell(Word::Reloading);
            let done = match self.prepare() {
                Ok((change, config, redactor, stamps, done)) => {
                    requests.change(change);
                    (self.reload.config, self.reload.redactor) = (config, redactor);
                    self.stamps = stamps;
                    done
                }
                Err(error) => {
                    let (refusal, done) = Refusal::of(refused(&error));
                    requests.refuse(refusal);
                    done
                }
            };
            while let Err(RecvTimeoutError::Timeout) = done.recv_timeout(LOOK) {
                if requests.stopping() {
                    return;
                }
            }
            self.tell(Word::Reloaded);
        }
    }

    fn tell(&self, word: Word) {
        if let Some(systemd) = &self.reload.systemd {
            // It has ended: so does the agent.
            let _ = systemd.send(word);
        }
    }

    /// Reads and checks everything, and makes it ready.
    #[expect(
        clippy::type_complexity,
        reason = "handed to one caller, which takes it apart"
    )]
    fn prepare(
        &self,
    ) -> anyhow::Result<(
        Change,
        Config,
        Arc<Redactor>,
        BTreeMap<String, Vec<Stamp>>,
        Receiver<()>,
    )> {
        let Reload {
            args,
            config,
            redactor,
            may,
            rules,
            ..
        } = &self.reload;
        let within = Within { files: may, rules };
        let stands = raised().is_some_and(|walls| matches!(walls.files, Wall::Stands(_)));
        let mut live = config.live(&args.config()?, stands.then_some(&within))?;
        let redactor = masking(config, redactor, &mut live)?;
        let stamps = stamps(&live.config);
        let is_stale = |name: &str| stamps.get(name) != self.stamps.get(name);
        let host = session::host_name();
        let next = live.config.clone();
        let (change, done) = Change::of(config, live, Arc::clone(&redactor), &host, is_stale)?;
        Ok((change, next, redactor, stamps, done))
    }
}

/// What masks from now on, with the key of the start.
fn masking(old: &Config, before: &Arc<Redactor>, live: &mut Live) -> anyhow::Result<Arc<Redactor>> {
    const NAME: &str = "redact.key";
    if let Some(key) = &live.config.redact.key {
        let text = key.read().context(NAME)?;
        let key = crate::keyed::HashKey::new(text.expose().as_bytes());
        let is_same = key.hash(NAME.as_bytes()) == before.key().hash(NAME.as_bytes());
        if !is_same && !live.restart.iter().any(|name| name == NAME) {
            live.restart.push(NAME.to_owned());
        }
    }
    if live.config.redact == old.redact {
        return Ok(Arc::clone(before));
    }
    let options = live.config.redact.options();
    Ok(Arc::new(Redactor::new(options, before.key().clone())))
}

/// Says in the log what is wrong: the same in one line.
fn refused(error: &anyhow::Error) -> String {
    const STAYS: &str = "the configuration was read again and is refused, the one before stays";
    if let Some(ConfigError::Mistakes(report)) = error.downcast_ref() {
        for mistake in report.lines().take(LOGGED_MAX) {
            tracing::error!("{STAYS}: {mistake}");
        }
        return report.summary();
    }
    // The mark of the exit code is for the command line.
    let mark = super::Exit::Usage.to_string();
    let causes = error.chain().map(ToString::to_string);
    let why: Vec<_> = causes.filter(|cause| *cause != mark).collect();
    let why = why.join(": ");
    tracing::error!("{STAYS}: {why}");
    why
}

/// A file beside the configuration that a sink reads when it is opened: a secret, a certificate.
type Stamp = (PathBuf, Option<(i64, i64, u64, u64)>);

/// The files of each sink, and when they were changed.
fn stamps(config: &Config) -> BTreeMap<String, Vec<Stamp>> {
    let each = config.sinks.iter().map(|(name, entry)| {
        let mut files = Vec::new();
        // Our own types are written without fail.
        let entry = serde_json::to_value(entry).unwrap_or_default();
        files_in(&entry, false, &mut files);
        (name.clone(), files)
    });
    each.collect()
}

fn files_in(value: &Value, in_tls: bool, files: &mut Vec<Stamp>) {
    match value {
        Value::Object(inside) => {
            for (name, below) in inside {
                files_in(below, in_tls || name == "tls", files);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| files_in(item, in_tls, files)),
        Value::String(text) => {
            let secret = text.strip_prefix("${file:");
            let secret = secret.and_then(|rest| rest.strip_suffix('}'));
            let certificate = Some(text.as_str()).filter(|text| in_tls && text.starts_with('/'));
            if let Some(path) = secret.or(certificate) {
                let there = fs::metadata(path).ok();
                let stamp =
                    there.map(|file| (file.mtime(), file.mtime_nsec(), file.size(), file.ino()));
                files.push((path.into(), stamp));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::{masking, stamps};
    use crate::config::parse;
    use crate::keyed::HashKey;
    use crate::redact::Redactor;

    #[test]
    fn a_secret_that_is_changed_in_its_file_is_seen() {
        let dir = std::env::temp_dir().join(format!("eaves-stamps-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let (secret, ca) = (dir.join("secret"), dir.join("ca.pem"));
        let yaml = format!(
            "journal: {{}}
sinks:
  hook: {{ webhook: {{ url: 'https://a.example/', secret: '${{file:{}}}' }}, tls: {{ ca: {} }} }}
  out: {{ file: {{ path: {} }} }}
",
            secret.display(),
            ca.display(),
            dir.join("out").display()
        );
        let config = parse(&yaml).unwrap();
        let none = stamps(&config);
        assert_eq!((none["hook"].len(), none["out"].len()), (2, 0));
        let mut before = none;
        for (file, text) in [(&secret, "one"), (&secret, "other"), (&ca, "PEM")] {
            fs::write(file, text).unwrap();
            let now = stamps(&config);
            assert_ne!(now, before, "{text}");
            before = now;
        }
        assert_eq!(stamps(&config), before);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn another_key_in_its_file_needs_a_restart_and_is_not_used() {
        let file = std::env::temp_dir().join(format!("eaves-reload-key-{}", std::process::id()));
        let yaml = format!("redact: {{ key: '${{file:{}}}' }}", file.display());
        fs::write(&file, "one").unwrap();
        let old = parse(&yaml).unwrap();
        let before = Arc::new(Redactor::new(old.redact.options(), HashKey::new(b"one")));
        let check = |text: &str, named: &[&str]| {
            fs::write(&file, text).unwrap();
            let new = parse(&yaml.replace("{ key", "{ names: [a], key")).unwrap();
            let mut live = old.live(&new, None).unwrap();
            let redactor = masking(&old, &before, &mut live).unwrap();
            assert_eq!(live.restart, named, "{text}");
            assert_eq!(redactor.key().hash(b"x"), before.key().hash(b"x"));
            assert!(!Arc::ptr_eq(&redactor, &before));
            let mut same = old.live(&old, None).unwrap();
            let redactor = masking(&old, &before, &mut same).unwrap();
            assert!(Arc::ptr_eq(&redactor, &before), "what is the same stays");
        };
        check("one\n", &[]);
        check("other", &["redact.key"]);
        fs::remove_file(&file).unwrap();
        let mut live = old.live(&old, None).unwrap();
        assert!(masking(&old, &before, &mut live).is_err());
    }
}
