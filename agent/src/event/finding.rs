//! What a detector concluded.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::id::EventId;
use super::notice::Severity;
use super::party::Host;
use super::time;
use crate::clock::WallTime;

/// What a detector concluded. An incident is told by several: when it opens, as it grows, when it is
/// over; each has its own `id`, all share `incident`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Finding<'a> {
    /// Always `finding`.
    pub kind: FindingKind,
    /// Version of these fields; within it, fields are only added.
    pub schema: u32,
    /// Names this record.
    pub id: EventId,
    /// Of the exchange that this record was written for; of a closed incident, when it was over.
    #[serde(serialize_with = "time::serialize")]
    #[schemars(schema_with = "time::schema")]
    pub time: WallTime,
    /// The first exchange that counts.
    #[serde(serialize_with = "time::serialize")]
    #[schemars(schema_with = "time::schema")]
    pub first_seen: WallTime,
    /// The last exchange that counts, so far.
    #[serde(serialize_with = "time::serialize")]
    #[schemars(schema_with = "time::schema")]
    pub last_seen: WallTime,
    /// Names the incident.
    pub incident: EventId,
    /// How far the incident has come.
    pub state: IncidentState,
    /// Shared by incidents of one actor within 30 minutes of each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign: Option<EventId>,
    /// Who concluded it.
    pub detector: DetectorName<'a>,
    /// How much it matters: impact, confidence and outcome together.
    pub severity: Severity,
    /// How sure the detector is, from 0 to 1.
    #[serde(serialize_with = "hundredths")]
    pub confidence: f64,
    /// What came of it.
    pub outcome: Outcome,
    /// What happened, in one sentence.
    pub title: Cow<'a, str>,
    /// Who did it.
    #[serde(skip_serializing_if = "Actor::is_unknown")]
    pub actor: Actor<'a>,
    /// What it was done to.
    pub target: Target<'a>,
    /// How much was counted.
    pub count: u64,
    /// The count from which on the detector speaks.
    pub threshold: u64,
    /// Over how long it was counted; absent where a single exchange decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_ns: Option<u64>,
    /// What is usual, where the detector learns that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// Exchanges that show it, at most five.
    pub evidence: Cow<'a, [Evidence]>,
    /// Samples of the distinct values that were counted, masked.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub samples: Cow<'a, [String]>,
    /// The endpoints it was done to most, where there are several.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub endpoints: Cow<'a, [String]>,
    /// What spoke for or against: a shared address, bytes not seen, a lowered threshold.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub remarks: Cow<'a, [String]>,
    /// Tags of a rule.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub tags: Cow<'a, [String]>,
    /// OWASP API Security Top 10, with its year.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub owasp: Cow<'a, [Cow<'a, str>]>,
    /// Weaknesses, by their number in CWE.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub cwe: Cow<'a, [u32]>,
    /// Techniques of MITRE ATT&CK.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub attack: Cow<'a, [Cow<'a, str>]>,
    /// What to look at next.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub advice: Cow<'a, str>,
    /// Records that were not written: of this incident those that a limit held back, and in the first
    /// after it, those of incidents that the limit left no room for.
    pub suppressed: u64,
    /// This host.
    pub host: Host<'a>,
}

/// The word `finding`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// What a detector concluded.
    #[default]
    Finding,
}

/// How far an incident has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// It has just been found.
    #[default]
    Open,
    /// It goes on: its count has doubled, or it is worse than it was.
    Updated,
    /// Nothing has been added for so long that it is over.
    Closed,
}

/// What came of it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was tried: refused, or nothing shows that it had an effect.
    #[default]
    Attempted,
    /// It was answered as if it had worked.
    Answered,
    /// The answer, or what the process did, proves that it worked.
    Confirmed,
}

/// A detector, or a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DetectorName<'a> {
    /// Its id, as in the configuration.
    pub id: Cow<'a, str>,
    /// What it looks for.
    pub name: Cow<'a, str>,
    /// Rises when it decides in another way.
    pub version: u32,
}

/// Who did it, as far as is known; as exchanges name them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Actor<'a> {
    /// The account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Cow<'a, str>>,
    /// The client's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Cow<'a, str>>,
    /// The keyed hash of what it showed to be let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Cow<'a, str>>,
}

impl Actor<'_> {
    /// Whether nothing is known.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        self.user.is_none() && self.client.is_none() && self.credential.is_none()
    }
}

/// What it was done to, as far as it is one thing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Target<'a> {
    /// Host that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Cow<'a, str>>,
    /// Template of the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Cow<'a, str>>,
    /// Method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Cow<'a, str>>,
    /// Name of the process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Cow<'a, str>>,
    /// The account it is about, where that is not the actor's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Cow<'a, str>>,
}

/// What is usual.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Baseline {
    /// Its median.
    #[serde(serialize_with = "hundredths")]
    pub median: f64,
    /// Median of the distances from it.
    #[serde(serialize_with = "hundredths")]
    pub mad: f64,
    /// Of how many values.
    pub samples: u64,
    /// Whether it was learnt from enough.
    pub state: Learnt,
}

/// Whether a baseline was learnt from enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Learnt {
    /// Not yet: what rests on it is reported as `low` at most.
    Warming,
    /// It was.
    Ready,
}

/// One exchange that shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// Its id.
    pub exchange: EventId,
    /// Its `time`.
    #[serde(serialize_with = "time::serialize", deserialize_with = "time::read")]
    #[schemars(schema_with = "time::schema")]
    pub time: WallTime,
    /// The `id` that a recorded request had of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_id: Option<String>,
    /// Where in it: `request.query.id`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub part: String,
    /// What stood there, decoded and masked, at most 200 bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub excerpt: String,
    /// The layers that were taken off it, the outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decoded_by: Vec<Cow<'static, str>>,
    /// What proves that it worked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub proof: String,
}

/// Writes a number with two decimal places at most.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn hundredths<S: Serializer>(number: &f64, to: S) -> Result<S::Ok, S::Error> {
    let rounded = (number * 100.0).round() / 100.0;
    to.serialize_f64(if rounded.is_finite() { rounded } else { 0.0 })
}
