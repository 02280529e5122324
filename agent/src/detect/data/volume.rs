//! EXF-01: an account takes far more than others do.

use serde::{Deserialize, Serialize};

use crate::detect::incident::About;
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::sketch::Quantiles;
use crate::detect::table::{Table, Worth};
use crate::detect::window::Counts;
use crate::event::{Baseline, Learnt, Outcome, Severity};

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Exf01,
    name: "volume per user",
    family: Family::Data,
    version: 1,
    impact: Severity::High,
    threshold: 50 << 20,
    window_s: 3600,
    owasp: &["API4:2023", "API6:2023", "API3:2019"],
    cwe: &[770],
    attack: &["T1567", "T1030"],
    means: "An account is taking data out.",
    decides: "Bytes of answers to one account in an hour: more than 50 MiB, and ten times what 99 of 100 accounts take in an hour, and twice what this account ever took.",
    fools: "Taking it slowly, or by many accounts. A first full synchronisation of an honest client looks the same, once.",
    advice: "See which endpoints it came from (`endpoints`) and whether the account does that as its job. If not, end its sessions.",
};

const TIMES_USUAL: u64 = 10;
const TIMES_OWN: u64 = 2;
const KIB: u64 = 1024;

/// What an account took.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Taken {
    kib: Counts,
    hour: u32,
    in_hour_kib: u64,
    most_kib: u64,
    calls: Tally,
}

impl Worth for Taken {
    fn worth(&self) -> u64 {
        self.kib.total().max(self.most_kib) + 1
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Volume {
    actors: Table<Taken, 4096, { 7 * 86_400 }>,
    /// KiB that accounts take in an hour.
    hours: Quantiles,
}

impl Volume {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let (Some(setting), Some(bytes)) = (scene.setting(&ROW), scene.report.grown_bytes) else {
            return;
        };
        // What came later than the first report is taken when it was told of.
        let later_ns = scene.facts.duration_ns.filter(|_| !scene.report.call);
        let later_s = later_ns.map_or(0, |ns| u32::try_from(ns / 1_000_000_000).unwrap_or(0));
        let (key, now_s) = (scene.keys.actor, scene.now_s.saturating_add(later_s));
        if key == 0 {
            return;
        }
        let Some(taken) = self.actors.entry(key, now_s) else {
            return;
        };
        let hour = now_s / 3600;
        if taken.hour != hour {
            if taken.in_hour_kib > 0 && !scene.flagged {
                self.hours.add(taken.in_hour_kib);
                taken.most_kib = taken.most_kib.max(taken.in_hour_kib);
            }
            (taken.hour, taken.in_hour_kib) = (hour, 0);
        }
        if taken.calls.renew(scene.is_open(ROW.id, key)) {
            taken.kib = Counts::default();
        }
        let kib = bytes.div_ceil(KIB);
        taken.in_hour_kib = taken.in_hour_kib.saturating_add(kib);
        let now_kib = taken.kib.add(
            now_s,
            u32::try_from(kib).unwrap_or(u32::MAX),
            setting.window_s,
        );
        let usual = self.hours.at(0.99);
        let limit = (setting.threshold / KIB).max(TIMES_USUAL * usual);
        if now_kib < limit || now_kib < TIMES_OWN * taken.most_kib {
            return;
        }
        taken.calls.count(scene, setting.window_s);
        taken.calls.told = true;
        let mebi = |kib: u64| kib / KIB;
        let said = Said {
            key,
            about: About::Actor,
            count: now_kib.saturating_mul(KIB),
            threshold: Some(limit.saturating_mul(KIB)),
            outcome: Outcome::Answered,
            confidence: 0.7,
            baseline: Some(Baseline {
                median: (self.hours.at(0.5) * KIB) as f64,
                mad: ((usual - self.hours.at(0.5).min(usual)) * KIB) as f64,
                samples: self.hours.total(),
                // The floor speaks without a baseline; above it nothing is unusual by itself.
                state: if self.hours.total() >= 20 {
                    Learnt::Ready
                } else {
                    Learnt::Warming
                },
            }),
            tally: Some(&taken.calls),
            title: &|_| format!("{} MiB were taken within an hour", mebi(now_kib)),
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
