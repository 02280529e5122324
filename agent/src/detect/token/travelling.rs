//! JWT-05: one token, many places.

use serde::{Deserialize, Serialize};

use crate::detect::incident::About;
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::table::{Table, Worth};
use crate::detect::window::Recent;
use crate::event::Severity;

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Jwt05,
    name: "token from many sources",
    family: Family::Token,
    version: 1,
    impact: Severity::High,
    threshold: 5,
    window_s: 600,
    owasp: &["API2:2023", "API2:2019"],
    cwe: &[294],
    attack: &["T1539"],
    means: "One token or key is used in several places at once: it was stolen, or is shared.",
    decides: "In 10 minutes one credential that was accepted, from five addresses (IPv6 by /64), or from two countries. Machines that use one key from many addresses of one network \
        count as one where they did so for an hour before.",
    fools: "A thief near the owner. Telephones that move between networks stay below five.",
    advice: "End the session. If it is a key of a service, give each machine its own.",
};

const COUNTRIES: u64 = 2;
const HOUR_S: u32 = 3600;
/// Addresses in ten minutes that are usual for one whose key always was at many.
const TIMES_USUAL: u64 = 2;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Used {
    sources: Tally,
    countries: Recent,
    first_s: u32,
    /// The most sources in ten minutes, in the first hour.
    usual: u64,
}

impl Worth for Used {
    fn worth(&self) -> u64 {
        self.sources.distinct.len() as u64 * 4 + self.usual
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Travelling {
    tokens: Table<Used, 8192, { 2 * 86_400 }>,
}

impl Travelling {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let (key, client) = (scene.keys.credential, scene.keys.client);
        let Some(setting) = scene.setting(&ROW) else {
            return;
        };
        if key == 0 || client == 0 || matches!(scene.facts.status, 0 | 401 | 403) {
            return;
        }
        let now_s = scene.now_s;
        let Some(used) = self.tokens.entry(key, now_s) else {
            return;
        };
        if used.first_s == 0 {
            used.first_s = now_s;
        }
        let sources = used.sources.distinct(client, scene, setting.window_s);
        let country = scene
            .facts
            .place
            .map(|place| u64::from(u16::from_be_bytes(place.country)));
        let countries = match country {
            Some(country) if country != 0 => {
                used.countries.add(country << 32, now_s, setting.window_s)
            }
            _ => 0,
        };
        let old = now_s.saturating_sub(used.first_s) >= HOUR_S;
        // What is usual is known after an hour; before it a stolen token is as new as an owner's.
        let usual = if old { used.usual } else { 0 };
        let threshold = setting.threshold.max(TIMES_USUAL * usual);
        if sources < threshold && countries < COUNTRIES {
            if !old && sources < setting.threshold {
                used.usual = used.usual.max(sources);
            }
            return;
        }
        let said = Said {
            key,
            about: About::Credential,
            count: sources,
            threshold: Some(threshold),
            outcome: scene.outcome(),
            confidence: 0.75,
            tally: Some(&used.sources),
            title: &|n| {
                format!(
                    "one credential from {n} addresses and {countries} countries in {} min",
                    setting.window_s / 60
                )
            },
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
