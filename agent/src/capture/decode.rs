//! Ring bytes → [`Record`]: length, kind and every number checked.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use eaves_common::{
    ActKind, ActRecord, ConnId, DataRecord, EndReason, EndRecord, FILE_BYTES, Family, Flow,
    HelloRecord, Missing, OpenRecord, RecordHeader, RecordKind, TlsLibrary, Transport,
    UNIX_PATH_BYTES, data_flag, end_flag, open_flag,
};

use crate::clock::Ktime;
use crate::event::Handshake;

/// A record, checked. Payload is borrowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// A conn heard for the first time, or by another process than before.
    Open(Box<ConnOpen>),
    /// Bytes that moved.
    Data(Data<'a>),
    /// A flow or a conn ended.
    End(Ended),
    /// A process that serves, or a descendant of it, did something.
    Act(Act),
    /// First bytes of a flow that began with a handshake of TLS.
    Hello(Hello<'a>),
}

/// Bytes that moved: see [`eaves_common::DataRecord`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data<'a> {
    /// The conn.
    pub conn: ConnId,
    /// When.
    pub time: Ktime,
    /// Direction as this end sees it.
    pub flow: Flow,
    /// Position of the first byte this record accounts for. Under `sequence` its low 32 bits.
    pub start: u64,
    /// Bytes it accounts for.
    pub span_bytes: u64,
    /// The first of them.
    pub payload: &'a [u8],
    /// Why the rest is not there.
    pub missing: Missing,
    /// Records of this flow before this one found the ring full.
    pub after_loss: bool,
    /// Positions are 32-bit sequence numbers.
    pub sequence: bool,
    /// First record of its transfer.
    pub first: bool,
    /// Process that moved them.
    pub tgid: u32,
    /// Thread that moved them.
    pub tid: u32,
}

/// One end's place: an address and port, or a Unix socket's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnOpen {
    /// The conn.
    pub conn: ConnId,
    /// When it was first heard.
    pub time: Ktime,
    /// What carries it; `None` for a TLS session whose socket is not known.
    pub transport: Option<Transport>,
    /// This end, unless it is a Unix socket.
    pub local: Option<(IpAddr, u16)>,
    /// The other end, unless it is a Unix socket.
    pub remote: Option<(IpAddr, u16)>,
    /// Name of a Unix socket: the listener's. Abstract ones begin with NUL. Empty if unnamed.
    pub path: Vec<u8>,
    /// Whether `path` is this end's own name.
    pub path_is_local: bool,
    /// For a Unix socket the other end's sock.
    pub peer_sock: u64,
    /// Inode number of the network namespace.
    pub netns: u32,
    /// Cgroup id; 0 if there is none.
    pub cgroup: u64,
    /// Process.
    pub tgid: u32,
    /// Thread.
    pub tid: u32,
    /// The process's start.
    pub process_start: Ktime,
    /// Name of the task, without its NULs.
    pub comm: Vec<u8>,
    /// Positions begin anew with it, unless they are sequence numbers.
    pub afresh: bool,
    /// The TLS library that its plaintext comes from; `None` for a conn in clear.
    pub library: Option<TlsLibrary>,
    /// Between TCP and what is heard the kernel speaks a protocol of its own, as TLS: what passes on the
    /// way is not what is heard. Known from the first data on, which TCP does not count then.
    pub upper: bool,
    /// Of a TLS session whose socket is known, that socket.
    pub carrier: Option<ConnId>,
    /// What the handshake of the session said, if that was seen: no part of the record, but of others
    /// before it.
    pub handshake: Option<Arc<Handshake>>,
}

/// A flow or a conn ended: see [`eaves_common::EndRecord`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The conn; for [`EndReason::PeerGone`] and [`EndReason::PeerFinished`] its inode is 0.
    pub conn: ConnId,
    /// When.
    pub time: Ktime,
    /// What ended and how.
    pub reason: EndReason,
    /// Where the sent stream stands.
    pub sent_end: u64,
    /// Where the received stream stands.
    pub received_end: u64,
    /// The last records of what was sent found the ring full.
    pub sent_lost: bool,
    /// The last records of what was received did.
    pub received_lost: bool,
}

/// First bytes of a flow: see [`eaves_common::HelloRecord`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello<'a> {
    /// The socket.
    pub conn: ConnId,
    /// When.
    pub time: Ktime,
    /// Direction as this end sees it.
    pub flow: Flow,
    /// Bytes of the flow before these.
    pub offset_bytes: usize,
    /// The bytes; none where the process's memory could not be read.
    pub payload: &'a [u8],
    /// Process that moved them.
    pub tgid: u32,
}

