//! AUTH-02: many failed logins from one address.

use serde::{Deserialize, Serialize};

use crate::detect::incident::About;
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::table::Table;
use crate::event::Severity;

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Auth02,
    name: "source brute force",
    family: Family::Auth,
    version: 1,
    impact: Severity::High,
    threshold: 10,
    window_s: 600,
    owasp: &["API2:2023", "API2:2019"],
    cwe: &[307],
    attack: &["T1110"],
    means: "One address guesses passwords, whichever accounts they are for.",
    decides: "10 failed logins, on login routes or by a password in the header on any, from one address (of IPv6 its /64) in 10 minutes; \
        the same password tried again counts once. An address behind which more than five accounts are signed in \
        within a day is taken for shared: its threshold is raised to up to eight times.",
    fools: "Many addresses with few tries each, which auth-01, auth-03 and auth-04 look at.",
    advice: "Look which accounts were tried (`samples`) and whether one of them signed in from there since. Block the address if nobody known uses it.",
};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Origin {
    clients: Table<Tally, 8192, 1200>,
}

impl Origin {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let (key, Some(setting)) = (scene.keys.client, scene.setting(&ROW)) else {
            return;
        };
        if key == 0 {
            return;
        }
        let Some(tally) = self.clients.entry(key, scene.now_s) else {
            return;
        };
        tally.distinct(scene.keys.login, scene, setting.window_s);
        let count = tally.counts.total();
        let threshold = setting.threshold * scene.shared;
        if count < threshold {
            return;
        }
        let accounts = tally.distinct.count(scene.now_s, setting.window_s);
        scene.raise(
            &ROW,
            &Said {
                key,
                about: About::Client,
                count,
                threshold: Some(threshold),
                tally: Some(tally),
                sample: scene.facts.login,
                by_address: true,
                title: &|n| format!("{n} failed logins from one address for {accounts} accounts"),
                ..Said::default()
            },
        );
    }
}
