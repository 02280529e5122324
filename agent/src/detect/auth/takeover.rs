//! AUTH-05: a login that works after guessing.

use serde::{Deserialize, Serialize};

use crate::detect::incident::About;
use crate::detect::row::{Family, Id, Row};
use crate::detect::scene::{Said, Scene};
use crate::detect::table::{Table, Worth};
use crate::detect::window::Recent;
use crate::event::{Outcome, Severity, Signal};

pub(in crate::detect) const ROW: Row = Row {
    id: Id::Auth05,
    name: "account takeover",
    family: Family::Auth,
    version: 1,
    impact: Severity::Critical,
    threshold: 1,
    window_s: 1800,
    owasp: &["API2:2023", "API2:2019"],
    cwe: &[287],
    attack: &["T1078"],
    means: "Guessing has worked: an account was signed in to by whoever guessed.",
    decides: "A login that works within half an hour of an incident of auth-01 for the account, of auth-02 or auth-03 for the address, or of auth-04 for the route \
        if that address had failed for another account; or after an impossible journey (loc-02). Behind a shared address only the account counts. Where the password comes in the header \
        with each request, that address must have failed for the account.",
    fools: "An owner who remembers the password at the eleventh try. An attacker who signs in from another address later on: loc-01 to loc-03 look at that.",
    advice: "End all sessions of the account, reset its password and tell its owner. Look what was done with it since: `eaves query 'user == NAME' --since 1h`.",
};

/// Names that an address failed for.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Failed(Recent);

impl Worth for Failed {
    fn worth(&self) -> u64 {
        self.0.len() as u64
    }
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Takeover {
    clients: Table<Failed, 8192, 1800>,
}

impl Takeover {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        let Some(setting) = scene.setting(&ROW) else {
            return;
        };
        let keys = scene.keys;
        let name = if keys.login == 0 {
            keys.user
        } else {
            keys.login
        };
        if name == 0 {
            return;
        }
        if scene.failed_login() {
            if let Some(failed) = self.clients.entry(keys.client, scene.now_s) {
                failed.0.see(name, scene.now_s, setting.window_s);
            }
            return;
        }
        if !scene.has(Signal::AuthenticationSuccess) {
            return;
        }
        // Where the password comes with each request, the owner's requests go on while somebody guesses.
        let here = self.clients.get(keys.client, scene.now_s);
        let failed_here =
            here.is_some_and(|failed| failed.0.has(name, scene.now_s, setting.window_s));
        if !scene.signed_in() && !failed_here {
            return;
        }
        let failed_for_others = || {
            let failed = self.clients.get(keys.client, scene.now_s);
            let own =
                |failed: &Failed| u64::from(failed.0.has(name, scene.now_s, setting.window_s));
            failed.is_some_and(|failed| failed.0.count(scene.now_s, setting.window_s) > own(failed))
        };
        let alone = scene.shared == 1;
        let after = if scene.is_open(Id::Auth01, name) {
            "guessing for this account"
        } else if alone && scene.is_open(Id::Auth02, keys.client) {
            "guessing from this address"
        } else if alone
            && (scene.is_open(Id::Auth03, keys.client) || scene.is_open(Id::Auth03, keys.network))
        {
            "a password spray from this address"
        } else if alone && scene.is_open(Id::Auth04, keys.endpoint) && failed_for_others() {
            "credential stuffing"
        } else if scene.is_open(Id::Loc02, name) {
            "an impossible journey"
        } else {
            return;
        };
        let said = Said {
            key: name,
            about: About::Login,
            outcome: Outcome::Answered,
            confidence: 0.8,
            sample: scene.facts.login,
            by_address: true,
            title: &|_| format!("a login worked after {after}"),
            ..Said::default()
        };
        scene.raise(&ROW, &said);
    }
}
