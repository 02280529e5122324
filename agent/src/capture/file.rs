//! Capture files: raw records, so that whatever was heard can be heard again.
//!
//! ```text
//! head     0  magic "EAVESCAP"
//!          8  format u32 = 1 │ abi u32                 little endian, as all numbers but those in records
//!         16  byte order u32 = 0x01020304, as the recording host writes it
//!         20  host name bytes u16 │ host id bytes u16
//!         24  boot time u64 │ run u64                  ns since 1970; what makes ids the same on replay
//!         40  host name │ host id
//! record      length u32 │ crc32 u32 │ record          as it lay in the ring, see eaves_common::record
//! end         u32::MAX │ crc32 u32 │ records u64       missing where the recording was cut short
//! ```
//!
//! `crc32` (IEEE 802.3) is over what follows it.

use std::io::{self, Read, Write};

use crate::clock::{BootTime, WallTime};

const MAGIC: &[u8; 8] = b"EAVESCAP";
const FORMAT: u32 = 1;
const BYTE_ORDER: u32 = 0x0102_0304;
const END: u32 = u32::MAX;

/// Largest record a file may hold, bytes: well above the largest the kernel side reserves.
pub const RECORD_MAX_BYTES: u32 = 1 << 20;

/// Longest name of a host, bytes: HOST_NAME_MAX of Linux and room for other systems.
const NAME_MAX_BYTES: usize = 1024;

/// Whose records these are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Name of the host.
    pub host_name: String,
    /// Its machine id.
    pub host_id: String,
    /// When it booted.
    pub boot: BootTime,
    /// Which run of the agent: part of every id.
    pub run: u64,
}

/// What is wrong with a capture file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file could not be read or written.
    #[error("capture file: byte {at}")]
    Io {
        /// Offset in the file.
        at: u64,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// It does not begin as a capture file does.
    #[error(
        "not a capture file: it does not begin with EAVESCAP; make one with `eaves record FILE`"
    )]
    Magic,
    /// Written by another version, or on a machine of other byte order.
    #[error(
        "capture file has {field} {found}, this eaves reads {expected}; replay it with the eaves that recorded it"
    )]
    Version {
        /// What differs.
        field: &'static str,
        /// What the file says.
        found: u32,
        /// What is understood.
        expected: u32,
    },
    /// It ends in the middle.
    #[error("capture file is cut off at byte {at}, after {records} whole records")]
    Cut {
        /// Offset in the file.
        at: u64,
        /// Records before.
        records: u64,
    },
    /// What it holds is not what was written.
    #[error("capture file is altered at byte {at}, after {records} good records: {what}")]
    Altered {
        /// Offset of what is wrong.
        at: u64,
        /// Records before.
        records: u64,
        /// What is wrong.
        what: &'static str,
    },
}

