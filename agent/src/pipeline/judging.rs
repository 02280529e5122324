//! Detectors over what was recorded: each request or event in its turn, what they tell handed on.

use std::path::Path;

use super::recorded::Row;
use super::{Detect, Reading};
use crate::detect::score::ScorerError;
use crate::detect::{Facts, Options, Sealed, Told};
use crate::enrich::{Enrich, Identity};
use crate::event::Finding;
use crate::redact::{Masked, SealContext, seal};

/// Judges what was recorded as the pipeline judges what it hears.
pub struct Judging {
    context: SealContext,
    reading: Reading,
    masked: Masked,
    enrich: Enrich,
    detect: Detect,
    line: Vec<u8>,
    events: u64,
}

impl Judging {
    /// Judges by `options` and the rules in `rules`; who asked is found as `identity` says.
    ///
    /// # Errors
    /// [`ScorerError`]: a mistake of ours, which a test finds.
    pub fn new(
        options: Options,
        rules: &Path,
        identity: Identity,
        context: SealContext,
    ) -> Result<Self, ScorerError> {
        Ok(Self {
            reading: Reading::new()?.marking(&context).trying_secrets(),
            masked: Masked::new(),
            enrich: Enrich::new(identity, context.redactor().key().clone()),
            detect: Detect::new(options, context.ids().clone(), rules),
            line: Vec::new(),
            events: 0,
            context,
        })
    }

    /// Judges one request; what is told of it stands in [`Judging::tell`].
    pub fn request(&mut self, row: &mut Row) {
        let exchange = &mut row.exchange;
        self.reading.read(exchange);
        self.enrich.exchange(exchange, self.context.boot());
        row.tell();
        let exchange = &row.exchange;
        self.masked.fill(exchange, self.context.redactor());
        let event = seal(exchange, &self.masked, &self.context);
        let mut facts = Facts::of(exchange, &event);
        facts.source_id = row.id.as_deref();
        self.detect.judge(&facts, &event, &mut self.line);
    }

    /// Judges one event as sinks have it; whether `line` is one. The bytes that sealing took away are
    /// not judged: masked values, and bodies that were not kept.
    pub fn event(&mut self, line: &[u8]) -> bool {
        let Some(sealed) = Sealed::read(line) else {
            return false;
        };
        self.events += 1;
        match super::recorded::event(sealed.event(), self.events) {
            Some(mut row) => {
                self.reading.read(&mut row.exchange);
                self.masked.fill(&row.exchange, self.context.redactor());
                let event = seal(&row.exchange, &self.masked, &self.context);
                let facts = sealed.facts().with_content(&row.exchange, &event);
                self.detect.judge_line(&facts, line);
            }
            None => self.detect.judge_line(&sealed.facts(), line),
        }
        true
    }

    /// Hands on what there is to tell.
    ///
    /// # Errors
    /// That of `take`.
    pub fn tell<E>(
        &mut self,
        mut take: impl FnMut(&Finding<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let host = self.context.host();
        let all: Vec<Told> = self.detect.take_told();
        all.iter().try_for_each(|told| take(&told.finding(host)))
    }
}

#[cfg(test)]
mod tests;
