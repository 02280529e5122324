//! A message taken apart: no part lies beyond the message, none is made twice as long by a decoding.
#![no_main]

use eaves::content::{Body, Container, Decoder, Message, Parts, Side};
use eaves_fuzz::MEDIA_TYPES;
use libfuzzer_sys::fuzz_target;

const FIELDS: [&[u8]; 4] = [b"cookie", b"authorization", b"referer", b"set-cookie"];

fuzz_target!(|bytes: &[u8]| {
    let [choice, bytes @ ..] = bytes else { return };
    // Lines: target, one for each field, and the body.
    let mut lines = bytes.splitn(FIELDS.len() + 2, |byte| *byte == b'\n');
    let target = lines.next().unwrap_or_default();
    let values: Vec<&[u8]> = FIELDS
        .iter()
        .map(|_| lines.next().unwrap_or_default())
        .collect();
    let content = lines.next().unwrap_or_default();
    let mut parts = Parts::new();
    parts.take(Message {
        side: Side::Request,
        target,
        fields: FIELDS.into_iter().zip(values.iter().copied()).take(4),
        trailers: FIELDS.into_iter().zip(values.iter().copied()).take(0),
        body: Body {
            content,
            media_type: MEDIA_TYPES.get(usize::from(choice & 7)).copied(),
            is_whole: choice & 8 == 0,
            is_coded: false,
        },
    });
    let mut decoder = Decoder::new();
    for part in parts.iter() {
        let (container, range) = part.span();
        let whole = match container {
            Container::Target => target,
            Container::Field(at) => values[usize::from(at)],
            Container::Body => content,
            Container::Trailer(_) | Container::Message(_) => {
                unreachable!("there are neither trailers nor messages")
            }
        };
        let raw = &whole[range];
        assert!(part.is_nested() || raw == part.raw());
        assert!(
            !part
                .name()
                .expect("each part has a name")
                .to_string()
                .is_empty()
        );
        decoder.forms(part.value(), part.layers(), |form, layers| {
            assert!(!layers.is_empty() && form.len() <= 2 * part.value().len());
        });
    }
    for name in parts.names() {
        assert!(
            name.parent_number()
                .is_none_or(|parent| parent < name.number())
        );
    }
});