/// Writes a capture file. Buffer what it writes to.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
    records: u64,
    at: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// [`FileError::Io`] if it cannot be written.
    pub fn new(to: W, origin: &Origin) -> Result<Self, FileError> {
        let mut writer = Self {
            to,
            records: 0,
            at: 0,
        };
        let name = clip(&origin.host_name);
        let id = clip(&origin.host_id);
        let mut head = Vec::with_capacity(40 + name.len() + id.len());
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(&FORMAT.to_le_bytes());
        head.extend_from_slice(&eaves_common::ABI_VERSION.to_le_bytes());
        head.extend_from_slice(&BYTE_ORDER.to_ne_bytes());
        head.extend_from_slice(&(name.len() as u16).to_le_bytes());
        head.extend_from_slice(&(id.len() as u16).to_le_bytes());
        head.extend_from_slice(&origin.boot.0.0.to_le_bytes());
        head.extend_from_slice(&origin.run.to_le_bytes());
        head.extend_from_slice(name);
        head.extend_from_slice(id);
        writer.put(&head)?;
        Ok(writer)
    }

    /// Appends one record.
    ///
    /// # Errors
    /// [`FileError::Io`] if it cannot be written; the file then ends in a torn record, which
    /// readers cut off.
    pub fn record(&mut self, record: &[u8]) -> Result<(), FileError> {
        let len = (record.len() as u32).min(RECORD_MAX_BYTES);
        let record = record.get(..len as usize).unwrap_or_default();
        self.frame(len, record)?;
        self.records += 1;
        Ok(())
    }

    /// Ends the file and hands back what was written to.
    ///
    /// # Errors
    /// [`FileError::Io`] if it cannot be written or flushed.
    pub fn finish(mut self) -> Result<W, FileError> {
        self.frame(END, &self.records.to_le_bytes())?;
        let at = self.at;
        self.to
            .flush()
            .map_err(|source| FileError::Io { at, source })?;
        Ok(self.to)
    }

    /// Records written.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.records
    }

    fn frame(&mut self, len: u32, bytes: &[u8]) -> Result<(), FileError> {
        let crc = crc32fast::hash(bytes);
        self.put(&len.to_le_bytes())?;
        self.put(&crc.to_le_bytes())?;
        self.put(bytes)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        let at = self.at;
        self.to
            .write_all(bytes)
            .map_err(|source| FileError::Io { at, source })?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}

fn clip(name: &str) -> &[u8] {
    let bytes = name.as_bytes();
    bytes
        .get(..bytes.len().min(NAME_MAX_BYTES))
        .unwrap_or_default()
}

/// Reads a capture file. Buffer what it reads from.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    origin: Origin,
    record: Vec<u8>,
    records: u64,
    at: u64,
    ended: bool,
}

impl<R: Read> Reader<R> {
    /// Reads the head.
    ///
    /// # Errors
    /// [`FileError`] says what is wrong with it.
    pub fn new(from: R) -> Result<Self, FileError> {
        let mut reader = Self {
            from,
            origin: Origin::default(),
            record: Vec::new(),
            records: 0,
            at: 0,
            ended: false,
        };
        if reader
            .array()
            .map_err(|error| if cut(&error) { FileError::Magic } else { error })?
            != *MAGIC
        {
            return Err(FileError::Magic);
        }
        let format = u32::from_le_bytes(reader.array()?);
        let abi = u32::from_le_bytes(reader.array()?);
        let order = u32::from_ne_bytes(reader.array()?);
        for (field, found, expected) in [
            ("format", format, FORMAT),
            ("abi version", abi, eaves_common::ABI_VERSION),
            ("byte order", order, BYTE_ORDER),
        ] {
            if found != expected {
                return Err(FileError::Version {
                    field,
                    found,
                    expected,
                });
            }
        }
        let name = u16::from_le_bytes(reader.array()?).into();
        let id = u16::from_le_bytes(reader.array()?).into();
        reader.origin.boot = BootTime(WallTime(u64::from_le_bytes(reader.array()?)));
        reader.origin.run = u64::from_le_bytes(reader.array()?);
        reader.origin.host_name = reader.name(name)?;
        reader.origin.host_id = reader.name(id)?;
        Ok(reader)
    }

    /// Whose records these are.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether the end mark was read: the recording was not cut short.
    #[must_use]
    pub const fn ended(&self) -> bool {
        self.ended
    }

    /// The next record; `None` at the end mark.
    ///
    /// # Errors
    /// [`FileError::Cut`] or [`FileError::Altered`]: what was read before is good, nothing after it is.
    pub fn next_record(&mut self) -> Result<Option<&[u8]>, FileError> {
        if self.ended {
            return Ok(None);
        }
        let began = self.at;
        let len = u32::from_le_bytes(self.array()?);
        let crc = u32::from_le_bytes(self.array()?);
        let altered = |what, records| FileError::Altered {
            at: began,
            records,
            what,
        };
        if len != END && len > RECORD_MAX_BYTES {
            return Err(altered("a record larger than any there is", self.records));
        }
        let size = if len == END { 8 } else { len as usize };
        let mut record = std::mem::take(&mut self.record);
        record.resize(size, 0);
        let filled = self.fill(&mut record);
        self.record = record;
        filled?;
        if crc32fast::hash(&self.record) != crc {
            return Err(altered("checksum", self.records));
        }
        if len == END {
            let mut count = [0; 8];
            count.copy_from_slice(&self.record);
            if u64::from_le_bytes(count) != self.records {
                return Err(altered("the number of records", self.records));
            }
            self.ended = true;
            return Ok(None);
        }
        self.records += 1;
        Ok(Some(&self.record))
    }

