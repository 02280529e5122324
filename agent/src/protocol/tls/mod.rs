//! First messages of a TLS handshake: what they say in clear (RFC 8446 §4, RFC 5246 §7.4).
//!
//! In: the first bytes of one flow of a socket, as far as they are there. Out: what its message says, put
//! into a [`Handshake`]. It is read anew with each byte more, so nothing is held here; the caller
//! bounds the bytes. What comes behind the first message is not looked at: most is encrypted.

use crate::event::{Cipher, Handshake, TlsVersion};

/// Content type of a record that holds messages of the handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;
/// Most bytes of a record in clear (RFC 8446 §5.1).
const RECORD_MAX_BYTES: usize = 1 << 14;
/// Types of messages (RFC 8446 §4).
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
/// Types of extensions (RFC 8446 §4.2).
const SERVER_NAME: u16 = 0;
const PROTOCOLS: u16 = 16;
const VERSIONS: u16 = 43;
/// A longer name is none of DNS (RFC 1035 §2.3.4).
const NAME_MAX_BYTES: usize = 255;
/// Protocols that are kept of those a client offers, and bytes of all: browsers offer two or three.
const OFFERED_MAX: usize = 8;
const OFFERED_MAX_BYTES: usize = 255;

/// How far the first message was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// More bytes of it are to come.
    More,
    /// It was read to its end, or to where it is broken.
    Done,
    /// It is no hello.
    Other,
}

/// Reads the first message of a flow that begins with `bytes`: what is whole of it goes into `known`.
pub fn hello(bytes: &[u8], known: &mut Handshake) -> Reading {
    let Some(message) = message(bytes) else {
        return Reading::Other;
    };
    let mut input = Input(&message.bytes);
    let (Some(kind), Some(len)) = (input.u8(), input.u24()) else {
        return message.reading();
    };
    let is_whole = input.0.len() >= len;
    let mut input = Input(input.0.get(..len).unwrap_or(input.0));
    match kind {
        CLIENT_HELLO => client(&mut input, known),
        SERVER_HELLO => server(&mut input, is_whole, known),
        _ => return Reading::Other,
    };
    if is_whole {
        Reading::Done
    } else {
        message.reading()
    }
}

/// What records hold, one behind the other.
struct Message {
    bytes: Vec<u8>,
    /// What comes next does not go on with it.
    is_broken: bool,
}

impl Message {
    const fn reading(&self) -> Reading {
        if self.is_broken {
            Reading::Done
        } else {
            Reading::More
        }
    }
}

/// Takes the records at the front of `bytes` apart; `None` if the first is none of a handshake.
fn message(bytes: &[u8]) -> Option<Message> {
    let mut message = Message {
        bytes: Vec::new(),
        is_broken: false,
    };
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some(([kind, major, minor, high, low], behind)) = rest.split_first_chunk() else {
            let may_be = rest.first() == Some(&HANDSHAKE);
            message.is_broken = !may_be;
            return (may_be || rest.len() < bytes.len()).then_some(message);
        };
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let is_one = (*kind, *major) == (HANDSHAKE, 3) && *minor <= 4;
        if !is_one || !(1..=RECORD_MAX_BYTES).contains(&len) {
            message.is_broken = true;
            return (rest.len() < bytes.len()).then_some(message);
        }
        let (inside, behind) = behind.split_at_checked(len).unwrap_or((behind, &[]));
        message.bytes.extend_from_slice(inside);
        rest = behind;
    }
    Some(message)
}

/// Reads a `ClientHello` (RFC 8446 §4.1.2).
fn client(input: &mut Input<'_>, known: &mut Handshake) -> Option<()> {
    input.take(2 + 32)?;
    input.short()?;
    input.long()?;
    input.short()?;
    input.extensions(|kind, mut data| match kind {
        SERVER_NAME if known.server_name.is_none() => known.server_name = name(&mut data),
        PROTOCOLS if known.offered.is_empty() => known.offered = offered(&mut data),
        _ => {}
    })
}

/// Reads a `ServerHello` (RFC 8446 §4.1.3), or the request for another `ClientHello`, which names
/// the same version and cipher suite (§4.1.4).
fn server(input: &mut Input<'_>, is_whole: bool, known: &mut Handshake) -> Option<()> {
    let legacy = input.u16()?;
    input.take(32)?;
    input.short()?;
    known.cipher = Some(Cipher(input.u16()?));
    input.take(1)?;
    let mut version = None;
    input.extensions(|kind, mut data| match kind {
        VERSIONS if version.is_none() => version = data.u16(),
        PROTOCOLS if known.chosen.is_none() => {
            let first = data.long().and_then(|list| Input(list).short());
            known.chosen = first.map(<[u8]>::to_vec);
        }
        _ => {}
    });
    // The extension, which may come last, says what the field in front does not (§4.2.1).
    let version = version.or(is_whole.then_some(legacy));
    known.version = version.and_then(TlsVersion::from_number);
    Some(())
}

/// The first host's name in a list of names (RFC 6066 §3).
fn name(input: &mut Input<'_>) -> Option<Vec<u8>> {
    let mut list = Input(input.long()?);
    while let (Some(kind), Some(name)) = (list.u8(), list.long()) {
        if kind == 0 {
            let fits = (1..=NAME_MAX_BYTES).contains(&name.len());
            return fits.then(|| name.to_vec());
        }
    }
    None
}

/// What of a list of protocols is kept: none of those that clients make up to try servers (RFC 8701 §3.1).
fn offered(input: &mut Input<'_>) -> Vec<Vec<u8>> {
    let mut list = Input(input.long().unwrap_or_default());
    let mut kept = Vec::new();
    let mut left = OFFERED_MAX_BYTES;
    while let Some(name) = list.short() {
        if is_grease(name) {
            continue;
        }
        if kept.len() == OFFERED_MAX || name.len() > left {
            break;
        }
        left -= name.len();
        kept.push(name.to_vec());
    }
    kept
}

/// Whether a protocol's name is one of `\x0a\x0a`, `\x1a\x1a` to `\xfa\xfa`.
fn is_grease(name: &[u8]) -> bool {
    matches!(name, [first, second] if first == second && first & 0x0f == 0x0a)
}

/// Takes fields off the front.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from(self.u8()?) << 8 | u16::from(self.u8()?))
    }

    fn u24(&mut self) -> Option<usize> {
        Some(usize::from(self.u8()?) << 16 | usize::from(self.u16()?))
    }

    /// A field behind one byte that counts it.
    fn short(&mut self) -> Option<&'a [u8]> {
        let len = self.u8()?;
        self.take(len.into())
    }

    /// A field behind two bytes that count it.
    fn long(&mut self) -> Option<&'a [u8]> {
        let len = self.u16()?;
        self.take(len.into())
    }

    /// Gives type and data of each extension that is there whole.
    fn extensions(&mut self, mut each: impl FnMut(u16, Self)) -> Option<()> {
        let len = usize::from(self.u16()?);
        let mut list = Self(self.0.get(..len).unwrap_or(self.0));
        while let (Some(kind), Some(data)) = (list.u16(), list.long()) {
            each(kind, Self(data));
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
