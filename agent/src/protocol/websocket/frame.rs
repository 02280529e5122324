//! One frame's header (RFC 6455 §5.2).
//!
//! ```text
//! FIN RSV1 RSV2 RSV3 opcode(4) | MASK length(7) | length: 0, 2 or 8 bytes | masking key: 0 or 4
//! ```

/// Bytes of the longest header.
pub(super) const HEADER_MAX_BYTES: usize = 14;

/// Most bytes of a control frame's payload (§5.5).
pub(super) const CONTROL_MAX_BYTES: usize = 125;

/// Opcodes (§11.8).
pub(super) mod opcode {
    pub(in super::super) const CONTINUATION: u8 = 0;
    pub(in super::super) const TEXT: u8 = 1;
    pub(in super::super) const BINARY: u8 = 2;
    pub(in super::super) const CLOSE: u8 = 8;
    pub(in super::super) const PONG: u8 = 10;
}

/// The bit of RFC 7692 §6: the message is compressed.
pub(super) const COMPRESSED: u8 = 0x40;

/// Whether a header can begin with this byte, where nobody knows what was agreed on.
pub(super) const fn may_be_first(byte: u8) -> bool {
    let known = matches!(
        byte & 0x0f,
        opcode::CONTINUATION..=opcode::BINARY | opcode::CLOSE..=opcode::PONG
    );
    known && byte & 0x70 & !COMPRESSED == 0
}

/// What frames of one direction are held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// They are masked: a client's are, a server's are not (§5.1).
    pub(super) masked: bool,
    /// The bit for compressed messages has a meaning.
    pub(super) compressed: bool,
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) fin: bool,
    /// RSV1 to RSV3, where they stand.
    pub(super) reserved: u8,
    pub(super) opcode: u8,
    pub(super) mask: Option<[u8; 4]>,
    /// Bytes of payload.
    pub(super) length: u64,
    /// Bytes of the header itself.
    pub(super) bytes: usize,
    /// The length is written in as few bytes as it can be.
    is_minimal: bool,
}

impl Header {
    /// Reads one off the front of `buf`; `None` if too few bytes are there.
    pub(super) fn read(buf: &[u8]) -> Option<Self> {
        let [first, second] = *buf.first_chunk()?;
        let behind = buf.get(2..)?;
        let (length, is_minimal, wide) = match second & 0x7f {
            126 => {
                let length = u64::from(u16::from_be_bytes(*behind.first_chunk()?));
                (length, length > 125, 2)
            }
            127 => {
                let length = u64::from_be_bytes(*behind.first_chunk()?);
                (length, length > 0xffff, 8)
            }
            short => (u64::from(short), true, 0),
        };
        let mask = if second & 0x80 != 0 {
            Some(*behind.get(wide..)?.first_chunk()?)
        } else {
            None
        };
        Some(Self {
            fin: first & 0x80 != 0,
            reserved: first & 0x70,
            opcode: first & 0x0f,
            mask,
            length,
            bytes: 2 + wide + mask.map_or(0, |mask| mask.len()),
            is_minimal,
        })
    }

    /// Whether it is of a control frame.
    pub(super) const fn is_control(&self) -> bool {
        self.opcode & 8 != 0
    }

    /// Whether it is an empty part of a message that goes on: nobody needs such, and zeros look so.
    pub(super) const fn is_empty_part(&self) -> bool {
        self.opcode == opcode::CONTINUATION && !self.fin && self.length == 0
    }

    /// Whether its payload could be: the highest bit of a length is zero (§5.2), and control frames
    /// are short.
    pub(super) const fn is_possible(&self) -> bool {
        self.length >> 63 == 0 && (!self.is_control() || self.length <= CONTROL_MAX_BYTES as u64)
    }

    /// Whether a peer would take it.
    pub(super) fn is_valid(&self, form: Form) -> bool {
        let first_of_data = matches!(self.opcode, opcode::TEXT | opcode::BINARY);
        let reserved = if form.compressed && first_of_data {
            self.reserved & !COMPRESSED
        } else {
            self.reserved
        };
        let is_known = matches!(
            self.opcode,
            opcode::CONTINUATION..=opcode::BINARY | opcode::CLOSE..=opcode::PONG
        );
        is_known
            && reserved == 0
            && self.is_possible()
            && self.is_minimal
            && self.mask.is_some() == form.masked
            && (self.fin || !self.is_control())
            && (self.opcode != opcode::CLOSE || self.length != 1)
    }
}
