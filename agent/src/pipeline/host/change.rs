//! One configuration after another, between two exchanges.

use std::io;
use std::sync::Arc;

use super::Host;
use crate::detect;
use crate::event::{Detail, ReloadState, Severity};
use crate::pipeline::{Change, Detect, Refusal};
use crate::sink::cursor_name;
use crate::telemetry::Counter;

impl Host<'_> {
    /// Goes on by another configuration: all before it was done by the old one, all behind it is done
    /// by the new one, and what was learnt stays.
    pub(super) fn change(&mut self, change: Change) -> io::Result<()> {
        self.each(|output| output.flush())?;
        let redactor = Arc::clone(change.redactor());
        self.context = self.context.clone().redacting(redactor);
        self.enrich.set(change.identity);
        self.detect_by(change.detect);
        let names = change.sinks.names.clone();
        if let (Some(keep), Some(section)) = (&mut self.keep, &change.config.journal) {
            let readers = names.iter().map(|name| cursor_name(name));
            keep.set(section, readers.collect());
        }
        let mut sinks = change.sinks;
        for output in &mut self.outputs {
            output.change(&mut sinks);
        }
        self.lines = self.outputs.iter().any(|output| output.wants_lines());
        if let Some(poster) = &mut self.poster {
            poster.configured(change.config, names, &change.restart);
        }
        self.counters.add(Counter::ConfigReloads, 1);
        let (severity, restart) = if change.restart.is_empty() {
            (Severity::Info, String::new())
        } else {
            let keys = change.restart.join(", ");
            (Severity::Low, format!("; these need a restart: {keys}"))
        };
        let changed = match change.changed.as_slice() {
            [] => "nothing".to_owned(),
            keys => keys.join(", "),
        };
        tracing::info!(%changed, "the configuration was read again and is in force{restart}");
        let told = self.notice(
            severity,
            Detail::Reload {
                state: ReloadState::Done,
                changed: change.changed,
                restart: change.restart,
                reason: None,
            },
        );
        self.post();
        // Nobody waits any more: it took long.
        let _ = change.done.try_send(());
        told
    }

    /// Tells that the configuration that was read is not in force.
    pub(super) fn refused(&mut self, refusal: Refusal) -> io::Result<()> {
        self.counters.add(Counter::ConfigRefused, 1);
        if let Some(poster) = &mut self.poster {
            poster.refused(&refusal.reason);
        }
        let told = self.notice(
            Severity::Medium,
            Detail::Reload {
                state: ReloadState::Refused,
                changed: Vec::new(),
                restart: Vec::new(),
                reason: Some(refusal.reason),
            },
        );
        self.post();
        let _ = refusal.done.try_send(());
        told
    }

    /// Looks for what `wanted` says from now on.
    fn detect_by(&mut self, wanted: Option<(detect::Options, std::path::PathBuf)>) {
        match (wanted, self.detect.take()) {
            (Some((options, rules)), Some(mut running)) => {
                running.set(options, &rules);
                self.detect = Some(running);
            }
            (Some((options, rules)), None) => {
                let mut detect = Detect::new(options, self.context.ids().clone(), &rules);
                if let Some(keep) = &self.keep {
                    // What came while nothing was looked for was not to be looked at.
                    detect.resume(keep.dir());
                }
                self.detect = Some(detect);
            }
            (None, Some(mut running)) => {
                if let Some(position) = self.keep.as_ref().and_then(|keep| keep.position()) {
                    running.save(position);
                }
            }
            (None, None) => {}
        }
    }
}
