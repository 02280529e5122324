//! The stable encoding: one JSON object a line (RFC 8259), fields in the order of the types.
//!
//! An encoder of our own, since it is paid for each exchange: names of fields are written as they
//! are, text is searched for what must be escaped eight bytes at a time. Measured by
//! `benches/event.rs`: a small exchange takes 0.6 of what it takes with serde_json.

use std::fmt::Display;

use serde::ser::{self, Serialize};

use super::text::{LOWER, Text};

/// A record that cannot be written as JSON.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// JSON has no such number.
    #[error("a number that is not finite")]
    NotFinite,
    /// JSON has only text there.
    #[error("a key that is not text")]
    Key,
    /// It says so itself.
    #[error("{0}")]
    Other(String),
}

impl ser::Error for EncodeError {
    fn custom<T: Display>(message: T) -> Self {
        Self::Other(message.to_string())
    }
}

/// Appends `record` and a line feed to `line`. Allocates only as `line` grows.
///
/// # Errors
/// [`EncodeError`] if the record cannot be JSON; `line` is then as before.
pub fn write_line(record: &impl Serialize, line: &mut Vec<u8>) -> Result<(), EncodeError> {
    let before = line.len();
    if let Err(error) = record.serialize(&mut Encoder { out: line }) {
        line.truncate(before);
        return Err(error);
    }
    line.push(b'\n');
    Ok(())
}

/// Writes what serde hands it.
struct Encoder<'v> {
    out: &'v mut Vec<u8>,
}

/// A list or an object that has been begun.
struct Open<'e, 'v> {
    encoder: &'e mut Encoder<'v>,
    empty: bool,
    /// What ends it.
    close: &'static [u8],
}

impl<'v> Encoder<'v> {
    #[inline(always)]
    fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Writes the name of a field, and what parts it from the field before.
    ///
    /// Names are ours and hold nothing to be escaped. Inlined, so that their length is known: what
    /// is put together here becomes a few stores, behind one check for room.
    #[inline(always)]
    fn name(&mut self, comma: bool, name: &'static str) {
        let mut text = [b' '; NAME_BYTES];
        (text[0], text[1]) = (b',', b'"');
        let start = usize::from(!comma);
        let end = 2 + name.len();
        if let Some(place) = text.get_mut(2..end + 2)
            && let [place @ .., quote, colon] = place
        {
            place.copy_from_slice(name.as_bytes());
            (*quote, *colon) = (b'"', b':');
            self.raw(text.get(start..end + 2).unwrap_or_default());
        } else {
            self.raw(b",\"".get(start..).unwrap_or_default());
            self.raw(name.as_bytes());
            self.raw(b"\":");
        }
    }

    fn unsigned(&mut self, mut number: u64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        for place in digits.iter_mut().rev() {
            *place = b'0' + (number % 10) as u8;
            number /= 10;
            at -= 1;
            if number == 0 {
                break;
            }
        }
        self.raw(digits.get(at..).unwrap_or_default());
    }

    fn open<'e>(&'e mut self, open: &'static [u8], close: &'static [u8]) -> Open<'e, 'v> {
        self.raw(open);
        Open {
            encoder: self,
            empty: true,
            close,
        }
    }

    /// Begins what stands for a variant with values: an object of one field.
    fn open_variant<'e>(
        &'e mut self,
        variant: &'static str,
        open: &'static [u8],
        close: &'static [u8],
    ) -> Open<'e, 'v> {
        self.raw(b"{");
        self.name(false, variant);
        self.open(open, close)
    }
}

/// Longest name of a field that is written at once, with its quotes, colon and comma, bytes.
const NAME_BYTES: usize = 32;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = ONES << 7;

/// How many bytes of `word`, from the lowest, need no escape: `"`, `\` and what is below space do
/// (RFC 8259 §7). Eight if none.
#[inline]
fn plain_bytes(word: u64) -> usize {
    // A byte's high bit is set where it is zero, exact up to the first one.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = zero(word ^ (ONES * b'"' as u64));
    let backslash = zero(word ^ (ONES * b'\\' as u64));
    (((control | quote | backslash) & HIGHS).trailing_zeros() / 8) as usize
}

/// Whether `bytes` are ASCII of which nothing needs an escape.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    let plain = |word: &[u8; 8]| {
        let word = u64::from_le_bytes(*word);
        word & HIGHS == 0 && plain_bytes(word) == 8
    };
    match bytes.last_chunk::<8>() {
        // The last word overlaps the one before: cheaper than a short copy.
        Some(last) => bytes.as_chunks::<8>().0.iter().all(plain) && plain(last),
        None => bytes
            .iter()
            .all(|byte| matches!(byte, b' '..0x80) && !matches!(byte, b'"' | b'\\')),
    }
}

/// Appends `text` in quotes, escaped.
#[inline]
fn quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    if is_plain(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
    } else {
        escaped(text.as_bytes(), out);
    }
    out.push(b'"');
}

