//! Capture files made by hand: conns whose bytes a test chooses, as the kernel programs would have
//! recorded them.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use anyhow::Result;
use eaves::capture::{Origin, Writer};
use eaves::clock::{BootTime, WallTime};
use eaves_common::{
    COMM_BYTES, ConnId, DataRecord, EndReason, EndRecord, Family, Flow, OpenRecord, RecordKind,
    Transport, UNIX_PATH_BYTES, data_flag,
};

/// Time between two records.
const STEP_NS: u64 = 50_000;

/// A recording in the making. Its conns are a server's, on port 8080 of 10.0.0.5.
#[derive(Debug)]
pub struct Capture {
    writer: Writer<BufWriter<File>>,
    now_ns: u64,
}

/// A conn of it.
#[derive(Clone, Copy, Debug)]
pub struct Conn {
    id: ConnId,
    client_port: u16,
    ends: [u64; 2],
}

impl Capture {
    /// Begins one in a file, on a host and in a run that are the same each time.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn new(path: &Path) -> Result<Self> {
        let origin = Origin {
            host_name: "host".to_owned(),
            host_id: "0123456789abcdef0123456789abcdef".to_owned(),
            boot: BootTime(WallTime(1_795_000_000_000_000_000)),
            run: 1_795_000_100_000_000_000,
        };
        let writer = Writer::new(BufWriter::new(File::create(path)?), &origin)?;
        Ok(Self {
            writer,
            now_ns: 100_000_000_000,
        })
    }

    /// Opens a conn of a client at this port.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn open(&mut self, client_port: u16) -> Result<Conn> {
        let id = ConnId {
            sock: 0xffff_8880_0000_0000 + u64::from(client_port),
            inode: 7,
        };
        let mut record = self.head(RecordKind::Open, 0, id, OpenRecord::BARE_BYTES);
        put(
            &mut record,
            &[5_000_000_000u64, 1, 0].map(u64::to_ne_bytes).concat(),
        );
        for (address, port) in [([10, 0, 0, 5], 8080), ([10, 0, 0, 9], client_port)] {
            put(&mut record, &address);
            put(&mut record, &[0; 12]);
            put(&mut record, &u16::to_ne_bytes(port));
            put(&mut record, &[0; 6]);
        }
        put(
            &mut record,
            &[4_026_531_840u32, 812, 812].map(u32::to_ne_bytes).concat(),
        );
        put(&mut record, &(Family::Inet as u16).to_ne_bytes());
        put(&mut record, &(Transport::Tcp as u16).to_ne_bytes());
        let mut comm = [0; COMM_BYTES];
        comm.iter_mut()
            .zip(b"nginx")
            .for_each(|(to, from)| *to = *from);
        put(&mut record, &comm);
        put(&mut record, &[0; 4 + UNIX_PATH_BYTES]);
        self.write(record)?;
        Ok(Conn {
            id,
            client_port,
            ends: [1000, u64::from(u32::MAX) - 100],
        })
    }

    /// The server read these bytes.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn received(&mut self, conn: &mut Conn, bytes: &[u8]) -> Result<()> {
        self.data(conn, Flow::Received, bytes)
    }

    /// The server wrote these bytes.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn sent(&mut self, conn: &mut Conn, bytes: &[u8]) -> Result<()> {
        self.data(conn, Flow::Sent, bytes)
    }

    /// The conn was closed.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn close(&mut self, conn: Conn) -> Result<()> {
        let size = size_of::<EndRecord>();
        let mut record = self.head(RecordKind::End, data_flag::SEQUENCE, conn.id, size);
        put(&mut record, &conn.ends.map(u64::to_ne_bytes).concat());
        put(&mut record, &(EndReason::Closed as u16).to_ne_bytes());
        put(&mut record, &[0; 6]);
        self.write(record)
    }

    /// One GET on a conn of its own, answered with `body`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn exchange(&mut self, client_port: u16, target: &str, body: &[u8]) -> Result<Conn> {
        let mut conn = self.open(client_port)?;
        let request = format!("GET {target} HTTP/1.1\r\nHost: example.org\r\n\r\n");
        self.received(&mut conn, request.as_bytes())?;
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        self.sent(&mut conn, &[head.as_bytes(), body].concat())?;
        Ok(conn)
    }

    /// Ends the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn finish(self) -> Result<()> {
        self.writer.finish()?;
        Ok(())
    }

    fn data(&mut self, conn: &mut Conn, flow: Flow, bytes: &[u8]) -> Result<()> {
        let length = bytes.len() as u64;
        let end = match flow {
            Flow::Sent => conn.ends.first_mut(),
            Flow::Received => conn.ends.last_mut(),
        };
        let end = end.map_or(0, |end| {
            *end = (*end + length) & u64::from(u32::MAX);
            *end
        });
        let flags = data_flag::SEQUENCE | data_flag::FIRST;
        let size = size_of::<DataRecord>() + bytes.len();
        let mut record = self.head(RecordKind::Data, flags, conn.id, size);
        put(
            &mut record,
            &[end, length, 0, length].map(u64::to_ne_bytes).concat(),
        );
        put(&mut record, &u32::try_from(bytes.len())?.to_ne_bytes());
        put(&mut record, &(flow as u16).to_ne_bytes());
        put(&mut record, &[0; 2]);
        put(&mut record, &[812u32; 2].map(u32::to_ne_bytes).concat());
        put(&mut record, bytes);
        self.write(record)
    }

    fn head(&mut self, kind: RecordKind, flags: u16, conn: ConnId, size: usize) -> Vec<u8> {
        self.now_ns += STEP_NS;
        let mut record = Vec::with_capacity(size);
        put(&mut record, &(kind as u16).to_ne_bytes());
        put(&mut record, &flags.to_ne_bytes());
        put(
            &mut record,
            &u32::try_from(size).unwrap_or(u32::MAX).to_ne_bytes(),
        );
        put(
            &mut record,
            &[self.now_ns, conn.sock, conn.inode]
                .map(u64::to_ne_bytes)
                .concat(),
        );
        record
    }

    fn write(&mut self, record: Vec<u8>) -> Result<()> {
        self.writer.record(&record)?;
        Ok(())
    }
}

