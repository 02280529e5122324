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

use super::row::Row;
use super::scene::Scene;

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
}

impl Auth {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        self.denied.look(scene);
        self.otp.look(scene);
        if scene.failed_login() {
            self.spray.look(scene);
            self.account.look(scene);
            self.source.look(scene);
            self.stuffing.look(scene);
        }
        self.enumeration.look(scene);
        self.takeover.look(scene);
    }
}
