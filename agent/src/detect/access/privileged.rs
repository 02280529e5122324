//! BFLA-01: functions for a few, called by another.

use serde::{Deserialize, Serialize};

use crate::detect::incident::About;
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::table::{Table, Worth};
use crate::detect::window::Recent;
use crate::event::{Outcome, Severity, Signal};

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Bfla01,
    name: "privileged function",
    family: Family::Access,
    version: 1,
    impact: Severity::High,
    threshold: 3,
    window_s: 600,
    owasp: &["API5:2023", "API5:2019"],
    cwe: &[285],
    attack: &["T1078"],
    means: "An account without the role for it calls functions of administration.",
    decides: "Calls of endpoints that administer (signal `sensitive:admin`), by an account that never used one of them with success: three that are refused in 10 minutes, \
        or one that is answered once the endpoint is known and others use it. Who used one before is taken to have the role.",
    fools: "Functions whose names do not tell; an account that was given the role while Eaves did not look.",
    advice: "See whether a call was answered with 2xx. If so, the function does not check the role: mend it and undo what was done. A new administrator looks the same once.",
};

/// Accounts that use an endpoint with success from which on another is one too many.
const USERS: u64 = 1;

/// Endpoints of administration that an account used with success.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Role {
    answered: u32,
    refused: Tally,
}

impl Worth for Role {
    fn worth(&self) -> u64 {
        u64::from(self.answered) * 4 + self.refused.worth()
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Function {
    users: Recent,
}

impl Worth for Function {
    fn worth(&self) -> u64 {
        self.users.len() as u64 + 1
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Privileged {
    actors: Table<Role, 4096, { 30 * 86_400 }>,
    functions: Table<Function, 512, { 30 * 86_400 }>,
}

impl Privileged {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        if !scene.has(Signal::SensitiveAdmin) || scene.keys.actor == 0 || scene.facts.status == 0 {
            return;
        }
        let Some(setting) = scene.setting(&ROW) else {
            return;
        };
        let (now_s, key) = (scene.now_s, scene.keys.actor);
        let known = scene.endpoint_is_learnt();
        let Some(role) = self.actors.entry(key, now_s) else {
            return;
        };
        if scene.succeeded() {
            let Some(function) = self.functions.entry(scene.keys.endpoint, now_s) else {
                return;
            };
            let others = function.users.count(now_s, 30 * 86_400);
            let without_role = role.answered == 0 && scene.has_credential();
            if without_role && known && others >= USERS {
                let said = Said {
                    key,
                    about: About::Actor,
                    outcome: Outcome::Answered,
                    confidence: 0.7,
                    title: &|_| {
                        "a function of administration answered an account that never used one"
                            .to_owned()
                    },
                    ..Said::default()
                };
                scene.raise(&ROW, &said);
            } else if !scene.flagged {
                role.answered = role.answered.saturating_add(1);
                function.users.see(key, now_s, 30 * 86_400);
            } else if scene.is_open(ROW.id, key) {
                let said = Said {
                    key,
                    outcome: Outcome::Answered,
                    title: &|n| {
                        format!(
                            "{n} calls of functions of administration, of which some were answered"
                        )
                    },
                    ..Said::default()
                };
                scene.raise(&ROW, &said);
            }
            return;
        }
        let refused = matches!(scene.facts.status, 401 | 403 | 404 | 405);
        if !refused || role.answered > 0 {
            return;
        }
        role.refused
            .distinct(scene.keys.endpoint, scene, setting.window_s);
        let count = role.refused.counts.total();
        // Without a credential it is a visitor, whom scan-01 and auth-08 look at.
        if count < setting.threshold || !scene.has_credential() {
            return;
        }
        let functions = role.refused.distinct.count(now_s, setting.window_s);
        let said = Said {
            key,
            about: About::Actor,
            count,
            tally: Some(&role.refused),
            title: &|n| {
                format!(
                    "{n} calls of {functions} functions of administration, without the role for it"
                )
            },
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
