//! BASE-01: an endpoint is called far more, or far less, than at this hour.

use serde::{Deserialize, Serialize};

use crate::detect::incident::{About, mix};
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene};
use crate::detect::sketch::Usual;
use crate::detect::table::{Table, Worth};
use crate::event::{Learnt, Severity};

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Base01,
    name: "spike or drop",
    family: Family::Baseline,
    version: 1,
    impact: Severity::Medium,
    threshold: 100,
    window_s: 300,
    owasp: &["API4:2023", "API4:2019"],
    cwe: &[770],
    attack: &["T1499"],
    means: "Something has changed in how an endpoint is used.",
    decides: "Calls of an endpoint in 5 minutes against what is usual at this hour of the week (median and MAD of past weeks; before three weeks a weighted mean): six robust standard \
        deviations and three times as many, and 100 at least; or a third of what is usual, where that is 100 and more. What is usual is not learnt while it goes on.",
    fools: "A slow rise is learnt. Holidays. A drop to nothing is seen only when the endpoint is called again.",
    advice: "A rise: see who calls (`eaves query --count-by client 'route == ROUTE'`). A drop: see whether what stands before it still works.",
};

const Z: f64 = 6.0;
const TIMES: f64 = 3.0;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Stretch {
    stretch: u32,
    calls: u64,
    usual: Usual,
}

impl Worth for Stretch {
    fn worth(&self) -> u64 {
        self.calls.max(1)
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Rates {
    endpoints: Table<Stretch, 1024, { 30 * 86_400 }>,
}

impl Rates {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let Some(setting) = scene.setting(&ROW) else {
            return;
        };
        // Calls of somebody who is reported already explain themselves.
        if scene.flagged {
            return;
        }
        let (key, now_s, window_s) = (scene.keys.endpoint, scene.now_s, setting.window_s.max(1));
        let Some(of) = self.endpoints.entry(key, now_s) else {
            return;
        };
        let stretch = now_s / window_s;
        if of.stretch != stretch {
            let (old, calls) = (of.stretch, of.calls);
            let usual = of.usual.at(now_s);
            let floor = setting.threshold as f64;
            let dropped = usual.state == Learnt::Ready
                && usual.median >= floor
                && (calls as f64) * TIMES <= usual.median
                && Usual::z(&usual, calls as f64) <= -Z;
            if old != 0 && !dropped && !scene.incidents.is_flagged(key, now_s) {
                of.usual.learn(old * window_s, calls as f64);
            }
            (of.stretch, of.calls) = (stretch, 0);
            if old != 0 && dropped {
                let said = Said {
                    key: mix(key, 2),
                    about: About::Endpoint,
                    count: calls,
                    baseline: Some(usual),
                    confidence: 0.6,
                    title: &|_| {
                        format!(
                            "{calls} calls of an endpoint in {} min, {:.0} are usual",
                            window_s / 60,
                            usual.median
                        )
                    },
                    ..Said::default()
                };
                scene.raise(&ROW, &said);
            }
        }
        let Some(of) = self.endpoints.get_mut(key, now_s) else {
            return;
        };
        of.calls += 1;
        if of.calls < setting.threshold {
            return;
        }
        let usual = of.usual.at(now_s);
        let calls = of.calls as f64;
        if usual.state == Learnt::Warming
            || calls < TIMES * usual.median
            || Usual::z(&usual, calls) < Z
        {
            return;
        }
        let said = Said {
            key,
            about: About::Endpoint,
            count: of.calls,
            baseline: Some(usual),
            confidence: 0.6,
            title: &|n| {
                format!(
                    "{n} calls of an endpoint in {} min, {:.0} are usual",
                    window_s / 60,
                    usual.median
                )
            },
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
