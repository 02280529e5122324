//! Messages of protobuf: which fields there are, and of what type, as the wire shows it (protobuf.dev,
//! "Encoding"), and by name where the user gave their schema.
//!
//! Without one the wire does not say whether bytes are text or a message of their own: they are text if
//! all of them can be read, else a message if they are one from end to end. A field that is not as its
//! schema has it counts as unknown. No value is kept but the names of an enum's.

use std::fmt::Write as _;
use std::sync::Arc;

use super::schema::{Meaning, Member, Message, Schema};
use super::wire::{self, Value};
use crate::event::ProtobufType;

/// Fields that are told apart of one direction.
const FIELDS_MAX: usize = 32;

/// How deep messages are looked into.
const DEPTH_MAX: usize = 6;

/// Messages of a body that are looked at.
const MESSAGES_MAX: usize = 16;

/// Values of an enum that are told of a field.
const VALUES_MAX: usize = 8;

/// A field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its number, behind those of the messages it stands in: `3.1`.
    pub path: String,
    /// Its type.
    pub kind: ProtobufType,
    /// How many times it came in the messages that are looked at; of numbers that came packed, how many.
    pub times: u32,
    /// What its schema says of it.
    pub named: Option<Box<Named>>,
}

/// What a schema says of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name, behind those of the fields it stands in: `items.sku`.
    pub name: String,
    /// Its type, as declared: `repeated shop.Item`.
    pub declared: Arc<str>,
    /// Names of the values it had, if it is an enum.
    pub values: Vec<Arc<str>>,
}

impl Named {
    fn note(&mut self, value: Option<&Arc<str>>) {
        if let Some(value) = value
            && self.values.len() < VALUES_MAX
            && !self.values.contains(value)
        {
            self.values.push(Arc::clone(value));
        }
    }
}

impl Field {
    /// Memory it holds beyond its own size, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let named = self.named.as_deref().map_or(0, |named| {
            size_of::<Named>()
                + named.name.capacity()
                + named.values.capacity() * size_of::<Arc<str>>()
        });
        self.path.capacity() + named
    }
}

/// The fields of the messages of a body, in the order in which they came first.
#[derive(Debug)]
pub struct Fields<'s> {
    schema: &'s Schema,
    of: Option<&'s Message>,
    found: Vec<Field>,
    messages: usize,
}

/// Where a field stands.
#[derive(Debug, Default)]
struct Path {
    numbers: String,
    names: String,
    depth: usize,
}

impl<'s> Fields<'s> {
    /// None yet, of messages that `schema` has as `of`.
    #[must_use]
    pub const fn new(schema: &'s Schema, of: Option<&'s Message>) -> Self {
        Self {
            schema,
            of,
            found: Vec::new(),
            messages: 0,
        }
    }

    /// Takes in a message, the end of which may be cut off. One that is none is left out.
    pub fn message(&mut self, bytes: &[u8]) {
        if self.messages >= MESSAGES_MAX {
            return;
        }
        self.messages += 1;
        if wire::end(bytes).is_ok() {
            self.walk(bytes, &mut Path::default(), self.of);
        }
    }

    /// Takes in a message that `decode` makes of one that came coded, if it can. It is asked for no more of
    /// them than are looked at.
    pub fn coded(&mut self, decode: impl FnOnce() -> Option<Vec<u8>>) {
        if self.messages >= MESSAGES_MAX {
            return;
        }
        match decode() {
            Some(message) => self.message(&message),
            None => self.messages += 1,
        }
    }

    /// Those that were found.
    #[must_use]
    pub fn take(self) -> Vec<Field> {
        self.found
    }

    fn walk(&mut self, mut rest: &[u8], path: &mut Path, of: Option<&'s Message>) {
        let schema = self.schema;
        while let Ok(Some((number, value))) = wire::next(&mut rest) {
            let known = of.and_then(|message| message.field(number));
            let known = known.and_then(|field| Some((field, meant(field, value)?)));
            let outer = (path.numbers.len(), path.names.len());
            let dot = if outer.0 > 0 { "." } else { "" };
            // Writing to a string does not fail.
            let _ = write!(path.numbers, "{dot}{number}");
            let (kind, times, inner) = if let Some((field, (kind, times))) = known {
                path.names.push_str(dot);
                path.names.push_str(&field.name);
                (kind, times, field.meaning.message())
            } else {
                (guessed(value, path.depth), 1, None)
            };
            let found = self.add(path, kind, times);
            if let (Some(found), Some((field, _))) = (found, known) {
                let named = found.named.get_or_insert_with(|| {
                    Box::new(Named {
                        name: path.names.clone(),
                        declared: Arc::clone(&field.declared),
                        values: Vec::new(),
                    })
                });
                if let Meaning::Enum(of) = field.meaning {
                    each_number(value, |number| named.note(schema.value(of, number)));
                }
            }
            if let (ProtobufType::Message, Value::Bytes(bytes)) = (kind, value)
                && path.depth < DEPTH_MAX
            {
                path.depth += 1;
                let inner = inner.and_then(|at| schema.message(at));
                self.walk(bytes, path, inner);
                path.depth -= 1;
            }
            path.numbers.truncate(outer.0);
            path.names.truncate(outer.1);
        }
    }

