//! When the ring's reader comes. Pure: what a visit found goes in, the wait and the word for the
//! taps come out.
//!
//! A wake-up costs the process that is heard more than the record itself, so it is rare. While
//! records come the reader comes by the clock, as often as [`AIM`] records need at their present
//! rate, or when a quarter megabyte is pending. After [`QUIET`] without any it sleeps, and the next
//! record wakes it.

use std::time::{Duration, Instant};

use eaves_common::ReaderState;

/// Least time between two visits by the clock. Each costs some 10 µs of processor time, in caches
/// that have gone cold and in waking whoever seals what it found.
const SHORTEST_TICK: Duration = Duration::from_millis(5);
/// Longest: what it adds to the time until an exchange is told.
const LONGEST_TICK: Duration = Duration::from_millis(25);
/// Records that a visit by the clock is to find: enough to share its cost.
const AIM: u32 = 256;
/// Time without records after which the reader sleeps.
const QUIET: Duration = Duration::from_millis(20);
/// First sleep: should the word that it sleeps have crossed a record on its way, no longer.
const FIRST_SLEEP: Duration = Duration::from_millis(100);
/// Longest sleep.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
/// Most records handed over in one visit, so that the caller gets to its other work.
pub(super) const BATCH_MAX: u64 = 65_536;

/// Wake the reader when much is pending.
const AWAKE: ReaderState = ReaderState {
    asleep: 0,
    armed: 1,
};
/// Wake the reader with the next record.
const ASLEEP: ReaderState = ReaderState {
    asleep: 1,
    armed: 0,
};

/// The reader's pace.
#[derive(Debug)]
pub(super) struct Pace {
    mood: Mood,
    /// Time between two visits by the clock.
    tick: Duration,
    sleep: Duration,
    /// When the visit before was.
    visited: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    /// Records come: visit by the clock.
    Busy { last: Instant },
    /// The taps know that the next record is to wake the reader.
    Asleep,
    /// More is there than fits one visit.
    Behind,
}

/// What the taps are to be told after a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Nothing new.
    None,
    /// This; nothing else follows from it.
    Tell(ReaderState),
    /// This, and then the ring is to be looked at once more: what came before the word did wakes
    /// nobody.
    TellAndLook(ReaderState),
}

impl Pace {
    /// Before the first visit.
    pub(super) const fn new() -> Self {
        Self {
            mood: Mood::Behind,
            tick: SHORTEST_TICK,
            sleep: FIRST_SLEEP,
            visited: None,
        }
    }

    /// How long to wait for a wake-up before the next visit.
    pub(super) const fn wait(&self) -> Duration {
        match self.mood {
            Mood::Behind => Duration::ZERO,
            Mood::Busy { .. } => self.tick,
            Mood::Asleep => self.sleep,
        }
    }

    /// Takes in a visit at `now` that found `count` records, after a wake-up if `woken`.
    pub(super) fn visited(&mut self, woken: bool, count: u64, now: Instant) -> Word {
        let before = self.mood;
        let since = self.visited.replace(now).map(|at| now.duration_since(at));
        // What woke it is followed by an answer, as a rule.
        self.tick = match (before, since) {
            (Mood::Busy { .. }, Some(since)) => tick(since, count),
            _ => SHORTEST_TICK,
        };
        if count == 0 && !woken {
            return match before {
                Mood::Asleep => {
                    self.sleep = (self.sleep * 2).min(LONGEST_SLEEP);
                    Word::None
                }
                Mood::Busy { last } if now.duration_since(last) >= QUIET => {
                    self.mood = Mood::Asleep;
                    self.sleep = FIRST_SLEEP;
                    Word::TellAndLook(ASLEEP)
                }
                Mood::Busy { .. } => Word::None,
                Mood::Behind => {
                    self.mood = Mood::Busy { last: now };
                    Word::Tell(AWAKE)
                }
            };
        }
        // A wake-up that finds nothing is none in vain: the ring is read in order, and the record
        // that woke may lie behind one that another processor still writes. The taps believe the
        // reader to be awake from then on, so it has to come by the clock.
        self.mood = if count >= BATCH_MAX {
            Mood::Behind
        } else {
            Mood::Busy { last: now }
        };
        if woken || !matches!(before, Mood::Busy { .. }) {
            Word::Tell(AWAKE)
        } else {
            Word::None
        }
    }
}

