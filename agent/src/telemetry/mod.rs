//! Counters by enum: no strings at call sites. A stage owns its [`Counters`]; the pipeline sums them.
//! The log goes to standard error.

mod log;

pub use log::{LogError, LogFormat, LogOptions, log_to_stderr};

/// Declares [`Counter`] with the stage and the name of each.
macro_rules! counters {
    ($($(#[$doc:meta])* $variant:ident = $stage:literal, $name:literal;)+) => {
        /// What the agent counts, each at its own place, none computed from others.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Counter {
            $($(#[$doc])* $variant,)+
        }

        impl Counter {
            /// All, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Stage it belongs to.
            #[must_use]
            pub const fn stage(self) -> &'static str {
                match self { $(Self::$variant => $stage,)+ }
            }

            /// Its name in ledger and metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

counters! {
    /// Records read from the source.
    RecordsRead = "reader", "records_read";
    /// Records read that are well formed.
    RecordsDecoded = "reader", "records_decoded";
    /// Records read that are not.
    RecordsUndecodable = "reader", "records_undecodable";
}

const COUNT: usize = Counter::ALL.len();

/// One stage's counters, or the sum of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counters([u64; COUNT]);

impl Default for Counters {
    fn default() -> Self {
        Self([0; COUNT])
    }
}

impl Counters {
    /// Adds `n`.
    pub fn add(&mut self, counter: Counter, n: u64) {
        if let Some(slot) = self.0.get_mut(counter as usize) {
            *slot += n;
        }
    }

    /// How many.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.0.get(counter as usize).copied().unwrap_or(0)
    }

    /// Adds all of `other`.
    pub fn absorb(&mut self, other: &Self) {
        for (slot, n) in self.0.iter_mut().zip(other.0) {
            *slot += n;
        }
    }
}
