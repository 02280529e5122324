//! Where an exchange happened: process, container, pod.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::text::Text;
use super::time;
use crate::clock::WallTime;

/// A process on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Process<'a> {
    /// Process id, as the host's first namespace counts.
    pub pid: u32,
    /// Its name: that of its first thread, at most 15 bytes.
    pub name: Text<'a>,
    /// The file it executes, as its own root has it. With what follows it is looked up beside the
    /// flow, and absent if the process was gone by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executable: Option<Text<'a>>,
    /// Its arguments with spaces between, secrets masked; the first 4 KiB of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_line: Option<Text<'a>>,
    /// When it started.
    #[serde(
        serialize_with = "time::serialize_some",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(schema_with = "time::schema")]
    pub start: Option<WallTime>,
    /// The user whose rights it has, as its own root names them; the number if it has no name there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    /// The process that made it, or that took it over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent<'a>>,
    /// The systemd service or scope it runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<&'a str>,
}

/// The parent of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ParentProcess")]
pub struct Parent<'a> {
    /// Its process id.
    pub pid: u32,
    /// Its name.
    pub name: Text<'a>,
}

/// Where an address is, by the database that the configuration names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Geo<'a> {
    /// ISO 3166-1 code of the country, two capital letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<&'a str>,
    /// Latitude and longitude in degrees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
}

/// Parts of a degree in which places are kept: 11 m.
const DEGREE: f64 = 10_000.0;

/// Latitude and longitude, in ten-thousandths of a degree; written in degrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location(pub [i32; 2]);

impl Location {
    /// Of degrees; `None` if there is no such place, or one of them is no number.
    #[must_use]
    pub fn of(latitude: f64, longitude: f64) -> Option<Self> {
        let parts = |degrees: f64| (degrees * DEGREE).round() as i32;
        let is_one = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
        is_one.then(|| Self([latitude, longitude].map(parts)))
    }

    /// In degrees.
    #[must_use]
    pub fn degrees(self) -> [f64; 2] {
        self.0.map(|parts| f64::from(parts) / DEGREE)
    }
}

impl Serialize for Location {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.degrees().serialize(to)
    }
}

impl JsonSchema for Location {
    fn schema_name() -> Cow<'static, str> {
        "Location".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": { "type": "number" }, "minItems": 2, "maxItems": 2 })
    }
}

/// The network an address belongs to, by the database that the configuration names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct AutonomousSystem<'a> {
    /// Its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u32>,
    /// Who runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
}

/// The container that a process runs in: the innermost, where they nest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Container<'a> {
    /// As its runtime names it.
    pub id: &'a str,
    /// As people name it; only where the runtime may be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// What it was made of; only where the runtime may be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<&'a str>,
    /// Its labels; only where the runtime may be asked.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels<'a>,
}

/// The Kubernetes pod that a process runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Kubernetes<'a> {
    /// Its namespace; only where the API server is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<&'a str>,
    /// Its name; only where the API server is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<&'a str>,
    /// Its unique id.
    pub uid: &'a str,
    /// Its labels; only where the API server is asked.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels<'a>,
    /// What made it, and makes it anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner<'a>>,
}

/// What a pod belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Owner<'a> {
    /// `Deployment`, `StatefulSet`, `DaemonSet`, `Job`, …
    pub kind: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// Labels by name, in the order in which they were given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Labels<'a>(pub &'a [(String, String)]);

impl Labels<'_> {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Labels<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl JsonSchema for Labels<'_> {
    fn schema_name() -> Cow<'static, str> {
        "Labels".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": { "type": "string" } })
    }
}