/// Appends `bytes`, escaped: copies a word, then the escape of the first byte in it that needs one,
/// so that dense quotes cost no search and no short copy each.
fn escaped(mut bytes: &[u8], out: &mut Vec<u8>) {
    let mut at = out.len();
    while !bytes.is_empty() {
        // Room for two bytes for each, and for a word and an escape beyond.
        if out.len() < at + 16 {
            out.resize(at + 2 * bytes.len() + 16, 0);
        }
        let mut word = [b' '; 8];
        let len = match bytes.first_chunk::<8>() {
            Some(whole) => {
                word = *whole;
                word.len()
            }
            None => {
                for (place, byte) in word.iter_mut().zip(bytes) {
                    *place = *byte;
                }
                bytes.len()
            }
        };
        let plain = plain_bytes(u64::from_le_bytes(word)).min(len);
        let Some(place) = out.get_mut(at..at + 16) else {
            break;
        };
        if let Some(place) = place.first_chunk_mut() {
            *place = word;
        }
        at += plain;
        bytes = bytes.get(plain..).unwrap_or_default();
        if plain < len
            && let Some((first, rest)) = bytes.split_first()
        {
            let (escape, len) = escape(*first);
            if let Some(place) = place.get_mut(plain..plain + escape.len()) {
                place.copy_from_slice(&escape);
            }
            at += len;
            bytes = rest;
        }
    }
    out.truncate(at);
}

/// How `byte` is written, and how many of these bytes that takes.
fn escape(byte: u8) -> ([u8; 6], usize) {
    let letter = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            let digit = |value: u8| {
                if value < 10 {
                    b'0' + value
                } else {
                    b'a' + value - 10
                }
            };
            return (
                [b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 0xf)],
                6,
            );
        }
    };
    ([b'\\', letter, 0, 0, 0, 0], 2)
}

macro_rules! numbers {
    ($($name:ident: $kind:ty),+) => {$(
        #[inline]
        fn $name(self, value: $kind) -> Result<(), EncodeError> {
            self.unsigned(value.into());
            Ok(())
        }
    )+};
}

macro_rules! signed {
    ($($name:ident: $kind:ty),+) => {$(
        fn $name(self, value: $kind) -> Result<(), EncodeError> {
            if value < 0 {
                self.raw(b"-");
            }
            self.unsigned(value.unsigned_abs().into());
            Ok(())
        }
    )+};
}

