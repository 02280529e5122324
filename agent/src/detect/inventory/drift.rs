//! INV-03: messages no longer look as they did.

use serde::{Deserialize, Serialize};

use super::specification::{Difference, Judged};
use crate::detect::incident::About;
use crate::detect::party::shown;
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::table::{Table, Worth};
use crate::detect::value_hash;
use crate::detect::window::{Counts, Recent};
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
    means: "Answers of an endpoint have fields they did not have, or messages are not as the specification says.",
    decides: "Within an hour 20 answers of an endpoint, or five that are 1 % of all, with a field that none of at least 500 answers before had, or as many exchanges that differ from the specification, if there is one (`identity.openapi`): in status, media type, a field of the answer or the request, a parameter or the form of its value. What the document leaves open is not judged.",
    fools: "Fields that come and go from the start. Answers of which only the beginning was kept: there is no conclusion from what is missing.",
    advice: "See in `remarks` what is new. If nobody meant them to be there, see data-01.",
};

const ANSWERS: u32 = 500;

/// On an endpoint that is seldom called, one in so many is enough, and this part of the threshold.
const ONE_IN: u64 = 100;
const PART: u64 = 4;

const YEAR_S: u32 = 365 * 86_400;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Shape {
    answers: u32,
    names: Recent,
    /// All that were looked at.
    all: Counts,
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
    pub(super) fn look(&mut self, judged: &Judged<'_>, scene: &mut Scene<'_, '_>) {
        // What an attacker sends is not what the API has become.
        let differs = judged.differs.filter(|_| !scene.flagged);
        if scene.facts.reply_fields.is_empty() && differs.is_none() {
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
        let all = shape.all.add(now_s, 1, setting.window_s);
        let known = |name: &&&[u8]| !shape.names.has(value_hash(name), now_s, YEAR_S);
        let new = scene.facts.reply_fields.iter().find(known).copied();
        let odd = differs.is_some() || (new.is_some() && shape.answers >= ANSWERS);
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
        let is_share = count >= setting.threshold.div_ceil(PART) && count * ONE_IN >= all;
        if count < setting.threshold && !is_share {
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
            remark: differs
                .map(Difference::text)
                .or_else(|| new.map(|name| format!("field {} was not there before", shown(name)))),
            title: &|n| format!("{n} answers of an endpoint that do not look as they did"),
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