/// What a process did: see [`eaves_common::ActRecord`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// When.
    pub time: Ktime,
    /// The process that serves.
    pub server: u32,
    /// The process that did it: the same, or a descendant.
    pub tgid: u32,
    /// Its thread.
    pub tid: u32,
    /// What it did.
    pub deed: Deed,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A program began to run.
    Exec {
        /// Its name, as it was given.
        program: Vec<u8>,
        /// Its arguments, each ended by NUL but perhaps the last.
        arguments: Vec<u8>,
    },
    /// A TCP conn was begun.
    Connect {
        /// With whom.
        remote: (IpAddr, u16),
    },
    /// A file was opened.
    Open {
        /// By this path, as it was given.
        path: Vec<u8>,
    },
}

/// Bytes that are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Fewer bytes than the record says it has, or than its kind needs.
    #[error("record of {have} bytes is shorter than its {need}")]
    Short {
        /// Bytes there are.
        have: usize,
        /// Bytes there must be.
        need: usize,
    },
    /// A number that stands for nothing.
    #[error("{field} of a record is {value}, which means nothing")]
    Value {
        /// The field.
        field: &'static str,
        /// What it holds.
        value: u64,
    },
}

/// Reads one record. Ring memory beyond its stated size is ignored.
///
/// # Errors
/// [`DecodeError`] names what is wrong; the record must be counted as undecodable and passed over.
pub fn decode(bytes: &[u8]) -> Result<Record<'_>, DecodeError> {
    let mut input = Reader {
        rest: bytes,
        whole: bytes.len(),
    };
    let kind = input.u16()?;
    let flags = input.u16()?;
    let size = input.u32()? as usize;
    let header = size_of::<RecordHeader>();
    if size < header || size > bytes.len() {
        return Err(DecodeError::Short {
            have: bytes.len(),
            need: size.max(header),
        });
    }
    let mut input = Reader {
        rest: bytes.get(8..size).unwrap_or_default(),
        whole: size,
    };
    let time = Ktime(input.u64()?);
    let conn = ConnId {
        sock: input.u64()?,
        inode: input.u64()?,
    };
    match named("kind", kind, RecordKind::from_number)? {
        RecordKind::Data => data(input, flags, time, conn),
        RecordKind::Open => open(input, flags, time, conn),
        RecordKind::End => end(input, flags, time, conn),
        RecordKind::Act => act(input, flags, time),
        RecordKind::Hello => hello(input, time, conn),
    }
}

fn data(
    mut input: Reader<'_>,
    flags: u16,
    time: Ktime,
    conn: ConnId,
) -> Result<Record<'_>, DecodeError> {
    const { assert!(size_of::<DataRecord>() == 80) };
    let end = input.u64()?;
    let transfer = input.u64()?;
    let offset = input.u64()?;
    let span_bytes = input.u64()?;
    let captured = input.u32()?;
    let flow = named("flow", input.u16()?, Flow::from_number)?;
    let missing = named("missing", input.u16()?, Missing::from_number)?;
    let tgid = input.u32()?;
    let tid = input.u32()?;
    let payload = input.take(captured as usize)?;
    if u64::from(captured) > span_bytes {
        return Err(DecodeError::Value {
            field: "captured_bytes",
            value: captured.into(),
        });
    }
    if offset
        .checked_add(span_bytes)
        .is_none_or(|sum| sum > transfer)
    {
        return Err(DecodeError::Value {
            field: "span_bytes",
            value: span_bytes,
        });
    }
    let sequence = flags & data_flag::SEQUENCE != 0;
    let start = end.wrapping_sub(transfer).wrapping_add(offset);
    Ok(Record::Data(Data {
        conn,
        time,
        flow,
        start: if sequence {
            start & u64::from(u32::MAX)
        } else {
            start
        },
        span_bytes,
        payload,
        missing,
        after_loss: flags & data_flag::AFTER_LOSS != 0,
        sequence,
        first: flags & data_flag::FIRST != 0,
        tgid,
        tid,
    }))
}

