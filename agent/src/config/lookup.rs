//! Section `lookup`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Config, Period};
use crate::lookup;

/// What this host is asked about the processes that are heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Lookup {
    /// Longest that an exchange waits for what is known of its process: it is looked up beside the
    /// flow. One that waited in vain is reported with what the kernel said.
    #[schemars(extend("x-min" = "0s", "x-max" = "50ms"))]
    pub wait: Period,
}

impl Default for Lookup {
    fn default() -> Self {
        Self {
            wait: Period(lookup::Options::default().wait),
        }
    }
}

impl Config {
    /// How long is waited for what is looked up.
    #[must_use]
    pub fn lookup(&self) -> lookup::Options {
        let wait: Duration = self.lookup.wait.0;
        lookup::Options { wait }
    }
}
