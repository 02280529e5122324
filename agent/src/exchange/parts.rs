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

impl Half {
    /// Whether content codings lie over the body that could not be taken off, so that nothing can be
    /// read in it.
    #[must_use]
    pub fn is_coded(&self) -> bool {
        !self.body.is_decoded && self.head.field("content-encoding").is_some_and(codes)
    }

    /// The parts of the body alone.
    #[must_use]
    pub fn body_parts(&self, side: Side) -> Parts<'_> {
        let mut parts = Parts::new();
        let is_whole = self.body.total_bytes == Some(self.body.content.len() as u64);
        parts.take(Message {
            side,
            target: b"",
            fields: [].into_iter(),
            trailers: [].into_iter(),
            body: body(self, is_whole),
        });
        parts
    }
}

fn message(
    side: Side,
    half: &Half,
    seen: Seen,
) -> Message<'_, impl Iterator<Item = (&[u8], &[u8])>> {
    let head = &half.head;
    Message {
        side,
        target: head.get(head.target),
        fields: fields(Some(head)),
        trailers: fields(half.trailers.as_deref()),
        body: body(half, seen == Seen::Whole),
    }
}

fn body(half: &Half, is_whole: bool) -> Body<'_> {
    let (media_type, coding) = described(&half.head);
    Body {
        content: &half.body.content,
        media_type,
        is_whole,
        is_coded: !half.body.is_decoded && coding.is_some_and(codes),
    }
}

/// Whether the value of a Content-Encoding field names a coding.
fn codes(field: &[u8]) -> bool {
    !field.trim_ascii().eq_ignore_ascii_case(b"identity")
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
