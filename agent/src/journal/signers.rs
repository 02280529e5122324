//! Whose signatures hold along a chain.

use super::happened::Checkpoint;
use super::key::PublicKey;
use super::segment::{Hash, NO_HASH};

/// A place from which on another key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// The first segment of the new key.
    pub segment: u64,
    /// The key before, which has signed that the other follows.
    pub from: PublicKey,
    /// The key from there on.
    pub to: PublicKey,
}

/// The keys of a chain, as a walk through it comes to them.
///
/// The first may be any: a later one that is trusted signs all before it too, and each that follows must have
/// been named by the one before.
#[derive(Debug, Default)]
pub(super) struct Signers {
    trusted: Option<PublicKey>,
    /// Signs where the walk is.
    now: Option<PublicKey>,
    /// The trusted key has signed, or has named who does.
    proved: bool,
    /// Follows, once it is signed.
    named: Option<Hash>,
    /// Follows.
    heir: Option<Hash>,
    changes: Vec<KeyChange>,
}

impl Signers {
    /// Of a chain that `trusted` must have signed; without one, its first key is taken.
    pub(super) fn new(trusted: Option<PublicKey>) -> Self {
        Self {
            trusted,
            ..Self::default()
        }
    }

    /// A segment begins that is signed by `key`: whether it may be.
    pub(super) fn begin(&mut self, segment: u64, key: Hash) -> bool {
        let to = PublicKey(key);
        match self.now {
            None => self.proved = self.trusted.is_none_or(|trusted| trusted == to),
            Some(from) if from == to => {}
            Some(from) if self.heir == Some(key) => {
                self.changes.push(KeyChange { segment, from, to });
            }
            Some(_) => return false,
        }
        self.now = Some(to);
        true
    }

    /// The chain says that `key` follows.
    pub(super) const fn name(&mut self, key: Hash) {
        self.named = Some(key);
    }

    /// The key that signs has signed all up to here.
    pub(super) fn signed(&mut self) {
        self.heir = self.named.take().or(self.heir);
        self.proved |= self.now == self.trusted;
    }

    /// The key that signs where the walk is.
    pub(super) fn key(&self) -> Option<PublicKey> {
        self.now
    }

    /// The key whose signature is looked for; none can sign for one that is not there.
    pub(super) fn signer(&self) -> PublicKey {
        self.now.unwrap_or(PublicKey(NO_HASH))
    }

    /// Whether the key that is trusted stands for the chain.
    pub(super) const fn is_proved(&self) -> bool {
        self.proved
    }

    /// Where another key took over.
    pub(super) fn changes(&self) -> Vec<KeyChange> {
        self.changes.clone()
    }

    /// Whether a checkpoint that was seen elsewhere is by a key of this chain, or by the one that is trusted; by
    /// any, if none is known.
    pub(super) fn has_signed(&self, checkpoint: &Checkpoint) -> bool {
        let before = self.changes.iter().map(|change| change.from);
        let mut keys = before.chain(self.now).chain(self.trusted).peekable();
        let own = PublicKey(checkpoint.key);
        match keys.peek() {
            Some(_) => keys.any(|key| checkpoint.is_signed_by(&key)),
            None => checkpoint.is_signed_by(&own),
        }
    }
}
