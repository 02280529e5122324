//! SEQ-01: calls in an order that nobody makes them in.

use serde::{Deserialize, Serialize};

use crate::detect::incident::{About, mix};
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene};
use crate::detect::table::{Table, Worth};
use crate::event::Severity;

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Seq01,
    name: "unusual call order",
    family: Family::Baseline,
    version: 1,
    impact: Severity::Info,
    threshold: 5,
    window_s: 0,
    owasp: &["API6:2023"],
    cwe: &[841],
    attack: &["T1190"],
    means: "A caller goes through the API as no client does: a payment without a basket, steps left out.",
    decides: "A first-order Markov chain over endpoints, learnt from all accounts that are under no incident: five steps in a row of one account that each follow on the one before in less \
        than 5 of 100 cases, between endpoints that are known (each left 200 times). Reported as info: a new client looks the same.",
    fools: "Slipping odd steps in between usual ones.",
    advice: "See which step is missing, and whether the server requires it.",
};

/// Times an endpoint must have been left.
const LEFT: u32 = 200;
const RARE: f64 = 0.05;
const DAY_S: u32 = 86_400;

/// How often one endpoint followed on another, or was left at all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Step(u32);

impl Worth for Step {
    fn worth(&self) -> u64 {
        self.0.into()
    }
}

/// Where an account is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Walk {
    last: u64,
    rare: u32,
    steps: u32,
}

impl Worth for Walk {
    fn worth(&self) -> u64 {
        u64::from(self.rare) * 16 + u64::from(self.steps.min(15))
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Order {
    steps: Table<Step, 8192, { 30 * DAY_S }>,
    left: Table<Step, 1024, { 30 * DAY_S }>,
    walks: Table<Walk, 4096, 3600>,
}

impl Order {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let (user, here, now_s) = (scene.keys.user, scene.keys.endpoint, scene.now_s);
        let Some(setting) = scene.setting(&ROW) else {
            return;
        };
        // What fails is the business of others, and no step of a client.
        if user == 0 || !scene.succeeded() || scene.flagged {
            return;
        }
        let Some(walk) = self.walks.entry(user, now_s) else {
            return;
        };
        let from = std::mem::replace(&mut walk.last, here);
        walk.steps = walk.steps.saturating_add(1);
        if from == 0 {
            return;
        }
        let times_left = self.left.get(from, now_s).map_or(0, |left| left.0);
        let here_known = self
            .left
            .get(here, now_s)
            .is_some_and(|left| left.0 >= LEFT);
        let step = mix(from, here);
        let times = self.steps.get(step, now_s).map_or(0, |step| step.0);
        let likely = (f64::from(times) + 0.5) / (f64::from(times_left) + 1.0);
        let rare = times_left >= LEFT && here_known && likely < RARE;
        walk.rare = if rare { walk.rare + 1 } else { 0 };
        let in_row = walk.rare;
        for (table, key) in [(1, from), (2, step)] {
            let one = if table == 1 {
                self.left.entry(key, now_s)
            } else {
                self.steps.entry(key, now_s)
            };
            if let Some(Step(n)) = one {
                *n = n.saturating_add(1);
            }
        }
        if u64::from(in_row) < setting.threshold {
            return;
        }
        let said = Said {
            key: user,
            about: About::User,
            count: in_row.into(),
            confidence: 0.4,
            title: &|n| format!("{n} calls in a row that hardly ever follow on one another"),
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
