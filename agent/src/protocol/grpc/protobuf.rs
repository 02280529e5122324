//! Messages of protobuf without their schema: which fields there are, and of what type, as the wire
//! shows it (protobuf.dev, "Encoding").
//!
//! Whether bytes are text or a message of their own the wire does not say: they are text if all of them
//! can be read, else a message if they are one from end to end. No value is kept.

use std::fmt::Write as _;

use crate::event::ProtobufType;

/// Fields that are told apart of one direction.
const FIELDS_MAX: usize = 32;

/// How deep messages are looked into.
const DEPTH_MAX: usize = 6;

/// Messages of a body that are looked at.
const MESSAGES_MAX: usize = 16;

/// Largest number of a field.
const NUMBER_MAX: u64 = (1 << 29) - 1;

/// A field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its number, behind those of the messages it stands in: `3.1`.
    pub path: String,
    /// Its type.
    pub kind: ProtobufType,
    /// How many times it came.
    pub times: u32,
}

/// The fields of the messages of a body, in the order in which they came first.
#[derive(Debug, Default)]
pub struct Fields {
    found: Vec<Field>,
    messages: usize,
}

/// It is no message of protobuf.
#[derive(Debug)]
struct Broken;

impl Fields {
    /// Takes in a message, the end of which may be cut off. One that is none is left out.
    pub fn message(&mut self, bytes: &[u8]) {
        if self.messages >= MESSAGES_MAX {
            return;
        }
        self.messages += 1;
        if end(bytes).is_ok() {
            self.walk(bytes, &mut String::new(), 0);
        }
    }

    /// Those that were found.
    #[must_use]
    pub fn take(self) -> Vec<Field> {
        self.found
    }

    fn walk(&mut self, mut rest: &[u8], path: &mut String, depth: usize) {
        while let Ok(Some((number, value))) = next(&mut rest) {
            let kind = value.kind(depth);
            let outer = path.len();
            if outer > 0 {
                path.push('.');
            }
            // Writing to a string does not fail.
            let _ = write!(path, "{number}");
            self.add(path, kind);
            if let (ProtobufType::Message, Value::Bytes(bytes)) = (kind, value) {
                self.walk(bytes, path, depth + 1);
            }
            path.truncate(outer);
        }
    }

    fn add(&mut self, path: &str, kind: ProtobufType) {
        let mut found = self.found.iter_mut();
        if let Some(field) = found.find(|one| one.kind == kind && one.path == path) {
            field.times = field.times.saturating_add(1);
        } else if self.found.len() < FIELDS_MAX {
            self.found.push(Field {
                path: path.to_owned(),
                kind,
                times: 1,
            });
        }
    }
}

/// What stands behind a field's tag.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Varint,
    Fixed32,
    Fixed64,
    Bytes(&'a [u8]),
}

impl Value<'_> {
    fn kind(self, depth: usize) -> ProtobufType {
        match self {
            Self::Varint => ProtobufType::Varint,
            Self::Fixed32 => ProtobufType::Fixed32,
            Self::Fixed64 => ProtobufType::Fixed64,
            Self::Bytes(bytes) => {
                // Text seldom begins with a line feed, which is the tag of many a message.
                let is_plain = bytes.first().is_none_or(|first| *first >= b' ');
                let is_text = is_text(bytes);
                if is_text && is_plain {
                    ProtobufType::Text
                } else if depth < DEPTH_MAX && end(bytes).is_ok_and(<[u8]>::is_empty) {
                    ProtobufType::Message
                } else if is_text {
                    ProtobufType::Text
                } else {
                    ProtobufType::Bytes
                }
            }
        }
    }
}

/// Whether all of `bytes` can be read.
fn is_text(bytes: &[u8]) -> bool {
    let reads = |text: &str| {
        let odd = |one: char| one.is_control() && !matches!(one, '\n' | '\r' | '\t');
        !text.chars().any(odd)
    };
    str::from_utf8(bytes).is_ok_and(reads)
}

/// What is left at the end of a message, where its rest is cut off.
fn end(bytes: &[u8]) -> Result<&[u8], Broken> {
    let mut rest = bytes;
    while next(&mut rest)?.is_some() {}
    Ok(rest)
}

