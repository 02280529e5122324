//! What is spoken inside an exchange, beyond HTTP itself.

use super::websocket::WebSocket;
use crate::protocol::grpc::Field;

/// Protocols within HTTP, and which report of the exchange this is. Filled by `exchange` itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spoken {
    /// A call of gRPC.
    pub grpc: Option<Box<Grpc>>,
    /// What went over a WebSocket.
    pub websocket: Option<Box<WebSocket>>,
    /// How many reports of this exchange came before this one.
    pub report: u32,
    /// The exchange is still under way: more reports of it follow.
    pub partial: bool,
}

impl Spoken {
    /// Memory it holds beyond its own size, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let socket = self.websocket.as_ref().map_or(0, |socket| socket.bytes());
        self.grpc.as_ref().map_or(0, |grpc| grpc.bytes()) + socket
    }
}

/// A call of gRPC or gRPC-Web.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grpc {
    /// The service, with its package. Empty if the path names none.
    pub service: Vec<u8>,
    /// The method.
    pub method: Vec<u8>,
    /// How it ended, if that was seen.
    pub status: Option<u32>,
    /// What the server says of that, as sent: percent-encoded.
    pub message: Option<Vec<u8>>,
    /// Nanoseconds that the client gives the call.
    pub timeout_ns: Option<u64>,
    /// Messages of the request.
    pub request: Messages,
    /// Messages of the response.
    pub response: Messages,
    /// Fields of the request's messages, as far as they are kept.
    pub request_fields: Vec<Field>,
    /// The same of the response's.
    pub response_fields: Vec<Field>,
}

/// Messages of one direction; absent where a loss hid how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Messages {
    /// How many.
    pub count: Option<u64>,
    /// Their bytes in sum, as sent.
    pub bytes: Option<u64>,
}

impl Grpc {
    fn bytes(&self) -> usize {
        let message = self.message.as_ref().map_or(0, Vec::capacity);
        let fields = [&self.request_fields, &self.response_fields].map(|fields| {
            let inner: usize = fields.iter().map(Field::bytes).sum();
            fields.capacity() * size_of::<Field>() + inner
        });
        let names = self.service.capacity() + self.method.capacity();
        size_of::<Self>() + names + message + fields.iter().sum::<usize>()
    }
}
