//! What went over a WebSocket, masked.

use super::Masked;
use crate::content::{Container, Side};
use crate::event::{self, Content, MessageKind, MessageTo, WebSocketSample};
use crate::exchange::{Coded, Exchange, Opcode, Sample, To};

pub(super) fn websocket<'a>(
    exchange: &'a Exchange,
    masked: &'a Masked,
) -> Option<event::WebSocket<'a>> {
    let socket = exchange.known.spoken.websocket.as_deref()?;
    let numbered = (0..u16::MAX).zip(&socket.samples);
    Some(event::WebSocket {
        messages_to_server: socket.to_server.count,
        messages_to_client: socket.to_client.count,
        bytes_to_server: socket.to_server.bytes,
        bytes_to_client: socket.to_client.bytes,
        close_code: socket.close_code,
        samples: numbered
            .map(|(number, one)| sample(number, one, masked))
            .collect(),
    })
}

fn sample<'a>(number: u16, sample: &'a Sample, masked: &'a Masked) -> WebSocketSample<'a> {
    let (to, side) = match sample.to {
        To::Server => (MessageTo::Server, Side::Request),
        To::Client => (MessageTo::Client, Side::Response),
    };
    let content = masked.or(side, Container::Message(number), &sample.content);
    let is_there = !sample.content.is_empty() || (sample.bytes == Some(0) && !sample.is_cut);
    let content = is_there.then(|| Content::new(content));
    WebSocketSample {
        to,
        opcode: match sample.opcode {
            Opcode::Text => MessageKind::Text,
            Opcode::Binary => MessageKind::Binary,
            Opcode::Close => MessageKind::Close,
        },
        bytes: sample.bytes,
        fragments: (sample.fragments > 1).then_some(sample.fragments),
        content,
        encoding: content.map(Content::encoding),
        truncated: sample.is_cut,
        decoded_from: (sample.coded == Coded::TakenOff && is_there).then_some("permessage-deflate"),
    }
}
