//! RATE-01: one caller, too fast.

use serde::{Deserialize, Serialize};

use crate::detect::incident::{About, mix};
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene};
use crate::detect::sketch::Quantiles;
use crate::detect::table::{Table, Worth};
use crate::detect::window::{Rate, Recent};
use crate::event::Severity;

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Rate01,
    name: "rate abuse",
    family: Family::Abuse,
    version: 1,
    impact: Severity::Medium,
    threshold: 10,
    window_s: 10,
    owasp: &["API4:2023", "API4:2019"],
    cwe: &[770],
    attack: &["T1499.003"],
    means: "One caller asks an endpoint far more often than callers do.",
    decides: "Calls of one endpoint by one account, or by one address where no account is known: more than 10 a second beyond a burst of 50, or than three times what 99 of 100 callers \
        of this endpoint reach in ten seconds; more than ten a second is learnt where ten callers do so. Rates of addresses that many share are multiplied.",
    fools: "Spreading calls over endpoints, accounts or addresses; rate-02 looks at the endpoint as a whole. Health checks and metrics of one machine may be as fast: exempt them by `suppress`.",
    advice: "See what it asks for. If it is a client of yours, tell its owner; else limit or block it.",
};

const BURST: u64 = 50;
const TIMES_USUAL: u64 = 3;
const WINDOWS: u64 = 50;
const CALLERS: u64 = 10;
const MONTH_S: u32 = 30 * 86_400;

/// A caller of an endpoint.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Caller {
    rate: Rate,
    /// The window that is being counted, and its calls.
    window: u32,
    calls: u32,
    total: u32,
}

impl Worth for Caller {
    fn worth(&self) -> u64 {
        u64::from(self.calls.max(self.total.min(64)))
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Usually {
    calls: Quantiles,
    /// Who has called faster than anybody is allowed to without more being known.
    fast: Recent,
}

impl Worth for Usually {
    fn worth(&self) -> u64 {
        self.calls.total()
    }
}

impl Usually {
    /// Learns a window in which `caller` made so many calls; `most` are allowed to anybody. What is
    /// beyond that is usual once enough callers do so: one that grows slowly makes nothing usual.
    fn learn(&mut self, caller: u64, calls: u64, most: u64, now_s: u32) {
        let beyond = calls > most && self.fast.add(caller, now_s, MONTH_S) < CALLERS;
        self.calls.add(if beyond { most } else { calls });
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Rates {
    callers: Table<Caller, 16_384, 3600>,
    endpoints: Table<Usually, 1024, MONTH_S>,
}

impl Rates {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let actor = scene.keys.actor;
        let Some(setting) = scene.setting(&ROW) else {
            return;
        };
        if actor == 0 {
            return;
        }
        let window_s = setting.window_s.max(1);
        let key = mix(actor, scene.keys.endpoint);
        let Some(caller) = self.callers.entry(key, scene.now_s) else {
            return;
        };
        let window = scene.now_s / window_s;
        if caller.window != window {
            if caller.window != 0
                && !scene.flagged
                && let Some(usually) = self.endpoints.entry(scene.keys.endpoint, scene.now_s)
            {
                let most = setting.threshold.saturating_mul(window_s.into());
                usually.learn(actor, caller.calls.into(), most, scene.now_s);
            }
            (caller.window, caller.calls) = (window, 0);
        }
        caller.calls = caller.calls.saturating_add(1);
        caller.total = caller.total.saturating_add(1);
        let by_address = scene.keys.user == 0 && scene.keys.credential == 0;
        let factor = if by_address { scene.shared } else { 1 };
        let mut per_s = (setting.threshold * factor) as f64;
        // Only who comes near the floor is worth a look at what is usual.
        if u64::from(caller.calls) > BURST
            && let Some(usually) = self.endpoints.get(scene.keys.endpoint, scene.now_s)
            && usually.calls.total() >= WINDOWS
        {
            let usual = (TIMES_USUAL * usually.calls.at(0.99)) as f64 / f64::from(window_s);
            per_s = per_s.max(usual);
        }
        let burst = u32::try_from(BURST.max(setting.threshold * 5) * factor).unwrap_or(u32::MAX);
        let over = caller.rate.add(scene.now_ms(), per_s, burst);
        if over == 0 {
            return;
        }
        let calls = u64::from(caller.calls).max(u64::from(burst) + over);
        let said = Said {
            key,
            about: About::ActorAt,
            count: calls,
            threshold: Some(per_s.round() as u64),
            by_address,
            title: &|n| {
                format!("{n} calls of one endpoint, of which {per_s:.0} a second are allowed")
            },
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
