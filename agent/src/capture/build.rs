//! Record bytes as the kernel writes them, for tests, benches and fuzz targets.

use std::net::{IpAddr, Ipv4Addr};

use eaves_common::{
    Address, COMM_BYTES, ConnId, DataRecord, EndReason, EndRecord, Family, Flow, HelloRecord,
    Missing, OpenRecord, RecordHeader, RecordKind, TlsLibrary, Transport, UNIX_PATH_BYTES,
    data_flag, end_flag, open_flag,
};

/// Builds the records of one conn, counting positions as the kernel does.
#[derive(Clone, Debug)]
pub struct ConnBuilder {
    /// The conn.
    pub conn: ConnId,
    /// What carries it; not told of a TLS session whose socket is not known.
    pub transport: Option<Transport>,
    /// The library that its plaintext comes from, if it is a TLS session.
    pub library: Option<TlsLibrary>,
    /// The socket of a TLS session; an open record without it is shorter.
    pub carrier: Option<ConnId>,
    /// Whether the kernel speaks a protocol of its own between TCP and the process.
    pub upper: bool,
    /// For a Unix socket, the other end's sock.
    pub peer_sock: u64,
    /// This end's address and port.
    pub local: (Ipv4Addr, u16),
    /// The other end's.
    pub remote: (Ipv4Addr, u16),
    /// Process.
    pub tgid: u32,
    /// Thread.
    pub tid: u32,
    /// When the next record is written; each one adds a microsecond.
    pub time_ns: u64,
    /// Positions of the sent and the received flow.
    pub positions: [u64; 2],
    /// The next record comes after some that found the ring full.
    pub after_loss: bool,
    /// The next open record is the first of the conn's state in the kernel.
    pub afresh: bool,
}

impl ConnBuilder {
    /// A TCP conn over IPv4, its counters about to wrap.
    #[must_use]
    pub const fn tcp(sock: u64) -> Self {
        Self {
            conn: ConnId { sock, inode: 7 },
            transport: Some(Transport::Tcp),
            library: None,
            carrier: None,
            upper: false,
            peer_sock: 0,
            local: (Ipv4Addr::new(192, 0, 2, 1), 80),
            remote: (Ipv4Addr::new(192, 0, 2, 2), 50_000),
            tgid: 100,
            tid: 100,
            time_ns: 1_000_000_000,
            positions: [0xFFFF_FF00, 0xFFFF_FFF0],
            after_loss: false,
            afresh: true,
        }
    }

    /// A Unix conn, counting from 0.
    #[must_use]
    pub const fn unix(sock: u64, peer_sock: u64) -> Self {
        Self {
            transport: Some(Transport::Unix),
            peer_sock,
            positions: [0, 0],
            ..Self::tcp(sock)
        }
    }

    /// A TLS session over that TCP conn, whose socket is not known yet.
    #[must_use]
    pub const fn session(at: u64) -> Self {
        Self {
            conn: ConnId {
                sock: at,
                inode: ConnId::SESSION | 100,
            },
            transport: None,
            library: Some(TlsLibrary::OpenSsl),
            positions: [0, 0],
            ..Self::tcp(at)
        }
    }

