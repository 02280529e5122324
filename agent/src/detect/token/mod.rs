//! Tokens and credentials.

mod clear;
mod stateless;
mod travelling;

use serde::{Deserialize, Serialize};

use super::row::Row;
use super::scene::Scene;

pub(super) const ROWS: [&Row; 7] = [
    &stateless::JWT_01,
    &stateless::JWT_02,
    &stateless::JWT_03,
    &stateless::JWT_04,
    &travelling::ROW,
    &stateless::CRED_01,
    &clear::ROW,
];

/// The family's state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Tokens {
    travelling: travelling::Travelling,
}

impl Tokens {
    pub(super) fn look(&mut self, scene: &mut Scene<'_, '_>) {
        self.travelling.look(scene);
        clear::look(scene);
    }
}
