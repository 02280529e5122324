//! What its content says of a request without knowing any other.

use std::ops::Range;

use crate::content::{Container, Layers};

/// What the stateless detectors found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scores {
    /// The highest sum of any detector, fired or not.
    pub highest: u8,
    /// What fired, a detector once.
    pub hits: Vec<ScoreHit>,
}

/// One detector that fired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoreHit {
    /// Its id: `inj-01`.
    pub detector: &'static str,
    /// The rule of its grammar that weighed most.
    pub rule: &'static str,
    /// The sum.
    pub score: u8,
    /// The name of the part: `request.query.id`.
    pub part: Box<str>,
    /// Where in the message that lies.
    pub container: Container,
    /// Its bytes there.
    pub range: Range<usize>,
    /// What stood there, decoded, unmasked, at most 200 bytes.
    pub fragment: Box<[u8]>,
    /// What was taken off it.
    pub layers: Layers,
    /// What of the answer proves that it worked; empty if nothing does.
    pub proof: &'static str,
}

impl Scores {
    /// Memory they hold beyond their own size, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let texts: usize = self
            .hits
            .iter()
            .map(|hit| hit.part.len() + hit.fragment.len())
            .sum();
        self.hits.capacity() * size_of::<ScoreHit>() + texts
    }

    /// Whether `detector` fired.
    #[must_use]
    pub fn has(&self, detector: &str) -> bool {
        self.hits.iter().any(|hit| hit.detector == detector)
    }
}
