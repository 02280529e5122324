//! DATA-01: an endpoint answers with more than it used to.

use serde::{Deserialize, Serialize};

use crate::detect::incident::{About, mix};
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::sketch::Quantiles;
use crate::detect::table::{Table, Worth};
use crate::detect::value_hash;
use crate::event::{Baseline, Learnt, Outcome, Severity};

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Data01,
    name: "excessive data exposure",
    family: Family::Data,
    version: 1,
    impact: Severity::High,
    threshold: 5,
    window_s: 300,
    owasp: &["API3:2023", "API3:2019"],
    cwe: &[213],
    attack: &["T1213"],
    means: "An endpoint gives out personal data that it did not give out before, or far more of it.",
    decides: "A kind of delicate value (card, national id, password hash, …) in answers of an endpoint that had none of it in at least 100 answers before; or three times as many \
        as in 99 of 100 answers, and ten at least. Five such answers in 5 minutes.",
    fools: "Values that look like no known kind; one such answer every minute and a half or fewer. An endpoint that gave them out from the start is not reported by this detector.",
    advice: "See what changed: a new version, a new option such as `fields=all`. Take out of the answer what the client does not need.",
};

/// Answers from which on an endpoint is known.
const ANSWERS: u64 = 100;
const KINDS_MAX: usize = 16;
const TIMES_USUAL: u64 = 3;
const MANY: u64 = 10;

/// What an endpoint gives out.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Gives {
    answers: u64,
    kinds: Vec<(u64, Quantiles)>,
    new: Tally,
}

impl Worth for Gives {
    fn worth(&self) -> u64 {
        self.answers
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Exposure {
    endpoints: Table<Gives, 1024, { 30 * 86_400 }>,
}

impl Exposure {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let Some(setting) = scene.setting(&ROW) else {
            return;
        };
        let may_learn = scene.may_learn(scene.keys.endpoint);
        let endpoint = scene.keys.endpoint;
        let Some(gives) = self.endpoints.entry(endpoint, scene.now_s) else {
            return;
        };
        let mut excess: Option<(&str, u32, u64)> = None;
        for kind in scene.facts.sensitive.iter().filter(|kind| kind.in_response) {
            let hash = value_hash(kind.kind.as_bytes());
            let at = gives.kinds.iter().position(|(one, _)| *one == hash);
            let known = at.and_then(|at| gives.kinds.get_mut(at));
            let usual = known.as_ref().map_or(0, |(_, counts)| counts.at(0.99));
            let rare = known
                .as_ref()
                .is_none_or(|(_, counts)| counts.total() < setting.threshold);
            let many = u64::from(kind.count) >= (TIMES_USUAL * usual).max(MANY);
            if gives.answers >= ANSWERS && (rare || many) {
                excess = excess.or(Some((kind.kind, kind.count, usual)));
            } else if may_learn {
                if let Some((_, counts)) = known {
                    counts.add(kind.count.into());
                } else if gives.kinds.len() < KINDS_MAX {
                    let mut counts = Quantiles::default();
                    counts.add(kind.count.into());
                    gives.kinds.push((hash, counts));
                }
            }
        }
        gives.answers += 1;
        let Some((kind, values, usual)) = excess else {
            return;
        };
        let count = gives
            .new
            .distinct(mix(scene.keys.actor, 1), scene, setting.window_s);
        let answers = gives.new.counts.total();
        if answers < setting.threshold {
            return;
        }
        let said = Said {
            key: endpoint,
            about: About::Endpoint,
            count: answers,
            outcome: Outcome::Answered,
            confidence: 0.8,
            baseline: Some(Baseline {
                median: usual as f64,
                mad: 0.0,
                samples: gives.answers,
                state: Learnt::Ready,
            }),
            tally: Some(&gives.new),
            remark: Some(format!(
                "{values} of kind {kind} in this answer, {usual} are usual"
            )),
            title: &|n| {
                format!(
                    "{n} answers to {count} clients with {kind}, which this endpoint did not give out before"
                )
            },
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
