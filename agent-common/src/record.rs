//! Records, kernel → agent, as they lie in the ring. Native byte order, no padding.
//!
//! ```text
//! every record   0  kind u16 │ flags u16 │ size_bytes u32      size: header and what follows, in use
//!                8  ktime_ns u64                               CLOCK_BOOTTIME
//!               16  conn (sock u64, inode u64)
//! data          32  end u64 │ transfer_bytes u64 │ offset_bytes u64 │ span_bytes u64
//!               64  captured_bytes u32 │ flow u16 │ missing u16 │ tgid u32 │ tid u32
//!               80  payload [u8; captured_bytes]
//! open          32  see `OpenRecord`
//! end           32  see `EndRecord`
//! act           32  see `ActRecord`                            conn is zero
//! hello         32  offset_bytes u32 │ captured_bytes u32 │ flow u16 │ reserved u16 │ tgid u32
//!               48  payload [u8; captured_bytes]
//! ```
//!
//! A *transfer* is what one call, or one message of the mmsg calls, moved: `transfer_bytes` bytes
//! that end at position `end`. One or more data records tile it, in order: each accounts for
//! `span_bytes` bytes from `offset_bytes` on and holds the first `captured_bytes` of them; for the
//! rest `missing` says why. A record that found the ring full leaves a hole in the tiling, and the
//! next one of that flow carries [`data_flag::AFTER_LOSS`].

use core::mem::{align_of, size_of};

use crate::key::{COMM_BYTES, ConnId};
use crate::limits::{ARGUMENTS_BYTES, FILE_BYTES, UNIX_PATH_BYTES};

/// What a record is.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// [`DataRecord`] and its payload.
    Data = 1,
    /// [`OpenRecord`].
    Open = 2,
    /// [`EndRecord`].
    End = 3,
    /// [`ActRecord`].
    Act = 4,
    /// [`HelloRecord`] and its payload.
    Hello = 5,
}

/// Direction of bytes as the conn's own end sees it.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flow {
    /// The process wrote them.
    Sent = 0,
    /// The process read them.
    Received = 1,
}

/// Why bytes that a data record accounts for are not in it.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Missing {
    /// None are missing.
    None = 0,
    /// Beyond the most that is copied of one call.
    Limit = 1,
    /// Before the position up to which the agent asked to skip, or of a body that says how far it
    /// reaches and is longer than what is kept.
    Skipped = 2,
    /// Moved by a call whose bytes lie in no user buffer: sendfile, splice, io_uring, MSG_TRUNC.
    UnseenPath = 3,
    /// The user's memory could not be read.
    Fault = 4,
    /// In vectors beyond [`VECTORS_MAX`](crate::VECTORS_MAX).
    Vectors = 5,
    /// A 32-bit caller.
    Compat = 6,
}

/// Bits of a data record's `flags`.
pub mod data_flag {
    /// Records of this flow before this one found the ring full.
    pub const AFTER_LOSS: u16 = 1;
    /// Positions are the kernel's own 32-bit sequence counters: they wrap.
    pub const SEQUENCE: u16 = 2;
    /// First record of its transfer.
    pub const FIRST: u16 = 4;
}

/// Bits of an open record's `flags`.
pub mod open_flag {
    /// The kernel programs knew nothing of the conn before, or no longer: positions that the kernel
    /// does not count itself begin anew.
    pub const AFRESH: u16 = 1;
    /// The conn is a TLS session, its bytes plaintext: the first eight bits hold a
    /// [`TlsLibrary`](super::TlsLibrary) as its number. Family and transport are 0 as long as the
    /// session's socket is not known.
    pub const LIBRARY_SHIFT: u32 = 8;
}

/// Library that speaks TLS for a process.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsLibrary {
    /// OpenSSL, or one that has its functions, such as BoringSSL and LibreSSL.
    OpenSsl = 1,
    /// GnuTLS.
    GnuTls = 2,
    /// Go's `crypto/tls`.
    Go = 3,
    /// rustls.
    Rustls = 4,
    /// NSS.
    Nss = 5,
}

/// Bits of an end record's `flags`.
pub mod end_flag {
    /// As [`data_flag::SEQUENCE`](super::data_flag::SEQUENCE).
    pub const SEQUENCE: u16 = super::data_flag::SEQUENCE;
    /// The last records of what was sent found the ring full.
    pub const SENT_LOST: u16 = 4;
    /// The last records of what was received did.
    pub const RECEIVED_LOST: u16 = 8;
}

