//! JSON read forward, one token at a time, without a tree and without a copy.
//!
//! What is passed over is not checked beyond its strings and brackets: the lines are our own.

/// A value of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'l> {
    /// A text without escapes, without its quotes.
    Text(&'l [u8]),
    /// A text with escapes, in its quotes.
    Escaped(&'l [u8]),
    /// A number, `true` or `false`.
    Scalar(&'l [u8]),
    /// A list or a mapping.
    Nested,
}

/// A place in a line. Every method answers `None` where the line is not JSON.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'l> {
    rest: &'l [u8],
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = ONES << 7;

/// After so many bytes of one text a search for long distances takes over.
const SHORT_BYTES: usize = 64;

/// How many bytes of `word`, from the lowest, are neither `"` nor `\`. Eight if none is.
#[inline]
fn plain_bytes(word: u64) -> usize {
    // A byte's high bit is set where it is zero, exact up to the first one.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let found = zero(word ^ (ONES * b'"' as u64)) | zero(word ^ (ONES * b'\\' as u64));
    ((found & HIGHS).trailing_zeros() / 8) as usize
}

/// How many bytes of `bytes` come before the first `"` or `\`.
#[inline]
fn before_mark(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut rest = bytes;
    while let Some((word, behind)) = rest.split_first_chunk::<8>() {
        let plain = plain_bytes(u64::from_le_bytes(*word));
        if plain < 8 {
            return Some(at + plain);
        }
        at += 8;
        rest = behind;
        if at >= SHORT_BYTES {
            return Some(at + memchr::memchr2(b'"', b'\\', rest)?);
        }
    }
    let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    Some(at + plain)
}

impl<'l> Cursor<'l> {
    pub(super) fn new(line: &'l [u8]) -> Self {
        Self { rest: line }
    }

    /// The next byte that is no space.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        while let [b' ' | b'\t' | b'\r' | b'\n', rest @ ..] = self.rest {
            self.rest = rest;
        }
        self.rest.first().copied()
    }

    /// Takes the next byte that is no space.
    #[inline]
    pub(super) fn take(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.rest = self.rest.get(1..)?;
        Some(byte)
    }

    /// Takes the name of a field and its colon; the opening quote is taken.
    #[inline]
    pub(super) fn name(&mut self) -> Option<&'l [u8]> {
        let (name, _) = self.string()?;
        (self.take()? == b':').then_some(name)
    }

    /// Takes the rest of a text: what is between its quotes, and whether it has escapes.
    #[inline]
    pub(super) fn string(&mut self) -> Option<(&'l [u8], bool)> {
        let all = self.rest;
        let mut end = before_mark(all)?;
        let mut escaped = false;
        while *all.get(end)? == b'\\' {
            escaped = true;
            end += 2;
            end += before_mark(all.get(end..)?)?;
        }
        self.rest = all.get(end + 1..)?;
        Some((all.get(..end)?, escaped))
    }

    /// Takes a value. Of a list or a mapping only what opens it.
    #[inline]
    pub(super) fn value(&mut self) -> Option<Value<'l>> {
        self.peek()?;
        let all = self.rest;
        match self.take()? {
            b'"' => match self.string()? {
                (text, false) => Some(Value::Text(text)),
                (text, true) => Some(Value::Escaped(all.get(..text.len() + 2)?)),
            },
            b'{' | b'[' => Some(Value::Nested),
            _ => {
                let end = all
                    .iter()
                    .position(|byte| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r'));
                let (scalar, rest) = all.split_at_checked(end.unwrap_or(all.len()))?;
                self.rest = rest;
                (!scalar.is_empty()).then_some(Value::Scalar(scalar))
            }
        }
    }

    /// Passes over a value, whatever it is.
    #[inline]
    pub(super) fn skip(&mut self) -> Option<()> {
        match self.value()? {
            Value::Nested => self.leave(),
            _ => Some(()),
        }
    }

    /// Passes over the rest of a list or a mapping that was begun.
    pub(super) fn leave(&mut self) -> Option<()> {
        let mut depth = 1_u32;
        loop {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            match byte {
                b'"' => {
                    self.string()?;
                }
                b'{' | b'[' => depth = depth.checked_add(1)?,
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(());
                    }
                }
                _ => {}
            }
        }
    }
}
