//! Keys and values of the maps that the agent writes or reads.

use core::mem::{align_of, size_of};

use crate::sniff::equal;

/// Bytes of a task's name with its final NUL (`TASK_COMM_LEN`, include/linux/sched.h).
pub const COMM_BYTES: usize = 16;

/// Names one end of a connection: a kernel socket for as long as it lives.
///
/// Addresses of freed socks are used again, inode numbers of sockets hardly ever within one address.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    /// Address of the kernel's `struct sock`.
    pub sock: u64,
    /// Inode number of its `struct socket`, the one in `/proc/PID/fd`; 0 where it is not known.
    pub inode: u64,
}

impl ConnId {
    /// Bit of `inode` that says: a TLS session. `sock` then is the session's address in its process,
    /// and the other bits tell it from others that had that address.
    pub const SESSION: u64 = 1 << 63;
}

const _: () = assert!(size_of::<ConnId>() == 16 && align_of::<ConnId>() == 8);

/// Key of the map by which the agent tells the kernel how far to skip: one direction of one conn.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReachKey {
    /// The conn.
    pub conn: ConnId,
    /// A [`Flow`](crate::Flow) as its number, or [`ReachKey::BOTH`] for a word on the whole conn.
    pub flow: u64,
}

impl ReachKey {
    /// `flow` of an entry that speaks of the whole conn: see [`ReachValue::NOT_HTTP`] and
    /// [`ReachValue::UNKNOWN`].
    pub const BOTH: u64 = 2;
}

const _: () = assert!(size_of::<ReachKey>() == 24 && align_of::<ReachKey>() == 8);

/// How far the kernel may skip without copying.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReachValue {
    /// Position, as the records of this conn count, of the first byte to be copied again. For TCP
    /// only the low 32 bits count, compared as sequence numbers are (RFC 9293 §3.4): never more
    /// than [`REACH_MAX_BYTES`](crate::REACH_MAX_BYTES) ahead. Under [`ReachKey::BOTH`]
    /// [`ReachValue::NOT_HTTP`], hear this conn no more, or [`ReachValue::UNKNOWN`], announce it
    /// anew.
    pub until: u64,
}

impl ReachValue {
    /// The conn is not, or no longer, HTTP.
    pub const NOT_HTTP: u64 = u64::MAX;
    /// The agent has forgotten the conn, and needs its [`OpenRecord`](crate::OpenRecord) again.
    pub const UNKNOWN: u64 = u64::MAX - 1;
}

/// `comm` with nothing behind its first NUL, as names are compared.
///
/// A kernel that sets a name without padding it leaves bytes of a longer one before it there.
#[must_use]
pub const fn comm_key(comm: [u8; COMM_BYTES]) -> [u8; COMM_BYTES] {
    const { assert!(COMM_BYTES == 16) };
    let bytes = u128::from_le_bytes(comm);
    let (low, high) = (bytes as u64, (bytes >> 64) as u64);
    let (low, ended) = before_nul(low);
    let (high, _) = before_nul(high);
    let high = if ended { 0 } else { high };
    ((high as u128) << 64 | low as u128).to_le_bytes()
}

/// The bytes of `word` before its first NUL, the lowest first, and whether there is one.
const fn before_nul(word: u64) -> (u64, bool) {
    let nuls = equal(word, 0);
    let first = nuls & nuls.wrapping_neg();
    // All below its byte; all there are where there is none.
    (word & (first >> 7).wrapping_sub(1), nuls != 0)
}

/// What the ring's reader waits for. It sets a word, a tap that wakes it clears that word.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReaderState {
    /// Not 0: it sleeps until the next record.
    pub asleep: u32,
    /// Not 0: it comes by the clock, and wants to be woken early when
    /// [`Settings::wake_bytes`](crate::Settings::wake_bytes) are pending.
    pub armed: u32,
}

const _: () = assert!(size_of::<ReaderState>() == 8 && align_of::<ReaderState>() == 4);

/// Where ciphertext flows that no session is tied to: an end of conns, by its process.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CipherKey {
    /// The process.
    pub tgid: u32,
    /// The server's port.
    pub port: u16,
    /// A [`Role`](crate::Role) as its number.
    pub role: u16,
}

const _: () = assert!(size_of::<CipherKey>() == 8 && align_of::<CipherKey>() == 4);

/// How much of it there was since the agent asked last.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CipherValue {
    /// Conns on which records of application data went both ways: also those of which no more
    /// than the handshake is over.
    pub conns: u32,
    /// Conns on which [`CIPHER_BUSY_RECORDS`](crate::CIPHER_BUSY_RECORDS) of them were seen: by then a
    /// session that is heard is tied to its socket.
    pub busy: u32,
}

const _: () = assert!(size_of::<CipherValue>() == 8 && align_of::<CipherValue>() == 4);

// SAFETY: `repr(C)`, no padding (asserted above or a single field), every bit pattern is a value.
#[cfg(feature = "user")]
unsafe impl aya::Pod for ConnId {}
// SAFETY: as above.
#[cfg(feature = "user")]
unsafe impl aya::Pod for ReachKey {}
// SAFETY: as above.
#[cfg(feature = "user")]
unsafe impl aya::Pod for ReachValue {}
// SAFETY: as above.
#[cfg(feature = "user")]
unsafe impl aya::Pod for ReaderState {}

// SAFETY: as above.
#[cfg(feature = "user")]
unsafe impl aya::Pod for CipherKey {}
// SAFETY: as above.
#[cfg(feature = "user")]
unsafe impl aya::Pod for CipherValue {}

#[cfg(test)]
mod tests {
    use super::{COMM_BYTES, comm_key};

    #[track_caller]
    fn check(comm: &[u8; COMM_BYTES], expected: &str) {
        let mut padded = [0; COMM_BYTES];
        padded[..expected.len()].copy_from_slice(expected.as_bytes());
        assert_eq!(comm_key(*comm), padded, "{}", comm.escape_ascii());
    }

    #[test]
    fn bytes_behind_the_nul_of_a_name_are_none_of_it() {
        check(b"nginx\0worker-3\0\0", "nginx");
        check(b"nginx\0\0\0\0\0\0\0\0\0\0\0", "nginx");
        check(b"\0eft-of-a-name-\0", "");
        check(b"a-rather-long-n\0", "a-rather-long-n");
        check(b"16-bytes-and-on!", "16-bytes-and-on!");
        for len in 0..COMM_BYTES {
            let mut comm = [b'\x80'; COMM_BYTES];
            comm[..len].fill(b'n');
            comm[len] = 0;
            check(&comm, &"n".repeat(len));
        }
    }
}
