//! The one durable log: events, findings and notices, each appended once, tamper-evident.
//!
//! In: whole lines of JSON, each with its kind and the values it may be looked for by. Out: frames,
//! read from a [`Cursor`] on; and a proof, by [`verify`], that nothing in them was altered, removed or
//! put in another order. It writes and reads no event itself, and sends nothing anywhere.
//!
//! *Accepted* is a record in a closed frame, *durable* one that is synced. Readers see closed frames,
//! sinks durable ones only. Whatever the disk does, the caller goes on: what cannot be written is shed,
//! exchanges first, and counted.
//!
//! ```text
//! folder      000000000001.jsonl.zst …   segments; `zstdcat SEGMENT | jq .` reads one
//!             state/NAME.json            what upper rooms have learnt, see state.rs
//!             lock                       held by the agent that writes
//!
//! segment     head │ link*               little endian, as all numbers
//!
//! head        0  0x184D2A5E u32 │ 112 u32                  a skippable frame of zstd (RFC 8878 §3.1.2)
//!             8  "EAVESJNL"
//!            16  format u32 = 1 │ crc32 u32                of bytes 24 to 119
//!            24  segment u64                               from 1, one more for each
//!            32  sequence u64                              of the first link
//!            40  records u64                               in all segments before
//!            48  previous 32 bytes                         seal of the last link of the segment before, or 0
//!            80  opened u64                                ns since 1970
//!            88  public key 32 bytes                       Ed25519 (RFC 8032)
//!
//! link        lead │ data frame, of kind 1 │ seal
//!
//! lead        0  0x184D2A5C u32 │ 36 u32                   a skippable frame
//!             8  kind u32 │ records u32                    1 data, 2 checkpoint, 3 retire, 4 start, 5 handover
//!            16  data bytes u32 │ seal bytes u32           of what follows
//!            24  sequence u64                              from 0, one more for each link of the chain
//!            32  durable u64                               links before this sequence had been synced
//!            40  crc32 u32                                 of bytes 0 to 39
//!
//! data frame  one zstd frame (RFC 8878 §3.1.1) with checksum: lines of JSON, each with its line feed
//!
//! seal        0  0x184D2A5D u32 │ size u32                 a skippable frame
//!             8  body                                      by kind
//!             …  previous 32 bytes                         seal of the link before; of the first link of
//!                                                          a segment, the hash of its head
//!             …  data 32 bytes                             BLAKE3 of the data frame, or of nothing
//!             …  seal 32 bytes                             BLAKE3 of lead, body, previous and data
//!             …  signature 64 bytes                        of a checkpoint: Ed25519 over the seal
//!             …  link bytes u32                            of the whole link: to walk from the back
//!
//! body of 1   0  first u64 │ last u64                      least and greatest time of a record
//!            16  exchanges u32 │ findings u32 │ notices u32
//!            28  severity u32                              0 none, 1 info … 5 critical: the worst
//!            32  line bytes u32 │ filter bytes u32
//!            40  crc32 u32                                 of bytes 0 to 39 and the filter
//!            44  filter                                    Bloom's: 10 bits a value, 7 probes; empty: all
//!             …  checks u16 each                           of each line, its CRC-32's low half
//! body of 2   0  date u64 │ segment u64 │ records u64      records in the chain up to here
//! body of 3   0  date u64 │ segment u64                    the segment that is deleted
//!            16  sequence u64 │ records u64 │ unsent u64   its last link; its records; those a sink had yet to get
//!            40  seal 32 bytes                             of its last link
//!            72  reason u32                                1 bytes, 2 age, 3 room on the disk
//! body of 4   0  date u64 │ nonce 16 bytes                 two starts from one place differ
//!            24  cut records u64 │ cut bytes u64           what was torn and is cut off
//!            40  known u64 │ seal 32 bytes                 one more than the sequence of a checkpoint that
//!                                                          should be in this chain and is not; or 0
//! body of 5   0  date u64 │ public key 32 bytes            signs from the next segment on; holds once a checkpoint
//!                                                          by the key before has signed it
//! ```
//!
//! The hashes of head, link and checkpoint are BLAKE3's, derived with a context of their own; a
//! probe of the filter is `(low + n · high) mod bits` of SipHash-1-3 of the value, see index.rs.