    fn name(&mut self, len: usize) -> Result<String, FileError> {
        if len > NAME_MAX_BYTES {
            return Err(FileError::Altered {
                at: self.at,
                records: 0,
                what: "a host name too long",
            });
        }
        let mut bytes = vec![0; len];
        self.fill(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FileError> {
        let mut array = [0; N];
        self.fill(&mut array)?;
        Ok(array)
    }

    fn fill(&mut self, to: &mut [u8]) -> Result<(), FileError> {
        let at = self.at;
        self.from
            .read_exact(to)
            .map_err(|source| match source.kind() {
                io::ErrorKind::UnexpectedEof => FileError::Cut {
                    at,
                    records: self.records,
                },
                _ => FileError::Io { at, source },
            })?;
        self.at += to.len() as u64;
        Ok(())
    }
}

const fn cut(error: &FileError) -> bool {
    matches!(error, FileError::Cut { .. })
}

#[cfg(test)]
mod tests {
    use super::{FileError, Origin, Reader, Writer};
    use crate::clock::{BootTime, WallTime};

    fn origin() -> Origin {
        Origin {
            host_name: "web-3".into(),
            host_id: "0123".into(),
            boot: BootTime(WallTime(1_700_000_000_000_000_000)),
            run: 7,
        }
    }

    fn file() -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), &origin()).unwrap();
        writer.record(b"one").unwrap();
        writer.record(b"").unwrap();
        writer.record(&[9; 700]).unwrap();
        writer.finish().unwrap()
    }

    fn read(file: &[u8]) -> Result<(Origin, Vec<Vec<u8>>), FileError> {
        let mut reader = Reader::new(file)?;
        let mut records = Vec::new();
        while let Some(record) = reader.next_record()? {
            records.push(record.to_vec());
        }
        Ok((reader.origin().clone(), records))
    }

    #[test]
    fn what_was_written_is_read() {
        let (have, records) = read(&file()).unwrap();
        assert_eq!(have, origin());
        assert_eq!(records, [b"one".to_vec(), Vec::new(), vec![9; 700]]);
    }

    #[test]
    fn a_cut_anywhere_is_told() {
        let file = file();
        for cut in 0..file.len() {
            assert!(
                matches!(
                    read(&file[..cut]),
                    Err(FileError::Cut { .. } | FileError::Magic)
                ),
                "cut at byte {cut}"
            );
        }
    }

    #[test]
    fn any_altered_byte_of_a_record_is_told() {
        let file = file();
        let head = 40 + "web-3".len() + "0123".len();
        for at in head..file.len() {
            let mut altered = file.clone();
            altered[at] ^= 0x40;
            assert!(read(&altered).is_err(), "byte {at}");
        }
    }

    #[test]
    fn other_files_are_refused() {
        assert!(matches!(read(b""), Err(FileError::Magic)));
        assert!(matches!(
            read(b"{\"kind\":\"exchange\"}"),
            Err(FileError::Magic)
        ));
        let mut newer = file();
        newer[8] = 2;
        assert!(matches!(
            read(&newer),
            Err(FileError::Version {
                field: "format",
                found: 2,
                ..
            })
        ));
        newer[8] = 1;
        newer[16..20].reverse();
        assert!(matches!(
            read(&newer),
            Err(FileError::Version {
                field: "byte order",
                ..
            })
        ));
    }
}
