//! How much is shed: what the agent used of its limits goes in, a place on a dial comes out. Pure.
//!
//! The dial has [`STEPS`] steps for each class of what is shed, the cheapest class first. It rises at
//! once, the faster the further use is over [`HIGH`]; it falls slowly, below [`LOW`] alone, and faster as
//! falls prove right; between the two it stays. A fall that is at once taken back makes the next one wait
//! longer.

use crate::event::ShedWhat;

/// Steps of each class.
pub(super) const STEPS: u8 = 16;

/// The last step of all.
const TOP: u8 = 5 * STEPS;

/// Thousandths of a limit above which more is shed. The rest is for what a second's mean does not show.
const HIGH: u32 = 900;

/// Thousandths of a limit below which less is shed.
const LOW: u32 = 600;

/// Thousandths of the excess that one step of the dial is worth: five times the limit takes four looks to
/// the last class.
const STEP: u32 = 200;

/// Thousandths of the room for what waits above which more is shed: before it is full, and what comes is
/// lost whatever it is.
const BEHIND: u32 = 750;

/// Most steps up at one look.
const RISE_MAX: u32 = STEPS as u32;

/// Use stays low so long before the dial falls the first time.
const HOLD_MIN_MS: u32 = 2_000;
const HOLD_MAX_MS: u32 = 16_000;

/// Time between two falls, once it falls.
const FALL_EVERY_MS: u32 = 500;

/// A fall after which use is high within this time was one too many.
const TAKEN_BACK_MS: u32 = 3_000;

/// Memory that is freed does not always go back to the kernel. If it did not grow for so long, what is
/// held is less.
const GROWTH_MS: u32 = 10_000;

/// What was used since the last look, in thousandths of the limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Used {
    /// Milliseconds since the last look.
    pub(super) since_ms: u32,
    /// Processor time.
    pub(super) cpu: u32,
    /// Memory; 0 if it is not known.
    pub(super) memory: u32,
    /// Room for what waits to be worked on, where it is fullest.
    pub(super) waiting: u32,
}

/// Why more is shed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Cause {
    #[default]
    Cpu,
    Memory,
    /// Too much waits.
    Backlog,
}

/// The dial, and what moves it.
#[derive(Debug)]
pub(super) struct Governor {
    dial: u8,
    cause: Cause,
    /// Mean of the use of processor time, over about a second.
    mean: u32,
    /// For how long use has been low.
    low_ms: u32,
    /// How long it must be before the dial falls.
    hold_ms: u32,
    /// Since the dial fell.
    fell_ms: u32,
    /// Falls since it rose.
    falls: u32,
    /// Most memory that was used since it was over its limit, and since when it has not grown.
    peak: u32,
    grew_ms: u32,
}

impl Governor {
    pub(super) const fn new() -> Self {
        Self {
            dial: 0,
            cause: Cause::Cpu,
            mean: 0,
            low_ms: 0,
            hold_ms: HOLD_MIN_MS,
            fell_ms: HOLD_MAX_MS,
            falls: 0,
            peak: 0,
            grew_ms: 0,
        }
    }

    /// Takes in what was used; whether memory is over its limit and grows.
    pub(super) fn look(&mut self, used: Used) -> bool {
        let Used {
            since_ms,
            cpu,
            memory,
            waiting,
        } = used;
        let weight = since_ms.min(1_000);
        self.mean = mean(self.mean, cpu, weight);
        self.fell_ms = self.fell_ms.saturating_add(since_ms);
        let memory_over = self.memory_grows(memory, since_ms);
        let excess = cpu.min(self.mean).saturating_sub(HIGH);
        if excess > 0 || memory_over {
            self.cause = if excess > 0 {
                Cause::Cpu
            } else {
                Cause::Memory
            };
            // By what is used now: the mean is of before the last step.
            self.rise(cpu.saturating_sub(HIGH).min(RISE_MAX * STEP) / STEP, TOP);
        } else if waiting > BEHIND {
            self.cause = Cause::Backlog;
            // As it fills up to what is left. To rest would let more wait.
            let behind = (waiting - BEHIND) * RISE_MAX / (1_000 - BEHIND);
            self.rise(behind, TOP - STEPS);
        } else if cpu < LOW && self.mean < LOW && waiting < LOW && self.memory_is_low(memory) {
            self.low_ms = self.low_ms.saturating_add(since_ms);
            if self.low_ms >= self.hold_ms {
                self.fall();
            }
        } else {
            self.low_ms = 0;
        }
        memory_over
    }

    /// Whether memory is over its limit, and more than it ever was since.
    fn memory_grows(&mut self, memory: u32, since_ms: u32) -> bool {
        self.grew_ms = self.grew_ms.saturating_add(since_ms);
        let grows = memory > HIGH && memory > self.peak;
        if grows {
            self.grew_ms = 0;
        }
        self.peak = if memory > LOW {
            self.peak.max(memory)
        } else {
            0
        };
        grows
    }

    const fn memory_is_low(&self, memory: u32) -> bool {
        memory < LOW || self.grew_ms >= GROWTH_MS
    }

    /// So many steps up, as far as `top`.
    fn rise(&mut self, more: u32, top: u8) {
        if self.fell_ms < TAKEN_BACK_MS {
            self.hold_ms = (self.hold_ms * 2).min(HOLD_MAX_MS);
            self.fell_ms = HOLD_MAX_MS;
        }
        let steps = u8::try_from(more.clamp(1, RISE_MAX)).unwrap_or(1);
        let risen = self.dial.saturating_add(steps).min(top);
        self.dial = self.dial.max(risen);
        self.low_ms = 0;
        self.falls = 0;
    }

    fn fall(&mut self) {
        if self.dial == 0 {
            self.hold_ms = HOLD_MIN_MS;
            return;
        }
        if self.falls > 0 {
            // The one before was right.
            self.hold_ms = (self.hold_ms / 2).max(HOLD_MIN_MS);
        }
        // Where the load is gone there is nothing to feel one's way for.
        let gone = self.mean < LOW / 4;
        let steps = if gone { 1 << self.falls.min(3) } else { 1 };
        self.dial = self.dial.saturating_sub(steps);
        self.falls += 1;
        self.fell_ms = 0;
        self.low_ms = HOLD_MIN_MS - FALL_EVERY_MS;
    }

    /// How many of the [`STEPS`] of a class are taken.
    pub(super) fn share(&self, what: ShedWhat) -> u8 {
        let below = match what {
            ShedWhat::Bodies => 0,
            ShedWhat::StaticAssets => 1,
            ShedWhat::Repeats => 2,
            ShedWhat::Alike => 3,
            ShedWhat::Hearing => 4,
        };
        self.dial.saturating_sub(below * STEPS).min(STEPS)
    }

    /// Why it rose last.
    pub(super) const fn cause(&self) -> Cause {
        self.cause
    }

    /// The dearest class of which something is shed.
    pub(super) fn worst(&self) -> Option<ShedWhat> {
        let mut all = ShedWhat::ALL.into_iter().rev();
        all.find(|what| self.share(*what) > 0)
    }
}

/// The mean of before and now, which counts for `weight` of 1000.
const fn mean(before: u32, now: u32, weight: u32) -> u32 {
    // Bounded by the caller: a use of more than a thousand times the limit counts as that.
    let sum = before as u64 * (1_000 - weight) as u64 + now as u64 * weight as u64;
    (sum / 1_000) as u32
}

#[cfg(test)]
mod tests;