mod bytes;
mod chain;
mod disk;
mod folder;
mod hand_over;
mod happened;
mod index;
mod key;
mod links;
mod mend;
mod open;
mod position;
mod put_back;
mod reader;
mod record;
mod recover;
mod report;
mod retention;
mod segment;
mod signers;
mod space;
mod state;
mod sync;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod timing;
mod unpack;
mod verify;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use disk::{Disk, DiskFile, Open, RealDisk};
pub use happened::{Checkpoint, Happened, RetireReason};
pub use index::{Counts, Index, Key, Keys, RecordKind};
pub use key::{CREDENTIAL, KeyPlace, PublicKey};
pub use open::is_written;
pub use put_back::PutBack;
pub use reader::{Damage, Frame, Order, Reader};
pub use record::{Pressure, Record, Worth};
pub use report::{Break, BreakKind, Report, Trust};
pub use segment::{FormatError, Hash, LINE_MAX_BYTES};
pub use signers::KeyChange;
pub use state::{Cursor, Saved, State};
pub use sync::Synced;
pub use verify::verify;
pub use writer::Journal;

/// Where a journal lies if no other place is named.
pub const DEFAULT_DIR: &str = "/var/lib/eaves/journal";

/// Number and bytes of each segment in `dir`, in their order.
///
/// # Errors
/// The folder cannot be read.
pub fn segments(dir: &Path) -> io::Result<Vec<(u64, u64)>> {
    let files = folder::list(&RealDisk, dir)?;
    Ok(files.iter().map(|file| (file.number, file.bytes)).collect())
}

/// Whether every segment in `dir` can be read by this process, as far as the newest tells.
#[must_use]
pub fn is_readable(dir: &Path) -> bool {
    let newest = segments(dir)
        .ok()
        .and_then(|segments| segments.last().copied());
    newest.is_some_and(|(number, _)| std::fs::File::open(folder::path(dir, number)).is_ok())
}

/// Bytes of lines at which a frame closes.
pub const FRAME_BYTES: usize = 256 << 10;

/// Age at which a frame closes.
pub const FRAME_AGE: Duration = Duration::from_millis(250);

/// How the journal is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Its folder.
    pub dir: PathBuf,
    /// The key that signs.
    pub key: KeyPlace,
    /// Most bytes of all segments.
    pub keep_bytes: u64,
    /// Age at which a segment is deleted.
    pub keep_age: Duration,
    /// Bytes of the file system that are left free.
    pub min_free: u64,
    /// When what was written is synced.
    pub sync: Sync,
    /// Whether a segment is deleted though a sink has not got all of it.
    pub drop_unsent: bool,
    /// Names of the sinks whose cursors hold segments back: those of the configuration.
    pub readers: Vec<String>,
    /// Whether syncing has a thread of its own. Without one it is done where it is asked for.
    pub threaded: bool,
}

impl Options {
    /// A journal in `dir`, kept as the configuration does by default.
    #[must_use]
    pub fn new(dir: PathBuf, key: KeyPlace) -> Self {
        Self {
            dir,
            key,
            keep_bytes: 10 << 30,
            keep_age: Duration::from_secs(30 * 86_400),
            min_free: 1 << 30,
            sync: Sync::Every(Duration::from_secs(1)),
            drop_unsent: false,
            readers: Vec::new(),
            threaded: true,
        }
    }
}

/// When what was written is synced. A finding is synced at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// As soon as a frame is closed.
    Always,
    /// After at most so long.
    Every(Duration),
}

/// What is wrong with a journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file or folder cannot be read or written.
    #[error("journal: {}", path.display())]
    Io {
        /// What cannot.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another agent writes to it.
    #[error("journal {} is locked: another agent writes to it{}", dir.display(), open::of_pid(*pid))]
    Locked {
        /// Its folder.
        dir: PathBuf,
        /// The agent's process, where the kernel tells.
        pid: Option<u32>,
    },
    /// The key cannot be read or made.
    #[error("journal key {}", path.display())]
    Key {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is no key.
    #[error("journal key {} is neither 32 bytes nor 64 hexadecimal digits", path.display())]
    KeyForm {
        /// The file.
        path: PathBuf,
    },
    /// A state cannot be read or kept.
    #[error("state {}", path.display())]
    State {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No state may be called so.
    #[error("`{name}` is no name of a state: up to 64 letters, digits, `-`, `_` and `.`")]
    StateName {
        /// The name.
        name: String,
    },
}
