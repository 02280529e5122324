//! BASE-03: a request far larger than an endpoint ever gets.

use serde::{Deserialize, Serialize};

use crate::detect::incident::{About, mix};
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene};
use crate::detect::sketch::Quantiles;
use crate::detect::table::{Table, Worth};
use crate::event::{Baseline, Learnt, Severity};

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Base03,
    name: "request size",
    family: Family::Baseline,
    version: 1,
    impact: Severity::Medium,
    threshold: 1 << 20,
    window_s: 0,
    owasp: &["API4:2023", "API4:2019"],
    cwe: &[400],
    attack: &["T1499.004"],
    means: "A request is far larger than any that the endpoint gets.",
    decides: "A body of more than 1 MiB and ten times what 999 of 1000 requests of the endpoint have, from 50 requests on.",
    fools: "An upload endpoint whose files are of any size is known after some.",
    advice: "See what it holds and whether it was answered with 2xx. Limit the size of bodies.",
};

const TIMES_USUAL: u64 = 10;
const REQUESTS: u64 = 50;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Bodies(Quantiles);

impl Worth for Bodies {
    fn worth(&self) -> u64 {
        self.0.total()
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Sizes {
    endpoints: Table<Bodies, 1024, { 30 * 86_400 }>,
}

impl Sizes {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let (Some(setting), Some(bytes)) = (scene.setting(&ROW), scene.facts.request_bytes) else {
            return;
        };
        if bytes == 0 && scene.facts.method == b"GET" {
            return;
        }
        let Some(Bodies(sizes)) = self.endpoints.entry(scene.keys.endpoint, scene.now_s) else {
            return;
        };
        let usual = sizes.at(0.999);
        let limit = setting.threshold.max(TIMES_USUAL.saturating_mul(usual));
        if bytes < limit || sizes.total() < REQUESTS {
            if !scene.flagged {
                sizes.add(bytes);
            }
            return;
        }
        let said = Said {
            key: mix(scene.keys.actor, scene.keys.endpoint),
            about: About::ActorAt,
            threshold: Some(1),
            outcome: scene.outcome(),
            confidence: 0.6,
            baseline: Some(Baseline {
                median: sizes.at(0.5) as f64,
                mad: usual.saturating_sub(sizes.at(0.5)) as f64,
                samples: sizes.total(),
                state: Learnt::Ready,
            }),
            title: &|n| {
                format!(
                    "{n} requests of which one has {} KiB; {} are the usual most",
                    bytes >> 10,
                    usual >> 10
                )
            },
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
