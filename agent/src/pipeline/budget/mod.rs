//! `limits.cpu`, `limits.memory`, and the room for what waits: what the agent uses goes in, what it sheds
//! to use less comes out.
//!
//! By value: bodies first, then static assets, then repeats of plain answers, then what is like them;
//! never who comes in, nor errors. Where hearing itself is too dear it hears less: the host comes before
//! the agent. Whatever is shed is counted by its class, bodies say `shed` in their events, and notices
//! tell when it begins, reaches another class, and ends. A recording is never shed.

mod governor;
mod meter;
mod sieve;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::ClockId;

use crate::event::{Count, Detail, Severity, ShedCause, ShedState, ShedWhat};
use crate::exchange::{Exchange, SHORTEST};
use crate::telemetry::{Counter, Counters};
use crate::units::{Cores, Size};
use governor::{Cause, Governor, STEPS};
use meter::Meter;
use sieve::Sieve;

/// How often it is looked at what is used.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Longest pause of the reader: other work waits meanwhile.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// What is counted of what was shed.
const SHED: [Counter; 5] = [
    Counter::ExchangesBodiesShed,
    Counter::BudgetStaticAssets,
    Counter::BudgetRepeats,
    Counter::BudgetAlike,
    Counter::BudgetPauses,
];

/// What the agent may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Processor time.
    pub cpu: Cores,
    /// Memory, with that in the kernel.
    pub memory: Size,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu: Cores(1000),
            memory: Size::mebi(256),
        }
    }
}

/// What there is to tell of shedding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct News {
    pub(super) severity: Severity,
    pub(super) detail: Detail<'static>,
}

/// What a look at the use says.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) news: Option<News>,
    /// Memory is over its limit and grows.
    pub(super) memory_grows: bool,
}

/// Keeps the agent within its limits.
#[derive(Debug)]
pub(super) struct Budget {
    limits: Limits,
    looked: Instant,
    meter: Meter,
    governor: Governor,
    sieve: Sieve,
    /// The dearest class that was told of since shedding began, and what had been shed before.
    told: Option<(ShedWhat, [u64; 5])>,
    counters: Counters,
}

impl Budget {
    pub(super) fn new(limits: Limits, routes: Arc<Vec<String>>, now: Instant) -> Self {
        Self {
            limits,
            looked: now,
            meter: Meter::new(now),
            governor: Governor::new(),
            sieve: Sieve::new(routes),
            told: None,
            counters: Counters::default(),
        }
    }

    /// People sign in at these paths too from now on.
    pub(super) fn set(&mut self, routes: &Arc<Vec<String>>) {
        self.sieve.set(routes);
    }

    /// Whether it is time to look at what is used.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now.duration_since(self.looked) >= LOOK_EVERY
    }

    /// Looks at what is used; `counted` gives what the shard has counted, `waiting` how many bytes wait to
    /// be worked on at each place, and for how many there is room.
    pub(super) fn look(
        &mut self,
        now: Instant,
        counted: &Counters,
        waiting: &[(u64, u64)],
    ) -> Looked {
        self.looked = now;
        let used = self.meter.used(&self.limits, waiting, now);
        let memory_grows = self.governor.look(used);
        let shed = SHED.map(|counter| counted.get(counter) + self.counters().get(counter));
        Looked {
            news: self.news(shed),
            memory_grows,
        }
    }

    /// What there is to tell, `shed` having been shed since the start.
    fn news(&mut self, shed: [u64; 5]) -> Option<News> {
        let worst = self.governor.worst();
        let (state, since) = match (worst, self.told) {
            (None, None) => return None,
            (Some(_), None) => (ShedState::Begun, shed),
            (Some(worst), Some((told, _))) if worst <= told => return None,
            (Some(_), Some((_, since))) => (ShedState::More, since),
            (None, Some((_, since))) => (ShedState::Ended, since),
        };
        self.told = worst.map(|worst| (worst, since));
        let counts = SHED.iter().zip(shed.iter().zip(since));
        let counts = counts.map(|(counter, (now, before))| Count {
            stage: counter.stage(),
            name: counter.name(),
            count: now.saturating_sub(before),
        });
        Some(News {
            severity: match worst {
                None => Severity::Info,
                Some(ShedWhat::Bodies | ShedWhat::StaticAssets) => Severity::Low,
                Some(ShedWhat::Repeats | ShedWhat::Alike) => Severity::Medium,
                Some(ShedWhat::Hearing) => Severity::High,
            },
            detail: Detail::Shed {
                state,
                what: ShedWhat::ALL
                    .into_iter()
                    .filter(|what| worst.is_some_and(|worst| *what <= worst))
                    .collect(),
                cause: match self.governor.cause() {
                    Cause::Cpu => ShedCause::Cpu,
                    Cause::Memory => ShedCause::Memory,
                    Cause::Backlog => ShedCause::Backlog,
                },
                counts: counts.filter(|count| count.count > 0).collect(),
            },
        })
    }

    /// How often bodies are halved.
    pub(super) fn shorter(&self) -> u8 {
        let share = self.governor.share(ShedWhat::Bodies);
        (share * SHORTEST).div_ceil(STEPS)
    }

    /// Leaves out those of `exchanges` that are to be shed.
    pub(super) fn sift(&mut self, exchanges: &mut Vec<Exchange>) {
        self.sieve.sift(exchanges, &self.governor);
    }

    /// Whether `exchange` is one that is never shed by value.
    pub(super) fn keeps(&self, exchange: &Exchange) -> bool {
        self.sieve.keeps(exchange)
    }

    /// Processor time of this thread, if what it does now is to be paid for by a pause.
    pub(super) fn begins(&self) -> Option<Duration> {
        let pauses = self.governor.share(ShedWhat::Hearing) > 0;
        pauses.then(|| meter::cpu(ClockId::ThreadCPUTime))
    }

    /// How long to hear nothing, having worked since `began`.
    pub(super) fn pause(&mut self, began: Duration) -> Duration {
        let worked = meter::cpu(ClockId::ThreadCPUTime).saturating_sub(began);
        self.counters.add(Counter::BudgetPauses, 1);
        pause(worked, self.governor.share(ShedWhat::Hearing))
    }

    /// What was shed here.
    pub(super) fn counters(&self) -> Counters {
        let mut counters = self.counters.clone();
        counters.absorb(&self.sieve.counters);
        counters
    }
}

/// How long to rest after `worked`: with each second step twice as long.
fn pause(worked: Duration, step: u8) -> Duration {
    let rest = worked.saturating_mul(1 << (step.min(STEPS) / 2)) / 4;
    rest.min(PAUSE_MAX)
}

#[cfg(test)]
mod tests;
