//! BOLA-01: one object after another.

use serde::{Deserialize, Serialize};

use super::foreign::Foreign;
use crate::detect::incident::{About, mix};
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::sketch::Quantiles;
use crate::detect::table::{Table, Worth};
use crate::detect::value_hash;
use crate::detect::window::Recent;
use crate::event::{Baseline, Learnt, Outcome, Severity};

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Bola01,
    name: "object enumeration",
    family: Family::Access,
    version: 1,
    impact: Severity::High,
    threshold: 30,
    window_s: 600,
    owasp: &["API1:2023", "API1:2019"],
    cwe: &[639],
    attack: &["T1190", "T1213"],
    means: "An account asks for object after object, to see those of others.",
    decides: "Ids in path, query or body that an account asks one endpoint for and never asked for before: in 10 minutes as many as 30 and as three times what is usual for \
        accounts on this endpoint (99th percentile), or in two hours where they count up or a fifth is refused. Until the endpoint is known, enough of them must be refused; \
        or twice as many count up that no answer gave the account before, where others ask for what answers gave them: that is told as low. \
        So the first run of a nightly job is learnt: its objects are known from then on.",
    fools: "Fewer ids than others read. Many accounts. A job that runs for the first time on an endpoint that is known.",
    advice: "Look at the ids in `samples`: do they count up, whose are they? See which were answered with 2xx. If they are foreign, the endpoint does not check the owner: mend that first, then the account.",
};

/// Seconds in which ids that count up, or are refused, are too many however slow.
const SLOW_S: u32 = 7200;
/// How often above the usual is too often.
const TIMES_USUAL: u64 = 3;
/// Windows from which on what is usual is known.
const WINDOWS: u64 = 20;
/// Refused calls that tell guessing from reading while little is known, and their share.
const REFUSED: u64 = 3;
const REFUSED_SHARE: f64 = 0.1;

/// Ids that one account counts for in how accounts of an endpoint come by theirs; how many must have
/// counted, and how many tenths of them must have been given by an answer.
const HABIT_EACH: u8 = 4;
const HABIT_ASKED: u32 = 20;
const HABIT_GIVEN: u32 = 8;

/// How often the threshold, while little is known, makes ids that count up a guess.
const TIMES_GUESSED: u64 = 2;
/// Share of ids that follow on the one before, in tenths, from which on they count up without doubt.
const COUNTS_UP: u64 = 8;

/// One account on one endpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Reader {
    ids: Tally,
    slow: Recent,
    /// Ids that it asked for before.
    known: Recent,
    refused: u32,
    answered: u32,
    /// How the last id that is a number ends, in 16 bits, and how many followed on the one before. No more
    /// of it is kept: it may be the number of a card.
    tail: u16,
    steps: u32,
    /// Ids that an answer had given to the account before.
    given: u32,
    /// How many of its ids have counted for the endpoint.
    habit: u8,
    /// Whether it was told of for counting up alone: then its ids are known all the same.
    counted: bool,
    /// When the window began that is learnt from.
    window: u32,
    in_window: Recent,
}

impl Worth for Reader {
    fn worth(&self) -> u64 {
        self.slow.len() as u64 + 1
    }
}

/// How many ids an account asks an endpoint for in a window, and how it comes by them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Usually {
    windows: Quantiles,
    /// Ids that were looked at, and those that an answer had given.
    asked: u32,
    given: u32,
}

impl Worth for Usually {
    fn worth(&self) -> u64 {
        self.windows.total() + 1
    }
}

impl Usually {
    /// Learns how an account came by an id.
    fn learn(&mut self, given: bool) {
        self.asked = self.asked.saturating_add(1);
        self.given = self.given.saturating_add(u32::from(given));
    }

