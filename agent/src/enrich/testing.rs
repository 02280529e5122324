//! Exchanges for tests.

use std::sync::Arc;

use crate::capture::ConnOpen;
use crate::clock::Ktime;
use crate::exchange::{Body, ConnInfo, Exchange, Half, Head, Seen, Span, Version};
use eaves_common::Role;

fn keep(head: &mut Head, bytes: &[u8]) -> Span {
    let start = head.buffer.len() as u32;
    head.buffer.extend_from_slice(bytes);
    Span {
        start,
        len: bytes.len() as u32,
    }
}

fn half(word: &str, target: &str, status: u16, fields: &[(&str, &str)], body: &[u8]) -> Half {
    let mut head = Head::default();
    head.word = keep(&mut head, word.as_bytes());
    head.target = keep(&mut head, target.as_bytes());
    for (name, value) in fields {
        let field = (
            keep(&mut head, name.as_bytes()),
            keep(&mut head, value.as_bytes()),
        );
        head.fields.push(field);
    }
    Half {
        header_bytes: head.buffer.len() as u64,
        head,
        version: Version::Http11,
        status,
        body: Body {
            content: body.to_vec(),
            total_bytes: Some(body.len() as u64),
            is_decoded: false,
        },
        trailers: None,
        began: Ktime(1),
        ended: Ktime(2),
    }
}

/// A request.
pub(super) fn request(method: &str, target: &str, fields: &[(&str, &str)], body: &[u8]) -> Half {
    half(method, target, 0, fields, body)
}

/// What a server was asked and answered.
pub(super) fn exchange(request: Half, response: Option<Half>) -> Exchange {
    let conn = ConnInfo {
        open: ConnOpen::default(),
        role: Role::Server,
        proxied: None,
    };
    Exchange {
        request: Some(request),
        response_seen: response.as_ref().map_or(Seen::None, |_| Seen::Whole),
        response,
        request_seen: Seen::Whole,
        ..Exchange::of(Arc::new(conn))
    }
}

/// A response.
pub(super) fn response(status: u16, fields: &[(&str, &str)], body: &[u8]) -> Half {
    half("", "", status, fields, body)
}
