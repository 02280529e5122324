//! Signing in: who tries, with which names, and whether it works in the end.

mod account;
mod denied;
mod enumeration;
mod otp;
mod source;
mod spray;
mod stuffing;
mod takeover;

use serde::{Deserialize, Serialize};

use super::incident::mix;
use super::row::Row;
use super::scene::Scene;
use super::table::{Table, Worth};

pub(super) const ROWS: [&Row; 8] = [
    &account::ROW,
    &source::ROW,
    &spray::ROW,
    &stuffing::ROW,
    &takeover::ROW,
    &otp::ROW,
    &enumeration::ROW,
    &denied::ROW,
];

/// The family's state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Auth {
    account: account::Account,
    source: source::Origin,
    spray: spray::Spray,
    stuffing: stuffing::Stuffing,
    takeover: takeover::Takeover,
    otp: otp::Otp,
    enumeration: enumeration::Enumeration,
    denied: denied::Denied,
    tried: Table<Tried, 8192, 7200>,
}

/// The password that was tried last, by one address for one account.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Tried(u64);

impl Worth for Tried {
    fn worth(&self) -> u64 {
        1
    }
}

impl Auth {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        self.denied.look(scene);
        self.otp.look(scene);
        if scene.failed_login() && !self.is_repeated(scene) {
            self.spray.look(scene);
            self.account.look(scene);
            self.source.look(scene);
            self.stuffing.look(scene);
        }
        self.enumeration.look(scene);
        self.takeover.look(scene);
    }

    /// Whether it is the password that was refused before: who guesses tries another, a client that
    /// was not told of a change tries the old one with each call.
    fn is_repeated(&mut self, scene: &Scene<'_, '_>) -> bool {
        let Some(guess) = scene.facts.guess else {
            return false;
        };
        let key = mix(scene.keys.client, scene.keys.login);
        let tried = self.tried.entry(key, scene.now_s);
        tried.is_some_and(|tried| std::mem::replace(&mut tried.0, guess) == guess)
    }
}