    /// Whether accounts ask for what answers gave them.
    const fn are_given(&self) -> bool {
        self.asked >= HABIT_ASKED && self.given * 10 >= self.asked * HABIT_GIVEN
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Objects {
    readers: Table<Reader, 4096, { 7 * 86_400 }>,
    endpoints: Table<Usually, 1024, { 30 * 86_400 }>,
}

impl Objects {
    pub(super) fn look(&mut self, foreign: &Foreign, scene: &mut Scene<'_, '_>) {
        if scene.facts.ids.is_empty() || scene.keys.actor == 0 || scene.facts.status == 0 {
            return;
        }
        let Some(setting) = scene.setting(&ROW) else {
            return;
        };
        let (now_s, window_s) = (scene.now_s, setting.window_s.max(10));
        let key = mix(scene.keys.actor, scene.keys.endpoint);
        let Some(reader) = self.readers.entry(key, now_s) else {
            return;
        };
        if let Some(asked) = reader.turn(now_s, window_s, !scene.flagged)
            && let Some(usually) = self.endpoints.entry(scene.keys.endpoint, now_s)
        {
            usually.windows.add(asked);
        }
        if reader.ids.renew(scene.is_open(ROW.id, key)) {
            reader.slow.clear();
        }
        let before = reader.given;
        if !reader.take(foreign, scene, window_s) {
            return;
        }
        if reader.habit < HABIT_EACH
            && !scene.flagged
            && let Some(usually) = self.endpoints.entry(scene.keys.endpoint, now_s)
        {
            reader.habit += 1;
            usually.learn(reader.given > before);
        }
        let usual = self.endpoints.get(scene.keys.endpoint, now_s);
        let (windows, p99, median) = usual.map_or((0, 0, 0), |usually| {
            let windows = &usually.windows;
            (windows.total(), windows.at(0.99), windows.at(0.5))
        });
        let ready = windows >= WINDOWS && scene.endpoint_is_learnt();
        let threshold = setting.threshold.max(if windows >= WINDOWS {
            TIMES_USUAL * p99
        } else {
            0
        });
        let fast = reader.ids.distinct.count(now_s, window_s);
        let slow = reader.slow.count(now_s, SLOW_S);
        let refused = reader.guessed(threshold);
        let in_order = u64::from(reader.steps) * 2 >= slow;
        let too_fast = fast >= threshold && (ready || refused);
        let too_many = slow >= threshold && refused && (in_order || reader.mostly_refused());
        let counts_up = !ready
            && fast >= TIMES_GUESSED * threshold
            && usual.is_some_and(Usually::are_given)
            && reader.counts_up(slow);
        if !too_fast && !too_many && !counts_up {
            return;
        }
        reader.ids.told = true;
        reader.counted |= counts_up;
        let too_fast = too_fast || counts_up;
        let count = if too_fast { fast } else { slow };
        let minutes = if too_fast { window_s } else { SLOW_S } / 60;
        let refusals = reader.refused;
        let said = Said {
            key,
            about: About::ActorAt,
            count,
            threshold: Some(threshold),
            outcome: reader.outcome(),
            confidence: if ready || refused { 0.9 } else { 0.6 },
            baseline: (windows > 0 || counts_up).then_some(Baseline {
                median: median as f64,
                mad: p99.saturating_sub(median) as f64,
                samples: windows,
                state: learnt(ready || refused),
            }),
            tally: Some(&reader.ids),
            sample: scene.facts.ids.first().map(|id| id.value),
            remark: in_order.then(|| "the ids count up".to_owned()),
            title: &|n| format!("{n} objects asked for in {minutes} min, {refusals} calls refused"),
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}

impl Reader {
    /// Begins a new window, if it is time; how many ids the last one had, if it is learnt from.
    fn turn(&mut self, now_s: u32, window_s: u32, learn: bool) -> Option<u64> {
        let window = now_s / window_s;
        if window == self.window {
            return None;
        }
        let begun = std::mem::replace(&mut self.window, window) != 0;
        let last = std::mem::take(&mut self.in_window);
        let asked = last.len() as u64;
        if !learn && !self.counted {
            return None;
        }
        // What was asked for in peace is known from the next window on.
        last.pour(&mut self.known, now_s);
        (begun && learn && asked > 0).then_some(asked)
    }

    /// Counts the ids of an exchange; whether one of them is new to this account.
    fn take(&mut self, foreign: &Foreign, scene: &Scene<'_, '_>, window_s: u32) -> bool {
        let now_s = scene.now_s;
        let mut new = false;
        for id in &scene.facts.ids {
            let hash = mix(value_hash(id.name), value_hash(id.value));
            self.in_window.see(hash, now_s, window_s);
            if self.known.has(hash, now_s, u32::MAX) {
                continue;
            }
            new = true;
            if self.slow.count(now_s, SLOW_S) == 0 {
                (self.refused, self.answered, self.steps, self.given) = (0, 0, 0, 0);
            }
            self.ids.distinct(hash, scene, window_s);
            self.slow.see(hash, now_s, SLOW_S);
            self.given += u32::from(foreign.was_given(id.value, scene));
            if let Some(number) = number(id.value) {
                let tail = (number & 0xffff) as u16;
                if matches!(tail.wrapping_sub(self.tail), 1 | u16::MAX) {
                    self.steps = self.steps.saturating_add(1);
                }
                self.tail = tail;
            }
        }
        if new {
            match scene.facts.status {
                401 | 403 | 404 | 410 => self.refused = self.refused.saturating_add(1),
                200..=399 => self.answered = self.answered.saturating_add(1),
                _ => {}
            }
        }
        new
    }

    const fn outcome(&self) -> Outcome {
        if self.answered > 0 {
            Outcome::Answered
        } else {
            Outcome::Attempted
        }
    }

    /// Whether enough was refused that it was guessed.
    fn guessed(&self, threshold: u64) -> bool {
        let all = f64::from(self.refused) + f64::from(self.answered);
        u64::from(self.refused) >= REFUSED.min(threshold)
            && f64::from(self.refused) >= REFUSED_SHARE * all
    }

    /// Whether the ids count up, and the account had no other way to know most of them.
    fn counts_up(&self, slow: u64) -> bool {
        u64::from(self.steps) * 10 >= slow * COUNTS_UP && u64::from(self.given) * 2 < slow
    }

    fn mostly_refused(&self) -> bool {
        self.refused * 4 >= self.answered
    }
}

/// Refusals speak whatever is usual, so they are as good as a baseline that is known.
const fn learnt(is_certain: bool) -> Learnt {
    if is_certain {
        Learnt::Ready
    } else {
        Learnt::Warming
    }
}

/// An id that is a whole number.
fn number(value: &[u8]) -> Option<i64> {
    str::from_utf8(value).ok()?.parse().ok()
}
