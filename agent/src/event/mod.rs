//! The words that leave the agent: [`ApiEvent`], [`Finding`] and [`Notice`], and how they look as JSON.
//!
//! Plain data that borrows what it reports. An absent field means *not known*, an absent list or
//! text that nothing was there to list or say; `null` is never written. Only `redact::seal` makes
//! an [`ApiEvent`]; this room judges nothing and masks nothing.

mod finding;
mod handshake;
mod http;
mod id;
mod json;
mod notice;
mod operation;
mod party;
mod place;
mod signal;
mod text;
mod time;
mod user;
mod websocket;

use schemars::JsonSchema;
use serde::Serialize;

pub use finding::{
    Actor, Baseline, DetectorName, Evidence, Finding, FindingKind, IncidentState, Learnt, Outcome,
    Target,
};
pub use handshake::{Cipher, Handshake, TlsVersion};
pub use http::{
    Body, BodyEncoding, BodyPart, Completeness, Content, Extent, Field, Grpc, Http, HttpVersion,
    MissingReason, ProtobufField, ProtobufType, Protocol, ProtocolName, Request, Response, Url,
};
pub use id::{ConnName, EventId, IdError, Ids};
pub use json::{EncodeError, write_line};
pub use notice::{
    Count, Detail, JournalWhat, Notice, NoticeKind, NoticeName, PortKind, ReloadState, RoomFate,
    Severity, ShedCause, ShedState, ShedWhat, SinkState, TapState,
};
pub use operation::{GraphQl, GraphQlOperation, Rpc, RpcSystem};
pub use party::{Address, Client, Endpoint, Host, Network, Role, Tls, TlsLibrary, Transport};
pub use place::{
    AutonomousSystem, Container, Geo, Kubernetes, Labels, Location, Owner, Parent, Process,
};
pub use signal::{Signal, Signals};
pub use text::{Lines, Lower, Text, unescaped};
pub use time::{STAMP_BYTES, parse_stamp, stamp};
pub use user::{AgentClass, User, UserAgent};
pub use websocket::{MessageKind, MessageTo, WebSocket, WebSocketSample};

/// Version of the fields: within it, fields are only added.
pub const SCHEMA: u32 = 1;

/// One request and its response, as reported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ApiEvent<'a> {
    /// Always `exchange`.
    pub kind: ExchangeKind,
    /// Version of these fields; within it, fields are only added.
    pub schema: u32,
    /// Names this record. The same on every replay of the same capture.
    pub id: EventId,
    /// The exchange was still under way: more records of it follow.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// The `id` of the first record of an exchange that is told by several; they count from its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<EventId>,
    /// First byte of the request; of the response where the request was not seen.
    #[serde(serialize_with = "time::serialize")]
    #[schemars(schema_with = "time::schema")]
    pub time: crate::clock::WallTime,
    /// First byte of the request to last byte of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ns: Option<u64>,
    /// First byte of the request to first byte of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_to_first_byte_ns: Option<u64>,
    /// Which side of the connection was heard.
    pub role: Role,
    /// The connection, and what was spoken on it.
    pub network: Network,
    /// Who asked, behind the proxies that are believed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<Client<'a>>,
    /// The other end of the socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<Endpoint<'a>>,
    /// Who was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Endpoint<'a>>,
    /// TLS on the connection; absent where it was in clear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls<'a>>,
    /// What was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Url<'a>>,
    /// The two messages.
    pub http: Http<'a>,
    /// The call of gRPC that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc: Option<Grpc<'a>>,
    /// What it asks of GraphQL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub graphql: Option<GraphQl<'a>>,
    /// The call whose method its body names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpc: Option<Rpc<'a>>,
    /// What went over the WebSocket that it became.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub websocket: Option<WebSocket<'a>>,
    /// Whose account it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<User<'a>>,
    /// The client's program, as it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<UserAgent<'a>>,
    /// The process on this host whose socket it was.
    pub process: Process<'a>,
    /// The container it runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<Container<'a>>,
    /// The Kubernetes pod it runs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<Kubernetes<'a>>,
    /// This host.
    pub host: Host<'a>,
    /// How much of the exchange was seen.
    pub completeness: Completeness,
    /// What was odd on the wire, each once.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub anomalies: &'a [&'static str],
    /// What kind of API event it is, each once.
    #[serde(skip_serializing_if = "Signals::is_empty")]
    pub signals: Signals,
    /// What of it is sensitive, `PART:TYPE`, each once, up to 64; every number in a part is `*`.
    #[serde(skip_serializing_if = "Lines::is_empty")]
    pub sensitive: Lines<'a>,
    /// Incidents, by their `incident`, that it opened or counts toward.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<EventId>,
    /// What may be shown of where each stateless detector saw something, and of what, for its finding.
    #[serde(skip)]
    pub excerpts: &'a [(String, String)],
    /// What may be shown of what proves some of that, as detector and act.
    #[serde(skip)]
    pub proofs: &'a [(&'static str, String)],
}

/// The word `exchange`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExchangeKind {
    /// One request and its response.
    #[default]
    Exchange,
}

/// The JSON Schema of one line: an exchange, a finding or a notice.
#[must_use]
pub fn json_schema() -> serde_json::Value {
    /// One line of Eaves' output, told apart by `kind` and `schema`.
    #[derive(Serialize, JsonSchema)]
    #[serde(untagged)]
    #[schemars(title = "Eaves events")]
    #[expect(dead_code, reason = "only its schema is wanted")]
    enum Line<'a> {
        Exchange(Box<ApiEvent<'a>>),
        Finding(Box<Finding<'a>>),
        Notice(Notice<'a>),
    }
    let mut settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    settings.meta_schema = Some("https://json-schema.org/draft/2020-12/schema".into());
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<Line<'_>>()
        .to_value();
    without_null(&mut schema);
    schema
}

/// Takes `null` out of every list of alternatives: it is never written.
fn without_null(schema: &mut serde_json::Value) {
    use serde_json::Value;
    match schema {
        Value::Object(map) => {
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|t| t != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    map.insert("type".into(), only);
                }
            }
            if let Some(Value::Array(any)) = map.get_mut("anyOf") {
                any.retain(|s| s.get("type").is_none_or(|t| t != "null"));
                if let [Value::Object(only)] = any.as_slice() {
                    let only = only.clone();
                    map.remove("anyOf");
                    for (key, value) in only {
                        map.entry(key).or_insert(value);
                    }
                }
            }
            map.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