/// Time until [`AIM`] records have come, if `count` came within `since`; within bounds.
fn tick(since: Duration, count: u64) -> Duration {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let aim = since.saturating_mul(AIM).checked_div(count);
    aim.unwrap_or(LONGEST_TICK)
        .clamp(SHORTEST_TICK, LONGEST_TICK)
}

#[cfg(test)]
mod tests {
    use super::{
        ASLEEP, AWAKE, BATCH_MAX, FIRST_SLEEP, LONGEST_SLEEP, LONGEST_TICK, Pace, SHORTEST_TICK,
        Word,
    };
    use std::time::{Duration, Instant};

    /// Visits, each `(ms, woken, count)`, with the word and the wait that must follow.
    #[track_caller]
    fn check(visits: &[(u64, bool, u64, Word, Duration)]) {
        let start = Instant::now();
        let mut pace = Pace::new();
        assert_eq!(pace.wait(), Duration::ZERO);
        for (at, (ms, woken, count, word, wait)) in visits.iter().enumerate() {
            let now = start + Duration::from_millis(*ms);
            assert_eq!(pace.visited(*woken, *count, now), *word, "visit {at}");
            assert_eq!(pace.wait(), *wait, "after visit {at}");
        }
    }

    #[test]
    fn it_comes_by_the_clock_while_records_come() {
        check(&[
            (0, false, 1, Word::Tell(AWAKE), SHORTEST_TICK),
            (5, false, 9, Word::None, LONGEST_TICK),
            (10, false, 0, Word::None, LONGEST_TICK),
            (24, false, 0, Word::None, LONGEST_TICK),
        ]);
    }

    #[test]
    fn it_comes_as_often_as_a_good_many_records_need() {
        check(&[
            (0, false, 1, Word::Tell(AWAKE), SHORTEST_TICK),
            (10, false, 256, Word::None, Duration::from_millis(10)),
            (20, false, 128, Word::None, Duration::from_millis(20)),
            (30, false, 40, Word::None, LONGEST_TICK),
            (40, false, 5_000, Word::None, SHORTEST_TICK),
        ]);
    }

    #[test]
    fn it_sleeps_after_quiet_longer_and_longer() {
        check(&[
            (0, false, 1, Word::Tell(AWAKE), SHORTEST_TICK),
            (20, false, 0, Word::TellAndLook(ASLEEP), FIRST_SLEEP),
            (120, false, 0, Word::None, 2 * FIRST_SLEEP),
            (320, false, 0, Word::None, 4 * FIRST_SLEEP),
            (9_000, false, 0, Word::None, 8 * FIRST_SLEEP),
            (9_999, false, 0, Word::None, 16 * FIRST_SLEEP),
            (19_999, false, 0, Word::None, 32 * FIRST_SLEEP),
            (29_999, false, 0, Word::None, LONGEST_SLEEP),
        ]);
    }

    #[test]
    fn what_came_as_it_went_to_sleep_keeps_it_awake() {
        check(&[
            (0, false, 1, Word::Tell(AWAKE), SHORTEST_TICK),
            (20, false, 0, Word::TellAndLook(ASLEEP), FIRST_SLEEP),
            (20, false, 3, Word::Tell(AWAKE), SHORTEST_TICK),
        ]);
    }

    #[test]
    fn a_wake_up_that_finds_nothing_yet_keeps_it_awake() {
        check(&[
            (0, false, 1, Word::Tell(AWAKE), SHORTEST_TICK),
            (20, false, 0, Word::TellAndLook(ASLEEP), FIRST_SLEEP),
            (70, true, 0, Word::Tell(AWAKE), SHORTEST_TICK),
            (75, false, 4, Word::None, LONGEST_TICK),
        ]);
    }

    #[test]
    fn it_is_woken_anew_once_it_was_woken() {
        check(&[
            (0, false, 1, Word::Tell(AWAKE), SHORTEST_TICK),
            (3, true, 4096, Word::Tell(AWAKE), SHORTEST_TICK),
        ]);
    }

    #[test]
    fn what_does_not_fit_one_visit_is_fetched_at_once() {
        check(&[
            (0, false, BATCH_MAX, Word::Tell(AWAKE), Duration::ZERO),
            (1, false, 0, Word::Tell(AWAKE), SHORTEST_TICK),
        ]);
    }
}
