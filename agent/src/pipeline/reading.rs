//! What is read of an exchange's content, behind the shards: its values taken apart once, what of them
//! is sensitive, and what the stateless detectors say of them. Pure: the same for a live exchange and
//! for one of a file.

use std::sync::Arc;

use crate::clock::BootTime;
use crate::content::{Parts, operation};
use crate::detect::content;
use crate::detect::score::{Scorer, ScorerError, Secrets, Untried};
use crate::exchange::{Exchange, Operation, Scores};
use crate::redact::{Marker, Redactor, SealContext};
use eaves_common::Role;

/// Reads contents, one exchange after the other; one a thread.
#[derive(Debug)]
pub struct Reading {
    scorer: Scorer,
    memory: Parts<'static>,
    secrets: Option<Secrets>,
    /// Where secrets are guessed beside the flow.
    untried: Option<Untried>,
    redactor: Option<Arc<Redactor>>,
    marker: Marker,
    boot: BootTime,
}

impl Reading {
    /// Builds the grammars, which is dear.
    ///
    /// # Errors
    /// [`ScorerError`]: a mistake of ours, which a test finds.
    pub fn new() -> Result<Self, ScorerError> {
        Ok(Self {
            scorer: Scorer::new()?,
            memory: Parts::new(),
            secrets: None,
            untried: None,
            redactor: None,
            marker: Marker::new(),
            boot: BootTime::default(),
        })
    }

    /// Marks what is sensitive too, as `context` seals it, and counts times from its boot; else they
    /// count from the start of 1970, as those of recorded requests do.
    #[must_use]
    pub fn marking(self, context: &SealContext) -> Self {
        Self {
            redactor: Some(Arc::clone(context.redactor())),
            boot: context.boot(),
            ..self
        }
    }

    /// Tries on tokens the secrets that everybody knows, a tenth of a second for each issuer and key:
    /// for recorded requests alone.
    #[must_use]
    pub fn trying_secrets(self) -> Self {
        Self {
            secrets: Some(Secrets::new()),
            ..self
        }
    }

    /// Leaves on exchanges the tokens whose secrets are to be guessed by somebody else.
    #[must_use]
    pub(super) fn leaving_guesses(self) -> Self {
        Self {
            untried: Some(Untried::default()),
            ..self
        }
    }

    /// Marks what `redactor` says from now on.
    pub(super) fn set(&mut self, redactor: &Arc<Redactor>) {
        if let Some(before) = &mut self.redactor {
            before.clone_from(redactor);
        }
    }

    /// Marks an exchange anew that was read by another redactor and is still here.
    pub(super) fn mark_again(&mut self, exchange: &mut Exchange) {
        let Some(redactor) = &self.redactor else {
            return;
        };
        let parts = exchange.parts(std::mem::take(&mut self.memory));
        let marks = self.marker.mark(redactor, &parts);
        let operation = operation(&parts).map(|found| Box::new(Operation::of(&found)));
        self.memory = parts.recycle();
        exchange.known.marks = Some(marks);
        exchange.known.operation = operation;
        self.marker.hide_names(redactor, exchange);
    }

    /// Some guesses came to nothing: leaves tokens like those again.
    pub(super) fn guess_again(&mut self) {
        if let Some(untried) = &mut self.untried {
            untried.forget();
        }
    }

    /// Puts on `exchange` what its content says. What this host asks of others is not judged: who
    /// attacks is heard where he is answered.
    pub fn read(&mut self, exchange: &mut Exchange) {
        let is_judged = exchange.conn.role == Role::Server;
        if !is_judged && self.redactor.is_none() {
            return;
        }
        let parts = exchange.parts(std::mem::take(&mut self.memory));
        let redactor = self.redactor.as_deref();
        let marks = redactor.map(|redactor| self.marker.mark(redactor, &parts));
        let mut scores = if is_judged {
            self.scorer.request(exchange, &parts, self.boot)
        } else {
            Scores::default()
        };
        if let Some(secrets) = self.secrets.as_mut().filter(|_| is_judged) {
            Scorer::weak_secrets(&parts, secrets, &mut scores);
        }
        let untried = self.untried.as_mut().filter(|_| is_judged);
        let guess = untried.and_then(|untried| Scorer::untried(&parts, untried));
        let content = content(&parts);
        let operation = operation(&parts).map(|found| Box::new(Operation::of(&found)));
        self.memory = parts.recycle();
        exchange.known.marks = marks;
        exchange.known.scores = scores;
        exchange.known.guess = guess;
        exchange.known.content = content;
        exchange.known.operation = operation;
        if let Some(redactor) = redactor {
            self.marker.hide_names(redactor, exchange);
        }
    }
}

#[cfg(test)]
mod layers;
#[cfg(test)]
mod tests;