    /// Bytes of an open record.
    #[must_use]
    pub fn open(&mut self) -> Vec<u8> {
        let flags = if std::mem::take(&mut self.afresh) {
            open_flag::AFRESH
        } else {
            0
        };
        let library = self.library.map_or(0, |library| library as u16);
        let flags = flags | library << open_flag::LIBRARY_SHIFT;
        let size = match self.carrier {
            Some(_) => size_of::<OpenRecord>(),
            None => OpenRecord::BARE_BYTES,
        };
        let mut bytes = self.header(RecordKind::Open, flags, size);
        put(&mut bytes, &500u64.to_ne_bytes());
        put(&mut bytes, &4_026u64.to_ne_bytes());
        put(&mut bytes, &self.peer_sock.to_ne_bytes());
        put(&mut bytes, &address(self.local));
        put(&mut bytes, &address(self.remote));
        put(&mut bytes, &4_026_531_840u32.to_ne_bytes());
        put(&mut bytes, &self.tgid.to_ne_bytes());
        put(&mut bytes, &self.tid.to_ne_bytes());
        let family = match self.transport {
            Some(Transport::Unix) => Family::Unix as u16,
            Some(_) => Family::Inet as u16,
            None => 0,
        };
        put(&mut bytes, &family.to_ne_bytes());
        let transport = self.transport.map_or(0, |transport| transport as u16);
        put(&mut bytes, &transport.to_ne_bytes());
        let mut comm = [0; COMM_BYTES];
        comm.iter_mut()
            .zip(b"nginx")
            .for_each(|(to, from)| *to = *from);
        put(&mut bytes, &comm);
        let path: &[u8] = match self.transport {
            Some(Transport::Unix) => b"/run/app.sock",
            _ => b"",
        };
        put(&mut bytes, &(path.len() as u16).to_ne_bytes());
        put(&mut bytes, &u16::from(!path.is_empty()).to_ne_bytes());
        let mut name = [0; UNIX_PATH_BYTES];
        name.iter_mut().zip(path).for_each(|(to, from)| *to = *from);
        put(&mut bytes, &name);
        if let Some(ConnId { sock, inode }) = self.carrier {
            put(&mut bytes, &sock.to_ne_bytes());
            put(&mut bytes, &inode.to_ne_bytes());
        }
        bytes
    }

    /// Bytes of a record on first bytes of a flow; the position stays.
    #[must_use]
    pub fn hello(&mut self, flow: Flow, offset_bytes: u32, payload: &[u8]) -> Vec<u8> {
        let size = size_of::<HelloRecord>() + payload.len();
        let mut bytes = self.header(RecordKind::Hello, 0, size);
        put(&mut bytes, &offset_bytes.to_ne_bytes());
        put(&mut bytes, &(payload.len() as u32).to_ne_bytes());
        put(&mut bytes, &(flow as u16).to_ne_bytes());
        put(&mut bytes, &[0; 2]);
        put(&mut bytes, &self.tgid.to_ne_bytes());
        put(&mut bytes, payload);
        bytes
    }

    /// Bytes of a data record for a transfer of `payload`; the position moves on.
    #[must_use]
    pub fn data(&mut self, flow: Flow, payload: &[u8]) -> Vec<u8> {
        self.part(flow, payload, payload.len() as u64, Missing::None)
    }

    /// Bytes of a data record for a transfer of `span_bytes`, of which `payload` was copied.
    #[must_use]
    pub fn part(
        &mut self,
        flow: Flow,
        payload: &[u8],
        span_bytes: u64,
        missing: Missing,
    ) -> Vec<u8> {
        self.pass(flow, span_bytes);
        let end = self.position(flow);
        self.at(flow, end, payload, span_bytes, missing)
    }

    /// Bytes of the data records of one transfer of `payload`, as many as it takes at `most` bytes each;
    /// the position moves on.
    #[must_use]
    pub fn call(&mut self, flow: Flow, payload: &[u8], most: usize) -> Vec<Vec<u8>> {
        let whole = payload.len() as u64;
        self.pass(flow, whole);
        let end = self.position(flow);
        let mut offset = 0;
        let pieces = payload.chunks(most.max(1));
        pieces
            .map(|piece| {
                let span = piece.len() as u64;
                let place = (end, whole, offset);
                offset += span;
                self.piece(flow, place, piece, span, Missing::None)
            })
            .collect()
    }

    /// Bytes of a data record that claims to end at `end`; the position stays.
    #[must_use]
    pub fn at(
        &mut self,
        flow: Flow,
        end: u64,
        payload: &[u8],
        span_bytes: u64,
        missing: Missing,
    ) -> Vec<u8> {
        let place = (end, span_bytes, 0);
        self.piece(flow, place, payload, span_bytes, missing)
    }