impl<'e, 'v> ser::Serializer for &'e mut Encoder<'v> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = Open<'e, 'v>;
    type SerializeTuple = Open<'e, 'v>;
    type SerializeTupleStruct = Open<'e, 'v>;
    type SerializeTupleVariant = Open<'e, 'v>;
    type SerializeMap = Open<'e, 'v>;
    type SerializeStruct = Open<'e, 'v>;
    type SerializeStructVariant = Open<'e, 'v>;

    numbers! { serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64 }
    signed! { serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64 }

    fn serialize_bool(self, value: bool) -> Result<(), EncodeError> {
        self.raw(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), EncodeError> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), EncodeError> {
        if !value.is_finite() {
            return Err(EncodeError::NotFinite);
        }
        // How Rust writes a finite number for programmers is how JSON writes it.
        self.raw(format!("{value:?}").as_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), EncodeError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), EncodeError> {
        quoted(value, self.out);
        Ok(())
    }

    /// As [`Text`]: no value of ours is an array of numbers.
    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> Result<(), EncodeError> {
        if is_plain(value) {
            self.out.push(b'"');
            self.out.extend_from_slice(value);
            self.out.push(b'"');
        } else {
            quoted(&Text(value).to_text(), self.out);
        }
        Ok(())
    }

    /// False, which tells [`Text`] and [`Lower`](super::Lower) to hand over their bytes unread.
    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_none(self) -> Result<(), EncodeError> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), EncodeError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), EncodeError> {
        self.raw(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), EncodeError> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), EncodeError> {
        self.raw(b"\"");
        self.raw(variant.as_bytes());
        self.raw(b"\"");
        Ok(())
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        let before = self.out.len();
        value.serialize(&mut *self)?;
        if name == LOWER
            && let Some(written) = self.out.get_mut(before..)
        {
            // Escapes are in lower case as they are.
            written.make_ascii_lowercase();
        }
        Ok(())
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        self.raw(b"{");
        self.name(false, variant);
        value.serialize(&mut *self)?;
        self.raw(b"}");
        Ok(())
    }

    #[inline]
    fn serialize_seq(self, _: Option<usize>) -> Result<Open<'e, 'v>, EncodeError> {
        Ok(self.open(b"[", b"]"))
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Open<'e, 'v>, EncodeError> {
        Ok(self.open(b"[", b"]"))
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<Open<'e, 'v>, EncodeError> {
        Ok(self.open(b"[", b"]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Open<'e, 'v>, EncodeError> {
        Ok(self.open_variant(variant, b"[", b"]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Open<'e, 'v>, EncodeError> {
        Ok(self.open(b"{", b"}"))
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Open<'e, 'v>, EncodeError> {
        Ok(self.open(b"{", b"}"))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Open<'e, 'v>, EncodeError> {
        Ok(self.open_variant(variant, b"{", b"}}"))
    }
}

impl Open<'_, '_> {
    #[inline(always)]
    fn comma(&mut self) {
        if !self.empty {
            self.encoder.raw(b",");
        }
        self.empty = false;
    }

    #[inline]
    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.comma();
        value.serialize(&mut *self.encoder)
    }

    #[inline(always)]
    fn field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), EncodeError> {
        self.encoder.name(!self.empty, name);
        self.empty = false;
        value.serialize(&mut *self.encoder)
    }

    #[inline]
    fn close(self) -> Result<(), EncodeError> {
        self.encoder.raw(self.close);
        Ok(())
    }
}

/// One of serde's ways to hand over the values of a list, or the fields of an object.
macro_rules! compound {
    ($($way:ident: $method:ident = $own:ident($($name:ident: $kind:ty)?);)+) => {$(
        impl ser::$way for Open<'_, '_> {
            type Ok = ();
            type Error = EncodeError;

            #[inline(always)]
            fn $method<T: Serialize + ?Sized>(
                &mut self,
                $($name: $kind,)?
                value: &T,
            ) -> Result<(), EncodeError> {
                self.$own($($name,)? value)
            }

            #[inline(always)]
            fn end(self) -> Result<(), EncodeError> {
                self.close()
            }
        }
    )+};
}

compound! {
    SerializeSeq: serialize_element = value();
    SerializeTuple: serialize_element = value();
    SerializeTupleStruct: serialize_field = value();
    SerializeTupleVariant: serialize_field = value();
    SerializeStruct: serialize_field = field(name: &'static str);
    SerializeStructVariant: serialize_field = field(name: &'static str);
}

impl ser::SerializeMap for Open<'_, '_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        self.comma();
        let before = self.encoder.out.len();
        key.serialize(&mut *self.encoder)?;
        match self.encoder.out.get(before) {
            Some(b'"') => Ok(()),
            _ => Err(EncodeError::Key),
        }
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.encoder.raw(b":");
        value.serialize(&mut *self.encoder)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.close()
    }
}

#[cfg(test)]
mod tests {
    use super::{EncodeError, write_line};
    use proptest::prelude::*;
    use serde::Serialize;
    use std::collections::BTreeMap;

    #[track_caller]
    fn check(value: &impl Serialize) {
        let mut line = Vec::new();
        write_line(value, &mut line).unwrap();
        assert_eq!(line.pop(), Some(b'\n'));
        let expected = serde_json::to_string(value).unwrap();
        assert_eq!(String::from_utf8(line).unwrap(), expected);
    }

    #[derive(Serialize)]
    struct Unit;

    #[derive(Serialize)]
    struct Pair(u8, &'static str);

    #[derive(Serialize)]
    enum Shape {
        Unit,
        Newtype(i64),
        Tuple(u8, u8),
        Struct { a: Option<u8>, b: () },
    }

    #[test]
    fn every_kind_of_value_is_written_as_serde_json_does() {
        check(&(true, false, 'é', "x", Unit, Pair(1, "y")));
        check(&(0, u64::MAX, i64::MIN, i8::MIN, -1, 1.5, -0.25, 1e-7, 2.0));
        check(&[Shape::Unit, Shape::Newtype(-5), Shape::Tuple(1, 2)]);
        check(&Shape::Struct { a: None, b: () });
        check(&BTreeMap::from([("b\n", vec![1, 2]), ("a", vec![])]));
        check(&(Vec::<u8>::new(), BTreeMap::<String, u8>::new()));
    }

    #[test]
    fn every_byte_below_128_is_escaped_as_serde_json_does_wherever_it_stands() {
        for byte in 0..128_u8 {
            for before in 0..10 {
                let mut text = "0123456789".to_owned();
                text.insert(before, char::from(byte));
                check(&text);
            }
        }
        check(&"\0".repeat(100));
    }

    #[test]
    fn what_json_cannot_say_leaves_the_line_as_it_was() {
        let mut line = b"before".to_vec();
        let error = write_line(&[1.0, f64::NAN], &mut line).unwrap_err();
        assert!(matches!(error, EncodeError::NotFinite));
        let error = write_line(&BTreeMap::from([(1, 2)]), &mut line).unwrap_err();
        assert!(matches!(error, EncodeError::Key));
        assert_eq!(line, b"before");
    }

    proptest! {
        #[test]
        fn any_text_is_escaped_as_serde_json_does(text in ".*", quotes in "[\"\\\\a\n]*") {
            check(&text);
            check(&quotes);
        }
    }
}
