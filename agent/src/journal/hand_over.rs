//! One key after the other in one chain.
//!
//! Who puts another key in the place of the journal's leaves the one before beside it, with `.old` behind its
//! name. The next start goes on with that one just long enough to sign that the other follows: who trusts
//! either can then prove all of the chain.

use ed25519_dalek::SigningKey;

use super::JournalError;
use super::happened::{Happened, body};
use super::key::PublicKey;
use super::recover::Recovered;
use super::segment::Hash;
use super::writer::Journal;
use crate::clock::Moment;

/// Who signs, and who after that.
pub(super) struct Signing {
    pub(super) key: SigningKey,
    pub(super) heir: Option<SigningKey>,
    /// Who signed before, if that is another and cannot hand over.
    pub(super) before: Option<Hash>,
}

impl Journal {
    /// Which keys go on with what was found.
    ///
    /// # Errors
    /// A key cannot be read or made, or is none.
    pub(super) fn signing(&self, found: &Recovered) -> Result<Signing, JournalError> {
        let place = &self.options.key;
        let key = place.load_or_make()?;
        let before = found.segments.last().map(|segment| segment.key);
        let before = before.filter(|before| *before != PublicKey::of(&key).0);
        let old = match before {
            None => {
                self.forget_old();
                None
            }
            Some(before) => {
                let old = place.load_old()?;
                old.filter(|old| PublicKey::of(old).0 == before)
            }
        };
        Ok(match old {
            Some(old) => Signing {
                key: old,
                heir: Some(key),
                before: None,
            },
            None => Signing {
                key,
                heir: None,
                before,
            },
        })
    }

    /// Signs that another key follows, if one is to, and lets it. What fails is tried again.
    pub(super) fn hand_over(&mut self, now: Moment) {
        let durable = self.syncer.synced().before();
        let flushed = self.flush(now) && self.space.admits_link(self.taken());
        let Some(chain) = self.chain.as_mut().filter(|_| flushed) else {
            return;
        };
        let Some(heir) = chain.heir() else { return };
        let from = chain.signer();
        let handover = body::Handover {
            date: now.date,
            key: heir.0,
        };
        chain.seal_handover(&handover, durable);
        if !self.flush(now) || !self.checkpoint(now) {
            return;
        }
        // The other key signs nothing before it is durable that it may.
        self.sync(None);
        self.syncer.drain();
        self.take_done(now);
        let before = self.syncer.synced().before();
        let Some(chain) = &mut self.chain else { return };
        if before < chain.sequence() {
            return;
        }
        chain.succeed();
        self.happened.push(Happened::KeyChanged {
            from,
            to: heir,
            handed_over: true,
        });
        // The first of the new key proves all that the old one has signed.
        self.checkpoint(now);
        self.forget_old();
    }

    fn forget_old(&self) {
        if let Err(error) = self.options.key.forget_old() {
            tracing::warn!(%error, "the key that signed before cannot be deleted");
        }
    }
}
