//! LOC-02: faster than one can travel.

use serde::{Deserialize, Serialize};

use crate::detect::incident::About;
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene};
use crate::detect::table::{Table, Worth};
use crate::event::{Outcome, Severity};

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Loc02,
    name: "impossible travel",
    family: Family::Place,
    version: 1,
    impact: Severity::High,
    threshold: 900,
    window_s: 86_400,
    owasp: &["API2:2023", "API2:2019"],
    cwe: &[287],
    attack: &["T1078.004"],
    means: "An account is used in two places between which nobody travels so fast: two people use it.",
    decides: "Two exchanges of an account within a day, more than 500 km apart and farther than one gets at 900 km/h. Needs a database with places, not with countries alone. \
        A place that the account goes back and forth to is taken for a gateway (a VPN) and not told again, \
        until the account has been there alone for a day.",
    fools: "Databases are wrong about telephone networks. A VPN looks the same once. Many steps of less than 500 km.",
    advice: "Ask the owner which of the two it was. If neither: end all sessions, reset the password.",
};

const KM_MIN: f64 = 500.0;
/// Mean radius of the Earth, km.
const EARTH_KM: f64 = 6371.0;
/// Places of an account that are remembered as gateways.
const GATEWAYS_MAX: usize = 8;
/// Places nearer than this are one, km.
const SAME_KM: f64 = 50.0;

/// Where an account was last, gateways aside.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Last {
    at: Option<[f64; 2]>,
    time_ms: u64,
    gateways: Vec<[f64; 2]>,
}

impl Worth for Last {
    fn worth(&self) -> u64 {
        self.gateways.len() as u64 + 1
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Travel {
    users: Table<Last, 8192, 86_400>,
}

impl Travel {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let here = scene.facts.place.and_then(|place| place.location);
        let (Some(here), Some(setting)) = (here, scene.setting(&ROW)) else {
            return;
        };
        let (now_s, now_ms) = (scene.now_s, scene.now_ms());
        let user = scene.keys.user;
        let Some(last) = self.users.entry(user, now_s) else {
            return;
        };
        let near = |one: &[f64; 2]| distance_km(*one, here) < SAME_KM;
        if last.gateways.iter().any(near) {
            // Where an account is for longer than is looked back, it is at home, however it came there.
            let old = now_ms.saturating_sub(last.time_ms) > u64::from(setting.window_s) * 1000;
            if old || last.at.as_ref().is_some_and(near) {
                (last.at, last.time_ms) = (Some(here), now_ms);
            }
            return;
        }
        let before = last.at.replace(here);
        let then_ms = std::mem::replace(&mut last.time_ms, now_ms);
        let Some(before) = before else {
            return;
        };
        let hours = now_ms.abs_diff(then_ms) as f64 / 3_600_000.0;
        let km = distance_km(before, here);
        // A minute at least: clocks of two hops differ.
        let speed = km / hours.max(1.0 / 60.0);
        if km < KM_MIN
            || speed < setting.threshold as f64
            || hours > f64::from(setting.window_s) / 3600.0
        {
            return;
        }
        // A third place is compared with the one before the gateway, or it would hide behind it.
        if last.gateways.len() < GATEWAYS_MAX {
            last.gateways.push(here);
            (last.at, last.time_ms) = (Some(before), then_ms);
        }
        let minutes = (hours * 60.0).ceil();
        let said = Said {
            key: user,
            about: About::User,
            count: km.round() as u64,
            threshold: Some(KM_MIN as u64),
            outcome: Outcome::Answered,
            confidence: 0.6,
            title: &|_| {
                format!("an account in two places {km:.0} km apart within {minutes:.0} min")
            },
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}

/// Distance on a sphere, km (haversine formula).
fn distance_km([lat_a, lon_a]: [f64; 2], [lat_b, lon_b]: [f64; 2]) -> f64 {
    let (lat_a, lat_b) = (lat_a.to_radians(), lat_b.to_radians());
    let (d_lat, d_lon) = (lat_b - lat_a, (lon_b - lon_a).to_radians());
    let h = (d_lat / 2.0).sin().powi(2) + lat_a.cos() * lat_b.cos() * (d_lon / 2.0).sin().powi(2);
    2.0 * EARTH_KM * h.clamp(0.0, 1.0).sqrt().asin()
}

#[cfg(test)]
mod tests {
    use super::distance_km;

    #[test]
    fn distances_are_those_of_a_map() {
        let [berlin, paris, sydney] = [[52.52, 13.405], [48.857, 2.352], [-33.869, 151.209]];
        for (a, b, km) in [
            (berlin, paris, 878.0),
            (berlin, sydney, 16_090.0),
            (paris, paris, 0.0),
        ] {
            assert!(
                (distance_km(a, b) - km).abs() < 10.0,
                "{}",
                distance_km(a, b)
            );
        }
    }
}
