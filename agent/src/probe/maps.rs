//! Typed handles to the maps.

use aya::Ebpf;
use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray, Queue, RingBuf};
use eaves_common::{
    COMM_BYTES, COUNTER_ROWS, ConnId, DropReason, EXCLUDES_MAX, EndRecord, Flow, NEWS_OVER,
    ReachKey, ReachValue, ReaderState,
};

use super::{Options, ProbeError};
use crate::capture::KernelCounters;

type Slots = [u64; DropReason::SLOTS as usize];

/// An end record as words.
type EndWords = [u64; size_of::<EndRecord>() / 8];

/// Every map the agent reads or writes while it hears.
pub(super) struct Maps {
    pub(super) records: RingBuf<MapData>,
    ends: Queue<MapData, EndWords>,
    reader: Array<MapData, ReaderState>,
    counters: PerCpuArray<MapData, Slots>,
    reach: HashMap<MapData, ReachKey, ReachValue>,
    news: Array<MapData, u32>,
    /// What `news` holds.
    told: u32,
}

impl Maps {
    /// Takes them out of a loaded object.
    pub(super) fn take(kernel: &mut Ebpf) -> Result<Self, ProbeError> {
        Ok(Self {
            records: take(kernel, "RECORDS")?,
            ends: take(kernel, "ENDS")?,
            reader: take(kernel, "READER")?,
            counters: take(kernel, "COUNTERS")?,
            reach: take(kernel, "REACH")?,
            news: take(kernel, "NEWS")?,
            told: 0,
        })
    }

    /// Whether this thread may read them.
    pub(super) fn can_be_read(&self) -> bool {
        self.news.get(&0, 0).is_ok()
    }

    /// Says what the reader waits for. A word that does not arrive costs a later wake-up only.
    pub(super) fn set_reader(&mut self, state: ReaderState) {
        let _ = self.reader.set(0, state, 0);
    }

    /// Has the programs in processes hear no more, since they come off one by one.
    pub(super) fn hear_no_more(&mut self) {
        self.told = NEWS_OVER;
        let _ = self.news.set(0, NEWS_OVER, 0);
    }

    /// The next end for which the ring had no room: the bytes of its record.
    pub(super) fn next_end(&mut self) -> Option<[u8; size_of::<EndRecord>()]> {
        let words = self.ends.pop(0).ok()?;
        let mut record = [0; size_of::<EndRecord>()];
        for (to, from) in record.chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&from.to_ne_bytes());
        }
        Some(record)
    }

    /// What the kernel programs counted so far; what cannot be read counts 0.
    pub(super) fn counters(&self) -> KernelCounters {
        let mut sums = [0_u64; DropReason::SLOTS as usize];
        for row in 0..COUNTER_ROWS {
            let Ok(values) = self.counters.get(&row, 0) else {
                continue;
            };
            for cpu in values.iter() {
                for (sum, count) in sums.iter_mut().zip(cpu) {
                    *sum += count;
                }
            }
        }
        let mut counters = KernelCounters::default();
        for (slot, sum) in (0..).zip(sums) {
            counters.set(slot, sum);
        }
        counters
    }

    /// See [`Source::skip`](crate::capture::Source::skip). The kernel evicts what it used least.
    pub(super) fn skip(&mut self, conn: ConnId, flow: Flow, until: u64) {
        let key = ReachKey {
            conn,
            flow: flow as u64,
        };
        let _ = self.reach.insert(key, ReachValue { until }, 0);
    }

    /// See [`Source::not_http`](crate::capture::Source::not_http).
    pub(super) fn not_http(&mut self, conn: ConnId) {
        self.say(conn, ReachValue::NOT_HTTP);
    }

    /// See [`Source::unknown`](crate::capture::Source::unknown). What does not arrive is said again
    /// when the conn speaks.
    pub(super) fn unknown(&mut self, conn: ConnId) {
        self.say(conn, ReachValue::UNKNOWN);
        // The word first: who sees the news finds it.
        if self.told != NEWS_OVER {
            self.told = (self.told + 1) % NEWS_OVER;
            let _ = self.news.set(0, self.told, 0);
        }
    }

    /// Puts a word on the whole conn into the map.
    fn say(&mut self, conn: ConnId, until: u64) {
        let key = ReachKey {
            conn,
            flow: ReachKey::BOTH,
        };
        let _ = self.reach.insert(key, ReachValue { until }, 0);
    }
}

pub(super) fn take<T>(kernel: &mut Ebpf, name: &'static str) -> Result<T, ProbeError>
where
    T: TryFrom<Map, Error = MapError>,
{
    let map = kernel.take_map(name).ok_or(ProbeError::NoMap { name })?;
    T::try_from(map).map_err(|source| ProbeError::Map {
        name,
        source: source.into(),
    })
}

/// Fills the maps of what is not to be heard; before anything is attached.
///
/// # Errors
/// [`ProbeError::TooManyExcludes`], or the map that did not take an entry.
pub(super) fn exclude(kernel: &mut Ebpf, options: &Options) -> Result<(), ProbeError> {
    let comms = options.exclude_processes.iter().map(|name| comm(name));
    fill(kernel, "EXCL_PORTS", options.exclude_ports.iter().copied())?;
    fill(kernel, "EXCL_COMMS", comms)?;
    fill(
        kernel,
        "EXCL_CGROUPS",
        options.exclude_cgroups.iter().copied(),
    )
}

fn fill<K: aya::Pod>(
    kernel: &mut Ebpf,
    name: &'static str,
    keys: impl ExactSizeIterator<Item = K>,
) -> Result<(), ProbeError> {
    if keys.len() > EXCLUDES_MAX as usize {
        return Err(ProbeError::TooManyExcludes {
            have: keys.len(),
            max: EXCLUDES_MAX,
        });
    }
    // Borrowed only: programs that load later refer to the map by its descriptor.
    let map = kernel.map_mut(name).ok_or(ProbeError::NoMap { name })?;
    let mut map: HashMap<&mut MapData, K, u8> =
        HashMap::try_from(map).map_err(|source| ProbeError::Map {
            name,
            source: source.into(),
        })?;
    for key in keys {
        map.insert(key, 1, 0).map_err(|source| ProbeError::Map {
            name,
            source: source.into(),
        })?;
    }
    Ok(())
}

/// A process's name as the kernel keeps it: 15 bytes and a NUL.
fn comm(name: &str) -> [u8; COMM_BYTES] {
    let mut comm = [0; COMM_BYTES];
    for (to, from) in comm.iter_mut().take(COMM_BYTES - 1).zip(name.bytes()) {
        *to = from;
    }
    comm
}

#[cfg(test)]
mod tests {
    use super::comm;

    #[test]
    fn names_are_cut_as_the_kernel_cuts_them() {
        assert_eq!(&comm("nginx"), b"nginx\0\0\0\0\0\0\0\0\0\0\0");
        assert_eq!(&comm("a-rather-long-name"), b"a-rather-long-n\0");
    }
}
