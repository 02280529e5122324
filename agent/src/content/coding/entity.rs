//! Character references of XML (XML 1.0 §4.1) and those names of HTML that hide syntax.

use super::{Unit, hex};
use crate::content::layer::Layer;

/// Longest reference that is read, from `&` to `;`: enough for zeros put in front.
const LONGEST: usize = 16;

/// Names, and what they stand for (HTML §13.5): all ASCII punctuation, and white space.
const NAMES: [(&[u8], u8); 40] = [
    (b"lt", b'<'),
    (b"gt", b'>'),
    (b"amp", b'&'),
    (b"quot", b'"'),
    (b"apos", b'\''),
    (b"LT", b'<'),
    (b"GT", b'>'),
    (b"AMP", b'&'),
    (b"QUOT", b'"'),
    (b"Tab", b'\t'),
    (b"NewLine", b'\n'),
    (b"nbsp", b' '),
    (b"excl", b'!'),
    (b"num", b'#'),
    (b"dollar", b'$'),
    (b"percnt", b'%'),
    (b"lpar", b'('),
    (b"rpar", b')'),
    (b"ast", b'*'),
    (b"midast", b'*'),
    (b"plus", b'+'),
    (b"comma", b','),
    (b"period", b'.'),
    (b"sol", b'/'),
    (b"colon", b':'),
    (b"semi", b';'),
    (b"equals", b'='),
    (b"quest", b'?'),
    (b"commat", b'@'),
    (b"lsqb", b'['),
    (b"lbrack", b'['),
    (b"bsol", b'\\'),
    (b"rsqb", b']'),
    (b"rbrack", b']'),
    (b"Hat", b'^'),
    (b"lowbar", b'_'),
    (b"grave", b'`'),
    (b"lcub", b'{'),
    (b"rcub", b'}'),
    (b"verbar", b'|'),
];

/// The reference at the front of `bytes`. Browsers read a number without its semicolon too.
pub(super) fn unit(bytes: &[u8]) -> Option<Unit> {
    match bytes {
        [b'&', b'#', b'x' | b'X', rest @ ..] => number(rest, 3, 16),
        [b'&', b'#', rest @ ..] => number(rest, 2, 10),
        [b'&', rest @ ..] => {
            let end = rest.iter().take(LONGEST).position(|byte| *byte == b';')?;
            let name = rest.get(..end)?;
            let (_, byte) = NAMES.iter().find(|(have, _)| *have == name)?;
            Some(Unit::byte(end + 2, *byte, Layer::Entity))
        }
        _ => None,
    }
}

fn number(rest: &[u8], before: usize, radix: u32) -> Option<Unit> {
    let is_digit = |byte: &&u8| char::from(**byte).is_digit(radix);
    let count = rest.iter().take(LONGEST).take_while(is_digit).count();
    let digits = rest.get(..count)?;
    let code = match radix {
        16 => hex(digits)?,
        _ => str::from_utf8(digits).ok()?.parse().ok()?,
    };
    let semicolon = usize::from(rest.get(count) == Some(&b';'));
    Unit::char(before + count + semicolon, code, Layer::Entity)
}
