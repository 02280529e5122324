//! LOC-01: an account from a country or network it was never in.

use serde::{Deserialize, Serialize};

use crate::detect::incident::{About, mix};
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene};
use crate::detect::table::{Table, Worth};
use crate::detect::window::Recent;
use crate::event::{Outcome, Severity};

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Loc01,
    name: "new country",
    family: Family::Place,
    version: 1,
    impact: Severity::Medium,
    threshold: 5,
    window_s: 0,
    owasp: &["API2:2023", "API2:2019"],
    cwe: &[287],
    attack: &["T1078"],
    means: "An account is used from a country it was never used from.",
    decides: "The client's country against those of the account in 60 days, once it was seen signing in five times, or in 20 exchanges. Low by itself, medium on a device that is new too (loc-03).",
    fools: "Proxies in the owner's country; addresses of which the database does not say where they are. Travellers look the same.",
    advice: "Ask the owner, or look whether the old place goes on at the same time. If it is not the owner: end sessions, reset the password.",
};

const KEPT_S: u32 = 60 * 86_400;
/// Exchanges that do in place of a login.
const EXCHANGES_A_LOGIN: u32 = 4;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Known {
    exchanges: u32,
    logins: u32,
    countries: Recent,
}

impl Worth for Known {
    fn worth(&self) -> u64 {
        self.exchanges.into()
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Countries {
    users: Table<Known, 8192, KEPT_S>,
}

impl Countries {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>, new_device: bool) {
        let (Some(place), Some(setting)) = (scene.facts.place, scene.setting(&ROW)) else {
            return;
        };
        if place.country == [0, 0] {
            return;
        }
        let (user, now_s) = (scene.keys.user, scene.now_s);
        let Some(known) = self.users.entry(user, now_s) else {
            return;
        };
        known.exchanges = known.exchanges.saturating_add(1);
        known.logins = known.logins.saturating_add(u32::from(scene.signed_in()));
        let country = mix(u64::from(u16::from_be_bytes(place.country)), 7);
        let key = mix(user, country);
        let seen = u64::from(known.logins.max(known.exchanges / EXCHANGES_A_LOGIN));
        let new = !known.countries.has(country, now_s, KEPT_S);
        let going_on = scene.is_open(ROW.id, key);
        if !going_on && (!new || seen < setting.threshold || known.countries.len() == 0) {
            if known.countries.len() < 32 || !new {
                known.countries.see(country, now_s, KEPT_S);
            }
            return;
        }
        let name = String::from_utf8_lossy(&place.country).into_owned();
        let others = known.countries.len();
        let said = Said {
            key,
            about: About::User,
            threshold: Some(1),
            outcome: if new_device {
                Outcome::Answered
            } else {
                Outcome::Attempted
            },
            confidence: if new_device { 0.8 } else { 0.6 },
            remark: new_device.then(|| "the device is new, too".to_owned()),
            title: &|n| {
                format!(
                    "{n} exchanges of an account in {name}, where it never was; {others} countries are known"
                )
            },
            ..Said::default()
        };
        scene.raise(&ROW, &said);
        // Learnt so that the same journey is told once, whatever becomes of the incident.
        known.countries.see(country, now_s, KEPT_S);
    }
}
