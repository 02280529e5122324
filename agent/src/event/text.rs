//! Bytes as text, so that nothing is lost.
//!
//! UTF-8 is written as it is. A byte that is not part of UTF-8 is written `\xNN`, two lower-case
//! hex digits, and the backslash of a literal `\x` as `\x5c`, so the bytes can always be had back.

use std::borrow::Cow;
use std::fmt::Write as _;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

/// Bytes, written as text.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Text<'a>(pub &'a [u8]);

/// Bytes, written as text with the letters A to Z in lower case.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Lower<'a>(pub &'a [u8]);

/// Texts, each on a line of one, written as a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines<'a>(pub &'a str);

impl Lines<'_> {
    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Lines<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.lines())
    }
}

impl JsonSchema for Lines<'_> {
    fn schema_name() -> Cow<'static, str> {
        "Lines".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": { "type": "string" } })
    }
}

/// Name under which [`Lower`] goes to an encoder that lowers what it wrote.
pub(super) const LOWER: &str = "Lower";

impl<'a> Text<'a> {
    /// The bytes as text.
    #[must_use]
    pub fn to_text(self) -> Cow<'a, str> {
        match str::from_utf8(self.0) {
            Ok(text) if !has_literal_escape(self.0) => Cow::Borrowed(text),
            _ => Cow::Owned(escaped(self.0)),
        }
    }
}

/// Whether `\x` stands in `bytes`.
fn has_literal_escape(bytes: &[u8]) -> bool {
    // The search for one byte is the quick one; backslashes are rare.
    bytes.contains(&b'\\') && bytes.windows(2).any(|pair| pair == b"\\x")
}

fn escaped(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some((before, behind)) = rest.split_once("\\x") {
            out.push_str(before);
            out.push_str("\\x5cx");
            rest = behind;
        }
        out.push_str(rest);
        for byte in chunk.invalid() {
            // Writing to a `String` does not fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// The bytes that `text` was written for.
#[must_use]
pub fn unescaped(text: &str) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((before, behind)) = rest.split_once("\\x") {
        out.extend_from_slice(before.as_bytes());
        let digits = behind.get(..2).map(|digits| u8::from_str_radix(digits, 16));
        match digits {
            Some(Ok(byte)) => {
                out.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            // We wrote no such thing: it stays as it is.
            _ => {
                out.extend_from_slice(b"\\x");
                rest = behind;
            }
        }
    }
    out.extend_from_slice(rest.as_bytes());
    out
}

impl std::fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.to_text())
    }
}

impl std::fmt::Debug for Lower<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", Text(&self.0.to_ascii_lowercase()).to_text())
    }
}

// An encoder that is not for reading by people, ours, takes bytes as text and does the rest itself.

impl Serialize for Text<'_> {
    #[inline]
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            to.serialize_str(&self.to_text())
        } else {
            to.serialize_bytes(self.0)
        }
    }
}

impl Serialize for Lower<'_> {
    #[inline]
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        // Lowering what is written already would make an escape of a literal `\X`.
        if to.is_human_readable() || self.0.contains(&b'\\') {
            Text(&self.0.to_ascii_lowercase()).serialize(to)
        } else {
            to.serialize_newtype_struct(LOWER, &Text(self.0))
        }
    }
}

/// What the schema says of text made of foreign bytes.
fn schema() -> Schema {
    json_schema!({ "type": "string" })
}

macro_rules! text_schema {
    ($($name:ident)+) => {$(
        impl JsonSchema for $name<'_> {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                schema()
            }
        }
    )+};
}

text_schema! { Text Lower }

#[cfg(test)]
pub(super) mod tests {
    use super::{Lower, Text, unescaped};
    use proptest::prelude::*;

    fn check(bytes: &[u8], expected: &str) {
        assert_eq!(Text(bytes).to_text(), expected);
        assert_eq!(unescaped(expected), bytes);
    }

    #[test]
    fn utf8_stays_other_bytes_are_escaped() {
        check(b"", "");
        check(b"/users/42", "/users/42");
        check("Zoë \u{1f980}".as_bytes(), "Zoë \u{1f980}");
        check(b"a\xffb", "a\\xffb");
        check(b"\xe2\x82", "\\xe2\\x82");
        check(b"\xed\xa0\x80", "\\xed\\xa0\\x80");
        check(b"\0\r\n", "\0\r\n");
    }

    #[test]
    fn a_literal_escape_is_escaped_itself() {
        check(br"\xff", r"\x5cxff");
        check(br"\\x\x", r"\\x5cx\x5cx");
        check(br"C:\temp", r"C:\temp");
        check(b"\\\xff", "\\\\xff");
    }

    #[test]
    fn names_are_lowered_at_any_length() {
        let long = vec![b'Q'; 200];
        for (name, expected) in [
            (&b"Content-Type"[..], "content-type".to_owned()),
            (b"host", "host".to_owned()),
            (b"X\xff", "x\\xff".to_owned()),
            (&long, "q".repeat(200)),
        ] {
            let json = serde_json::to_value(Lower(name)).unwrap();
            assert_eq!(json, expected);
        }
    }

    proptest! {
        #[test]
        fn bytes_can_be_had_back(bytes: Vec<u8>) {
            prop_assert_eq!(unescaped(&Text(&bytes).to_text()), bytes);
        }

        #[test]
        fn bytes_around_escapes_can_be_had_back(bytes in proptest::collection::vec(
            prop_oneof![Just(b'\\'), Just(b'x'), Just(b'f'), Just(0xff_u8), Just(0xc3), Just(0xa9)], 0..12,
        )) {
            prop_assert_eq!(unescaped(&Text(&bytes).to_text()), bytes);
        }
    }
}
