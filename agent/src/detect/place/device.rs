//! LOC-03: an account on a device it was never on.

use serde::{Deserialize, Serialize};

use crate::detect::incident::{About, mix};
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene};
use crate::detect::table::{Table, Worth};
use crate::detect::window::Recent;
use crate::event::{Outcome, Severity};

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Loc03,
    name: "new device",
    family: Family::Place,
    version: 1,
    impact: Severity::Info,
    threshold: 20,
    window_s: 0,
    owasp: &["API2:2023", "API2:2019"],
    cwe: &[287],
    attack: &["T1078"],
    means: "An account is used with a program or system it was never used with.",
    decides: "Program, operating system and TLS fingerprint together, against those of the account's exchanges in 60 days, from 20 exchanges on. By itself it is info: people buy telephones. \
        Together with a new country (loc-01) it makes that medium.",
    fools: "An attacker with the same browser; one who was there before the owner's twentieth exchange.",
    advice: "Nothing by itself. See whether the account has other findings.",
};

/// How long a device is remembered.
const KEPT_S: u32 = 60 * 86_400;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Known {
    exchanges: u32,
    devices: Recent,
}

impl Worth for Known {
    fn worth(&self) -> u64 {
        self.exchanges.into()
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Devices {
    users: Table<Known, 8192, KEPT_S>,
}

impl Devices {
    /// Whether this device is one that the account was never on.
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) -> bool {
        let Some(setting) = scene.setting(&ROW) else {
            return false;
        };
        // One that does not say what it is is a device like any other.
        let device = scene.facts.device.unwrap_or(0);
        let (user, now_s) = (scene.keys.user, scene.now_s);
        let Some(known) = self.users.entry(user, now_s) else {
            return false;
        };
        known.exchanges = known.exchanges.saturating_add(1);
        let device = mix(device, 1);
        let enough = u64::from(known.exchanges) > setting.threshold;
        let new = !known.devices.has(device, now_s, KEPT_S);
        if new && enough && scene.is_open(ROW.id, mix(user, device)) {
            return true;
        }
        if !new || !enough {
            if known.devices.len() < 32 || !new {
                known.devices.see(device, now_s, KEPT_S);
            }
            return false;
        }
        // It is remembered when the incident is over, if the account still uses it then.
        let others = known.devices.len();
        let said = Said {
            key: mix(user, device),
            about: About::User,
            threshold: Some(1),
            outcome: Outcome::Answered,
            confidence: 0.5,
            sample: Some(scene.facts.agent),
            title: &|_| format!("an account on a device it was never on; {others} are known"),
            ..Said::default()
        };
        scene.raise(&ROW, &said);
        if !scene.flagged {
            known.devices.see(device, now_s, KEPT_S);
        }
        true
    }
}
