//! What the agent says of itself.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::id::EventId;
use super::party::{Host, Role};
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
    /// A process speaks what cannot be heard.
    Tls,
    /// Counters of what was lost rose.
    Loss,
    /// Of the journal: what is signed, kept, lost.
    Journal,
    /// A sink fails, is well again, or refused an event.
    Sink,
    /// The configuration was read again.
    Reload,
    /// Less is told, to keep within `limits`.
    Shed,
    /// A thread of the agent fell.
    Room,
}

/// How much it matters.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing need be done.
    Info,
    /// Something is less good than it could be; worth a look some day.
    Low,
    /// Something is missing, or looks like abuse: worth a look today.
    Medium,
    /// Much is missing, or abuse is likely or at work: someone should act.
    High,
    /// Nothing is heard any more, or an attack has worked: someone must act now.
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
    /// Of `tls`: a process speaks TLS or QUIC that is not heard.
    Tls {
        /// Name of the process.
        process: String,
        /// Its id.
        pid: u32,
        /// Port of the server, which is the process or what it asks.
        port: u16,
        /// What the port is one of.
        transport: PortKind,
        /// Which end the process is, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        role: Option<Role>,
        /// What it speaks TLS with, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        library: Option<&'static str>,
        /// The library's version, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        library_version: Option<String>,
        /// Why it is not heard, or what is missed for it.
        reason: Cow<'static, str>,
        /// What can be done about it.
        #[serde(skip_serializing_if = "Option::is_none")]
        advice: Option<&'static str>,
    },
    /// Of `loss`.
    Loss {
        /// Over how long the counts were taken.
        window_ns: u64,
        /// By how much counters of what was lost rose; those that did not are left out.
        counts: Vec<Count>,
    },
    /// Of `journal`: a signed place in its chain. Kept elsewhere, it proves all before it, and tells
    /// a tail that was cut off.
    Checkpoint {
        /// Always `checkpoint`.
        what: JournalWhat,
        /// Segment it stands in.
        segment: u64,
        /// Its place in the chain.
        sequence: u64,
        /// Records in the chain up to it.
        records: u64,
        /// BLAKE3 that covers it and all before, in hexadecimal digits.
        seal: String,
        /// Ed25519 over the seal.
        signature: String,
        /// Public key of the signature.
        key: String,
    },
    /// Of `journal`: what became of it.
    Journal {
        /// What.
        what: JournalWhat,
        /// Number of the segment it is about.
        #[serde(skip_serializing_if = "Option::is_none")]
        segment: Option<u64>,
        /// Records it is about.
        #[serde(skip_serializing_if = "Option::is_none")]
        records: Option<u64>,
        /// Why, or more about it.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Of `sink`.
    Sink {
        /// Name of the sink.
        sink: String,
        /// What became of it.
        state: SinkState,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// Events that were refused since the last such notice.
        #[serde(skip_serializing_if = "Option::is_none")]
        events: Option<u64>,
    },
    /// Of `shed`: the agent uses too much, and tells less to keep within `limits`.
    Shed {
        /// Whether it begins, becomes more, or is over.
        state: ShedState,
        /// What is shed.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        what: Vec<ShedWhat>,
        /// Why, at last.
        cause: ShedCause,
        /// What was shed since it began, by what counts it.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        counts: Vec<Count>,
    },
    /// Of `reload`: the configuration was read again.
    Reload {
        /// What became of it.
        state: ReloadState,
        /// Keys that changed and are in force.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        changed: Vec<String>,
        /// Keys that changed and need a restart: what they were before is in force.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        restart: Vec<String>,
        /// Why it was refused.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Of `room`: a thread of the agent fell, by a mistake of the agent's own.
    Room {
        /// The thread: a sink's is `sink-NAME`.
        thread: String,
        /// What became of it.
        state: RoomFate,
    },
}

/// What became of a thread that fell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoomFate {
    /// It goes on, without what it was at. Told at most once in ten minutes.
    BegunAgain,
    /// It does no more until the agent is restarted.
    Fallen,
}

impl RoomFate {
    /// What became of it, for people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::BegunAgain => "it fell and was begun again",
            Self::Fallen => "it fell and does no more until the agent is restarted",
        }
    }
}

/// What a port is one of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PortKind {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// What became of a configuration that was read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReloadState {
    /// It is in force from here on.
    Done,
    /// It is wrong: the one before stays in force.
    Refused,
}

/// How shedding goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShedState {
    /// It begins.
    Begun,
    /// It reaches another class.
    More,
    /// It is over: all is told again.
    Ended,
}

/// What is shed, the cheapest first. Never who comes in, nor errors, as long as hearing is not too dear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShedWhat {
    /// Bodies are kept shorter, or not at all.
    Bodies,
    /// Exchanges that ask for static assets are left out.
    StaticAssets,
    /// Exchanges are left out that repeat one before: same client, same request, answered with success.
    Repeats,
    /// So are those that are like one before but for numbers in the path and values in the query.
    Alike,
    /// Hearing alone takes more than the limit: less is heard, whatever it is.
    Hearing,
}

impl ShedWhat {
    /// All, in order.
    pub const ALL: [Self; 5] = [
        Self::Bodies,
        Self::StaticAssets,
        Self::Repeats,
        Self::Alike,
        Self::Hearing,
    ];

    /// Its name, for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bodies => "bodies",
            Self::StaticAssets => "static assets",
            Self::Repeats => "repeats",
            Self::Alike => "what is like what was told",
            Self::Hearing => "what is heard, whatever it is",
        }
    }
}

/// Why something is shed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShedCause {
    /// `limits.cpu`.
    Cpu,
    /// `limits.memory`.
    Memory,
    /// The room for what waits to be worked on, a part of `limits.memory`.
    Backlog,
}

impl ShedCause {
    /// What is the matter, for people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Cpu => "limits.cpu is reached",
            Self::Memory => "limits.memory is reached",
            Self::Backlog => "more is heard than is worked on in time",
        }
    }
}

/// What became of a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SinkState {
    /// It fails; what it has not got waits in the journal.
    Down,
    /// It is well again.
    Up,
    /// It refused events for good; they lie among the dead letters.
    Refused,
}

/// What the journal tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JournalWhat {
    /// All up to here is signed.
    Checkpoint,
    /// It goes on after the last stop; `records` were in a torn frame and are cut off.
    Started,
    /// A segment is not as it was written, though it had been synced. It is left as it is.
    Damaged,
    /// The chain is shorter than what was signed: its end was cut off, or a copy was put back.
    Rewound,
    /// A segment was deleted on purpose; `records` of it no sink had got.
    Retired,
    /// It cannot write: exchanges are left out.
    Degraded,
    /// It writes again; `records` were left out in between.
    Resumed,
    /// Records that were written are gone.
    Lost,
    /// The clock was set.
    ClockSet,
    /// Another key signs from here on.
    KeyChanged,
}

impl Detail<'_> {
    fn name(&self) -> NoticeName {
        match self {
            Self::Start { .. } => NoticeName::Start,
            Self::Stop { .. } => NoticeName::Stop,
            Self::Tap { .. } => NoticeName::Tap,
            Self::Tls { .. } => NoticeName::Tls,
            Self::Loss { .. } => NoticeName::Loss,
            Self::Checkpoint { .. } | Self::Journal { .. } => NoticeName::Journal,
            Self::Sink { .. } => NoticeName::Sink,
            Self::Reload { .. } => NoticeName::Reload,
            Self::Shed { .. } => NoticeName::Shed,
            Self::Room { .. } => NoticeName::Room,
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
