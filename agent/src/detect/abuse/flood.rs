//! RATE-02: an endpoint under far more calls than ever.

use serde::{Deserialize, Serialize};

use crate::detect::incident::{About, mix};
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene};
use crate::detect::sketch::{Distinct, Heavy, Usual};
use crate::detect::table::{Table, Worth};
use crate::event::Severity;

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Rate02,
    name: "flood",
    family: Family::Abuse,
    version: 1,
    impact: Severity::High,
    threshold: 20,
    window_s: 60,
    owasp: &["API4:2023", "API4:2019"],
    cwe: &[400],
    attack: &["T1499.002"],
    means: "An endpoint is called so often that it may not stand it.",
    decides: "Calls of an endpoint in a minute, by whomever: at least 20 a second, five times what is usual at this hour of the week and beyond it by six robust standard deviations. \
        Endpoints that never worked are counted together, whatever their path, method and host. The finding says how many addresses take part and how much the largest has.",
    fools: "A campaign or a busy day looks the same; the first days know no busy hours. Who raises the rate over many hours raises what is usual, until there are three weeks to compare with.",
    advice: "If one address has most of it, block it. If many have, limit the endpoint, and see whether it answers 429 or 503 (base-02).",
};

const Z: f64 = 6.0;
const TIMES_USUAL: f64 = 5.0;

/// Stands for all endpoints that never worked.
const UNKNOWN: u64 = 0x0075_6e6b_6e6f_776e;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Minute {
    minute: u32,
    calls: u64,
    clients: Distinct,
    heavy: Heavy<16>,
    usual: Usual,
}

impl Worth for Minute {
    fn worth(&self) -> u64 {
        self.calls
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Flood {
    endpoints: Table<Minute, 1024, { 30 * 86_400 }>,
}

impl Flood {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let Some(setting) = scene.setting(&ROW) else {
            return;
        };
        // Endpoints that never worked are one: made-up paths, methods and hosts would each make its own.
        let unknown = scene.endpoint.answered == 0;
        let key = if unknown {
            mix(UNKNOWN, 0)
        } else {
            scene.keys.endpoint
        };
        let (now_s, window_s) = (scene.now_s, setting.window_s.max(1));
        let Some(minute) = self.endpoints.entry(key, now_s) else {
            return;
        };
        let now = now_s / window_s;
        if minute.minute != now {
            if minute.minute != 0 && !scene.incidents.is_flagged(key, now_s) {
                minute
                    .usual
                    .learn(minute.minute * window_s, minute.calls as f64);
                for quiet in (minute.minute + 1..now).take(12) {
                    minute.usual.learn(quiet * window_s, 0.0);
                }
            }
            minute.minute = now;
            minute.calls = 0;
            minute.clients = Distinct::default();
            minute.heavy.clear();
        }
        minute.calls += 1;
        let floor = setting.threshold.saturating_mul(window_s.into());
        // From half the floor on it is worth to know who calls.
        if minute.calls * 2 >= floor {
            minute.clients.add(scene.keys.client);
            minute.heavy.add(scene.keys.client);
        }
        if minute.calls < floor {
            return;
        }
        let usual = minute.usual.at(now_s);
        let calls = minute.calls as f64;
        if calls < TIMES_USUAL * usual.median || Usual::z(&usual, calls) < Z {
            return;
        }
        let (clients, share) = (minute.clients.count(), minute.heavy.largest_share());
        let said = Said {
            key,
            about: if unknown {
                About::Nowhere
            } else {
                About::Endpoint
            },
            count: minute.calls,
            threshold: Some(floor),
            baseline: Some(usual),
            confidence: 0.8,
            remark: Some(format!(
                "{clients} addresses, the largest with at least {:.0} %",
                share * 100.0
            )),
            title: &|n| {
                let what = if unknown {
                    "endpoints that never worked"
                } else {
                    "an endpoint"
                };
                format!("{n} calls of {what} in {window_s} s")
            },
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
