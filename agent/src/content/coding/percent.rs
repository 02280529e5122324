//! `%XX` (RFC 3986 §2.1) and `%uXXXX`, which no standard knows and old parsers read.

use super::{Unit, hex};
use crate::content::layer::Layer;

/// The unit at the front of `bytes`.
pub(super) fn unit(bytes: &[u8]) -> Option<Unit> {
    match bytes {
        [b'%', b'u' | b'U', a, b, c, d, ..] => {
            Unit::char(6, hex(&[*a, *b, *c, *d])?, Layer::PercentUnicode)
        }
        [b'%', high, low, ..] => {
            let byte = hex(&[*high, *low])?;
            Some(Unit::byte(3, u8::try_from(byte).ok()?, Layer::Percent))
        }
        _ => None,
    }
}
