//! gRPC over HTTP/2, and gRPC-Web (the protocols of grpc/grpc `doc/PROTOCOL-HTTP2.md` and
//! `doc/PROTOCOL-WEB.md`): messages counted in a body as it passes, status and deadline read from
//! fields.
//!
//! Bodies are never held: each message is five bytes of prefix and a length. Where bytes are missing
//! the place of the next prefix is lost, and with it the count.

mod protobuf;
mod schema;
mod wire;

pub use protobuf::{Field, Fields, Named};
pub use schema::{Builder as SchemaBuilder, Message as MessageSchema, Schema, SchemaError};

use super::Head;
use crate::base64::value;
use crate::hex;

/// Bytes of gRPC-Web's trailers that are kept.
const TRAILERS_MAX_BYTES: usize = 4096;

/// Bytes before each message: flags, and its length.
const PREFIX_BYTES: usize = 5;

/// Which of them is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// gRPC.
    Plain,
    /// gRPC-Web: trailers are a message.
    Web,
    /// gRPC-Web in base64.
    WebText,
}

/// What a Content-Type field says: a form, if it is one of gRPC's.
#[must_use]
pub fn form(content_type: &[u8]) -> Option<Form> {
    let end = content_type
        .iter()
        .position(|byte| matches!(byte, b';' | b'+' | b' '));
    let name = content_type.get(..end.unwrap_or(content_type.len()))?;
    match name {
        _ if name.eq_ignore_ascii_case(b"application/grpc") => Some(Form::Plain),
        _ if name.eq_ignore_ascii_case(b"application/grpc-web") => Some(Form::Web),
        _ if name.eq_ignore_ascii_case(b"application/grpc-web-text") => Some(Form::WebText),
        _ => None,
    }
}

/// The messages of one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Messages {
    form: Form,
    count: u64,
    bytes: u64,
    prefix: [u8; PREFIX_BYTES],
    have: usize,
    left: u64,
    in_trailers: bool,
    trailers: Vec<u8>,
    lost: bool,
    /// Of base64: bits not yet used, and how many.
    bits: u32,
    have_bits: u32,
}

impl Messages {
    /// None yet.
    #[must_use]
    pub const fn new(form: Form) -> Self {
        Self {
            form,
            count: 0,
            bytes: 0,
            prefix: [0; PREFIX_BYTES],
            have: 0,
            left: 0,
            in_trailers: false,
            trailers: Vec::new(),
            lost: false,
            bits: 0,
            have_bits: 0,
        }
    }

    /// Some passed before anyone counted.
    #[must_use]
    pub const fn late(form: Form) -> Self {
        let mut late = Self::new(form);
        late.lost = true;
        late
    }

    /// How many began, if none can have been missed.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        (!self.lost).then_some(self.count)
    }

    /// Their bytes, prefixes left out, as far as they came.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        (!self.lost).then_some(self.bytes)
    }

    /// The field `name` of gRPC-Web's trailers.
    #[must_use]
    pub fn trailer(&self, name: &str) -> Option<&[u8]> {
        self.trailers.split(|byte| *byte == b'\n').find_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (have, value) = line.split_at_checked(colon)?;
            let value = value.get(1..)?.trim_ascii();
            have.eq_ignore_ascii_case(name.as_bytes()).then_some(value)
        })
    }

    /// Memory it holds beyond its own size, in bytes.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        self.trailers.capacity()
    }

    /// Bytes of the body came.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.lost {
            return;
        }
        if self.form == Form::WebText {
            for byte in bytes {
                if let Some(plain) = self.unfold(*byte) {
                    self.take(&[plain]);
                }
            }
        } else {
            self.take(bytes);
        }
    }

    /// Bytes of the body never came.
    pub fn gap(&mut self, n: u64) {
        if self.form == Form::WebText || n > self.left || self.in_trailers {
            self.lost = true;
        } else {
            self.left -= n;
            self.bytes += n;
        }
    }

    /// One more character of base64: the byte it completes, if any. Padding ends a group.
    fn unfold(&mut self, byte: u8) -> Option<u8> {
        let Some(value) = value(byte) else {
            self.have_bits = 0;
            return None;
        };
        self.bits = self.bits << 6 | value;
        self.have_bits += 6;
        if self.have_bits < 8 {
            return None;
        }
        self.have_bits -= 8;
        Some((self.bits >> self.have_bits) as u8)
    }

    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.lost {
            if self.left > 0 {
                let n = usize::try_from(self.left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                let (part, rest) = bytes.split_at_checked(n).unwrap_or((bytes, &[]));
                self.left -= n as u64;
                if self.in_trailers {
                    let room = TRAILERS_MAX_BYTES.saturating_sub(self.trailers.len());
                    self.trailers.extend(part.iter().take(room));
                } else {
                    self.bytes += n as u64;
                }
                bytes = rest;
                continue;
            }
            let Some((byte, rest)) = bytes.split_first() else {
                return;
            };
            if let Some(place) = self.prefix.get_mut(self.have) {
                *place = *byte;
            }
            self.have += 1;
            bytes = rest;
            if self.have == PREFIX_BYTES {
                self.begin();
            }
        }
    }

    /// A prefix is there.
    fn begin(&mut self) {
        let [flags, length @ ..] = self.prefix;
        self.have = 0;
        self.left = u64::from(u32::from_be_bytes(length));
        self.in_trailers = self.form != Form::Plain && flags & 0x80 != 0;
        // Only the lowest bit has a meaning: the message is compressed.
        if !self.in_trailers && flags > 1 {
            self.lost = true;
        } else if !self.in_trailers {
            self.count += 1;
        }
    }
}