/// Head of every record.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordHeader {
    /// A [`RecordKind`] as its number.
    pub kind: u16,
    /// Bits by kind; see [`data_flag`], [`open_flag`] and [`end_flag`].
    pub flags: u16,
    /// Bytes of this record that are in use, this header included; ring memory beyond is not.
    pub size_bytes: u32,
    /// When, in nanoseconds since boot (`CLOCK_BOOTTIME`).
    pub ktime_ns: u64,
    /// The conn it speaks of.
    pub conn: ConnId,
}

const _: () = assert!(size_of::<RecordHeader>() == 32 && align_of::<RecordHeader>() == 8);

/// Bytes that moved; the payload follows.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DataRecord {
    /// Head; `kind` is [`RecordKind::Data`].
    pub header: RecordHeader,
    /// Position of the flow right after the transfer. With [`data_flag::SEQUENCE`] `write_seq` or
    /// `copied_seq`, 32 bits; else bytes since the conn was first seen.
    pub end: u64,
    /// Bytes the whole transfer moved.
    pub transfer_bytes: u64,
    /// Where in the transfer this record begins.
    pub offset_bytes: u64,
    /// Bytes of the transfer this record accounts for.
    pub span_bytes: u64,
    /// Bytes of payload: the first of the span.
    pub captured_bytes: u32,
    /// A [`Flow`] as its number.
    pub flow: u16,
    /// A [`Missing`] as its number: why `captured_bytes` is less than `span_bytes`.
    pub missing: u16,
    /// Process that moved them.
    pub tgid: u32,
    /// Thread that moved them.
    pub tid: u32,
}

const _: () = assert!(size_of::<DataRecord>() == 80 && align_of::<DataRecord>() == 8);

/// Address family of a conn.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// AF_UNIX.
    Unix = 1,
    /// AF_INET.
    Inet = 2,
    /// AF_INET6.
    Inet6 = 10,
}

/// What carries a conn's bytes.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP.
    Tcp = 1,
    /// Multipath TCP (RFC 8684).
    Mptcp = 2,
    /// A Unix stream socket.
    Unix = 3,
}

/// One end's address and port; IPv4 in the first four bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// Network byte order.
    pub bytes: [u8; 16],
    /// Host byte order.
    pub port: u16,
    /// Zero.
    pub reserved: [u16; 3],
}

const _: () = assert!(size_of::<Address>() == 24);

/// A conn heard for the first time, or by another process than before. Comes before its data.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenRecord {
    /// Head; `kind` is [`RecordKind::Open`].
    pub header: RecordHeader,
    /// The process's start, nanoseconds since boot (`task_struct.start_boottime` of its leader).
    pub process_start_ns: u64,
    /// Id of its cgroup in the v2 hierarchy; 0 if there is none.
    pub cgroup: u64,
    /// For a Unix socket the other end's `struct sock`, else 0.
    pub peer_sock: u64,
    /// This end.
    pub local: Address,
    /// The other end.
    pub remote: Address,
    /// Inode number of the network namespace.
    pub netns: u32,
    /// Process.
    pub tgid: u32,
    /// Thread.
    pub tid: u32,
    /// A [`Family`] as its number.
    pub family: u16,
    /// A [`Transport`] as its number.
    pub transport: u16,
    /// Name of the task, NUL-padded.
    pub comm: [u8; COMM_BYTES],
    /// Bytes of `path` in use.
    pub path_bytes: u16,
    /// 1 if `path` is this end's own name, 2 if it is the other end's, 0 if neither has one.
    pub path_of: u16,
    /// `sun_path` of a Unix socket: the listener's name, whichever end bears it. Abstract names begin with NUL.
    pub path: [u8; UNIX_PATH_BYTES],
    /// Of a TLS session whose socket is known that socket, else zero. Captures of before there was this
    /// field have records that end in front of it.
    pub carrier: ConnId,
}

const _: () = assert!(size_of::<OpenRecord>() == 264 && align_of::<OpenRecord>() == 8);

impl OpenRecord {
    /// Bytes before [`OpenRecord::carrier`].
    pub const BARE_BYTES: usize = size_of::<Self>() - size_of::<ConnId>();
}

