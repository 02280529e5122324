//! What went over a WebSocket, as reported.

use schemars::JsonSchema;
use serde::Serialize;

use super::{BodyEncoding, Content};

/// A WebSocket (RFC 6455). Numbers of messages are absent where a loss hid them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WebSocket<'a> {
    /// Messages to the server, from the handshake on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_to_server: Option<u64>,
    /// Messages to the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_to_client: Option<u64>,
    /// Bytes of the messages to the server, as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_to_server: Option<u64>,
    /// Bytes of the messages to the client, as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_to_client: Option<u64>,
    /// The code of the first close frame; 1005 if it gave none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close_code: Option<u16>,
    /// The first 16 messages since the last record of this exchange, as far as there is room.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<WebSocketSample<'a>>,
}

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WebSocketSample<'a> {
    /// Which end it went to.
    pub to: MessageTo,
    /// What kind it is. A close frame is one if it gives a reason.
    pub opcode: MessageKind,
    /// Bytes of its payload as sent, if its end was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Frames that it came in, if more than one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fragments: Option<u32>,
    /// Its first bytes; absent if none are kept, or they are still compressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Content<'a>>,
    /// How `content` is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<BodyEncoding>,
    /// There is more of it than `content` holds.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// The compression that was taken off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoded_from: Option<&'static str>,
}

/// Which end a message went to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageTo {
    /// The server.
    Server,
    /// The client.
    Client,
}

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// Text.
    Text,
    /// Bytes.
    Binary,
    /// A close frame: the reason.
    Close,
}
