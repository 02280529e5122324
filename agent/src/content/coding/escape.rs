//! Backslash escapes of JSON (RFC 8259 §7) and of JavaScript (ECMA-262 §12.9.4).

use super::{Unit, hex};
use crate::content::layer::Layer;

/// What a lone half of a surrogate pair becomes.
const REPLACEMENT: u32 = 0xfffd;

/// The escape of a JSON string at the front of `bytes`.
pub(super) fn json(bytes: &[u8]) -> Option<Unit> {
    match bytes {
        [b'\\', b'u', ..] => unicode(bytes),
        [b'\\', letter, ..] => Some(Unit::byte(2, letter_of_json(*letter)?, Layer::Escape)),
        _ => None,
    }
}

/// The escape of a JavaScript string at the front of `bytes`.
pub(super) fn script(bytes: &[u8]) -> Option<Unit> {
    match bytes {
        [b'\\', b'u', b'{', rest @ ..] => {
            // Six digits are enough for every character, zeros in front are allowed.
            let end = rest.iter().take(12).position(|byte| *byte == b'}')?;
            Unit::char(4 + end, hex(rest.get(..end)?)?, Layer::Escape)
        }
        [b'\\', b'u', ..] => unicode(bytes),
        [b'\\', b'x', high, low, ..] => {
            let byte = hex(&[*high, *low])?;
            Unit::char(4, byte, Layer::Escape)
        }
        [b'\\', digit @ b'0'..=b'7', ..] => {
            // Up to three octal digits, as sloppy mode reads them (ECMA-262 annex B.1.2).
            let most = if *digit <= b'3' { 3 } else { 2 };
            let digits = bytes.iter().skip(1).take(most);
            let digits = digits.take_while(|byte| matches!(byte, b'0'..=b'7'));
            let (count, value) = digits.fold((0, 0), |(count, value), byte| {
                (count + 1, value * 8 + u32::from(byte - b'0'))
            });
            Unit::char(1 + count, value, Layer::Escape)
        }
        [b'\\', b'\'', ..] => Some(Unit::byte(2, b'\'', Layer::Escape)),
        [b'\\', b'v', ..] => Some(Unit::byte(2, 0x0b, Layer::Escape)),
        _ => json(bytes),
    }
}

/// `\uXXXX`, or two that are a pair.
fn unicode(bytes: &[u8]) -> Option<Unit> {
    let half = |at: usize| hex(bytes.get(at..at + 4)?);
    let code = half(2)?;
    if !(0xd800..0xe000).contains(&code) {
        return Unit::char(6, code, Layer::Escape);
    }
    let low = half(8).filter(|low| {
        code < 0xdc00 && (0xdc00..0xe000).contains(low) && bytes.get(6..8) == Some(b"\\u")
    });
    match low {
        Some(low) => {
            let code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            Unit::char(12, code, Layer::Escape)
        }
        None => Unit::char(6, REPLACEMENT, Layer::Escape),
    }
}

fn letter_of_json(letter: u8) -> Option<u8> {
    Some(match letter {
        b'"' | b'\\' | b'/' => letter,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => return None,
    })
}