impl Conn {
    /// The client's port.
    #[must_use]
    pub const fn client_port(&self) -> u16 {
        self.client_port
    }
}

fn put(record: &mut Vec<u8>, bytes: &[u8]) {
    record.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use eaves::capture::{Reader, Record, decode};

    use super::Capture;
    use crate::sandbox::Sandbox;

    #[test]
    fn what_is_written_is_what_the_agent_reads() {
        let sandbox = Sandbox::new().unwrap();
        let path = sandbox.file("made.cap");
        let mut capture = Capture::new(&path).unwrap();
        let conn = capture.exchange(4711, "/a", b"hallo").unwrap();
        capture.close(conn).unwrap();
        capture.finish().unwrap();
        let mut reader = Reader::new(std::fs::File::open(path).unwrap()).unwrap();
        let mut kinds = Vec::new();
        while let Some(record) = reader.next_record().unwrap() {
            kinds.push(match decode(record).unwrap() {
                Record::Open(open) => format!("{:?} {:?}", open.remote, open.comm),
                Record::Data(data) => format!("{:?} {} {}", data.flow, data.start, data.span_bytes),
                Record::End(end) => {
                    format!("{:?} {} {}", end.reason, end.sent_end, end.received_end)
                }
                Record::Act(act) => format!("{:?}", act.deed),
                Record::Hello(hello) => format!("{:?}", hello.flow),
            });
        }
        assert_eq!(
            kinds,
            [
                "Some((10.0.0.9, 4711)) [110, 103, 105, 110, 120]",
                "Received 4294967195 38",
                "Sent 1000 43",
                "Closed 1043 4294967233",
            ]
        );
    }
}
