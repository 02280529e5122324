//! Every map. Names stay within the kernel's 15 characters.
//!
//! | map | key → value | entries | written by | evicted by |
//! | --- | --- | --- | --- | --- |
//! | `RECORDS` | – | ring, size by option | taps | the agent's reading |
//! | `ENDS` | – → end record | 4 096 | taps, what the ring has no room for | the agent's reading |
//! | `COUNTERS` | row → slots | 29 rows a CPU | each program its own row | never |
//! | `STORAGE` | sock → `ConnState` | – | socket tap | the sock's end |
//! | `CONNS` | sock address → `ConnState` | by option | syscall tap | least recently used |
//! | `REACH` | `ReachKey` → `ReachValue` | by option | agent | least recently used; agent |
//! | `WORK` | row → `Work` | 2 rows a CPU; 10 with copies | each program its own row | never |
//! | `MMSG` | pid_tgid → `Progress` | 1 024 | socket tap | the call's end; least recently used |
//! | `EXCL_PORTS` | port → 1 | 256 | agent, before attaching | never |
//! | `EXCL_COMMS` | name → 1 | 256 | agent, before attaching | never |
//! | `EXCL_CGROUPS` | cgroup id → 1 | 256 | agent, before attaching | never |
//! | `READER` | 0 → `Reader` | 1 | agent sets, taps clear | never |
//! | `NEWS` | 0 → count | 1 | agent, with a word in `REACH` that is not to wait, and when it reads no more | never |
//! | `TLS_CALLS` | pid_tgid → `Call` | 8 192 | TLS tap, on the way in | the way out; least recently used |
//! | `TLS_CONNS` | `Session` → `ConnState` | by option | TLS tap | the session's end; least recently used |
//! | `TLS_WIRE` | `Mark` → `Wire` | 4 096 | TLS tap, with a record that a session wrote | the socket that sends it; least recently used |
//! | `TLS_LOOSE` | tgid → 1 | 256 | TLS tap, with plaintext of a session that no socket is known of | the agent's reading; least recently used |
//! | `TLS_SOCKS` | sock address → `Carrier` | by option | TLS tap, with a session of Go's | least recently used |
//! | `RUSTLS_LAYOUTS` | file and process → `Layout` | 1 024 | TLS tap, with a process's first connection | least recently used |
//! | `RUSTLS_SEEN` | pid_tgid → `Seen` | 1 024 | TLS tap, with a message of a handshake, or as long as the layout is not known | least recently used |
//! | `RUSTLS_NAMES` | address in a process → session | by option | TLS tap, with a connection's records | least recently used |
//! | `RUSTLS_CALLS` | pid_tgid → `Write` | 2 048 | TLS tap, on the way in | the way out; least recently used |
//! | `CIPHERS` | `CipherKey` → `CipherValue` | 1 024 | taps, with ciphertext that no session is tied to | the agent's reading; least recently used |
//! | `SERVERS` | tgid → start of the process | 1 024 | taps, with a conn of the end that answers | least recently used |
//! | `ACTS` | hash of process and target → time | 4 096 | `process.rs` | least recently used |
//! | `TURNS` | `Point` → words | 4 a CPU | each program its own word (`turn.rs`) | never |

use core::ffi::c_void;

use aya_ebpf::bindings::BPF_SK_STORAGE_GET_F_CREATE;
use aya_ebpf::btf_maps::SkStorage;
use aya_ebpf::helpers::bpf_sk_storage_get;
use aya_ebpf::macros::{btf_map, map};
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray, Queue, RingBuf};
use eaves_common::{
    CIPHERS_MAX, COMM_BYTES, COPIES_MAX, COUNTER_ROWS, CipherKey, CipherValue, Counter, DropReason,
    ENDS_MAX, EXCLUDES_MAX, EndRecord, LOOSE_MAX, ReachKey, ReachValue, ReaderState, SERVERS_MAX,
    work_rows,
};

