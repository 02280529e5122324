//! RATE-03: calls that cost the server much.

use serde::{Deserialize, Serialize};

use crate::detect::incident::{About, mix};
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::sketch::Quantiles;
use crate::detect::table::{Table, Worth};
use crate::event::Severity;

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Rate03,
    name: "costly calls",
    family: Family::Abuse,
    version: 1,
    impact: Severity::Medium,
    threshold: 5,
    window_s: 300,
    owasp: &["API4:2023", "API4:2019"],
    cwe: &[1050],
    attack: &["T1499.004"],
    means: "One caller makes the server work far harder than others do.",
    decides: "A GraphQL request that nests ten deep, has 30 aliases or 20 operations; or five calls of one account in 5 minutes that each took longer than 999 of 1000 calls of \
        the endpoint, and ten times the median and a second at least, while the endpoint is not slow for all.",
    fools: "A slow database makes calls slow for nobody's fault; when a tenth of all calls is that slow, nothing is said.",
    advice: "See what the calls have in common: a parameter without a limit, a nested query. Limit depth, aliases and page size.",
};

const DEPTH: u32 = 10;
const ALIASES: u32 = 30;
const BATCH: u32 = 20;
/// Calls from which on what is usual is known.
const CALLS: u64 = 200;
const SECOND_NS: u64 = 1_000_000_000;
const TIMES_MEDIAN: u64 = 10;
const KIND_GRAPHQL: u64 = 1;
const KIND_SLOW: u64 = 2;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Durations {
    all_us: Quantiles,
    slow: Tally,
    recent: crate::detect::window::Counts,
}

impl Worth for Durations {
    fn worth(&self) -> u64 {
        self.all_us.total()
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Costly {
    endpoints: Table<Durations, 1024, { 30 * 86_400 }>,
    actors: Table<Tally, 2048, 600>,
}

impl Costly {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let Some(setting) = scene.setting(&ROW) else {
            return;
        };
        let cost = scene.facts.cost;
        if cost.depth >= DEPTH || cost.aliases >= ALIASES || cost.batch >= BATCH {
            let said = Said {
                key: mix(mix(scene.keys.actor, scene.keys.endpoint), KIND_GRAPHQL),
                about: About::ActorAt,
                threshold: Some(1),
                outcome: scene.outcome(),
                title: &|n| {
                    format!(
                        "{n} GraphQL requests that ask for too much: depth {}, {} aliases, {} operations",
                        cost.depth, cost.aliases, cost.batch
                    )
                },
                ..Said::default()
            };
            scene.raise(&ROW, &said);
        }
        let Some(took_ns) = scene.facts.duration_ns else {
            return;
        };
        let (now_s, window_s) = (scene.now_s, setting.window_s);
        let Some(durations) = self.endpoints.entry(scene.keys.endpoint, now_s) else {
            return;
        };
        let all = durations.recent.add(now_s, 1, window_s);
        let took_us = took_ns / 1000;
        let known = durations.all_us.total() >= CALLS;
        let slow = known
            && took_ns >= SECOND_NS
            && took_us > durations.all_us.at(0.999)
            && took_us > TIMES_MEDIAN * durations.all_us.at(0.5);
        if !slow {
            if !scene.flagged {
                durations.all_us.add(took_us);
            }
            return;
        }
        let slow_ones = durations.slow.count(scene, window_s);
        let key = mix(mix(scene.keys.actor, scene.keys.endpoint), KIND_SLOW);
        let Some(tally) = self.actors.entry(key, now_s) else {
            return;
        };
        let own = tally.count(scene, window_s);
        // Slow for all is the server's trouble, and learnt.
        if slow_ones > own * 2 && slow_ones * 10 >= all {
            durations.all_us.add(took_us);
            return;
        }
        if own < setting.threshold {
            return;
        }
        let median = durations.all_us.at(0.5) / 1000;
        let said = Said {
            key,
            about: About::ActorAt,
            count: own,
            outcome: scene.outcome(),
            confidence: 0.6,
            tally: Some(tally),
            title: &|n| {
                format!("{n} calls of one caller took more than a second, {median} ms are usual")
            },
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
