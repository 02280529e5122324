//! What the shards read of an exchange's content: its values taken apart once, and what the
//! stateless detectors say of them. Pure: the same for a live exchange and for one of a file.

use crate::content::Parts;
use crate::detect::content;
use crate::detect::score::{Scorer, ScorerError, Secrets};
use crate::exchange::Exchange;
use eaves_common::Role;

/// Reads contents, one exchange after the other; one a thread.
#[derive(Debug)]
pub struct Reading {
    scorer: Scorer,
    memory: Parts<'static>,
    secrets: Option<Secrets>,
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
        })
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

    /// Puts on `exchange` what its content says. What this host asks of others is not judged: who
    /// attacks is heard where he is answered.
    pub fn read(&mut self, exchange: &mut Exchange) {
        if exchange.conn.role != Role::Server {
            return;
        }
        let parts = exchange.parts(std::mem::take(&mut self.memory));
        let mut scores = self.scorer.request(exchange, &parts);
        if let Some(secrets) = &mut self.secrets {
            Scorer::weak_secrets(&parts, secrets, &mut scores);
        }
        let content = content(&parts);
        self.memory = parts.recycle();
        exchange.known.scores = scores;
        exchange.known.content = content;
    }
}

#[cfg(test)]
mod tests;
