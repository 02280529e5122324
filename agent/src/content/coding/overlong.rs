//! UTF-8 longer than it need be: forbidden (RFC 3629 §3), and read by careless decoders.

use super::Unit;
use crate::content::layer::Layer;

/// The overlong sequence at the front of `bytes`.
pub(super) fn unit(bytes: &[u8]) -> Option<Unit> {
    let (len, code) = match bytes {
        [first @ (0xc0 | 0xc1), a, ..] => (2, fold(u32::from(first & 0x1f), &[*a])?),
        [0xe0, a @ 0x80..0xa0, b, ..] => (3, fold(0, &[*a, *b])?),
        [0xf0, a @ 0x80..0x90, b, c, ..] => (4, fold(0, &[*a, *b, *c])?),
        _ => return None,
    };
    Unit::char(len, code, Layer::Overlong)
}

/// Six bits of each continuation byte; `None` if one is none.
fn fold(first: u32, rest: &[u8]) -> Option<u32> {
    rest.iter().try_fold(first, |code, byte| {
        (byte & 0xc0 == 0x80).then_some(code << 6 | u32::from(byte & 0x3f))
    })
}
