//! ANOM-01: who behaves like nobody else.

use serde::{Deserialize, Serialize};

use super::trees::{FEATURES, Trees};
use crate::detect::incident::About;
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene};
use crate::detect::table::{Table, Worth};
use crate::detect::window::Recent;
use crate::event::Severity;

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Anom01,
    name: "multivariate outlier",
    family: Family::Baseline,
    version: 1,
    impact: Severity::Info,
    threshold: 1000,
    window_s: 300,
    owasp: &[],
    cwe: &[],
    attack: &[],
    means: "What a caller does in five minutes is unlike what any other does. By itself it means nothing; beside another finding it says who to look at first.",
    decides: "Twelve features of each caller in 5 minutes (calls, endpoints, refusals, failures, writes, bytes in and out, ids, objects, pace, agents, time an answer takes) in 25 half-space \
        trees: one of 1000 callers whose neighbourhood is emptier than all others', after 2000 were seen. The title names the three features that make it odd.",
    fools: "Fewer than 20 calls in 5 minutes; being odd by little in one feature. A quiet API where few callers are alike.",
    advice: "Read the three features. Look for other findings of the same campaign.",
};

const NAMES: [&str; FEATURES] = [
    "calls",
    "endpoints",
    "refused",
    "failed",
    "writes",
    "bytes sent",
    "bytes received",
    "objects",
    "pace",
    "agents",
    "time taken",
    "missing",
];

/// Callers' windows from which on there is something to compare with.
const SEEN: u64 = 2000;

/// Calls of a window without which it is no point.
const CALLS_MIN: u32 = 20;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Window {
    window: u32,
    calls: u32,
    endpoints: Recent,
    refused: u32,
    failed: u32,
    missing: u32,
    writes: u32,
    sent: u64,
    received: u64,
    objects: Recent,
    agents: Recent,
    took_us: u64,
    first_ms: u64,
    last_ms: u64,
}

impl Worth for Window {
    fn worth(&self) -> u64 {
        self.calls.into()
    }
}

impl Window {
    fn take(&mut self, scene: &Scene<'_, '_>) {
        let facts = scene.facts;
        let now_s = scene.now_s;
        self.calls += 1;
        self.endpoints.see(scene.keys.endpoint, now_s, 600);
        self.refused += u32::from(matches!(facts.status, 401 | 403));
        self.missing += u32::from(facts.status == 404);
        self.failed += u32::from(facts.status >= 500);
        self.writes += u32::from(!matches!(facts.method, b"GET" | b"HEAD" | b"OPTIONS"));
        self.sent += facts.request_bytes.unwrap_or(0);
        self.received += facts.response_bytes.unwrap_or(0);
        for id in facts.ids.iter().take(4) {
            self.objects
                .see(crate::detect::value_hash(id.value), now_s, 600);
        }
        if self.agents.len() < 16 {
            self.agents
                .see(crate::detect::value_hash(facts.agent), now_s, 600);
        }
        self.took_us += facts.duration_ns.unwrap_or(0) / 1000;
        if self.first_ms == 0 {
            self.first_ms = scene.now_ms();
        }
        self.last_ms = self.last_ms.max(scene.now_ms());
    }

