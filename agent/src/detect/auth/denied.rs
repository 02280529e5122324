//! AUTH-08: refused again and again.

use serde::{Deserialize, Serialize};

use crate::detect::incident::About;
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene, Tally};
use crate::detect::table::Table;
use crate::event::{Severity, Signal};

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Auth08,
    name: "repeated 401 and 403",
    family: Family::Auth,
    version: 1,
    impact: Severity::Medium,
    threshold: 20,
    window_s: 300,
    owasp: &["API2:2023", "API5:2023", "API2:2019", "API5:2019"],
    cwe: &[862],
    attack: &["T1190"],
    means: "Somebody without the right to it tries one endpoint after another.",
    decides: "Calls refused with 401 or 403, other than logins, over at least three endpoints in 5 minutes: 20 from an address, 10 of an account. \
        A client whose token has run out asks once, refreshes it and goes on; one that retries does so on one endpoint.",
    fools: "Fewer than three endpoints, which auth-01 and bola-01 look at; an old client that polls many endpoints with a token that is no longer valid looks the same.",
    advice: "Look what was asked for and whether something was answered in between. If it is a client of yours, renew its credential.",
};

/// Endpoints over which refusals must be spread.
const ENDPOINTS: u64 = 3;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Denied {
    actors: Table<Tally, 8192, 600>,
}

impl Denied {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let refused =
            scene.has(Signal::AuthenticationFailure) || scene.has(Signal::AuthorizationFailure);
        let (Some(setting), true) = (scene.setting(&ROW), refused) else {
            return;
        };
        let keys = scene.keys;
        if scene.has(Signal::SensitiveLogin) || keys.actor == 0 {
            return;
        }
        let by_user = keys.user != 0;
        let Some(tally) = self
            .actors
            .entry(if by_user { keys.user } else { keys.client }, scene.now_s)
        else {
            return;
        };
        let endpoints = tally.distinct(keys.endpoint, scene, setting.window_s);
        let count = tally.counts.total();
        let threshold = if by_user {
            (setting.threshold / 2).max(1)
        } else {
            setting.threshold * scene.shared
        };
        if count < threshold || endpoints < ENDPOINTS {
            return;
        }
        let said = Said {
            key: keys.actor,
            about: if by_user { About::Actor } else { About::Client },
            count,
            threshold: Some(threshold),
            tally: Some(tally),
            by_address: !by_user,
            title: &|n| format!("{n} calls refused on {endpoints} endpoints"),
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
