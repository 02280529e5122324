//! What the agent says of itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::id::EventId;
use super::party::Host;
use super::time;
use crate::clock::WallTime;

/// What the agent says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Notice<'a> {
    /// Always `notice`.
    pub kind: NoticeKind,
    /// Version of these fields; within it, fields are only added.
    pub schema: u32,
    /// Names this record.
    pub id: EventId,
    /// When.
    #[serde(serialize_with = "time::serialize")]
    #[schemars(schema_with = "time::schema")]
    pub time: WallTime,
    /// What happened.
    pub name: NoticeName,
    /// How much it matters.
    pub severity: Severity,
    /// This host.
    pub host: Host<'a>,
    /// More, by name.
    pub detail: Detail<'a>,
}

impl<'a> Notice<'a> {
    /// A notice of `detail`, whose name follows from it.
    #[must_use]
    pub fn new(
        id: EventId,
        time: WallTime,
        host: Host<'a>,
        severity: Severity,
        detail: Detail<'a>,
    ) -> Self {
        Self {
            kind: NoticeKind::Notice,
            schema: super::SCHEMA,
            id,
            time,
            name: detail.name(),
            severity,
            host,
            detail,
        }
    }
}

/// The word `notice`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// What the agent says of itself.
    #[default]
    Notice,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoticeName {
    /// The agent began to listen.
    Start,
    /// The agent ended.
    Stop,
    /// A tap was attached, lost or degraded.
    Tap,
    /// Counters of what was lost rose.
    Loss,
}

/// How much it matters.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing need be done.
    Info,
    /// Something is less good than it could be.
    Low,
    /// Something is missing.
    Medium,
    /// Much is missing: someone should act.
    High,
    /// Nothing is heard any more.
    Critical,
}

/// What there is to say, by the notice's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Detail<'a> {
    /// Of `start`.
    Start {
        /// Version of the agent.
        version: &'a str,
        /// Release of the kernel; absent where records come from a file.
        #[serde(skip_serializing_if = "Option::is_none")]
        kernel: Option<&'a str>,
    },
    /// Of `stop`.
    Stop {
        /// Why.
        reason: &'a str,
        /// Whether all that was heard was also delivered.
        drained: bool,
        /// Every counter of every stage, since the start.
        ledger: Vec<Count>,
    },
    /// Of `tap`.
    Tap {
        /// Which tap.
        tap: &'a str,
        /// What became of it.
        state: TapState,
        /// Why it is not attached, or what it does not hear.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    /// Of `loss`.
    Loss {
        /// Over how long the counts were taken.
        window_ns: u64,
        /// By how much counters of what was lost rose; those that did not are left out.
        counts: Vec<Count>,
    },
}

impl Detail<'_> {
    fn name(&self) -> NoticeName {
        match self {
            Self::Start { .. } => NoticeName::Start,
            Self::Stop { .. } => NoticeName::Stop,
            Self::Tap { .. } => NoticeName::Tap,
            Self::Loss { .. } => NoticeName::Loss,
        }
    }
}

/// What became of a tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TapState {
    /// It hears all it can.
    Attached,
    /// It hears less than it could.
    Degraded,
    /// It hears nothing: refused, or gone.
    Lost,
}

/// One counter of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Count {
    /// The stage that counts.
    pub stage: &'static str,
    /// What it counts.
    pub name: &'static str,
    /// How many.
    pub count: u64,
}
