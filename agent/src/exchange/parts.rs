//! The values of an [`Exchange`]'s messages, as [`content`] names them.

use super::{Exchange, Half, Seen, To};
use crate::content::{Body, Message, Parts, Side};
use crate::protocol::Head;

impl Exchange {
    /// The parts of request and response; `memory` is what an earlier exchange's parts leave.
    #[must_use]
    pub fn parts<'a>(&'a self, memory: Parts<'_>) -> Parts<'a> {
        let mut parts = memory.recycle();
        let halves = [
            (Side::Request, &self.request, self.request_seen),
            (Side::Response, &self.response, self.response_seen),
        ];
        for (side, half, seen) in halves {
            if let Some(half) = half {
                parts.take(message(side, half, seen));
            }
        }
        let socket = self.known.spoken.websocket.as_ref();
        for (number, sample) in (0..u16::MAX).zip(socket.iter().flat_map(|one| &one.samples)) {
            let side = match sample.to {
                To::Server => Side::Request,
                To::Client => Side::Response,
            };
            parts.take_message(side, number, &sample.content, !sample.is_cut);
        }
        parts
    }
}

fn message(
    side: Side,
    half: &Half,
    seen: Seen,
) -> Message<'_, impl Iterator<Item = (&[u8], &[u8])>> {
    let head = &half.head;
    let (media_type, coding) = described(head);
    // A content coding that is still named is still there.
    let is_plain = |value: &[u8]| value.trim_ascii().eq_ignore_ascii_case(b"identity");
    Message {
        side,
        target: head.get(head.target),
        fields: fields(Some(head)),
        trailers: fields(half.trailers.as_deref()),
        body: Body {
            content: &half.body.content,
            media_type,
            is_whole: seen == Seen::Whole,
            is_coded: coding.is_some_and(|value| !is_plain(value)),
        },
    }
}

/// The first values of Content-Type and of Content-Encoding.
fn described(head: &Head) -> (Option<&[u8]>, Option<&[u8]>) {
    let (mut media_type, mut coding) = (None, None);
    for (name, value) in &head.fields {
        // By their lengths most names are told to be others.
        let (of, is) = match name.len {
            12 => (&mut media_type, b"content-type".as_slice()),
            16 => (&mut coding, b"content-encoding".as_slice()),
            _ => continue,
        };
        if of.is_none() && head.get(*name).eq_ignore_ascii_case(is) {
            *of = Some(head.get(*value));
        }
    }
    (media_type, coding)
}

fn fields(head: Option<&Head>) -> impl Iterator<Item = (&[u8], &[u8])> {
    head.into_iter().flat_map(Head::fields)
}
