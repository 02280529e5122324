//! Request and response as they are reported.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::text::{Lower, Text};
use crate::base64;

/// What was spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Protocol {
    /// Its name.
    pub name: ProtocolName,
    /// Its version, as the request says, or else the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<HttpVersion>,
}

/// Protocols that are understood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProtocolName {
    /// HTTP.
    #[default]
    Http,
}

/// Versions of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum HttpVersion {
    /// HTTP/1.0.
    #[serde(rename = "1.0")]
    Http10,
    /// HTTP/1.1.
    #[serde(rename = "1.1")]
    Http11,
    /// HTTP/2.
    #[serde(rename = "2")]
    Http2,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Url<'a> {
    /// `http`, or `https` over TLS, or what an absolute target or HTTP/2's `:scheme` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Lower<'a>>,
    /// Host from an absolute target or `:authority`, or else from the Host field; without port, lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Lower<'a>>,
    /// Port from there, if it names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Path of the target up to the first `?`, as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Text<'a>>,
    /// What follows the first `?`, as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<Text<'a>>,
    /// The whole target as sent, where it is more than path and query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original: Option<Text<'a>>,
}

/// The two messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Http<'a> {
    /// The endpoint: the path with what varies in braces; `{masked}` for a word with something masked in
    /// it, `{overflow}` where there are too many to tell apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<&'a str>,
    /// The request, if its head was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Request<'a>>,
    /// The final response, if its head was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Response<'a>>,
}

/// A header or trailer field: name in lower case, value as sent.
pub type Field<'a> = (Lower<'a>, Text<'a>);

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Request<'a> {
    /// Method, as sent; absent where HTTP/2's compression hides it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Text<'a>>,
    /// Header fields, `[name, value]`, in order of arrival; names in lower case.
    pub headers: Vec<Field<'a>>,
    /// Bytes of the head as sent, from the request line to the empty line; in HTTP/2 those of its frames.
    pub header_bytes: u64,
    /// Bytes of body as sent, after transfer coding, before content coding; counted even where they
    /// were not kept, absent if a gap hid the framing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<u64>,
    /// The body as far as it was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Body<'a>>,
    /// Trailer fields, as `headers`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trailers: Vec<Field<'a>>,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Response<'a> {
    /// Status code; absent where HTTP/2's compression hides it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_code: Option<u16>,
    /// Header fields, `[name, value]`, in order of arrival; names in lower case.
    pub headers: Vec<Field<'a>>,
    /// Bytes of the head as sent, from the status line to the empty line; in HTTP/2 those of its frames.
    pub header_bytes: u64,
    /// Bytes of body as sent, after transfer coding, before content coding; counted even where they
    /// were not kept, absent if a gap hid the framing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<u64>,
    /// The body as far as it was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Body<'a>>,
    /// Trailer fields, as `headers`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trailers: Vec<Field<'a>>,
}

/// A body as far as it was kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Body<'a> {
    /// Its first bytes; absent if they are such as cannot be searched for secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Content<'a>>,
    /// How `content` is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<BodyEncoding>,
    /// Bytes kept.
    pub captured_bytes: u64,
    /// What the Content-Type field says, without its parameters, in lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<Lower<'a>>,
    /// The codings of the Content-Encoding field, where they were taken off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoded_from: Option<Lower<'a>>,
    /// The parts of a multipart body, up to 64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<BodyPart<'a>>,
}

/// A part of a multipart body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BodyPart<'a> {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Text<'a>>,
    /// What its Content-Type field says, without its parameters, in lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_type: Option<Lower<'a>>,
    /// Its bytes, if all of it was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl<'a> Body<'a> {
    /// A body of which `captured` bytes were kept, and are told as `content`, if at all.
    #[must_use]
    pub fn new(content: Option<&'a [u8]>, captured: usize, media_type: Option<Lower<'a>>) -> Self {
        let content = content.map(Content::new);
        Self {
            content,
            encoding: content.map(Content::encoding),
            captured_bytes: captured as u64,
            media_type,
            decoded_from: None,
            parts: Vec::new(),
        }
    }
}

/// How a body's content is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BodyEncoding {
    /// As text. Where it was cut within a character, that one's bytes are written `\xNN`.
    Text,
    /// As base64 (RFC 4648 §4), because it is not UTF-8.
    Base64,
}

