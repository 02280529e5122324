//! BOLA-01: one object after another.

use serde::{Deserialize, Serialize};

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
        accounts on this endpoint (99th percentile), or in two hours where they count up or a fifth is refused. Until the endpoint is known, enough of them must be refused, \
        so that the first run of a nightly job is learnt and not reported: its objects are known from then on.",
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

/// One account on one endpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Reader {
    ids: Tally,
    slow: Recent,
    /// Ids that it asked for before.
    known: Recent,
    refused: u32,
    answered: u32,
    /// The last id that is a number, and how many followed on the one before.
    last: i64,
    steps: u32,
    /// When the window began that is learnt from.
    window: u32,
    in_window: Recent,
}

impl Worth for Reader {
    fn worth(&self) -> u64 {
        self.slow.len() as u64 + 1
    }
}

/// How many ids an account asks an endpoint for in a window.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Usually(Quantiles);

impl Worth for Usually {
    fn worth(&self) -> u64 {
        self.0.total() + 1
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Objects {
    readers: Table<Reader, 4096, { 7 * 86_400 }>,
    endpoints: Table<Usually, 1024, { 30 * 86_400 }>,
}

impl Objects {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
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
            usually.0.add(asked);
        }
        if reader.ids.renew(scene.is_open(ROW.id, key)) {
            reader.slow.clear();
        }
        if !reader.take(scene, window_s) {
            return;
        }
        let usual = self.endpoints.get(scene.keys.endpoint, now_s);
        let (windows, p99, median) = usual.map_or((0, 0, 0), |usually| {
            (usually.0.total(), usually.0.at(0.99), usually.0.at(0.5))
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
        if !too_fast && !too_many {
            return;
        }
        reader.ids.told = true;
        let count = if too_fast { fast } else { slow };
        let minutes = if too_fast { window_s } else { SLOW_S } / 60;
        let refusals = reader.refused;
        let said = Said {
            key,
            about: About::ActorAt,
            count,
            threshold: Some(threshold),
            outcome: if reader.answered > 0 {
                Outcome::Answered
            } else {
                Outcome::Attempted
            },
            confidence: if ready || refused { 0.9 } else { 0.6 },
            baseline: (windows > 0).then_some(Baseline {
                median: median as f64,
                mad: p99.saturating_sub(median) as f64,
                samples: windows,
                // Refusals speak whatever is usual.
                state: if ready || refused {
                    Learnt::Ready
                } else {
                    Learnt::Warming
                },
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
        if !learn {
            return None;
        }
        // What was asked for in peace is known from the next window on.
        last.pour(&mut self.known, now_s);
        (begun && asked > 0).then_some(asked)
    }

    /// Counts the ids of an exchange; whether one of them is new to this account.
    fn take(&mut self, scene: &Scene<'_, '_>, window_s: u32) -> bool {
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
                (self.refused, self.answered, self.steps) = (0, 0, 0);
            }
            self.ids.distinct(hash, scene, window_s);
            self.slow.see(hash, now_s, SLOW_S);
            if let Some(number) = number(id.value) {
                if (number - self.last).abs() == 1 {
                    self.steps = self.steps.saturating_add(1);
                }
                self.last = number;
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

    /// Whether enough was refused that it was guessed.
    fn guessed(&self, threshold: u64) -> bool {
        let all = f64::from(self.refused) + f64::from(self.answered);
        u64::from(self.refused) >= REFUSED.min(threshold)
            && f64::from(self.refused) >= REFUSED_SHARE * all
    }

    fn mostly_refused(&self) -> bool {
        self.refused * 4 >= self.answered
    }
}

/// An id that is a whole number.
fn number(value: &[u8]) -> Option<i64> {
    str::from_utf8(value).ok()?.parse().ok()
}
