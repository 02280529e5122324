//! Section `journal`.

use std::borrow::Cow;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize, Serializer};

use super::{Period, Size};
use crate::journal;

/// The durable log of all events, from which they can be read again and proved. Without this section
/// none is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Journal {
    /// Its folder. It is made if it is not there.
    #[schemars(extend("x-check" = "absolute_path"))]
    pub dir: PathBuf,
    /// How much is kept. Whole segments are deleted, the oldest first.
    pub keep: Keep,
    /// Bytes of the file system that are left free. Toward that, what is worth least is left out first, and counted.
    pub min_free: Size,
    /// How soon what is written survives a loss of power; `always`: as soon as a frame of records
    /// is closed. Findings do at once.
    #[schemars(extend("x-min" = "10ms", "x-max" = "1m"))]
    pub sync: Sync,
    /// Whether what a sink has yet to get may be deleted. If not, new exchanges are left out
    /// while the journal is full.
    pub drop_unsent: bool,
    /// Of which exchanges bodies are written.
    pub bodies: Bodies,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            dir: PathBuf::from(journal::DEFAULT_DIR),
            keep: Keep::default(),
            min_free: Size::mebi(1024),
            sync: Sync(journal::Sync::Every(Period::seconds(1).0)),
            drop_unsent: false,
            bodies: Bodies::Findings,
        }
    }
}

/// How much of the journal is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Keep {
    /// Most bytes of all segments.
    #[schemars(extend("x-min" = "16MiB", "x-max" = "64TiB"))]
    pub bytes: Size,
    /// Age at which a segment is deleted.
    #[schemars(extend("x-min" = "1h", "x-max" = "3660d"))]
    pub age: Period,
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            bytes: Size::mebi(10 * 1024),
            age: Period::minutes(30 * 24 * 60),
        }
    }
}

/// Of which exchanges bodies are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bodies {
    /// Of none
    None,
    /// Of those that a finding is about
    #[default]
    Findings,
    /// Of all
    All,
}

/// A period, or `always`: as soon as a frame is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sync(pub journal::Sync);

const ALWAYS: &str = "always";

impl Serialize for Sync {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            journal::Sync::Always => to.serialize_str(ALWAYS),
            journal::Sync::Every(period) => Period(period).serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Sync {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        if text == ALWAYS {
            return Ok(Self(journal::Sync::Always));
        }
        let period: Period = text.parse().map_err(de::Error::custom)?;
        Ok(Self(journal::Sync::Every(period.0)))
    }
}

impl JsonSchema for Sync {
    fn schema_name() -> Cow<'static, str> {
        "Sync".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Period::json_schema(generator);
        schema.remove("pattern");
        schema.insert("x-word".to_owned(), ALWAYS.into());
        schema
    }
}