fn open(
    mut input: Reader<'_>,
    flags: u16,
    time: Ktime,
    conn: ConnId,
) -> Result<Record<'_>, DecodeError> {
    const { assert!(OpenRecord::BARE_BYTES == 248) };
    let process_start = Ktime(input.u64()?);
    let cgroup = input.u64()?;
    let peer_sock = input.u64()?;
    let local = input.address()?;
    let remote = input.address()?;
    let netns = input.u32()?;
    let tgid = input.u32()?;
    let tid = input.u32()?;
    let library = match flags >> open_flag::LIBRARY_SHIFT {
        0 => None,
        number => Some(named("library", number, TlsLibrary::from_number)?),
    };
    let (family, transport) = (input.u16()?, input.u16()?);
    let place = if library.is_some() && (family, transport) == (0, 0) {
        None
    } else {
        let family = named("family", family, Family::from_number)?;
        Some((
            family,
            named("transport", transport, Transport::from_number)?,
        ))
    };
    let ip = |end| place.and_then(|(family, _)| ip(family, end));
    let comm = until_nul(input.take(eaves_common::COMM_BYTES)?).to_vec();
    let path_bytes = usize::from(input.u16()?);
    let path_of = input.u16()?;
    let path = input.take(UNIX_PATH_BYTES)?;
    let path = path.get(..path_bytes).ok_or(DecodeError::Value {
        field: "path_bytes",
        value: path_bytes as u64,
    })?;
    let carrier = if input.rest.is_empty() {
        ConnId::default()
    } else {
        ConnId {
            sock: input.u64()?,
            inode: input.u64()?,
        }
    };
    Ok(Record::Open(Box::new(ConnOpen {
        conn,
        time,
        transport: place.map(|(_, transport)| transport),
        local: ip(local),
        remote: ip(remote),
        path: path.to_vec(),
        path_is_local: path_of == 1,
        peer_sock,
        netns,
        cgroup,
        tgid,
        tid,
        process_start,
        comm,
        afresh: flags & open_flag::AFRESH != 0,
        library,
        upper: false,
        carrier: (carrier != ConnId::default()).then_some(carrier),
        handshake: None,
    })))
}

fn hello(mut input: Reader<'_>, time: Ktime, conn: ConnId) -> Result<Record<'_>, DecodeError> {
    const { assert!(size_of::<HelloRecord>() == 48) };
    let offset_bytes = input.u32()? as usize;
    let captured = input.u32()?;
    let flow = named("flow", input.u16()?, Flow::from_number)?;
    input.u16()?;
    let tgid = input.u32()?;
    Ok(Record::Hello(Hello {
        conn,
        time,
        flow,
        offset_bytes,
        payload: input.take(captured as usize)?,
        tgid,
    }))
}

fn end(
    mut input: Reader<'_>,
    flags: u16,
    time: Ktime,
    conn: ConnId,
) -> Result<Record<'_>, DecodeError> {
    const { assert!(size_of::<EndRecord>() == 56) };
    let sent_end = input.u64()?;
    let received_end = input.u64()?;
    let reason = named("reason", input.u16()?, EndReason::from_number)?;
    Ok(Record::End(Ended {
        conn,
        time,
        reason,
        sent_end,
        received_end,
        sent_lost: flags & end_flag::SENT_LOST != 0,
        received_lost: flags & end_flag::RECEIVED_LOST != 0,
    }))
}

fn act(mut input: Reader<'_>, flags: u16, time: Ktime) -> Result<Record<'_>, DecodeError> {
    const { assert!(ActRecord::HEAD_BYTES == 328) };
    let kind = named("act", flags, ActKind::from_number)?;
    let server = input.u32()?;
    let tgid = input.u32()?;
    let tid = input.u32()?;
    let file_bytes = usize::from(input.u16()?);
    let arguments_bytes = usize::from(input.u16()?);
    let (bytes, port) = input.address()?;
    let file = input.take(FILE_BYTES)?;
    let file = file.get(..file_bytes).ok_or(DecodeError::Value {
        field: "file_bytes",
        value: file_bytes as u64,
    })?;
    let arguments = input.take(arguments_bytes)?;
    let deed = match kind {
        ActKind::Exec => Deed::Exec {
            program: file.to_vec(),
            arguments: arguments.to_vec(),
        },
        ActKind::Connect => Deed::Connect {
            remote: (Ipv6Addr::from(bytes).to_canonical(), port),
        },
        ActKind::Open => Deed::Open {
            path: file.to_vec(),
        },
    };
    Ok(Record::Act(Act {
        time,
        server,
        tgid,
        tid,
        deed,
    }))
}

/// An end's address by its family; IPv4 in IPv6 (RFC 4291 §2.5.5.2) as IPv4.
fn ip(family: Family, (bytes, port): ([u8; 16], u16)) -> Option<(IpAddr, u16)> {
    let [a, b, c, d, ..] = bytes;
    match family {
        Family::Unix => None,
        Family::Inet => Some((IpAddr::V4(Ipv4Addr::new(a, b, c, d)), port)),
        Family::Inet6 => Some((IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical(), port)),
    }
}

fn named<T>(
    field: &'static str,
    value: u16,
    from: impl Fn(u16) -> Option<T>,
) -> Result<T, DecodeError> {
    from(value).ok_or(DecodeError::Value {
        field,
        value: value.into(),
    })
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Takes fields off the front.
struct Reader<'a> {
    rest: &'a [u8],
    whole: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let short = DecodeError::Short {
            have: self.whole,
            need: self.whole - self.rest.len() + len,
        };
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_ne_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_ne_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_ne_bytes(self.array()?))
    }

    fn address(&mut self) -> Result<([u8; 16], u16), DecodeError> {
        let bytes = self.array()?;
        let port = self.u16()?;
        self.take(6)?;
        Ok((bytes, port))
    }
}

#[cfg(test)]
mod tests;
