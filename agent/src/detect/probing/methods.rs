//! SCAN-04: methods that are tried out.

use serde::{Deserialize, Serialize};

use crate::detect::incident::About;
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::table::Table;
use crate::detect::value_hash;
use crate::event::Severity;

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Scan04,
    name: "method fuzzing",
    family: Family::Probing,
    version: 1,
    impact: Severity::Medium,
    threshold: 10,
    window_s: 300,
    owasp: &["API8:2023", "API7:2019"],
    cwe: &[650],
    attack: &["T1595.002"],
    means: "Somebody tries which methods an endpoint takes.",
    decides: "In 5 minutes from one address 10 requests answered with 405 or 501, or with a method that HTTP does not have; or refused requests of four different methods.",
    fools: "Servers that answer 404 or 200 to any method; one request every half minute and fewer.",
    advice: "See whether PUT, DELETE, TRACE or a made-up method was answered with 2xx anywhere.",
};

/// Methods of refused requests that are too many.
const METHODS: u64 = 4;

/// Methods that APIs use (RFC 9110, RFC 5789, WebDAV).
const KNOWN: &[&[u8]] = &[
    b"GET",
    b"POST",
    b"PUT",
    b"DELETE",
    b"HEAD",
    b"OPTIONS",
    b"PATCH",
    b"CONNECT",
    b"PROPFIND",
    b"REPORT",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"SEARCH",
    b"QUERY",
];

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Methods {
    clients: Table<Tally, 4096, 600>,
}

impl Methods {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let facts = scene.facts;
        let odd = !KNOWN.contains(&facts.method) && !facts.method.is_empty();
        let refused = matches!(facts.status, 405 | 501);
        let (Some(setting), true) = (scene.setting(&ROW), odd || refused) else {
            return;
        };
        let key = scene.keys.client;
        let Some(tally) = self.clients.entry(key, scene.now_s) else {
            return;
        };
        let methods = tally.distinct(value_hash(facts.method), scene, setting.window_s);
        let count = tally.counts.total();
        if key == 0 || (count < setting.threshold * scene.shared && methods < METHODS) {
            return;
        }
        let said = Said {
            key,
            about: About::Client,
            count,
            tally: Some(tally),
            sample: Some(facts.method),
            outcome: if odd {
                scene.outcome()
            } else {
                crate::event::Outcome::Attempted
            },
            by_address: true,
            title: &|n| {
                format!("{n} requests with methods that are not taken, {methods} different ones")
            },
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
