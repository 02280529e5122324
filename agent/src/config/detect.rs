//! Section `detect`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Period;
use crate::clock::WallTime;
use crate::detect::{self, Change, Id, Network};
use crate::event::parse_stamp;

/// Which attacks are looked for, and how. [catalogue.md](catalogue.md) describes every detector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Detect {
    /// Whether anything is looked for.
    pub enabled: bool,
    /// Detectors that do not look, as `loc-02`.
    #[schemars(extend("x-check-items" = "detector", "uniqueItems" = true))]
    pub disable: Vec<String>,
    /// Detectors that are set otherwise, each by its id.
    #[schemars(extend("maxProperties" = 128, "x-check-keys" = "detector"))]
    pub detectors: BTreeMap<String, DetectorEntry>,
    /// What is counted and learnt from, but not reported.
    #[schemars(extend("maxItems" = 256))]
    pub suppress: Vec<ExemptEntry>,
    /// What is not even looked at: a scanner of your own, a health check. Neither is it learnt from.
    #[schemars(extend("maxItems" = 256))]
    pub allow: Vec<ExemptEntry>,
    /// Folder of rules of your own, `*.yaml`, Sigma's too; see [rules.md](rules.md). Read again as they change.
    #[schemars(extend("x-check" = "absolute_path"))]
    pub rules: PathBuf,
    /// Incidents that may open in a minute; those left out are counted in the next finding.
    #[schemars(range(min = 1, max = 100_000))]
    pub per_minute: u32,
    /// How long nothing may be added until an incident is over.
    #[schemars(extend("x-min" = "1m", "x-max" = "1d"))]
    pub quiet: Period,
    /// How long an endpoint is watched until what is usual there counts as known.
    #[schemars(extend("x-min" = "1m", "x-max" = "90d"))]
    pub learn: Period,
    /// Exchanges of an endpoint that do as well.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub learn_events: u64,
}

impl Default for Detect {
    fn default() -> Self {
        let usual = detect::Options::default();
        Self {
            enabled: true,
            disable: Vec::new(),
            detectors: BTreeMap::new(),
            suppress: Vec::new(),
            allow: Vec::new(),
            rules: PathBuf::from("/etc/eaves/rules.d"),
            per_minute: usual.per_minute,
            quiet: Period::seconds(usual.quiet_s.into()),
            learn: Period::seconds(usual.learn_s.into()),
            learn_events: usual.learn_events,
        }
    }
}

/// How a detector is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DetectorEntry {
    /// The count from which on it speaks; what it counts, catalogue.md says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub threshold: Option<u64>,
    /// Over how long it counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-min" = "10s", "x-max" = "7d"))]
    pub window: Option<Period>,
    /// Whether what it finds is reported as `info` with the tag `dry-run`.
    pub dry_run: bool,
}

/// What is not reported or not looked at: all keys that are given must fit. One that says nothing would
/// fit everything, for good.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct ExemptEntry {
    /// Detectors and rules, by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("minItems" = 1))]
    pub detectors: Vec<String>,
    /// Accounts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("minItems" = 1))]
    pub users: Vec<String>,
    /// Addresses and networks of clients, as `10.0.0.0/8`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("minItems" = 1, "x-check-items" = "network"))]
    pub clients: Vec<String>,
    /// Routes; one that ends in `*` is a beginning.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("minItems" = 1))]
    pub routes: Vec<String>,
    /// Until when, as `2026-12-31T00:00:00Z`. Left out: always.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-check" = "time"))]
    pub until: Option<String>,
}

impl Detect {
    /// What the detectors are told; `None` if nothing is looked for.
    #[must_use]
    pub fn options(&self) -> Option<detect::Options> {
        if !self.enabled {
            return None;
        }
        let mut changes: Vec<(Id, Change)> = Vec::new();
        for (id, entry) in &self.detectors {
            // The check of the file has refused what is no detector.
            let Ok(id) = id.parse() else { continue };
            let change = Change {
                disabled: false,
                dry_run: entry.dry_run,
                threshold: entry.threshold,
                window_s: entry.window.map(seconds),
            };
            changes.push((id, change));
        }
        for id in self.disable.iter().filter_map(|id| id.parse().ok()) {
            let disabled = Change {
                disabled: true,
                ..Change::default()
            };
            changes.retain(|(other, _)| *other != id);
            changes.push((id, disabled));
        }
        let networks = |texts: &[String]| -> Vec<Network> {
            texts.iter().filter_map(|text| text.parse().ok()).collect()
        };
        let time = |text: &String| -> Option<WallTime> { parse_stamp(text.as_bytes()) };
        let exempt = |entries: &[ExemptEntry]| -> Vec<detect::Exempt> {
            let each = entries.iter().map(|entry| detect::Exempt {
                detectors: entry.detectors.clone(),
                users: entry.users.clone(),
                clients: networks(&entry.clients),
                routes: entry.routes.clone(),
                until: entry.until.as_ref().and_then(time),
            });
            each.collect()
        };
        Some(detect::Options {
            detectors: changes,
            suppress: exempt(&self.suppress),
            allow: exempt(&self.allow),
            per_minute: self.per_minute,
            quiet_s: seconds(self.quiet),
            learn_s: seconds(self.learn),
            learn_events: self.learn_events,
            specification: Arc::default(),
        })
    }
}

fn seconds(period: Period) -> u32 {
    u32::try_from(period.0.as_secs()).unwrap_or(u32::MAX)
}