/// Gives the messages at the front of a body, the last of which may be cut off, and whether each is
/// compressed.
pub fn kept_messages(form: Form, content: &[u8], mut give: impl FnMut(bool, &[u8])) {
    let unfolded: Vec<u8>;
    let mut rest = content;
    if form == Form::WebText {
        let mut folded = Messages::new(form);
        let bytes = content.iter();
        unfolded = bytes.filter_map(|byte| folded.unfold(*byte)).collect();
        rest = &unfolded;
    }
    while let Some(([flags, length @ ..], behind)) = rest.split_first_chunk::<PREFIX_BYTES>() {
        // Trailers of gRPC-Web are none, nor is what no peer sends.
        if *flags > 1 {
            return;
        }
        let length = u32::from_be_bytes(*length) as usize;
        let (message, after) = behind.split_at_checked(length).unwrap_or((behind, &[]));
        give(*flags == 1, message);
        rest = after;
    }
}

/// Service and method that a path names: `/package.Service/Method`.
#[must_use]
pub fn called(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let path = path.strip_prefix(b"/")?;
    let slash = path.iter().rposition(|byte| *byte == b'/')?;
    let (service, method) = path.split_at_checked(slash)?;
    let method = method.get(1..)?;
    (!service.is_empty() && !method.is_empty()).then_some((service, method))
}

/// The status code that fields name.
#[must_use]
pub fn status(value: &[u8]) -> Option<u32> {
    str::from_utf8(value).ok()?.parse().ok()
}

/// The status message that a field holds, its percent-encoding taken off. What is not encoded as it
/// should be stays as it came.
#[must_use]
pub fn message(value: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((first, behind)) = rest.split_first() {
        let byte = behind.split_first_chunk::<2>().filter(|_| *first == b'%');
        let byte = byte.and_then(|(digits, behind)| Some((hex::decode::<1>(digits)?, behind)));
        if let Some(([byte], behind)) = byte {
            plain.push(byte);
            rest = behind;
        } else {
            plain.push(*first);
            rest = behind;
        }
    }
    plain
}

/// Nanoseconds until the deadline that a request sets, by its `grpc-timeout` field: at most eight
/// digits and a unit.
#[must_use]
pub fn timeout_ns(head: &Head) -> Option<u64> {
    let (unit, digits) = head.field("grpc-timeout")?.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = str::from_utf8(digits).ok()?.parse().ok()?;
    let unit_ns: u64 = match unit {
        b'H' => 3_600_000_000_000,
        b'M' => 60_000_000_000,
        b'S' => 1_000_000_000,
        b'm' => 1_000_000,
        b'u' => 1_000,
        b'n' => 1,
        _ => return None,
    };
    number.checked_mul(unit_ns)
}

#[cfg(test)]
mod tests {
    use super::{Form, Messages, called, form, timeout_ns};
    use crate::protocol::Head;

