//! AUTH-06: one-time codes that are guessed.

use serde::{Deserialize, Serialize};

use crate::detect::incident::{About, mix};
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::table::Table;
use crate::event::Severity;

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Auth06,
    name: "one-time code brute force",
    family: Family::Auth,
    version: 1,
    impact: Severity::High,
    threshold: 6,
    window_s: 600,
    owasp: &["API2:2023", "API2:2019"],
    cwe: &[307],
    attack: &["T1110.001"],
    means: "Somebody guesses the code of a second factor: the password is known already.",
    decides: "6 different codes refused within 10 minutes for one account, or where none is known from one address, on one endpoint. A person mistypes a code once or twice.",
    fools: "A session for each try where neither account nor address stay the same.",
    advice: "Take the password for known: reset it. See that codes end after a few tries, on the account and not on the session.",
};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Otp {
    actors: Table<Tally, 4096, 1200>,
}

impl Otp {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let (Some(code), Some(setting)) = (scene.facts.code, scene.setting(&ROW)) else {
            return;
        };
        if scene.succeeded() {
            return;
        }
        let keys = scene.keys;
        let who = [keys.login, keys.user, keys.client];
        let who = who.into_iter().find(|key| *key != 0).unwrap_or(0);
        let key = mix(who, keys.endpoint);
        let Some(tally) = self.actors.entry(key, scene.now_s) else {
            return;
        };
        let codes = tally.distinct(code, scene, setting.window_s);
        if who == 0 || codes < setting.threshold {
            return;
        }
        let said = Said {
            key,
            about: About::ActorAt,
            count: codes,
            tally: Some(tally),
            title: &|n| format!("{n} different one-time codes tried"),
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