use crate::log::log;
use crate::read::clamp;
use crate::state::{ConnState, Dropped};
use crate::tls::{Call, Carrier, Layout, Mark, Seen, Session, Wire, Write};
use crate::turn::Turn;
use crate::work::Work;

#[map]
pub(crate) static RECORDS: RingBuf = RingBuf::with_byte_size(8 << 20, 0);

#[map]
pub(crate) static ENDS: Queue<EndRecord> = Queue::with_max_entries(ENDS_MAX, 0);

#[map]
static COUNTERS: PerCpuArray<Slots> = PerCpuArray::with_max_entries(COUNTER_ROWS, 0);

#[btf_map]
static STORAGE: SkStorage<ConnState> = SkStorage::new();

#[map]
pub(crate) static CONNS: LruHashMap<u64, ConnState> = LruHashMap::with_max_entries(65_536, 0);

#[map]
pub(crate) static REACH: LruHashMap<ReachKey, ReachValue> = LruHashMap::with_max_entries(8192, 0);

#[map]
pub(crate) static MMSG: LruHashMap<u64, Progress> = LruHashMap::with_max_entries(1024, 0);

#[map]
pub(crate) static EXCL_PORTS: HashMap<u16, u8> = HashMap::with_max_entries(EXCLUDES_MAX, 0);

#[map]
pub(crate) static EXCL_COMMS: HashMap<[u8; COMM_BYTES], u8> =
    HashMap::with_max_entries(EXCLUDES_MAX, 0);

#[map]
pub(crate) static EXCL_CGROUPS: HashMap<u64, u8> = HashMap::with_max_entries(EXCLUDES_MAX, 0);

#[map]
pub(crate) static READER: Array<ReaderState> = Array::with_max_entries(1, 0);

#[map]
static NEWS: Array<u32> = Array::with_max_entries(1, 0);

#[map]
pub(crate) static WORK: PerCpuArray<Work> = PerCpuArray::with_max_entries(work_rows(COPIES_MAX), 0);

/// The call into a TLS library that each thread is in.
#[map]
pub(crate) static TLS_CALLS: LruHashMap<u64, Call> = LruHashMap::with_max_entries(8192, 0);

/// The state of each TLS session.
#[map]
pub(crate) static TLS_CONNS: LruHashMap<Session, ConnState> =
    LruHashMap::with_max_entries(65_536, 0);

/// Records that TLS sessions wrote, and no socket has sent yet.
#[map]
pub(crate) static TLS_WIRE: LruHashMap<Mark, Wire> = LruHashMap::with_max_entries(4096, 0);

/// Processes whose library moves nothing on sockets.
#[map]
pub(crate) static TLS_LOOSE: LruHashMap<u32, u32> = LruHashMap::with_max_entries(LOOSE_MAX, 0);

/// Sockets that carry sessions of Go's.
#[map]
pub(crate) static TLS_SOCKS: LruHashMap<u64, Carrier> = LruHashMap::with_max_entries(65_536, 0);

/// Where the code of each file has what names a connection of rustls, in each process.
#[map]
pub(crate) static RUSTLS_LAYOUTS: LruHashMap<u64, Layout> = LruHashMap::with_max_entries(1024, 0);

/// The state of a connection that each thread was seen with last, by which a layout becomes known.
#[map]
pub(crate) static RUSTLS_SEEN: LruHashMap<u64, Seen> = LruHashMap::with_max_entries(1024, 0);

/// Sessions of rustls by what names their connection.
#[map]
pub(crate) static RUSTLS_NAMES: LruHashMap<Session, u64> = LruHashMap::with_max_entries(16_384, 0);

/// The call by which each thread gives plaintext to rustls.
#[map]
pub(crate) static RUSTLS_CALLS: LruHashMap<u64, Write> = LruHashMap::with_max_entries(2048, 0);

/// Where ciphertext flows that is not heard.
#[map]
pub(crate) static CIPHERS: LruHashMap<CipherKey, CipherValue> =
    LruHashMap::with_max_entries(CIPHERS_MAX, 0);

