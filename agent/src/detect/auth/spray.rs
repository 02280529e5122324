//! AUTH-03: a few passwords tried on many accounts.

use serde::{Deserialize, Serialize};

use crate::detect::incident::About;
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::table::{Table, Worth};
use crate::event::Severity;

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Auth03,
    name: "password spray",
    family: Family::Auth,
    version: 1,
    impact: Severity::High,
    threshold: 10,
    window_s: 900,
    owasp: &["API2:2023", "API2:2019"],
    cwe: &[307],
    attack: &["T1110.003"],
    means: "Somebody tries one or a few common passwords on many accounts, so that no account is locked.",
    decides: "Failed logins for 10 different accounts, at most three each on average, from one address in 15 minutes; or for 20 from at least three addresses \
        of one network (/24, of IPv6 /56). Thresholds rise for addresses that many share.",
    fools: "Addresses of many networks; auth-04 looks at the login route as a whole.",
    advice: "See which of the accounts in `samples` signed in from there since, and reset those. Ask for a second factor.",
};

/// What the threshold of a network is, in those of an address.
const NETWORK_FACTOR: u64 = 2;
/// Addresses of a network that must take part.
const NETWORK_CLIENTS: u64 = 3;
/// Tries an account, on average, beyond which it is no spray.
const TRIES_EACH: u64 = 3;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Names {
    names: Tally,
    clients: crate::detect::window::Recent,
}

impl Worth for Names {
    fn worth(&self) -> u64 {
        self.names.worth()
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Spray {
    clients: Table<Names, 8192, 1800>,
    networks: Table<Names, 4096, 1800>,
}

impl Spray {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let Some(setting) = scene.setting(&ROW) else {
            return;
        };
        let keys = scene.keys;
        if keys.login == 0 || keys.client == 0 {
            return;
        }
        let (now_s, window_s) = (scene.now_s, setting.window_s);
        if let Some(of) = self.networks.entry(keys.network, now_s) {
            let names = of.names.distinct(keys.login, scene, window_s);
            let clients = of.clients.add(keys.client, now_s, window_s);
            let threshold = setting.threshold * NETWORK_FACTOR * scene.shared;
            let few_each = of.names.counts.total() <= TRIES_EACH * names;
            if names >= threshold && few_each && clients >= NETWORK_CLIENTS {
                let said = Said {
                    key: keys.network,
                    about: About::Client,
                    count: names,
                    threshold: Some(threshold),
                    tally: Some(&of.names),
                    sample: scene.facts.login,
                    title: &|n| {
                        format!(
                            "failed logins for {n} accounts from {clients} addresses of one network"
                        )
                    },
                    ..Said::default()
                };
                scene.raise(&ROW, &said);
                return;
            }
        }
        let Some(of) = self.clients.entry(keys.client, now_s) else {
            return;
        };
        let names = of.names.distinct(keys.login, scene, window_s);
        let threshold = setting.threshold * scene.shared;
        if names < threshold || of.names.counts.total() > TRIES_EACH * names {
            return;
        }
        let said = Said {
            key: keys.client,
            about: About::Client,
            count: names,
            threshold: Some(threshold),
            tally: Some(&of.names),
            sample: scene.facts.login,
            by_address: true,
            title: &|n| format!("failed logins for {n} accounts from one address, few tries each"),
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
