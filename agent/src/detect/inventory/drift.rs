//! INV-03: messages no longer look as they did.

use serde::{Deserialize, Serialize};

use crate::detect::facts::Mark;
use crate::detect::incident::About;
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::table::{Table, Worth};
use crate::detect::value_hash;
use crate::detect::window::Recent;
use crate::event::{Extent, Outcome, Severity};

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Inv03,
    name: "schema drift",
    family: Family::Inventory,
    version: 1,
    impact: Severity::Low,
    threshold: 20,
    window_s: 3600,
    owasp: &["API8:2023", "API9:2023", "API7:2019", "API9:2019"],
    cwe: &[20],
    attack: &[],
    means: "Answers of an endpoint have fields they did not have, or are not as the specification says.",
    decides: "Within an hour 20 answers of an endpoint with a field that none of at least 500 answers before had, or 20 that differ from the specification, if there is one.",
    fools: "Fields that come and go from the start. Answers of which only the beginning was kept: there is no conclusion from what is missing.",
    advice: "See the new fields in `samples`. If nobody meant them to be there, see data-01.",
};

const ANSWERS: u32 = 500;
const YEAR_S: u32 = 365 * 86_400;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Shape {
    answers: u32,
    names: Recent,
    odd: Tally,
}

impl Worth for Shape {
    fn worth(&self) -> u64 {
        self.answers.into()
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Drift {
    endpoints: Table<Shape, 1024, YEAR_S>,
}

impl Drift {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let drifted = scene.facts.marks.has(Mark::Drifted);
        if scene.facts.reply_fields.is_empty() && !drifted {
            return;
        }
        let Some(setting) = scene.setting(&ROW) else {
            return;
        };
        if matches!(scene.facts.response_seen, Extent::Gap | Extent::JoinedLate) {
            return;
        }
        let (key, now_s) = (scene.keys.endpoint, scene.now_s);
        let may_learn = scene.may_learn(key);
        let Some(shape) = self.endpoints.entry(key, now_s) else {
            return;
        };
        let known = |name: &&&[u8]| !shape.names.has(value_hash(name), now_s, YEAR_S);
        let new = scene.facts.reply_fields.iter().find(known).copied();
        let odd = drifted || (new.is_some() && shape.answers >= ANSWERS);
        if !odd {
            shape.answers = shape.answers.saturating_add(1);
            if may_learn && new.is_some() {
                for name in &scene.facts.reply_fields {
                    shape.names.see(value_hash(name), now_s, YEAR_S);
                }
            }
            return;
        }
        let count = shape.odd.count(scene, setting.window_s);
        if count < setting.threshold {
            return;
        }
        // Told once, the new shape is the shape.
        for name in &scene.facts.reply_fields {
            shape.names.see(value_hash(name), now_s, YEAR_S);
        }
        let said = Said {
            key,
            about: About::Endpoint,
            count,
            outcome: Outcome::Answered,
            confidence: 0.7,
            tally: Some(&shape.odd),
            sample: new,
            title: &|n| format!("{n} answers of an endpoint that do not look as they did"),
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
