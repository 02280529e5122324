//! Sizes both sides depend on.

/// Vectors of one call that are looked at, the mmsg forms in sum. What lies beyond is a gap of
/// known length. As many as one call may have (`UIO_MAXIOV`, include/uapi/linux/uio.h): of other
/// calls than the mmsg forms nothing lies beyond.
pub const VECTORS_MAX: usize = 1024;

/// Payload capacities, in bytes, of the records: the smallest that fits is reserved. A transfer
/// larger than the last goes in several records.
pub const PAYLOAD_CLASSES: [usize; 7] = [256, 512, 1024, 2048, 4096, 8192, 16_384];

/// Most bytes of one call that are ever copied, whatever `capture.copy_per_call` says: 100 streams of
/// HTTP/2 that a server answers by one call, with bodies as long as are kept.
pub const CAPTURE_MAX_BYTES: u32 = 2 * 1024 * 1024;

/// Bytes of one call that are copied, if it moved as many, before it is asked how far they are needed.
pub const NEAR_BYTES: u32 = 64 * 1024;

/// Bytes at the front of a transfer by which a protocol is guessed.
pub const SNIFF_BYTES: usize = 16;

/// `sun_path` of `struct sockaddr_un` (unix(7)).
pub const UNIX_PATH_BYTES: usize = 108;

/// Bytes that are kept of the name of a program or a file.
pub const FILE_BYTES: usize = 256;

/// Bytes that are kept of a program's arguments.
pub const ARGUMENTS_BYTES: usize = 768;

/// Processes that serve HTTP and whose acts are told, at most.
pub const SERVERS_MAX: u32 = 1024;

/// How many generations are between a process that serves and a descendant whose acts are told.
pub const GENERATIONS_MAX: u32 = 8;

/// Farthest a [`ReachValue`](crate::ReachValue) may lie ahead: half the TCP sequence space less a
/// window, so that the signed difference stays a distance.
pub const REACH_MAX_BYTES: u64 = 1 << 30;

/// Entries in each of the exclusion maps (ports, process names, cgroups).
pub const EXCLUDES_MAX: u32 = 256;

/// Ends of conns that are kept while the ring has no room for them.
pub const ENDS_MAX: u32 = 4096;

/// Records of application data after which a conn's session would be tied to it if it were heard: a
/// handshake has up to four, and the first call of a library that is probed ties.
pub const CIPHER_BUSY_RECORDS: u64 = 8;

/// Bytes at the front of what a client of TLS sends that are looked at for its first message: with keys
/// against quantum computers a browser's has some two thousand, more where it resumes a session.
pub const CLIENT_HELLO_BYTES: u32 = 4096;

/// The same of a server: with such a key in it its answer has 1.2 thousand.
pub const SERVER_HELLO_BYTES: u32 = 1536;

/// Payload capacities of records of these, as [`PAYLOAD_CLASSES`].
pub const HELLO_CLASSES: [usize; 3] = [
    256,
    SERVER_HELLO_BYTES as usize,
    CLIENT_HELLO_BYTES as usize,
];

/// Ends of conns with unheard ciphertext that are counted apart.
pub const CIPHERS_MAX: u32 = 1024;

/// Processes with TLS sessions of unknown sockets that the kernel programs keep in mind for the agent.
pub const LOOSE_MAX: u32 = 256;

/// Copies of one program that may stand behind each other at a tracepoint.
pub const COPIES_MAX: u32 = 3;

/// Points at which the programs of a tap hang: what is sent, what is received, changes of state, the
/// end of socks.
pub const POINTS: u32 = 4;

/// First row of counters of programs that hang on functions, in a process or in the kernel: behind
/// one for each point, those of the copies, and one for a change of state that interrupts another.
pub const THREAD_ROW: u32 = POINTS * COPIES_MAX + 1;

/// Rows of counters of such programs, a power of two. They may be preempted, so threads count in
/// rows of their own as far as there are any.
pub const THREAD_ROWS: u32 = 16;

/// Rows of counters.
pub const COUNTER_ROWS: u32 = THREAD_ROW + THREAD_ROWS;

/// Rows of work areas that `copies` of each program need: those of what is sent and received.
#[must_use]
pub const fn work_rows(copies: u32) -> u32 {
    (copies - 1) * POINTS + 2
}

/// How many levels of a task's cgroup path are compared with the excluded cgroups.
pub const CGROUP_LEVELS_MAX: u32 = 12;

/// In `NEWS`: the agent reads no more.
pub const NEWS_OVER: u32 = u32::MAX;