    /// Bytes of a data record of a transfer that ends at `end` and is of `whole` bytes, from `offset` on.
    fn piece(
        &mut self,
        flow: Flow,
        (end, whole, offset): (u64, u64, u64),
        payload: &[u8],
        span_bytes: u64,
        missing: Missing,
    ) -> Vec<u8> {
        let mut flags = if offset == 0 { data_flag::FIRST } else { 0 };
        if self.has_sequence() {
            flags |= data_flag::SEQUENCE;
        }
        if std::mem::take(&mut self.after_loss) {
            flags |= data_flag::AFTER_LOSS;
        }
        let size = size_of::<DataRecord>() + payload.len();
        let mut bytes = self.header(RecordKind::Data, flags, size);
        put(&mut bytes, &end.to_ne_bytes());
        put(&mut bytes, &whole.to_ne_bytes());
        put(&mut bytes, &offset.to_ne_bytes());
        put(&mut bytes, &span_bytes.to_ne_bytes());
        put(&mut bytes, &(payload.len() as u32).to_ne_bytes());
        put(&mut bytes, &(flow as u16).to_ne_bytes());
        put(&mut bytes, &(missing as u16).to_ne_bytes());
        put(&mut bytes, &self.tgid.to_ne_bytes());
        put(&mut bytes, &self.tid.to_ne_bytes());
        put(&mut bytes, payload);
        bytes
    }

    /// Bytes of an end record at the positions reached.
    #[must_use]
    pub fn end(&mut self, reason: EndReason) -> Vec<u8> {
        let mut flags = if self.has_sequence() {
            end_flag::SEQUENCE
        } else {
            0
        };
        if std::mem::take(&mut self.after_loss) {
            flags |= end_flag::SENT_LOST | end_flag::RECEIVED_LOST;
        }
        let mut bytes = self.header(RecordKind::End, flags, size_of::<EndRecord>());
        put(&mut bytes, &self.position(Flow::Sent).to_ne_bytes());
        put(&mut bytes, &self.position(Flow::Received).to_ne_bytes());
        put(&mut bytes, &(reason as u16).to_ne_bytes());
        put(&mut bytes, &[0; 6]);
        bytes
    }

    /// Bytes pass that no record tells of.
    pub fn pass(&mut self, flow: Flow, bytes: u64) {
        let position = self.position(flow).wrapping_add(bytes);
        let position = if self.has_sequence() {
            position & u64::from(u32::MAX)
        } else {
            position
        };
        match flow {
            Flow::Sent => self.positions[0] = position,
            Flow::Received => self.positions[1] = position,
        }
    }

    /// Where a flow stands.
    #[must_use]
    pub const fn position(&self, flow: Flow) -> u64 {
        let [sent, received] = self.positions;
        match flow {
            Flow::Sent => sent,
            Flow::Received => received,
        }
    }

    /// Whether positions are TCP's own.
    #[must_use]
    pub const fn has_sequence(&self) -> bool {
        matches!(self.transport, Some(Transport::Tcp)) && self.library.is_none() && !self.upper
    }

    /// The other end's address, as the agent knows it.
    #[must_use]
    pub const fn remote(&self) -> (IpAddr, u16) {
        (IpAddr::V4(self.remote.0), self.remote.1)
    }

    fn header(&mut self, kind: RecordKind, flags: u16, size: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(size.max(size_of::<RecordHeader>()));
        put(&mut bytes, &(kind as u16).to_ne_bytes());
        put(&mut bytes, &flags.to_ne_bytes());
        put(
            &mut bytes,
            &u32::try_from(size).unwrap_or(u32::MAX).to_ne_bytes(),
        );
        put(&mut bytes, &self.time_ns.to_ne_bytes());
        put(&mut bytes, &self.conn.sock.to_ne_bytes());
        put(&mut bytes, &self.conn.inode.to_ne_bytes());
        self.time_ns += 1_000;
        bytes
    }
}

fn put(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(part);
}

fn address((ip, port): (Ipv4Addr, u16)) -> [u8; size_of::<Address>()] {
    let mut bytes = [0; size_of::<Address>()];
    let port = port.to_ne_bytes();
    let fields = ip.octets().into_iter().chain([0; 12]).chain(port);
    bytes
        .iter_mut()
        .zip(fields)
        .for_each(|(to, from)| *to = from);
    bytes
}
