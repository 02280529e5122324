//! EXF-02: one answer that is far too large.

use serde::{Deserialize, Serialize};

use crate::detect::incident::{About, mix};
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene};
use crate::detect::sketch::Quantiles;
use crate::detect::table::{Table, Worth};
use crate::event::{Baseline, Learnt, Outcome, Severity};

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Exf02,
    name: "huge response",
    family: Family::Data,
    version: 1,
    impact: Severity::Medium,
    threshold: 10 << 20,
    window_s: 0,
    owasp: &["API4:2023", "API4:2019"],
    cwe: &[770],
    attack: &["T1567"],
    means: "One answer holds far more than the endpoint ever gives.",
    decides: "A body of more than 10 MiB and ten times what 999 of 1000 answers of the endpoint hold. Before 20 answers are known it is four times the largest of them, and the \
        finding says `warming` and is `low`; the first answer of an endpoint is learnt, whatever its size (exf-01 counts it).",
    fools: "Endpoints that hand out files of any size are known after some; until then each larger one is reported once.",
    advice: "See what was asked for: a parameter without a limit, `all=true`, an export. Ask whether the account should.",
};

const TIMES_USUAL: u64 = 10;
/// While it is not known: how often above the most there was.
const TIMES_MOST: u64 = 4;
/// Answers from which on what is usual is known.
const ANSWERS: u64 = 20;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Sizes(Quantiles);

impl Worth for Sizes {
    fn worth(&self) -> u64 {
        self.0.total()
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Huge {
    endpoints: Table<Sizes, 1024, { 30 * 86_400 }>,
}

impl Huge {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let (Some(setting), Some(bytes)) = (scene.setting(&ROW), scene.facts.response_bytes) else {
            return;
        };
        let Some(Sizes(sizes)) = self.endpoints.entry(scene.keys.endpoint, scene.now_s) else {
            return;
        };
        let usual = sizes.at(0.999);
        let times = if sizes.total() >= ANSWERS {
            TIMES_USUAL
        } else {
            TIMES_MOST
        };
        let limit = setting.threshold.max(times.saturating_mul(usual));
        if bytes < limit || sizes.total() == 0 {
            if !scene.flagged {
                sizes.add(bytes);
            }
            return;
        }
        let said = Said {
            key: mix(scene.keys.actor, scene.keys.endpoint),
            about: About::ActorAt,
            outcome: Outcome::Answered,
            confidence: 0.7,
            threshold: Some(1),
            baseline: Some(Baseline {
                median: sizes.at(0.5) as f64,
                mad: usual.saturating_sub(sizes.at(0.5)) as f64,
                samples: sizes.total(),
                state: if sizes.total() >= ANSWERS {
                    Learnt::Ready
                } else {
                    Learnt::Warming
                },
            }),
            remark: Some(format!(
                "{bytes} bytes, of which the endpoint's usual most is {usual}"
            )),
            title: &|n| format!("{n} answers of which one has {} MiB", bytes >> 20),
            ..Said::default()
        };
        scene.raise(&ROW, &said);
        // It is learnt when it comes again and again, so that a new kind of file is reported a few times only.
        if sizes.total() < ANSWERS && scene.may_learn(scene.keys.endpoint) {
            sizes.add(bytes);
        }
    }
}
