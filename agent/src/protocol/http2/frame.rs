//! Frames (RFC 9113 §4, §6): their headers, and which of them can be.

/// Bytes of a frame's header.
pub(super) const HEADER_BYTES: usize = 9;

/// What a client sends before its first frame (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Longest payload that is believed where boundaries are searched for: what no peer may exceed
/// unless the other has said so (SETTINGS_MAX_FRAME_SIZE, RFC 9113 §6.5.2).
const SOUGHT_MAX_BYTES: u32 = 16_384;

/// Most settings of a frame that is believed where boundaries are searched for.
const SOUGHT_MAX_SETTINGS: u32 = 64;

pub(super) mod kind {
    //! Types of frames.
    pub(in super::super) const DATA: u8 = 0;
    pub(in super::super) const HEADERS: u8 = 1;
    pub(in super::super) const PRIORITY: u8 = 2;
    pub(in super::super) const RST_STREAM: u8 = 3;
    pub(in super::super) const SETTINGS: u8 = 4;
    pub(in super::super) const PUSH_PROMISE: u8 = 5;
    pub(in super::super) const PING: u8 = 6;
    pub(in super::super) const GOAWAY: u8 = 7;
    pub(in super::super) const WINDOW_UPDATE: u8 = 8;
    pub(in super::super) const CONTINUATION: u8 = 9;
}

pub(super) mod flag {
    //! Flags of frames.
    pub(in super::super) const ACK: u8 = 0x1;
    pub(in super::super) const END_STREAM: u8 = 0x1;
    pub(in super::super) const END_HEADERS: u8 = 0x4;
    pub(in super::super) const PADDED: u8 = 0x8;
    pub(in super::super) const PRIORITY: u8 = 0x20;
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) length: u32,
    pub(super) kind: u8,
    pub(super) flags: u8,
    /// Without the reserved bit.
    pub(super) stream: u32,
    reserved: bool,
}

impl Header {
    /// Reads one; `None` if there are too few bytes.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, stream @ ..] = bytes.first_chunk::<HEADER_BYTES>()?;
        let stream = u32::from_be_bytes(*stream);
        Some(Self {
            length: u32::from_be_bytes([0, *a, *b, *c]),
            kind: *kind,
            flags: *flags,
            stream: stream & 0x7fff_ffff,
            reserved: stream >> 31 != 0,
        })
    }

    pub(super) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether both ends take it for a frame (RFC 9113 §6). Types that nobody knows are ignored, and
    /// so are flags.
    pub(super) const fn is_valid(&self) -> bool {
        let length = self.length;
        let of_stream = self.stream != 0;
        match self.kind {
            kind::DATA => of_stream && (!self.has(flag::PADDED) || length >= 1),
            kind::HEADERS => of_stream && length >= self.least_headers(),
            kind::PRIORITY => of_stream && length == 5,
            kind::RST_STREAM => of_stream && length == 4,
            kind::SETTINGS => {
                !of_stream && length.is_multiple_of(6) && !(self.has(flag::ACK) && length > 0)
            }
            kind::PUSH_PROMISE => of_stream && length >= 4,
            kind::PING => !of_stream && length == 8,
            kind::GOAWAY => !of_stream && length >= 8,
            kind::WINDOW_UPDATE => length == 4,
            kind::CONTINUATION => of_stream,
            _ => true,
        }
    }

    /// Whether it is believed where boundaries are searched for: as common peers send them.
    pub(super) const fn is_plausible(&self) -> bool {
        let flags = match self.kind {
            kind::DATA => flag::END_STREAM | flag::PADDED,
            kind::HEADERS => flag::END_STREAM | flag::END_HEADERS | flag::PADDED | flag::PRIORITY,
            kind::SETTINGS | kind::PING => flag::ACK,
            kind::PUSH_PROMISE => flag::END_HEADERS | flag::PADDED,
            kind::CONTINUATION => flag::END_HEADERS,
            kind::PRIORITY | kind::RST_STREAM | kind::GOAWAY | kind::WINDOW_UPDATE => 0,
            _ => return false,
        };
        let length = match self.kind {
            kind::SETTINGS => SOUGHT_MAX_SETTINGS * 6,
            kind::HEADERS if self.length == 0 => return false,
            _ => SOUGHT_MAX_BYTES,
        };
        self.is_valid() && self.flags & !flags == 0 && !self.reserved && self.length <= length
    }

    const fn least_headers(&self) -> u32 {
        let padding = if self.has(flag::PADDED) { 1 } else { 0 };
        padding + if self.has(flag::PRIORITY) { 5 } else { 0 }
    }
}

/// The part of a frame's payload that is its own: padding, and of HEADERS the priority, taken off.
/// `None` if it is too short for what its flags say.
pub(super) fn unpadded<'a>(header: &Header, payload: &'a [u8]) -> Option<&'a [u8]> {
    let mut own = payload;
    if header.has(flag::PADDED) {
        let (padding, rest) = own.split_first()?;
        own = rest.get(..rest.len().checked_sub(usize::from(*padding))?)?;
    }
    if header.kind == kind::HEADERS && header.has(flag::PRIORITY) {
        own = own.get(5..)?;
    }
    Some(own)
}
