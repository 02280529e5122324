//! BFLA-02: changing what others only read.

use serde::{Deserialize, Serialize};

use crate::detect::incident::{About, mix};
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::table::{Table, Worth};
use crate::detect::value_hash;
use crate::detect::window::Recent;
use crate::event::Severity;

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Bfla02,
    name: "unusual method",
    family: Family::Access,
    version: 1,
    impact: Severity::High,
    threshold: 3,
    window_s: 600,
    owasp: &["API5:2023", "API5:2019"],
    cwe: &[650],
    attack: &["T1190"],
    means: "An account writes or deletes on a route that its like only ever read.",
    decides: "PUT, PATCH, DELETE or POST on a route that at least five accounts used 200 times without that method ever being answered with 2xx: three calls of one account in 10 minutes.",
    fools: "Routes that few accounts use; a method that was used there from the start. The day a new version brings the method looks the same, for each account that uses it.",
    advice: "See whether a call was answered with 2xx, and what it changed.",
};

/// Calls of a route, and accounts that made them, from which on its methods are known.
const CALLS: u32 = 200;
const USERS: u64 = 5;
const MONTH_S: u32 = 30 * 86_400;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Route {
    calls: u32,
    users: Recent,
    /// Methods that were answered.
    methods: Recent,
}

impl Worth for Route {
    fn worth(&self) -> u64 {
        self.calls.into()
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Methods {
    routes: Table<Route, 2048, MONTH_S>,
    actors: Table<Tally, 2048, 1200>,
}

impl Methods {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let (user, now_s) = (scene.keys.user, scene.now_s);
        let Some(setting) = scene.setting(&ROW) else {
            return;
        };
        if user == 0 || scene.facts.status == 0 {
            return;
        }
        let method = value_hash(scene.facts.method);
        let writes = matches!(scene.facts.method, b"PUT" | b"PATCH" | b"DELETE" | b"POST");
        let answered = scene.succeeded();
        let known = match self.routes.get(scene.keys.route, now_s) {
            Some(route) => {
                writes
                    && route.calls >= CALLS
                    && route.users.len() as u64 >= USERS
                    && !route.methods.has(method, now_s, MONTH_S)
            }
            None => false,
        };
        if !known {
            if answered
                && !scene.flagged
                && let Some(route) = self.routes.entry(scene.keys.route, now_s)
            {
                route.calls = route.calls.saturating_add(1);
                if (route.users.len() as u64) < USERS {
                    route.users.see(user, now_s, MONTH_S);
                }
                route.methods.see(method, now_s, MONTH_S);
            }
            return;
        }
        // All that are new to the route together: one call of each method is no better.
        let key = mix(user, scene.keys.route);
        let Some(tally) = self.actors.entry(key, now_s) else {
            return;
        };
        let count = tally.count(scene, setting.window_s);
        if answered
            && !scene.flagged
            && let Some(route) = self.routes.entry(scene.keys.route, now_s)
        {
            // Several accounts that are answered make it usual.
            route.users.see(mix(user, method), now_s, MONTH_S);
            if route.users.len() as u64 >= 2 * USERS {
                route.methods.see(method, now_s, MONTH_S);
            }
        }
        if count < setting.threshold {
            return;
        }
        let said = Said {
            key,
            about: About::ActorAt,
            count,
            outcome: scene.outcome(),
            confidence: 0.7,
            tally: Some(tally),
            title: &|n| format!("{n} calls with a method that nobody uses on this route"),
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
