//! A token whose secret is yet to be guessed, beside the flow.

use super::ScoreHit;

/// The first token of its issuer and key that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guess {
    /// The token, as it was sent.
    pub token: Box<[u8]>,
    /// What is found should its secret be a known one; the fragment is the secret, masked.
    pub hit: ScoreHit,
}
