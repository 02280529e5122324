//! SCAN-01: paths that do not exist, one after another.

use serde::{Deserialize, Serialize};

use crate::detect::incident::{About, mix};
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::table::{Table, Worth};
use crate::detect::value_hash;
use crate::detect::window::Rate;
use crate::event::Severity;

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Scan01,
    name: "endpoint probing",
    family: Family::Probing,
    version: 1,
    impact: Severity::Medium,
    threshold: 10,
    window_s: 3600,
    owasp: &["API9:2023", "API9:2019"],
    cwe: &[538],
    attack: &["T1595.003"],
    means: "Somebody asks for paths that a scanner's list has, to see which exist.",
    decides: "Distinct paths that were refused (400, 403, 404, 405, 410) and whose route never worked for anybody: 10 beyond one in ten seconds, or 25 within an hour. \
        Objects that do not exist on a route that works are not counted here but by bola-01. Thresholds rise for addresses that many share.",
    fools: "Fewer than 25 an hour, or many addresses. A site that moved and left broken links behind looks the same.",
    advice: "See whether anything was answered with 2xx to the same address (`eaves query 'client == ADDRESS and status == 2xx'`). Mostly no more than the noise of the internet.",
};

const SLOW: u64 = 25;
/// Paths that may come without being too many (CrowdSec's http-probing: capacity 10, one leaks in 10 s).
const LEAK_PER_S: f64 = 0.1;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Probes {
    paths: Tally,
    rate: Rate,
}

impl Worth for Probes {
    fn worth(&self) -> u64 {
        self.paths.worth()
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Paths {
    clients: Table<Probes, 8192, 7200>,
}

impl Paths {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let refused = matches!(scene.facts.status, 400 | 403 | 404 | 405 | 410);
        let (Some(setting), true) = (scene.setting(&ROW), refused) else {
            return;
        };
        let key = scene.keys.client;
        if key == 0 || scene.route_works() {
            return;
        }
        let Some(probes) = self.clients.entry(key, scene.now_s) else {
            return;
        };
        let going_on = scene.is_open(ROW.id, key);
        probes.paths.renew(going_on);
        let path = mix(
            value_hash(scene.facts.path),
            value_hash(&scene.facts.domain),
        );
        let new = !probes
            .paths
            .distinct
            .has(path, scene.now_s, setting.window_s);
        let distinct = probes.paths.distinct(path, scene, setting.window_s);
        let factor = scene.shared;
        let burst = u32::try_from(setting.threshold * factor).unwrap_or(u32::MAX);
        let over = if new {
            probes.rate.add(scene.now_ms(), LEAK_PER_S, burst)
        } else {
            0
        };
        let fast = over > 0 && distinct >= setting.threshold * factor;
        let slow = distinct >= SLOW.max(setting.threshold) * factor;
        if !(fast || slow || going_on) {
            return;
        }
        probes.paths.told = true;
        let said = Said {
            key,
            about: About::Client,
            count: distinct,
            threshold: Some(if fast { setting.threshold } else { SLOW } * factor),
            tally: Some(&probes.paths),
            sample: Some(scene.facts.path),
            by_address: true,
            title: &|n| format!("{n} paths asked for that do not exist"),
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
