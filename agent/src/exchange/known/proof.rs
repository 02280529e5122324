//! What the process did that shows that an attempt worked.

/// An act of the process that serves, or of a descendant of it, that holds what a request asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The detector whose hit it proves.
    pub detector: &'static str,
    /// The act, in words, unmasked.
    pub act: Box<str>,
}