    fn add(&mut self, path: &Path, kind: ProtobufType, times: u32) -> Option<&mut Field> {
        let is_it = |one: &Field| one.kind == kind && one.path == path.numbers;
        let at = match self.found.iter().position(is_it) {
            Some(at) => at,
            None if self.found.len() < FIELDS_MAX => {
                self.found.push(Field {
                    path: path.numbers.clone(),
                    kind,
                    times: 0,
                    named: None,
                });
                self.found.len() - 1
            }
            None => return None,
        };
        let field = self.found.get_mut(at)?;
        field.times = field.times.saturating_add(times);
        Some(field)
    }
}

/// The type that a value has if it is what its schema says, and how many values it is; `None` if it is
/// not.
fn meant(field: &Member, value: Value<'_>) -> Option<(ProtobufType, u32)> {
    let kind = match (field.meaning, value) {
        (Meaning::Varint | Meaning::Enum(_), Value::Varint(_)) => ProtobufType::Varint,
        (Meaning::Fixed32, Value::Fixed32) => ProtobufType::Fixed32,
        (Meaning::Fixed64, Value::Fixed64) => ProtobufType::Fixed64,
        (Meaning::Text, Value::Bytes(bytes)) if str::from_utf8(bytes).is_ok() => ProtobufType::Text,
        (Meaning::Bytes, Value::Bytes(_)) => ProtobufType::Bytes,
        (Meaning::Message(_), Value::Bytes(bytes))
            if wire::end(bytes).is_ok_and(<[u8]>::is_empty) =>
        {
            ProtobufType::Message
        }
        // Numbers may come packed, one behind the other, if the field repeats.
        (Meaning::Varint | Meaning::Enum(_), Value::Bytes(_)) if field.repeats => {
            let mut count = 0;
            let is_whole = each_number(value, |_| count += 1);
            return is_whole.then_some((ProtobufType::Varint, count));
        }
        (Meaning::Fixed32, Value::Bytes(bytes)) if field.repeats => {
            return packed(bytes, 4).map(|count| (ProtobufType::Fixed32, count));
        }
        (Meaning::Fixed64, Value::Bytes(bytes)) if field.repeats => {
            return packed(bytes, 8).map(|count| (ProtobufType::Fixed64, count));
        }
        _ => return None,
    };
    Some((kind, 1))
}

/// Gives the number that a value is, or those that are packed in it; whether it is nothing else.
fn each_number(value: Value<'_>, mut give: impl FnMut(u64)) -> bool {
    match value {
        Value::Varint(number) => {
            give(number);
            true
        }
        Value::Bytes(mut rest) => {
            while let Ok(Some(number)) = wire::varint(&mut rest) {
                give(number);
            }
            rest.is_empty()
        }
        Value::Fixed32 | Value::Fixed64 => false,
    }
}

/// How many numbers of `size` bytes are packed in `bytes`.
fn packed(bytes: &[u8], size: usize) -> Option<u32> {
    let count = u32::try_from(bytes.len() / size).ok()?;
    bytes.len().is_multiple_of(size).then_some(count)
}

/// The type of a value of which no schema tells.
fn guessed(value: Value<'_>, depth: usize) -> ProtobufType {
    match value {
        Value::Varint(_) => ProtobufType::Varint,
        Value::Fixed32 => ProtobufType::Fixed32,
        Value::Fixed64 => ProtobufType::Fixed64,
        Value::Bytes(bytes) => {
            // Text seldom begins with a line feed, which is the tag of many a message.
            let is_plain = bytes.first().is_none_or(|first| *first >= b' ');
            let is_text = is_text(bytes);
            if is_text && is_plain {
                ProtobufType::Text
            } else if depth < DEPTH_MAX && wire::end(bytes).is_ok_and(<[u8]>::is_empty) {
                ProtobufType::Message
            } else if is_text {
                ProtobufType::Text
            } else {
                ProtobufType::Bytes
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

#[cfg(test)]
mod tests {
    use super::{FIELDS_MAX, Fields, MESSAGES_MAX, ProtobufType, Schema};

    #[track_caller]
    fn check(messages: &[&[u8]], expected: &[(&str, ProtobufType, u32)]) {
        let schema = Schema::default();
        let mut fields = Fields::new(&schema, None);
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
    fn no_more_messages_are_decoded_than_are_looked_at() {
        let schema = Schema::default();
        for decoded in [Some(b"\x08\x01".to_vec()), None] {
            let (mut fields, mut count) = (Fields::new(&schema, None), 0);
            for _ in 0..100 {
                fields.coded(|| {
                    count += 1;
                    decoded.clone()
                });
            }
            assert_eq!(count, MESSAGES_MAX);
            let times = decoded.map(|_| MESSAGES_MAX as u32);
            assert_eq!(fields.take().first().map(|one| one.times), times);
        }
    }

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
        let schema = Schema::default();
        let mut fields = Fields::new(&schema, None);
        fields.message(&many);
        assert_eq!(fields.take().len(), FIELDS_MAX);
        let mut deep = b"\x08\x01".to_vec();
        for _ in 0..40 {
            deep = [&[0x0a, deep.len() as u8][..], &deep].concat();
        }
        let schema = Schema::default();
        let mut fields = Fields::new(&schema, None);
        fields.message(&deep);
        let longest = fields.take().iter().map(|one| one.path.len()).max();
        assert_eq!(longest, Some(13));
    }
}
