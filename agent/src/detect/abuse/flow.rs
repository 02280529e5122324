//! FLOW-01: a machine at what is meant for people.

use serde::{Deserialize, Serialize};

use crate::detect::incident::{About, mix};
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::table::{Table, Worth};
use crate::event::{Severity, Signal};

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Flow01,
    name: "flow automation",
    family: Family::Abuse,
    version: 1,
    impact: Severity::Medium,
    threshold: 20,
    window_s: 600,
    owasp: &["API6:2023"],
    cwe: &[799],
    attack: &["T1585"],
    means: "Sign-ups, payments or orders come from one caller as a machine makes them.",
    decides: "20 calls of one caller within 10 minutes on routes for accounts or payments (`sensitive:account`, `sensitive:payment`) that write, at intervals whose variation is \
        below 0.3 of their mean: people are not so regular. Shared addresses have a higher threshold.",
    fools: "Random pauses. A gateway that sends the orders of many people is one caller.",
    advice: "Look what was made: accounts with alike names, coupons used up. Ask for a proof of work or of a person in this flow.",
};

/// The most that intervals of a machine vary, as a share of their mean.
const VARIATION: f64 = 0.3;

/// Intervals between calls: their number, mean and sum of squares (Welford, 1962).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Pace {
    calls: Tally,
    last_ms: u64,
    n: f64,
    mean: f64,
    squares: f64,
}

impl Worth for Pace {
    fn worth(&self) -> u64 {
        self.calls.worth()
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Flow {
    callers: Table<Pace, 4096, 1200>,
}

impl Flow {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let sensitive = scene.has(Signal::SensitiveAccount) || scene.has(Signal::SensitivePayment);
        let writes = matches!(scene.facts.method, b"POST" | b"PUT" | b"PATCH");
        let (Some(setting), true) = (scene.setting(&ROW), sensitive && writes) else {
            return;
        };
        let who = if scene.keys.client == 0 {
            scene.keys.actor
        } else {
            scene.keys.client
        };
        let device = if scene.shared > 1 {
            scene.facts.device.unwrap_or(0)
        } else {
            0
        };
        let key = mix(mix(who, device), scene.keys.endpoint);
        let now_ms = scene.now_ms();
        let Some(pace) = self.callers.entry(key, scene.now_s) else {
            return;
        };
        let count = pace.calls.count(scene, setting.window_s);
        if count == 1 {
            (pace.n, pace.mean, pace.squares) = (0.0, 0.0, 0.0);
        } else {
            let interval = now_ms.saturating_sub(pace.last_ms) as f64;
            pace.n += 1.0;
            let off = interval - pace.mean;
            pace.mean += off / pace.n;
            pace.squares += off * (interval - pace.mean);
        }
        pace.last_ms = pace.last_ms.max(now_ms);
        let deviation = (pace.squares / pace.n.max(1.0)).sqrt();
        if count < setting.threshold * scene.shared || deviation > VARIATION * pace.mean {
            return;
        }
        let (mean, variation) = (pace.mean / 1000.0, deviation / pace.mean.max(1.0));
        let said = Said {
            key,
            about: About::ActorAt,
            count,
            outcome: scene.outcome(),
            confidence: 0.7,
            tally: Some(&pace.calls),
            by_address: true,
            title: &|n| {
                format!("{n} calls, one every {mean:.1} s with a variation of {variation:.2}")
            },
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
