//! What several targets make of their bytes.

use eaves::clock::Ktime;
use eaves::exchange::{Body, Half, Head, Span, Version};

/// Kinds of bodies, each read in another way.
pub const MEDIA_TYPES: [&[u8]; 8] = [
    b"",
    b"application/json",
    b"application/x-www-form-urlencoded",
    b"multipart/form-data; boundary=b",
    b"text/xml",
    b"application/graphql",
    b"application/grpc-web-text",
    b"text/plain",
];

/// A message: its method and target, or its status, its fields and its body.
pub fn half<N: AsRef<[u8]>, V: AsRef<[u8]>>(
    word: &[u8],
    target: &[u8],
    fields: impl IntoIterator<Item = (N, V)>,
    body: Vec<u8>,
    status: u16,
) -> Half {
    let mut head = Head::default();
    let mut keep = |bytes: &[u8]| {
        let start = head.buffer.len() as u32;
        head.buffer.extend_from_slice(bytes);
        let len = bytes.len() as u32;
        Span { start, len }
    };
    let (word, target) = (keep(word), keep(target));
    let fields = fields.into_iter();
    let fields = fields.map(|(name, value)| (keep(name.as_ref()), keep(value.as_ref())));
    let fields = fields.collect();
    (head.word, head.target, head.fields) = (word, target, fields);
    Half {
        head,
        version: Version::Http11,
        status,
        header_bytes: 0,
        body: Body {
            total_bytes: Some(body.len() as u64),
            content: body,
        },
        trailers: None,
        began: Ktime(1),
        ended: Ktime(2),
    }
}
