//! Ring reader: waits as [`Pace`] says, and hands over what there is.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{Timespec, epoll};

use super::ProbeError;
use super::maps::Maps;
use super::pace::{BATCH_MAX, Pace, Word};
use crate::capture::RingFill;

/// The ring's only reader.
pub(super) struct Ring {
    /// Tells wake-ups, and nothing else: data that is there already does not make it ready.
    epoll: OwnedFd,
    pace: Pace,
    /// When the queue of ends was looked at.
    looked: Instant,
    fill: RingFill,
}

/// How often the queue of ends that the ring had no room for is looked at while records come.
const ENDS_EVERY: Duration = Duration::from_millis(100);

impl Ring {
    pub(super) fn new(maps: &Maps, size_bytes: u32) -> Result<Self, ProbeError> {
        let ring = |source: rustix::io::Errno| ProbeError::Map {
            name: "RECORDS",
            source: Box::new(io::Error::from(source)),
        };
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(ring)?;
        // By the edge: a ring with records in it is ready at once otherwise, and the clock no use.
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
        let data = epoll::EventData::new_u64(0);
        epoll::add(&epoll, &maps.records, data, flags).map_err(ring)?;
        Ok(Self {
            epoll,
            pace: Pace::new(),
            looked: Instant::now(),
            fill: RingFill {
                most_bytes: 0,
                size_bytes: size_bytes.into(),
            },
        })
    }

    /// Waits at most `wait`, then hands over what there is.
    pub(super) fn read(
        &mut self,
        maps: &mut Maps,
        wait: Duration,
        each: &mut dyn FnMut(&[u8]),
    ) -> io::Result<u64> {
        let wait = wait.min(self.pace.wait());
        let woken = !wait.is_zero() && self.wait(wait)?;
        let mut count = self.drain(maps, each);
        let now = Instant::now();
        match self.pace.visited(woken, count, now) {
            Word::None => {}
            Word::Tell(state) => maps.set_reader(state),
            Word::TellAndLook(state) => {
                maps.set_reader(state);
                count = self.drain(maps, each);
                if count > 0
                    && let Word::Tell(state) = self.pace.visited(false, count, now)
                {
                    maps.set_reader(state);
                }
            }
        }
        // They are later than all that is in the ring of their conns.
        if count < BATCH_MAX && (count == 0 || now.duration_since(self.looked) >= ENDS_EVERY) {
            self.looked = now;
            while let Some(record) = maps.next_end() {
                each(&record);
                count += 1;
            }
        }
        Ok(count)
    }

    /// How full it was since the last call.
    pub(super) const fn take_fill(&mut self) -> RingFill {
        let fill = self.fill;
        self.fill.most_bytes = 0;
        fill
    }

    fn drain(&mut self, maps: &mut Maps, each: &mut dyn FnMut(&[u8])) -> u64 {
        let (mut count, mut bytes) = (0, 0);
        while count < BATCH_MAX {
            let Some(record) = maps.records.next() else {
                break;
            };
            bytes += taken(record.len());
            each(&record);
            count += 1;
        }
        self.fill.most_bytes = self.fill.most_bytes.max(bytes);
        count
    }

    /// Whether a tap woke it within `time`.
    fn wait(&self, time: Duration) -> io::Result<bool> {
        let timeout = Timespec {
            tv_sec: time.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: time.subsec_nanos().into(),
        };
        let mut events = [epoll::Event {
            flags: epoll::EventFlags::empty(),
            data: epoll::EventData::new_u64(0),
        }];
        match epoll::wait(&self.epoll, &mut events, Some(&timeout)) {
            Ok(count) => Ok(count > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Bytes of the ring that a record of so many takes, with its header (`BPF_RINGBUF_HDR_SZ`).
const fn taken(record_bytes: usize) -> u64 {
    record_bytes.next_multiple_of(8) as u64 + 8
}

#[cfg(test)]
mod tests {
    use super::taken;

    #[test]
    fn a_record_takes_whole_words_and_a_header() {
        assert_eq!([1, 8, 9, 4_096].map(taken), [16, 16, 24, 4_104]);
    }
}