/// The next field off the front of `rest`; `None` at its end, or where its rest is cut off, which then
/// stays.
fn next<'a>(rest: &mut &'a [u8]) -> Result<Option<(u64, Value<'a>)>, Broken> {
    let mut input = *rest;
    let Some(tag) = varint(&mut input)? else {
        return Ok(None);
    };
    let number = tag >> 3;
    if number == 0 || number > NUMBER_MAX {
        return Err(Broken);
    }
    let value = match tag & 7 {
        0 => varint(&mut input)?.map(|_| Value::Varint),
        1 => split(&mut input, 8).map(|_| Value::Fixed64),
        2 => match varint(&mut input)? {
            Some(length) => split(&mut input, length).map(Value::Bytes),
            None => None,
        },
        5 => split(&mut input, 4).map(|_| Value::Fixed32),
        // Groups are of protobuf's first version, and no service of gRPC has them.
        _ => return Err(Broken),
    };
    let Some(value) = value else {
        return Ok(None);
    };
    *rest = input;
    Ok(Some((number, value)))
}

/// A number of seven bits a byte, the lowest first; `None` if its end is cut off.
fn varint(input: &mut &[u8]) -> Result<Option<u64>, Broken> {
    let mut number = 0_u64;
    for (at, byte) in input.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f) << (7 * at).min(63);
        if byte & 0x80 == 0 {
            *input = input.get(at + 1..).unwrap_or_default();
            return Ok(Some(number));
        }
    }
    if input.len() < 10 {
        Ok(None)
    } else {
        Err(Broken)
    }
}

fn split<'a>(input: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (front, rest) = input.split_at_checked(usize::try_from(length).ok()?)?;
    *input = rest;
    Some(front)
}

#[cfg(test)]
mod tests {
    use super::{FIELDS_MAX, Fields, ProtobufType};

    #[track_caller]
    fn check(messages: &[&[u8]], expected: &[(&str, ProtobufType, u32)]) {
        let mut fields = Fields::default();
        for message in messages {
            fields.message(message);
        }
        let found = fields.take();
        let found: Vec<_> = found
            .iter()
            .map(|one| (&*one.path, one.kind, one.times))
            .collect();
        assert_eq!(found, expected);
    }

    use ProtobufType::{Bytes, Fixed32, Fixed64, Message, Text, Varint};

    #[test]
    fn numbers_and_types_of_fields_are_read() {
        check(&[], &[]);
        check(&[b""], &[]);
        // The examples of protobuf.dev: a number, text, a message.
        check(&[b"\x08\x96\x01"], &[("1", Varint, 1)]);
        check(&[b"\x12\x07testing"], &[("2", Text, 1)]);
        check(
            &[b"\x1a\x03\x08\x96\x01"],
            &[("3", Message, 1), ("3.1", Varint, 1)],
        );
        check(
            &[b"\x0d\0\0\0\0\x11\0\0\0\0\0\0\0\0"],
            &[("1", Fixed32, 1), ("2", Fixed64, 1)],
        );
        check(&[b"\x0a\x02\xff\xfe"], &[("1", Bytes, 1)]);
        check(
            &[b"\x08\x01\x08\x02", b"\x08\x03\x10\x01"],
            &[("1", Varint, 3), ("2", Varint, 1)],
        );
    }

    #[test]
    fn text_and_messages_are_told_apart() {
        let inner = b"\x0a\x24in a message that could be read too....";
        let outer = [&[0x0a, inner.len() as u8][..], inner].concat();
        assert_eq!(inner.len(), 2 + 36 + 3);
        check(&[&outer], &[("1", Text, 1)]);
        let inner = b"\x0a\x24in a message that could be read too.";
        let outer = [&[0x0a, inner.len() as u8][..], inner].concat();
        check(&[&outer], &[("1", Message, 1), ("1.1", Text, 1)]);
    }

    #[test]
    fn what_is_cut_off_is_left_out_and_what_is_none_too() {
        check(&[b"\x08\x01\x12\x07test"], &[("1", Varint, 1)]);
        check(&[b"\x08\x01\x10"], &[("1", Varint, 1)]);
        check(&[b"{\"id\":1}"], &[]);
        check(&[b"\x08\x01\x00\x01"], &[]);
        check(&[b"\x08\x01\x0b\x0c"], &[]);
        check(&[b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"], &[]);
        check(&[b"\x08\x01", b"\x00"], &[("1", Varint, 1)]);
    }

    #[test]
    fn what_is_found_is_bounded() {
        let many: Vec<u8> = (1..=200_u32)
            .flat_map(|number| [(number << 3) as u8 | 0x80, (number >> 4) as u8, 1])
            .collect();
        let mut fields = Fields::default();
        fields.message(&many);
        assert_eq!(fields.take().len(), FIELDS_MAX);
        let mut deep = b"\x08\x01".to_vec();
        for _ in 0..40 {
            deep = [&[0x0a, deep.len() as u8][..], &deep].concat();
        }
        let mut fields = Fields::default();
        fields.message(&deep);
        let longest = fields.take().iter().map(|one| one.path.len()).max();
        assert_eq!(longest, Some(13));
    }
}