/// Processes that serve HTTP, and when each started: ids come back.
#[map]
pub(crate) static SERVERS: LruHashMap<u32, u64> = LruHashMap::with_max_entries(SERVERS_MAX, 0);

/// When each act was told last.
#[map]
pub(crate) static ACTS: LruHashMap<u64, u64> = LruHashMap::with_max_entries(4096, 0);

/// One row of counters.
type Slots = [u64; DropReason::SLOTS as usize];

/// How far a thread is in the messages of one sendmmsg or recvmmsg call.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Progress {
    /// Address of the call's vector of messages.
    pub(crate) messages: u64,
    /// Messages that are done.
    pub(crate) done: u64,
    /// Bytes the last of them moved.
    pub(crate) bytes: u64,
}

/// How often the agent has put a word into `REACH` that is not to wait. Apart from `READER`, whose
/// line the taps of all CPUs write.
#[inline(always)]
pub(crate) fn news() -> u32 {
    // SAFETY: a map's value, a word that the agent writes at any time.
    NEWS.get_ptr(0)
        .map_or(0, |count| unsafe { count.read_volatile() })
}

/// This CPU's counters.
#[derive(Clone, Copy)]
pub(crate) struct Counters(*mut u64);

impl Counters {
    /// The row of a [`Turn`](crate::turn::Turn); `None` only to please the verifier.
    #[inline(always)]
    pub(crate) fn of(row: u32) -> Option<Self> {
        COUNTERS.get_ptr_mut(row).map(|slots| Self(slots.cast()))
    }

    /// Adds `n`.
    #[inline(always)]
    pub(crate) fn add(self, counter: Counter, n: u64) {
        // SAFETY: slots are below `DropReason::SLOTS`, the row's length.
        unsafe { *self.0.add(counter.slot() as usize) += n }
    }

    /// Counts a transfer that copy `COPY` of a program was called for, and what became of it.
    ///
    /// That it stood in is counted where that is sure, by its turn or by what it found: the kernel
    /// has then counted a miss.
    #[inline(always)]
    pub(crate) fn transfer<const COPY: u32>(self, outcome: Result<(), Dropped>, turn: &Turn) {
        if let Err(Dropped::HEARD) = outcome {
            return;
        }
        self.add(Counter::Transfers, 1);
        if COPY > 0 && (!turn.doubtful || outcome.is_ok()) {
            self.add(Counter::StoodIn, 1);
        }
        match outcome {
            Ok(()) => self.add(Counter::TransfersSent, 1),
            Err(dropped) => {
                self.drop(dropped);
                log!(passed_over(dropped.0));
            }
        }
    }

    /// Counts a transfer that a program was called for which has no copies, and what became of it.
    #[inline(always)]
    pub(crate) fn alone(self, outcome: Result<(), Dropped>) {
        self.add(Counter::Transfers, 1);
        match outcome {
            Ok(()) => self.add(Counter::TransfersSent, 1),
            Err(dropped) => self.drop(dropped),
        }
    }

    /// Adds one to the slot of a reason.
    #[inline(always)]
    fn drop(self, dropped: Dropped) {
        const LAST: u64 = DropReason::SLOTS as u64 - 1;
        let slot = clamp::<LAST>(u64::from(dropped.0));
        // SAFETY: `clamp` keeps the slot within the row.
        unsafe { *self.0.add(slot as usize) += 1 }
    }
}

/// The state kept in the storage of a trusted `sk`, made if `create` and there is none.
///
/// Null if there is none, or no room.
#[inline(always)]
pub(crate) fn storage(sk: *mut c_void, create: bool) -> *mut ConnState {
    let flags = if create {
        u64::from(BPF_SK_STORAGE_GET_F_CREATE)
    } else {
        0
    };
    let map = (&raw const STORAGE).cast_mut().cast();
    // SAFETY: the verifier proves `sk` to be a sock, and the map holds `ConnState`, zero at first.
    unsafe { bpf_sk_storage_get(map, sk, core::ptr::null_mut(), flags) }.cast()
}