    fn point(&self) -> [f32; FEATURES] {
        let calls = self.calls.max(1) as f32;
        let share = |n: u32| n as f32 / calls;
        // Amounts by their magnitude: 1 is what no one reaches.
        let size = |n: u64, most: f32| ((n as f32 + 1.0).ln() / most.ln()).min(1.0);
        let spread_ms = self.last_ms.saturating_sub(self.first_ms);
        [
            size(self.calls.into(), 1e5),
            size(self.endpoints.len() as u64, 256.0),
            share(self.refused),
            share(self.failed),
            share(self.writes),
            size(self.sent / u64::from(self.calls.max(1)), 1e8),
            size(self.received / u64::from(self.calls.max(1)), 1e9),
            size(self.objects.len() as u64, 256.0),
            size(spread_ms / u64::from(self.calls.max(1)), 3e5),
            size(self.agents.len() as u64, 16.0),
            size(self.took_us / u64::from(self.calls.max(1)), 6e7),
            share(self.missing),
        ]
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Outlier {
    actors: Table<Window, 2048, 900>,
    trees: Trees,
    seen: u64,
    /// The least mass of each of the last blocks of as many points as the threshold says.
    least: f64,
}

impl Outlier {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let (Some(setting), actor) = (scene.setting(&ROW), scene.keys.actor) else {
            return;
        };
        if actor == 0 {
            return;
        }
        let window = scene.now_s / setting.window_s.max(1);
        let Some(of) = self.actors.entry(actor, scene.now_s) else {
            return;
        };
        if of.window == window {
            return of.take(scene);
        }
        let over = std::mem::take(of);
        of.window = window;
        of.take(scene);
        if over.calls < CALLS_MIN || scene.flagged {
            return;
        }
        let point = over.point();
        let mass = self.trees.mass(&point);
        let ready = self.trees.is_ready() && self.seen >= SEEN;
        self.seen += 1;
        self.trees.learn(&point);
        let odd = ready && mass < self.least;
        if self.trees.is_ready() {
            // The bound follows the least slowly upwards, so that one odd point does not hide the next for ever.
            self.least = if self.least == 0.0 || mass < self.least {
                mass
            } else {
                self.least + (mass - self.least) / setting.threshold.max(1) as f64
            };
        }
        if !odd {
            return;
        }
        let reasons = self.reasons(&point, mass);
        let said = Said {
            key: actor,
            about: About::Actor,
            confidence: 0.3,
            title: &|_| format!("a caller unlike all others, most by {reasons}"),
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }

    /// The three features without which the point would be the most ordinary.
    fn reasons(&self, point: &[f32; FEATURES], mass: f64) -> String {
        let mut gains: Vec<(f64, &str)> = NAMES
            .iter()
            .enumerate()
            .map(|(feature, name)| {
                let mut plain = *point;
                if let Some(value) = plain.get_mut(feature) {
                    *value = 0.1;
                }
                (self.trees.mass(&plain) - mass, *name)
            })
            .collect();
        gains.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let names: Vec<&str> = gains.iter().take(3).map(|(_, name)| *name).collect();
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::ROW;
    use crate::detect::tests::support::Trial;
    use crate::detect::{Change, Facts, Id, Options};

    /// Makes one call of a caller: its number within the window, and what tells callers apart.
    type Call = fn(&mut Facts<'_>, u64, u64);

    const WINDOW_S: u64 = 300;
    const CALLERS: u64 = 420;

    fn route(n: u64) -> std::borrow::Cow<'static, str> {
        format!("/part{n}").into()
    }

    /// A customer reads and now and then orders; each a little otherwise.
    fn customer(facts: &mut Facts<'_>, call: u64, mix: u64) {
        facts.route = route((call + mix) % (3 + mix % 4));
        if call % 9 == mix % 9 {
            facts.method = b"POST";
            facts.request_bytes = Some(300 + mix * 37 % 900);
        }
        facts.status = if (call + mix).is_multiple_of(19) {
            404
        } else {
            200
        };
        facts.response_bytes = Some(900 + mix * 331 % 9000);
        facts.duration_ns = Some((3 + mix % 9) * 1_000_000);
    }

    /// Six times five minutes of customers, which is enough to compare with.
    fn customers() -> Trial {
        let others = Id::ALL.iter().filter(|id| **id != ROW.id);
        let change = Change {
            disabled: true,
            ..Change::default()
        };
        let mut trial = Trial::new(Options {
            detectors: others.map(|id| (*id, change)).collect(),
            ..Options::default()
        });
        for window in 0..6 {
            for n in 0..CALLERS {
                let mix = (n * 7919 + window * 104_729) % 1009;
                let calls = 20 + mix % 7 + if mix.is_multiple_of(8) { 50 } else { 0 };
                for at in 0..calls {
                    trial.look(window * WINDOW_S + at * 290 / calls, |facts| {
                        customer(facts, at, mix);
                        facts.client = Some([10, 0, n as u8, (n >> 8) as u8].into());
                    });
                }
            }
        }
        // One of a thousand is further out than all the others.
        assert!(trial.told.len() <= 3, "{:?}", trial.words());
        trial
    }

    /// Whether a caller of `calls` calls such as `call` makes is an outlier among `customers`.
    #[track_caller]
    fn check(
        customers: &Trial,
        (calls, client): (u64, fn(u64) -> [u8; 4]),
        call: Call,
        expected: bool,
    ) {
        let mut trial = Trial::new(Options::default());
        trial.detectors = customers.detectors.clone();
        for at in 0..calls {
            trial.look(6 * WINDOW_S + at * 290 / calls, |facts| {
                call(facts, at, 5);
                facts.user = Some(b"eve");
                facts.client = Some(client(at).into());
            });
        }
        trial.look(7 * WINDOW_S, |facts| facts.user = Some(b"eve"));
        let words = trial.words();
        let opened = words.iter().any(|word| word == "anom-01 Open");
        assert_eq!(opened, expected, "{words:?}");
    }

    #[test]
    fn who_is_odd_in_many_ways_is_told_and_who_is_busy_is_not() {
        let here = |_| [10, 9, 9, 9];
        let grabs: Call = |facts, call, _| {
            facts.route = route(call);
            facts.status = [200, 403, 404, 500][call as usize % 4];
            facts.method = b"PUT";
            facts.request_bytes = Some(4 << 20);
            facts.duration_ns = Some(4_000_000_000);
            facts.agent = Box::leak(format!("agent{call}").into_bytes().into_boxed_slice());
        };
        let customers = customers();
        check(&customers, (90, here), grabs, true);
        // From an address for each call, and between calls as customers make them.
        let from_many = |n| [10, 8, n as u8, 1];
        let hides: Call = |facts, call, mix| {
            customer(facts, call, mix);
            if call % 3 > 0 {
                facts.route = route(call);
                facts.status = [403, 500][call as usize % 2];
                facts.request_bytes = Some(4 << 20);
                facts.duration_ns = Some(4_000_000_000);
            }
        };
        check(&customers, (120, from_many), hides, true);
        check(&customers, (60, here), customer, false);
        // What the catalogue says fools it.
        check(&customers, (19, here), grabs, false);
    }
}
