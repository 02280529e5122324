//! What of an exchange was seen for the first time.

/// One thing that is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Novel {
    /// Nothing was ever asked of this host name.
    Host,
    /// This endpoint was never seen to answer with success or redirection.
    Endpoint,
    /// The endpoint never answered with this status.
    Status,
    /// The endpoint never had one of the parameters.
    Parameter,
    /// One of its parameters never had a value of this shape.
    Shape,
}

/// Things that are new, each once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Novelty(u8);

impl Novelty {
    /// Adds one.
    pub const fn add(&mut self, novel: Novel) {
        self.0 |= 1 << novel as u8;
    }

    /// Whether `novel` is among them.
    #[must_use]
    pub const fn has(self, novel: Novel) -> bool {
        self.0 & 1 << novel as u8 != 0
    }

    /// Whether nothing is new.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}
