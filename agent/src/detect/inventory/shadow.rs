//! INV-01: an endpoint that was not there before.

use serde::{Deserialize, Serialize};

use super::specification::Judged;
use crate::detect::incident::About;
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::table::{Table, Worth};
use crate::event::{Outcome, Severity};

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Inv01,
    name: "shadow endpoint",
    family: Family::Inventory,
    version: 1,
    impact: Severity::Low,
    threshold: 5,
    window_s: 86_400,
    owasp: &["API9:2023", "API9:2019"],
    cwe: &[1059],
    attack: &["T1190"],
    means: "An endpoint answers that nobody has told of: new, forgotten, or put there by somebody else.",
    decides: "An endpoint that answers with 2xx for the first time after its host was watched for a day, five times within a day; or one that the specification does not have, if there is one (`identity.openapi`), on a host that answers what it has: pages, styles, scripts and images aside.",
    fools: "Endpoints that were there from the start, or under a host's name that is new itself and not watched for a day yet, unless there is a specification; fewer than five answers a day.",
    advice: "Ask who put it there. If it belongs, add it to the specification; see whether it asks for a credential.",
};

const MONTH_S: u32 = 30 * 86_400;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Since(u32);

impl Worth for Since {
    fn worth(&self) -> u64 {
        // The longest known are worth most.
        u64::from(u32::MAX - self.0)
    }
}

/// An endpoint that is new.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct New {
    calls: Tally,
    told: bool,
}

impl Worth for New {
    fn worth(&self) -> u64 {
        self.calls.worth()
    }
}

/// Answers of a host to what a specification has, from which on it is that of the host.
const SPECIFIED: u32 = 20;

/// How many of a host's answers were to what a specification has.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Specified(u32);

impl Worth for Specified {
    fn worth(&self) -> u64 {
        self.0.into()
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Shadow {
    hosts: Table<Since, 256, { 12 * MONTH_S }>,
    specified: Table<Specified, 256, { 12 * MONTH_S }>,
    new: Table<New, 512, MONTH_S>,
}

impl Shadow {
    pub(super) fn look(&mut self, judged: &Judged<'_>, scene: &mut Scene<'_, '_>) {
        let Some(setting) = scene.setting(&ROW) else {
            return;
        };
        let now_s = scene.now_s;
        let host = crate::detect::value_hash(&scene.facts.domain);
        let Some(Since(since)) = self.hosts.entry(host, now_s) else {
            return;
        };
        if *since == 0 {
            *since = now_s;
        }
        let watched = now_s.saturating_sub(*since) >= scene.settings.learn_s;
        let unspecified = judged.unspecified && self.is_specified(host, now_s);
        if judged.specified
            && let Some(Specified(n)) = self.specified.entry(host, now_s)
        {
            *n = n.saturating_add(1);
        }
        let key = scene.keys.endpoint;
        let is_new = watched && scene.endpoint.answered == 0;
        let counting = self.new.get(key, now_s).is_some_and(|new| !new.told);
        if !unspecified && !is_new && !counting {
            return;
        }
        let Some(new) = self.new.entry(key, now_s) else {
            return;
        };
        // Told once, it is told of no more than while its incident goes on.
        if new.told && !(unspecified && scene.is_open(ROW.id, key)) {
            return;
        }
        let count = new
            .calls
            .distinct(scene.keys.actor, scene, setting.window_s);
        let calls = new.calls.counts.total();
        if calls < setting.threshold {
            return;
        }
        new.told = true;
        let why = if unspecified {
            "the specification does not have"
        } else {
            "was not there before"
        };
        let said = Said {
            key,
            about: About::Endpoint,
            count: calls,
            outcome: Outcome::Answered,
            confidence: 0.8,
            tally: Some(&new.calls),
            title: &|n| format!("{n} answers to {count} callers of an endpoint that {why}"),
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }

    /// Whether a host answers what a specification has: one of another host says nothing of it.
    fn is_specified(&self, host: u64, now_s: u32) -> bool {
        let found = self.specified.get(host, now_s);
        found.is_some_and(|Specified(n)| *n >= SPECIFIED)
    }
}
