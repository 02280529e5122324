//! What the agent and its kernel programs share.
//!
//! Records go from the kernel to the agent, [`Settings`] and [`ReachValue`] go the other way. Whatever
//! both sides must decide alike is a pure function here. Nothing allocates, nothing panics.

#![cfg_attr(not(test), no_std)]

mod counter;
mod extent;
mod key;
mod limits;
mod record;
mod settings;
mod sniff;

pub use counter::{Counter, DropReason};
pub use extent::{
    Front, HEAD_SCAN_BYTES, STATUS, WORD_BYTES, chunk_line, extent, head_line, next_line,
};
pub use key::{
    COMM_BYTES, CipherKey, CipherValue, ConnId, ReachKey, ReachValue, ReaderState, comm_key,
};
pub use limits::{
    ARGUMENTS_BYTES, CAPTURE_MAX_BYTES, CGROUP_LEVELS_MAX, CIPHER_BUSY_RECORDS, CIPHERS_MAX,
    CLIENT_HELLO_BYTES, COPIES_MAX, COUNTER_ROWS, ENDS_MAX, EXCLUDES_MAX, FILE_BYTES,
    GENERATIONS_MAX, HELLO_CLASSES, LOOSE_MAX, NEAR_BYTES, NEWS_OVER, PAYLOAD_CLASSES, POINTS,
    REACH_MAX_BYTES, SERVER_HELLO_BYTES, SERVERS_MAX, SNIFF_BYTES, THREAD_ROW, THREAD_ROWS,
    UNIX_PATH_BYTES, VECTORS_MAX, work_rows,
};
pub use record::{
    ActKind, ActRecord, Address, DataRecord, EndReason, EndRecord, Family, Flow, HelloRecord,
    Missing, OpenRecord, RecordHeader, RecordKind, TlsLibrary, Transport, data_flag, end_flag,
    open_flag,
};
pub use settings::{Offsets, Role, Settings};
pub use sniff::{Cipher, Sniff, cipher, is_masked_frame, is_tchar, names_path, sniff};

/// Version of everything in this crate that crosses the border. The agent refuses an object, and a
/// capture file, whose number differs.
pub const ABI_VERSION: u32 = 1;
