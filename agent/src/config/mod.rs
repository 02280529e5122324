//! [`Config`]: the sum of the rooms' options, as one YAML file gives them.
//!
//! In: the file, those beside it, variables. Out: a [`Config`] in which every value is allowed, or
//! every mistake, each with line, column and what is allowed. The doc comments of the types are the manual
//! (`docs/configuration.md`), the types' JSON Schema is what a file is held against.

mod api;
mod capture;
mod check;
mod detect;
mod journal;
mod layers;
mod limits;
mod live;
mod load;
mod lookup;
mod openapi;
mod protobuf;
mod redact;
mod report;
mod rooms;
mod show;
mod sinks;
mod tree;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::enrich::Identity;
pub use crate::sink::Kind;
pub use api::{Api, Listen};
pub use capture::{BODY_MAX, BodyLimits, Capture, Exclude, Mode, Role};
pub use detect::{Detect, DetectorEntry, ExemptEntry};
pub use journal::{Bodies, Journal, Keep, Sync};
pub use layers::FILE_MAX_BYTES;
pub use limits::Limits;
pub use live::{Live, NeedsRestart, Within};
pub use load::{ConfigError, Loaded, load, parse};
pub use lookup::{Lookup, node_name};
pub use openapi::OpenapiError;
pub use protobuf::DescriptorError;
pub use redact::{Allow, Pseudonymise, Redact, RouteRules};
pub use report::{Mistake, Mistakes, Place, Report};
pub use rooms::CgroupError;
pub use sinks::{BatchEntry, Compression, FileSink, From, SinkEntry, SinkKind, StdoutSink};

pub use crate::units::{Period, Size, UnitError};

use std::collections::BTreeMap;

/// Where the configuration lies if no other file is named.
pub const DEFAULT_FILE: &str = "/etc/eaves/eaves.yaml";

/// The configuration file. Every section and every key may be left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Configuration of Eaves")]
pub struct Config {
    /// What is heard.
    pub capture: Capture,
    /// What Eaves may use at most.
    pub limits: Limits,
    /// How it is known who asked and for what: the client behind proxies, the account, the endpoint.
    pub identity: Identity,
    /// What is asked about the processes that are heard.
    pub lookup: Lookup,
    /// What is masked before anything is written. Passwords, tokens, keys, cookies, payment cards and
    /// personal data are, without a word here.
    pub redact: Redact,
    /// Which attacks are looked for, and how.
    pub detect: Detect,
    /// The durable log of all events, from which sinks are told, and which can be read again and proved.
    /// Without this section none is kept, and only `stdout` and `file` can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<Journal>,
    /// Where metrics and health can be asked for. Without this section nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
    /// Where events go: a name of your own for each, its type with its options, and what goes there.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 64, "x-check-keys" = "name"))]
    pub sinks: BTreeMap<String, SinkEntry>,
}

impl Default for Config {
    /// Everything on standard output.
    fn default() -> Self {
        let stdout = SinkEntry {
            stdout: Some(StdoutSink {}),
            ..SinkEntry::default()
        };
        Self {
            capture: Capture::default(),
            limits: Limits::default(),
            identity: Identity::default(),
            lookup: Lookup::default(),
            redact: Redact::default(),
            detect: Detect::default(),
            journal: None,
            api: None,
            sinks: BTreeMap::from([("stdout".to_owned(), stdout)]),
        }
    }
}

impl Config {
    /// What no single value shows: values that do not go together, each with where it stands.
    fn contradictions(&self) -> Vec<(Vec<String>, String)> {
        let mut found = Vec::new();
        let at = |path: &[&str]| path.iter().map(|step| (*step).to_owned()).collect();
        if self.capture.ring.bytes() > self.limits.memory.bytes() / 2 {
            let half = Size(self.limits.memory.bytes() / 2);
            found.push((
                at(&["capture", "ring"]),
                format!(
                    "is more than half of limits.memory, which holds it too; allowed: up to {half}"
                ),
            ));
        }
        if self.limits.connection.bytes() > self.limits.memory.bytes() / 4 {
            let quarter = Size(self.limits.memory.bytes() / 4);
            found.push((
                at(&["limits", "connection"]),
                format!("is more than a quarter of limits.memory; allowed: up to {quarter}"),
            ));
        }
        if self.limits.forget < self.limits.idle {
            found.push((
                at(&["limits", "forget"]),
                format!(
                    "is less than limits.idle; allowed: from {}",
                    self.limits.idle
                ),
            ));
        }
        self.redact.contradictions(&mut found);
        lookup::contradictions(&self.lookup, &mut found);
        sinks::contradictions(&self.sinks, self.journal.is_some(), &mut found);
        found
    }

    /// The configuration as YAML, every value written out.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        show::yaml(self, |_| None)
    }

    /// The JSON Schema of the file, for editors and for the check.
    #[must_use]
    pub fn json_schema() -> serde_json::Value {
        let settings = schemars::generate::SchemaSettings::draft2020_12();
        settings
            .into_generator()
            .into_root_schema_for::<Self>()
            .to_value()
    }
}

#[cfg(test)]
mod tests;