    #[track_caller]
    fn check(form: Form, body: &[u8], expected: (Option<u64>, Option<u64>)) -> Messages {
        let mut whole = Messages::new(form);
        whole.push(body);
        assert_eq!((whole.count(), whole.bytes()), expected);
        for cut in 0..body.len() {
            let mut parts = Messages::new(form);
            parts.push(&body[..cut]);
            parts.push(&body[cut..]);
            assert_eq!(parts, whole);
        }
        whole
    }

    const TWO: &[u8] = b"\0\0\0\0\x03abc\x01\0\0\0\0";

    #[test]
    fn messages_are_counted() {
        check(Form::Plain, b"", (Some(0), Some(0)));
        check(Form::Plain, TWO, (Some(2), Some(3)));
        check(Form::Plain, b"\0\0\0\x01\0abc", (Some(1), Some(3)));
        check(Form::Plain, b"\x47ET / HTTP", (None, None));
    }

    #[test]
    fn trailers_of_grpc_web_are_read() {
        let trailers = b"\x80\0\0\0\x1fgrpc-status:5\r\nGrpc-Message:no\r\n";
        let body = [TWO, trailers].concat();
        let found = check(Form::Web, &body, (Some(2), Some(3)));
        assert_eq!(found.trailer("grpc-status"), Some(&b"5"[..]));
        assert_eq!(found.trailer("grpc-message"), Some(&b"no"[..]));
        let text = b"AAAAAANhYmM=gAAAAA9ncnBjLXN0YXR1czogMA0K";
        let found = check(Form::WebText, text, (Some(1), Some(3)));
        assert_eq!(found.trailer("grpc-status"), Some(&b"0"[..]));
    }

    #[test]
    fn kept_messages_are_given_the_last_cut_off() {
        let given = |form, content: &[u8]| {
            let mut all = Vec::new();
            super::kept_messages(form, content, |coded, message| {
                all.push((coded, message.to_vec()));
            });
            all
        };
        let two = [(false, b"abc".to_vec()), (true, Vec::new())];
        assert_eq!(given(Form::Plain, TWO), two);
        let cut = [(false, b"ab".to_vec())];
        assert_eq!(given(Form::Plain, &TWO[..7]), cut);
        let trailers = [TWO, b"\x80\0\0\0\0"].concat();
        assert_eq!(given(Form::Web, &trailers), two);
        let text = b"AAAAAANhYmM=gAAAAA9ncnBjLXN0YXR1czogMA0K";
        assert_eq!(given(Form::WebText, text), two[..1]);
    }

    #[test]
    fn a_hole_within_a_message_leaves_the_count() {
        let mut messages = Messages::new(Form::Plain);
        messages.push(b"\0\0\0\0\x0aabc");
        messages.gap(4);
        messages.push(b"hij\0\0\0\0\0");
        assert_eq!((messages.count(), messages.bytes()), (Some(2), Some(10)));
        messages.gap(1);
        assert_eq!((messages.count(), messages.bytes()), (None, None));
    }

    #[test]
    fn what_fields_and_paths_say_is_read() {
        assert_eq!(form(b"application/grpc"), Some(Form::Plain));
        assert_eq!(form(b"application/grpc+proto"), Some(Form::Plain));
        assert_eq!(
            form(b"application/grpc-web-text+proto"),
            Some(Form::WebText)
        );
        assert_eq!(form(b"application/grpc-web; charset=x"), Some(Form::Web));
        assert_eq!(form(b"application/grpcfoo"), None);
        assert_eq!(called(b"/a.b.C/D"), Some((&b"a.b.C"[..], &b"D"[..])));
        assert_eq!(called(b"/C"), None);
        assert_eq!(called(b"//D"), None);
        let timeout = |value: &[u8]| {
            let mut head = Head::default();
            let field = (head.keep(b"grpc-timeout"), head.keep(value));
            head.fields.push(field);
            timeout_ns(&head)
        };
        assert_eq!(timeout(b"5S"), Some(5_000_000_000));
        assert_eq!(timeout(b"99999999n"), Some(99_999_999));
        assert_eq!(timeout(b"100000000n"), None);
        assert_eq!(timeout(b"5s"), None);
        assert_eq!(timeout(b"S"), None);
    }
}