/// First bytes of a flow on a socket that began with a handshake of TLS; the payload follows. What the
/// process moved is dropped all the same, and counted so.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HelloRecord {
    /// Head; `kind` is [`RecordKind::Hello`], the conn is the socket.
    pub header: RecordHeader,
    /// Bytes of the flow before these.
    pub offset_bytes: u32,
    /// Bytes of payload.
    pub captured_bytes: u32,
    /// A [`Flow`] as its number.
    pub flow: u16,
    /// Zero.
    pub reserved: u16,
    /// Process that moved them.
    pub tgid: u32,
}

const _: () = assert!(size_of::<HelloRecord>() == 48 && align_of::<HelloRecord>() == 8);

/// Why a flow, or a conn, ended.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// This end will send no more (shutdown, close): `sent_end` is where its stream ends.
    SentFinished = 1,
    /// This end has read the other's end of stream: nothing more will be received.
    ReceivedFinished = 2,
    /// The conn is gone, in good order.
    Closed = 3,
    /// The conn is gone: reset by either end, or given up after a timeout.
    Reset = 4,
    /// On a Unix socket: the *other* end, `header.conn` with inode 0, was seen to be gone.
    PeerGone = 5,
    /// On a Unix socket: the *other* end, `header.conn` with inode 0, will send no more.
    PeerFinished = 6,
}

/// A flow or a conn ended. Positions as in [`DataRecord`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndRecord {
    /// Head; `kind` is [`RecordKind::End`].
    pub header: RecordHeader,
    /// Where the sent stream stands. After a FIN of ours it counts one more.
    pub sent_end: u64,
    /// Where the received stream stands. After the other's FIN was read it counts one more.
    pub received_end: u64,
    /// An [`EndReason`] as its number.
    pub reason: u16,
    /// Zero.
    pub reserved: [u16; 3],
}

const _: () = assert!(size_of::<EndRecord>() == 56 && align_of::<EndRecord>() == 8);

/// What a process that serves HTTP, or a descendant of it, did.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActKind {
    /// A descendant, or the process itself, became another program (execve).
    Exec = 1,
    /// Either began to connect a TCP socket.
    Connect = 2,
    /// The process opened a file.
    Open = 3,
}

/// What a process did: see [`ActKind`].
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActRecord {
    /// Head; `kind` is [`RecordKind::Act`], `flags` an [`ActKind`] as its number.
    pub header: RecordHeader,
    /// The process that serves.
    pub server: u32,
    /// The process that did it: the same, or a descendant.
    pub tgid: u32,
    /// Its thread.
    pub tid: u32,
    /// Bytes of `file` in use.
    pub file_bytes: u16,
    /// Bytes of `arguments` in use.
    pub arguments_bytes: u16,
    /// Of a connect: the other end.
    pub remote: Address,
    /// Of an exec: the program. Of an open: the path as the process gave it. Zero behind it; with no
    /// room for its last byte it is cut.
    pub file: [u8; FILE_BYTES],
    /// Of an exec: the arguments, each ended by NUL. The record ends with those in use.
    pub arguments: [u8; ARGUMENTS_BYTES],
}

const _: () = assert!(
    size_of::<ActRecord>() == ActRecord::HEAD_BYTES + ARGUMENTS_BYTES
        && align_of::<ActRecord>() == 8
);

impl ActRecord {
    /// Bytes before the arguments.
    pub const HEAD_BYTES: usize = 72 + FILE_BYTES;
}

/// Gives an enum that crosses the border its way back from a number.
macro_rules! from_number {
    ($($name:ident { $($variant:ident),+ $(,)? })+) => {$(
        impl $name {
            /// The variant of this number, if there is one.
            #[must_use]
            pub const fn from_number(number: u16) -> Option<Self> {
                $(if number == Self::$variant as u16 { return Some(Self::$variant); })+
                None
            }
        }
    )+};
}

from_number! {
    RecordKind { Data, Open, End, Act, Hello }
    ActKind { Exec, Connect, Open }
    Flow { Sent, Received }
    TlsLibrary { OpenSsl, GnuTls, Go, Rustls, Nss }
    Missing { None, Limit, Skipped, UnseenPath, Fault, Vectors, Compat }
    Family { Unix, Inet, Inet6 }
    Transport { Tcp, Mptcp, Unix }
    EndReason { SentFinished, ReceivedFinished, Closed, Reset, PeerGone, PeerFinished }
}
