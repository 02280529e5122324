//! AUTH-01: many failed logins for one account.

use serde::{Deserialize, Serialize};

use crate::detect::incident::About;
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::table::{Table, Worth};
use crate::event::Severity;

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Auth01,
    name: "account brute force",
    family: Family::Auth,
    version: 1,
    impact: Severity::High,
    threshold: 10,
    window_s: 600,
    owasp: &["API2:2023", "API2:2019"],
    cwe: &[307],
    attack: &["T1110.001"],
    means: "Somebody guesses the password of one account.",
    decides: "Failed logins for one account name, on login routes or by a password in the header on any, from whatever addresses: 10 in 10 minutes, \
        or 25 in 2 hours for those who are patient. The same password that one address sends in the header again counts once. \
        Five typing errors stay below; a person who has forgotten a password gives up or resets it before ten.",
    fools: "Fewer tries than 25 in two hours. A client with an old password that tries again and again looks the same.",
    advice: "See whether a login for this account worked in the meantime (auth-05). If not, lock or slow the account, and tell its owner; \
        if all tries come from one address that the owner is known to use, look for a device with an old password.",
};

/// Tries in [`SLOW_S`] that are too many however slow.
const SLOW: u64 = 25;
const SLOW_S: u32 = 7200;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Tries {
    fast: Tally,
    slow: Tally,
}

impl Worth for Tries {
    fn worth(&self) -> u64 {
        self.slow.worth()
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Account {
    accounts: Table<Tries, 8192, SLOW_S>,
}

impl Account {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let (key, Some(setting)) = (scene.keys.login, scene.setting(&ROW)) else {
            return;
        };
        if key == 0 {
            return;
        }
        let Some(tries) = self.accounts.entry(key, scene.now_s) else {
            return;
        };
        let client = scene.keys.client;
        let open = scene.is_open(ROW.id, key);
        if tries.slow.renew(open) {
            tries.fast = Tally::default();
        }
        tries.fast.distinct(client, scene, setting.window_s);
        tries.slow.distinct(client, scene, SLOW_S);
        let fast = tries.fast.counts.total();
        let slow = tries.slow.counts.total();
        let (count, threshold, minutes) = if fast >= setting.threshold {
            (fast, setting.threshold, setting.window_s / 60)
        } else if slow >= SLOW.max(setting.threshold) {
            (slow, SLOW.max(setting.threshold), SLOW_S / 60)
        } else {
            return;
        };
        tries.slow.told = true;
        let tally = if fast >= setting.threshold {
            &tries.fast
        } else {
            &tries.slow
        };
        let addresses = tally.distinct.count(scene.now_s, SLOW_S);
        scene.raise(
            &ROW,
            &Said {
                key,
                about: About::Login,
                count,
                threshold: Some(threshold),
                tally: Some(tally),
                title: &|n| {
                    format!("{n} failed logins for one account from {addresses} addresses in {minutes} min")
                },
                ..Said::default()
            },
        );
    }
}