/// Bytes of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// UTF-8, but for a last character that may be cut.
    Text(Text<'a>),
    /// Anything else.
    Base64(&'a [u8]),
}

impl<'a> Content<'a> {
    /// Text if it is, else base64.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        match str::from_utf8(bytes) {
            // `error_len` is absent where the input ends within a character.
            Err(error) if error.error_len().is_some() => Self::Base64(bytes),
            Ok(_) | Err(_) => Self::Text(Text(bytes)),
        }
    }

    /// How it is written.
    #[must_use]
    pub const fn encoding(self) -> BodyEncoding {
        match self {
            Self::Text(_) => BodyEncoding::Text,
            Self::Base64(_) => BodyEncoding::Base64,
        }
    }
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(to),
            Self::Base64(bytes) => to.serialize_str(&base64::encode(bytes)),
        }
    }
}

impl JsonSchema for Content<'_> {
    fn schema_name() -> Cow<'static, str> {
        "Content".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

/// A call of gRPC or gRPC-Web. Numbers of messages are absent where a loss hid them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Grpc<'a> {
    /// Service with its package, from the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<Text<'a>>,
    /// Method, from the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Text<'a>>,
    /// How it ended: 0 is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_code: Option<u32>,
    /// What the server says of that, masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_message: Option<Text<'a>>,
    /// Nanoseconds that the client gave the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ns: Option<u64>,
    /// Messages of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_messages: Option<u64>,
    /// Messages of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_messages: Option<u64>,
    /// Bytes of the request's messages, as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_message_bytes: Option<u64>,
    /// Bytes of the response's messages, as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_message_bytes: Option<u64>,
    /// Fields of the request's messages, of the first 16 that are kept; up to 32.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub request_fields: Vec<ProtobufField<'a>>,
    /// Fields of the response's messages, of as many.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub response_fields: Vec<ProtobufField<'a>>,
}

/// A field of protobuf messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProtobufField<'a> {
    /// Its number, behind those of the messages it stands in: `3.1`.
    pub number: &'a str,
    /// Its name, behind those of the fields it stands in, `items.sku`, by a descriptor file
    /// (`identity.protobuf`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// Its type as declared there: `string`, `repeated shop.Item`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declared: Option<&'a str>,
    /// Names of the values it had, if it is an enum; up to 8.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<&'a str>,
    /// Its type, as the wire shows it.
    #[serde(rename = "type")]
    pub kind: ProtobufType,
    /// How many times it came in those messages; of numbers that came packed, how many.
    pub times: u32,
}

/// What the wire shows of a field's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProtobufType {
    /// A number or truth value, as short as it can be.
    Varint,
    /// Four bytes.
    Fixed32,
    /// Eight bytes.
    Fixed64,
    /// Bytes that can be read.
    Text,
    /// A message of its own.
    Message,
    /// Other bytes.
    Bytes,
}

/// How much of an exchange was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Completeness {
    /// How much of the request.
    pub request: Extent,
    /// How much of the response.
    pub response: Extent,
    /// Bytes never seen, of both, as far as their number is known.
    pub missing_bytes: u64,
    /// Why what is missing is missing, each once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<MissingReason>,
}

/// How much of one message was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Extent {
    /// All of it.
    Whole,
    /// Kept in part, by limit; sizes are exact.
    Truncated,
    /// Bytes in it were never seen.
    Gap,
    /// It began before Eaves looked.
    JoinedLate,
    /// The connection ended, or time ran out, before it did.
    Unfinished,
    /// It never came.
    None,
}

/// Why a message is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissingReason {
    /// The body is longer than what is kept, or the call that moved it than what is copied.
    BodyLimit,
    /// The head is longer than what is kept.
    HeadLimit,
    /// The ring between kernel and agent was full.
    RingFull,
    /// The process's memory could not be read.
    ReadFault,
    /// Moved by a call that the tap does not see into.
    UnseenPath,
    /// Shed to keep within the agent's budget.
    Shed,
    /// Nothing came for too long.
    Timeout,
    /// The connection, or the stream, was reset.
    Reset,
    /// Header fields refer to what was sent before Eaves looked, or to what was lost (RFC 7541 §2.3).
    HpackState,
}

#[cfg(test)]
mod tests {
    use super::{Body, BodyEncoding};

    #[test]
    fn content_is_text_where_it_is_utf8_but_for_a_cut_end() {
        let check = |bytes: &[u8], expected| {
            assert_eq!(Body::new(Some(bytes), 9, None).encoding, expected);
        };
        assert_eq!(Body::new(None, 9, None).encoding, None);
        check(
            "{\"name\":\"Zo\u{eb}\"}".as_bytes(),
            Some(BodyEncoding::Text),
        );
        check(b"Zo\xc3", Some(BodyEncoding::Text));
        check(b"\x1f\x8b\x08\x00", Some(BodyEncoding::Base64));
        check(b"Zo\xc3 more", Some(BodyEncoding::Base64));
    }
}
