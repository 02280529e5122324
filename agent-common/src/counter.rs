//! What the kernel programs count, each at its own place. One per-CPU array, a slot a counter.

/// Slot in the counter map.
///
/// Each transfer that reaches a tap counts once in [`Counter::Transfers`] and once in either
/// [`Counter::TransfersSent`] or the slot of one [`DropReason`]; each record the taps want to send
/// counts once in [`Counter::Records`] and once in [`Counter::RecordsSent`] or
/// [`Counter::RecordsLost`]. [`Counter::RecursionMisses`] and [`Counter::Missed`] the agent fills in:
/// what the kernel passes over, no program sees.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Counter {
    /// Transfers on stream sockets, and what looked like one, that a tap was called for.
    Transfers = 0,
    /// Transfers of which at least one record went to the ring.
    TransfersSent = 1,
    /// Records of any kind for which ring memory was asked.
    Records = 2,
    /// Records submitted.
    RecordsSent = 3,
    /// Records for which the ring had no room.
    RecordsLost = 4,
    /// Bytes of transfers on conns that are heard.
    Bytes = 5,
    /// Bytes copied into records.
    BytesCopied = 6,
    /// Bytes that records name without copying: skipped, beyond a limit, not in a user buffer, faulted.
    BytesNamed = 7,
    /// Bytes of records that the ring had no room for.
    BytesLost = 8,
    /// Times the reader was woken.
    Wakeups = 9,
    /// Times the kernel passed a tap's first program over, because it was at work in a preempted
    /// task on the same processor: the kernel's own count, read once a second.
    RecursionMisses = 10,
    /// Of these, times a copy behind it did the work.
    StoodIn = 11,
    /// The rest: transfers, ends of conns, or for the syscall tap calls of any kind, that nobody is
    /// sure to have looked at.
    Missed = 12,
}

impl Counter {
    /// Number of slots before those of [`DropReason`].
    pub const COUNT: u32 = 13;

    /// All, in the order of their slots.
    pub const ALL: [Self; Self::COUNT as usize] = [
        Self::Transfers,
        Self::TransfersSent,
        Self::Records,
        Self::RecordsSent,
        Self::RecordsLost,
        Self::Bytes,
        Self::BytesCopied,
        Self::BytesNamed,
        Self::BytesLost,
        Self::Wakeups,
        Self::RecursionMisses,
        Self::StoodIn,
        Self::Missed,
    ];

    /// Its name in ledger and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transfers => "transfers",
            Self::TransfersSent => "transfers_sent",
            Self::Records => "records",
            Self::RecordsSent => "records_sent",
            Self::RecordsLost => "records_lost",
            Self::Bytes => "bytes",
            Self::BytesCopied => "bytes_copied",
            Self::BytesNamed => "bytes_named",
            Self::BytesLost => "bytes_lost",
            Self::Wakeups => "wakeups",
            Self::RecursionMisses => "recursion_misses",
            Self::StoodIn => "stood_in",
            Self::Missed => "missed",
        }
    }

    /// Its slot in the map.
    #[must_use]
    pub const fn slot(self) -> u32 {
        self as u32
    }
}

/// Why a transfer that reached a tap was not sent to the agent. Slots follow those of [`Counter`].
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// Nothing moved: an error such as EAGAIN, or a length of zero that is not the end of a stream.
    Nothing = 0,
    /// MSG_PEEK, MSG_ERRQUEUE or MSG_OOB: not part of the stream.
    NotStreamData = 1,
    /// The file descriptor is not a socket (syscall tap).
    NotSocket = 2,
    /// Not a TCP, MPTCP or Unix stream socket.
    NotStream = 3,
    /// A socket of the kernel's own.
    KernelSocket = 4,
    /// The agent's own process.
    Own = 5,
    /// Excluded by port.
    ExcludedPort = 6,
    /// Excluded by process name.
    ExcludedProcess = 7,
    /// Excluded by cgroup.
    ExcludedCgroup = 8,
    /// Judged not to be HTTP.
    NotHttp = 9,
    /// Not yet known to be HTTP: looked at, nothing found.
    Undecided = 10,
    /// The end of a conn whose role is not wanted.
    Role = 11,
    /// A 32-bit caller whose conn is not yet known to be HTTP.
    Compat = 12,
    /// A pointer or structure of the kernel could not be read.
    KernelRead = 13,
    /// No room for the conn's state.
    State = 14,
    /// Every record of the transfer found the ring full.
    RingFull = 15,
    /// A call that moves no bytes of a stream, or is not looked at (syscall tap).
    OtherCall = 16,
    /// Heard another way: ciphertext whose plaintext the TLS tap hears, or the plaintext of a
    /// session that the kernel itself encrypts.
    HeardElsewhere = 17,
}

impl DropReason {
    /// How many there are.
    pub const COUNT: u32 = 18;

    /// All, in the order of their slots.
    pub const ALL: [Self; Self::COUNT as usize] = [
        Self::Nothing,
        Self::NotStreamData,
        Self::NotSocket,
        Self::NotStream,
        Self::KernelSocket,
        Self::Own,
        Self::ExcludedPort,
        Self::ExcludedProcess,
        Self::ExcludedCgroup,
        Self::NotHttp,
        Self::Undecided,
        Self::Role,
        Self::Compat,
        Self::KernelRead,
        Self::State,
        Self::RingFull,
        Self::OtherCall,
        Self::HeardElsewhere,
    ];

    /// Its name in ledger and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::NotStreamData => "not_stream_data",
            Self::NotSocket => "not_socket",
            Self::NotStream => "not_stream",
            Self::KernelSocket => "kernel_socket",
            Self::Own => "own",
            Self::ExcludedPort => "excluded_port",
            Self::ExcludedProcess => "excluded_process",
            Self::ExcludedCgroup => "excluded_cgroup",
            Self::NotHttp => "not_http",
            Self::Undecided => "undecided",
            Self::Role => "role",
            Self::Compat => "compat",
            Self::KernelRead => "kernel_read",
            Self::State => "state",
            Self::RingFull => "ring_full",
            Self::OtherCall => "other_call",
            Self::HeardElsewhere => "heard_elsewhere",
        }
    }

    /// Its slot in the map.
    #[must_use]
    pub const fn slot(self) -> u32 {
        Counter::COUNT + self as u32
    }

    /// Slots of the whole map.
    pub const SLOTS: u32 = Counter::COUNT + Self::COUNT;
}

#[cfg(test)]
mod tests {
    use super::{Counter, DropReason};

    #[test]
    fn slots_are_dense_and_distinct() {
        let slots = Counter::ALL
            .iter()
            .map(|c| c.slot())
            .chain(DropReason::ALL.iter().map(|d| d.slot()));
        assert!(slots.eq(0..DropReason::SLOTS));
    }
}
