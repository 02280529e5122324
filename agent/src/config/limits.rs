//! Section `limits`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::{Cores, Period, Size};

/// What Eaves may use at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// All memory of the agent: heap, ring and kernel maps.
    #[schemars(extend("x-min" = "32MiB", "x-max" = "64GiB"))]
    pub memory: Size,
    /// Processor time of the agent, in cores; not that of the kernel programs, which is part of the
    /// calls they hear. Above nine tenths of it, bodies are kept shorter, then static assets left out,
    /// then repeats of plain answers; never who signs in, nor errors.
    #[schemars(extend("x-min" = "0.01", "x-max" = "1024"))]
    pub cpu: Cores,
    /// Connections followed at once. Beyond, the one that was silent longest is forgotten.
    #[schemars(range(min = 16, max = 4_000_000))]
    pub connections: u32,
    /// Bytes held for one connection, but for what of its calls waits milliseconds for its turn: two
    /// calls at most.
    #[schemars(extend("x-min" = "128KiB", "x-max" = "1GiB"))]
    pub connection: Size,
    /// If nothing moves on a connection for so long, what is under way on it is given up and
    /// reported as it is.
    #[schemars(extend("x-min" = "1s", "x-max" = "1d"))]
    pub idle: Period,
    /// A connection on which nothing moved for so long is forgotten; if it speaks again, it is
    /// joined anew.
    #[schemars(extend("x-min" = "1m", "x-max" = "366d"))]
    pub forget: Period,
    /// Bytes of a message's head. A longer one is reported as far as it was kept.
    #[schemars(extend("x-min" = "1KiB", "x-max" = "1MiB"))]
    pub head: Size,
    /// Fields of a message's head.
    #[schemars(range(min = 16, max = 10_000))]
    pub fields: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: Size::mebi(256),
            cpu: Cores(1000),
            connections: 65_536,
            connection: Size::mebi(1),
            idle: Period::minutes(5),
            forget: Period::minutes(24 * 60),
            head: Size::kibi(64),
            fields: 256,
        }
    }
}
