//! What went over a WebSocket.

use super::spoken::Messages;
use crate::protocol::websocket::Sample;

/// What both ends said: how much from the handshake on, and the first messages since the last report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebSocket {
    /// Messages to the server.
    pub to_server: Messages,
    /// Messages to the client.
    pub to_client: Messages,
    /// The code that it was closed with, by the end that closed first.
    pub close_code: Option<u16>,
    /// The first messages since the last report.
    pub samples: Vec<Sample>,
}

impl WebSocket {
    /// Memory it holds, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let contents = self.samples.iter().map(|sample| sample.content.capacity());
        let samples = self.samples.capacity() * size_of::<Sample>();
        size_of::<Self>() + samples + contents.sum::<usize>()
    }
}
