//! Ring reader.
//!
//! A wake-up costs the process that is heard more than the record itself, so it is rare. While
//! records come the reader comes by the clock, every [`TICK`], or when a quarter megabyte is
//! pending. After [`QUIET`] without any it sleeps, and the next record wakes it.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use eaves_common::ReaderState;
use rustix::event::{Timespec, epoll};

use super::ProbeError;
use super::maps::Maps;

/// Between two visits while records come. Each costs about 10 µs of processor time, and the ring
/// holds what comes in a hundred times as long.
const TICK: Duration = Duration::from_millis(5);
/// Time without records after which the reader sleeps.
const QUIET: Duration = Duration::from_millis(20);
/// First sleep: should the word that it sleeps have crossed a record on its way, no longer.
const FIRST_SLEEP: Duration = Duration::from_millis(100);
/// Longest sleep.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
/// Most records handed over in one go, so that the caller gets to its other work.
const BATCH_MAX: u64 = 65_536;

/// The ring's only reader.
pub(super) struct Ring {
    /// Tells wake-ups, and nothing else: data that is there already does not make it ready.
    epoll: OwnedFd,
    mood: Mood,
    sleep: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    /// Records come: visit by the clock.
    Busy { last: Instant },
    /// The taps know that the next record is to wake the reader.
    Asleep,
    /// More is there than fits one go.
    Behind,
}

impl Ring {
    pub(super) fn new(maps: &Maps) -> Result<Self, ProbeError> {
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
            mood: Mood::Behind,
            sleep: FIRST_SLEEP,
        })
    }

    /// Waits at most `wait`, then hands over what there is.
    pub(super) fn read(
        &mut self,
        maps: &mut Maps,
        wait: Duration,
        each: &mut dyn FnMut(&[u8]),
    ) -> io::Result<u64> {
        match self.mood {
            Mood::Behind => {}
            Mood::Busy { .. } => {
                if self.wait(wait.min(TICK))? {
                    maps.set_reader(ReaderState {
                        asleep: 0,
                        armed: 1,
                    });
                }
            }
            Mood::Asleep => {
                self.wait(wait.min(self.sleep))?;
                self.sleep = (self.sleep * 2).min(LONGEST_SLEEP);
            }
        }
        let mut count = drain(maps, each);
        let now = Instant::now();
        if count == 0 {
            match self.mood {
                Mood::Busy { last } if now.duration_since(last) >= QUIET => {
                    self.mood = Mood::Asleep;
                    self.sleep = FIRST_SLEEP;
                    maps.set_reader(ReaderState {
                        asleep: 1,
                        armed: 0,
                    });
                    // What came before that word did is seen here, what comes after it wakes.
                    count = drain(maps, each);
                }
                Mood::Behind => self.mood = Mood::Busy { last: now },
                Mood::Busy { .. } | Mood::Asleep => {}
            }
        }
        if count > 0 {
            if !matches!(self.mood, Mood::Busy { .. }) {
                maps.set_reader(ReaderState {
                    asleep: 0,
                    armed: 1,
                });
            }
            self.mood = if count >= BATCH_MAX {
                Mood::Behind
            } else {
                Mood::Busy { last: now }
            };
        }
        Ok(count)
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

fn drain(maps: &mut Maps, each: &mut dyn FnMut(&[u8])) -> u64 {
    let mut count = 0;
    while count < BATCH_MAX {
        let Some(record) = maps.records.next() else {
            break;
        };
        each(&record);
        count += 1;
    }
    count
}
