//! AUTH-04: lists of leaked passwords tried from many addresses.

use serde::{Deserialize, Serialize};

use crate::detect::incident::About;
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::sketch::Usual;
use crate::detect::table::{Table, Worth};
use crate::detect::window::Recent;
use crate::event::Severity;

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Auth04,
    name: "credential stuffing",
    family: Family::Auth,
    version: 1,
    impact: Severity::High,
    threshold: 20,
    window_s: 300,
    owasp: &["API2:2023", "API2:2019"],
    cwe: &[307],
    attack: &["T1110.004"],
    means: "Leaked names and passwords are tried on the login route, a try or two from each of many addresses.",
    decides: "In 5 minutes failed logins on one route from 20 addresses for 20 accounts, and more of them than is usual there at this hour of the week \
        by six robust standard deviations. What is usual is not learnt while it goes on.",
    fools: "A rate below one address every fifteen seconds. Who raises the rate over many hours raises what is usual, until there are three weeks to compare with.",
    advice: "See which logins worked meanwhile from addresses that were never seen with that account (auth-05), and reset those. Ask for a second factor or a puzzle on this route.",
};

/// Robust standard deviations beyond what is usual.
const Z: f64 = 6.0;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Login {
    failures: Tally,
    names: Recent,
    usual: Usual,
    /// The stretch that is being counted, and its failures.
    open: (u32, u32),
}

impl Worth for Login {
    fn worth(&self) -> u64 {
        self.failures.worth() + 1
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Stuffing {
    routes: Table<Login, 256, { 30 * 86_400 }>,
}

impl Stuffing {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let Some(setting) = scene.setting(&ROW) else {
            return;
        };
        let (now_s, window_s) = (scene.now_s, setting.window_s);
        let keys = scene.keys;
        let may_learn = scene.may_learn(keys.endpoint);
        let Some(login) = self.routes.entry(keys.endpoint, now_s) else {
            return;
        };
        let stretch = now_s / window_s.max(1);
        if login.open.0 != stretch {
            let (old, failures) = login.open;
            if old != 0 && may_learn {
                login.usual.learn(old * window_s, failures.into());
                // Stretches in which nothing failed were not seen pass; as many as count.
                for quiet in (old + 1..stretch).take(12) {
                    login.usual.learn(quiet * window_s, 0.0);
                }
            }
            login.open = (stretch, 0);
        }
        login.open.1 += 1;
        let clients = login.failures.distinct(keys.client, scene, window_s);
        let names = login.names.add(keys.login, now_s, window_s);
        if clients < setting.threshold || names < setting.threshold {
            return;
        }
        let count = login.failures.counts.total();
        let usual = login.usual.at(now_s);
        if usual.samples > 0 && Usual::z(&usual, count as f64) < Z {
            return;
        }
        // Distinct addresses and names speak for themselves: a warming baseline does not hush them.
        let baseline = (usual.samples > 0).then_some(crate::event::Baseline {
            state: crate::event::Learnt::Ready,
            ..usual
        });
        let said = Said {
            key: keys.endpoint,
            about: About::Endpoint,
            count,
            baseline,
            tally: Some(&login.failures),
            sample: scene.facts.login,
            title: &|n| {
                format!(
                    "{n} failed logins from {clients} addresses for {names} accounts in {} min",
                    window_s / 60
                )
            },
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
